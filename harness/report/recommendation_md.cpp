#include <cmath>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "harness/report/markdown.hpp"
#include "harness/report/sweep_reader.hpp"

namespace kvtier {
namespace {

std::string Ms(const PointSide& side) {
  if (!side.metric_p95_ms.available()) return "not measured";
  const std::string value = fmt::format("{:.1f} ms", *side.metric_p95_ms);
  if (!side.repeats || side.repeats->n < 2) return value;
  const RepeatFigure& f = *side.repeats;
  return fmt::format("{} ({} {:.1f} to {:.1f}, n={})", value,
                     f.method == "min_max" ? "min-max" : "95 % interval", *f.low, *f.high, f.n);
}

std::string Gap(const SweepPoint& p) {
  const std::string value = fmt::format("{:.1f} %", 100 * p.tail_gap_ratio);
  if (!p.tail_gap_low) return value;
  return fmt::format("{} ({:.1f} to {:.1f})", value, 100 * *p.tail_gap_low, 100 * *p.tail_gap_high);
}

std::string PointTable(const std::vector<const SweepPoint*>& points) {
  std::vector<std::vector<std::string>> rows;
  for (const SweepPoint* p : points) {
    rows.push_back({fmt::format("{}", p->concurrency), fmt::format("{:.6f}", p->score), Ms(*p->b1),
                    Ms(*p->b2), Gap(*p), fmt::format("{}", fmt::join(p->reasons, ", "))});
  }
  return MarkdownTable({"Concurrency", "Score", "B1 p95", "B2 p95", "Tail gap", "Reasons"}, rows);
}

}  // namespace

std::string PointFigures(const SweepPoint& point) {
  return fmt::format("B1 p95 {}; B2 p95 {}; tail gap {}", Ms(*point.b1), Ms(*point.b2), Gap(point));
}

std::string RecommendationMarkdown(const Recommendation& r, const RecommendContext& context) {
  const auto candidates = r.Candidates();
  const auto top = static_cast<std::ptrdiff_t>(
      std::min(candidates.size(), static_cast<std::size_t>(r.options.top_k)));
  std::string out = fmt::format(
      "# Where to run the paired experiment: sweep {}\n\nCreated {} from {}.\nMetric: replay "
      "{}; SLO: {}; ruleset: {}.\n\nA recommendation says where to measure. It is no evidence of "
      "an "
      "effect.\n\n## Recommended\n\n",
      context.phase60_ts, context.created_utc, fmt::join(context.source_summaries, ", "),
      r.options.metric,
      r.slo_p95_ms.available() ? fmt::format("{:.1f} ms", *r.slo_p95_ms)
                               : "unknown, " + r.slo_p95_ms.reason(),
      RulesetName(r.options.ruleset));
  out += candidates.empty() ? "No concurrency qualifies.\n"
                            : PointTable({candidates.begin(), candidates.begin() + top});
  if (top < static_cast<std::ptrdiff_t>(candidates.size()))
    out += "\n## Other candidates\n\n" + PointTable({candidates.begin() + top, candidates.end()});
  out += "\n## Rejections\n\n";
  bool any = false;
  for (const SweepPoint& p : r.points) {
    if (p.accepted()) continue;
    any = true;
    out += fmt::format("- concurrency {}: {}\n", p.concurrency, fmt::join(p.rejected, ", "));
  }
  if (!any) out += "None.\n";
  if (!r.warnings.empty()) {
    out += "\n## Warnings\n\n";
    for (const std::string& warning : r.warnings) out += "- " + warning + "\n";
  }
  return out;
}

}  // namespace kvtier
