#pragma once
#include <cstddef>
#include <optional>
#include <span>

#include "harness/core/reading.hpp"
#include "harness/stats/quantile.hpp"

/// The universal scalability law of throughput against concurrency. Definitions and refusals:
/// docs/knee.md. Pure and deterministic.
namespace kvtier {

/// Throughput of one run; a concurrency may come more than once.
struct LoadPoint {
  double concurrency = 0;
  double throughput = 0;  // in any one rate
};

struct UslParameter {
  double value = 0;
  /// Student's t from the curvature at the fit; empty for a parameter that is held at its bound 0.
  std::optional<Interval> interval = std::nullopt;
};

/// Where throughput is largest: sqrt((1 - sigma) / kappa).
struct UslPeak {
  double concurrency = 0;
  double throughput = 0;
  Interval interval;           // of the concurrency, delta method on its logarithm
  bool beyond_tested = false;  // above the largest tested concurrency: an extrapolation
};

/// X(N) = lambda N / (1 + sigma (N - 1) + kappa N (N - 1)) (Gunther 1993).
struct UslFit {
  std::size_t points = 0;
  double level = 0.95;   // of the intervals
  UslParameter lambda;   // throughput at N = 1 by the model, in the unit of the points
  UslParameter sigma;    // contention, >= 0
  UslParameter kappa;    // coherency, >= 0
  double r_squared = 0;  // 1 - residual / total squares about the mean, in throughput
  Reading<UslPeak> peak;
  double Throughput(double concurrency) const;
};

/// Least distinct concurrencies for three parameters: one more, else the residual says nothing.
constexpr std::size_t kMinUslConcurrencies = 4;

/// Least squares in throughput under the bounds sigma, kappa >= 0. Unavailable below
/// kMinUslConcurrencies, on a number that is not above 0, on the same throughput everywhere, when
/// the fit does not converge, and when a parameter is not identified: the curvature is singular,
/// the interval of lambda reaches 0, or that of sigma is as wide as all contention there is (0 to
/// 1). The peak alone is unavailable when the interval of kappa reaches 0 or the model has none
/// above 1.
Reading<UslFit> FitUsl(std::span<const LoadPoint> points, double level = 0.95);

}  // namespace kvtier
