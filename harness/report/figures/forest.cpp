#include "harness/report/figures/forest.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "harness/report/figures/axis.hpp"
#include "harness/report/figures/pairs.hpp"
#include "harness/report/figures/sheet.hpp"
#include "harness/report/phase70_report.hpp"

namespace kvtier {
namespace {

using Row = ForestData::Row;

constexpr double kLabelWidth = 205, kFigureWidth = 186;

bool Finite(const Row& row) {
  return row.estimate && std::isfinite(*row.estimate);
}
std::optional<Interval> FiniteInterval(const Row& row) {
  const bool fine =
      row.interval && std::isfinite(row.interval->low) && std::isfinite(row.interval->high);
  return fine ? row.interval : std::nullopt;
}

struct Extent {
  double low = 0, high = 0;  // 0 is always inside
  void Take(double x) {
    low = std::min(low, x);
    high = std::max(high, x);
  }
  void Take(const std::vector<Row>& rows) {
    for (const Row& row : rows) {
      if (!Finite(row)) continue;
      Take(*row.estimate);
      if (const auto i = FiniteInterval(row)) {
        Take(i->low);
        Take(i->high);
      }
    }
  }
};

/// Without its unit.
std::string Bare(double log_ratio) {
  std::string text = PercentOf(log_ratio);
  text.resize(text.size() - 2);
  return text;
}

std::string Figures(const Row& row) {
  if (!Finite(row)) return row.note.empty() ? std::string("not computed") : row.note;
  std::string text = PercentOf(*row.estimate);
  if (const auto i = FiniteInterval(row))
    text += fmt::format(" [{}, {}]", Bare(i->low), Bare(i->high));
  return text;
}

/// Rows below each other with one axis under them.
class Panel {
 public:
  Panel(Svg& svg, const Box& box, const Axis& axis, double row_height)
      : svg_(svg), box_(box), axis_(axis), row_(row_height), y_(box.y) {}

  void DrawBehind(double margin) {
    const double from = axis_.At(-margin), to = axis_.At(margin);
    if (margin > 0) svg_.Rect({from, box_.y, to - from, box_.h}, {.fill = "#d9d9d9"});
    DrawBottomAxis(svg_, axis_, box_, "");
    const double zero = axis_.At(0);
    svg_.Line({zero, box_.y}, {zero, box_.bottom()}, {.stroke = kInk, .width = 1.2});
  }
  void DrawHeading(const std::string& text, double left) {
    y_ += 18;
    svg_.Text({left, y_ - 5}, text, {.size = 11, .bold = true});
  }
  void DrawRow(const Row& row, Mark mark, const char* colour, double left) {
    const double middle = y_ + row_ / 2, size = std::min(11.0, row_ - 1.5);
    const bool bold = row.decides;
    svg_.Text({left + 8, middle + size * 0.36}, Shorten(row.label, kLabelWidth - 16, size, bold),
              {.size = size, .bold = bold});
    svg_.Text({box_.right() + 12, middle + size * 0.36},
              Shorten(Figures(row), kFigureWidth - 12, size, bold), {.size = size, .bold = bold});
    if (Finite(row)) {
      if (const auto i = FiniteInterval(row)) {
        const double from = axis_.At(i->low), to = axis_.At(i->high);
        svg_.Line({from, middle}, {to, middle}, {.stroke = colour, .width = bold ? 3.0 : 1.6});
        for (const double end : {from, to})
          svg_.Line({end, middle - 4}, {end, middle + 4}, {.stroke = colour, .width = 1.6});
      }
      const double radius = std::min(4.0, row_ / 3);
      DrawMark(svg_, mark, {axis_.At(*row.estimate), middle}, radius, colour);
    }
    y_ += row_;
  }

