#include "harness/stats/paired.hpp"

#include <cmath>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/core/rng.hpp"
#include "harness/stats/summary.hpp"

namespace kvtier {
namespace {

using ::testing::DoubleEq;
using ::testing::DoubleNear;
using ::testing::ElementsAre;

std::vector<double> Normals(Rng& rng, std::size_t n, double mean, double sd) {
  std::vector<double> v(n);
  for (double& x : v) x = mean + sd * rng.Normal();
  return v;
}

TEST(HodgesLehmann, HandComputed) {
  // Walsh averages of {1, 2, 4}: 1, 1.5, 2, 2.5, 3, 4 -> median 2.25.
  const auto hl = EstimateHodgesLehmann(std::vector<double>{4, 1, 2});
  EXPECT_DOUBLE_EQ(hl->estimate, 2.25);
  EXPECT_DOUBLE_EQ(hl->interval.low, 1);
  EXPECT_DOUBLE_EQ(hl->interval.high, 4);
  EXPECT_DOUBLE_EQ(hl->level, 0.75);  // 1 - 2/2^3
  EXPECT_FALSE(hl->reaches);
  EXPECT_FALSE(EstimateHodgesLehmann({}).has_value());
}

TEST(HodgesLehmann, RanksAndLevelsOfTheTable) {
  struct Row {
    std::size_t n, rank;
    double level;
    bool reaches;
  };
  const std::vector<Row> table{{4, 1, 0.875, false},  {5, 1, 0.9375, false}, {6, 1, 0.969, true},
                               {7, 3, 0.953, true},   {8, 4, 0.961, true},   {10, 9, 0.951, true},
                               {12, 14, 0.958, true}, {16, 30, 0.956, true}, {20, 53, 0.952, true}};
  for (const Row& row : table) {
    std::vector<double> d(row.n);
    for (std::size_t i = 0; i < row.n; ++i) d[i] = static_cast<double>(i * i);
    const auto hl = EstimateHodgesLehmann(d);
    EXPECT_EQ(hl->rank, row.rank) << row.n;
    EXPECT_NEAR(hl->level, row.level, 6e-4) << row.n;
    EXPECT_EQ(hl->reaches, row.reaches) << row.n;
  }
}

TEST(HodgesLehmann, SixPairsGiveTheRange) {
  const auto hl = EstimateHodgesLehmann(std::vector<double>{-3, 5, 1, 2, -1, 4});
  EXPECT_DOUBLE_EQ(hl->interval.low, -3);
  EXPECT_DOUBLE_EQ(hl->interval.high, 5);
}

TEST(HodgesLehmann, OneWildPairHardlyMovesIt) {
  const auto calm = EstimateHodgesLehmann(std::vector<double>{1, 1.1, 0.9, 1, 1.05, 0.95, 1, 1});
  const auto wild = EstimateHodgesLehmann(std::vector<double>{1, 1.1, 0.9, 1, 1.05, 0.95, 1, 100});
  EXPECT_NEAR(calm->estimate, wild->estimate, 0.06);
}

TEST(SignFlip, SmallestPOfTheTable) {
  for (const auto& [n, p] : std::vector<std::pair<std::size_t, double>>{{4, 0.125},
                                                                        {5, 0.0625},
                                                                        {6, 0.03125},
                                                                        {7, 0.015625},
                                                                        {8, 0.0078125},
                                                                        {12, 0.00048828125}}) {
    const auto test = SignFlipTest(std::vector<double>(n, 0.3));
    EXPECT_DOUBLE_EQ(test->p, p) << n;
    EXPECT_TRUE(test->exact);
    EXPECT_EQ(test->draws, std::uint64_t{1} << n);
  }
  EXPECT_FALSE(SignFlipTest({}).has_value());
}

TEST(SignFlip, HandComputed) {
  // {1, 2, 3}: sums +-6, +-4, +-2, 0, 0. Observed for {1, 2, -3}: 0 -> every pattern reaches it.
  EXPECT_DOUBLE_EQ(SignFlipTest(std::vector<double>{1, 2, -3})->p, 1);
  EXPECT_DOUBLE_EQ(SignFlipTest(std::vector<double>{-1, 2, 3})->p, 0.5);  // |4|: +-6, +-4 of 8
  EXPECT_DOUBLE_EQ(SignFlipTest(std::vector<double>{0, 0, 0, 0})->p, 1);
  // Equal in exact arithmetic, not in doubles: 0.1 + 0.2 and 0.3.
  EXPECT_DOUBLE_EQ(SignFlipTest(std::vector<double>{0.1, 0.2, -0.3, 0.3})->p,
                   SignFlipTest(std::vector<double>{1, 2, -3, 3})->p);
}

TEST(SignFlip, TwentyPairsAreStillExactAndMoreAreSeeded) {
  Rng rng(3);
  const auto twenty = SignFlipTest(Normals(rng, 20, 0.3, 1));
  EXPECT_TRUE(twenty->exact);
  EXPECT_EQ(twenty->draws, 1u << 20);
  const std::vector<double> more = Normals(rng, 24, 0.4, 1);
  const auto a = SignFlipTest(more, 5);
  EXPECT_FALSE(a->exact);
  EXPECT_EQ(a->seed, 5u);
  EXPECT_DOUBLE_EQ(a->p, SignFlipTest(more, 5)->p);
  EXPECT_NEAR(a->p, SignFlipTest(more, 6)->p, 0.01);
}

TEST(CrossOver, HandComputed) {
  // AB {1,2,3}, BA {4,5,6}: treatment (2+5)/2, period (2-5)/2, pooled variance 1, SE = 0.5
  // sqrt(2/3), df 4.
  const auto c = AnalyzeCrossOver(std::vector<double>{1, 2, 3}, std::vector<double>{4, 5, 6});
  EXPECT_DOUBLE_EQ(c->treatment.estimate, 3.5);
  EXPECT_DOUBLE_EQ(c->period.estimate, -1.5);
  EXPECT_NEAR(c->treatment.se, 0.5 * std::sqrt(2.0 / 3), 1e-12);
  EXPECT_DOUBLE_EQ(c->treatment.df, 4);
  EXPECT_NEAR(c->period.p, 0.0213, 1e-3);  // t = -3.674, 4 df
  EXPECT_NEAR(c->treatment.interval.high, 3.5 + 2.776445 * 0.408248, 1e-5);
  EXPECT_FALSE(c->carry_over.has_value());
}

TEST(CrossOver, PeriodEffectIsTakenOutOfTheTreatment) {
  // Second place costs 2 whatever runs there; the treatment is 1.
  const auto c =
      AnalyzeCrossOver(std::vector<double>{3, 3.1, 2.9}, std::vector<double>{-1, -1.1, -0.9});
  EXPECT_NEAR(c->treatment.estimate, 1, 1e-12);
  EXPECT_NEAR(c->period.estimate, 2, 1e-12);
  EXPECT_LT(c->period.p, 0.001);
  EXPECT_LT(c->treatment.interval.HalfWidth(), 0.2);
}

TEST(CrossOver, CarryOverIsDescribedFromTotals) {
  const auto c = AnalyzeCrossOver(std::vector<double>{1, 2, 3}, std::vector<double>{1, 2, 3},
                                  std::vector<double>{10, 11, 12}, std::vector<double>{7, 8, 9});
  EXPECT_DOUBLE_EQ(c->carry_over->estimate, 3);
  EXPECT_NEAR(c->carry_over->p, 0.0213, 1e-3);
}

TEST(CrossOver, NeedsBothOrdersAndThreePairs) {
  const std::vector<double> two{1, 2};
  const std::vector<double> one{1};
  EXPECT_FALSE(AnalyzeCrossOver(two, {}).has_value());
  EXPECT_FALSE(AnalyzeCrossOver(one, one).has_value());
  EXPECT_TRUE(AnalyzeCrossOver(two, one).has_value());
  const auto flat = AnalyzeCrossOver(std::vector<double>{2, 2, 2}, std::vector<double>{4, 4, 4});
  EXPECT_DOUBLE_EQ(flat->period.p, 0);
  EXPECT_DOUBLE_EQ(AnalyzeCrossOver(two, two)->period.p, 1);
}

TEST(Equivalence, NeedsTheWholeIntervalInside) {
  EXPECT_TRUE(TestEquivalence({-0.04, 0.04}, 0.0488).equivalent);
  EXPECT_FALSE(TestEquivalence({-0.06, 0.04}, 0.0488).equivalent);
  EXPECT_TRUE(TestEquivalence({-0.06, 0.04}, 0.0488).non_inferior);
  EXPECT_FALSE(TestEquivalence({-0.04, 0.0488}, 0.0488).non_inferior);  // touching is not inside
}

TEST(Holm, HandComputed) {
  EXPECT_THAT(
      HolmAdjust(std::vector<double>{0.04, 0.01, 0.03}),
      ElementsAre(DoubleNear(0.06, 1e-12), DoubleNear(0.03, 1e-12), DoubleNear(0.06, 1e-12)));
  EXPECT_THAT(HolmAdjust(std::vector<double>{0.9, 0.8}), ElementsAre(DoubleEq(1), DoubleEq(1)));
  EXPECT_TRUE(HolmAdjust({}).empty());
}

TEST(DetectableEffect, TableOfTheMethod) {
  for (const auto& [n, mde] : std::vector<std::pair<std::size_t, double>>{{4, 2.12},
                                                                          {5, 1.68},
                                                                          {6, 1.44},
                                                                          {8, 1.16},
                                                                          {10, 1.00},
                                                                          {12, 0.89},
                                                                          {16, 0.75},
                                                                          {20, 0.66}}) {
    EXPECT_NEAR(MinDetectableEffect(1, n), mde, 0.009) << n;
  }
  EXPECT_NEAR(MinDetectableEffect(0.06, 8), 0.06 * 1.16, 5e-4);
  EXPECT_DOUBLE_EQ(MinDetectableEffect(0, 8), 0);
}

// ---- behaviour over simulated experiments
// -----------------------------------------------------------------------

constexpr int kSeeds = 2000;

TEST(Simulated, IntervalsCoverAsStated) {
  for (const std::size_t n : {6u, 8u, 12u}) {
    Rng rng = Rng::Stream(n, "coverage");
    int t = 0;
    int hl = 0;
    for (int s = 0; s < kSeeds; ++s) {
      const std::vector<double> d = Normals(rng, n, 0.1, 0.06);
      t += EstimateMean(d)->interval->Contains(0.1) ? 1 : 0;
      hl += EstimateHodgesLehmann(d)->interval.Contains(0.1) ? 1 : 0;
    }
    EXPECT_GE(t, kSeeds * 93 / 100) << n;
    EXPECT_LE(t, kSeeds * 97 / 100) << n;
    EXPECT_GE(hl, kSeeds * 93 / 100) << n;
    EXPECT_LE(hl, kSeeds * 985 / 1000) << n;  // exact levels are 95.8 to 96.9 %
  }
}

TEST(Simulated, NoEffectIsRarelyCalledOne) {
  Rng rng(17);
  int flips = 0;
  int periods = 0;
  for (int s = 0; s < kSeeds; ++s) {
    const std::vector<double> d = Normals(rng, 8, 0, 0.05);
    flips += SignFlipTest(d)->p <= 0.05 ? 1 : 0;
    const std::span<const double> all(d);
    periods += AnalyzeCrossOver(all.first(4), all.subspan(4))->period.p < 0.05 ? 1 : 0;
  }
  EXPECT_LE(flips, kSeeds * 6 / 100);
  EXPECT_LE(periods, kSeeds * 65 / 1000);
}

TEST(Simulated, PowerAtTheDetectableEffectIsAsPlanned) {
  Rng rng(23);
  const double effect = MinDetectableEffect(0.05, 8);
  int found = 0;
  for (int s = 0; s < kSeeds; ++s) {
    const auto e = EstimateMean(Normals(rng, 8, effect, 0.05));
    found += e->interval->Contains(0) ? 0 : 1;
  }
  EXPECT_NEAR(static_cast<double>(found) / kSeeds, 0.8, 0.04);
}

}  // namespace
}  // namespace kvtier
