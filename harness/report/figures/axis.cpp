#include "harness/report/figures/axis.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "harness/judge/effect.hpp"
#include "harness/report/figures/sheet.hpp"

namespace kvtier {
namespace {

/// 1, 2, 2.5 or 5 times a power of ten: the least that makes at most `max_ticks` steps of `span`.
double RoundStep(double span, int max_ticks) {
  const double rough = span / std::max(1, max_ticks - 1);
  const double power = std::pow(10, std::floor(std::log10(rough)));
  for (const double factor : {1.0, 2.0, 2.5, 5.0}) {
    if (factor * power >= rough * (1 - 1e-9)) return factor * power;
  }
  return 10 * power;
}

/// As many decimals as a step of this size needs.
int Decimals(double step) {
  for (int d = 0; d < 9; ++d) {
    const double scaled = step * std::pow(10, d);
    if (std::abs(scaled - std::round(scaled)) < 1e-6 * scaled) return d;
  }
  return 9;
}

std::string TickLabel(double value, double step) {
  if (value != 0 && (std::abs(value) >= 1e7 || std::abs(value) < 1e-4)) {
    // As many digits as tell it from its neighbours.
    const double digits =
        std::floor(std::log10(std::abs(value))) - std::floor(std::log10(step)) + 2;
    return fmt::format("{:.{}g}", value, static_cast<int>(std::clamp(digits, 1.0, 12.0)));
  }
  return fmt::format("{:.{}f}", value, Decimals(step));
}

std::vector<Tick> LinearTicks(double low, double high, double step) {
  std::vector<Tick> ticks;
  for (double k = std::ceil(low / step - 1e-6); k * step <= high + step * 1e-6; k += 1) {
    const double value = k == 0 ? 0.0 : k * step;
    ticks.push_back({value, TickLabel(value, step)});
  }
  return ticks;
}

std::vector<Tick> DecadeTicks(double low, double high, std::initializer_list<double> factors) {
  std::vector<Tick> ticks;
  for (double e = std::floor(std::log10(low)); e <= std::ceil(std::log10(high)); e += 1) {
    for (const double f : factors) {
      const double value = f * std::pow(10, e);
      if (value >= low * (1 - 1e-9) && value <= high * (1 + 1e-9))
        ticks.push_back({value, TickLabel(value, value)});
    }
  }
  return ticks;
}

/// Percentages that read well, from 0 outwards on both sides.
constexpr double kFalls[] = {-10, -20, -30, -40, -50, -60,   -70,  -80,
                             -85, -90, -95, -98, -99, -99.5, -99.9};
constexpr double kRises[] = {10,  20,  30,  40,  50,   75,   100,  150,  200,
                             300, 400, 600, 900, 1900, 4900, 9900, 99900};

}  // namespace

double Axis::At(double value) const {
  double share = 0;
  if (scale == Scale::kLog) {
    share = (std::log(std::max(value, low)) - std::log(low)) / (std::log(high) - std::log(low));
  } else {
    share = (value - low) / (high - low);
  }
  return from_px + std::clamp(share, 0.0, 1.0) * (to_px - from_px);
}

Axis LinearAxis(double low, double high, double from_px, double to_px, int max_ticks) {
  if (!(high > low)) {
    const double spread = std::max(std::abs(low) * 0.05, 0.5);
    low -= spread;
    high += spread;
  }
  const double step = RoundStep(high - low, max_ticks);
  Axis axis{Scale::kLinear,
            std::floor(low / step + 1e-9) * step,
            std::ceil(high / step - 1e-9) * step,
            from_px,
            to_px,
            {}};
  axis.ticks = LinearTicks(axis.low, axis.high, step);
  return axis;
}

Axis CountAxis(double high, double from_px, double to_px, int max_ticks) {
  return LinearAxis(0, high > 0 ? high * 1.04 : 1, from_px, to_px, max_ticks);
}

Axis LogAxis(double low, double high, double from_px, double to_px, int max_ticks) {
  const double pad = std::max(std::pow(high / low, 0.06), 1.01);
  Axis axis{Scale::kLog, low / pad, high * pad, from_px, to_px, {}};
  const auto limit = static_cast<std::size_t>(std::max(2, max_ticks));
  axis.ticks = DecadeTicks(axis.low, axis.high, {1, 2, 5});
  if (axis.ticks.size() < 3) {
    const double step = RoundStep(axis.high - axis.low, std::min(max_ticks, 6));
    axis.ticks = LinearTicks(axis.low, axis.high, step);
    return axis;
  }
  if (axis.ticks.size() > limit) axis.ticks = DecadeTicks(axis.low, axis.high, {1, 3});
  if (axis.ticks.size() > limit) axis.ticks = DecadeTicks(axis.low, axis.high, {1});
  if (axis.ticks.size() > limit) {
    std::vector<Tick> kept;
    const std::size_t stride = (axis.ticks.size() + limit - 1) / limit;
    for (std::size_t i = 0; i < axis.ticks.size(); i += stride) kept.push_back(axis.ticks[i]);
    axis.ticks = kept;
  }
  return axis;
}

Axis PercentAxis(double low, double high, double from_px, double to_px, double label_px) {
  const double pad = std::max((high - low) * 0.06, 0.002);
  Axis axis{Scale::kLinear, low - pad, high + pad, from_px, to_px, {}};
  std::vector<double> percents{0};
  percents.insert(percents.end(), std::begin(kFalls), std::end(kFalls));
  percents.insert(percents.end(), std::begin(kRises), std::end(kRises));
  if (axis.high - axis.low < 0.5) {
    const double from = LogRatioToPct(axis.low), to = LogRatioToPct(axis.high);
    const int room = static_cast<int>(std::abs(to_px - from_px) / label_px);
    percents.assign(1, 0);
    for (const Tick& t : LinearTicks(from, to, RoundStep(to - from, std::max(3, room))))
      percents.push_back(t.value);
  }
  for (const double percent : percents) {
    const double value = std::log1p(percent / 100);
    if (value < axis.low || value > axis.high) continue;
    const bool room = std::none_of(axis.ticks.begin(), axis.ticks.end(), [&](const Tick& t) {
      return std::abs(axis.At(t.value) - axis.At(value)) < label_px;
    });
    if (room) {
      const std::string digits = fmt::format("{:.6g}", percent);
      axis.ticks.push_back({value, (percent > 0 ? "+" : "") + digits + " %"});
    }
  }
  std::sort(axis.ticks.begin(), axis.ticks.end(),
            [](const Tick& a, const Tick& b) { return a.value < b.value; });
  return axis;
}

Axis LogAxisAt(const std::vector<double>& values, double from_px, double to_px, double label_px) {
  const double low = values.empty() ? 1 : values.front(), high = values.empty() ? 2 : values.back();
  const double pad = std::max(std::pow(high / low, 0.05), 1.1);
  Axis axis{Scale::kLog, low / pad, high * pad, from_px, to_px, {}};
  for (const double v : values) {
    const bool room =
        axis.ticks.empty() || std::abs(axis.At(v) - axis.At(axis.ticks.back().value)) >= label_px;
    if (room) axis.ticks.push_back({v, fmt::format("{:g}", v)});
  }
  return axis;
}

std::string ShortNumber(double x) {
  const double size = std::abs(x);
  if (size != 0 && (size >= 1e6 || size < 1e-3)) return fmt::format("{:.3g}", x);
  const int decimals = size >= 100 || size == 0 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3;
  return fmt::format("{:.{}f}", x, decimals);
}

std::string PercentOf(double log_ratio) {
  const double percent = LogRatioToPct(log_ratio);
  if (!(percent < 1e5)) return fmt::format("{:+.3g} %", percent);
  if (std::abs(percent) < 0.05) return "0.0 %";
  return fmt::format("{:+.1f} %", percent);
}

void DrawBottomAxis(Svg& svg, const Axis& axis, const Box& panel, const std::string& title,
                    bool labels) {
  for (const Tick& tick : axis.ticks) {
    const double x = axis.At(tick.value);
    svg.Line({x, panel.y}, {x, panel.bottom()}, {.stroke = kGrid});
    svg.Line({x, panel.bottom()}, {x, panel.bottom() + 4}, {.stroke = kMuted});
    if (labels)
      svg.Text({x, panel.bottom() + 16}, tick.label, {.size = 11, .anchor = Anchor::kMiddle});
  }
  svg.Line({panel.x, panel.bottom()}, {panel.right(), panel.bottom()}, {.stroke = kMuted});
  svg.Text({panel.x + panel.w / 2, panel.bottom() + 32}, Shorten(title, panel.w + 60, 11),
           {.size = 11, .anchor = Anchor::kMiddle, .fill = kMuted});
}

void DrawLeftAxis(Svg& svg, const Axis& axis, const Box& panel, const std::string& title,
                  bool labels) {
  for (const Tick& tick : axis.ticks) {
    const double y = axis.At(tick.value);
    svg.Line({panel.x, y}, {panel.right(), y}, {.stroke = kGrid});
    svg.Line({panel.x - 4, y}, {panel.x, y}, {.stroke = kMuted});
    if (labels) svg.Text({panel.x - 7, y + 4}, tick.label, {.size = 11, .anchor = Anchor::kEnd});
  }
  svg.Line({panel.x, panel.y}, {panel.x, panel.bottom()}, {.stroke = kMuted});
  double widest = 0;
  for (const Tick& tick : axis.ticks) widest = std::max(widest, TextWidth(tick.label, 11));
  const double x = std::max(12.0, panel.x - widest - 18);
  svg.Text({x, panel.y + panel.h / 2}, Shorten(title, panel.h, 11),
           {.size = 11, .anchor = Anchor::kMiddle, .fill = kMuted, .upright = true});
}

}  // namespace kvtier
