#include "harness/judge/phase70.hpp"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "harness/judge/phase70_rows.hpp"

namespace kvtier {
namespace {

constexpr int kMinPairs = 6;

std::vector<double> Collect(const std::vector<PairDelta>& deltas,
                            std::optional<double> PairDelta::*member,
                            const std::string& order = "") {
  std::vector<double> out;
  for (const PairDelta& d : deltas) {
    if ((order.empty() || d.pair_order == order) && d.*member) out.push_back(*(d.*member));
  }
  return out;
}

OrderCheck OrderCheckOf(const Phase70Input& input, const std::vector<PairDelta>& deltas,
                        const Effect& effect, const std::string& created_utc) {
  const Phase70Setup& setup = input.setup;
  OrderCheck c;
  c.created_utc = created_utc;
  c.replay_concurrency = setup.replay_concurrency;
  c.mode_a = setup.mode_a;
  c.mode_b = setup.mode_b;
  c.order_ab_label = OrderLabel(LegOrder::kAB, setup.mode_a, setup.mode_b);
  c.order_ba_label = OrderLabel(LegOrder::kBA, setup.mode_a, setup.mode_b);
  c.pair_count = static_cast<int>(
      std::count_if(deltas.begin(), deltas.end(), [](const auto& d) { return d.complete; }));
  for (const auto& [name, member] : kDeltaMetrics) {
    c.delta_rollups[name] = DeltaStatsOf(Collect(deltas, member));
  }
  for (const auto& [name, member] : {kDeltaMetrics[0], kDeltaMetrics[2]}) {
    c.metrics[name] = DescribeOrder(name, Collect(deltas, member, c.order_ab_label),
                                    Collect(deltas, member, c.order_ba_label), c.order_ab_label,
                                    c.order_ba_label);
  }
  if (effect.treatment && effect.period) {
    CrossOver record;
    const auto log_ratio = &PairDelta::log_ratio_replay_ttfc_p95;
    record.n_ab = Collect(deltas, log_ratio, c.order_ab_label).size();
    record.n_ba = Collect(deltas, log_ratio, c.order_ba_label).size();
    record.treatment = *effect.treatment;
    record.period = *effect.period;
    record.carry_over = effect.carry_over;
    c.hills_armitage = record;
  }
  const bool enough = c.pair_count >= kMinPairs && c.hills_armitage.has_value();
  c.order_dependent = enough && c.hills_armitage->period.p < 0.05;
  c.recommendation = !enough
                         ? "Too few pairs in both orders for the period test; run 8 pairs or more."
                     : c.order_dependent ? "The place in the pair changes the result: lengthen the "
                                           "washout and look for what builds up."
                                         : "No period effect was found.";
  return c;
}

// ---- findings about the experiment
// ------------------------------------------------------------------------------

void AddPreflight(const Phase70Input& input, Findings& out) {
  const PreflightOutcome& p = input.preflight;
  using State = PreflightOutcome::State;
  if (p.state == State::kPassed) return;
  if (p.state == State::kSkipped || p.state == State::kNotRun) {
    const char* detail = p.state == State::kSkipped ? "the preflight was skipped by request"
                                                    : "no preflight was recorded";
    if (p.state == State::kSkipped || !input.legs.empty()) {
      out.push_back(MakeFinding(Reason::kPreflightSkipped, "", "preflight", detail));
    }
    return;
  }
  const Severity severity =
      p.state == State::kFailed ? Severity::kInvalidatesRun : Severity::kBlocksDecision;
  for (const std::string& code : p.reason_codes) {
    const auto reason = FindReason(code);
    Finding f = MakeFinding(reason.value_or(Reason::kRunErrorsPresent), "", "preflight",
                            reason ? p.detail : code + ": " + p.detail);
    f.severity = severity;
    out.push_back(f);
  }
  if (p.reason_codes.empty()) {
    Finding f = MakeFinding(Reason::kRunErrorsPresent, "", "preflight",
                            "the preflight failed: " + p.detail);
    f.severity = severity;
    out.push_back(f);
  }
}

void AddCompleteness(const Phase70Input& input, const std::vector<JudgedLeg>& legs, int complete,
                     Findings& out) {
  const int planned = input.setup.LegsPerPair() * input.setup.planned_pairs;
  std::set<std::pair<int, int>> places;
  for (const JudgedLeg& leg : legs) places.emplace(leg.leg->pair_id, leg.leg->pair_leg);
  const int present = static_cast<int>(places.size());
  if (present < planned || planned == 0) {
    out.push_back(
        MakeFinding(Reason::kRunIncomplete, "", "",
                    fmt::format("{} of {} planned legs have a result", present, planned)));
  }
  const auto invalid =
      std::count_if(legs.begin(), legs.end(), [](const JudgedLeg& l) { return !l.valid; });
  if (invalid > 0) {
    out.push_back(MakeFinding(
        Reason::kRunErrorsPresent, "", "",
        fmt::format("{} of {} legs are invalid and count in no delta", invalid, legs.size())));
  }
  if (complete < kMinPairs) {
    out.push_back(
        MakeFinding(Reason::kOrderEffectInsufficientPairs, "", "",
                    fmt::format("{} complete pairs, {} are needed", complete, kMinPairs)));
  }
  if (complete % 2 != 0) {
    out.push_back(
        MakeFinding(Reason::kOddPairCount, "", "", fmt::format("{} complete pairs", complete)));
  }
}

void AddSetup(const Phase70Input& input, Findings& out) {
  if (input.setup.disable_mechanism_gate) {
    out.push_back(MakeFinding(Reason::kGateDisabled, "", "",
                              "the early mechanism gate was switched off by request"));
  }
  if (input.legacy) {
    out.push_back(
        MakeFinding(Reason::kLegacySchema, "", "", "the legs were written by an earlier harness"));
  }
  if (input.setup.SameMode()) {
    out.push_back(MakeFinding(Reason::kSameModeTwice, "", "",
                              fmt::format("A and A' both ran {}", TierName(input.setup.mode_a))));
  }
}

/// What decides must be what was declared: a margin that is chosen after the fact proves anything.
void CheckDeclaration(const Phase70Input& input, Verdict& v) {
  if (input.legacy) return;  // nothing was declared by the predecessor; LEGACY_SCHEMA says it
  const std::string now = DeclarationSha256(input.setup);
  const std::string& manifest = input.setup.declared_sha256;
  const std::string& preflight = input.preflight.declared_sha256;
  std::string why;
  if (manifest.empty()) {
    why = "the manifest holds no hash of what was declared";
  } else if (manifest != now) {
    why = fmt::format("the manifest declares {:.12}, the run is judged by {:.12}", manifest, now);
  } else if (!preflight.empty() && preflight != now) {
    why = fmt::format("the preflight recorded {:.12}, the run is judged by {:.12}", preflight, now);
  }
  v.declaration_unchanged = why.empty();
  if (why.empty() || input.legs.empty()) return;  // without a leg nothing is judged by it
  v.findings.push_back(MakeFinding(Reason::kDeclarationChanged, "", "", why));
  v.effect.word = EffectWord::kInconclusive;
  for (Contrast& c : v.contrasts) c.effect.word = EffectWord::kInconclusive;
}

int SoftFailLegs(const std::vector<JudgedLeg>& legs) {
  return static_cast<int>(std::count_if(legs.begin(), legs.end(), [](const JudgedLeg& leg) {
    return std::any_of(leg.findings.begin(), leg.findings.end(),
                       [](const Finding& f) { return f.severity == Severity::kSoft; });
  }));
}

void AddPairGates(const std::vector<JudgedPair>& pairs, Verdict& v) {
  for (const JudgedPair& pair : pairs) {
    if (pair.a == nullptr || pair.b == nullptr) continue;
    const LegAnswers& a = pair.a->digest->answers;
    const LegAnswers& b = pair.b->digest->answers;
    const AnswerAgreement across = CompareAnswersAcross(a, b);
    v.answers_compared += across.compared;
    v.answers_mismatched += across.mismatched;
    for (const Findings& found :
         {CheckAnswersAcross(a, b), CheckLengthsAcross(a, b), CheckSameWork(a, b)}) {
      v.findings.insert(v.findings.end(), found.begin(), found.end());
    }
  }
}

/// Every leg with KVBM passes the attribution rules, and there is one.
bool AttributionHolds(const std::vector<JudgedLeg>& legs) {
  std::size_t asked = 0;
  for (const JudgedLeg& leg : legs) {
    if (!KvbmEnabled(leg.leg->evidence.tier)) continue;
    ++asked;
    if (!leg.io_attribution || !leg.io_attribution->pass) return false;
  }
  return asked > 0;
}

void AddAttribution(const Phase70Input& input, const std::vector<JudgedLeg>& legs, Findings& out) {
  if (!input.setup.io_attrib_expected || AttributionHolds(legs) ||
      Has(out, Reason::kIoAttribMissing)) {
    return;
  }
  const auto passed = std::count_if(legs.begin(), legs.end(), [](const JudgedLeg& l) {
    return l.io_attribution && l.io_attribution->pass;
  });
  out.push_back(
      MakeFinding(Reason::kIoAttribMissing, "", "",
                  fmt::format("{} of {} legs pass the attribution rules", passed, legs.size())));
}

// ---- checks and grade
// -------------------------------------------------------------------------------------------

void FillChecks(const Phase70Input& input, const std::vector<JudgedLeg>& legs, Verdict& v) {
  std::size_t b2 = 0, write = 0, rehydrate = 0, reuse = 0, reads_known = 0;
  bool b1_seen = false;
  for (const JudgedLeg& leg : legs) {
    const AnswerAgreement& own = leg.digest->repeats;
    v.answers_compared += own.compared;
    v.answers_mismatched += own.mismatched;
    b1_seen = b1_seen || leg.leg->evidence.tier == TierMode::kB1;
    if (leg.leg->evidence.tier != TierMode::kB2) continue;
    const MechanismDetail m = DescribeMechanism(leg.leg->evidence);
    ++b2;
    write += m.ssd_write_signal ? 1U : 0U;
    rehydrate += m.ssd_rehydrate_signal ? 1U : 0U;
    reuse += m.ssd_reuse_signal ? 1U : 0U;
    reads_known += m.replay_read_gib ? 1U : 0U;
    v.mechanism_details.push_back(m);
  }
  // Every B2 leg, not any: one good leg does not vouch for the others.
  v.ssd_write_signal_present = b2 > 0 && write == b2;
  v.ssd_rehydrate_signal_present = b2 > 0 && rehydrate == b2;
  v.ssd_reuse_signal_present = b2 > 0 && reuse == b2;
  v.io_replay_reads_available = b2 > 0 && reads_known == b2;
  v.mechanism_signal_present = v.ssd_rehydrate_signal_present;
  v.is_rehydrate_workload = input.setup.scenario.find("rehydrate") != std::string::npos;
  v.io_attrib_expected = input.setup.io_attrib_expected;
  v.io_attrib_ok = input.setup.io_attrib_expected && AttributionHolds(legs);
  v.mechanism_gate_disabled = input.setup.disable_mechanism_gate;
  const auto& f = v.findings;
  const std::vector<TierMode> modes = input.setup.Modes();
  const bool wants_b1 = std::find(modes.begin(), modes.end(), TierMode::kB1) != modes.end();
  v.b1_off = (b1_seen || !wants_b1) && !Has(f, Reason::kB1DiskTierNotDisabled);
  v.answers_equal =
      v.answers_compared > 0 && v.answers_mismatched == 0 && !Has(f, Reason::kAnswersNotCompared);
  v.witnesses_agree = !legs.empty() && !Has(f, Reason::kCounterWithoutIo) &&
                      !Has(f, Reason::kIoWithoutCounter) && !Has(f, Reason::kPageCacheReads) &&
                      !Has(f, Reason::kWitnessDisagreement) &&
                      !Has(f, Reason::kWitnessUnavailable) && !Has(f, Reason::kMetricsUnavailable);
}

Grade GradeOf(const Verdict& v, const EffectOptions& options) {
  if (!v.run_valid) return Grade::kX;
  const bool even = v.pairs_complete % 2 == 0;
  const bool capped =
      !even || Has(v.findings, Reason::kNoisyLegs) || Has(v.findings, Reason::kLegacySchema);
  if (!v.decision_grade || capped || v.pairs_complete < 8) return Grade::kC;
  Grade grade = Grade::kB;
  const auto interval = v.effect.Deciding(options.t_from_pairs);
  const double margin = std::log1p(options.margin_pct / 100);
  if (v.pairs_complete >= 12 && interval && interval->HalfWidth() <= margin) grade = Grade::kA;
  if (!v.order_effect_suspect) return grade;
  return grade == Grade::kA ? Grade::kB : Grade::kC;
}

void FillArms(const Phase70Setup& setup, const std::vector<JudgedLeg>& legs, Verdict& v) {
  std::vector<std::vector<LegFigures>> arms(3);
  std::vector<BreakEvenLeg> valid;
  for (const JudgedLeg& leg : legs) {
    if (leg.digest->filter) v.filter.legs.push_back(*leg.digest->filter);
    if (!leg.valid) continue;
    valid.push_back({&leg.leg->evidence, leg.digest->break_even});
    for (HitComparison& hit : CompareHits(leg.leg->evidence)) v.hits.push_back(std::move(hit));
    if (const int arm = ArmOf(*leg.leg, setup); arm >= 0)
      arms.at(static_cast<std::size_t>(arm)).push_back(leg.figures);
  }
  v.arm_a = SummarizeArm(arms[0]);
  v.arm_b = SummarizeArm(arms[1]);
  if (setup.mode_c) v.arm_c = SummarizeArm(arms[2]);
  v.break_even = ComputeBreakEven(valid);
  v.filter.protocol = setup.gates.filter_protocol;
  v.filter.proven = !v.filter.legs.empty() &&
                    std::all_of(v.filter.legs.begin(), v.filter.legs.end(),
                                [](const FilterVisits& visits) { return visits.proven; });
}

void Decide(const Phase70Input& input, Verdict& v) {
  v.run_valid = v.summary_rows > 0 && v.pairs_complete > 0 &&
                std::none_of(v.findings.begin(), v.findings.end(),
                             [](const Finding& f) { return f.Invalidates(); });
  v.decision_grade = v.run_valid && v.pairs_complete >= kMinPairs && Passes(v.findings);
  v.grade = GradeOf(v, input.setup.effect);
  v.reason_codes = Codes(v.findings);
  v.effect.grade = v.grade;
  v.effect.reasons = v.reason_codes;
  const Phase70Setup& setup = input.setup;
  v.ssd_slower_than_recompute = v.run_valid && v.effect.word == EffectWord::kWorse &&
                                HasDiskTier(setup.mode_b) && !HasDiskTier(setup.mode_a);
}

}  // namespace

std::string_view PreflightStateName(PreflightOutcome::State state) {
  switch (state) {
    case PreflightOutcome::State::kNotRun:
      return "not_run";
    case PreflightOutcome::State::kPassed:
      return "passed";
    case PreflightOutcome::State::kPassedNotDecisionGrade:
      return "passed_not_decision_grade";
    case PreflightOutcome::State::kFailed:
      return "failed";
    case PreflightOutcome::State::kSkipped:
      return "skipped";
  }
  return "";
}

std::vector<TierMode> Phase70Setup::Modes() const {
  std::vector<TierMode> modes{mode_a, mode_b};
  if (mode_c) modes.push_back(*mode_c);
  return modes;
}

int Verdict::ExitCode() const {
  if (summary_rows == 0) return 2;
  return decision_grade ? 0 : 1;
}

Phase70Analysis AnalyzePhase70(const Phase70Input& input, const std::string& created_utc) {
  Phase70Analysis out;
  const Phase70Setup& setup = input.setup;
  const std::vector<JudgedLeg> legs = JudgeLegs(input);
  const std::vector<JudgedPair> pairs = PairUp(setup, legs);
  for (const JudgedLeg& leg : legs) out.rows.push_back(RowOf(leg, setup));
  for (const JudgedPair& pair : pairs) out.deltas.push_back(DeltaOf(pair, setup));

  Verdict& v = out.verdict;
  v.created_utc = created_utc;
  v.setup = setup;
  v.preflight = PreflightStateName(input.preflight.state);
  v.pairs_planned = setup.planned_pairs;
  v.pairs_complete = static_cast<int>(
      std::count_if(pairs.begin(), pairs.end(), [](const auto& p) { return p.complete; }));
  v.summary_rows = static_cast<int>(out.rows.size());
  v.effect = EffectOf(pairs, setup, true);
  if (setup.mode_c) {
    v.contrasts = ContrastsOf(setup, legs, v.effect);
    v.effect = v.contrasts.front().effect;
  }
  out.order_check = OrderCheckOf(input, out.deltas, v.effect, created_utc);
  out.rollups = out.order_check.delta_rollups;

  AddPreflight(input, v.findings);
  AddSetup(input, v.findings);
  CheckDeclaration(input, v);
  AddCompleteness(input, legs, v.pairs_complete, v.findings);
  for (const JudgedLeg& leg : legs)
    v.findings.insert(v.findings.end(), leg.findings.begin(), leg.findings.end());
  AddAttribution(input, legs, v.findings);
  AddPairGates(pairs, v);
  v.findings.insert(v.findings.end(), input.runner_findings.begin(), input.runner_findings.end());
  v.findings.insert(v.findings.end(), v.effect.findings.begin(), v.effect.findings.end());
  v.order_effect_insufficient_pairs = v.pairs_complete < kMinPairs;
  v.order_effect_suspect = out.order_check.order_dependent;
  if (v.order_effect_suspect) {
    v.findings.push_back(MakeFinding(
        Reason::kOrderEffectSuspect, "", "",
        fmt::format("the second place in a pair moves replay TTFC p95 by {:+.1f} % (p = {:.3g})",
                    LogRatioToPct(v.effect.period->estimate), v.effect.period->p)));
  }
  v.soft_fail_legs = SoftFailLegs(legs);
  if (v.soft_fail_legs * 4 > static_cast<int>(legs.size())) {
    v.findings.push_back(MakeFinding(
        Reason::kNoisyLegs, "", "",
        fmt::format("{} of {} legs carry a soft finding", v.soft_fail_legs, legs.size())));
  }
  for (const Finding& f : v.findings) {
    if (f.Invalidates()) out.errors.push_back(FindingText(f));
  }
  v.summary_errors_count = static_cast<int>(out.errors.size());

  FillArms(setup, legs, v);
  FillChecks(input, legs, v);
  Decide(input, v);
  return out;
}

}  // namespace kvtier
