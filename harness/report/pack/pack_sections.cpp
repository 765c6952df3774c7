#include "harness/report/pack/pack_sections.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "harness/report/phase70_report.hpp"

namespace kvtier {
namespace {

using Rows = std::vector<std::vector<std::string>>;

std::string Num(const std::optional<double>& v, int places = 2) {
  return v ? fmt::format("{:.{}f}", *v, places) : "NA";
}
std::string Pct(double log_ratio) {
  return fmt::format("{:+.1f} %", LogRatioToPct(log_ratio));
}
std::string PctInterval(Interval i) {
  return fmt::format("[{}, {}]", Pct(i.low), Pct(i.high));
}
/// No test gives a p of 0.
std::string PText(double p) {
  return p < 0.0001 ? "< 0.0001" : fmt::format("{:.4f}", p);
}

std::vector<std::string> ArmHeader(const Verdict& v) {
  std::vector<std::string> header{""};
  const auto names = ArmNames(v.setup);
  header.insert(header.end(), names.begin(), names.begin() + (v.arm_c ? 3 : 2));
  return header;
}

}  // namespace

std::vector<ReasonEntry> ReasonEntries(const Verdict& v) {
  std::vector<ReasonEntry> out;
  for (const auto& code : v.reason_codes) {
    ReasonEntry entry{
        .code = code, .severity = Severity::kNote, .meaning = {}, .remedy = {}, .details = {}};
    if (const auto reason = FindReason(code)) {
      entry.meaning = Describe(*reason).meaning;
      entry.remedy = Describe(*reason).remedy;
      entry.severity = Describe(*reason).severity;
    }
    bool first = true;
    for (const auto& f : v.findings) {
      if (Code(f.reason) != code) continue;
      entry.severity = first ? f.severity : std::min(entry.severity, f.severity);
      first = false;
      const std::string where = f.run_id + (f.phase.empty() ? "" : " " + f.phase);
      entry.details.push_back(where.empty() ? f.detail : where + ": " + f.detail);
    }
    out.push_back(std::move(entry));
  }
  std::stable_sort(out.begin(), out.end(),
                   [](const auto& a, const auto& b) { return a.severity < b.severity; });
  return out;
}

std::string WordMeaning(const Verdict& v) {
  const auto arms = ArmNames(v.setup);
  const std::string margin = fmt::format("{:g} %", v.effect.margin_pct);
  if (!v.run_valid) return "The run is not valid: nothing is concluded.";
  if (!v.effect.Computed()) return "No effect could be computed.";
  switch (v.effect.word) {
    case EffectWord::kBetter:
      return fmt::format("{} gives its first text sooner than {}, by more than the margin of {}.",
                         arms[1], arms[0], margin);
    case EffectWord::kWorse:
      return fmt::format("{} gives its first text later than {}, by more than the margin of {}.",
                         arms[1], arms[0], margin);
    case EffectWord::kEquivalent:
      return fmt::format("{} and {} are equal within the margin of {}.", arms[1], arms[0], margin);
    case EffectWord::kNonInferior:
      return fmt::format("{} is not slower than {} by more than the margin of {}.", arms[1],
                         arms[0], margin);
    case EffectWord::kInconclusive:
      break;
  }
  return fmt::format("The data do not tell {} from {} at the margin of {}.", arms[1], arms[0],
                     margin);
}

std::string GradeMeaning(Grade grade) {
  switch (grade) {
    case Grade::kA:
      return "decision grade, 12 pairs or more, interval within the margin";
    case Grade::kB:
      return "decision grade, 8 pairs or more, even";
    case Grade::kC:
      return "exploratory: fewer pairs, an odd number, or something was held against the run";
    case Grade::kX:
      break;
  }
  return "invalid run";
}

Section ResultSection(const PackInput& in) {
  const Verdict& v = in.verdict();
  Rows rows;
  for (const auto& r : ArmTable(v, in.manifest)) {
    rows.push_back({r.what, r.mode_a, r.mode_b});
    if (v.arm_c) rows.back().push_back(r.mode_c);
  }
  return {"tables",
          "Both modes side by side",
          {Text("Medians over the valid legs of each mode; tokens and bytes are of the replay "
                "phase."),
           Table(ArmHeader(v), std::move(rows))}};
}

Section EffectSection(const PackInput& in) {
  const Verdict& v = in.verdict();
  const Effect& e = v.effect;
  Section s{"effect", "Effect", {}};
  if (!e.Computed()) {
    s.blocks.push_back(
        Text("No pair gave a value for both modes, so there is no effect to report."));
    return s;
  }
  const auto arms = ArmNames(v.setup);
  s.blocks.push_back(Text(fmt::format(
      "ln({}/{}) of {} over {} pairs, shown as percent; below zero {} is faster. The unit of "
      "inference is the pair, not the request. Below {} pairs the Hodges-Lehmann interval decides, "
      "from there Student's t; both are shown.",
      arms[1], arms[0], e.primary_metric, e.pairs_used, arms[1], v.setup.effect.t_from_pairs)));
  s.blocks.push_back(Chart("effect_forest", "Effects with their intervals and the margin"));
  Rows rows;
  const double level = 1 - e.alpha;
  const auto add = [&rows](const char* what, double estimate, Interval i, double l, std::string p) {
    rows.push_back({what, Pct(estimate), PctInterval(i), fmt::format("{:.1f} %", 100 * l), p});
  };
  if (e.hl)
    add("Hodges-Lehmann", e.hl->estimate, e.hl->interval, e.hl->level,
        e.sign_flip ? PText(e.sign_flip->p) +
                          (e.sign_flip->exact ? " (sign-flip, exact)" : " (sign-flip, drawn)")
                    : "NA");
  if (e.treatment)
    add("Treatment (Hills-Armitage)", e.treatment->estimate, e.treatment->interval, level,
        PText(e.treatment->p));
  const auto add_kept = [&](const char* what, const std::optional<TEstimate>& t) {
    if (!t) return;
    const Reading<Interval> kept = KeptInterval(*t);
    rows.push_back({what, Pct(t->estimate), kept ? PctInterval(*kept) : "NA: " + kept.reason(),
                    kept ? fmt::format("{:.1f} %", 100 * level) : "NA", PText(t->p)});
  };
  add_kept("Period: what second place adds", e.period);
  add_kept("Carry-over (descriptive)", e.carry_over);
  s.blocks.push_back(Table({"estimate", "effect", "interval", "level", "p"}, std::move(rows)));
  if (e.tost)
    s.blocks.push_back(Text(fmt::format(
        "90 % interval {}: {} within the margin of {:g} %.", PctInterval(e.tost->interval),
        e.tost->equivalent ? "equivalent" : "not shown to be equivalent", e.margin_pct)));
  if (e.mde)
    s.blocks.push_back(
        Text(fmt::format("At this spread {} pairs find an effect of {} with 80 % power.",
                         e.pairs_used, Pct(*e.mde))));
  if (!e.secondary.empty()) {
    Rows more;
    for (const auto& m : e.secondary)
      more.push_back(
          {m.metric, m.better, Pct(m.hl.estimate), PctInterval(m.hl.interval), PText(m.holm_p)});
    s.blocks.push_back(Text("Further metrics: reported, they decide nothing; p after Holm."));
    s.blocks.push_back(Table({"metric", "better", "effect", "interval", "p"}, std::move(more)));
  }
  if (!v.contrasts.empty()) {
    Rows all;
    for (const auto& c : v.contrasts)
      all.push_back({fmt::format("{} against {}", TierName(c.mode_b), TierName(c.mode_a)),
                     c.effect.hl ? Pct(c.effect.hl->estimate) : "NA",
                     c.effect.hl ? PctInterval(c.effect.hl->interval) : "NA", PText(c.holm_p),
                     std::string(EffectWordName(c.effect.word)),
                     fmt::format("{}", c.pairs_complete)});
    s.blocks.push_back(
        Text("All comparisons; a word stands only where Holm's p is at most alpha."));
    s.blocks.push_back(Table({"comparison", "effect", "interval", "p after Holm", "word", "blocks"},
                             std::move(all)));
  }
  return s;
}

Section PairsSection(const PackInput& in) {
  Rows legs;
  Rows pairs;
  for (const auto& r : in.analysis.rows)
    legs.push_back(
        {fmt::format("{}", r.pair_id), r.pair_order, fmt::format("{}", r.pair_leg),
         std::string(TierName(r.mode)), r.status, Num(r.replay_ttfc_p50_ms),
         Num(r.replay_ttfc_p95_ms), fmt::format("{}/{}", r.replay_ok, r.replay_planned),
         Num(r.kvbm_onboard_blocks_delta, 0), Num(r.replay_read_gib, 3),
         r.reason_codes.empty() ? "-" : fmt::format("{}", fmt::join(r.reason_codes, ", "))});
  for (const auto& d : in.analysis.deltas)
    pairs.push_back({fmt::format("{}", d.pair_id), d.pair_order,
                     d.complete ? "complete" : "incomplete", Num(d.delta_replay_ttfc_p95_ms),
                     d.log_ratio_replay_ttfc_p95 ? Pct(*d.log_ratio_replay_ttfc_p95) : "NA"});
  Section s{"pairs", "Pair by pair", {}};
  if (legs.empty()) {
    s.blocks.push_back(Text("No leg was measured."));
    return s;
  }
  s.blocks.push_back(Chart("paired_slopegraph", "Each pair from one mode to the other"));
  s.blocks.push_back(
      Table({"pair", "order", "state", "delta TTFC p95, ms", "effect"}, std::move(pairs)));
  s.blocks.push_back(Chart("ttfc_ecdf", "TTFC of all replayed requests, by mode"));
  s.blocks.push_back(Chart("ttfc_shift", "Shift of the TTFC by decile"));
  s.blocks.push_back(Table({"pair", "order", "leg", "mode", "status", "TTFC p50 ms", "TTFC p95 ms",
                            "ok", "SSD blocks", "read GiB", "findings"},
                           std::move(legs)));
  if (!in.manifest.failed_attempts.empty()) {
    std::vector<std::string> attempts;
    for (const auto& a : in.manifest.failed_attempts) attempts.push_back(a.path + ": " + a.reason);
    s.blocks.push_back(Text("Attempts that were redone: listed, never counted."));
    s.blocks.push_back(List(std::move(attempts)));
  }
  return s;
}

Section EvidenceSection(const std::vector<ExpectedEvidence>& evidence) {
  const auto count = [&evidence](EvidenceState state) {
    return std::count_if(evidence.begin(), evidence.end(),
                         [state](const auto& e) { return e.state == state; });
  };
  Rows rows;
  std::vector<std::string> absent;
  for (const auto& e : evidence) {
    rows.push_back({std::string(EvidenceStateName(e.state)), e.expected,
                    e.legs_expected > 0 ? fmt::format("{} of {} legs", e.legs_seen, e.legs_expected)
                                        : "whole run",
                    e.figures.empty() ? "-" : e.figures, e.witness});
    if (e.state == EvidenceState::kSeen) continue;
    std::string line = fmt::format("{} ({}).", e.expected.substr(0, e.expected.size() - 1),
                                   EvidenceStateName(e.state));
    if (!e.first_absent.empty())
      line += fmt::format(" First: {}.", fmt::join(e.first_absent, "; "));
    if (!e.likely_causes.empty())
      line += fmt::format(" Likely causes: {}", fmt::join(e.likely_causes, " "));
    absent.push_back(std::move(line));
  }
  Section s{"evidence", "Expected evidence, seen and not seen", {}};
  s.blocks.push_back(Text(fmt::format(
      "What a believable run of this experiment must have left behind: {} seen, {} not seen, {} "
      "not observable. An item counts as seen only when every leg that owes it shows it; what "
      "nobody could observe is no evidence of absence, and none of presence.",
      count(EvidenceState::kSeen), count(EvidenceState::kNotSeen),
      count(EvidenceState::kNotObservable))));
  s.blocks.push_back(Table({"state", "expected", "where", "figures", "witness"}, std::move(rows)));
  if (!absent.empty()) {
    s.blocks.push_back(Strong("What is absent, and why it may be"));
    s.blocks.push_back(List(std::move(absent)));
  }
  return s;
}

Section OrderSection(const PackInput& in) {
  const Verdict& v = in.verdict();
  const OrderCheck& o = in.analysis.order_check;
  Section s{"order", "Order of the legs", {}};
  s.blocks.push_back(Text(fmt::format(
      "Order {} from seed {}. {}", OrderStrategyName(v.setup.order_strategy), v.setup.order_seed,
      v.order_effect_insufficient_pairs ? "Too few complete pairs to test for an order effect."
      : v.order_effect_suspect          ? "The period test suspects an order effect (p < 0.05)."
                                        : "The period test finds no order effect.")));
  s.blocks.push_back(Chart("run_order", "TTFC p95 of the legs in the order in which they ran"));
  Rows rows;
  for (const auto& [name, m] : o.metrics)
    rows.push_back({name, fmt::format("{} (n {})", Num(m.order_ab.mean), m.order_ab.n),
                    fmt::format("{} (n {})", Num(m.order_ba.mean), m.order_ba.n),
                    Num(m.difference_of_means)});
  if (!rows.empty())
    s.blocks.push_back(
        Table({"metric, ms", "mean " + o.order_ab_label, "mean " + o.order_ba_label, "difference"},
              std::move(rows)));
  if (!o.recommendation.empty()) s.blocks.push_back(Text(o.recommendation));
  return s;
}

Section ReasonsSection(const PackInput& in) {
  Section s{"reasons", "Reason codes", {}};
  const auto entries = ReasonEntries(in.verdict());
  if (entries.empty()) {
    s.blocks.push_back(Text("None: nothing was held against the run."));
    return s;
  }
  Rows rows;
  for (const auto& e : entries)
    rows.push_back({e.code, std::string(SeverityText(e.severity)), e.meaning, e.remedy,
                    e.details.empty()       ? "-"
                    : e.details.size() == 1 ? e.details.front()
                                            : fmt::format("{} findings, first: {}",
                                                          e.details.size(), e.details.front())});
  s.blocks.push_back(
      Table({"code", "what it does", "meaning", "what to do", "found"}, std::move(rows)));
  return s;
}

}  // namespace kvtier
