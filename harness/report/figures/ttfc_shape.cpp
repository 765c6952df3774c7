#include "harness/report/figures/ttfc_shape.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "harness/judge/gates.hpp"
#include "harness/report/figures/axis.hpp"
#include "harness/report/figures/pairs.hpp"
#include "harness/report/figures/sheet.hpp"
#include "harness/report/phase70_report.hpp"
#include "harness/stats/quantile.hpp"

namespace kvtier {
namespace {

using Pair = TtfcShapeData::Pair;

constexpr std::size_t kMostSteps = 300;  // of one distribution; above, it is thinned by quantiles

std::vector<double> Ascending(const std::vector<double>& sample) {
  std::vector<double> v;
  for (const double x : sample) {
    if (std::isfinite(x) && x > 0) v.push_back(x);
  }
  std::sort(v.begin(), v.end());
  return v;
}

/// A pair with its samples cleaned and in order.
struct Sorted {
  const Pair* pair = nullptr;
  std::vector<double> a, b;
};
std::vector<Sorted> SortAll(const std::vector<Pair>& pairs) {
  std::vector<Sorted> out;
  for (const Pair& p : pairs) out.push_back({&p, Ascending(p.a), Ascending(p.b)});
  return out;
}

std::vector<Point> EcdfPath(const std::vector<double>& v, const Axis& x, const Axis& y) {
  std::vector<Point> path;
  if (v.empty()) return path;
  const std::size_t steps = std::min(v.size(), kMostSteps);
  path.push_back({x.At(v.front()), y.At(0)});
  double share = 0;
  for (std::size_t k = 1; k <= steps; ++k) {
    const std::size_t rank = k * v.size() / steps;  // 1..n
    const double at = x.At(v[rank - 1]);
    path.push_back({at, y.At(share)});
    share = static_cast<double>(rank) / static_cast<double>(v.size());
    path.push_back({at, y.At(share)});
  }
  return path;
}

SheetText CommonText(const TtfcShapeData& data, const std::vector<Sorted>& pairs) {
  SheetText text;
  text.context = data.context;
  std::size_t of_a = 0, of_b = 0;
  for (const Sorted& s : pairs) {
    of_a += s.a.size();
    of_b += s.b.size();
  }
  text.caption = fmt::format(
      "n = {}; {} of {}, {} of {}. Unit: {}. Declared as a description: requests of one leg are "
      "not "
      "independent, the verdict rests on pairs.",
      Plural(pairs.size(), "pair"), Plural(of_a, "request"), data.arm_a, Plural(of_b, "request"),
      data.arm_b, data.unit);
  return text;
}

std::string WhyEmpty(const TtfcShapeData& data) {
  return data.pairs.empty() ? "No pair was measured."
                            : fmt::format("No request has a {}.", data.metric);
}

}  // namespace

std::string TtfcEcdf(const TtfcShapeData& data) {
  const std::vector<Sorted> pairs = SortAll(data.pairs);
  SheetText text = CommonText(data, pairs);
  text.title = fmt::format("{} of single requests: {} and {} by pair", Capital(data.metric),
                           data.arm_a, data.arm_b);
  text.subtitle =
      "Share of requests at or below a time; logarithmic time axis, the same in every panel.";
  double low = 0, high = 0;
  for (const Sorted& s : pairs) {
    for (const auto* v : {&s.a, &s.b}) {
      if (v->empty()) continue;
      low = low == 0 ? v->front() : std::min(low, v->front());
      high = std::max(high, v->back());
    }
  }
  if (high == 0) return EmptyFigure(std::move(text), WhyEmpty(data));
  text.legend = {{.label = data.arm_a, .paint = {.stroke = kArmA, .width = 1.4}},
                 {.label = data.arm_b, .paint = {.stroke = kArmB, .width = 3.2}}};
  const std::size_t n = pairs.size();
  const std::size_t columns = n <= 3 ? n : n <= 8 ? 4 : n <= 24 ? 6 : 8;
  const std::size_t rows = (n + columns - 1) / columns;
  const double gap = columns > 4 ? 14 : 24, heading = 18, left = 52, bottom = 40;
  const double body_width = kSheetWidth - 40;
  const double width =
      (body_width - left - gap * static_cast<double>(columns - 1)) / static_cast<double>(columns);
  const double height = std::clamp(width * 0.8, 64.0, 250.0);
  Sheet sheet(std::move(text), static_cast<double>(rows) * (height + heading) + bottom);
  Svg& svg = sheet.svg();
  const Box& body = sheet.body();
  for (std::size_t i = 0; i < n; ++i) {
    const std::size_t row = i / columns, column = i % columns;
    const Box panel{body.x + left + static_cast<double>(column) * (width + gap),
                    body.y + heading + static_cast<double>(row) * (height + heading), width,
                    height};
    const Axis x = LogAxis(low, high, panel.x, panel.right(), width > 150 ? 5 : 3);
    Axis y = LinearAxis(0, 1, panel.bottom(), panel.y, 3);
    const bool lowest = i + columns >= n;  // nothing below it
    DrawLeftAxis(svg, y, panel, "", column == 0);
    DrawBottomAxis(svg, x, panel, "", lowest);
    const Pair& pair = *pairs[i].pair;
    const std::string name = fmt::format("pair {}{}", pair.pair_id,
                                         pair.complete ? ""
                                         : columns > 6 ? " (!)"
                                                       : " (incomplete)");
    svg.Text({panel.x + 2, panel.y - 5}, Shorten(name, width, 10), {.size = 10});
    const bool small = columns > 6;
    svg.Polyline(EcdfPath(pairs[i].b, x, y), {.stroke = kArmB, .width = small ? 2.4 : 3.2});
    svg.Polyline(EcdfPath(pairs[i].a, x, y), {.stroke = kArmA, .width = small ? 1.0 : 1.4});
  }
  const double foot = body.bottom() - 6;
  svg.Text({body.x + left + (body.w - left) / 2, foot},
           Shorten(fmt::format("{} [{}]", data.metric, data.unit), body.w - left, 11),
           {.size = 11, .anchor = Anchor::kMiddle, .fill = kMuted});
  svg.Text({body.x + 10, body.y + (body.h - bottom) / 2}, "share of requests",
           {.size = 11, .anchor = Anchor::kMiddle, .fill = kMuted, .upright = true});
  return sheet.Finish();
}

std::string TtfcShift(const TtfcShapeData& data) {
  const std::vector<Sorted> pairs = SortAll(data.pairs);
  SheetText text = CommonText(data, pairs);
  text.title =
      fmt::format("Shift of {} by decile: {} against {}", data.metric, data.arm_b, data.arm_a);
  constexpr int kDeciles = 9;
  std::vector<std::vector<double>> lines;  // of complete pairs, a log-ratio a decile
  std::vector<std::vector<double>> columns(kDeciles);
  for (const Sorted& s : pairs) {
    if (!s.pair->complete || s.a.empty() || s.b.empty()) continue;
    lines.emplace_back();
    for (int d = 0; d < kDeciles; ++d) {
      const double q = 0.1 * (d + 1);
      const double ratio = std::log(SortedQuantile(s.b, q) / SortedQuantile(s.a, q));
      lines.back().push_back(ratio);
      columns[static_cast<std::size_t>(d)].push_back(ratio);
    }
  }
  text.subtitle = fmt::format("{} drawn: each decile of {} against the same decile of {}.",
                              Plural(lines.size(), "complete pair"), data.arm_b, data.arm_a);
  if (lines.empty()) {
    return EmptyFigure(std::move(text), data.pairs.empty()
                                            ? "No pair was measured."
                                            : "No complete pair has requests on both sides.");
  }
  text.legend = {
      {.label = "one pair", .paint = {.stroke = "#8a8a8a", .width = 1}},
      {.label = "median over pairs", .paint = {.stroke = kInk, .width = 3}},
      {.label = "no difference", .paint = {.stroke = kInk, .width = 1.2, .dash = "2 2"}}};
  text.caption += " Log-ratio axis, labelled in %.";
  double low = 0, high = 0;
  std::vector<double> medians;
  for (auto& column : columns) {
    std::sort(column.begin(), column.end());
    low = std::min(low, column.front());
    high = std::max(high, column.back());
    medians.push_back(SortedQuantile(column, 0.5));
  }
  text.description =
      fmt::format("Median shift: {} at the first decile, {} at the median, {} at the ninth.",
                  PercentOf(medians.front()), PercentOf(medians[4]), PercentOf(medians.back()));
  Sheet sheet(std::move(text), 330);
  Svg& svg = sheet.svg();
  const Box& body = sheet.body();
  const Box plot{body.x + 72, body.y + 10, body.w - 72 - 130, body.h - 54};
  const Axis y = PercentAxis(low, high, plot.bottom(), plot.y, 22);
  Axis x{Scale::kLinear, 5, 95, plot.x, plot.right(), {}};
  for (int d = 1; d <= kDeciles; ++d) x.ticks.push_back({10.0 * d, fmt::format("{}", 10 * d)});
  DrawLeftAxis(svg, y, plot, fmt::format("{} against {}", data.arm_b, data.arm_a));
  DrawBottomAxis(svg, x, plot, "percentile of the requests of a leg");
  svg.Line({plot.x, y.At(0)}, {plot.right(), y.At(0)},
           {.stroke = kInk, .width = 1.2, .dash = "2 2"});
  const auto path = [&](const std::vector<double>& line) {
    std::vector<Point> points;
    for (std::size_t d = 0; d < line.size(); ++d)
      points.push_back({x.At(10.0 * static_cast<double>(d + 1)), y.At(line[d])});
    return points;
  };
  for (const auto& line : lines) svg.Polyline(path(line), {.stroke = "#8a8a8a", .width = 0.9});
  svg.Polyline(path(medians), {.stroke = kInk, .width = 3});
  for (const Point& p : path(medians)) DrawMark(svg, Mark::kDiamond, p, 3.2, kInk);
  // The sides in words, right of the plot.
  const double zero = y.At(0);
  svg.Text({plot.right() + 8, std::max(zero - 8, plot.y + 10)},
           Shorten("\xE2\x96\xB2 " + data.arm_b + " slower", 122, 11), {.size = 11});
  svg.Text({plot.right() + 8, std::min(zero + 16, plot.bottom())},
           Shorten("\xE2\x96\xBC " + data.arm_b + " faster", 122, 11), {.size = 11});
  return sheet.Finish();
}

TtfcShapeData TtfcShapeOf(const std::vector<Phase70Leg>& legs, const Phase70Analysis& analysis,
                          const FigureContext& context) {
  TtfcShapeData data;
  data.context = context;
  const auto arms = ArmNames(analysis.verdict.setup);
  data.arm_a = arms[0];
  data.arm_b = arms[1];
  const auto sample = [&](const PairRow* row) {
    std::vector<double> ms;
    for (const Phase70Leg& leg : legs) {
      if (row == nullptr || leg.pair_id != row->pair_id || leg.pair_leg != row->pair_leg) continue;
      const PhaseEvidence* phase = HeadlinePhase(leg.evidence);
      if (phase == nullptr) continue;
      for (const RequestRecord& record : leg.evidence.records) {
        if (record.phase != phase->name) continue;
        if (const auto ttfc = record.TtfcMs()) ms.push_back(*ttfc);
      }
    }
    return ms;
  };
  for (const PairedRows& pair : PairRowsUp(analysis)) {
    data.pairs.push_back(
        {pair.pair_id, pair.a_first, sample(pair.a), sample(pair.b), pair.complete});
  }
  return data;
}

}  // namespace kvtier
