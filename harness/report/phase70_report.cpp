#include "harness/report/phase70_report.hpp"

#include <algorithm>
#include <map>
#include <optional>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "harness/core/units.hpp"
#include "harness/report/markdown.hpp"

namespace kvtier {
namespace {

std::string Ms(const std::optional<double>& v) {
  return v ? fmt::format("{:.2f} ms", *v) : "NA";
}
std::string Num(const std::optional<double>& v, int places = 2) {
  return v ? fmt::format("{:.{}f}", *v, places) : "NA";
}
std::string Count(const std::optional<double>& v) {
  return v ? fmt::format("{:.0f}", *v) : "NA";
}
std::string Size(const std::optional<double>& v) {
  return v ? FormatBytes({static_cast<std::uint64_t>(std::max(0.0, *v))}) : "NA";
}
// The size of a block is unknown until a stack has said it.
std::string Tokens(const std::optional<double>& blocks, int block_tokens) {
  return blocks && block_tokens > 0 ? fmt::format("{:.0f}", *blocks * block_tokens) : "NA";
}
std::string BlockBytes(const std::optional<double>& blocks, std::uint64_t block_bytes) {
  return blocks && block_bytes > 0 ? Size(*blocks * static_cast<double>(block_bytes)) : "NA";
}
const char* YesNo(bool b) {
  return b ? "yes" : "no";
}

// Signed percent; "0.0" has no sign worth a look.
std::string Pct(double log_ratio) {
  return fmt::format("{:+.1f} %", LogRatioToPct(log_ratio));
}

std::string Meaning(EffectWord word, const std::string& a, const std::string& b) {
  switch (word) {
    case EffectWord::kBetter:
      return fmt::format("{} is faster than {} by more than the margin", b, a);
    case EffectWord::kWorse:
      return fmt::format("{} is slower than {} by more than the margin", b, a);
    case EffectWord::kEquivalent:
      return fmt::format("{} and {} are equal within the margin", b, a);
    case EffectWord::kNonInferior:
      return fmt::format("{} is not slower than {} by more than the margin", b, a);
    case EffectWord::kInconclusive:
      break;
  }
  return fmt::format("{} against {} is undecided", b, a);
}

struct ReasonLine {
  std::string code, meaning, remedy;
  std::vector<std::string> details;
};

// One entry a code, in the order of the verdict, with the findings behind it.
std::vector<ReasonLine> ReasonLines(const Verdict& v) {
  std::vector<ReasonLine> lines;
  for (const auto& code : v.reason_codes) {
    ReasonLine line{.code = code, .meaning = {}, .remedy = {}, .details = {}};
    if (const auto reason = FindReason(code)) {
      line.meaning = Describe(*reason).meaning;
      line.remedy = Describe(*reason).remedy;
    }
    for (const auto& f : v.findings) {
      if (Code(f.reason) != code) continue;
      const std::string where = f.run_id + (f.phase.empty() ? "" : " " + f.phase);
      line.details.push_back(where.empty() ? f.detail : where + ": " + f.detail);
    }
    lines.push_back(std::move(line));
  }
  return lines;
}

std::string Ran(const Phase70Manifest& m, const Verdict& v) {
  std::string out = "## What ran\n\n";
  const auto arms = ArmNames(v.setup);
  out += fmt::format("- {} against {}, scenario {}, {} {} planned, {} complete\n", arms[1], arms[0],
                     v.setup.scenario, v.pairs_planned,
                     v.setup.mode_c ? "blocks of three modes" : "pairs", v.pairs_complete);
  out += fmt::format("- Stack: {}\n", m.stack_label);
  if (m.mechanism_mode)
    out +=
        "- Mechanism mode (disk-offload filter off): every block that reaches the host tier is "
        "written to the SSD\n";
  out += fmt::format("- Replay concurrency {}, order {} (seed {})\n", v.setup.replay_concurrency,
                     OrderStrategyName(v.setup.order_strategy), v.setup.order_seed);
  out += fmt::format("- Preflight: {}\n", v.preflight);
  out += fmt::format("- Declared before the run: metric {}, margin {} %, alpha {}{}\n",
                     v.effect.primary_metric, v.effect.margin_pct, v.effect.alpha,
                     v.setup.declared_sha256.empty()
                         ? ""
                         : fmt::format(" (sha256 {:.12})", v.setup.declared_sha256));
  out += fmt::format("- Before each leg: a new stack, {} s of washout{}{}\n", m.pair_washout_s,
                     m.pair_washout_sync ? ", dirty pages written out" : "",
                     m.pair_washout_drop_caches ? ", page cache dropped" : "");
  for (const auto& n : m.notes) out += "- " + n + "\n";
  return out + "\n";
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
    rows.push_back({what, Pct(estimate), fmt::format("[{}, {}]", Pct(i.low), Pct(i.high)),
                    fmt::format("{:.1f} %", 100 * level), p});
  };
  const double t_level = 1 - e.alpha;
  if (e.hl) {
    add("Hodges-Lehmann", e.hl->estimate, e.hl->interval, e.hl->level,
        e.sign_flip ? fmt::format("{:.4f} (sign-flip{})", e.sign_flip->p,
                                  e.sign_flip->exact ? ", exact" : "")
                    : "NA");
  }
  if (e.treatment)
    add("Treatment (Hills-Armitage)", e.treatment->estimate, e.treatment->interval, t_level,
        fmt::format("{:.4f}", e.treatment->p));
  if (e.period)
    add("Period (order check of record)", e.period->estimate, e.period->interval, t_level,
        fmt::format("{:.4f}", e.period->p));
  out += MarkdownTable({"estimate", "effect", "interval", "level", "p"}, rows);
  if (e.tost) {
    out +=
        fmt::format("\n90 % interval [{}, {}]: {} within the margin of {} %.\n",
                    Pct(e.tost->interval.low), Pct(e.tost->interval.high),
                    e.tost->equivalent ? "equivalent" : "not shown to be equivalent", e.margin_pct);
  }
  if (e.mde)
    out += fmt::format("\nAt this spread {} pairs find an effect of {} with 80 % power.\n",
                       e.pairs_used, Pct(*e.mde));
  if (!e.secondary.empty()) {
    out += "\nFurther metrics (reported, they decide nothing; p after Holm):\n\n";
    std::vector<std::vector<std::string>> more;
    for (const auto& s : e.secondary) {
      more.push_back({s.metric, s.better, Pct(s.hl.estimate),
                      fmt::format("[{}, {}]", Pct(s.hl.interval.low), Pct(s.hl.interval.high)),
                      fmt::format("{:.4f}", s.holm_p)});
    }
    out += MarkdownTable({"metric", "better", "effect", "interval", "p"}, more);
  }
  return out + "\n";
}

bool Runs(const Phase70Setup& setup, TierMode mode) {
  const auto modes = setup.Modes();
  return std::find(modes.begin(), modes.end(), mode) != modes.end();
}

std::string ContrastSection(const Verdict& v) {
  if (v.contrasts.empty()) return "";
  std::vector<std::vector<std::string>> rows;
  for (const Contrast& c : v.contrasts) {
    const auto& hl = c.effect.hl;
    rows.push_back(
        {fmt::format("{} against {}", TierName(c.mode_b), TierName(c.mode_a)),
         hl ? Pct(hl->estimate) : "NA",
         hl ? fmt::format("[{}, {}]", Pct(hl->interval.low), Pct(hl->interval.high)) : "NA",
         c.effect.sign_flip ? fmt::format("{:.4f}", c.effect.sign_flip->p) : "NA",
         fmt::format("{:.4f}", c.holm_p), std::string(EffectWordName(c.effect.word)),
         fmt::format("{}", c.pairs_complete)});
  }
  return "## All comparisons\n\nA word stands only where Holm's p is at most alpha.\n\n" +
         MarkdownTable({"comparison", "effect", "interval", "p", "p after Holm", "word", "blocks"},
                       rows) +
         "\n";
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
                     d.log_ratio_replay_ttfc_p95 ? Pct(*d.log_ratio_replay_ttfc_p95) : "NA"});
  }
  out += "\n" +
         MarkdownTable({"pair", "order", "state", "delta TTFC p95 ms (b - a)", "effect"}, pairs);
  return out + "\n";
}

