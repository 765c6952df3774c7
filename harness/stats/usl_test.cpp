#include "harness/stats/usl.hpp"

#include <cmath>
#include <limits>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/core/rng.hpp"

// The golden vectors were computed outside the project's code, in Python's 60-digit decimals: a
// pattern search, then Newton steps on (sigma, kappa) with lambda solved for, errors from numeric
// derivatives of the model.

namespace kvtier {
namespace {

using ::testing::HasSubstr;

const std::vector<double> kUslGrid{1, 2, 4, 8, 16, 32, 64};
constexpr double kT4 = 2.7764451;  // Student's t, 97.5 %, 4 degrees of freedom, of the tables
constexpr double kT5 = 2.5705818;

std::vector<LoadPoint> Load(const std::vector<double>& x, const std::vector<double>& n = kUslGrid) {
  std::vector<LoadPoint> load;
  for (std::size_t i = 0; i < x.size(); ++i) load.push_back({n[i], x[i]});
  return load;
}

std::vector<LoadPoint> Exact(double lambda, double sigma, double kappa,
                             const std::vector<double>& n = kUslGrid) {
  std::vector<LoadPoint> load;
  for (const double c : n)
    load.push_back({c, lambda * c / (1 + sigma * (c - 1) + kappa * c * (c - 1))});
  return load;
}

TEST(Usl, HandComputed) {
  // sqrt(0.9 / 0.001) = 30; X(30) = 300 / (1 + 2.9 + 0.87).
  const auto fit = FitUsl(Exact(10, 0.1, 0.001));
  ASSERT_TRUE(fit) << fit.reason();
  EXPECT_NEAR(fit->lambda.value, 10, 1e-8);
  EXPECT_NEAR(fit->sigma.value, 0.1, 1e-9);
  EXPECT_NEAR(fit->kappa.value, 0.001, 1e-11);
  EXPECT_NEAR(fit->r_squared, 1, 1e-12);
  ASSERT_TRUE(fit->peak) << fit->peak.reason();
  EXPECT_NEAR(fit->peak->concurrency, 30, 1e-6);
  EXPECT_NEAR(fit->peak->throughput, 300 / 4.77, 1e-6);
  EXPECT_FALSE(fit->peak->beyond_tested);
  EXPECT_NEAR(fit->Throughput(1), 10, 1e-8);
  EXPECT_TRUE(FitUsl(Exact(10, 0.1, 0.001, {1, 2, 4, 8, 16}))->peak->beyond_tested);
}

TEST(Usl, GoldenVectorOfTheSdetBenchmark) {
  // Throughput of a SPEC SDM91 run from Gunther's book, the usual example of the law.
  const auto fit = FitUsl(
      Load({64.9, 995.9, 1652.4, 1853.2, 1828.9, 1775.0, 1702.2}, {1, 18, 36, 72, 108, 144, 216}));
  ASSERT_TRUE(fit) << fit.reason();
  EXPECT_NEAR(fit->lambda.value, 89.9952331043, 1e-6);
  EXPECT_NEAR(fit->sigma.value, 0.0277284756186, 1e-9);
  EXPECT_NEAR(fit->kappa.value, 0.000104365483844, 1e-12);
  EXPECT_NEAR(fit->r_squared, 0.989561478053, 1e-10);
  EXPECT_NEAR(fit->lambda.interval->HalfWidth(), kT4 * 14.21348942, 1e-5);
  EXPECT_NEAR(fit->sigma.interval->HalfWidth(), kT4 * 0.009121731808, 1e-8);
  EXPECT_NEAR(fit->kappa.interval->HalfWidth(), kT4 * 1.987527091e-05, 1e-11);
  EXPECT_NEAR(fit->peak->concurrency, 96.5195609666, 1e-6);
  EXPECT_NEAR(fit->peak->throughput, 1883.89899601, 1e-6);
  EXPECT_NEAR(std::log(fit->peak->interval.high / fit->peak->concurrency), kT4 * 0.09312052784,
              1e-7);
}

TEST(Usl, GoldenVectorsInsideAndAtEitherBound) {
  const auto inside = FitUsl(Load({12.44, 24.23, 43.88, 73.76, 103.96, 116.11, 97.84}));
  EXPECT_NEAR(inside->lambda.value, 12.6506694868, 1e-8);
  EXPECT_NEAR(inside->sigma.value, 0.0452606699103, 1e-10);
  EXPECT_NEAR(inside->kappa.value, 0.00109630490982, 1e-12);
  EXPECT_NEAR(inside->peak->concurrency, 29.510510827, 1e-6);
  EXPECT_NEAR(inside->r_squared, 0.999972774432, 1e-10);
  // Free, kappa would be -0.000157: it is held at 0.
  const auto no_turn = FitUsl(Load({12.61, 22.19, 34.65, 49.17, 61.77, 68.44, 77.86}));
  EXPECT_NEAR(no_turn->lambda.value, 12.6288412791, 1e-8);
  EXPECT_NEAR(no_turn->sigma.value, 0.152316134047, 1e-10);
  EXPECT_NEAR(no_turn->sigma.interval->HalfWidth(), kT5 * 0.006582161087, 1e-8);
  EXPECT_DOUBLE_EQ(no_turn->kappa.value, 0);
  EXPECT_FALSE(no_turn->kappa.interval.has_value());
  EXPECT_THAT(no_turn->peak.reason(), HasSubstr("kappa is 0"));
  // Free, sigma would be -0.0001.
  const auto no_queue = FitUsl(Load({10.10, 20.17, 38.28, 73.90, 131.84, 176.74, 152.38}));
  EXPECT_NEAR(no_queue->lambda.value, 9.71879981477, 1e-8);
  EXPECT_DOUBLE_EQ(no_queue->sigma.value, 0);
  EXPECT_NEAR(no_queue->kappa.value, 0.000764515362285, 1e-12);
  EXPECT_NEAR(no_queue->peak->concurrency, std::sqrt(1 / 0.000764515362285), 1e-6);
  EXPECT_NEAR(std::log(no_queue->peak->interval.high / no_queue->peak->concurrency),
              kT5 * 0.5 * 5.82192487e-06 / 0.000764515362285, 1e-8);
}

TEST(Usl, LinearScalingHasNoPeak) {
  const auto fit = FitUsl(Load({10, 20, 40, 80, 160}));
  ASSERT_TRUE(fit) << fit.reason();
  EXPECT_NEAR(fit->lambda.value, 10, 1e-9);
  EXPECT_NEAR(fit->sigma.value, 0, 1e-9);
  EXPECT_NEAR(fit->kappa.value, 0, 1e-9);
  EXPECT_THAT(fit->peak.reason(), HasSubstr("no peak"));
}

TEST(Usl, APeakFarBeyondTheSweepIsNotANumber) {
  const auto fit = FitUsl(Exact(10, 0, 0.00001));  // turns at 316, tested up to 64
  ASSERT_TRUE(fit) << fit.reason();
  EXPECT_THAT(fit->peak.reason(), HasSubstr("lies at 316"));
}

TEST(Usl, ThroughputThatOnlyFallsHasNoPeak) {
  const auto fit = FitUsl(Exact(10, 0.5, 0.6));
  ASSERT_TRUE(fit) << fit.reason();
  EXPECT_NEAR(fit->kappa.value, 0.6, 1e-8);
  EXPECT_THAT(fit->peak.reason(), HasSubstr("falls from concurrency 1"));
}

TEST(Usl, Refusals) {
  EXPECT_THAT(FitUsl(Load({10, 19, 30})).reason(), HasSubstr("at least 4"));
  // Repeats are no new concurrencies.
  EXPECT_THAT(FitUsl(Load({10, 11, 19, 20, 30}, {1, 1, 2, 2, 4})).reason(),
              HasSubstr("3 distinct"));
  EXPECT_THAT(FitUsl(Load({10, 0, 30, 40})).reason(), HasSubstr("concurrency 2"));
  EXPECT_THAT(FitUsl(Load({10, std::numeric_limits<double>::infinity(), 30, 40})).reason(),
              HasSubstr("concurrency 2"));
  EXPECT_THAT(FitUsl(Load({1, 2, 3, 4}, {-1, 2, 3, 4})).reason(), HasSubstr("-1"));
  EXPECT_THAT(FitUsl(Load({50, 50, 50, 50})).reason(), HasSubstr("same at every"));
}

TEST(Usl, RefusesParametersThatTheSweepDoesNotTell) {
  // All far beyond saturation: lambda and sigma only matter as lambda / sigma.
  EXPECT_THAT(FitUsl(Load({100.3, 99.1, 100.6, 99.5, 100.2}, {200, 250, 300, 350, 400})).reason(),
              HasSubstr("not identified"));
  // Falls faster than 1 / N: the best lambda and kappa are at infinity.
  EXPECT_THAT(FitUsl(Load({100, 10, 1, 0.1}, {2, 4, 8, 16})).reason(),
              HasSubstr("does not converge"));
  // Four points with much noise.
  EXPECT_THAT(FitUsl(Load({10, 16, 26, 28})).reason(), HasSubstr("not identified"));
  // The best fit turns at 39, but one without a turn is as good.
  const auto fit = FitUsl(Load({10.2, 17.9, 34.8, 50, 78, 90}, {1, 2, 4, 8, 16, 32}));
  ASSERT_TRUE(fit) << fit.reason();
  EXPECT_THAT(fit->peak.reason(), HasSubstr("reaches 0"));
}

TEST(Usl, RecoversWhatMadeTheCurveWhateverUnitAndOrder) {
  Rng rng = Rng::Stream(1, "usl");
  for (int round = 0; round < 300; ++round) {
    const double lambda = std::exp(10 * rng.Uniform() - 5);
    const double sigma = 0.9 * rng.Uniform();
    const double kappa = std::exp(-9 + 6 * rng.Uniform());
    std::vector<LoadPoint> load = Exact(lambda, sigma, kappa);
    const auto fit = FitUsl(load);
    ASSERT_TRUE(fit) << lambda << ' ' << sigma << ' ' << kappa << ' ' << fit.reason();
    EXPECT_NEAR(fit->lambda.value / lambda, 1, 1e-6);
    EXPECT_NEAR(fit->sigma.value, sigma, 1e-6);
    EXPECT_NEAR(fit->kappa.value / kappa, 1, 1e-4);
    rng.Shuffle(load);
    for (LoadPoint& point : load) point.throughput *= 4096;
    const auto turned = FitUsl(load);
    EXPECT_DOUBLE_EQ(turned->lambda.value, 4096 * fit->lambda.value);
    EXPECT_EQ(turned->sigma.value, fit->sigma.value);
    EXPECT_EQ(turned->kappa.value, fit->kappa.value);
  }
}

TEST(Usl, IntervalsCoverAsStated) {
  Rng rng = Rng::Stream(2, "usl coverage");
  constexpr int kSeeds = 1000;
  int kappa = 0;
  int peak = 0;
  for (int s = 0; s < kSeeds; ++s) {
    std::vector<LoadPoint> load = Exact(10, 0.1, 0.001);
    for (LoadPoint& point : load) point.throughput += 0.5 * rng.Normal();
    const auto fit = FitUsl(load);
    ASSERT_TRUE(fit) << fit.reason();
    kappa += fit->kappa.interval->Contains(0.001) ? 1 : 0;
    peak += fit->peak->interval.Contains(30) ? 1 : 0;
  }
  EXPECT_NEAR(kappa, kSeeds * 0.95, kSeeds * 0.025);
  EXPECT_NEAR(peak, kSeeds * 0.95, kSeeds * 0.025);
}

}  // namespace
}  // namespace kvtier
