#include "harness/stats/isotonic.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <fmt/format.h>

#include "harness/core/rng.hpp"
#include "harness/stats/summary.hpp"

namespace kvtier {
namespace {

/// Pool adjacent violators over checked input. Blocks merge only on a strict violation, so a
/// sequence that is monotone already comes back bit by bit.
std::vector<double> PoolViolators(std::span<const double> y, std::span<const double> weights) {
  struct Block {
    double mean, weight;
    std::size_t size;
  };
  std::vector<Block> blocks;
  for (std::size_t i = 0; i < y.size(); ++i) {
    blocks.push_back({y[i], weights.empty() ? 1.0 : weights[i], 1});
    while (blocks.size() > 1 && blocks[blocks.size() - 2].mean > blocks.back().mean) {
      const Block last = blocks.back();
      blocks.pop_back();
      Block& into = blocks.back();
      const double weight = into.weight + last.weight;
      into.mean += (last.mean - into.mean) * (last.weight / weight);
      into.weight = weight;
      into.size += last.size;
    }
  }
  std::vector<double> fit;
  fit.reserve(y.size());
  for (const Block& block : blocks) fit.insert(fit.end(), block.size, block.mean);
  return fit;
}

/// Index of the first point whose fit is above the SLO; the size when none is.
std::size_t FirstAbove(std::span<const double> fit, double slo) {
  return static_cast<std::size_t>(std::upper_bound(fit.begin(), fit.end(), slo) - fit.begin());
}

Crossing CrossingOf(std::span<const double> concurrencies, std::span<const double> fit,
                    double slo) {
  const std::size_t above = FirstAbove(fit, slo);
  if (above == 0) return {Crossing::Where::kBelowSmallest, concurrencies.front()};
  if (above == fit.size()) return {Crossing::Where::kAboveLargest, concurrencies.back()};
  const double share = (slo - fit[above - 1]) / (fit[above] - fit[above - 1]);
  return {Crossing::Where::kWithin,
          concurrencies[above - 1] + share * (concurrencies[above] - concurrencies[above - 1])};
}

/// One number of each point, in the curve's order.
template <class Get>
std::vector<double> Column(std::span<const CurvePoint> curve, Get get) {
  std::vector<double> column;
  column.reserve(curve.size());
  for (const CurvePoint& point : curve) column.push_back(get(point));
  return column;
}

Reading<CrossingInterval> IntervalFromPoints(std::span<const CurvePoint> curve,
                                             const SloCrossing& crossing, double level) {
  using Missing = Reading<CrossingInterval>;
  for (const CurvePoint& point : curve) {
    if (!point.interval)
      return Missing::Unavailable(
          fmt::format("no interval at concurrency {:g}: repeat the run or send more requests there",
                      point.concurrency));
    if (!point.interval->Contains(point.value))
      return Missing::Unavailable(fmt::format(
          "the interval at concurrency {:g} does not hold its value", point.concurrency));
  }
  const std::vector<double> weights = Column(curve, [](const CurvePoint& p) { return p.weight; });
  // Isotonic fits with equal weights keep the order of their inputs, so low <= estimate <= high.
  const auto cross = [&](const std::vector<double>& ends) {
    return CrossingOf(crossing.concurrencies, PoolViolators(ends, weights), crossing.slo);
  };
  CrossingInterval interval;
  interval.low = cross(Column(curve, [](const CurvePoint& p) { return p.interval->high; }));
  interval.high = cross(Column(curve, [](const CurvePoint& p) { return p.interval->low; }));
  interval.level = level;
  return interval;
}

/// Tail of a percentile interval that makes up for what n runs lack against many: the n in place of
/// n - 1 in their spread, and Student's t (Hesterberg 2015, "expanded percentile").
double ExpandedTail(double level, std::size_t n) {
  const auto runs = static_cast<double>(n);
  const double reach = std::sqrt(runs / (runs - 1)) * StudentQuantile(0.5 + level / 2, runs - 1);
  return 0.5 * std::erfc(reach / std::sqrt(2.0));
}

Reading<CrossingInterval> IntervalFromRepeats(std::span<const RepeatedPoint> curve, double slo,
                                              double level, std::uint64_t draws,
                                              std::uint64_t seed) {
  using Missing = Reading<CrossingInterval>;
  std::vector<double> concurrencies;
  std::vector<double> weights;
  std::size_t fewest = curve.front().values.size();
  for (const RepeatedPoint& point : curve) {
    fewest = std::min(fewest, point.values.size());
    if (point.values.size() < kMinBootstrapRepeats)
      return Missing::Unavailable(
          fmt::format("{} repeats at concurrency {:g}, a bootstrap needs {} at every point",
                      point.values.size(), point.concurrency, kMinBootstrapRepeats));
    concurrencies.push_back(point.concurrency);
    weights.push_back(static_cast<double>(point.values.size()));
  }
  if (draws == 0) return Missing::Unavailable("a bootstrap of 0 draws was asked for");
  Rng rng = Rng::Stream(seed, "slo_crossing");
  std::vector<Crossing> crossings;
  std::vector<double> means(curve.size());
  for (std::uint64_t draw = 0; draw < draws; ++draw) {
    for (std::size_t i = 0; i < curve.size(); ++i) {
      double sum = 0;
      for (std::size_t k = 0; k < curve[i].values.size(); ++k)
        sum += rng.Pick(std::span<const double>(curve[i].values));
      means[i] = sum / weights[i];
    }
    crossings.push_back(CrossingOf(concurrencies, PoolViolators(means, weights), slo));
  }
  std::sort(crossings.begin(), crossings.end());
  // Order statistics, not interpolated: an end may be a place outside what was tested.
  const auto tail =
      std::min(static_cast<std::size_t>(ExpandedTail(level, fewest) * static_cast<double>(draws)),
               (crossings.size() - 1) / 2);
  return CrossingInterval{crossings[tail], crossings[crossings.size() - 1 - tail], level, draws,
                          seed};
}

/// All but the interval.
Reading<SloCrossing> Estimate(std::span<const CurvePoint> curve, double slo) {
  if (!std::isfinite(slo)) return Reading<SloCrossing>::Unavailable("the SLO is not a number");
  SloCrossing crossing;
  crossing.slo = slo;
  crossing.concurrencies = Column(curve, [](const CurvePoint& p) { return p.concurrency; });
  crossing.fit = PoolViolators(Column(curve, [](const CurvePoint& p) { return p.value; }),
                               Column(curve, [](const CurvePoint& p) { return p.weight; }));
  crossing.estimate = CrossingOf(crossing.concurrencies, crossing.fit, slo);
  if (crossing.estimate.within()) {
    const std::size_t above = FirstAbove(crossing.fit, slo);
    crossing.bracket = Interval{crossing.concurrencies[above - 1], crossing.concurrencies[above]};
  }
  return crossing;
}

}  // namespace

Reading<std::vector<CurvePoint>> OrderCurve(std::span<const CurvePoint> points,
                                            std::size_t min_points) {
  using Missing = Reading<std::vector<CurvePoint>>;
  std::vector<CurvePoint> curve(points.begin(), points.end());
  for (const CurvePoint& point : curve) {
    if (!std::isfinite(point.concurrency) || point.concurrency <= 0)
      return Missing::Unavailable(
          fmt::format("concurrency {:g} is not above 0", point.concurrency));
    if (!std::isfinite(point.value))
      return Missing::Unavailable(
          fmt::format("the value at concurrency {:g} is not a number", point.concurrency));
    if (!std::isfinite(point.weight) || point.weight <= 0)
      return Missing::Unavailable(
          fmt::format("the weight at concurrency {:g} is not above 0", point.concurrency));
  }
  std::sort(curve.begin(), curve.end(),
            [](const CurvePoint& a, const CurvePoint& b) { return a.concurrency < b.concurrency; });
  const auto twice = std::adjacent_find(
      curve.begin(), curve.end(),
      [](const CurvePoint& a, const CurvePoint& b) { return a.concurrency == b.concurrency; });
  if (twice != curve.end())
    return Missing::Unavailable(
        fmt::format("concurrency {:g} comes twice: combine its runs first", twice->concurrency));
  if (curve.size() < min_points)
    return Missing::Unavailable(
        fmt::format("{} tested concurrencies, at least {} are needed", curve.size(), min_points));
  return curve;
}

Reading<std::vector<double>> FitIsotonic(std::span<const double> y,
                                         std::span<const double> weights) {
  using Missing = Reading<std::vector<double>>;
  if (y.empty()) return Missing::Unavailable("a monotone fit of no values was asked for");
  if (!weights.empty() && weights.size() != y.size())
    return Missing::Unavailable(
        fmt::format("{} weights were given for {} values", weights.size(), y.size()));
  if (!std::all_of(y.begin(), y.end(), [](double v) { return std::isfinite(v); }))
    return Missing::Unavailable("a value of the curve is not a number");
  if (!std::all_of(weights.begin(), weights.end(),
                   [](double w) { return std::isfinite(w) && w > 0; }))
    return Missing::Unavailable("a weight of the curve is not above 0");
  return PoolViolators(y, weights);
}

std::string CrossingText(const Crossing& crossing) {
  if (crossing.within()) return fmt::format("{:.3g}", crossing.concurrency);
  return crossing.where == Crossing::Where::kBelowSmallest
             ? fmt::format("below {:g} (the smallest tested)", crossing.concurrency)
             : fmt::format("{:g} or above (the largest tested)", crossing.concurrency);
}

Reading<SloCrossing> CrossSlo(std::span<const CurvePoint> points, double slo, double level) {
  const auto curve = OrderCurve(points, kMinCrossingPoints);
  if (!curve) return Reading<SloCrossing>::Unavailable(curve.reason());
  const auto estimate = Estimate(*curve, slo);
  return estimate.Map([&](SloCrossing crossing) {
    crossing.interval = IntervalFromPoints(*curve, crossing, level);
    return crossing;
  });
}

Reading<SloCrossing> BootstrapSloCrossing(std::span<const RepeatedPoint> points, double slo,
                                          std::uint64_t seed, double level, std::uint64_t draws) {
  std::vector<CurvePoint> means;
  for (const RepeatedPoint& point : points) {
    if (point.values.empty())
      return Reading<SloCrossing>::Unavailable(
          fmt::format("no run at concurrency {:g}", point.concurrency));
    const auto n = static_cast<double>(point.values.size());
    const double sum = std::accumulate(point.values.begin(), point.values.end(), 0.0);
    means.push_back({.concurrency = point.concurrency, .value = sum / n, .weight = n});
  }
  const auto curve = OrderCurve(means, kMinCrossingPoints);
  if (!curve) return Reading<SloCrossing>::Unavailable(curve.reason());
  std::vector<RepeatedPoint> ordered(points.begin(), points.end());
  std::sort(ordered.begin(), ordered.end(), [](const RepeatedPoint& a, const RepeatedPoint& b) {
    return a.concurrency < b.concurrency;
  });
  // Runs draw in a fixed order too, so that the order in which they were listed moves nothing.
  for (RepeatedPoint& point : ordered) std::sort(point.values.begin(), point.values.end());
  return Estimate(*curve, slo).Map([&](SloCrossing crossing) {
    crossing.interval = IntervalFromRepeats(ordered, slo, level, draws, seed);
    return crossing;
  });
}

}  // namespace kvtier
