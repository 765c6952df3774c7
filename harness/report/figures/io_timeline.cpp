#include "harness/report/figures/io_timeline.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "harness/report/figures/axis.hpp"
#include "harness/report/figures/sheet.hpp"

namespace kvtier {
namespace {

using Leg = IoTimelineData::Leg;
using Step = IoTimelineData::Step;

constexpr double kPanelHeight = 82, kPanelGap = 20, kLegHeading = 56, kLeft = 66, kAxisRoom = 40;

bool Drawable(const Step& s) {
  return std::isfinite(s.from_s) && std::isfinite(s.to_s) && std::isfinite(s.rate) &&
         s.to_s > s.from_s;
}

double HighestRate(const std::vector<Step>& steps) {
  double high = 0;
  for (const Step& s : steps) {
    if (Drawable(s)) high = std::max(high, s.rate);
  }
  return high;
}

/// The outline of the steps; where there is a gap between two, one line ends and another begins.
std::vector<std::vector<Point>> Outlines(const std::vector<Step>& steps, const Axis& time,
                                         const Axis& rate) {
  std::vector<std::vector<Point>> lines;
  double last_s = -1;
  for (const Step& s : steps) {
    if (!Drawable(s)) continue;
    if (lines.empty() || s.from_s - last_s > 1e-6) lines.emplace_back();
    lines.back().push_back({time.At(s.from_s), rate.At(s.rate)});
    lines.back().push_back({time.At(s.to_s), rate.At(s.rate)});
    last_s = s.to_s;
  }
  return lines;
}

void DrawRates(Svg& svg, const std::vector<Step>& disk, const std::vector<Step>& engine,
               const Axis& time, const Axis& rate, const Box& panel) {
  for (std::vector<Point> line : Outlines(disk, time, rate)) {
    line.insert(line.begin(), {line.front().x, panel.bottom()});
    line.push_back({line.back().x, panel.bottom()});
    svg.Polygon(line, {.fill = "#9db9d6", .stroke = kArmA, .width = 0.8});
  }
  for (const auto& line : Outlines(engine, time, rate))
    svg.Polyline(line, {.stroke = kInk, .width = 1.8, .dash = "6 3"});
}

void DrawPhases(Svg& svg, const Leg& leg, const Axis& time, double top, double bottom) {
  bool shaded = true;
  double label_end = -1;
  for (const auto& phase : leg.phases) {
    if (!std::isfinite(phase.from_s) || !std::isfinite(phase.to_s)) continue;
    const double from = time.At(phase.from_s), to = std::max(time.At(phase.to_s), from);
    if (shaded) svg.Rect({from, top, to - from, bottom - top}, {.fill = kBand});
    svg.Line({from, top - 4}, {from, bottom}, {.stroke = kMuted, .width = 0.8, .dash = "2 2"});
    shaded = !shaded;
    const std::string name = Shorten(phase.name, std::max(to - from, 54.0), 10);
    if (from >= label_end && from + TextWidth(name, 10) < kSheetWidth - 20) {
      svg.Text({from + 3, top - 5}, name, {.size = 10});
      label_end = from + TextWidth(name, 10) + 8;
    }
  }
}

}  // namespace

std::string IoTimeline(const IoTimelineData& data) {
  SheetText text;
  text.title = "SSD traffic over time, one pair";
  text.subtitle = "Legs of one pair on one time axis; zero is the start of the first phase.";
  text.context = data.context;
  text.caption = fmt::format(
      "n = {}. Unit: MiB/s over each step of the recording. Filled: the KV device, whoever used "
      "it. "
      "Dashed: blocks that the engine counted, as bytes.",
      Plural(data.legs.size(), "leg"));
  double high = 0, end_s = 0;
  std::size_t drawn = 0;
  for (const Leg& leg : data.legs) {
    if (!leg.unavailable.empty()) {
      text.notes.push_back(fmt::format("{}: not drawn: {}.", leg.label, leg.unavailable));
      continue;
    }
    ++drawn;
    if (!leg.engine_unavailable.empty()) {
      text.notes.push_back(
          fmt::format("{}: no engine rates: {}.", leg.label, leg.engine_unavailable));
    }
    for (const auto* steps :
         {&leg.disk_read, &leg.disk_written, &leg.engine_read, &leg.engine_written}) {
      high = std::max(high, HighestRate(*steps));
      for (const Step& s : *steps) {
        if (Drawable(s)) end_s = std::max(end_s, s.to_s);
      }
    }
    for (const auto& phase : leg.phases) {
      if (std::isfinite(phase.to_s)) end_s = std::max(end_s, phase.to_s);
    }
  }
  if (drawn == 0) {
    const std::string why = data.legs.empty()
                                ? "No pair has two legs."
                                : fmt::format("No leg of the pair has a timeline to draw: {}.",
                                              data.legs.front().unavailable);
    return EmptyFigure(std::move(text), why);
  }
  text.legend = {
      {.label = "KV device, operating system",
       .kind = LegendItem::Kind::kBox,
       .paint = {.fill = "#9db9d6", .stroke = kArmA, .width = 0.8}},
      {.label = "engine's counters", .paint = {.stroke = kInk, .width = 1.8, .dash = "6 3"}}};
  const double leg_height = kLegHeading + 2 * kPanelHeight + kPanelGap;
  Sheet sheet(std::move(text), static_cast<double>(drawn) * leg_height + kAxisRoom);
  Svg& svg = sheet.svg();
  const Box& body = sheet.body();
  double y = body.y;
  std::size_t index = 0;
  for (const Leg& leg : data.legs) {
    if (!leg.unavailable.empty()) continue;
    ++index;
    svg.Text({body.x, y + 26}, Shorten(leg.label, body.w, 12, true), {.size = 12, .bold = true});
    const Box read{body.x + kLeft, y + kLegHeading, body.w - kLeft - 10, kPanelHeight};
    const Box written{read.x, read.bottom() + kPanelGap, read.w, kPanelHeight};
    const bool last = index == drawn;
    Axis time = LinearAxis(0, end_s > 0 ? end_s : 1, read.x, read.right(), 9);
    DrawPhases(svg, leg, time, read.y, written.bottom());
    for (const Box* panel : {&read, &written}) {
      const Axis rate = CountAxis(high, panel->bottom(), panel->y, 4);
      DrawLeftAxis(svg, rate, *panel, panel == &read ? "read MiB/s" : "write MiB/s");
      DrawBottomAxis(svg, time, *panel,
                     last && panel == &written ? "seconds since the first phase began" : "",
                     last && panel == &written);
      DrawRates(svg, panel == &read ? leg.disk_read : leg.disk_written,
                panel == &read ? leg.engine_read : leg.engine_written, time, rate, *panel);
    }
    y += leg_height;
  }
  return sheet.Finish();
}

}  // namespace kvtier