 private:
  Svg& svg_;
  Box box_;
  const Axis& axis_;
  double row_, y_;
};

void DrawSides(Svg& svg, const Box& plot, const Axis& axis, const ForestData& data, double y) {
  const double zero = axis.At(0);
  // Over the side where it fits, else against the edge of the figure.
  const std::string better = "BETTER: " + data.arm_b + " faster";
  const std::string worse = "WORSE: " + data.arm_b + " slower";
  const double size = 11, gap = 8;
  const double left_end = std::max(zero - gap, plot.x + 4);
  const bool left_fits = TextWidth(better, size, true) + 14 < left_end - plot.x + kLabelWidth;
  if (left_fits) {
    svg.Text({left_end, y}, "\xE2\x97\x80 " + better,
             {.size = size, .anchor = Anchor::kEnd, .bold = true});
  }
  svg.Text({zero + gap, y},
           Shorten(worse + " \xE2\x96\xB6", kSheetWidth - 24 - zero - gap, size, true),
           {.size = size, .bold = true});
}

std::string WordText(const ForestData& data) {
  if (data.word.empty()) return "No effect was computed.";
  std::string text = fmt::format("Verdict: {}", data.word);
  if (!data.grade.empty()) text += fmt::format(", grade {}", data.grade);
  const bool decided =
      std::any_of(data.pooled.begin(), data.pooled.end(), [](const Row& r) { return r.decides; });
  text += decided ? ". The row in bold decides" : ". Too few pairs for an interval that decides";
  return text + fmt::format("; margin {:g} %.", data.margin_pct);
}

}  // namespace

std::string EffectForest(const ForestData& data) {
  SheetText text;
  text.title = fmt::format("Effect on the {}: {} against {}", data.metric, data.arm_b, data.arm_a);
  text.subtitle = WordText(data);
  text.context = data.context;
  const auto drawn = static_cast<std::size_t>(
      std::count_if(data.pairs.begin(), data.pairs.end(), [](const Row& r) { return Finite(r); }));
  text.caption = fmt::format(
      "n = {} with an effect, of {}. Unit: % of {}, on a log-ratio axis: equal distances are equal "
      "ratios. Band: equivalence margin of {:g} %, from {} to {}.",
      Plural(drawn, "pair"), data.pairs.size(), data.arm_a, data.margin_pct,
      PercentOf(-std::log1p(data.margin_pct / 100)), PercentOf(std::log1p(data.margin_pct / 100)));
  const bool any_pooled =
      std::any_of(data.pooled.begin(), data.pooled.end(), [](const Row& r) { return Finite(r); });
  if (drawn == 0 && !any_pooled) {
    return EmptyFigure(std::move(text), data.pairs.empty()
                                            ? "No pair was measured: there is no effect to show."
                                            : "No pair is complete: there is no effect to show.");
  }
  text.legend = {{.label = "one pair",
                  .kind = LegendItem::Kind::kMark,
                  .paint = {.stroke = kMuted},
                  .mark = Mark::kCircle},
                 {.label = "all pairs, with interval",
                  .kind = LegendItem::Kind::kMark,
                  .paint = {.stroke = kInk},
                  .mark = Mark::kDiamond},
                 {.label = "equivalence margin",
                  .kind = LegendItem::Kind::kBox,
                  .paint = {.fill = "#d9d9d9"}}};
  if (!data.secondary.empty()) {
    text.legend.push_back({.label = "further metric",
                           .kind = LegendItem::Kind::kMark,
                           .paint = {.stroke = kArmA},
                           .mark = Mark::kSquare});
  }
  const double pair_row = data.pairs.size() > 24 ? 11 : 16, pooled_row = 19;
  const double sides = 22, heading = 18, axis_room = 30;
  const double pairs_height =
      data.pairs.empty() ? 0 : heading + pair_row * static_cast<double>(data.pairs.size()) + 6;
  const double main_height =
      pairs_height + heading + pooled_row * static_cast<double>(data.pooled.size()) + 6;
  const double more_height =
      data.secondary.empty()
          ? 0
          : heading + pooled_row * static_cast<double>(data.secondary.size()) + 6;
  const double total =
      sides + main_height + axis_room + (more_height > 0 ? more_height + axis_room + 8 : 0);

  Sheet sheet(std::move(text), total);
  Svg& svg = sheet.svg();
  const Box& body = sheet.body();
  const double margin = std::log1p(std::max(0.0, data.margin_pct) / 100);
  const Box plot{body.x + kLabelWidth, body.y + sides, body.w - kLabelWidth - kFigureWidth,
                 main_height};
  Extent extent;
  extent.Take(-margin);
  extent.Take(margin);
  extent.Take(data.pairs);
  extent.Take(data.pooled);
  const Axis axis = PercentAxis(extent.low, extent.high, plot.x, plot.right(), 52);
  Panel panel(svg, plot, axis, pair_row);
  panel.DrawBehind(margin);
  DrawSides(svg, plot, axis, data, body.y + 14);
  if (!data.pairs.empty()) {
    panel.DrawHeading("By pair", body.x);
    for (const Row& row : data.pairs) panel.DrawRow(row, Mark::kCircle, kMuted, body.x);
  }
  const Box pooled_box{plot.x, plot.y + pairs_height, plot.w, plot.h - pairs_height};
  Panel pooled(svg, pooled_box, axis, pooled_row);
  pooled.DrawHeading("All pairs", body.x);
  for (const Row& row : data.pooled) pooled.DrawRow(row, Mark::kDiamond, kInk, body.x);

  if (!data.secondary.empty()) {
    const double top = plot.bottom() + axis_room + 8;
    svg.Text({body.x, top + 13},
             "Further metrics, decide nothing (interval 95 %; below 6 pairs the range)",
             {.size = 11, .bold = true});
    const Box more{plot.x, top + heading, plot.w, more_height - heading};
    Extent wide;
    wide.Take(data.secondary);
    wide.Take(-margin);
    wide.Take(margin);
    const Axis more_axis = PercentAxis(wide.low, wide.high, more.x, more.right(), 52);
    Panel further(svg, more, more_axis, pooled_row);
    further.DrawBehind(0);
    for (Row row : data.secondary) {
      row.label += row.lower_is_better ? " (lower is better)" : " (higher is better)";
      further.DrawRow(row, Mark::kSquare, kArmA, body.x);
    }
  }
  return sheet.Finish();
}

namespace {

/// "replay_ttfc_p50_ms" as people say it.
std::string MetricName(std::string metric) {
  if (metric == "replay_ttfc_p50_ms") return "TTFC p50";
  if (metric == "replay_ttfc_p99_ms") return "TTFC p99";
  if (metric == "replay_e2e_p95_ms") return "end to end p95";
  if (metric == "replay_itl_p50_ms") return "inter-token p50";
  if (metric == "replay_prompt_tokens_per_s") return "prompt tokens/s";
  return metric;
}

Row PooledRow(const std::string& label, std::optional<double> estimate,
              std::optional<Interval> interval) {
  Row row;
  row.label = label;
  row.estimate = estimate;
  row.interval = interval;
  return row;
}

/// With too few pairs for an interval of this level, the row says what is drawn instead.
Row HodgesLehmannRow(const std::string& label, const std::string& level, const HodgesLehmann& hl) {
  if (hl.n < 2) return PooledRow(label + ", no interval", hl.estimate, std::nullopt);
  if (!hl.reaches)
    return PooledRow(fmt::format("{}, range ({:.1f} %)", label, 100 * hl.level), hl.estimate,
                     hl.interval);
  return PooledRow(label + ", " + level, hl.estimate, hl.interval);
}

}  // namespace

ForestData ForestOf(const Phase70Analysis& analysis, const FigureContext& context) {
  const Verdict& verdict = analysis.verdict;
  const Effect& e = verdict.effect;
  ForestData data;
  data.context = context;
  data.margin_pct = e.margin_pct;
  const auto arms = ArmNames(verdict.setup);
  data.arm_a = arms[0];
  data.arm_b = arms[1];
  if (e.Computed()) data.word = EffectWordName(e.word);
  data.grade = GradeName(verdict.grade);
  for (const PairDelta& delta : analysis.deltas) {
    if (delta.mode_a != verdict.setup.mode_a || delta.mode_b != verdict.setup.mode_b) continue;
    Row row;
    row.label = fmt::format("pair {} ({})", delta.pair_id, delta.pair_order);
    row.estimate = delta.log_ratio_replay_ttfc_p95;
    row.note = delta.complete ? "no ratio" : "not complete";
    data.pairs.push_back(std::move(row));
  }
  const bool t_decides =
      static_cast<std::size_t>(e.pairs_used) >= verdict.setup.effect.t_from_pairs;
  const std::string wide = fmt::format("{:g} %", 100 * (1 - e.alpha));
  const std::string narrow = fmt::format("{:g} %", 100 * (1 - 2 * e.alpha));
  if (e.hl) {
    data.pooled.push_back(HodgesLehmannRow("Hodges-Lehmann", wide, *e.hl));
    data.pooled.back().decides = !t_decides && e.hl->reaches;
    if (e.hl_low90 && e.hl_high90 && e.hl->reaches) {
      data.pooled.push_back(PooledRow("Hodges-Lehmann, " + narrow, e.hl->estimate,
                                      Interval{*e.hl_low90, *e.hl_high90}));
    }
  }
  const bool cross_over = e.period.has_value();
  const std::string t_name = cross_over ? "t (Hills-Armitage)" : "t (paired)";
  if (e.treatment) {
    data.pooled.push_back(
        PooledRow(t_name + ", " + wide, e.treatment->estimate, e.treatment->interval));
    data.pooled.back().decides = t_decides;
  }
  if (e.treatment90) {
    data.pooled.push_back(
        PooledRow(t_name + ", " + narrow, e.treatment90->estimate, e.treatment90->interval));
  }
  for (const SecondaryEffect& s : e.secondary) {
    Row row = PooledRow(MetricName(s.metric), std::nullopt, std::nullopt);
    if (s.pairs_used > 0) row.estimate = s.hl.estimate;
    if (s.pairs_used > 1) row.interval = s.hl.interval;
    row.note = "no pair has it";
    row.lower_is_better = s.better != "higher";
    data.secondary.push_back(std::move(row));
  }
  return data;
}

}  // namespace kvtier
