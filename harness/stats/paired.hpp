#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "harness/stats/quantile.hpp"

/// Inference over pairs of legs. The unit is the pair: `d` holds one difference a pair, always
/// mode_b - mode_a, on the scale that the caller chose (log-ratios for latencies). Every function
/// is pure and deterministic.
namespace kvtier {

/// Hodges-Lehmann estimate (median of the Walsh averages (d_i + d_j)/2, i <= j) with the exact
/// interval of the Wilcoxon signed-rank distribution (Hodges and Lehmann 1963).
struct HodgesLehmann {
  std::size_t n = 0;
  double estimate = 0;
  Interval interval;
  double level = 0;      // coverage of `interval` under symmetry, reached exactly
  bool reaches = false;  // level >= the level asked for; false below 6 pairs at 95 %, where the
                         // interval is min..max
  std::size_t rank =
      0;  // C: the interval runs from the C-th smallest to the C-th largest Walsh average
};
/// Empty for an empty sample.
std::optional<HodgesLehmann> EstimateHodgesLehmann(std::span<const double> d, double level = 0.95);

/// Two-sided sign-flip test of the mean: the share of the 2^n sign patterns with |sum| at least the
/// one observed.
struct SignFlip {
  double p = 1;
  bool exact = true;        // all patterns enumerated (n <= 20)
  std::uint64_t draws = 0;  // patterns looked at
  std::uint64_t seed = 0;  // of the Monte Carlo draws, when not exact: p = (1 + hits) / (1 + draws)
};
/// Empty for an empty sample. Exact up to 20 pairs, beyond that 200,000 draws from `seed`.
std::optional<SignFlip> SignFlipTest(std::span<const double> d, std::uint64_t seed = 1);

/// An estimate with Student's t interval and two-sided p value.
struct TEstimate {
  double estimate = 0;
  double se = 0;
  double df = 0;
  Interval interval;
  double p = 1;
};

/// AB/BA cross-over (Hills and Armitage 1979) over d = y_B - y_A by order group.
struct CrossOver {
  std::size_t n_ab = 0, n_ba = 0;
  TEstimate treatment;  // (mean AB + mean BA) / 2: the effect with the period effect removed
  /// (mean AB - mean BA) / 2: what second place in a pair adds. This test is the order check of
  /// record.
  TEstimate period;
  /// Difference of the pair totals y_A + y_B between orders with its p. Descriptive: low power,
  /// never branch on it (Freeman 1989). Empty when no totals were given.
  std::optional<TEstimate> carry_over = std::nullopt;
};
/// Empty unless both groups hold a pair and there are at least three pairs. `totals_*` may be
/// empty.
std::optional<CrossOver> AnalyzeCrossOver(std::span<const double> d_ab,
                                          std::span<const double> d_ba,
                                          std::span<const double> totals_ab = {},
                                          std::span<const double> totals_ba = {},
                                          double level = 0.95);

/// Equivalence by two one-sided tests (Schuirmann 1987): the 1 - 2 alpha interval lies inside
/// (-margin, +margin).
struct Tost {
  Interval interval;
  double margin = 0;
  bool equivalent = false;
  bool non_inferior = false;  // upper end below +margin
};
Tost TestEquivalence(Interval one_minus_two_alpha, double margin);

/// Holm's step-down adjustment (1979), in the order given; never above 1.
std::vector<double> HolmAdjust(std::span<const double> p);

/// The least true effect, in units of `sd`'s scale, that a paired two-sided t test of n >= 2 pairs
/// finds with this power (noncentral t, exact). n = 8, sd = 1: 1.16.
double MinDetectableEffect(double sd, std::size_t n, double alpha = 0.05, double power = 0.8);

}  // namespace kvtier
