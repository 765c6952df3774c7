#pragma once
#include <string>
#include <vector>

#include "harness/report/pack/evidence_list.hpp"
#include "harness/report/pack/pack_input.hpp"

namespace kvtier {

/// A file of the pack.
struct PackFile {
  std::string name;  // relative to the pack
  std::string bytes;
};

/// tables/table_main_latency.csv, table_mechanism.csv and table_order_effect.csv in the columns of
/// the predecessor. Statistics of a mode are over its valid legs, of deltas over complete pairs;
/// the approximate intervals are Student's.
std::vector<PackFile> DocumentedTables(const PackInput& input);

/// RESULTS/phases.csv, hits.csv, evidence.csv, findings.csv and noise.csv.
std::vector<PackFile> ResultTables(const PackInput& input,
                                   const std::vector<ExpectedEvidence>& evidence);

}  // namespace kvtier
