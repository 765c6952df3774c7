#include "harness/report/figures/sweep_curves.hpp"

#include <algorithm>
#include <cmath>
#include <set>

#include <fmt/format.h>

#include "harness/report/figures/axis.hpp"
#include "harness/report/figures/sheet.hpp"

namespace kvtier {
namespace {

using Mode = SweepCurvesData::Mode;

constexpr double kLatencyHeight = 270, kServedHeight = 220, kCurvesLeft = 66, kHeading = 24,
                 kFoot = 44;

struct Look {
  Mark mark;
  const char* colour;
  const char* dash;
};
Look LookOf(std::size_t mode) {
  constexpr Look kLooks[] = {
      {Mark::kCircle, kArmA, ""}, {Mark::kSquare, kArmB, "6 3"}, {Mark::kTriangle, kThird, "2 2"}};
  return kLooks[mode % 3];
}

bool Plottable(double concurrency, double value) {
  return std::isfinite(concurrency) && std::isfinite(value) && concurrency > 0 && value > 0;
}

/// The tested concurrencies of both panels, ascending.
std::vector<double> Concurrencies(const SweepCurvesData& data) {
  std::set<double> all;
  for (const Mode& mode : data.modes) {
    for (const auto& p : mode.latency) {
      if (Plottable(p.concurrency, p.value)) all.insert(p.concurrency);
    }
    for (const SweepServed& s : mode.served) {
      if (Plottable(s.concurrency, s.requests_per_s)) all.insert(s.concurrency);
    }
  }
  return {all.begin(), all.end()};
}

struct Range {
  double low = 0, high = 0;
  void Take(double v) {
    low = high == 0 ? v : std::min(low, v);
    high = std::max(high, v);
  }
};

/// Straight in the concurrency between tested points, so bent on the logarithmic axis.
std::vector<Point> FitPath(const SloCrossing& fit, const Axis& x, const Axis& y) {
  std::vector<Point> path;
  const std::size_t n = std::min(fit.concurrencies.size(), fit.fit.size());
  for (std::size_t i = 0; i < n; ++i) {
    if (!Plottable(fit.concurrencies[i], fit.fit[i])) continue;
    if (i > 0) {
      const double c0 = fit.concurrencies[i - 1], f0 = fit.fit[i - 1];
      for (int k = 1; k < 12; ++k) {
        const double t = k / 12.0;
        path.push_back(
            {x.At(c0 + t * (fit.concurrencies[i] - c0)), y.At(f0 + t * (fit.fit[i] - f0))});
      }
    }
    path.push_back({x.At(fit.concurrencies[i]), y.At(fit.fit[i])});
  }
  return path;
}

void DrawLatency(Svg& svg, const SweepCurvesData& data, const Axis& x, const Box& panel) {
  Range range;
  for (const Mode& mode : data.modes) {
    for (const auto& p : mode.latency) {
      if (Plottable(p.concurrency, p.value)) range.Take(p.value);
    }
  }
  if (range.high == 0) {
    svg.Text({panel.x + panel.w / 2, panel.y + panel.h / 2},
             Shorten(fmt::format("No point has a {}.", data.metric), panel.w, 12),
             {.size = 12, .anchor = Anchor::kMiddle});
    return;
  }
  const bool has_slo = data.slo.available() && std::isfinite(*data.slo) && *data.slo > 0;
  if (has_slo) range.Take(*data.slo);
  const Axis y = LogAxis(range.low, range.high, panel.bottom(), panel.y, 8);
  DrawLeftAxis(svg, y, panel, fmt::format("{} [{}]", data.metric, data.unit));
  DrawBottomAxis(svg, x, panel, "");
  if (has_slo) {
    const double at = y.At(*data.slo);
    svg.Line({panel.x, at}, {panel.right(), at}, {.stroke = kInk, .width = 1.4, .dash = "8 3 2 3"});
  }
  for (std::size_t m = 0; m < data.modes.size(); ++m) {
    const Mode& mode = data.modes[m];
    const Look look = LookOf(m);
    if (mode.crossing.available()) {
      svg.Polyline(FitPath(*mode.crossing, x, y),
                   {.stroke = look.colour, .width = 1.8, .dash = look.dash});
      const Crossing& at = mode.crossing->estimate;
      if (at.within() && has_slo && std::isfinite(at.concurrency) && at.concurrency > 0) {
        const double cx = x.At(at.concurrency);
        svg.Line({cx, y.At(*data.slo)}, {cx, panel.bottom()},
                 {.stroke = look.colour, .width = 1.2, .dash = "1 3"});
        DrawMark(svg, look.mark, {cx, panel.bottom()}, 3, look.colour, false);
      }
    }
    for (const auto& p : mode.latency) {
      if (!Plottable(p.concurrency, p.value)) continue;
      const Point at{x.At(p.concurrency), y.At(p.value)};
      DrawMark(svg, look.mark, at, 4, look.colour, p.sound);
      if (mode.knee.available() && p.sound && mode.knee->concurrency == p.concurrency)
        DrawMark(svg, Mark::kDiamond, at, 8, kInk, false);
      if (mode.knee.available() && p.sound && mode.knee->concurrency == p.concurrency)
        DrawMark(svg, look.mark, at, 4, look.colour, true);
    }
  }
}

void DrawServed(Svg& svg, const SweepCurvesData& data, const Axis& x, const Box& panel,
                double largest) {
  Range range;
  for (const Mode& mode : data.modes) {
    for (const SweepServed& s : mode.served) {
      if (Plottable(s.concurrency, s.requests_per_s)) range.Take(s.requests_per_s);
    }
  }
  if (range.high == 0) {
    svg.Rect(panel, {.fill = "#f7f7f7", .stroke = kGrid});
    svg.Text({panel.x + panel.w / 2, panel.y + panel.h / 2},
             "No throughput: the runs of the sweep's points are not beside its summary.",
             {.size = 12, .anchor = Anchor::kMiddle});
    return;  // the panel is low then
  }
  const Axis y = CountAxis(range.high, panel.bottom(), panel.y, 6);
  DrawLeftAxis(svg, y, panel, "requests/s");
  DrawBottomAxis(svg, x, panel, "replay concurrency (logarithmic)");
  for (std::size_t m = 0; m < data.modes.size(); ++m) {
    const Mode& mode = data.modes[m];
    const Look look = LookOf(m);
    if (mode.usl.available()) {
      std::vector<Point> path;
      for (int k = 0; k <= 60; ++k) {
        const double c = std::exp(std::log(std::max(x.low, 1.0)) +
                                  k / 60.0 * (std::log(largest) - std::log(std::max(x.low, 1.0))));
        const double value = mode.usl->Throughput(c);
        if (std::isfinite(value)) path.push_back({x.At(c), y.At(value)});
      }
      svg.Polyline(path, {.stroke = look.colour, .width = 1.8, .dash = look.dash});
    }
    for (const SweepServed& s : mode.served) {
      if (!Plottable(s.concurrency, s.requests_per_s)) continue;
      DrawMark(svg, look.mark, {x.At(s.concurrency), y.At(s.requests_per_s)}, 4, look.colour);
      if (s.good_requests_per_s.available() && std::isfinite(*s.good_requests_per_s)) {
        DrawMark(svg, look.mark, {x.At(s.concurrency), y.At(*s.good_requests_per_s)}, 4,
                 look.colour, false);
      }
    }
  }
}

/// What each mode's fits say, a line a mode.
std::vector<std::string> FitNotes(const SweepCurvesData& data) {
  std::vector<std::string> notes;
  notes.push_back(data.slo.available()
                      ? fmt::format("Objective: {} {}.", ShortNumber(*data.slo), data.unit)
                      : fmt::format("No objective: {}.", data.slo.reason()));
  for (const Mode& mode : data.modes) {
    std::string note = mode.name + ": ";
    note += mode.crossing.available()
                ? fmt::format("meets the objective up to {}", CrossingText(mode.crossing->estimate))
                : "no crossing (" + mode.crossing.reason() + ")";
    note += mode.knee.available() ? fmt::format("; Kneedle at {:g}", mode.knee->concurrency)
                                  : "; no Kneedle label (" + mode.knee.reason() + ")";
    if (!mode.served.empty()) {
      if (!mode.usl.available()) {
        note += "; no USL fit (" + mode.usl.reason() + ")";
      } else if (mode.usl->peak.available()) {
        note += fmt::format("; USL peak {} requests/s at {:.1f}{}",
                            ShortNumber(mode.usl->peak->throughput), mode.usl->peak->concurrency,
                            mode.usl->peak->beyond_tested ? " (extrapolated)" : "");
      } else {
        note += "; USL without a peak (" + mode.usl->peak.reason() + ")";
      }
    }
    notes.push_back(note + ".");
  }
  return notes;
}

}  // namespace

std::string SweepCurves(const SweepCurvesData& data) {
  SheetText text;
  text.title = fmt::format("{} and throughput against concurrency", Capital(data.metric));
  text.subtitle = "Every tested concurrency of the sweep, by tier mode.";
  text.context = data.context;
  const std::vector<double> tested = Concurrencies(data);
  std::size_t points = 0;
  for (const Mode& mode : data.modes) points += mode.latency.size();
  text.caption = fmt::format("n = {}, one run each unless repeated. Unit: {}, requests/s.",
                             Plural(points, "point"), data.unit);
  if (tested.empty()) {
    return EmptyFigure(std::move(text), points == 0 ? "The sweep has no point."
                                                    : "No point of the sweep has a figure.");
  }
  text.notes = FitNotes(data);
  bool unsound = false, good = false, knee = false;
  for (std::size_t m = 0; m < data.modes.size(); ++m) {
    const Mode& mode = data.modes[m];
    const Look look = LookOf(m);
    text.legend.push_back({.label = mode.name,
                           .kind = LegendItem::Kind::kMark,
                           .paint = {.stroke = look.colour},
                           .mark = look.mark});
    text.legend.push_back({.label = mode.name + " fit",
                           .paint = {.stroke = look.colour, .width = 1.8, .dash = look.dash}});
    unsound |= std::any_of(mode.latency.begin(), mode.latency.end(),
                           [](const auto& p) { return !p.sound; });
    good |= std::any_of(mode.served.begin(), mode.served.end(),
                        [](const auto& s) { return s.good_requests_per_s.available(); });
    knee |= mode.knee.available();
  }
  if (data.slo.available())
    text.legend.push_back(
        {.label = "objective", .paint = {.stroke = kInk, .width = 1.4, .dash = "8 3 2 3"}});
  if (knee) {
    text.legend.push_back({.label = "Kneedle",
                           .kind = LegendItem::Kind::kMark,
                           .paint = {.stroke = kInk},
                           .mark = Mark::kDiamond,
                           .filled = false});
  }
  if (unsound) text.caption += " Above, open marks: points that are not ok, in no fit.";
  if (good)
    text.caption += " Below, open marks: requests whose TTFC meets the objective (goodput).";
  text.caption +=
      " Fits: non-decreasing (isotonic) above, universal scalability law below; dotted drops: "
      "where "
      "the fit crosses the objective.";

  const bool any_served = std::any_of(data.modes.begin(), data.modes.end(),
                                      [](const Mode& mode) { return !mode.served.empty(); });
  const double served_height = any_served ? kServedHeight + kFoot : 70;
  Sheet sheet(std::move(text), kHeading + kLatencyHeight + kFoot + served_height);
  Svg& svg = sheet.svg();
  const Box& body = sheet.body();
  const Box latency{body.x + kCurvesLeft, body.y + kHeading, body.w - kCurvesLeft - 10,
                    kLatencyHeight};
  const Box served{latency.x, latency.bottom() + kFoot, latency.w,
                   any_served ? kServedHeight : served_height};
  const Axis x = LogAxisAt(tested, latency.x, latency.right(), 26);
  svg.Text({latency.x, latency.y - 8}, Shorten(Capital(data.metric), latency.w, 12, true),
           {.size = 12, .bold = true});
  svg.Text({served.x, served.y - 8}, "Throughput", {.size = 12, .bold = true});
  DrawLatency(svg, data, x, latency);
  DrawServed(svg, data, x, served, tested.back());
  return sheet.Finish();
}

}  // namespace kvtier
