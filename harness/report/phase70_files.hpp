#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "harness/judge/phase70.hpp"
#include "harness/report/run_config.hpp"

/// The files of one paired experiment in the results root (spec/artifacts.md section E), and the
/// small state file by which its test processes agree.
namespace kvtier {

/// Where everything of experiment <ts> lies.
struct Phase70Paths {
  std::filesystem::path root;
  std::string ts;

  std::filesystem::path Preflight() const { return Of("preflight", "json"); }
  std::filesystem::path Manifest() const { return Of("manifest", "json"); }
  std::filesystem::path Gate() const { return Of("gate", "json"); }
  std::filesystem::path Summary() const { return Of("summary", "json"); }
  std::filesystem::path SummaryCsv() const { return Of("summary", "csv"); }
  std::filesystem::path DeltasCsv() const { return Of("deltas", "csv"); }
  std::filesystem::path OrderCheck() const { return Of("order_check", "json"); }
  std::filesystem::path Verdict() const { return Of("verdict", "json"); }
  std::filesystem::path Report() const { return Of("report", "md"); }
  std::filesystem::path LogFolder() const { return root / ("phase70_pair_logs_" + ts); }
  /// phase70_rehydrate_pair_<mode>_p<NN>_l<1|2>_<ts>
  std::string BundleId(TierMode mode, int pair, int leg) const;
  /// run_<mode>_p<NN>_l<1|2>_<ts>
  std::string RunId(TierMode mode, int pair, int leg) const;
  std::filesystem::path RunDir(TierMode mode, int pair, int leg) const {
    return root / BundleId(mode, pair, leg) / RunId(mode, pair, leg);
  }

 private:
  std::filesystem::path Of(const char* what, const char* extension) const;
};

/// One finished leg in the manifest (runs[]).
struct Phase70Run {
  int pair_id = 0;
  std::string pair_order;  // "B1_B2"
  int pair_leg = 1;
  TierMode mode = TierMode::kB1;
  std::string bundle_id, run_id;
  std::string run_dir;  // relative to the results root
  std::string log_path;
  std::string started_utc, completed_utc;
  bool io_attrib_checked = false;             // the checker of I/O attribution judged this leg
  std::optional<int> io_attrib_checker_rc{};  // its exit code: 0 pass, 2 fail
};
/// An attempt at a leg that failed and was set aside; listed, never counted.
struct Phase70Attempt {
  std::string path, reason;
};

/// ..._manifest_<ts>.json: what was declared, and the legs as they finish.
struct Phase70Manifest {
  std::string created_utc;
  Phase70Setup setup;
  std::string model_profile;
  std::string stack_label;      // "reference stack (preset small)"
  bool mechanism_mode = false;  // the disk-offload filter was switched off
  std::uint64_t block_bytes = 0;
  int block_tokens = 0;
  double io_attrib_interval_s = 1;
  double stream_timeout_s = 0;
  int pair_washout_s = 0;
  bool pair_washout_sync = false, pair_washout_drop_caches = false;
  bool skip_preflight = false, allow_missing_kvbm_metrics = false, require_ttfc = true;
  std::vector<LegOrder> schedule;      // of every planned pair
  std::vector<ArmSequence> sequences;  // instead, of every planned block of three
  std::vector<SettingValue> settings;
  std::vector<std::string> notes;
  std::vector<Phase70Run> runs;
  std::vector<Phase70Attempt> failed_attempts;
  /// What only the runner knew (interrupted, the early gate failed), so that the same verdict can be
  /// reached again from disk.
  Findings runner_findings = {};

  const Phase70Run* FindRun(int pair_id, int pair_leg) const;
};
void to_json(nlohmann::json& j, const Phase70Manifest& m);
void from_json(const nlohmann::json& j, Phase70Manifest& m);

void WritePhase70Manifest(const Phase70Paths& paths, const Phase70Manifest& manifest);
/// Throws DataError naming file and key.
Phase70Manifest LoadPhase70Manifest(const Phase70Paths& paths);

/// ..._preflight_<ts>.json from fixtures' typed result; schema_version is added.
void WritePhase70Preflight(const Phase70Paths& paths, nlohmann::json preflight);
/// The outcome as the verdict wants it; kNotRun when there is no file.
PreflightOutcome LoadPhase70Preflight(const Phase70Paths& paths);
void WritePhase70Gate(const Phase70Paths& paths, const MechanismGateRecord& gate);
MechanismGateRecord LoadPhase70Gate(const Phase70Paths& paths);

/// washout.json in the bundle of the leg after it.
void WriteWashout(const std::filesystem::path& run_dir, const WashoutEvidence& washout);
/// Empty when the run holds none. Throws DataError naming file and key.
std::optional<WashoutEvidence> LoadWashout(const std::filesystem::path& run_dir);

enum class LegRows {
  kKeep,
  /// Each leg is judged by the setup of the manifest as it is read, and its rows are released, so
  /// that memory holds the rows of one leg: for AnalyzePhase70 under the same setup.
  kRelease,
};
/// The finished legs of the manifest, loaded from their bundles (a bundle moved with its root is
/// found by its name). One whose files cannot be read is there, invalid, and says why.
std::vector<Phase70Leg> LoadPhase70Legs(const Phase70Paths& paths, const Phase70Manifest& manifest,
                                        LegRows rows = LegRows::kKeep);

/// Summary JSON and CSV, deltas CSV, order check, verdict JSON (its artifact list filled in) and
/// report.md, in this order.
void WritePhase70Analysis(const Phase70Paths& paths, const Phase70Manifest& manifest,
                          Phase70Analysis& analysis);
Verdict LoadPhase70Verdict(const std::filesystem::path& file);

std::string Phase70SummaryCsv(const std::vector<PairRow>& rows);
std::string Phase70DeltasCsv(const std::vector<PairDelta>& deltas);

/// <root>/current/phase70.json: which experiment the gates look at.
struct Phase70Current {
  std::string ts;
  std::string state;  // preflight_passed, preflight_failed, running, finished
  std::int64_t pid = 0;
  std::string updated_utc;
  std::string verdict;  // path relative to the root; empty until written
  std::string reason;   // of a failure; empty otherwise
};
void to_json(nlohmann::json& j, const Phase70Current& c);
void from_json(const nlohmann::json& j, Phase70Current& c);
void WritePhase70Current(const std::filesystem::path& root, const Phase70Current& current);
/// Empty when there is none. Throws DataError naming the file on another schema version or a broken
/// one.
std::optional<Phase70Current> LoadPhase70Current(const std::filesystem::path& root);

}  // namespace kvtier
