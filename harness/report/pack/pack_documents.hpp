#pragma once
#include <string>
#include <vector>

#include "harness/report/pack/pack_sections.hpp"

/// The Markdown documents of a pack. Each begins with the line that it is not decision grade, where
/// it is not.
namespace kvtier {

/// TECHBRIEF_EVIDENCE.md: the claim, and for each part of it what was seen and what was not.
std::string TechbriefEvidenceMd(const PackInput& input,
                                const std::vector<ExpectedEvidence>& evidence);
/// METHOD.md: how it was measured and judged, how to do it again, and from which files.
std::string MethodMd(const PackInput& input, const std::vector<std::string>& sources);
/// methodology.md with the sections of the predecessor; its headline comes from the verdict.
std::string MethodologyMd(const PackInput& input);
/// RESULTS/summary.md: every table.
std::string ResultsMd(const PackInput& input, const std::vector<ExpectedEvidence>& evidence);
/// README.md: what lies where.
std::string PackReadmeMd(const PackInput& input, const std::string& figures_note);

}  // namespace kvtier
