#pragma once
#include <string>
#include <vector>

#include "harness/report/figures/figure_set.hpp"
#include "harness/report/pack/evidence_list.hpp"
#include "harness/report/pack/pack_input.hpp"

namespace kvtier {

/// report.html: one page that asks the network for nothing. Its first line says so where the run is
/// not decision grade; then the verdict box, then the sections. Charts are drawn by a library that
/// the page carries; the still figures stand in print and where no script runs. A content security
/// policy lets only the two scripts of the page run, named by their hash.
std::string RenderReportHtml(const PackInput& input, const std::vector<ExpectedEvidence>& evidence,
                             const std::vector<Figure>& figures,
                             const std::vector<std::string>& sources);

}  // namespace kvtier