std::string ReasonSection(const Verdict& v) {
  std::string out = "## Reason codes\n\n";
  if (v.reason_codes.empty()) return out + "None: nothing was held against the run.\n\n";
  for (const auto& line : ReasonLines(v)) {
    out += fmt::format("- `{}`: {} {}\n", line.code, line.meaning, line.remedy);
    constexpr std::size_t kShown = 5;
    for (std::size_t i = 0; i < std::min(kShown, line.details.size()); ++i)
      out += "  - " + line.details[i] + "\n";
    if (line.details.size() > kShown)
      out += fmt::format("  - and {} more, see the verdict\n", line.details.size() - kShown);
  }
  return out + "\n";
}

std::string GateSection(const Verdict& v) {
  return "## Gates\n\n" +
         MarkdownTable(
             {"gate", "holds"},
             {{"run valid", YesNo(v.run_valid)},
              {"mechanism (blocks came back from the SSD)",
               !Runs(v.setup, TierMode::kB2) ? "no B2 leg"
               : v.mechanism_gate_disabled   ? "gate disabled"
                                             : YesNo(v.ssd_rehydrate_signal_present)},
              {"B1 is off", Runs(v.setup, TierMode::kB1) ? YesNo(v.b1_off) : "no B1 leg"},
              {"answers equal", fmt::format("{} ({} compared, {} differ)", YesNo(v.answers_equal),
                                            v.answers_compared, v.answers_mismatched)},
              {"witnesses agree", YesNo(v.witnesses_agree)},
              {"each leg began on a clean stack and an idle disk",
               YesNo(!Has(v.findings, Reason::kWashoutNotProven) && v.summary_rows > 0)},
              {"judged by what was declared", YesNo(v.declaration_unchanged)},
              {"no order effect", v.order_effect_insufficient_pairs
                                      ? "not examined: too few pairs"
                                      : YesNo(!v.order_effect_suspect)},
              {"decision grade", YesNo(v.decision_grade)}}) +
         "\n";
}

}  // namespace

