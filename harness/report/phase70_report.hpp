#pragma once
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "harness/judge/phase70.hpp"
#include "harness/report/phase70_files.hpp"

/// The paired experiment for people.
namespace kvtier {

/// The verdict in one sentence: word, effect with interval, pairs, grade, and what it is about.
std::string VerdictSentence(const Verdict& verdict, const Phase70Manifest& manifest);

/// What the verdict speaks of: "mechanism mode (disk-offload filter off)", "production mode (filter
/// on, three visits)", and whether the counters prove it; empty for a run that declared no filter
/// protocol and left the filter on.
std::string ModeText(const Verdict& verdict, const Phase70Manifest& manifest);

/// Names of the arms for people: "B1", "B2"; of a mode against itself "A (B2)", "A' (B2)".
std::vector<std::string> ArmNames(const Phase70Setup& setup);

/// Rows of the table B1 against B2: {what, mode_a, mode_b}, medians over the valid legs of each
/// arm; mode_c is empty unless there are three.
struct ArmTableRow {
  std::string what, mode_a, mode_b, mode_c;
};
std::vector<ArmTableRow> ArmTable(const Verdict& verdict, const Phase70Manifest& manifest);

/// "-41.2 % [-44.0, -38.5]" estimate and interval of the method that decides; "not computed"
/// without pairs.
std::string EffectText(const Verdict& verdict);

/// What the effect means for the SSD, in one sentence: faster, slower than recomputing (a result,
/// too), or neither; empty where the comparison is not one of the SSD.
std::string SsdResultSentence(const Verdict& verdict);

/// ..._report_<ts>.md
std::string RenderPhase70Report(const Phase70Manifest& manifest, const Phase70Analysis& analysis,
                                const Phase70Paths& paths);

/// The end of `./kvtier phase70`: table, effect with interval, verdict, grade, reason codes with
/// what to do, paths.
std::string RenderClosingSummary(
    const Verdict& verdict, const Phase70Manifest& manifest,
    const std::vector<std::pair<std::string, std::filesystem::path>>& paths);

}  // namespace kvtier
