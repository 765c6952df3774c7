#include "harness/report/phase70_report.hpp"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "harness/core/units.hpp"
#include "harness/report/markdown.hpp"
#include "harness/report/phase70_sections.hpp"

namespace kvtier {
namespace {

std::string Ms(const std::optional<double>& v) {
  return v ? fmt::format("{:.2f} ms", *v) : "NA";
}
std::string Num(const std::optional<double>& v, int places = 2) {
  return v ? fmt::format("{:.{}f}", *v, places) : "NA";
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
  const bool production = v.filter.protocol == FilterProtocol::kProduction;
  if (m.mechanism_mode && !production)
    out +=
        "- Mechanism mode (disk-offload filter off): every block that reaches the host tier is "
        "written to the SSD\n";
  if (production)
    out +=
        "- Production mode (filter on, three visits): the SSD takes a block when it was computed "
        "twice within 600 s, so every measured prompt is computed twice before its replay; this "
        "holds in both arms\n";
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
      "{} [{}, {}]{}", SignedPct(estimate), SignedPct(interval->low), SignedPct(interval->high),
      level < 1 - effect.alpha - 1e-9
          ? fmt::format(" (an interval of {:.0f} % only: too few pairs)", 100 * level)
          : "");
}

std::string ModeText(const Verdict& v, const Phase70Manifest& m) {
  if (v.filter.protocol) return v.filter.Sentence();
  return m.mechanism_mode ? std::string(FilterProtocolText(FilterProtocol::kMechanism)) : "";
}

std::string VerdictSentence(const Verdict& v, const Phase70Manifest& m) {
  const std::string mode = ModeText(v, m);
  const std::string label = m.stack_label + (mode.empty() ? "" : ", " + mode);
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
         FilterSection(v) + PairSection(analysis) + ReasonSection(v);
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
  if (const std::string mode = ModeText(v, manifest); !mode.empty()) out += mode + "\n";
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