std::vector<std::string> ArmNames(const Phase70Setup& setup) {
  if (setup.SameMode())
    return {fmt::format("A ({})", TierName(setup.mode_a)),
            fmt::format("A' ({})", TierName(setup.mode_b))};
  std::vector<std::string> names;
  for (const TierMode mode : setup.Modes()) names.emplace_back(TierName(mode));
  return names;
}

std::string SsdResultSentence(const Verdict& v) {
  const bool about_ssd = HasDiskTier(v.setup.mode_b) && !HasDiskTier(v.setup.mode_a);
  if (!about_ssd || !v.run_valid || !v.effect.Computed()) return "";
  const std::string from_host = v.arm_a.onboard_host_blocks.value_or(0) > 0
                                    ? fmt::format(" ({:.0f} of its blocks came from host memory)",
                                                  *v.arm_a.onboard_host_blocks)
                                    : "";
  const auto a = TierName(v.setup.mode_a);
  switch (v.effect.word) {
    case EffectWord::kWorse:
      return fmt::format("Here the SSD tier is slower than recomputing: {} against {}{}.",
                         EffectText(v), a, from_host);
    case EffectWord::kBetter:
      return fmt::format("Here the SSD tier is faster than recomputing: {} against {}{}.",
                         EffectText(v), a, from_host);
    case EffectWord::kEquivalent:
      return fmt::format("Here reloading from the SSD takes as long as recomputing in {}{}.", a,
                         from_host);
    case EffectWord::kNonInferior:
    case EffectWord::kInconclusive:
      break;
  }
  return "";
}

std::string EffectText(const Verdict& verdict) {
  const Effect& effect = verdict.effect;
  auto interval = effect.Deciding(verdict.setup.effect.t_from_pairs);
  // Too few pairs decide nothing; what they show is still shown, with the level that they reach.
  if (!interval && effect.hl) interval = effect.hl->interval;
  if (!effect.Computed() || !interval) return "not computed";
  const bool by_hl = effect.hl && interval->low == effect.hl->interval.low &&
                     interval->high == effect.hl->interval.high;
  const double estimate =
      by_hl || !effect.treatment ? effect.hl->estimate : effect.treatment->estimate;
  const double level = by_hl ? effect.hl->level : 1 - effect.alpha;
  return fmt::format(
      "{} [{}, {}]{}", Pct(estimate), Pct(interval->low), Pct(interval->high),
      level < 1 - effect.alpha - 1e-9
          ? fmt::format(" (an interval of {:.0f} % only: too few pairs)", 100 * level)
          : "");
}

