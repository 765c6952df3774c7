#pragma once
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "harness/core/tier.hpp"
#include "harness/core/units.hpp"
#include "harness/judge/evidence.hpp"
#include "harness/judge/gates.hpp"
#include "harness/judge/reason.hpp"

/// The concurrency sweep: legs -> rows -> SLO per metric -> summary (spec: rules 7, artifacts D).
/// A point is one tier mode at one replay concurrency. The names of fields, statuses, tokens and
/// stop reasons are the documented ones; what we add is marked.
namespace kvtier {

/// The concurrencies that have a case of their own; a sweep may name no other.
inline constexpr std::array<int, 7> kSweepGrid{1, 2, 4, 8, 16, 32, 64};
/// A service-level objective is the baseline's p95 times this (documented).
inline constexpr double kPhase60SloFactor = 1.10;

struct SweepPlace {
  TierMode mode = TierMode::kB2;
  int concurrency = 1;
  /// "B2_c4"
  std::string Key() const;
  bool operator==(const SweepPlace&) const = default;
};
/// "B2_c4" in any case; empty when it is none (BENCH_PHASE60_RESUME_FROM).
std::optional<SweepPlace> FindSweepPlace(std::string_view key);

enum class SweepOrder {
  kCounterbalanced,  // concurrencies shuffled away from a trend in time, modes in Latin squares
  kFixed,            // as listed, B2 before B1 before B0 at each: the documented order
};
/// "counterbalanced", "fixed"
std::string_view SweepOrderName(SweepOrder order);
std::optional<SweepOrder> FindSweepOrder(std::string_view name);

/// Every point once, all modes of one concurrency together. Counterbalanced: of 32 shuffles of the
/// concurrencies the one least correlated with its place; the modes in the rows of Latin squares,
/// so that over as many concurrencies as there are modes each mode runs first, second (and third)
/// equally often.
std::vector<SweepPlace> PlanSweep(const std::vector<int>& concurrencies, bool include_b0,
                                  SweepOrder order, std::uint64_t seed);

/// What was declared before the sweep.
struct Phase60Setup {
  std::string ts, scenario = "rehydrate_replay", model_profile, stack_label;
  std::uint64_t seed = 0;
  std::int64_t request_seed = 0;
  std::vector<int> concurrencies{1, 2, 4};
  int baseline_concurrency = 1, populate_concurrency = 2, thrash_concurrency = 2;
  bool include_b0 = false;
  SweepOrder order = SweepOrder::kCounterbalanced;
  std::vector<SweepPlace> schedule;
  bool io_attrib = false;
  double io_attrib_interval_s = 1;
  bool require_ttfc = true;
  bool enforce_b1_off = true;
  Bytes b1_read_threshold = 1_MiB;
  double b1_hit_rate_threshold = 1e-6;
  GateOptions gates;
};

enum class SweepStatus {
  kPartial,  // measured in part, or not at all
  kOk,
  kBaselinePreflight,  // the baseline, and it holds
  kInvalidTtfc,
  kInvalidIoAttrib,
  kInvalidPreflight,
  kInvalidFull,
  kInvalidManifestHash,
  kDebugOnly,
};
/// "partial", "ok", "baseline_preflight", "invalid_ttfc", ...
std::string_view SweepStatusName(SweepStatus status);
/// Throws DataError for another word.
SweepStatus ParseSweepStatus(const std::string& name);

enum class PointKind { kBaseline, kSweep, kDebug };
/// "baseline_preflight", "sweep_point", "debug_filter_disabled": the row's `phase`.
std::string_view PointKindName(PointKind kind);

/// A point and what was asked for of its stack.
struct PointSpec {
  SweepPlace place;
  PointKind kind = PointKind::kSweep;
  Reading<double> configured_disk_gb = {};
  std::string cache_dir = {}, runtime_cache_dir = {};
  bool filter_disabled = false;
  /// "B2_c4", "baseline_preflight_B2_c1", "debug_B2_c1"
  std::string Key() const;
};

/// Milliseconds over ok requests; empty where none gave the figure.
struct SweepLatency {
  std::optional<double> p50, p95, p99;
  std::size_t n = 0;
};
SweepLatency LatencyOf(const std::vector<double>& sample);

/// What moved in replay and replay_2 together; a sum with an unavailable part is unavailable.
struct SweepMechanism {
  Reading<std::uint64_t> matched_tokens, onboard_d2d;
  Reading<std::uint64_t> offload_h2d, offload_d2d;     // blocks to the disk: from host, from device
  Reading<std::uint64_t> block_read, block_write;      // whole device: context
  Reading<std::uint64_t> cgroup_read, cgroup_write;    // bytes
  Reading<std::uint64_t> process_read, process_write;  // bytes of the worker (addition)
  Reading<double> disk_hit_rate;                       // gauge after the last of both phases
  /// The OS witness: worker, else cgroup, else unavailable.
  Reading<std::uint64_t> WitnessRead() const {
    return process_read.available() ? process_read : cgroup_read;
  }
  /// Blocks came from the disk; empty where that cannot be seen. Reads of the device by anybody are
  /// no signal.
  std::optional<bool> RehydrateSignal() const;
  std::optional<bool> WriteSignal() const;  // blocks went to the disk from either
};
SweepMechanism MeasureMechanism(const LegEvidence& leg);

/// Is the SSD tier of a B1 point really off? Configured and running size must both be 0; what
/// cannot be seen counts as not off. Tokens as documented, unavailable ones say so.
struct B1Verification {
  bool enforcement_enabled = true;
  std::string kv_mode;
  Reading<double> config_disk_gb, runtime_disk_gb;
  std::string config_cache_dir, runtime_cache_dir;
  SweepMechanism seen;
  Bytes read_threshold = 1_MiB;
  double hit_rate_threshold = 1e-6;
  std::vector<std::string> fail_reasons;
  bool verified() const { return fail_reasons.empty(); }
};
B1Verification VerifyB1(const LegEvidence& leg, const PointSpec& spec, const Phase60Setup& setup);

struct PhaseGib {
  std::optional<double> read, write;  // of the worker, not of the device
};

/// One row of the summary (spec: artifacts D1).
struct Phase60Row {
  SweepPlace place;
  PointKind kind = PointKind::kSweep;
  std::string point_key;
  SweepStatus status = SweepStatus::kPartial;
  std::string validation;  // "FAIL:..." of what is not ok
  std::optional<bool> pass_slo, pass_slo_ttfc;
  bool disk_offload_filter_disabled = false;
  std::string kvbm_cache_dir, debug_reason;
  bool kvbm_enabled = true, kvbm_metrics_available = false;
  std::string run_id;
  std::string run_path;  // relative to the results root
  std::string completed_utc;
  std::optional<double> error_rate;
  SweepLatency overall_ttfc, overall_ttft, replay_ttfc, replay_ttft, replay_latency;
  SweepMechanism mechanism;
  std::optional<B1Verification> b1;
  std::map<std::string, PhaseGib> phase_io_gib;
  std::vector<std::string> reason_codes;  // of all findings (addition)
  /// What report/ reads from the files of the run: hashes, configuration, device, attribution.
  nlohmann::json details = nlohmann::json::object();

