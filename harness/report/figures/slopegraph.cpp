#include "harness/report/figures/slopegraph.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "harness/report/figures/axis.hpp"
#include "harness/report/figures/pairs.hpp"
#include "harness/report/figures/sheet.hpp"
#include "harness/report/phase70_report.hpp"
#include "harness/stats/quantile.hpp"

namespace kvtier {
namespace {

using Pair = SlopegraphData::Pair;

constexpr double kHeight = 400;
constexpr std::size_t kLabelledPairs = 16;  // above, labels would touch

double MedianOf(std::vector<double> v) {
  std::sort(v.begin(), v.end());
  return SortedQuantile(v, 0.5);
}

std::optional<double> Plottable(const std::optional<double>& v) {
  return v && std::isfinite(*v) && *v > 0 ? v : std::nullopt;
}

bool Joined(const Pair& p) {
  return p.complete && Plottable(p.a) && Plottable(p.b);
}

const char* DashOf(const Pair& p) {
  return p.a_first ? "" : "5 3";
}

/// A pair number beside its marker.
struct EndLabel {
  Point mark;
  int pair_id = 0;
};

/// Pair numbers at `x`, right of it or left, moved apart where they would touch.
void DrawEndLabels(Svg& svg, std::vector<EndLabel> labels, double x, bool right, const Box& plot) {
  std::sort(labels.begin(), labels.end(),
            [](const EndLabel& a, const EndLabel& b) { return a.mark.y < b.mark.y; });
  constexpr double kGap = 12;
  std::vector<double> y;
  for (const EndLabel& label : labels)
    y.push_back(y.empty() ? label.mark.y : std::max(label.mark.y, y.back() + kGap));
  // Back up from the lower end, so that what was pushed out of the plot fits again.
  double limit = plot.bottom() - 2;
  for (std::size_t i = y.size(); i-- > 0; limit = y[i] - kGap) y[i] = std::min(y[i], limit);
  const double side = right ? 1 : -1;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    svg.Line({labels[i].mark.x + side * 6, labels[i].mark.y}, {x + side * 14, y[i]},
             {.stroke = kThird, .width = 0.6});
    svg.Text({x + side * 18, y[i] + 3.5}, fmt::format("pair {}", labels[i].pair_id),
             {.size = 10, .anchor = right ? Anchor::kStart : Anchor::kEnd});
  }
}

SheetText TextOf(const SlopegraphData& data, std::size_t joined) {
  SheetText text;
  text.title =
      fmt::format("{} by pair: {} against {}", Capital(data.metric), data.arm_b, data.arm_a);
  text.subtitle = fmt::format("One line a pair ({} of {} complete). Logarithmic axis.", joined,
                              Plural(data.pairs.size(), "pair"));
  text.caption =
      fmt::format("n = {} ({} drawn as lines). Unit: {}, logarithmic axis; lower is better.",
                  Plural(data.pairs.size(), "pair"), joined, data.unit);
  text.context = data.context;
  text.legend = {
      {.label = fmt::format("{} ran first", data.arm_a), .paint = {.stroke = kMuted, .width = 1.4}},
      {.label = fmt::format("{} ran first", data.arm_b),
       .paint = {.stroke = kMuted, .width = 1.4, .dash = "5 3"}},
      {.label = "medians of the complete pairs", .paint = {.stroke = kInk, .width = 4}}};
  std::vector<int> open;
  for (const Pair& p : data.pairs) {
    if (!Joined(p)) open.push_back(p.pair_id);
  }
  if (!open.empty()) {
    text.legend.push_back({.label = "leg of an incomplete or invalid pair",
                           .kind = LegendItem::Kind::kMark,
                           .paint = {.stroke = kInk},
                           .filled = false});
    text.notes.push_back(fmt::format("Not joined, because not complete or not valid: pair{} {}.",
                                     open.size() == 1 ? "" : "s", fmt::join(open, ", ")));
  }
  return text;
}

}  // namespace

