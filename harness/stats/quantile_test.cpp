#include "harness/stats/quantile.hpp"

#include <cmath>
#include <numeric>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "harness/core/error.hpp"
#include "harness/core/rng.hpp"
#include "harness/stats/adjusted.hpp"
#include "harness/stats/summary.hpp"

namespace kvtier {
namespace {

using ::testing::HasSubstr;

std::vector<double> Ramp(std::size_t n) {  // 1, 2, ... n
  std::vector<double> v(n);
  std::iota(v.begin(), v.end(), 1.0);
  return v;
}

TEST(QuantileWithFailures, FailuresAreLargerThanAnything) {
  const auto of = [](std::vector<double> sample, std::size_t failed, double q) {
    return QuantileWithFailures(std::move(sample), failed, q);
  };
  EXPECT_EQ(of({4, 1, 3, 2}, 0, 0.95), SortedQuantile(std::vector<double>{1, 2, 3, 4}, 0.95));
  EXPECT_EQ(of({10, 30, 20}, 1, 0.5), 25.0);  // rank 1.5 of 10, 20, 30, inf
  EXPECT_EQ(of({10, 20, 30}, 2, 0.5), 30.0);  // rank 2, exactly the last that ended
  EXPECT_EQ(of({10, 20, 30}, 1, 0.9), std::nullopt);
  EXPECT_EQ(of({10, 20}, 2, 0.5), std::nullopt);
  EXPECT_EQ(of({}, 3, 0.5), std::nullopt);
  EXPECT_EQ(of({}, 0, 0.5), std::nullopt);
  EXPECT_EQ(of({7}, 0, 0.99), 7.0);
}

TEST(Quantile, IsTypeSeven) {
  const std::vector<double> v{1, 2, 3, 4};
  EXPECT_DOUBLE_EQ(SortedQuantile(v, 0.5), 2.5);    // numpy.percentile([1,2,3,4], 50)
  EXPECT_DOUBLE_EQ(SortedQuantile(v, 0.95), 3.85);  // rank 2.85
  EXPECT_DOUBLE_EQ(SortedQuantile(v, 0), 1);
  EXPECT_DOUBLE_EQ(SortedQuantile(v, 1), 4);
  EXPECT_DOUBLE_EQ(SortedQuantile(std::vector<double>{7}, 0.99), 7);
  EXPECT_THROW(SortedQuantile({}, 0.5), DataError);
}

TEST(Quantile, StatesTheSampleSizeThatItNeeds) {
  EXPECT_EQ(MinSamplesForQuantile(0.5), 6u);
  EXPECT_EQ(MinSamplesForQuantile(0.9), 29u);
  EXPECT_EQ(MinSamplesForQuantile(0.95), 59u);
  EXPECT_EQ(MinSamplesForQuantile(0.99), 299u);
  EXPECT_EQ(NotResolvableText(0.95, 24), "p95 not resolvable (n=24, needs 59)");
}

TEST(Quantile, IsResolvableExactlyFromThatSampleSize) {
  for (const double q : {0.5, 0.9, 0.95, 0.99}) {
    const std::size_t needed = MinSamplesForQuantile(q);
    EXPECT_FALSE(EstimateQuantile(Ramp(needed - 1), q)->resolvable()) << q;
    const auto e = EstimateQuantile(Ramp(needed), q);
    ASSERT_TRUE(e->resolvable()) << q;
    EXPECT_GE(e->level, 0.95);
  }
  EXPECT_FALSE(EstimateQuantile({}, 0.5).has_value());
  EXPECT_DOUBLE_EQ(EstimateQuantile({3}, 0.95)->value, 3);  // the figure exists from n = 1
}

TEST(Quantile, IntervalIsTheNarrowestInRanks) {
  // n = 10, median: P[2 <= Bin < 9] = 1 - 22/1024 = 0.9785; one rank narrower reaches 0.9346 at
  // most.
  const auto median = EstimateQuantile(Ramp(10), 0.5);
  EXPECT_DOUBLE_EQ(median->interval->low, 2);
  EXPECT_DOUBLE_EQ(median->interval->high, 9);
  EXPECT_NEAR(median->level, 1 - 22.0 / 1024, 1e-12);
  // n = 59, p95: only min..max excludes just the 0.95^59 = 0.0485 above.
  const auto p95 = EstimateQuantile(Ramp(59), 0.95);
  EXPECT_DOUBLE_EQ(p95->interval->high, 59);
  EXPECT_GE(p95->level, 0.95);
}

TEST(Quantile, IntervalCoversAsStated) {
  // The true p95 of a uniform sample is 0.95, whatever the distribution: 2000 samples of 100.
  Rng rng(11);
  int covered = 0;
  constexpr int kSeeds = 2000;
  for (int s = 0; s < kSeeds; ++s) {
    std::vector<double> sample(100);
    for (double& x : sample) x = rng.Uniform();
    covered += EstimateQuantile(std::move(sample), 0.95)->interval->Contains(0.95) ? 1 : 0;
  }
  EXPECT_GT(covered, kSeeds * 94 / 100);
  EXPECT_LT(covered, kSeeds * 98 / 100);
}

TEST(Quantile, LargeSamplesKeepATightInterval) {
  const auto e = EstimateQuantile(Ramp(100'000), 0.99);
  EXPECT_GE(e->level, 0.95);
  EXPECT_NEAR(e->interval->low, 98'938, 5);  // 99,000 -+ 1.96 sqrt(990)
  EXPECT_NEAR(e->interval->high, 99'062, 5);
}

TEST(Quantile, SurvivesJson) {
  for (const std::size_t n : {5u, 80u}) {
    const auto e = EstimateQuantile(Ramp(n), 0.95);
    const auto back = nlohmann::json(*e).get<QuantileEstimate>();
    EXPECT_EQ(back.n, e->n);
    EXPECT_EQ(back.value, e->value);
    EXPECT_EQ(back.resolvable(), e->resolvable());
  }
  EXPECT_TRUE(nlohmann::json(*EstimateQuantile(Ramp(5), 0.95)).at("low").is_null());
}

TEST(Summary, OfNothingIsNothing) {
  EXPECT_FALSE(Summarize({}).has_value());
  EXPECT_FALSE(EstimateMean({}).has_value());
}

TEST(Summary, IsHandComputed) {
  const auto s = Summarize({4, 1, 3, 2});
  EXPECT_EQ(s->n, 4u);
  EXPECT_DOUBLE_EQ(s->min, 1);
  EXPECT_DOUBLE_EQ(s->max, 4);
  EXPECT_DOUBLE_EQ(s->mean, 2.5);
  EXPECT_DOUBLE_EQ(s->p50, 2.5);
  EXPECT_DOUBLE_EQ(s->p90, 3.7);
  EXPECT_DOUBLE_EQ(nlohmann::json(*s).get<Summary>().p90, 3.7);
}

TEST(Summary, MeanIntervalIsStudents) {
  const std::vector<double> v{1, 2, 3, 4, 5, 6};
  const auto e = EstimateMean(v);
  EXPECT_DOUBLE_EQ(e->mean, 3.5);
  EXPECT_NEAR(*e->sd, 1.870829, 1e-6);
  EXPECT_NEAR(*e->HalfWidth(), 2.570582 * 1.870829 / std::sqrt(6.0), 1e-5);  // t(5), not 1.96
  EXPECT_FALSE(EstimateMean(std::vector<double>{1})->sd.has_value());
}

TEST(Summary, StudentQuantilesAreThoseOfTheTables) {
  const std::vector<std::pair<double, double>> table{{3, 3.182},  {4, 2.776},  {5, 2.571},
                                                     {6, 2.447},  {7, 2.365},  {9, 2.262},
                                                     {11, 2.201}, {15, 2.131}, {19, 2.093}};
  for (const auto& [df, t] : table) EXPECT_NEAR(StudentQuantile(0.975, df), t, 5e-4) << df;
  EXPECT_NEAR(StudentTwoSidedP(2.570582, 5), 0.05, 1e-6);
  EXPECT_NEAR(StudentTwoSidedP(-2.570582, 5), 0.05, 1e-6);
}

}  // namespace
}  // namespace kvtier
