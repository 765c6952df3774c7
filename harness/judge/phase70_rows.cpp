#include "harness/judge/phase70_rows.hpp"

#include <algorithm>
#include <cmath>
#include <map>

#include <nlohmann/json.hpp>

namespace kvtier {
namespace {

constexpr double kGiB = 1024.0 * 1024.0 * 1024.0;

std::optional<double> Difference(std::optional<double> a, std::optional<double> b) {
  return a && b ? std::optional<double>(*b - *a) : std::nullopt;
}

}  // namespace

GateOptions GatesOf(const Phase70Setup& setup) {
  GateOptions gates = setup.gates;
  gates.io_attrib_expected = setup.io_attrib_expected;
  return gates;
}

std::vector<JudgedLeg> JudgeLegs(const Phase70Input& input) {
  const GateOptions gates = GatesOf(input.setup);
  const auto described = std::find_if(
      input.legs.begin(), input.legs.end(),
      [](const Phase70Leg& leg) { return !leg.evidence.storage.identity.device.empty(); });
  std::vector<JudgedLeg> out;
  for (const Phase70Leg& leg : input.legs) {
    JudgedLeg judged;
    judged.leg = &leg;
    judged.digest = leg.digest && leg.digest->gates == gates
                        ? leg.digest
                        : std::make_shared<const LegDigest>(DigestLeg(leg.evidence, gates));
    judged.figures = judged.digest->figures;
    judged.tpot_p50 = judged.digest->tpot_p50;
    judged.findings = judged.digest->findings;
    if (described != input.legs.end()) {
      const Findings disk = CheckStorageAcross(described->evidence, leg.evidence);
      judged.findings.insert(judged.findings.end(), disk.begin(), disk.end());
    }
    if (!input.legacy) {
      const Findings washout = CheckWashout(leg.evidence, leg.washout);
      judged.findings.insert(judged.findings.end(), washout.begin(), washout.end());
    }
    if (KvbmEnabled(leg.evidence.tier) &&
        (gates.io_attrib_expected || leg.evidence.io_attribution)) {
      judged.io_attribution = JudgeIoAttribution(leg.evidence, gates.io_attrib_expected);
    }
    judged.valid = std::none_of(judged.findings.begin(), judged.findings.end(),
                                [](const Finding& f) { return f.Invalidates(); });
    out.push_back(std::move(judged));
  }
  return out;
}

int ArmOf(const Phase70Leg& leg, const Phase70Setup& setup) {
  const auto place = static_cast<std::size_t>(leg.pair_leg - 1);
  if (place < leg.sequence.size()) return leg.sequence[place];
  if (setup.SameMode()) return (leg.order == LegOrder::kAB) == (leg.pair_leg == 1) ? 0 : 1;
  const std::vector<TierMode> modes = setup.Modes();
  const auto found = std::find(modes.begin(), modes.end(), leg.evidence.tier);
  return found == modes.end() ? -1 : static_cast<int>(found - modes.begin());
}

std::vector<JudgedPair> PairUp(const Phase70Setup& setup, const std::vector<JudgedLeg>& legs,
                               int arm_a, int arm_b) {
  std::map<int, JudgedPair> pairs;
  for (const JudgedLeg& leg : legs) {
    JudgedPair& pair = pairs[leg.leg->pair_id];
    pair.pair_id = leg.leg->pair_id;
    pair.order =
        leg.leg->sequence.empty() ? leg.leg->order : OrderWithin(leg.leg->sequence, arm_a, arm_b);
    const int arm = ArmOf(*leg.leg, setup);
    if (arm == arm_a) pair.a = &leg;
    if (arm == arm_b) pair.b = &leg;
  }
  std::vector<JudgedPair> out;
  for (auto& [id, pair] : pairs) {
    pair.complete = pair.a != nullptr && pair.b != nullptr && pair.a->valid && pair.b->valid &&
                    pair.a->figures.ttfc_p95 && pair.b->figures.ttfc_p95;
    out.push_back(pair);
  }
  return out;
}

PairRow RowOf(const JudgedLeg& judged, const Phase70Setup& setup) {
  const Phase70Leg& leg = *judged.leg;
  const LegFigures& f = judged.figures;
  PairRow r;
  r.pair_id = leg.pair_id;
  r.pair_order = leg.sequence.empty() ? OrderLabel(leg.order, setup.mode_a, setup.mode_b)
                                      : SequenceLabel(leg.sequence, setup.Modes());
  r.pair_leg = leg.pair_leg;
  r.mode = leg.evidence.tier;
  r.replay_concurrency = setup.replay_concurrency;
  r.run_id = leg.evidence.run_id;
  r.bundle_id = leg.bundle_id;
  r.timestamp_utc = leg.timestamp_utc;
  r.status = judged.valid ? "ok" : "invalid";
  r.error_rate = f.error_rate;
  r.stream = setup.stream;
  r.stream_record_ttfb = setup.stream_record_ttfb;
  // In streaming runs the first token that is seen is the first content; both documented names hold
  // it.
  r.replay_ttfc_p95_ms = r.replay_ttft_p95_ms = ValueOf(f.ttfc_p95);
  r.replay_ttfc_p99_ms = r.replay_ttft_p99_ms = ValueOf(f.ttfc_p99);
  r.metric_preferred_replay_p95 = "replay_ttfc_p95_ms";
  r.metric_used_replay_p95 = f.ttfc_p95 ? "replay_ttfc_p95_ms" : "missing";
  if (f.os_read.available()) r.replay_read_gib = static_cast<double>(f.os_read->value) / kGiB;
  r.process_evidence_method = f.os_source;
  r.run_path = leg.evidence.run_dir;
  if (const auto& verdict = judged.io_attribution) {
    r.io_attrib_pass = verdict->pass;
    r.io_attrib_checked = true;
    r.io_attrib_checker_rc = IoAttributionExitCode(*verdict);
    r.io_attrib_verdict_path = leg.evidence.run_dir + "/io/io_attrib_verdict.json";
    r.process_evidence_method = verdict->evidence_method;
    const AttributionCheck* readers = verdict->Find("replay_process_pid_readers_present");
    r.pid_warn = readers != nullptr && readers->status == CheckStatus::kWarn;
  }
  const StorageIdentity& disk = leg.evidence.storage.identity;
  r.primary_nvme_model = disk.model;
  r.primary_nvme_fw = disk.firmware;
  r.pcie_link = disk.pcie_link;
  r.kvbm_matched_tokens_delta = NumberOf(f.matched_tokens);
  r.kvbm_onboard_blocks_delta = NumberOf(f.onboard_disk_blocks);
  r.replay_ttfc_p50_ms = ValueOf(f.ttfc_p50);
  r.replay_e2e_p95_ms = ValueOf(f.e2e_p95);
  r.replay_prompt_tokens_per_s = f.prompt_tokens_per_s;
  r.replay_ok = f.ok;
  r.replay_planned = f.planned;
  r.replay_ttfc_p95 = f.ttfc_p95;
  r.reason_codes = Codes(judged.findings);
  return r;
}

PairDelta DeltaOf(const JudgedPair& pair, const Phase70Setup& setup) {
  PairDelta d;
  d.pair_id = pair.pair_id;
  d.pair_order = OrderLabel(pair.order, setup.mode_a, setup.mode_b);
  d.mode_a = setup.mode_a;
  d.mode_b = setup.mode_b;
  if (pair.a != nullptr) d.mode_a_run_id = pair.a->leg->evidence.run_id;
  if (pair.b != nullptr) d.mode_b_run_id = pair.b->leg->evidence.run_id;
  d.complete = pair.complete;
  if (!pair.complete) return d;
  const PairRow a = RowOf(*pair.a, setup);
  const PairRow b = RowOf(*pair.b, setup);
  d.delta_replay_ttfc_p95_ms = Difference(a.replay_ttfc_p95_ms, b.replay_ttfc_p95_ms);
  d.delta_replay_ttfc_p99_ms = Difference(a.replay_ttfc_p99_ms, b.replay_ttfc_p99_ms);
  d.delta_replay_ttft_p95_ms = Difference(a.replay_ttft_p95_ms, b.replay_ttft_p95_ms);
  d.delta_replay_ttft_p99_ms = Difference(a.replay_ttft_p99_ms, b.replay_ttft_p99_ms);
  d.delta_replay_read_gib = Difference(a.replay_read_gib, b.replay_read_gib);
  d.delta_matched_tokens = Difference(a.kvbm_matched_tokens_delta, b.kvbm_matched_tokens_delta);
  d.delta_onboard_blocks = Difference(a.kvbm_onboard_blocks_delta, b.kvbm_onboard_blocks_delta);
  if (*a.replay_ttfc_p95_ms > 0 && *b.replay_ttfc_p95_ms > 0) {
    d.log_ratio_replay_ttfc_p95 = std::log(*b.replay_ttfc_p95_ms / *a.replay_ttfc_p95_ms);
  }
  return d;
}

MechanismDetail DescribeMechanism(const LegEvidence& leg) {
  MechanismDetail m;
  m.run_id = leg.run_id;
  m.mode = leg.tier;
  const LegFigures f = MeasureLeg(leg);
  m.matched_tokens = NumberOf(f.matched_tokens);
  m.onboard_d2d = NumberOf(f.onboard_disk_blocks);
  if (const PhaseEvidence* replay = HeadlinePhase(leg)) {
    m.offload_h2d = NumberOf(replay->tiers.offload_g2_to_g3_blocks);
    m.disk_hit_rate = NumberOf(replay->tiers.disk_hit_rate_after);
  }
  if (f.os_read.available()) m.replay_read_gib = static_cast<double>(f.os_read->value) / kGiB;
  m.replay_reads_present = m.replay_read_gib.value_or(0) > 0;
  m.ssd_rehydrate_signal = m.onboard_d2d.value_or(0) > 0;
  m.ssd_reuse_signal = m.matched_tokens.value_or(0) > 0;
  for (const PhaseEvidence& phase : leg.phases) {
    for (const auto& blocks :
         {phase.tiers.offload_g2_to_g3_blocks, phase.tiers.offload_g1_to_g3_blocks}) {
      m.ssd_write_signal = m.ssd_write_signal || NumberOf(blocks).value_or(0) > 0;
    }
  }
  m.signal_present = m.ssd_rehydrate_signal;
  return m;
}

MechanismGateRecord JudgeEarlyGate(const LegEvidence& leg, const GateOptions& options) {
  MechanismGateRecord g;
  g.run_dir = leg.run_dir;
  g.run_id = leg.run_id;
  g.min_matched_tokens = options.min_matched_tokens;
  g.require_matched = options.require_matched;
  g.findings = CheckMechanism(leg, options);
  g.pass = Passes(g.findings);
  g.reason_codes = Codes(g.findings);
  const MechanismDetail m = DescribeMechanism(leg);
  g.matched_tokens = m.matched_tokens;
  g.onboard_d2d = m.onboard_d2d;
  g.offload_h2d = m.offload_h2d;
  g.disk_hit_rate = m.disk_hit_rate;
  g.hard_signal = m.ssd_rehydrate_signal;
  g.matched_signal = m.matched_tokens.value_or(0) > options.min_matched_tokens;
  if (g.hard_signal && !g.matched_signal)
    g.notes.emplace_back("matched_tokens_signal_missing_soft");
  if (HeadlinePhase(leg) == nullptr) g.error = "the leg has no replay phase";
  return g;
}

}  // namespace kvtier
