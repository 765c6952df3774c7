#pragma once
#include <string>
#include <vector>

#include "harness/report/figures/svg.hpp"

/// Axes with ticks at round values, for the figures of this folder.
namespace kvtier {

struct Tick {
  double value = 0;  // on the axis' own scale
  std::string label = {};
};

enum class Scale { kLinear, kLog };

/// Maps values to pixels; values outside are held at the ends.
struct Axis {
  Scale scale = Scale::kLinear;
  double low = 0, high = 1;       // values
  double from_px = 0, to_px = 1;  // where they lie; from_px > to_px for an axis that grows upwards
  std::vector<Tick> ticks = {};
  double At(double value) const;
};

/// `low` to `high` with both ends moved outwards to a round step; equal ends are spread. At most
/// `max_ticks` of them.
Axis LinearAxis(double low, double high, double from_px, double to_px, int max_ticks);
/// The same from 0.
Axis CountAxis(double high, double from_px, double to_px, int max_ticks);
/// `low` and `high` above 0, widened by a few percent. Ticks 1-2-5 by decade, or round linear steps
/// where that gives fewer than three.
Axis LogAxis(double low, double high, double from_px, double to_px, int max_ticks);
/// A linear axis over log-ratios with ticks at round percentages, 0 among them where it is inside;
/// labels lie at least `label_px` apart.
Axis PercentAxis(double low, double high, double from_px, double to_px, double label_px);
/// Log axis with a tick at each of `values` (ascending, above 0) that has room.
Axis LogAxisAt(const std::vector<double>& values, double from_px, double to_px, double label_px);

/// "226", "35.9", "0.28": three significant digits, no exponent below 1e6.
std::string ShortNumber(double x);
/// "-84.1 %", "+5.0 %" of a log-ratio.
std::string PercentOf(double log_ratio);

/// Labels and short tick marks below a panel / left of it, with grid lines across it.
void DrawBottomAxis(Svg& svg, const Axis& axis, const Box& panel, const std::string& title,
                    bool labels = true);
void DrawLeftAxis(Svg& svg, const Axis& axis, const Box& panel, const std::string& title,
                  bool labels = true);

}  // namespace kvtier
