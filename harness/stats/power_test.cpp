#include "harness/stats/power.hpp"

#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "harness/core/error.hpp"
#include "harness/core/rng.hpp"
#include "harness/stats/paired.hpp"
#include "harness/stats/summary.hpp"

namespace kvtier {
namespace {

TEST(PairedTPower, IsEightyPercentAtTheTabulatedDetectableEffects) {
  // MDE in units of sd at 80 % power, two-sided 5 %: the table of the method.
  for (const auto& [n, mde] : std::vector<std::pair<std::size_t, double>>{{4, 2.12},
                                                                          {5, 1.68},
                                                                          {6, 1.44},
                                                                          {8, 1.16},
                                                                          {10, 1.00},
                                                                          {12, 0.89},
                                                                          {16, 0.75},
                                                                          {20, 0.66}}) {
    EXPECT_NEAR(PairedTPower(mde, 1, n), 0.8, 0.012) << n;
    EXPECT_NEAR(PairedTPower(MinDetectableEffect(1, n), 1, n), 0.8, 2e-4) << n;
  }
}

TEST(PairedTPower, IsThePublishedValueOfTheOneSampleTest) {
  // Cohen's d 0.5 with 34 pairs: 80.8 % (G*Power's standard example); 0.8 with 15: 82.1 %.
  EXPECT_NEAR(PairedTPower(0.5, 1, 34), 0.8078, 5e-4);
  EXPECT_NEAR(PairedTPower(0.8, 1, 15), 0.8213, 5e-4);
  EXPECT_EQ(PairsForEffect(0.5, 1), 34U);
  EXPECT_EQ(PairsForEffect(0.8, 1), 15U);
}

TEST(PairedTPower, OfNoEffectIsAlphaAndOfAHugeOneIsCertain) {
  EXPECT_DOUBLE_EQ(PairedTPower(0, 1, 8), 0.05);
  EXPECT_NEAR(PairedTPower(1e-6, 1, 8), 0.05, 1e-6);
  EXPECT_DOUBLE_EQ(PairedTPower(1e9, 1, 8), 1);
  EXPECT_NEAR(PairedTPower(-1.16, 1, 8), PairedTPower(1.16, 1, 8), 1e-15);
  EXPECT_NEAR(PairedTPower(0.0116, 0.01, 8), PairedTPower(1.16, 1, 8), 1e-12);
}

TEST(PairedTPower, IsWhatSimulatedTTestsReach) {
  Rng rng(7);
  constexpr int kRuns = 20'000;
  constexpr std::size_t kPairs = 7;
  int rejected = 0;
  for (int run = 0; run < kRuns; ++run) {
    std::vector<double> d;
    for (std::size_t i = 0; i < kPairs; ++i) d.push_back(1.1 + rng.Normal());
    const auto mean = EstimateMean(d);
    rejected += mean->interval->low > 0 || mean->interval->high < 0 ? 1 : 0;
  }
  EXPECT_NEAR(static_cast<double>(rejected) / kRuns, PairedTPower(1.1, 1, kPairs), 0.012);
}

TEST(EquivalencePower, NeedsTheTabulatedPairs) {
  // D / sd against pairs for 80 % power at a true difference of 0: the table of the method.
  for (const auto& [ratio, pairs] :
       std::vector<std::pair<double, std::size_t>>{{0.5, 36}, {1, 11}, {1.5, 6}, {2, 4}, {3, 3}}) {
    EXPECT_EQ(PairsForEquivalence(ratio, 1), pairs) << ratio;
    EXPECT_GE(EquivalencePower(ratio, 1, pairs), 0.8) << ratio;
    EXPECT_LT(EquivalencePower(ratio, 1, pairs - 1), 0.8) << ratio;
  }
}

TEST(EquivalencePower, IsWhatSimulatedIntervalsReach) {
  Rng rng(11);
  constexpr int kRuns = 20'000;
  constexpr std::size_t kPairs = 9;
  int inside = 0;
  for (int run = 0; run < kRuns; ++run) {
    std::vector<double> d;
    for (std::size_t i = 0; i < kPairs; ++i) d.push_back(0.2 + rng.Normal());
    inside += TestEquivalence(*EstimateMean(d, 0.90)->interval, 1.2).equivalent ? 1 : 0;
  }
  EXPECT_NEAR(static_cast<double>(inside) / kRuns, EquivalencePower(1.2, 1, kPairs, 0.05, 0.2),
              0.012);
}

TEST(EquivalencePower, GrowsWithPairsAndIsNothingWithoutAMargin) {
  double before = 0;
  for (std::size_t n = 2; n <= 400; n += 7) {
    const double now = EquivalencePower(0.5, 1, n);
    EXPECT_GE(now, before - 1e-9) << n;
    before = now;
  }
  EXPECT_GT(before, 0.999);
  EXPECT_EQ(EquivalencePower(0, 1, 8), 0);
  EXPECT_NEAR(EquivalencePower(50, 1, 8), 1, 1e-9);
}

TEST(PairsForEffect, SaysWhenNoNumberIsEnough) {
  EXPECT_FALSE(PairsForEffect(0, 1));
  EXPECT_FALSE(PairsForEffect(1e-4, 1, 0.05, 0.8, 1000));
  EXPECT_FALSE(PairsForEquivalence(0, 1));
  EXPECT_EQ(PairsForEffect(1e9, 1), 2U);
  EXPECT_THROW(PairsForEffect(1, 0), DataError);
}

TEST(SignFlipFloor, IsSixAtFivePercent) {
  EXPECT_EQ(SignFlipFloor(0.05), 6U);
  EXPECT_EQ(SignFlipFloor(0.025), 7U);
  EXPECT_EQ(SignFlipFloor(0.10), 5U);
  EXPECT_GT(SignFlipTest(std::vector<double>(5, 1.0))->p, 0.05);
  EXPECT_LE(SignFlipTest(std::vector<double>(6, 1.0))->p, 0.05);
}

TEST(AllOneSignPower, IsLessThanThatOfTheTTestAtSixPairs) {
  // What the t test finds with 80 % is found by six equal signs in 63 of 100: Phi(1.44)^6.
  EXPECT_NEAR(AllOneSignPower(1.44, 1, 6), std::pow(0.92507, 6), 1e-4);
  EXPECT_NEAR(AllOneSignPower(1.7935, 1, 6), 0.8, 1e-3);
}

TEST(SdInterval, IsTheChiSquareInterval) {
  // chi-square(5): 0.83121 and 12.83250 cut 2.5 % off each side.
  const Interval i = SdInterval(1, 6);
  EXPECT_NEAR(i.low, std::sqrt(5 / 12.83250), 1e-5);
  EXPECT_NEAR(i.high, std::sqrt(5 / 0.831212), 1e-5);
  EXPECT_NEAR(SdInterval(0.06, 6).high, 0.06 * i.high, 1e-12);
  EXPECT_THROW(SdInterval(1, 1), DataError);
}

TEST(PctToLogRatio, IsTheSameFactorBothWays) {
  EXPECT_NEAR(PctToLogRatio(10), std::log(1.1), 1e-15);
  // With a spread of 6 % a change of 7 % is found with 8 pairs.
  EXPECT_NEAR(100 * std::expm1(MinDetectableEffect(PctToLogRatio(6), 8)), 7.0, 0.05);
}

}  // namespace
}  // namespace kvtier