  bool ok() const {
    return status == SweepStatus::kOk || status == SweepStatus::kBaselinePreflight;
  }
  /// "replay_ttfc_p95_ms", else "replay_ttft_p95_ms" (the labelled fallback), else "missing".
  std::string UsedReplayP95() const;
  std::optional<double> ReplayMetricP95() const;
};
/// Replay figures are those of the headline phase; overall ones of every phase that counts there.
/// TTFT is TTFC; for an answer that arrived whole it is the time to its end.
Phase60Row MakePhase60Row(const LegEvidence& leg, const PointSpec& spec, const Phase60Setup& setup);

/// A point, judged.
struct PointVerdict {
  Phase60Row row;           // its status and validation set
  std::string stop_reason;  // empty: the sweep goes on
  Findings findings;        // of the leg
};
/// The documented order, stopped by the first that fails: measured at all, the run's own verdict
/// (run_valid), TTFC, attribution, full rules. The baseline is held to the rules of a B2 point.
/// Stop reasons: preflight_probe_failed, probe_failed, ttfc_missing_stream_capture,
/// io_attrib_replay_gate_failed, preflight_mechanism_missing, baseline_missing_replay_p95,
/// mechanism_disappeared (only where the mechanism is what fails), point_invalid; ours:
/// preflight_point_invalid.
PointVerdict JudgePoint(const LegEvidence& leg, const PointSpec& spec, const Phase60Setup& setup);

struct SweepWarning {
  std::string timestamp_utc, code, detail;
  SweepPlace at = {};
  nlohmann::json diagnostics = nlohmann::json::object();
};

/// Why a sweep ended early (spec: artifacts D3).
struct SweepStop {
  std::string reason, detail;
  SweepPlace at;
  nlohmann::json diagnostics = nlohmann::json::object();
};

/// One objective: the baseline's p95 of a metric, its limit, and the largest concurrency of each
/// mode that meets it: alone (documented), and with every smaller one meeting it too.
struct SweepSlo {
  std::string metric;  // "replay_latency_p95_ms", "replay_ttfc_p95_ms", "replay_ttft_p95_ms"
  std::optional<double> baseline_ms, limit_ms;
  std::map<std::string, std::optional<int>> max_concurrency, max_contiguous;  // "B0".."B2"
};

struct SweepAttempt {
  std::string path, reason;
};

/// ..._summary_minimal_<ts>.json
struct Phase60Summary {
  std::string created_utc, resumed_utc;
  Phase60Setup setup;
  std::vector<Phase60Row> rows;
  std::vector<SweepWarning> warnings;
  std::string status = "running";  // running, stopped, completed
  std::optional<bool> decision_grade;
  SweepSlo latency, first_text;  // like with like: each from its own baseline
  std::optional<SweepStop> stop;
  std::string diagnosis_json, known_good_run, resume_from;
  /// What the baseline's semantic hash was held against; documented keys.
  nlohmann::json hash_policy = nlohmann::json::object();
  std::vector<SweepAttempt> failed_attempts;           // retired, never counted (addition)
  nlohmann::json settings = nlohmann::json::object();  // every setting with its origin (addition)
  std::vector<std::string> notes;