std::string PairedSlopegraph(const SlopegraphData& data) {
  std::vector<const Pair*> joined;
  std::vector<double> all, of_a, of_b;
  for (const Pair& p : data.pairs) {
    for (const auto& v : {Plottable(p.a), Plottable(p.b)}) {
      if (v) all.push_back(*v);
    }
    if (!Joined(p)) continue;
    joined.push_back(&p);
    of_a.push_back(*p.a);
    of_b.push_back(*p.b);
  }
  SheetText text = TextOf(data, joined.size());
  if (all.empty()) {
    return EmptyFigure(std::move(text), data.pairs.empty()
                                            ? "No pair was measured."
                                            : fmt::format("No leg has a {}.", data.metric));
  }
  if (!joined.empty()) {
    text.description = fmt::format(
        "Medians over {}: {} {} {}, {} {} {}.", Plural(joined.size(), "complete pair"), data.arm_a,
        ShortNumber(MedianOf(of_a)), data.unit, data.arm_b, ShortNumber(MedianOf(of_b)), data.unit);
  }
  Sheet sheet(std::move(text), kHeight);
  Svg& svg = sheet.svg();
  const Box& body = sheet.body();
  const Box plot{body.x + 60, body.y + 46, body.w - 60, body.h - 56};
  const auto [low, high] = std::minmax_element(all.begin(), all.end());
  const Axis axis = LogAxis(*low, *high, plot.bottom(), plot.y, 9);
  DrawLeftAxis(svg, axis, plot, fmt::format("{} [{}]", data.metric, data.unit));

  const double xa = plot.x + 130, xb = plot.right() - 150;
  for (const auto& [x, name, values] :
       {std::tuple{xa, &data.arm_a, &of_a}, std::tuple{xb, &data.arm_b, &of_b}}) {
    svg.Line({x, plot.y}, {x, plot.bottom()}, {.stroke = kMuted});
    svg.Text({x, body.y + 16}, Shorten(*name, 240, 13, true),
             {.size = 13, .anchor = Anchor::kMiddle, .bold = true});
    const std::string under =
        values->empty()
            ? std::string("no complete pair")
            : Shorten(fmt::format("median {} {}", ShortNumber(MedianOf(*values)), data.unit), 240,
                      11);
    svg.Text({x, body.y + 32}, under, {.size = 11, .anchor = Anchor::kMiddle});
  }
  const bool dense = data.pairs.size() > 24;
  const double radius = dense ? 2.2 : 3.6;
  for (const Pair* p : joined) {
    svg.Line({xa, axis.At(*p->a)}, {xb, axis.At(*p->b)},
             {.stroke = kMuted, .width = dense ? 0.8 : 1.4, .dash = DashOf(*p)});
  }
  if (!joined.empty()) {
    svg.Line({xa, axis.At(MedianOf(of_a))}, {xb, axis.At(MedianOf(of_b))},
             {.stroke = kInk, .width = 4});
  }
  for (const Pair* p : joined) {
    DrawMark(svg, Mark::kCircle, {xa, axis.At(*p->a)}, radius, kArmA);
    DrawMark(svg, Mark::kSquare, {xb, axis.At(*p->b)}, radius, kArmB);
  }
  std::vector<EndLabel> left, right;
  for (const Pair* p : joined) right.push_back({{xb, axis.At(*p->b)}, p->pair_id});
  for (const Pair& p : data.pairs) {
    if (Joined(p)) continue;
    // Outside of the lines, so that neither hides the other.
    if (const auto a = Plottable(p.a)) {
      DrawMark(svg, Mark::kCircle, {xa - 14, axis.At(*a)}, radius, kArmA, false);
      left.push_back({{xa - 14, axis.At(*a)}, p.pair_id});
    }
    if (const auto b = Plottable(p.b)) {
      DrawMark(svg, Mark::kSquare, {xb + 14, axis.At(*b)}, radius, kArmB, false);
      right.push_back({{xb + 14, axis.At(*b)}, p.pair_id});
    }
  }
  if (data.pairs.size() <= kLabelledPairs) {
    DrawEndLabels(svg, left, xa - 20, false, plot);
    DrawEndLabels(svg, right, xb + 20, true, plot);
  }
  return sheet.Finish();
}

SlopegraphData SlopegraphOf(const Phase70Analysis& analysis, const FigureContext& context) {
  SlopegraphData data;
  data.context = context;
  const auto arms = ArmNames(analysis.verdict.setup);
  data.arm_a = arms[0];
  data.arm_b = arms[1];
  for (const PairedRows& pair : PairRowsUp(analysis)) {
    SlopegraphData::Pair p;
    p.pair_id = pair.pair_id;
    p.a_first = pair.a_first;
    if (pair.a != nullptr) p.a = pair.a->replay_ttfc_p95_ms;
    if (pair.b != nullptr) p.b = pair.b->replay_ttfc_p95_ms;
    p.complete = pair.complete;
    data.pairs.push_back(p);
  }
  return data;
}

}  // namespace kvtier
