// One point: what its leg measured as a row, and the rules of a point (spec: rules 7.5 to 7.10).
#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "harness/judge/figures.hpp"
#include "harness/judge/io_attribution.hpp"
#include "harness/judge/phase60.hpp"
#include "harness/stats/quantile.hpp"

namespace kvtier {
namespace {

template <class T>
Reading<T> Sum(const Reading<T>& a, const Reading<T>& b) {
  if (!a.available()) return a;
  return b.Map([&](const T& more) { return *a + more; });
}

Reading<std::uint64_t> AmountText(const Reading<Bytes>& r) {
  return r.Map([](Bytes b) { return b.value; });
}

Reading<std::uint64_t> Matched(const LegEvidence& leg, const TierTraffic& t) {
  if (t.matched_tokens.available() || !t.hit_tokens_g2.available()) return t.matched_tokens;
  // An exporter that splits hits by tier; B1 has no third.
  return HasDiskTier(leg.tier) ? Sum(t.hit_tokens_g2, t.hit_tokens_g3) : t.hit_tokens_g2;
}

/// Blocks that came from the disk, to the device or staged in host memory.
Reading<std::uint64_t> OnboardedFromDisk(const TierTraffic& t) {
  const auto& direct = t.onboard_g3_to_g1_blocks;
  const auto& staged = t.onboard_g3_to_g2_blocks;
  if (!staged.available()) return direct;
  return direct.available() ? Sum(direct, staged) : staged;
}

template <class T>
std::string Text(const Reading<T>& r) {
  if (!r.available()) return "unavailable";
  return fmt::format("{}", *r);
}

std::optional<double> Gib(const Reading<Bytes>& bytes) {
  if (!bytes.available()) return std::nullopt;
  return std::round(static_cast<double>(bytes->value) / (1U << 30) * 1e6) / 1e6;
}

/// TTFT of an answer: its first text, or its end where it arrived whole.
std::optional<double> TtftMs(const RequestRecord& r) {
  const auto first = r.TtfcMs();
  return first ? first : r.E2eMs();
}

using Metric = std::optional<double> (*)(const RequestRecord&);
SweepLatency Measure(const LegEvidence& leg, const std::vector<std::string>& phases, Metric of) {
  std::vector<double> sample;
  for (const std::string& phase : phases) {
    for (const RequestRecord* r : OkRecords(leg, phase)) {
      if (const auto ms = of(*r)) sample.push_back(*ms);
    }
  }
  return LatencyOf(sample);
}

/// The rules of a point, collected: tokens of the documented form, and whether the mechanism is
/// among what fails.
struct Errors {
  std::vector<std::string> tokens;
  bool mechanism = false;
};

void AddLatencies(const char* scope, const SweepLatency& latency, Errors& errors) {
  if (!latency.p50) errors.tokens.push_back(fmt::format("missing_{}_ttft_p50", scope));
  if (!latency.p95) errors.tokens.push_back(fmt::format("missing_{}_ttft_p95", scope));
}

void AddMechanism(const LegEvidence& leg, const Phase60Row& row, const Phase60Setup& setup,
                  Errors& errors) {
  if (!HasDiskTier(row.place.mode)) return;
  const SweepMechanism& m = row.mechanism;
  const auto nothing = [](const Reading<std::uint64_t>& r) { return !r.available() || *r == 0; };
  const bool gone = !Passes(CheckMechanism(leg, setup.gates)) || nothing(m.matched_tokens) ||
                    nothing(m.onboard_d2d) || nothing(m.WitnessRead());
  if (!gone) return;
  errors.mechanism = true;
  errors.tokens.push_back(fmt::format(
      "mechanism_disappeared:matched={},onboard={},block_read={},cgroup_read={},process_read={}",
      Text(m.matched_tokens), Text(m.onboard_d2d), Text(m.block_read), Text(m.cgroup_read),
      Text(m.process_read)));
}

/// Findings that the documented tokens do not say already.
void AddFindings(const Findings& findings, const Phase60Setup& setup, Errors& errors) {
  for (const Finding& f : findings) {
    if (!f.BlocksDecision()) continue;
    switch (f.reason) {
      case Reason::kRequestErrors:
      case Reason::kRunErrorsPresent:
      case Reason::kGateNoSsdMechanismSignal:
      case Reason::kRehydrateSignalAbsentWriteOnly:
      case Reason::kB1DiskTierNotDisabled:
      case Reason::kIoAttribMissing:
        continue;
      case Reason::kTtfcMissingStreamCapture:
        if (!setup.require_ttfc) continue;
        break;
      default:
        break;
    }
    std::string token(Code(f.reason));
    if (!f.phase.empty()) token += ":" + f.phase;
    if (std::find(errors.tokens.begin(), errors.tokens.end(), token) == errors.tokens.end())
      errors.tokens.push_back(std::move(token));
  }
}

Errors FullRules(const LegEvidence& leg, const Phase60Row& row, const Findings& findings,
                 const Phase60Setup& setup) {
  Errors errors;
  if (!row.error_rate || *row.error_rate > 0) {
    errors.tokens.push_back(row.error_rate ? fmt::format("error_rate={}", *row.error_rate)
                                           : "error_rate=null");
  }
  AddLatencies("overall", row.overall_ttft, errors);
  AddLatencies("replay", row.replay_ttft, errors);
  AddMechanism(leg, row, setup, errors);
  if (row.b1 && setup.enforce_b1_off && !row.b1->verified()) {
    errors.tokens.push_back(
        fmt::format("B1_DISK_TIER_NOT_DISABLED:{}", fmt::join(row.b1->fail_reasons, ",")));
  }
  AddFindings(findings, setup, errors);
  return errors;
}

/// Empty when attribution holds or was not asked for.
std::string AttributionFailure(const LegEvidence& leg, const Phase60Setup& setup) {
  if (!setup.io_attrib || !KvbmEnabled(leg.tier)) return {};
  const IoAttributionVerdict verdict = JudgeIoAttribution(leg, true);
  if (verdict.pass) return {};
  std::vector<std::string> failed;
  for (const AttributionCheck& check : verdict.checks) {
    if (check.status == CheckStatus::kFail) failed.push_back(check.name);
  }
  return failed.empty() ? "io_attrib_replay_gate_failed"
                        : fmt::format("{}", fmt::join(failed, ","));
}

}  // namespace

SweepLatency LatencyOf(const std::vector<double>& sample) {
  const auto at = [&](double q) {
    const auto e = EstimateQuantile(sample, q);
    return e ? std::optional(e->value) : std::nullopt;
  };
  return {.p50 = at(0.50), .p95 = at(0.95), .p99 = at(0.99), .n = sample.size()};
}

std::optional<bool> SweepMechanism::RehydrateSignal() const {
  return onboard_d2d.available() ? std::optional(*onboard_d2d > 0) : std::nullopt;
}
std::optional<bool> SweepMechanism::WriteSignal() const {
  const auto some = [](const Reading<std::uint64_t>& r) { return r.available() && *r > 0; };
  if (some(offload_h2d) || some(offload_d2d)) return true;
  if (!offload_h2d.available() || !offload_d2d.available()) return std::nullopt;
  return false;
}

SweepMechanism MeasureMechanism(const LegEvidence& leg) {
  const PhaseEvidence* headline = HeadlinePhase(leg);
  SweepMechanism m;
  if (headline == nullptr) return m;
  bool first = true;
  for (const PhaseEvidence& phase : leg.phases) {
    if (&phase != headline && phase.name != "replay_2") continue;
    const SweepMechanism before = m;
    const auto add = [&](const Reading<std::uint64_t>& sum, const Reading<std::uint64_t>& more) {
      return first ? more : Sum(sum, more);
    };
    m.matched_tokens = add(before.matched_tokens, Matched(leg, phase.tiers));
    m.onboard_d2d = add(before.onboard_d2d, OnboardedFromDisk(phase.tiers));
    m.offload_h2d = add(before.offload_h2d, phase.tiers.offload_g2_to_g3_blocks);
    m.offload_d2d = add(before.offload_d2d, phase.tiers.offload_g1_to_g3_blocks);
    m.block_read = add(before.block_read, AmountText(phase.io.device_read));
    m.block_write = add(before.block_write, AmountText(phase.io.device_write));
    m.cgroup_read = add(before.cgroup_read, AmountText(phase.io.cgroup_read));
    m.cgroup_write = add(before.cgroup_write, AmountText(phase.io.cgroup_write));
    m.process_read = add(before.process_read, AmountText(phase.io.process_read));
    m.process_write = add(before.process_write, AmountText(phase.io.process_write));
    m.disk_hit_rate = phase.tiers.disk_hit_rate_after;
    first = false;
  }
  return m;
}

B1Verification VerifyB1(const LegEvidence& leg, const PointSpec& spec, const Phase60Setup& setup) {
  B1Verification v;
  v.enforcement_enabled = setup.enforce_b1_off;
  v.kv_mode = std::string(KvModeName(leg.tier));
  v.config_disk_gb = spec.configured_disk_gb;
  v.runtime_disk_gb = leg.worker.disk_cache_gb;
  v.config_cache_dir = spec.cache_dir;
  v.runtime_cache_dir = spec.runtime_cache_dir;
  v.seen = MeasureMechanism(leg);
  v.read_threshold = setup.b1_read_threshold;
  v.hit_rate_threshold = setup.b1_hit_rate_threshold;
  const auto fail = [&](std::string token) { v.fail_reasons.push_back(std::move(token)); };
  if (leg.tier != TierMode::kB1) fail("kv_mode_not_cpu_only:" + v.kv_mode);
  const auto zero = [](const Reading<double>& gb) { return gb.available() && *gb <= 0; };
  if (!zero(v.config_disk_gb) || !zero(v.runtime_disk_gb)) {
    fail(fmt::format("disk_cache_gb_not_disabled:config={},runtime={}", Text(v.config_disk_gb),
                     Text(v.runtime_disk_gb)));
  }
  const auto above = [&](const char* name, const auto& reading, auto limit) {
    if (!reading.available() || *reading > limit) fail(fmt::format("{}={}", name, Text(reading)));
  };
  above("onboard_blocks_d2d_delta", v.seen.onboard_d2d, std::uint64_t{0});
  above("replay_process_read_bytes_delta", v.seen.WitnessRead(), v.read_threshold.value);
  above("kvbm_disk_cache_hit_rate", v.seen.disk_hit_rate, v.hit_rate_threshold);
  // What this release knows beyond the documented list: open files, disk counters of every phase,
  // writes.
  GateOptions gates = setup.gates;
  gates.b1_io_threshold = setup.b1_read_threshold;
  if (v.fail_reasons.empty()) {
    for (const Finding& f : CheckB1Off(leg, gates)) fail(f.detail);
  }
  return v;
}

std::string Phase60Row::UsedReplayP95() const {
  if (replay_ttfc.p95) return "replay_ttfc_p95_ms";
  return replay_ttft.p95 ? "replay_ttft_p95_ms" : "missing";
}

std::optional<double> Phase60Row::ReplayMetricP95() const {
  return replay_ttfc.p95 ? replay_ttfc.p95 : replay_ttft.p95;
}

Phase60Row MakePhase60Row(const LegEvidence& leg, const PointSpec& spec,
                          const Phase60Setup& setup) {
  Phase60Row row;
  row.place = spec.place;
  row.kind = spec.kind;
  row.point_key = spec.Key();
  row.disk_offload_filter_disabled = spec.filter_disabled;
  row.kvbm_cache_dir = spec.cache_dir;
  row.kvbm_enabled = KvbmEnabled(spec.place.mode);
  row.kvbm_metrics_available = row.kvbm_enabled && !leg.phases.empty() && Passes(CheckMetrics(leg));
  row.run_id = leg.run_id;
  row.run_path = leg.run_dir;
  const LegFigures figures = MeasureLeg(leg);
  std::vector<std::string> counted;
  for (const PhaseEvidence& phase : leg.phases) {
    if (phase.include_in_overall) counted.push_back(phase.name);
    row.phase_io_gib[phase.name] = {Gib(phase.io.WitnessRead()), Gib(phase.io.WitnessWrite())};
  }
  if (!leg.phases.empty()) row.error_rate = figures.error_rate;
  const auto ttfc = [](const RequestRecord& r) { return r.TtfcMs(); };
  const auto e2e = [](const RequestRecord& r) { return r.E2eMs(); };
  row.overall_ttfc = Measure(leg, counted, ttfc);
  row.overall_ttft = Measure(leg, counted, TtftMs);
  if (const PhaseEvidence* replay = HeadlinePhase(leg)) {
    row.replay_ttfc = Measure(leg, {replay->name}, ttfc);
    row.replay_ttft = Measure(leg, {replay->name}, TtftMs);
    row.replay_latency = Measure(leg, {replay->name}, e2e);
  }
  row.mechanism = MeasureMechanism(leg);
  if (spec.place.mode == TierMode::kB1) row.b1 = VerifyB1(leg, spec, setup);
  return row;
}

PointVerdict JudgePoint(const LegEvidence& leg, const PointSpec& spec, const Phase60Setup& setup) {
  GateOptions gates = setup.gates;
  gates.io_attrib_expected = setup.io_attrib;
  PointVerdict out;
  out.row = MakePhase60Row(leg, spec, setup);
  out.findings = JudgeLeg(leg, gates);
  out.row.reason_codes = Codes(out.findings);
  const bool baseline = spec.kind == PointKind::kBaseline;
  const auto fail = [&](SweepStatus status, const std::string& tokens, std::string stop) {
    out.row.status = status;
    out.row.validation = "FAIL:" + tokens;
    out.stop_reason = std::move(stop);
  };
  const auto invalid = baseline ? SweepStatus::kInvalidPreflight : SweepStatus::kInvalidFull;
  const std::string mode(TierName(spec.place.mode));
  if (!leg.closed || HeadlinePhase(leg) == nullptr) {
    fail(SweepStatus::kPartial,
         "not_measured:" + (leg.invalid_reason.empty() ? "no_replay_phase" : leg.invalid_reason),
         baseline ? "preflight_probe_failed" : "probe_failed");
  } else if (!leg.run_valid) {
    fail(invalid, "run_invalid:" + leg.invalid_reason,
         baseline ? "preflight_probe_failed" : "point_invalid");
  } else if (setup.require_ttfc && !out.row.replay_ttfc.p95) {
    fail(SweepStatus::kInvalidTtfc, "missing_replay_ttfc_p95:mode=" + mode,
         "ttfc_missing_stream_capture");
  } else if (const auto failed = AttributionFailure(leg, setup); !failed.empty()) {
    fail(SweepStatus::kInvalidIoAttrib, failed, "io_attrib_replay_gate_failed");
  } else if (const Errors errors = FullRules(leg, out.row, out.findings, setup);
             !errors.tokens.empty()) {
    const char* gone = baseline ? "preflight_mechanism_missing" : "mechanism_disappeared";
    const char* other = baseline ? "preflight_point_invalid" : "point_invalid";
    fail(invalid, fmt::format("{}", fmt::join(errors.tokens, ";")),
         errors.mechanism ? gone : other);
  } else if (baseline && !out.row.replay_latency.p95) {
    fail(invalid, "baseline_missing_replay_p95", "baseline_missing_replay_p95");
  } else {
    out.row.status = baseline ? SweepStatus::kBaselinePreflight : SweepStatus::kOk;
  }
  if (spec.kind == PointKind::kDebug) {
    out.row.status = SweepStatus::kDebugOnly;
    out.stop_reason.clear();
  }
  return out;
}

}  // namespace kvtier
