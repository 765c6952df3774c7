#pragma once
#include <string>

#include <nlohmann/json.hpp>

#include "harness/judge/evidence.hpp"
#include "harness/report/run_config.hpp"

namespace kvtier {

/// report.md of a run, sections of spec/artifacts.md A10, from what summary.json says and the
/// evidence behind it.
std::string RenderRunReport(const nlohmann::json& summary, const LegEvidence& leg,
                            const RunConfig& config);

}  // namespace kvtier
