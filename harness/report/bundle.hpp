#pragma once
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "harness/core/files.hpp"
#include "harness/judge/evidence.hpp"
#include "harness/judge/reason.hpp"
#include "harness/report/request_rows.hpp"
#include "harness/report/run_config.hpp"

/// One run on disk: a folder of versioned artifacts (spec/artifacts.md A1-A10, with our additions),
/// each whole at any moment, so that a person or a rule may read it while the run goes on. Schemas:
/// docs/schemas/.
namespace kvtier {

/// Names inside a run folder.
namespace bundle_files {
inline constexpr const char* kState = "run_state.json";
inline constexpr const char* kConfig = "config.json";
inline constexpr const char* kManifest = "manifest.json";
inline constexpr const char* kPrompts = "prompts_manifest.jsonl";
inline constexpr const char* kRequestPlan = "request_manifest.jsonl";
inline constexpr const char* kRequests = "requests.jsonl";
inline constexpr const char* kTtfcSanityRequests = "ttfc_sanity_requests.jsonl";
inline constexpr const char* kSnapshots = "kvbm_metrics_snapshots.jsonl";
inline constexpr const char* kExpected = "expected_hits.json";
inline constexpr const char* kAchieved = "hits_achieved.json";
inline constexpr const char* kReadback = "worker_readback.json";
inline constexpr const char* kSummary = "summary.json";
inline constexpr const char* kReport = "report.md";
inline constexpr const char* kPhaseFolder = "phase_deltas";
inline constexpr const char* kTimeline = "telemetry/timeline.jsonl";
inline constexpr const char* kTelemetryReport = "telemetry/telemetry_report.json";
inline constexpr const char* kIoFolder = "io";
inline constexpr const char* kIoAttribution = "io/io_attribution_report.json";
inline constexpr const char* kIoVerdict = "io/io_attrib_verdict.json";
inline constexpr const char* kDeviceMetadataPre = "device_metadata_pre.json";
inline constexpr const char* kDeviceMetadataPost = "device_metadata_post.json";
inline constexpr const char* kNvmeIdentity = "nvme_identity.json";
inline constexpr const char* kSmartPre = "nvme_smart_pre.json";
inline constexpr const char* kSmartPost = "nvme_smart_post.json";
}  // namespace bundle_files

/// Runs of characters outside [A-Za-z0-9._-] become "_", trimmed of "_": the <phase> in file names.
std::string SanitizePhase(std::string_view phase);

/// run_state.json: says of a killed run that it was killed (state running, its process gone).
struct RunState {
  std::string state;  // running, closed, aborted
  std::int64_t pid = 0;
  std::uint64_t pid_start_ticks = 0;  // a pid is reused, a pid with its start time is not
  std::string started_utc;
  std::string ended_utc;  // empty while running
  std::string reason;     // why it was aborted
};
void to_json(nlohmann::json& j, const RunState& s);
void from_json(const nlohmann::json& j, RunState& s);

/// The four witnesses around one phase.
struct PhaseBoundaries {
  KvbmSnapshot kvbm_start, kvbm_end;
  OsIoSnapshot os_start, os_end;
};

/// What only the caller of Close knows.
struct CloseNotes {
  /// Findings of the judge about this leg; kept in the summary, shown in report.md.
  Findings findings;
  /// Fields of the caller's own for overall_summary, beside the documented scenario signals.
  nlohmann::json more_signals = nlohmann::json::object();
  std::vector<std::string> notes;  // one sentence each
  /// What SMART counted between both captures, for storage.smart_delta; null when nothing compared
  /// them.
  nlohmann::json smart_delta;
  /// Block metrics_snapshot of the summary in its documented form; null when no raw metrics were
  /// captured.
  nlohmann::json metrics_snapshot;
  /// Whether I/O attribution was asked for; a leg that holds a report counts as asked for.
  bool io_attribution_enabled = false;
};

/// Writes one run. All functions throw IoError when the disk refuses. Not thread-safe.
class RunBundleWriter {
 public:
  /// Creates the folder and marks it as running. Throws ConfigError when it holds a run already
  /// (RetireAttempt first).
  explicit RunBundleWriter(const std::filesystem::path& run_dir);
  /// A bundle that was neither closed nor aborted is marked aborted; of a killed process nothing
  /// runs, so its state stays `running` with a process that is gone.
  ~RunBundleWriter();
  RunBundleWriter(const RunBundleWriter&) = delete;
  RunBundleWriter& operator=(const RunBundleWriter&) = delete;

