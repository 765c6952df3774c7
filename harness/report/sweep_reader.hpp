#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "harness/judge/knee_table.hpp"
#include "harness/judge/recommend.hpp"

/// The sweep's files for the offline commands: summaries in, knee table and recommendation out
/// (spec/artifacts.md D1, D6, D7).
namespace kvtier {

/// The summary with, for each row, what the run's own summary.json says where that is still there:
/// at run_path, or below the summary's folder when results were moved. Throws IoError, or DataError
/// naming file and key.
Sweep LoadSweep(const std::filesystem::path& summary_json);
/// Several sweeps of one experiment as one: rows of the same point become its repeats. SLO and
/// status are those of the first. `sweeps` is not empty.
Sweep JoinSweeps(std::vector<Sweep> sweeps);

/// The <ts> in the file's name, "unknown" without one.
std::string SweepTs(const std::filesystem::path& summary_json);
/// Our name of a summary for this <ts> in the results root, else the first by name of those that
/// look like one. Throws ConfigError naming root and pattern when there is none.
std::filesystem::path FindSweepSummary(const std::filesystem::path& results_root,
                                       const std::string& ts);

std::string KneeTableCsv(const std::vector<KneeRow>& rows);

/// "B1 p95 170.0 ms (95 % interval 165.1 to 174.9, n=3); B2 p95 ...; tail gap ..." of an accepted
/// point; a figure of one run stands alone.
std::string PointFigures(const SweepPoint& point);
/// For people: the recommended points with their uncertainty, then why others were refused.
std::string RecommendationMarkdown(const Recommendation& r, const RecommendContext& context);

}  // namespace kvtier
