#pragma once
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "harness/core/tier.hpp"
#include "harness/judge/effect.hpp"
#include "harness/judge/evidence.hpp"
#include "harness/judge/figures.hpp"
#include "harness/judge/gates.hpp"
#include "harness/judge/leg_digest.hpp"
#include "harness/judge/order.hpp"
#include "harness/judge/phase70_break_even.hpp"
#include "harness/judge/phase70_hits.hpp"
#include "harness/judge/phase70_washout.hpp"
#include "harness/judge/reason.hpp"

/// The paired experiment: legs -> rows -> deltas -> order check -> effect -> verdict. A verdict
/// exists for every input: no leg at all, a failed preflight, a killed run.
namespace kvtier {

/// The metric that decides. Lower is better.
inline constexpr std::string_view kPrimaryMetric = "replay_ttfc_p95_ms";

/// What was declared before the run.
struct Phase70Setup {
  std::string ts;
  std::string scenario = "rehydrate_replay";
  int planned_pairs = 0;
  /// The headline is mode_b against mode_a. Equal modes measure the noise floor.
  TierMode mode_a = TierMode::kB1, mode_b = TierMode::kB2;
  /// A third arm: blocks of three legs instead of pairs, every two modes compared, Holm over all.
  std::optional<TierMode> mode_c = std::nullopt;
  int replay_concurrency = 1;
  OrderStrategy order_strategy = OrderStrategy::kRandom;
  std::string order_seed;
  EffectOptions effect;
  GateOptions gates;
  bool disable_mechanism_gate = false;
  bool io_attrib_expected = false;
  bool stream = true;
  bool stream_record_ttfb = false;
  /// As the manifest holds it; empty: it holds none.
  std::string declared_sha256;