std::string VerdictSentence(const Verdict& v, const Phase70Manifest& m) {
  const std::string label = fmt::format(
      "{}{}", m.stack_label, m.mechanism_mode ? ", mechanism mode (disk-offload filter off)" : "");
  const auto arms = ArmNames(v.setup);
  if (!v.run_valid) {
    return fmt::format(
        "The run is not valid, so nothing is concluded about {} against {} (grade {}; {}).",
        arms[1], arms[0], GradeName(v.grade), label);
  }
  if (!v.effect.Computed()) {
    return fmt::format("No effect could be computed for {} against {} (grade {}; {}).", arms[1],
                       arms[0], GradeName(v.grade), label);
  }
  if (v.setup.SameMode()) {
    return fmt::format(
        "Noise floor of {} against itself, {}: {} {} over {} pairs where nothing differs; smaller "
        "effects than its interval are noise here (grade {}; {}).",
        TierName(v.setup.mode_a), EffectWordName(v.effect.word), v.effect.primary_metric,
        EffectText(v), v.effect.pairs_used, GradeName(v.grade), label);
  }
  return fmt::format("{}: {}: {} {} over {} pairs, {} (grade {}; {}).",
                     EffectWordName(v.effect.word), Meaning(v.effect.word, arms[0], arms[1]),
                     v.effect.primary_metric, EffectText(v), v.effect.pairs_used,
                     v.decision_grade ? "decision grade" : "not decision grade", GradeName(v.grade),
                     label);
}

std::vector<ArmTableRow> ArmTable(const Verdict& v, const Phase70Manifest& m) {
  std::vector<ArmTableRow> rows;
  const auto add = [&](const char* what, const auto& of) {
    rows.push_back({what, of(v.arm_a), of(v.arm_b), v.arm_c ? of(*v.arm_c) : std::string()});
  };
  using Arm = const ArmFigures&;
  add("replay TTFC p50", [](Arm a) { return Ms(a.ttfc_p50_ms); });
  add("replay TTFC p95", [](Arm a) { return Ms(a.ttfc_p95_ms); });
  add("replay end to end p95", [](Arm a) { return Ms(a.e2e_p95_ms); });
  add("prompt tokens/s", [](Arm a) { return Num(a.prompt_tokens_per_s, 0); });
  add("tokens from the host tier",
      [&](Arm a) { return Tokens(a.onboard_host_blocks, m.block_tokens); });
  add("bytes from the host tier, engine",
      [&](Arm a) { return BlockBytes(a.onboard_host_blocks, m.block_bytes); });
  add("tokens from the SSD", [&](Arm a) { return Tokens(a.onboard_disk_blocks, m.block_tokens); });
  add("SSD bytes read, engine", [](Arm a) { return Size(a.disk_read_bytes); });
  add("SSD bytes read, system", [](Arm a) { return Size(a.os_read_bytes); });
  add("SSD bytes written, engine", [](Arm a) { return Size(a.disk_written_bytes); });
  add("SSD bytes written, system", [](Arm a) { return Size(a.os_written_bytes); });
  add("valid legs", [](Arm a) { return fmt::format("{}", a.legs); });
  return rows;
}

namespace {

/// The arm table as cells, with as many columns as there are arms.
std::vector<std::vector<std::string>> ArmCells(const Verdict& v, const Phase70Manifest& m) {
  std::vector<std::vector<std::string>> rows;
  for (const auto& r : ArmTable(v, m)) {
    rows.push_back({r.what, r.mode_a, r.mode_b});
    if (v.arm_c) rows.back().push_back(r.mode_c);
  }
  return rows;
}
std::vector<std::string> ArmHeader(const Verdict& v) {
  std::vector<std::string> header{""};
  const auto names = ArmNames(v.setup);
  header.insert(header.end(), names.begin(), names.begin() + (v.arm_c ? 3 : 2));
  return header;
}

}  // namespace