  const std::filesystem::path& run_dir() const { return run_dir_; }

  /// config.json and manifest.json; again after the model is resolved.
  void WriteConfig(const RunConfig& config);
  /// What the running worker says of itself, before traffic.
  void WriteReadback(const WorkerReadback& readback);
  /// Rows as workloads/manifests makes them.
  void WritePlan(const std::vector<nlohmann::json>& prompt_rows,
                 const std::vector<nlohmann::json>& request_rows);
  /// Expected hits by phase, before traffic; `curve` is kept beside them unless it is null.
  void WriteExpected(const std::map<std::string, ExpectedHits>& by_phase,
                     const nlohmann::json& curve = nullptr);
  /// One row of requests.jsonl, flushed; the prompt's text is not written.
  void AppendRecord(const RequestRecord& record);
  /// The same of a request of the TTFC sanity cases: a row of ttfc_sanity_requests.jsonl.
  void AppendTtfcSanityRecord(const RequestRecord& record);
  /// One row of kvbm_metrics_snapshots.jsonl; a skipped snapshot (B0) is not written.
  void AppendSnapshot(const KvbmSnapshot& snapshot);
  /// The six documented files of a phase and phase_<p>_evidence.json.
  void WritePhase(const PhaseEvidence& phase, const PhaseBoundaries& boundaries);
  /// io/io_attribution_report.json. It names the other files of io/ that exist by then.
  void WriteIoAttribution(const IoAttributionReport& report);
  /// io/io_attrib_verdict.json.
  void WriteIoVerdict(const IoAttributionVerdict& verdict);
  /// summary.json and report.md, then state closed. `leg.records` and `leg.ttfc_sanity.records`
  /// must be the records appended; the evidence is taken from `leg`, which the caller has completed
  /// (run_valid, invalid_reason, models_at_end). Requires WriteConfig.
  void Close(const LegEvidence& leg, const CloseNotes& notes = {});
  /// State aborted with its reason: the run gave up in good order. No summary.
  void Abort(const std::string& reason);

 private:
  void WriteState(const std::string& state, const std::string& reason);
  std::filesystem::path run_dir_;
  RunState state_;
  std::optional<RunConfig> config_;
  std::map<std::string, PhaseBoundaries> boundaries_;
  std::unique_ptr<JsonlWriter> requests_, ttfc_sanity_requests_, snapshots_;
  int snapshot_count_ = 0, snapshots_with_metrics_ = 0;
};

/// Renames a failed attempt's folder to <run_id>.attempt<k> (first free k from 1) and notes the
/// reason in its attempt.json. Returns the new path; the folder itself when it does not exist.
std::filesystem::path RetireAttempt(const std::filesystem::path& run_dir,
                                    const std::string& reason);

struct RetiredAttempt {
  std::filesystem::path path;
  std::string reason;
};
/// Attempts of a run that were retired, by number.
std::vector<RetiredAttempt> ListAttempts(const std::filesystem::path& run_dir);

/// The state of a run folder; empty when it holds no run. A running state whose process is gone
/// reads as "killed".
std::optional<RunState> LoadRunState(const std::filesystem::path& run_dir);
/// Throws DataError naming file and key.
RunConfig LoadRunConfig(const std::filesystem::path& run_dir);
/// Reads a run back. A killed or aborted one loads with closed = false, what was finished of it,
/// and invalid_reason "run_incomplete". Throws DataError naming file and key on another schema
/// version or a broken file.
LegEvidence LoadLeg(const std::filesystem::path& run_dir, RowDetail detail = RowDetail::kAll);
/// io/io_attrib_verdict.json of a run, for the checker that runs after it too.
void WriteIoVerdict(const std::filesystem::path& run_dir, const IoAttributionVerdict& verdict);
/// Empty when the run has none. Throws DataError naming file and key.
std::optional<IoAttributionVerdict> LoadIoVerdict(const std::filesystem::path& run_dir);
/// True when the run ended and wrote its summary.
bool IsClosed(const std::filesystem::path& run_dir);

}  // namespace kvtier
