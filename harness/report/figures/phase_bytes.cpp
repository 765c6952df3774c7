#include "harness/report/figures/phase_bytes.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "harness/judge/agreement.hpp"
#include "harness/report/figures/axis.hpp"
#include "harness/report/figures/sheet.hpp"

namespace kvtier {
namespace {

using Cell = PhaseBytesData::Cell;
using Leg = PhaseBytesData::Leg;

constexpr double kPanelHeight = 96, kPanelGap = 46, kColumnGap = 22, kLeft = 66, kTop = 40;
constexpr double kGroupGap = 14;  // between the legs of two modes

struct Unit {
  const char* name;
  double bytes;
};
Unit UnitFor(double most) {
  if (most >= 1024.0 * 1024 * 1024) return {"GiB", 1024.0 * 1024 * 1024};
  if (most >= 1024.0 * 1024) return {"MiB", 1024.0 * 1024};
  return {"KiB", 1024.0};
}

struct Direction {
  const char* heading;
  Reading<Bytes> Cell::*engine;
  Reading<Bytes> Cell::*os;
};
constexpr Direction kDirections[] = {
    {"read from the SSD", &Cell::engine_read, &Cell::os_read},
    {"written to the SSD", &Cell::engine_written, &Cell::os_written}};

/// Legs of one mode, in the order in which they ran.
struct Group {
  std::string mode;
  std::vector<const Leg*> legs;
};
std::vector<Group> GroupsOf(const std::vector<Leg>& legs) {
  std::vector<Group> groups;
  for (const Leg& leg : legs) {
    auto found = std::find_if(groups.begin(), groups.end(),
                              [&](const Group& g) { return g.mode == leg.mode; });
    if (found == groups.end()) found = groups.insert(groups.end(), {leg.mode, {}});
    found->legs.push_back(&leg);
  }
  std::stable_sort(groups.begin(), groups.end(),
                   [](const Group& a, const Group& b) { return a.mode < b.mode; });
  return groups;
}

/// Bars of one mode; narrow ones have no outline, which would be all of them.
Paint BarPaint(std::size_t group, double width) {
  constexpr std::pair<const char*, const char*> kLooks[] = {
      {"#8fb0d3", kArmA}, {"#eeb184", kArmB}, {"#c4c4c4", kThird}};
  const auto& [fill, stroke] = kLooks[group % 3];
  return {.fill = fill, .stroke = width < 4 ? "none" : stroke, .width = 0.8};
}

const Cell* CellAt(const Leg& leg, std::size_t phase) {
  return phase < leg.cells.size() ? &leg.cells[phase] : nullptr;
}

/// One panel: every leg of every group in one phase and direction.
void DrawPanel(Svg& svg, const std::vector<Group>& groups, std::size_t phase,
               const Direction& direction, const Axis& axis, const Box& panel, const Unit& unit) {
  std::size_t count = 0;
  for (const Group& g : groups) count += g.legs.size();
  const double gaps = kGroupGap * static_cast<double>(groups.size() + 1);
  const double slot = std::max(0.5, (panel.w - gaps) / static_cast<double>(count));
  const double wide = std::min(slot * 0.62, 16.0);
  double x = panel.x + kGroupGap;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    for (const Leg* leg : groups[g].legs) {
      const double middle = x + slot / 2;
      x += slot;
      const Cell* cell = CellAt(*leg, phase);
      if (cell == nullptr) continue;
      const Reading<Bytes>& engine = cell->*direction.engine;
      const Reading<Bytes>& os = cell->*direction.os;
      if (engine.available()) {
        const double top = axis.At(static_cast<double>(engine->value) / unit.bytes);
        svg.Rect({middle - wide / 2, top, wide, panel.bottom() - top}, BarPaint(g, wide));
      } else {
        DrawMark(svg, Mark::kCross, {middle, panel.bottom() - 6}, std::min(3.5, slot / 3), kInk);
      }
      if (os.available()) {
        svg.Circle({middle, axis.At(static_cast<double>(os->value) / unit.bytes)},
                   std::clamp(slot / 3.5, 1.2, 4.0), {.stroke = kInk, .width = 1.2});
      }
    }
    x += kGroupGap;
  }
  svg.Line({panel.x, panel.bottom()}, {panel.right(), panel.bottom()}, {.stroke = kMuted});
}

/// Names of the groups below a column, each under its legs.
void DrawGroupNames(Svg& svg, const std::vector<Group>& groups, const Box& panel) {
  std::size_t count = 0;
  for (const Group& g : groups) count += g.legs.size();
  const double gaps = kGroupGap * static_cast<double>(groups.size() + 1);
  const double slot = std::max(0.5, (panel.w - gaps) / static_cast<double>(count));
  double x = panel.x + kGroupGap;
  for (const Group& g : groups) {
    const double width = slot * static_cast<double>(g.legs.size());
    const double y = panel.bottom() + 6;
    svg.Polyline({{x, y}, {x, y + 3}, {x + width, y + 3}, {x + width, y}}, {.stroke = kMuted});
    const std::string name = fmt::format("{} ({})", g.mode, Plural(g.legs.size(), "leg"));
    svg.Text({x + width / 2, y + 16}, Shorten(name, width + kGroupGap, 10),
             {.size = 10, .anchor = Anchor::kMiddle});
    x += width + kGroupGap;
  }
}

}  // namespace

