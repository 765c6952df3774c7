#include "workloads/traces/draws.hpp"

#include <algorithm>
#include <cmath>

namespace kvtier {

double LogNormal(Rng& rng, double mu, double sigma) {
  return std::exp(mu + sigma * rng.Normal());
}

double Exponential(Rng& rng, double mean) {
  return -mean * std::log1p(-rng.Uniform());
}

std::uint64_t Poisson(Rng& rng, double mean) {
  std::uint64_t n = 0;
  for (double t = Exponential(rng, 1); t <= mean; t += Exponential(rng, 1)) ++n;
  return n;
}

double QuantileTable::Draw(Rng& rng) const {
  const double u = rng.Uniform();
  std::size_t i = 0;
  while (i + 2 < kPoints && kAt[i + 1] <= u) ++i;
  const double t = (u - kAt[i]) / (kAt[i + 1] - kAt[i]);
  return std::exp(std::log(values[i]) + t * (std::log(values[i + 1]) - std::log(values[i])));
}

Zipf::Zipf(std::size_t n, double skew) {
  double sum = 0;
  for (std::size_t i = 0; i < n; ++i)
    below_.push_back(sum += std::pow(static_cast<double>(i + 1), -skew));
  for (double& p : below_) p /= sum;
}

std::size_t Zipf::Draw(Rng& rng) const {
  const auto at = std::upper_bound(below_.begin(), below_.end(), rng.Uniform());
  return std::min(static_cast<std::size_t>(at - below_.begin()), below_.size() - 1);
}

}  // namespace kvtier
