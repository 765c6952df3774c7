#include "harness/stats/quantile.hpp"

#include <algorithm>
#include <cmath>

#include <boost/math/distributions/binomial.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "harness/core/error.hpp"

namespace kvtier {
namespace {

struct RankInterval {
  std::size_t low = 0, high = 0;  // 1-based ranks
  double level = 0;
};

/// P[Bin(n, q) <= k] for k in [first, first + size): beyond that range the mass is under 1e-12.
class BinomialTable {
 public:
  BinomialTable(std::size_t n, double q) {
    const double mean = static_cast<double>(n) * q;
    const double reach = 8 * std::sqrt(mean * (1 - q)) + 40;
    first_ = mean > reach ? static_cast<std::size_t>(mean - reach) : 0;
    const std::size_t last = std::min(n, static_cast<std::size_t>(mean + reach) + 1);
    const boost::math::binomial_distribution<double> dist(static_cast<double>(n), q);
    for (std::size_t k = first_; k <= last; ++k)
      cdf_.push_back(boost::math::cdf(dist, static_cast<double>(k)));
  }
  std::size_t first() const { return first_; }
  std::size_t last() const { return first_ + cdf_.size() - 1; }
  /// P[Bin < k]
  double Below(std::size_t k) const {
    if (k <= first_) return 0;
    return cdf_[std::min(k - 1 - first_, cdf_.size() - 1)];
  }

 private:
  std::size_t first_ = 0;
  std::vector<double> cdf_;
};

/// The narrowest [x_(l), x_(u)] with P[l <= Bin(n, q) < u] >= level; among equals the one with the
/// most coverage.
std::optional<RankInterval> NarrowestRanks(std::size_t n, double q, double level) {
  const BinomialTable table(n, q);
  std::optional<RankInterval> best;
  std::size_t u = 2;
  const std::size_t from = std::max<std::size_t>(1, table.first());
  for (std::size_t l = from; l < n && l <= table.last() + 1; ++l) {
    const double below = table.Below(l);
    u = std::max(u, l + 1);
    while (u <= n && table.Below(u) - below < level) ++u;
    if (u > n) break;
    const double covered = table.Below(u) - below;
    const bool narrower = !best || u - l < best->high - best->low;
    const bool tie = best && u - l == best->high - best->low && covered > best->level;
    if (narrower || tie) best = RankInterval{l, u, covered};
  }
  return best;
}

}  // namespace

double SortedQuantile(std::span<const double> ascending, double q) {
  if (ascending.empty()) throw DataError("a quantile was asked of an empty sample");
  const double rank = static_cast<double>(ascending.size() - 1) * std::clamp(q, 0.0, 1.0);
  const auto below = static_cast<std::size_t>(rank);
  if (below + 1 >= ascending.size()) return ascending.back();
  const double fraction = rank - static_cast<double>(below);
  return ascending[below] + fraction * (ascending[below + 1] - ascending[below]);
}

std::size_t MinSamplesForQuantile(double q, double level) {
  // The interval min..max misses the quantile when all values lie on one side of it.
  if (q <= 0 || q >= 1) throw DataError(fmt::format("no sample size resolves quantile {}", q));
  std::size_t n = 1;
  while (1 - std::pow(q, static_cast<double>(n)) - std::pow(1 - q, static_cast<double>(n)) < level)
    ++n;
  return n;
}

std::optional<QuantileEstimate> EstimateQuantile(std::vector<double> sample, double q,
                                                 double level) {
  if (sample.empty()) return std::nullopt;
  std::sort(sample.begin(), sample.end());
  QuantileEstimate e;
  e.q = q;
  e.n = sample.size();
  e.value = SortedQuantile(sample, q);
  if (const auto ranks = NarrowestRanks(e.n, q, level)) {
    e.interval = Interval{sample[ranks->low - 1], sample[ranks->high - 1]};
    e.level = ranks->level;
  }
  return e;
}

void to_json(nlohmann::json& j, const QuantileEstimate& e) {
  j = {{"q", e.q},
       {"n", e.n},
       {"value", e.value},
       {"low", nullptr},
       {"high", nullptr},
       {"level", e.level},
       {"resolvable", e.resolvable()}};
  if (e.interval) {
    j["low"] = e.interval->low;
    j["high"] = e.interval->high;
  }
}

void from_json(const nlohmann::json& j, QuantileEstimate& e) {
  e.q = j.at("q").get<double>();
  e.n = j.at("n").get<std::size_t>();
  e.value = j.at("value").get<double>();
  e.level = j.at("level").get<double>();
  e.interval.reset();
  if (!j.at("low").is_null())
    e.interval = Interval{j.at("low").get<double>(), j.at("high").get<double>()};
}

std::string NotResolvableText(double q, std::size_t n) {
  return fmt::format("p{:g} not resolvable (n={}, needs {})", q * 100, n, MinSamplesForQuantile(q));
}

}  // namespace kvtier
