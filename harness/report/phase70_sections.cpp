#include "harness/report/phase70_sections.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "harness/report/markdown.hpp"
#include "harness/report/phase70_report.hpp"

namespace kvtier {
namespace {

std::string Num(const std::optional<double>& v, int places = 2) {
  return v ? fmt::format("{:.{}f}", *v, places) : "NA";
}
std::string Count(const std::optional<double>& v) {
  return v ? fmt::format("{:.0f}", *v) : "NA";
}
const char* YesNo(bool b) {
  return b ? "yes" : "no";
}

bool Runs(const Phase70Setup& setup, TierMode mode) {
  const auto modes = setup.Modes();
  return std::find(modes.begin(), modes.end(), mode) != modes.end();
}

std::string Figure(const Reading<double>& r, int places, const char* unit) {
  return r.available() ? fmt::format("{:.{}f} {}", *r, places, unit) : "NA (" + r.reason() + ")";
}

std::string HitsTable(const Verdict& v) {
  if (v.hits.empty()) return "";
  // One line a tier and expectation: most legs agree.
  std::map<std::pair<std::string, std::string>, std::vector<std::string>> actual;
  for (const HitComparison& h : v.hits) {
    const std::string expected = h.expected_low == h.expected_high
                                     ? fmt::format("{}", h.expected_low)
                                     : fmt::format("{} to {}", h.expected_low, h.expected_high);
    auto& seen = actual[{h.tier, expected}];
    const std::string count = h.actual.available() ? fmt::format("{}", *h.actual) : "NA";
    if (std::find(seen.begin(), seen.end(), count) == seen.end()) seen.push_back(count);
  }
  std::vector<std::vector<std::string>> rows;
  for (const auto& [what, seen] : actual)
    rows.push_back({what.first, what.second, fmt::format("{}", fmt::join(seen, ", "))});
  const auto differ =
      std::count_if(v.hits.begin(), v.hits.end(), [](const auto& h) { return !h.Holds(); });
  return "Blocks of a replay by tier, predicted before the run and counted by the engine:\n\n" +
         MarkdownTable({"tier", "expected", "engine"}, rows) +
         fmt::format("\n{} of {} comparisons differ.\n\n", differ, v.hits.size());
}

}  // namespace

std::string SignedPct(double log_ratio) {
  return fmt::format("{:+.1f} %", LogRatioToPct(log_ratio));
}

/// No test gives a p of 0.
std::string PText(double p) {
  return p < 0.0001 ? "< 0.0001" : fmt::format("{:.4f}", p);
}

std::string EffectSection(const Verdict& v) {
  const Effect& e = v.effect;
  std::string out = "## Effect\n\n";
  if (!e.Computed())
    return out + "No pair gave a value for both modes, so there is no effect to report.\n\n";
  const auto arms = ArmNames(v.setup);
  out += fmt::format("ln({}/{}) of {}, over {} pairs; below zero {} is faster.\n\n", arms[1],
                     arms[0], e.primary_metric, e.pairs_used, arms[1]);
  std::vector<std::vector<std::string>> rows;
  const auto add = [&rows](const char* what, double estimate, Interval i, double level,
                           const std::string& p) {
    rows.push_back({what, SignedPct(estimate),
                    fmt::format("[{}, {}]", SignedPct(i.low), SignedPct(i.high)),
                    fmt::format("{:.1f} %", 100 * level), p});
  };
  const double t_level = 1 - e.alpha;
  if (e.hl) {
    add("Hodges-Lehmann", e.hl->estimate, e.hl->interval, e.hl->level,
        e.sign_flip ? fmt::format("{} (sign-flip{})", PText(e.sign_flip->p),
                                  e.sign_flip->exact ? ", exact" : "")
                    : "NA");
  }
  if (e.treatment)
    add("Treatment (Hills-Armitage)", e.treatment->estimate, e.treatment->interval, t_level,
        PText(e.treatment->p));
  if (e.period)
    add("Period (order check of record)", e.period->estimate, e.period->interval, t_level,
        PText(e.period->p));
  out += MarkdownTable({"estimate", "effect", "interval", "level", "p"}, rows);
  if (e.tost) {
    out +=
        fmt::format("\n90 % interval [{}, {}]: {} within the margin of {} %.\n",
                    SignedPct(e.tost->interval.low), SignedPct(e.tost->interval.high),
                    e.tost->equivalent ? "equivalent" : "not shown to be equivalent", e.margin_pct);
  }
  if (e.mde)
    out += fmt::format("\nAt this spread {} pairs find an effect of {} with 80 % power.\n",
                       e.pairs_used, SignedPct(*e.mde));
  if (!e.secondary.empty()) {
    out += "\nFurther metrics (reported, they decide nothing; p after Holm):\n\n";
    std::vector<std::vector<std::string>> more;
    for (const auto& s : e.secondary) {
      more.push_back(
          {s.metric, s.better, SignedPct(s.hl.estimate),
           fmt::format("[{}, {}]", SignedPct(s.hl.interval.low), SignedPct(s.hl.interval.high)),
           fmt::format("{:.4f}", s.holm_p)});
    }
    out += MarkdownTable({"metric", "better", "effect", "interval", "p"}, more);
  }
  return out + "\n";
}

std::string ContrastSection(const Verdict& v) {
  if (v.contrasts.empty()) return "";
  std::vector<std::vector<std::string>> rows;
  for (const Contrast& c : v.contrasts) {
    const auto& hl = c.effect.hl;
    rows.push_back(
        {fmt::format("{} against {}", TierName(c.mode_b), TierName(c.mode_a)),
         hl ? SignedPct(hl->estimate) : "NA",
         hl ? fmt::format("[{}, {}]", SignedPct(hl->interval.low), SignedPct(hl->interval.high))
            : "NA",
         c.effect.sign_flip ? fmt::format("{:.4f}", c.effect.sign_flip->p) : "NA",
         fmt::format("{:.4f}", c.holm_p), std::string(EffectWordName(c.effect.word)),
         fmt::format("{}", c.pairs_complete)});
  }
  return "## All comparisons\n\nA word stands only where Holm's p is at most alpha.\n\n" +
         MarkdownTable({"comparison", "effect", "interval", "p", "p after Holm", "word", "blocks"},
                       rows) +
         "\n";
}

std::string BreakEvenSection(const Verdict& v) {
  const BreakEven& b = v.break_even;
  // A verdict of before, or nothing to say about an SSD.
  if (b.sentence.empty() || !Runs(v.setup, TierMode::kB2)) return "";
  const std::string result = SsdResultSentence(v);
  std::string out = "## What the SSD is worth\n\n";
  if (!result.empty()) out += "**" + result + "**\n\n";
  out += b.sentence + "\n\n";
  if (b.outcome != BreakEven::Outcome::kUnknown) {
    out += MarkdownTable({"TTFC p50 of replay", "by the measured rates", "measured"},
                         {{"prompt computed again", Figure(b.predicted_recompute_ms, 1, "ms"),
                           Figure(b.measured_recompute_ms, 1, "ms")},
                          {"prompt reloaded from the SSD", Figure(b.predicted_reload_ms, 1, "ms"),
                           Figure(b.measured_reload_ms, 1, "ms")}}) +
           "\n";
  }
  out += fmt::format(
      "One replay request reloads {}. Bytes written to the SSD for each byte that came back from "
      "it: {}.\n\n",
      Figure(b.reloaded_tokens_per_request, 0, "tokens"),
      Figure(b.written_per_useful_byte, 2, "B"));
  return out + HitsTable(v);
}

std::string GateSection(const Verdict& v) {
  std::vector<std::vector<std::string>> rows{
      {"run valid", YesNo(v.run_valid)},
      {"mechanism (blocks came back from the SSD)", !Runs(v.setup, TierMode::kB2) ? "no B2 leg"
                                                    : v.mechanism_gate_disabled
                                                        ? "gate disabled"
                                                        : YesNo(v.ssd_rehydrate_signal_present)}};
  if (v.filter.protocol && !v.filter.legs.empty()) {
    rows.push_back(
        {fmt::format("{} mode proven by the counters", FilterProtocolName(*v.filter.protocol)),
         YesNo(v.filter.proven)});
  }
  const std::vector<std::vector<std::string>> rest{
      {"B1 is off", Runs(v.setup, TierMode::kB1) ? YesNo(v.b1_off) : "no B1 leg"},
      {"answers equal", fmt::format("{} ({} compared, {} differ)", YesNo(v.answers_equal),
                                    v.answers_compared, v.answers_mismatched)},
      {"witnesses agree", YesNo(v.witnesses_agree)},
      {"each leg began on a clean stack and an idle disk",
       YesNo(!Has(v.findings, Reason::kWashoutNotProven) && v.summary_rows > 0)},
      {"judged by what was declared", YesNo(v.declaration_unchanged)},
      {"no order effect", v.order_effect_insufficient_pairs ? "not examined: too few pairs"
                                                            : YesNo(!v.order_effect_suspect)},
      {"decision grade", YesNo(v.decision_grade)}};
  rows.insert(rows.end(), rest.begin(), rest.end());
  return "## Gates\n\n" + MarkdownTable({"gate", "holds"}, rows) + "\n";
}

std::string FilterSection(const Verdict& v) {
  if (!v.filter.protocol || v.filter.legs.empty()) return "";
  const auto blocks = [](const Reading<std::uint64_t>& r) {
    return r.available() ? fmt::format("{}", *r) : "NA";
  };
  const bool three = *v.filter.protocol == FilterProtocol::kProduction;
  std::vector<std::string> header{"leg", "filter, by the worker", "written at visit 1"};
  if (three) header.insert(header.end(), {"written at visit 2", "longest time between"});
  header.insert(header.end(), {"written of prompts sent once", "read in the replay", "proven"});
  std::vector<std::vector<std::string>> rows;
  for (const FilterVisits& f : v.filter.legs) {
    rows.push_back({f.run_id,
                    f.filter_on.available() ? (*f.filter_on ? "on" : "off")
                                            : "NA (" + f.filter_on.reason() + ")",
                    blocks(f.written_first)});
    auto& row = rows.back();
    if (three) row.insert(row.end(), {blocks(f.written_second), Figure(f.visit_gap_s, 1, "s")});
    row.insert(row.end(), {blocks(f.written_pressure), blocks(f.read_last), YesNo(f.proven)});
  }
  return fmt::format(
      "## Disk-offload filter\n\nThis verdict speaks of {}. Blocks of the SSD:\n\n{}\n",
      v.filter.Sentence(), MarkdownTable(header, rows));
}

std::string PairSection(const Phase70Analysis& a) {
  std::string out = "## Pairs\n\n";
  std::vector<std::vector<std::string>> legs, pairs;
  for (const auto& r : a.rows) {
    std::string codes;
    for (const auto& c : r.reason_codes) codes += (codes.empty() ? "" : ", ") + c;
    legs.push_back({fmt::format("{}", r.pair_id), r.pair_order, fmt::format("{}", r.pair_leg),
                    std::string(TierName(r.mode)), r.status, Num(r.replay_ttfc_p50_ms),
                    Num(r.replay_ttfc_p95_ms), fmt::format("{}/{}", r.replay_ok, r.replay_planned),
                    Count(r.kvbm_onboard_blocks_delta), Num(r.replay_read_gib, 3),
                    codes.empty() ? "-" : codes});
  }
  out += MarkdownTable({"pair", "order", "leg", "mode", "status", "TTFC p50 ms", "TTFC p95 ms",
                        "ok", "SSD blocks", "read GiB", "findings"},
                       legs);
  for (const auto& d : a.deltas) {
    pairs.push_back({fmt::format("{}", d.pair_id), d.pair_order,
                     d.complete ? "complete" : "incomplete", Num(d.delta_replay_ttfc_p95_ms),
                     d.log_ratio_replay_ttfc_p95 ? SignedPct(*d.log_ratio_replay_ttfc_p95) : "NA"});
  }
  out += "\n" +
         MarkdownTable({"pair", "order", "state", "delta TTFC p95 ms (b - a)", "effect"}, pairs);
  return out + "\n";
}

}  // namespace kvtier
