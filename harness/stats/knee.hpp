#pragma once
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "harness/core/reading.hpp"
#include "harness/stats/isotonic.hpp"

/// Two descriptions of a sweep's curve that decide nothing: the SLO crossing does. Definitions and
/// refusals: docs/knee.md.
namespace kvtier {

/// Which way the curve bends and runs: throughput is concave increasing, latency convex increasing.
enum class CurveShape {
  kConcaveIncreasing,
  kConcaveDecreasing,
  kConvexIncreasing,
  kConvexDecreasing
};

/// The point of strongest bend by Kneedle (Satopaa et al. 2011).
struct Knee {
  double concurrency = 0;  // a tested one
  double value = 0;        // the metric there
  double distance = 0;     // from the chord, where both axes are scaled to 0..1
};

/// Least points of a curve with a Kneedle label (method's choice: below, one noisy point is a
/// knee).
constexpr std::size_t kMinKneePoints = 6;

/// The first knee of the offline variant, sensitivity S = 1, without the paper's smoothing (a sweep
/// has too few points for a spline). The axis is the concurrency itself, where the asymptotes of
/// throughput and latency are straight lines. Unavailable below kMinKneePoints; on a plateau (no
/// range, or one constant inside every point's interval); where the curve turns back by as much as
/// the threshold that makes a knee; and where no point stands out from the chord.
Reading<Knee> FindKnee(std::span<const CurvePoint> points, CurveShape shape);

/// The first concurrency whose metric (smaller is better) is at least 1 + ratio times the best of
/// all lower ones: the "sharp degradation" of the recommendation rule, 0.15 there.
struct Degradation {
  struct Step {
    double concurrency = 0;
    double value = 0;
    double best = 0;     // least value at a lower concurrency
    double best_at = 0;  // its concurrency
  };
  double ratio = 0;
  std::optional<Step> step = std::nullopt;  // empty: none up to `largest_tested`
  double largest_tested = 0;
};

/// Unavailable below two points, on a ratio or a value that is not above 0.
Reading<Degradation> FindDegradation(std::span<const CurvePoint> points, double ratio);

}  // namespace kvtier
