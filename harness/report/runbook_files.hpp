#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "harness/judge/runbook_phase70.hpp"

/// Files for the runbook rules: run folders of either schema in, the documented CSVs out.
namespace kvtier::runbook {

/// Every leg of the manifest with its summary and attribution verdict; one that cannot be read
/// carries the reason. Throws DataError for a manifest without a list of runs.
std::vector<RunFiles> ReadRuns(const std::filesystem::path& root, const nlohmann::json& manifest);
/// The run's summary.json, null where it is not found or no JSON.
nlohmann::json ReadRunSummary(const std::filesystem::path& root, const nlohmann::json& row);

std::string SummaryCsv(const nlohmann::json& rows);
std::string DeltasCsv(const nlohmann::json& pair_deltas);

}  // namespace kvtier::runbook