  bool SameMode() const { return mode_a == mode_b; }
  /// In the order of the arms: 0 = mode_a, 1 = mode_b, 2 = mode_c.
  std::vector<TierMode> Modes() const;
  int LegsPerPair() const { return mode_c ? 3 : 2; }
};
/// Everything that decides: metrics, margin, alpha, looks, modes, order, pairs, gates. As written
/// to the manifest before the first leg.
nlohmann::json DeclarationJson(const Phase70Setup& setup);
/// SHA-256 of its text. The verdict refuses a word where it is not the manifest's.
std::string DeclarationSha256(const Phase70Setup& setup);

/// How the preflight leg ended. `reason_codes` are those of its file; an unknown one counts as
/// RUN_ERRORS_PRESENT.
struct PreflightOutcome {
  enum class State {
    kNotRun,  // the experiment ended before it
    kPassed,
    kPassedNotDecisionGrade,  // metrics may be missing by request
    kFailed,
    kSkipped,
  };
  State state = State::kNotRun;
  std::vector<std::string> reason_codes;
  std::string detail;
  std::string declared_sha256 = {};  // as it was when the preflight ran; empty: not recorded
};
/// "not_run", "passed", "passed_not_decision_grade", "failed", "skipped"
std::string_view PreflightStateName(PreflightOutcome::State state);

/// A leg with its place in the schedule.
struct Phase70Leg {
  int pair_id = 0;  // from 1
  LegOrder order = LegOrder::kAB;
  int pair_leg = 1;  // 1 or 2; to 3 in blocks of three
  std::string bundle_id;
  std::string timestamp_utc;
  LegEvidence evidence;
  ArmSequence sequence = {};  // of its block of three; empty in a pair
  std::optional<WashoutEvidence> washout = std::nullopt;
  /// Set where the rows of `evidence` were released after it was made, by GatesOf(setup).
  std::shared_ptr<const LegDigest> digest = nullptr;
};
/// What the legs of an experiment are judged by.
GateOptions GatesOf(const Phase70Setup& setup);

struct Phase70Input {
  Phase70Setup setup;
  PreflightOutcome preflight;
  std::vector<Phase70Leg>
      legs;  // at most one a place: failed attempts that were redone are not here
  /// What only the runner knows: a leg that could not be measured, an interrupt, pressure refused.
  Findings runner_findings;
  /// Artifacts of the predecessor: LEGACY_SCHEMA.
  bool legacy = false;
};

/// One row of the summary (spec: artifacts E2; our additions at the end).
struct PairRow {
  int pair_id = 0;
  std::string pair_order;  // "B1_B2"
  int pair_leg = 1;
  TierMode mode = TierMode::kB1;
  int replay_concurrency = 1;
  std::string run_id, bundle_id, timestamp_utc;
  std::string status;  // "ok" iff the leg is valid, else "invalid"
  std::optional<double> error_rate;
  bool stream = true, stream_record_ttfb = false;
  std::optional<double> replay_ttfc_p95_ms, replay_ttfc_p99_ms, replay_ttft_p95_ms,
      replay_ttft_p99_ms;
  std::string metric_preferred_replay_p95;  // "replay_ttfc_p95_ms"
  std::string metric_used_replay_p95;       // the same, "replay_ttft_p95_ms" or "missing"
  std::optional<double> replay_read_gib;    // OS witness of the worker, not the device
  std::optional<bool> io_attrib_pass;
  /// "pid", "cgroup" or "none" where the attribution was checked; else of the phase's witness:
  /// "proc_pid_io", "cgroup_io", "none".
  std::string process_evidence_method;
  std::optional<bool> pid_warn;
  std::optional<double> kvbm_matched_tokens_delta;
  std::optional<double> kvbm_onboard_blocks_delta;  // disk to device alone
  std::string primary_nvme_model, primary_nvme_fw, pcie_link;
  std::string run_path;
  bool io_attrib_checked = false;
  std::optional<double> io_attrib_checker_rc;
  std::string io_attrib_verdict_path;  // JSON rows only
  // additions
  std::optional<double> replay_ttfc_p50_ms, replay_e2e_p95_ms, replay_prompt_tokens_per_s;
  int replay_ok = 0, replay_planned = 0;
  std::optional<QuantileEstimate> replay_ttfc_p95;
  std::vector<std::string> reason_codes;
};
void to_json(nlohmann::json& j, const PairRow& r);
void from_json(const nlohmann::json& j, PairRow& r);

/// One complete or incomplete pair (spec: artifacts E3): mode_b - mode_a, empty if a side is
/// missing or its leg invalid.
struct PairDelta {
  int pair_id = 0;
  std::string pair_order;
  TierMode mode_a = TierMode::kB1, mode_b = TierMode::kB2;
  std::string mode_a_run_id, mode_b_run_id;
  std::optional<double> delta_replay_ttfc_p95_ms, delta_replay_ttfc_p99_ms;
  std::optional<double> delta_replay_ttft_p95_ms, delta_replay_ttft_p99_ms;
  std::optional<double> delta_replay_read_gib, delta_matched_tokens, delta_onboard_blocks;
  // additions
  bool complete = false;
  std::optional<double> log_ratio_replay_ttfc_p95;
};
void to_json(nlohmann::json& j, const PairDelta& d);
void from_json(const nlohmann::json& j, PairDelta& d);

/// Signals of one B2 leg inside the verdict (spec: artifacts E8 mechanism_details).
struct MechanismDetail {
  std::string run_id;
  TierMode mode = TierMode::kB2;
  std::optional<double> matched_tokens, onboard_d2d, offload_h2d, disk_hit_rate;
  std::optional<double> replay_read_gib;
  bool replay_reads_present = false;
  bool ssd_write_signal = false, ssd_rehydrate_signal = false, ssd_reuse_signal = false,
       signal_present = false;
};
MechanismDetail DescribeMechanism(const LegEvidence& leg);

/// The early gate after the first B2 leg (spec: artifacts E7).
struct MechanismGateRecord {
  std::string created_utc;
  bool pass = false;
  std::vector<std::string> reason_codes;
  std::string run_dir, run_id, summary_json;
  double min_disk_hit_rate =
      0.01;  // shown as documented; a sliding-window gauge proves nothing about one phase
  double min_matched_tokens = 0;
  bool require_matched = false;
  std::optional<double> matched_tokens, onboard_d2d, offload_h2d, disk_hit_rate;
  bool hard_signal = false, matched_signal = false;
  std::vector<std::string> notes;
  std::string error;  // set when there was no summary to look at
  Findings findings;
};
/// The gate of one B2 leg; created_utc and summary_json are the caller's to fill.
MechanismGateRecord JudgeEarlyGate(const LegEvidence& leg, const GateOptions& options = {});
void to_json(nlohmann::json& j, const MechanismGateRecord& g);
void from_json(const nlohmann::json& j, MechanismGateRecord& g);

/// One comparison of an experiment with three modes.
struct Contrast {
  TierMode mode_a = TierMode::kB1, mode_b = TierMode::kB2;
  int pairs_complete = 0;
  double holm_p = 1;  // over all comparisons
  Effect effect;      // its word stands only where holm_p holds too
};

struct ArtifactRef {
  std::string path;
  bool exists = false;
};

/// verdict JSON (spec: artifacts E8) plus grade, effect and findings.
struct Verdict {
  std::string created_utc;
  bool run_valid = false;
  bool decision_grade = false;
  Grade grade = Grade::kX;
  std::vector<std::string> reason_codes;  // sorted, each once
  Findings findings;
  Phase70Setup setup;
  // checks
  std::string preflight;
  bool order_effect_suspect = false, order_effect_insufficient_pairs = true;
  bool io_attrib_expected = false, io_attrib_ok = false, io_replay_reads_available = false;
  bool ssd_write_signal_present = false, ssd_rehydrate_signal_present = false,
       ssd_reuse_signal_present = false;
  bool is_rehydrate_workload = true, mechanism_signal_present = false;
  bool b1_off = false, answers_equal = false, witnesses_agree = false,
       mechanism_gate_disabled = false;
  std::size_t answers_compared = 0, answers_mismatched = 0;
  int pairs_planned = 0, pairs_complete = 0, soft_fail_legs = 0;
  std::vector<MechanismDetail> mechanism_details;
  int summary_rows = 0, summary_errors_count = 0;
  ArmFigures arm_a, arm_b;
  std::optional<ArmFigures> arm_c;
  Effect effect;
  /// With three modes: b - a (the headline again), a - c, b - c.
  std::vector<Contrast> contrasts;
  bool declaration_unchanged = false;
  /// Valid, B2 against a mode without the SSD, and WORSE: a result, not a failure.
  bool ssd_slower_than_recompute = false;
  BreakEven break_even;
  std::vector<HitComparison> hits;  // of all valid legs with KVBM
  FilterVerdict filter;             // the mode that this verdict speaks of
  /// manifest, summary_json, summary_csv, pair_delta_csv, order_check_json: the caller's to fill
  /// before writing.
  std::map<std::string, ArtifactRef> artifacts;

  /// 0 a decision-grade verdict, 1 one that is not, 2 nothing measured.
  int ExitCode() const;
};
void to_json(nlohmann::json& j, const Verdict& v);
/// Throws DataError naming the key.
void from_json(const nlohmann::json& j, Verdict& v);

struct Phase70Analysis {
  std::vector<PairRow> rows;
  std::vector<PairDelta> deltas;
  std::map<std::string, DeltaStats> rollups;  // the seven documented delta metrics
  std::vector<std::string> errors;            // summary JSON "errors"
  OrderCheck order_check;
  Verdict verdict;
};

/// Never throws on evidence, however bad. `created_utc` stamps verdict and order check.
Phase70Analysis AnalyzePhase70(const Phase70Input& input, const std::string& created_utc);

/// summary JSON (spec: artifacts E4) with schema_version; `meta` is the manifest's, `artifacts`
/// name -> path.
nlohmann::json SummaryJson(const Phase70Analysis& analysis, const Phase70Setup& setup,
                           const nlohmann::json& meta,
                           const std::map<std::string, std::string>& artifacts);

}  // namespace kvtier
