#pragma once
#include <cstddef>
#include <optional>

#include "harness/stats/quantile.hpp"

/// How many pairs an answer needs. All effects are in the scale of `sd`, the standard deviation of
/// the difference within a pair; here log-ratios. Pure, exact up to quadrature.
namespace kvtier {

/// A change of `pct` percent as a log-ratio: ln(1 + pct / 100). The same change downwards is its
/// negative, so 10 % means a factor of 1.1 in either direction.
double PctToLogRatio(double pct);

/// Power of the paired two-sided t test (noncentral t, both tails). Needs n >= 2, sd > 0.
double PairedTPower(double effect, double sd, std::size_t n, double alpha = 0.05);
/// Power of TOST for a true difference of `truth` (Schuirmann 1987; Owen 1965): the chance that the
/// 1 - 2 alpha t interval lies inside (-margin, +margin).
double EquivalencePower(double margin, double sd, std::size_t n, double alpha = 0.05,
                        double truth = 0);
/// Power of the exact sign-flip or signed-rank test where only pairs of one sign reject, which is
/// n = SignFlipFloor(alpha): the chance that all have the sign of `effect`.
double AllOneSignPower(double effect, double sd, std::size_t n);

/// The least number of pairs, at least 2, whose power reaches `power`; empty above `most`, and for
/// an effect (a margin) of 0.
std::optional<std::size_t> PairsForEffect(double effect, double sd, double alpha = 0.05,
                                          double power = 0.8, std::size_t most = 10'000);
std::optional<std::size_t> PairsForEquivalence(double margin, double sd, double alpha = 0.05,
                                               double power = 0.8, std::size_t most = 10'000);

/// The least n with 2 / 2^n <= alpha: below it no exact two-sided test over pairs can reject, not
/// even where all pairs agree. 6 at 0.05.
std::size_t SignFlipFloor(double alpha = 0.05);

/// Interval of a standard deviation that was estimated from n values of a normal sample
/// (chi-square, n - 1 degrees of freedom). Needs n >= 2.
Interval SdInterval(double sd, std::size_t n, double level = 0.95);

}  // namespace kvtier
