#include "harness/report/figures/hit_curve.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "harness/report/figures/axis.hpp"
#include "harness/report/figures/sheet.hpp"

namespace kvtier {
namespace {

constexpr double kCurveHeight = 300, kCurveLeft = 66, kCurveHead = 26, kCurveFoot = 44;
constexpr Paint kLruLine{.stroke = kArmA, .width = 2};
constexpr Paint kFilteredLine{.stroke = kArmB, .width = 2, .dash = "6 3"};
constexpr Paint kIdealLine{.stroke = kInk, .width = 1.2, .dash = "8 3 2 3"};
constexpr Paint kTierLine{.stroke = kMuted, .width = 1, .dash = "1 3"};

bool OnTheCurve(const HitCurveData::Point& p) {
  return std::isfinite(p.capacity) && p.capacity > 0 && std::isfinite(p.share);
}

void DrawTiers(Svg& svg, const HitCurveData& data, const Axis& x, const Box& panel) {
  double free_from = panel.x;  // labels do not overlap
  auto tiers = data.tiers;
  std::sort(tiers.begin(), tiers.end(),
            [](const auto& a, const auto& b) { return a.capacity < b.capacity; });
  for (const auto& tier : tiers) {
    if (!std::isfinite(tier.capacity) || tier.capacity < x.low || tier.capacity > x.high) continue;
    const double at = x.At(tier.capacity);
    svg.Line({at, panel.y}, {at, panel.bottom()}, kTierLine);
    const double half = TextWidth(tier.name, 10) / 2;
    if (at - half < free_from) continue;
    svg.Text({at, panel.y - 6}, tier.name, {.size = 10, .anchor = Anchor::kMiddle});
    free_from = at + half + 4;
  }
}

}  // namespace

std::string HitCurveFigure(const HitCurveData& data) {
  SheetText text;
  text.title = "Expected hit share against cache capacity";
  text.subtitle = "Share of the trace's KV block references that tiers of that size answer.";
  text.context = data.context;
  text.caption = fmt::format(
      "n = {} requests, {} block references. Capacities in {} on a logarithmic axis. Tiers are "
      "LRU, "
      "a block counts when all before it in its prompt hit too; an upper estimate for an engine.",
      data.requests, data.references, data.unit);
  std::vector<HitCurveData::Point> points;
  std::copy_if(data.points.begin(), data.points.end(), std::back_inserter(points), OnTheCurve);
  if (points.empty()) return EmptyFigure(std::move(text), "The trace refers to no block.");
  const bool filtered = std::any_of(points.begin(), points.end(),
                                    [](const auto& p) { return p.filtered_share.has_value(); });
  text.legend.push_back({.label = "LRU of that size", .paint = kLruLine});
  if (filtered)
    text.legend.push_back({.label = "SSD of that size, filter on", .paint = kFilteredLine});
  text.legend.push_back(
      {.label = fmt::format("infinite: {:.1f} %", 100 * data.ideal_share), .paint = kIdealLine});
  if (!data.tiers.empty()) text.legend.push_back({.label = "tier sizes", .paint = kTierLine});

  Sheet sheet(std::move(text), kCurveHead + kCurveHeight + kCurveFoot);
  Svg& svg = sheet.svg();
  const Box& body = sheet.body();
  const Box panel{body.x + kCurveLeft, body.y + kCurveHead, body.w - kCurveLeft - 14, kCurveHeight};
  const double low = points.front().capacity, high = points.back().capacity;
  const Axis x = LogAxis(low, std::max(high, low * 2), panel.x, panel.right(), 10);
  const Axis y = CountAxis(std::max(100 * data.ideal_share, 1.0), panel.bottom(), panel.y, 8);
  DrawLeftAxis(svg, y, panel, "hit share [%]");
  DrawBottomAxis(svg, x, panel, fmt::format("capacity [{}]", data.unit));
  DrawTiers(svg, data, x, panel);
  svg.Line({panel.x, y.At(100 * data.ideal_share)}, {panel.right(), y.At(100 * data.ideal_share)},
           kIdealLine);
  std::vector<Point> lru, on;
  for (const auto& p : points) {
    lru.push_back({x.At(p.capacity), y.At(100 * p.share)});
    if (p.filtered_share && std::isfinite(*p.filtered_share))
      on.push_back({x.At(p.capacity), y.At(100 * *p.filtered_share)});
  }
  svg.Polyline(lru, kLruLine);
  svg.Polyline(on, kFilteredLine);
  for (const Point& p : on) DrawMark(svg, Mark::kSquare, p, 3, kArmB);
  return sheet.Finish();
}

}  // namespace kvtier
