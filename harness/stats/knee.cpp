#include "harness/stats/knee.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

namespace kvtier {
namespace {

bool Increasing(CurveShape shape) {
  return shape == CurveShape::kConcaveIncreasing || shape == CurveShape::kConvexIncreasing;
}

bool Concave(CurveShape shape) {
  return shape == CurveShape::kConcaveIncreasing || shape == CurveShape::kConcaveDecreasing;
}

/// Scaled to 0..1 and turned so that every shape becomes concave increasing. `index` leads back to
/// the curve.
struct Normalised {
  std::vector<double> x, y;
  std::vector<std::size_t> index;
};

Normalised Normalise(const std::vector<CurvePoint>& curve, CurveShape shape, double least,
                     double range) {
  const double first = curve.front().concurrency;
  const double span = curve.back().concurrency - first;
  // A half turn maps convex increasing to concave increasing; a mirror does it for the decreasing.
  const bool turn_x =
      shape == CurveShape::kConcaveDecreasing || shape == CurveShape::kConvexIncreasing;
  const bool turn_y = !Concave(shape);
  Normalised n;
  for (std::size_t i = 0; i < curve.size(); ++i) {
    const std::size_t k = turn_x ? curve.size() - 1 - i : i;
    const double x = (curve[k].concurrency - first) / span;
    const double y = (curve[k].value - least) / range;
    n.x.push_back(turn_x ? 1 - x : x);
    n.y.push_back(turn_y ? 1 - y : y);
    n.index.push_back(k);
  }
  return n;
}

/// The farthest that the curve falls back from its best so far, against `sign`'s direction.
struct Retreat {
  double depth = 0;
  double from = 0, to = 0;  // concurrencies
};

Retreat DeepestRetreat(const std::vector<CurvePoint>& curve, double sign) {
  Retreat deepest;
  const CurvePoint* best = &curve.front();
  for (const CurvePoint& point : curve) {
    if (sign * point.value > sign * best->value) best = &point;
    const double depth = sign * (best->value - point.value);
    if (depth > deepest.depth) deepest = {depth, best->concurrency, point.concurrency};
  }
  return deepest;
}

/// One constant lies inside the interval of every point; false when a point has none.
bool FlatWithinIntervals(const std::vector<CurvePoint>& curve) {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  for (const CurvePoint& point : curve) {
    if (!point.interval) return false;
    low = std::max(low, point.interval->low);
    high = std::min(high, point.interval->high);
  }
  return low <= high;
}

/// Kneedle's walk over the difference curve: the position of the first local maximum from which the
/// curve falls below maximum - S * mean spacing before it turns up again.
std::optional<std::size_t> FirstKnee(const Normalised& n, double threshold) {
  constexpr double kTie = 1e-12;  // equal in exact arithmetic must stay equal after rounding
  std::vector<double> d;
  for (std::size_t i = 0; i < n.x.size(); ++i) d.push_back(n.y[i] - n.x[i]);
  std::optional<std::size_t> candidate;
  for (std::size_t i = 1; i < d.size(); ++i) {
    if (candidate && d[i] < d[*candidate] - threshold - kTie) return candidate;
    if (i + 1 == d.size()) break;
    if (d[i] > d[i - 1] + kTie && d[i] >= d[i + 1] - kTie) candidate = i;
    if (d[i] < d[i - 1] - kTie && d[i] <= d[i + 1] + kTie)
      candidate.reset();  // turns up: wait for the next one
  }
  return std::nullopt;
}

}  // namespace

Reading<Knee> FindKnee(std::span<const CurvePoint> points, CurveShape shape) {
  using Missing = Reading<Knee>;
  const auto ordered = OrderCurve(points, kMinKneePoints);
  if (!ordered) return Missing::Unavailable(ordered.reason());
  const std::vector<CurvePoint>& curve = *ordered;
  const auto [least, most] = std::minmax_element(
      curve.begin(), curve.end(),
      [](const CurvePoint& a, const CurvePoint& b) { return a.value < b.value; });
  const double range = most->value - least->value;
  if (range <= 0)
    return Missing::Unavailable("the curve is a plateau: the same value at every concurrency");
  if (FlatWithinIntervals(curve))
    return Missing::Unavailable(
        "the curve is a plateau: one constant lies inside the interval of every point");
  constexpr double kSensitivity = 1;  // the paper's choice for offline use
  const double threshold = kSensitivity / static_cast<double>(curve.size() - 1);
  const Retreat retreat = DeepestRetreat(curve, Increasing(shape) ? 1 : -1);
  // A step back as large as the threshold makes or moves a knee by itself.
  if (retreat.depth >= threshold * range * (1 - 1e-12))
    return Missing::Unavailable(fmt::format(
        "the curve turns back by {:.0f} % of its range from concurrency {:g} to {:g}, and {:.0f} % "
        "make a knee: noise on a plateau or a real turn, a knee cannot be told from it",
        100 * retreat.depth / range, retreat.from, retreat.to, 100 * threshold));
  const Normalised n = Normalise(curve, shape, least->value, range);
  const auto at = FirstKnee(n, threshold);
  if (!at)
    return Missing::Unavailable(
        "no knee: no point stands out from the straight line between the ends of the curve");
  const CurvePoint& point = curve[n.index[*at]];
  return Knee{point.concurrency, point.value, n.y[*at] - n.x[*at]};
}

Reading<Degradation> FindDegradation(std::span<const CurvePoint> points, double ratio) {
  using Missing = Reading<Degradation>;
  if (!std::isfinite(ratio) || ratio <= 0)
    return Missing::Unavailable(fmt::format("the degradation ratio {:g} is not above 0", ratio));
  const auto curve = OrderCurve(points, 2);
  if (!curve) return Missing::Unavailable(curve.reason());
  for (const CurvePoint& point : *curve) {
    if (point.value <= 0)
      return Missing::Unavailable(fmt::format(
          "the value at concurrency {:g} is not above 0: no ratio to it", point.concurrency));
  }
  Degradation degradation;
  degradation.ratio = ratio;
  degradation.largest_tested = curve->back().concurrency;
  const CurvePoint* best = &curve->front();
  for (const CurvePoint& point : std::span(*curve).subspan(1)) {
    // Equal in exact arithmetic must stay equal after rounding: 1.1 * 100 is above 110.
    if (point.value >= (1 + ratio) * best->value * (1 - 1e-12)) {
      degradation.step =
          Degradation::Step{point.concurrency, point.value, best->value, best->concurrency};
      break;
    }
    if (point.value < best->value) best = &point;
  }
  return degradation;
}

}  // namespace kvtier
