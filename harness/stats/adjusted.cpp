#include "harness/stats/adjusted.hpp"

#include <algorithm>
#include <cmath>

namespace kvtier {

std::optional<double> QuantileWithFailures(std::vector<double> sample, std::size_t failed,
                                           double q) {
  const std::size_t n = sample.size() + failed;
  if (n == 0) return std::nullopt;
  const double rank = static_cast<double>(n - 1) * q;
  const auto low = static_cast<std::size_t>(std::floor(rank));
  const double part = rank - static_cast<double>(low);
  const std::size_t high = part > 0 ? low + 1 : low;
  if (high >= sample.size()) return std::nullopt;
  std::sort(sample.begin(), sample.end());
  return sample[low] + part * (sample[high] - sample[low]);
}

}  // namespace kvtier