std::string RenderPhase70Report(const Phase70Manifest& manifest, const Phase70Analysis& analysis,
                                const Phase70Paths& paths) {
  const Verdict& v = analysis.verdict;
  const auto arms = ArmNames(v.setup);
  std::string out = fmt::format("# Phase70: {} against {}, {}\n\n", arms[1], arms[0], paths.ts);
  out += fmt::format("**{}**\n\n", VerdictSentence(v, manifest));
  out += Ran(manifest, v);
  out += fmt::format(
      "## Result\n\nMedians over the valid legs of each mode; bytes and tokens are of the replay "
      "phase.\n\n");
  out += MarkdownTable(ArmHeader(v), ArmCells(v, manifest)) + "\n";
  out += EffectSection(v) + ContrastSection(v) + BreakEvenSection(v) + GateSection(v) +
         PairSection(analysis) + ReasonSection(v);
  if (!manifest.failed_attempts.empty()) {
    out += "## Attempts that were redone\n\nListed, never counted.\n\n";
    for (const auto& a : manifest.failed_attempts)
      out += fmt::format("- {}: {}\n", a.path, a.reason);
    out += "\n";
  }
  out += "## Files\n\n";
  for (const auto& p : {paths.Verdict(), paths.Summary(), paths.SummaryCsv(), paths.DeltasCsv(),
                        paths.OrderCheck(), paths.Manifest()}) {
    out += fmt::format("- {}\n", p.filename().string());
  }
  for (const auto& r : manifest.runs) out += fmt::format("- {}\n", r.run_dir);
  return out;
}

namespace {
/// A terminal's worth of a detail; the report has all of it.
std::string Shortened(const std::string& detail) {
  constexpr std::size_t kMost = 180;
  return detail.size() <= kMost ? detail : detail.substr(0, kMost) + "... (see the report)";
}
}  // namespace

std::string RenderClosingSummary(
    const Verdict& v, const Phase70Manifest& manifest,
    const std::vector<std::pair<std::string, std::filesystem::path>>& paths) {
  std::string out = fmt::format("\nPhase70 {} on the {}: {} of {} pairs complete\n", v.setup.ts,
                                manifest.stack_label, v.pairs_complete, v.pairs_planned);
  if (manifest.mechanism_mode) out += "mechanism mode (disk-offload filter off)\n";
  out += "medians over the valid legs of each mode; tokens and bytes are of the replay phase\n";
  out += "\n" + TextTable(ArmHeader(v), ArmCells(v, manifest)) + "\n";
  const auto line = [&out](const std::string& what, const std::string& value) {
    out += fmt::format("  {:<10} {}\n", what, value);
  };
  line("effect", fmt::format("{} of {} ({} against {})", EffectText(v), v.effect.primary_metric,
                             ArmNames(v.setup)[1], ArmNames(v.setup)[0]));
  line("verdict",
       fmt::format("{}{}",
                   v.run_valid ? std::string(EffectWordName(v.effect.word)) : "RUN NOT VALID",
                   v.decision_grade ? ", decision grade" : ", not decision grade"));
  line("grade", std::string(GradeName(v.grade)));
  if (v.setup.SameMode()) line("about", "the noise floor: both arms ran the same mode");
  if (const std::string result = SsdResultSentence(v); !result.empty()) line("result", result);
  if (v.break_even.outcome != BreakEven::Outcome::kUnknown)
    line("break even", v.break_even.sentence);
  if (v.reason_codes.empty()) line("reasons", "none");
  for (const auto& r : ReasonLines(v)) {
    line("reason", r.code);
    if (!r.meaning.empty())
      out += fmt::format("             {}\n             {}\n", r.meaning, r.remedy);
    if (!r.details.empty())
      out += fmt::format("             first: {}\n", Shortened(r.details.front()));
  }
  out += "\n";
  for (const auto& [name, path] : paths) line(name, path.string());
  return out;
}

}  // namespace kvtier