  const Phase60Row* Find(const std::string& point_key) const;
  /// Replaces the row of the same key in its place, else appends.
  void Upsert(Phase60Row row);
  /// 0 completed and decision grade, 1 measured but not that, 2 no point was measured.
  int ExitCode() const;
};
void to_json(nlohmann::json& j, const Phase60Summary& s);
/// Throws DataError naming the key.
void from_json(const nlohmann::json& j, Phase60Summary& s);

/// The sweep begins, or goes on: status running, nothing decided; rows and warnings stay.
void ReopenSweep(Phase60Summary& summary, const std::string& now_utc);
/// Takes the baseline's figures as soon as it holds.
void TakeBaseline(Phase60Summary& summary, const Phase60Row& baseline);
/// The sweep ends early: no decision.
void StopSweep(Phase60Summary& summary, SweepStop stop);
/// Every point was measured: the objectives, who meets them, and decision grade (no warning but an
/// accepted baseline). Without a baseline it stops with baseline_missing. A p95 that its sample
/// cannot resolve decides nothing: its pass is empty, with a warning QUANTILE_NOT_RESOLVABLE.
void CompleteSweep(Phase60Summary& summary, const std::string& now_utc);

/// "pending" until completed, then the one metric of all ok rows, "mixed" or "missing".
std::string UsedMetric(const Phase60Summary& summary);

/// ..._matrix_stop_verdict_minimal_<ts>.json (spec: artifacts D3); the summary must be stopped.
nlohmann::json StopVerdictJson(const Phase60Summary& summary, const std::string& summary_path,
                               const std::string& now_utc);

}  // namespace kvtier
