// The statistics against vectors that were computed by other means: harness/stats/golden/README.md.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "harness/core/files.hpp"
#include "harness/stats/isotonic.hpp"
#include "harness/stats/paired.hpp"
#include "harness/stats/power.hpp"
#include "harness/stats/quantile.hpp"
#include "harness/stats/summary.hpp"
#include "harness/stats/usl.hpp"

namespace kvtier {
namespace {

using nlohmann::json;
using Numbers = std::vector<double>;

/// Both are doubles all the way; more than this is another definition or a defect.
constexpr double kClose = 1e-9;
/// Their power is an integral over the spread.
constexpr double kIntegral = 1e-8;
/// MINPACK stops on its own criterion.
constexpr double kFit = 1e-6;

/// The vectors of one statistic; a test over none cannot pass.
const json& Vectors(const char* name) {
  static const json all =
      ReadJson(std::filesystem::path(KVTIER_SOURCE_DIR) / "harness/stats/golden/vectors.json");
  const json& vectors = all.at(name);
  EXPECT_FALSE(vectors.empty()) << name;
  return vectors;
}

/// Relative to the golden value, absolute below 1.
void ExpectClose(double ours, double golden, double tolerance, const json& of) {
  EXPECT_NEAR(ours, golden, tolerance * std::max(1.0, std::abs(golden))) << of.dump();
}

void ExpectEstimate(const TEstimate& ours, const json& golden) {
  ExpectClose(ours.estimate, golden.at("estimate"), kClose, golden);
  ExpectClose(ours.se, golden.at("se"), kClose, golden);
  EXPECT_EQ(ours.df, golden.at("df").get<double>());
  ExpectClose(ours.interval.low, golden.at("low"), kClose, golden);
  ExpectClose(ours.interval.high, golden.at("high"), kClose, golden);
  ExpectClose(ours.p, golden.at("p"), kClose, golden);
}

TEST(Golden, QuantilesOfTypeSeven) {
  for (const json& v : Vectors("quantiles")) {
    const auto sample = v.at("sample").get<Numbers>();
    const auto values = v.at("value").get<Numbers>();
    std::size_t i = 0;
    for (const double q : v.at("q").get<Numbers>()) {
      if (q > 0 && q < 1) ExpectClose(EstimateQuantile(sample, q)->value, values.at(i), kClose, v);
      Numbers ascending = sample;
      std::sort(ascending.begin(), ascending.end());
      ExpectClose(SortedQuantile(ascending, q), values.at(i++), kClose, v);
    }
    ExpectClose(Summarize(sample)->mean, v.at("mean"), kClose, v);
  }
}

TEST(Golden, RanksOfAQuantilesInterval) {
  for (const json& v : Vectors("order_statistics")) {
    Numbers ranks(v.at("n").get<std::size_t>());  // each value is its own rank
    for (std::size_t i = 0; i < ranks.size(); ++i) ranks[i] = static_cast<double>(i + 1);
    const auto ours = EstimateQuantile(ranks, v.at("q"), v.at("level"));
    ASSERT_EQ(ours->resolvable(), !v.at("ranks").is_null()) << v.dump();
    ExpectClose(ours->level, v.at("coverage"), kClose, v);
    if (!ours->resolvable()) continue;
    EXPECT_EQ(ours->interval->HalfWidth() * 2,
              v.at("ranks").at(1).get<double>() - v.at("ranks").at(0).get<double>())
        << v.dump();
    // Of the median two pairs of ranks mirror each other and cover alike; either will do.
    const double mirrored =
        v.at("q") == 0.5 ? static_cast<double>(ranks.size()) + 1 - ours->interval->high : -1;
    EXPECT_TRUE(ours->interval->low == v.at("ranks").at(0).get<double>() ||
                mirrored == v.at("ranks").at(0).get<double>())
        << v.dump();
  }
}

TEST(Golden, MeansAndStudentsIntervals) {
  for (const json& v : Vectors("means")) {
    const auto sample = v.at("sample").get<Numbers>();
    const auto ours = EstimateMean(sample, v.at("level"));
    ExpectClose(ours->mean, v.at("mean"), kClose, v);
    ExpectClose(*ours->sd, v.at("sd"), kClose, v);
    ExpectClose(ours->interval->low, v.at("low"), kClose, v);
    ExpectClose(ours->interval->high, v.at("high"), kClose, v);
    ExpectClose(StudentTwoSidedP(v.at("t"), static_cast<double>(sample.size()) - 1), v.at("p"),
                kClose, v);
  }
  for (const json& v : Vectors("student")) {
    ExpectClose(StudentQuantile(v.at("p"), v.at("df")), v.at("t"), kClose, v);
    ExpectClose(StudentTwoSidedP(v.at("t"), v.at("df")), v.at("two_sided"), kClose, v);
  }
}

TEST(Golden, HodgesLehmannAndItsExactInterval) {
  for (const json& v : Vectors("hodges_lehmann")) {
    const auto ours = EstimateHodgesLehmann(v.at("d").get<Numbers>(), v.at("level"));
    ExpectClose(ours->estimate, v.at("estimate"), kClose, v);
    EXPECT_EQ(ours->rank, v.at("rank").get<std::size_t>()) << v.dump();
    ExpectClose(ours->interval.low, v.at("low"), kClose, v);
    ExpectClose(ours->interval.high, v.at("high"), kClose, v);
    ExpectClose(ours->level, v.at("coverage"), kClose, v);
    EXPECT_TRUE(ours->reaches);
  }
}

TEST(Golden, SignFlips) {
  for (const json& v : Vectors("sign_flip")) {
    const auto ours = SignFlipTest(v.at("d").get<Numbers>());
    EXPECT_TRUE(ours->exact);
    EXPECT_DOUBLE_EQ(ours->p, v.at("p").get<double>()) << v.dump();
  }
}

TEST(Golden, CrossOver) {
  for (const json& v : Vectors("cross_over")) {
    const auto ab = v.at("ab").get<Numbers>(), ba = v.at("ba").get<Numbers>();
    const auto totals_ab = v.at("totals_ab").get<Numbers>();
    const auto totals_ba = v.at("totals_ba").get<Numbers>();
    const auto ours = AnalyzeCrossOver(ab, ba, totals_ab, totals_ba, v.at("level"));
    ExpectEstimate(ours->treatment, v.at("treatment"));
    ExpectEstimate(ours->period, v.at("period"));
    ExpectEstimate(*ours->carry_over, v.at("carry_over"));
  }
}

TEST(Golden, TwoOneSidedTests) {
  int equivalent = 0;
  for (const json& v : Vectors("tost")) {
    const auto mean = EstimateMean(v.at("d").get<Numbers>(), 1 - 2 * v.at("alpha").get<double>());
    const Tost ours = TestEquivalence(*mean->interval, v.at("margin"));
    EXPECT_EQ(ours.equivalent, v.at("equivalent").get<bool>()) << v.dump();
    EXPECT_EQ(ours.non_inferior, v.at("non_inferior").get<bool>()) << v.dump();
    equivalent += ours.equivalent ? 1 : 0;
  }
  EXPECT_GT(equivalent, 0);
  EXPECT_LT(equivalent, static_cast<int>(Vectors("tost").size()));
}

TEST(Golden, Holm) {
  for (const json& v : Vectors("holm")) {
    const std::vector<double> ours = HolmAdjust(v.at("p").get<Numbers>());
    const auto golden = v.at("adjusted").get<Numbers>();
    ASSERT_EQ(ours.size(), golden.size());
    for (std::size_t i = 0; i < ours.size(); ++i) ExpectClose(ours[i], golden[i], kClose, v);
  }
}

TEST(Golden, DetectableEffectAndPower) {
  for (const json& v : Vectors("detectable")) {
    ExpectClose(MinDetectableEffect(1, v.at("n"), v.at("alpha"), v.at("power")), v.at("effect"),
                kIntegral, v);
  }
  for (const json& v : Vectors("powers")) {
    ExpectClose(PairedTPower(v.at("effect"), v.at("sd"), v.at("n"), v.at("alpha")), v.at("power"),
                kIntegral, v);
  }
  for (const json& v : Vectors("equivalence_powers")) {
    ExpectClose(
        EquivalencePower(v.at("margin"), v.at("sd"), v.at("n"), v.at("alpha"), v.at("truth")),
        v.at("power"), kIntegral, v);
  }
}

TEST(Golden, IntervalOfASpread) {
  for (const json& v : Vectors("spread")) {
    const Interval ours = SdInterval(v.at("sd"), v.at("n"), v.at("level"));
    ExpectClose(ours.low, v.at("low"), kClose, v);
    ExpectClose(ours.high, v.at("high"), kClose, v);
  }
}

TEST(Golden, MonotoneFitAndCrossing) {
  for (const json& v : Vectors("isotonic")) {
    const auto ours = FitIsotonic(v.at("y").get<Numbers>(), v.at("weights").get<Numbers>());
    ASSERT_TRUE(ours) << ours.reason();
    const auto golden = v.at("fit").get<Numbers>();
    ASSERT_EQ(ours->size(), golden.size());
    for (std::size_t i = 0; i < golden.size(); ++i) ExpectClose((*ours)[i], golden[i], kClose, v);
  }
  for (const json& v : Vectors("crossings")) {
    const auto concurrency = v.at("concurrency").get<Numbers>();
    const auto value = v.at("value").get<Numbers>();
    std::vector<CurvePoint> curve;
    for (std::size_t i = 0; i < value.size(); ++i)
      curve.push_back({.concurrency = concurrency[i], .value = value[i]});
    const auto ours = CrossSlo(curve, v.at("slo"));
    ASSERT_TRUE(ours && ours->estimate.within());
    ExpectClose(ours->estimate.concurrency, v.at("crossing"), kClose, v);
  }
}

TEST(Golden, ScalabilityLaw) {
  for (const json& v : Vectors("usl")) {
    const auto concurrency = v.at("concurrency").get<Numbers>();
    const auto throughput = v.at("throughput").get<Numbers>();
    std::vector<LoadPoint> load;
    for (std::size_t i = 0; i < concurrency.size(); ++i)
      load.push_back({concurrency[i], throughput[i]});
    const auto ours = FitUsl(load);
    ASSERT_TRUE(ours) << ours.reason();
    const UslParameter* parameters[] = {&ours->lambda, &ours->sigma, &ours->kappa};
    for (std::size_t i = 0; i < 3; ++i) {
      const double golden = v.at("parameters").at(i);
      EXPECT_NEAR(parameters[i]->value / golden, 1, kFit) << v.dump();
      ASSERT_TRUE(parameters[i]->interval.has_value());
      EXPECT_NEAR(parameters[i]->interval->HalfWidth() / v.at("half_width").at(i).get<double>(), 1,
                  1e-4)  // MINPACK's Jacobian is a difference quotient
          << v.dump();
    }
    ExpectClose(ours->r_squared, v.at("r_squared"), kClose, v);
    ASSERT_TRUE(ours->peak) << ours->peak.reason();
    EXPECT_NEAR(ours->peak->concurrency / v.at("peak").get<double>(), 1, kFit);
  }
}

}  // namespace
}  // namespace kvtier
