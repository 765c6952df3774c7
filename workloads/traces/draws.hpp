#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "harness/core/rng.hpp"

/// Distributions on our generator; those of std:: differ between libraries.
namespace kvtier {

/// exp(mu + sigma x), x standard normal.
double LogNormal(Rng& rng, double mu, double sigma);
/// `mean` > 0.
double Exponential(Rng& rng, double mean);
/// By counting exponential gaps; for means up to some thousand.
std::uint64_t Poisson(Rng& rng, double mean);

/// A distribution given by its quantiles at 0, 1, 5, 10, 25, 50, 75, 90, 95, 99, 99.9 and 100 %,
/// linear in the logarithm between them.
struct QuantileTable {
  static constexpr std::size_t kPoints = 12;
  static constexpr double kAt[kPoints] = {0, .01, .05, .1, .25, .5, .75, .9, .95, .99, .999, 1};
  double values[kPoints];  // ascending, at least 1
  double Draw(Rng& rng) const;
};

/// 0 .. n - 1 with weights 1 / (i + 1)^skew.
class Zipf {
 public:
  Zipf(std::size_t n, double skew);
  std::size_t Draw(Rng& rng) const;
  /// Of the first.
  double TopShare() const { return below_.front(); }

 private:
  std::vector<double> below_;  // cumulative probabilities
};

}  // namespace kvtier
