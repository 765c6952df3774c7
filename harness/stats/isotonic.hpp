#pragma once
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "harness/core/reading.hpp"
#include "harness/stats/quantile.hpp"

/// Where a latency-against-concurrency curve crosses an SLO. Definitions and refusals:
/// docs/knee.md. What cannot be told is an unavailable Reading with the reason. Pure and
/// deterministic.
namespace kvtier {

/// One tested concurrency of a sweep.
struct CurvePoint {
  double concurrency = 0;
  double value = 0;   // the metric, in any one unit
  double weight = 1;  // > 0: the runs behind `value`; of no matter to Kneedle and degradation
  std::optional<Interval> interval = std::nullopt;  // of `value`, from requests or from repeats
};

/// The curve in ascending concurrency. Unavailable below `min_points`, on a concurrency that is not
/// above 0 or comes twice, a weight that is not above 0 and a value that is not finite.
Reading<std::vector<CurvePoint>> OrderCurve(std::span<const CurvePoint> points,
                                            std::size_t min_points);

/// The non-decreasing sequence nearest to `y` in weighted squares: pool adjacent violators (Ayer et
/// al. 1955). Empty `weights` are all 1. Unavailable when empty, on sizes that differ, a weight
/// that is not above 0 and a value that is not finite.
Reading<std::vector<double>> FitIsotonic(std::span<const double> y,
                                         std::span<const double> weights = {});

/// A place on the concurrency axis that the sweep may not have reached. Compares by place.
struct Crossing {
  enum class Where { kBelowSmallest, kWithin, kAboveLargest };
  Where where = Where::kWithin;
  /// The crossing when within; otherwise the tested concurrency beyond which it lies: the smallest,
  /// which already misses the SLO, or the largest, which still meets it.
  double concurrency = 0;
  bool within() const { return where == Where::kWithin; }
  auto operator<=>(const Crossing&) const = default;
};
/// "11.3", "below 1 (the smallest tested)", "64 or above (the largest tested)".
std::string CrossingText(const Crossing& crossing);

struct CrossingInterval {
  Crossing low, high;
  double level = 0;         // nominal; docs/knee.md has the coverage measured
  std::uint64_t draws = 0;  // of the bootstrap; 0 when it comes from the points' own intervals
  std::uint64_t seed = 0;
};

/// The largest concurrency at which the monotone fit is still at or below the SLO, linear in the
/// concurrency between tested points.
struct SloCrossing {
  double slo = 0;
  std::vector<double> concurrencies, fit;  // ascending; the monotone curve
  Crossing estimate;
  std::optional<Interval> bracket = std::nullopt;  // the tested concurrencies around a crossing
  Reading<CrossingInterval> interval;
};

/// Least points of a curve with a crossing. Chosen: two points cannot contradict monotony.
constexpr std::size_t kMinCrossingPoints = 3;
/// Least repeats at every point for a bootstrap interval. Measured, docs/knee.md: below, coverage
/// of a 95 % interval falls under 90 %.
constexpr std::size_t kMinBootstrapRepeats = 5;

/// The crossing, with the interval that the points' own intervals imply: where the monotone fit of
/// their upper ends crosses, to where that of their lower ends does. `level` is theirs. The
/// interval alone is unavailable when a point lacks its own or that does not hold the value.
Reading<SloCrossing> CrossSlo(std::span<const CurvePoint> points, double slo, double level = 0.95);

/// One tested concurrency with the metric of each repeated run there.
struct RepeatedPoint {
  double concurrency = 0;
  std::vector<double> values;
};

/// The crossing of the means over repeats, weighted by their number. Interval: expanded percentile
/// bootstrap (Hesterberg 2015), runs drawn within each concurrency from the sub-stream
/// "slo_crossing" of `seed`; an end may lie outside what was tested. The interval alone is
/// unavailable below kMinBootstrapRepeats; then give CrossSlo the t intervals of EstimateMean.
Reading<SloCrossing> BootstrapSloCrossing(std::span<const RepeatedPoint> points, double slo,
                                          std::uint64_t seed, double level = 0.95,
                                          std::uint64_t draws = 10'000);

}  // namespace kvtier
