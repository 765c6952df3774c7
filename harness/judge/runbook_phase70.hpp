#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

/// The paired experiment by the documented rules exactly as the predecessor executes them, known
/// faults included: missing is 0, host onboarding counts as SSD, writes pass the gate, one leg
/// vouches for all, errors are not looked at (spec: rules 6, 13, 14, 15). For comparison with its
/// figures, never for a decision. In: parsed artifacts, of either schema; out: artifacts of its
/// schema. Nothing here throws on a value of the wrong type: such a value reads as missing.
namespace kvtier::runbook {

/// A finite number, or a text that spells one; true and false are 1 and 0.
std::optional<double> Num(const nlohmann::json& value);
/// The phase that is judged: "replay", else "replay_A", else the first that starts with "replay";
/// an empty object without one.
nlohmann::json ReplayPhase(const nlohmann::json& run_summary);

struct GateOptions {
  double min_disk_hit_rate = 0.01;
  double min_matched_tokens = 0;
  bool require_matched = false;
};
/// Gate JSON (spec: artifacts E7) but for created_utc, run_dir and summary_json.
nlohmann::json JudgeGate(const nlohmann::json& run_summary, const GateOptions& options);

/// One leg of the manifest with what was found of it.
struct RunFiles {
  nlohmann::json run;  // its entry in the manifest
  std::string folder;  // empty: not found
  nlohmann::json summary, io_verdict;
  std::string error;  // why it could not be read; empty when it could
};

struct Analysis {
  nlohmann::json rows = nlohmann::json::array();         // spec: artifacts E2
  nlohmann::json pair_deltas = nlohmann::json::array();  // E3
  nlohmann::json delta_rollups = nlohmann::json::object();
  nlohmann::json errors = nlohmann::json::array();
  nlohmann::json order_check;  // E5 but for created_utc
};
Analysis Analyze(const nlohmann::json& manifest, const std::vector<RunFiles>& runs,
                 const std::string& mode_a, const std::string& mode_b);
/// Summary JSON (E4); `artifacts` as given.
nlohmann::json SummaryJson(const nlohmann::json& manifest, const Analysis& analysis,
                           const std::string& mode_a, const std::string& mode_b,
                           const nlohmann::json& artifacts);

/// Statistics of deltas with the documented 1.96 sd / sqrt(n), which covers 89 % at 6 pairs.
nlohmann::json Stats(const std::vector<double>& values);
/// One metric of the order check.
nlohmann::json OrderMetric(std::string_view metric, const std::vector<double>& ab,
                           const std::vector<double>& ba, const std::string& ab_label,
                           const std::string& ba_label);

struct VerdictInput {
  nlohmann::json manifest, summary, order_check;  // null where unreadable
  /// Run summaries, one a row of `summary`, null where not found.
  std::vector<nlohmann::json> run_summaries;
  nlohmann::json artifacts = nlohmann::json::object();  // name -> {path, exists}
  std::vector<std::string> reason_codes;                // of the caller
  bool io_attrib_expected = false;
  bool decision_grade_hint = true;
  bool require_rehydrate = true;
  std::string ts;
};
/// Verdict JSON (E8) but for created_utc.
nlohmann::json JudgeVerdict(const VerdictInput& input);

}  // namespace kvtier::runbook