std::string PhaseBytes(const PhaseBytesData& data) {
  SheetText text;
  text.title = "SSD bytes by leg and phase: engine and operating system";
  text.subtitle = "Where both witnesses agree, the ring sits on the end of the bar.";
  text.context = data.context;
  double most = 0;
  ReasonList engine_reasons, os_reasons;
  bool any = false;
  for (const Leg& leg : data.legs) {
    for (std::size_t p = 0; p < data.phases.size(); ++p) {
      const Cell* cell = CellAt(leg, p);
      if (cell == nullptr) continue;
      for (const Direction& d : kDirections) {
        any = true;
        const std::string where = fmt::format("{}, {}", leg.label, data.phases[p]);
        for (const auto& [reading, reasons] : {std::pair{&(cell->*d.engine), &engine_reasons},
                                               std::pair{&(cell->*d.os), &os_reasons}}) {
          if (reading->available()) {
            most = std::max(most, static_cast<double>((*reading)->value));
          } else {
            reasons->Add(reading->reason(), where);
          }
        }
      }
    }
  }
  const Unit unit = UnitFor(most);
  text.caption = fmt::format(
      "n = {}. Unit: {} (1024-based), one scale for all panels; legs of a mode from left to right "
      "as "
      "they ran. Bar: engine's counters. Ring: I/O of the worker as the operating system counted "
      "it.",
      Plural(data.legs.size(), "leg"), unit.name);
  if (!any) {
    return EmptyFigure(std::move(text),
                       data.legs.empty() ? "No leg was measured." : "No leg finished a phase.");
  }
  for (const auto& line : engine_reasons.Lines("No engine count", 2)) text.notes.push_back(line);
  for (const auto& line : os_reasons.Lines("No witness of the operating system", 2))
    text.notes.push_back(line);
  const std::vector<Group> groups = GroupsOf(data.legs);
  for (std::size_t g = 0; g < groups.size(); ++g) {
    text.legend.push_back({.label = groups[g].mode + ", engine",
                           .kind = LegendItem::Kind::kBox,
                           .paint = BarPaint(g, 10)});
  }
  text.legend.push_back({.label = "operating system",
                         .kind = LegendItem::Kind::kMark,
                         .paint = {.stroke = kInk},
                         .filled = false});
  if (!engine_reasons.empty()) {
    text.legend.push_back({.label = "no engine count",
                           .kind = LegendItem::Kind::kMark,
                           .paint = {.stroke = kInk},
                           .mark = Mark::kCross});
  }
  const double rows = static_cast<double>(data.phases.size());
  Sheet sheet(std::move(text), kTop + rows * (kPanelHeight + kPanelGap));
  Svg& svg = sheet.svg();
  const Box& body = sheet.body();
  const double width = (body.w - kLeft - kColumnGap) / 2;
  for (std::size_t p = 0; p < data.phases.size(); ++p) {
    const double y = body.y + kTop + static_cast<double>(p) * (kPanelHeight + kPanelGap);
    const Axis axis = CountAxis(most / unit.bytes, y + kPanelHeight, y, 4);
    for (std::size_t d = 0; d < 2; ++d) {
      const Box panel{body.x + kLeft + static_cast<double>(d) * (width + kColumnGap), y, width,
                      kPanelHeight};
      if (p == 0) {
        svg.Text({panel.x + width / 2, body.y + 14}, kDirections[d].heading,
                 {.size = 12, .anchor = Anchor::kMiddle, .bold = true});
      }
      DrawLeftAxis(svg, axis, panel, d == 0 ? unit.name : "", d == 0);
      svg.Text({panel.x, y - 6}, Shorten(data.phases[p], width, 11, true),
               {.size = 11, .bold = true});
      DrawPanel(svg, groups, p, kDirections[d], axis, panel, unit);
      DrawGroupNames(svg, groups, panel);
    }
  }
  return sheet.Finish();
}

PhaseBytesData PhaseBytesOf(const std::vector<Phase70Leg>& legs, const FigureContext& context) {
  PhaseBytesData data;
  data.context = context;
  for (const Phase70Leg& leg : legs) {
    for (const PhaseEvidence& phase : leg.evidence.phases) {
      if (std::find(data.phases.begin(), data.phases.end(), phase.name) == data.phases.end())
        data.phases.push_back(phase.name);
    }
  }
  for (const Phase70Leg& leg : legs) {
    Leg out;
    out.label = fmt::format("pair {} leg {}", leg.pair_id, leg.pair_leg);
    out.mode = TierName(leg.evidence.tier);
    const auto missing = Reading<Bytes>::Unavailable("the leg did not finish this phase");
    for (const std::string& name : data.phases) {
      const PhaseEvidence* phase = leg.evidence.FindPhase(name);
      if (phase == nullptr) {
        out.cells.push_back({missing, missing, missing, missing});
      } else {
        out.cells.push_back({EngineRead(leg.evidence, *phase), EngineWritten(leg.evidence, *phase),
                             phase->io.WitnessRead(), phase->io.WitnessWrite()});
      }
    }
    data.legs.push_back(std::move(out));
  }
  return data;
}

}  // namespace kvtier
