#include "harness/report/figures/tier_hits.hpp"

#include <algorithm>
#include <cmath>
#include <map>

#include <fmt/format.h>

#include "harness/report/figures/axis.hpp"
#include "harness/report/figures/pairs.hpp"
#include "harness/report/figures/sheet.hpp"

namespace kvtier {
namespace {

using Leg = TierHitsData::Leg;
using Tier = TierHitsData::Tier;

constexpr double kPanelHeight = 150, kPanelGap = 62, kHeading = 22;

double AsDouble(std::uint64_t v) {
  return static_cast<double>(v);
}
bool Holds(const Leg& leg) {
  return leg.actual.available() && leg.expected_low <= *leg.actual &&
         *leg.actual <= leg.expected_high;
}
std::uint64_t Miss(const Leg& leg) {
  if (*leg.actual < leg.expected_low) return leg.expected_low - *leg.actual;
  return *leg.actual > leg.expected_high ? *leg.actual - leg.expected_high : 0;
}

/// "8 of 8 legs as expected", with the worst of those that are not.
std::string SummaryOf(const Tier& tier) {
  std::size_t holds = 0, unread = 0;
  const Leg* worst = nullptr;
  for (const Leg& leg : tier.legs) {
    if (!leg.actual.available()) {
      ++unread;
    } else if (Holds(leg)) {
      ++holds;
    } else if (worst == nullptr || Miss(leg) > Miss(*worst)) {
      worst = &leg;
    }
  }
  std::string text = fmt::format("{} of {} as expected", holds, Plural(tier.legs.size(), "leg"));
  if (worst != nullptr) {
    text += fmt::format("; farthest off: {}, {} blocks {}", worst->label, Miss(*worst),
                        *worst->actual < worst->expected_low ? "too few" : "too many");
  }
  if (unread > 0) text += fmt::format("; {} not read", unread);
  return text;
}

std::string TierTitle(const Tier& tier) {
  return (tier.name == "ssd" ? "SSD" : tier.name == "host" ? "Host" : tier.name) + " tier";
}

void DrawPanel(Svg& svg, const Tier& tier, const Box& panel) {
  svg.Text({panel.x, panel.y - 8}, Shorten(TierTitle(tier) + ": " + SummaryOf(tier), panel.w, 11),
           {.size = 11});
  double high = 0;
  for (const Leg& leg : tier.legs) {
    high = std::max(high, AsDouble(leg.expected_high));
    if (leg.actual.available()) high = std::max(high, AsDouble(*leg.actual));
  }
  const Axis axis = CountAxis(high, panel.bottom(), panel.y, 5);
  DrawLeftAxis(svg, axis, panel, "blocks");
  svg.Line({panel.x, panel.bottom()}, {panel.right(), panel.bottom()}, {.stroke = kMuted});
  const double slot = panel.w / static_cast<double>(std::max<std::size_t>(tier.legs.size(), 1));
  const double wide = std::min(slot * 0.7, 44.0);
  double widest = 0;
  for (const Leg& leg : tier.legs) widest = std::max(widest, TextWidth(leg.label, 10));
  const auto stride = static_cast<std::size_t>(std::ceil((std::min(widest, 120.0) + 8) / slot));
  for (std::size_t i = 0; i < tier.legs.size(); ++i) {
    const Leg& leg = tier.legs[i];
    const double x = panel.x + slot * (static_cast<double>(i) + 0.5);
    const double top = axis.At(AsDouble(leg.expected_high)),
                 bottom = axis.At(AsDouble(leg.expected_low));
    const double height = std::max(bottom - top, 5.0);
    svg.Rect({x - wide / 2, (top + bottom - height) / 2, wide, height},
             {.fill = "#c9c9c9", .stroke = kMuted, .width = 0.6});
    const double radius = std::clamp(slot / 4, 1.8, 4.0);
    if (leg.actual.available()) {
      DrawMark(svg, Mark::kCircle, {x, axis.At(AsDouble(*leg.actual))}, radius, kInk, Holds(leg));
    } else {
      DrawMark(svg, Mark::kCross, {x, panel.bottom() - 8}, std::max(radius, 3.0), kInk);
    }
    if (i % std::max<std::size_t>(stride, 1) == 0) {
      svg.Text({x, panel.bottom() + 15}, Shorten(leg.label, 120, 10),
               {.size = 10, .anchor = Anchor::kMiddle});
    }
  }
}

}  // namespace

std::string TierHits(const TierHitsData& data) {
  SheetText text;
  text.title = fmt::format("Block hits of the replay by tier, {} legs", data.mode);
  text.subtitle = "What the hit model expected before the run, and what the engine counted.";
  text.context = data.context;
  std::size_t legs = 0;
  ReasonList reasons;
  std::vector<const Tier*> tiers;
  for (const Tier& tier : data.tiers) {
    if (tier.legs.empty()) continue;
    tiers.push_back(&tier);
    legs = std::max(legs, tier.legs.size());
    for (const Leg& leg : tier.legs) {
      if (!leg.actual.available())
        reasons.Add(leg.actual.reason(), fmt::format("{}, {}", tier.name, leg.label));
    }
  }
  text.caption = fmt::format(
      "n = {}. Unit: KV blocks of the replay phase. An exact expectation is drawn as a thin band.",
      Plural(legs, "leg"));
  if (tiers.empty()) {
    return EmptyFigure(std::move(text),
                       fmt::format("No valid {} leg has an expectation: either none was measured, "
                                   "or the stack hides its tier sizes.",
                                   data.mode));
  }
  text.notes = reasons.Lines("Not read");
  text.legend = {
      {.label = "expected, low to high",
       .kind = LegendItem::Kind::kBox,
       .paint = {.fill = "#c9c9c9", .stroke = kMuted, .width = 0.6}},
      {.label = "counted, as expected", .kind = LegendItem::Kind::kMark, .paint = {.stroke = kInk}},
      {.label = "counted, outside",
       .kind = LegendItem::Kind::kMark,
       .paint = {.stroke = kInk},
       .filled = false},
      {.label = "not read",
       .kind = LegendItem::Kind::kMark,
       .paint = {.stroke = kInk},
       .mark = Mark::kCross}};
  for (const Tier* tier : tiers) {
    if (!text.description.empty()) text.description += " ";
    text.description += fmt::format("{}: {}.", TierTitle(*tier), SummaryOf(*tier));
  }
  const double count = static_cast<double>(tiers.size());
  Sheet sheet(std::move(text), count * (kPanelHeight + kPanelGap) - 24);
  double y = sheet.body().y + kHeading;
  for (const Tier* tier : tiers) {
    DrawPanel(sheet.svg(), *tier, {sheet.body().x + 62, y, sheet.body().w - 62, kPanelHeight});
    y += kPanelHeight + kPanelGap;
  }
  return sheet.Finish();
}

TierHitsData TierHitsOf(const Phase70Analysis& analysis, const FigureContext& context) {
  TierHitsData data;
  data.context = context;
  std::map<std::string, const PairRow*> rows;
  for (const PairRow& row : analysis.rows) rows.emplace(row.run_id, &row);
  std::vector<Tier> tiers{{"host", {}}, {"ssd", {}}};
  for (const HitComparison& hit : analysis.verdict.hits) {
    const auto row = rows.find(hit.run_id);
    if (row != rows.end() && !HasDiskTier(row->second->mode)) continue;
    Leg leg;
    leg.label = row == rows.end() ? hit.run_id : fmt::format("pair {}", row->second->pair_id);
    leg.expected_low = hit.expected_low;
    leg.expected_high = hit.expected_high;
    leg.actual = hit.actual;
    for (Tier& tier : tiers) {
      if (tier.name == hit.tier) tier.legs.push_back(leg);
    }
  }
  data.tiers = std::move(tiers);
  return data;
}

}  // namespace kvtier
