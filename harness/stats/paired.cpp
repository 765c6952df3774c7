#include "harness/stats/paired.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "harness/core/error.hpp"
#include "harness/core/rng.hpp"
#include "harness/stats/power.hpp"
#include "harness/stats/summary.hpp"

namespace kvtier {
namespace {

double Mean(std::span<const double> x) {
  return std::accumulate(x.begin(), x.end(), 0.0) / static_cast<double>(x.size());
}

double SquaredDeviations(std::span<const double> x) {
  const double mean = Mean(x);
  double sum = 0;
  for (const double v : x) sum += (v - mean) * (v - mean);
  return sum;
}

/// P[W = w] of the signed-rank statistic under symmetry, for w = 0 .. n(n+1)/2.
std::vector<double> SignedRankDistribution(std::size_t n) {
  std::vector<double> p(n * (n + 1) / 2 + 1, 0.0);
  p[0] = 1;
  std::size_t reach = 0;
  for (std::size_t rank = 1; rank <= n; ++rank) {
    reach += rank;
    for (std::size_t w = reach; w + 1 > rank; --w) p[w] = 0.5 * (p[w] + p[w - rank]);
    for (std::size_t w = 0; w < rank; ++w) p[w] *= 0.5;
  }
  return p;
}

/// All 2^k signed sums of `x`.
std::vector<double> SignedSums(std::span<const double> x) {
  std::vector<double> sums{0.0};
  for (const double v : x) {
    const std::size_t size = sums.size();
    for (std::size_t i = 0; i < size; ++i) {
      sums.push_back(sums[i] - v);
      sums[i] += v;
    }
  }
  return sums;
}

TEstimate MakeTEstimate(double estimate, double se, double df, double level) {
  TEstimate t;
  t.estimate = estimate;
  t.se = se;
  t.df = df;
  const double half = StudentQuantile(0.5 + level / 2, df) * se;
  t.interval = {estimate - half, estimate + half};
  if (se > 0) {
    t.p = StudentTwoSidedP(estimate / se, df);
  } else {
    t.p = estimate == 0 ? 1 : 0;  // no spread at all: certain, one way or the other
  }
  return t;
}

}  // namespace

std::optional<HodgesLehmann> EstimateHodgesLehmann(std::span<const double> d, double level) {
  if (d.empty()) return std::nullopt;
  std::vector<double> walsh;
  walsh.reserve(d.size() * (d.size() + 1) / 2);
  for (std::size_t i = 0; i < d.size(); ++i) {
    for (std::size_t k = i; k < d.size(); ++k) walsh.push_back((d[i] + d[k]) / 2);
  }
  std::sort(walsh.begin(), walsh.end());
  HodgesLehmann hl;
  hl.n = d.size();
  hl.estimate = SortedQuantile(walsh, 0.5);
  // [W_(C), W_(M+1-C)] covers with 1 - 2 P[W <= C-1]; the largest C that still reaches the level.
  const std::vector<double> p = SignedRankDistribution(hl.n);
  double below = p[0];
  hl.rank = 1;
  hl.level = std::max(0.0, 1 - 2 * below);
  while (2 * (hl.rank + 1) <= walsh.size() && 1 - 2 * (below + p[hl.rank]) >= level) {
    below += p[hl.rank];
    ++hl.rank;
    hl.level = 1 - 2 * below;
  }
  hl.reaches = hl.level >= level;
  hl.interval = {walsh[hl.rank - 1], walsh[walsh.size() - hl.rank]};
  return hl;
}

std::optional<SignFlip> SignFlipTest(std::span<const double> d, std::uint64_t seed) {
  if (d.empty()) return std::nullopt;
  double magnitude = 0;
  for (const double v : d) magnitude += std::abs(v);
  const double observed = std::abs(std::accumulate(d.begin(), d.end(), 0.0));
  // Patterns with equal sums in exact arithmetic must stay equal after rounding.
  const double limit = observed - magnitude * 1e-12;
  constexpr std::size_t kExactUpTo = 20;
  constexpr std::uint64_t kDraws = 200'000;
  SignFlip result;
  std::uint64_t hits = 0;
  if (d.size() <= kExactUpTo) {
    const std::vector<double> left = SignedSums(d.first(d.size() / 2));
    const std::vector<double> right = SignedSums(d.subspan(d.size() / 2));
    for (const double a : left) {
      for (const double b : right) hits += std::abs(a + b) >= limit ? 1U : 0U;
    }
    result.draws = left.size() * right.size();
    result.p = static_cast<double>(hits) / static_cast<double>(result.draws);
    return result;
  }
  result.exact = false;
  result.draws = kDraws;
  result.seed = seed;
  Rng rng(seed);
  for (std::uint64_t draw = 0; draw < kDraws; ++draw) {
    double sum = 0;
    std::uint64_t bits = 0;
    for (std::size_t i = 0; i < d.size(); ++i) {
      if (i % 64 == 0) bits = rng.Next();
      sum += (bits & 1) != 0 ? d[i] : -d[i];
      bits >>= 1;
    }
    hits += std::abs(sum) >= limit ? 1U : 0U;
  }
  result.p = static_cast<double>(1 + hits) / static_cast<double>(1 + kDraws);
  return result;
}

std::optional<CrossOver> AnalyzeCrossOver(std::span<const double> d_ab,
                                          std::span<const double> d_ba,
                                          std::span<const double> totals_ab,
                                          std::span<const double> totals_ba, double level) {
  if (d_ab.empty() || d_ba.empty() || d_ab.size() + d_ba.size() < 3) return std::nullopt;
  CrossOver c;
  c.n_ab = d_ab.size();
  c.n_ba = d_ba.size();
  const auto n1 = static_cast<double>(c.n_ab);
  const auto n2 = static_cast<double>(c.n_ba);
  const double df = n1 + n2 - 2;
  const double spread =
      std::sqrt((SquaredDeviations(d_ab) + SquaredDeviations(d_ba)) / df * (1 / n1 + 1 / n2));
  const double ab = Mean(d_ab);
  const double ba = Mean(d_ba);
  c.treatment = MakeTEstimate((ab + ba) / 2, spread / 2, df, level);
  c.period = MakeTEstimate((ab - ba) / 2, spread / 2, df, level);
  if (totals_ab.size() == d_ab.size() && totals_ba.size() == d_ba.size()) {
    const double sums = (SquaredDeviations(totals_ab) + SquaredDeviations(totals_ba)) / df;
    c.carry_over = MakeTEstimate(Mean(totals_ab) - Mean(totals_ba),
                                 std::sqrt(sums * (1 / n1 + 1 / n2)), df, level);
  }
  return c;
}

Tost TestEquivalence(Interval one_minus_two_alpha, double margin) {
  Tost t;
  t.interval = one_minus_two_alpha;
  t.margin = margin;
  t.non_inferior = one_minus_two_alpha.high < margin;
  t.equivalent = t.non_inferior && one_minus_two_alpha.low > -margin;
  return t;
}

std::vector<double> HolmAdjust(std::span<const double> p) {
  std::vector<std::size_t> order(p.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return p[a] < p[b]; });
  std::vector<double> adjusted(p.size());
  double running = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    running = std::max(running, p[order[i]] * static_cast<double>(p.size() - i));
    adjusted[order[i]] = std::min(1.0, running);
  }
  return adjusted;
}

double MinDetectableEffect(double sd, std::size_t n, double alpha, double power) {
  if (n < 2) throw DataError("a detectable effect needs at least two pairs");
  if (sd <= 0) return 0;
  const auto pairs = static_cast<double>(n);
  const double df = pairs - 1;
  const auto power_at = [&](double effect) { return PairedTPower(effect, 1, n, alpha); };
  // The usual approximation, a little low.
  double high =
      (StudentQuantile(1 - alpha / 2, df) + StudentQuantile(power, df)) / std::sqrt(pairs);
  double low = high / 2;
  while (power_at(high) < power && high < 1e6) high *= 1.25;
  while (high - low > 1e-10 * high) {
    const double middle = (low + high) / 2;
    (power_at(middle) < power ? low : high) = middle;
  }
  return sd * high;
}

}  // namespace kvtier
