#include "harness/stats/knee.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/core/rng.hpp"
#include "harness/stats/isotonic.hpp"
#include "harness/stats/summary.hpp"

// The golden vectors were computed outside the project's code, in Python's exact fractions: the
// isotonic fit by the min-max formula, Kneedle with a difference curve for each shape in place of
// turning it.

namespace kvtier {
namespace {

using ::testing::DoubleEq;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
const std::vector<double> kGrid{1, 2, 4, 8, 16, 32, 64};

std::vector<CurvePoint> Curve(const std::vector<double>& y, const std::vector<double>& x = kGrid) {
  std::vector<CurvePoint> curve;
  for (std::size_t i = 0; i < y.size(); ++i) curve.push_back({.concurrency = x[i], .value = y[i]});
  return curve;
}

std::vector<CurvePoint> WithIntervals(std::vector<CurvePoint> curve, double half_width) {
  for (CurvePoint& point : curve)
    point.interval = Interval{point.value - half_width, point.value + half_width};
  return curve;
}

// ---- isotonic fit

TEST(Isotonic, HandComputed) {
  // 3 > 2 pools to 2.5; then 6 > 1 with weights 1 and 4 pools to 2, below 2.5: all four pool.
  EXPECT_THAT(*FitIsotonic(std::vector<double>{1, 3, 2, 4}),
              ElementsAre(DoubleEq(1), DoubleEq(2.5), DoubleEq(2.5), DoubleEq(4)));
  EXPECT_THAT(
      *FitIsotonic(std::vector<double>{3, 2, 6, 1}, std::vector<double>{1, 1, 1, 4}),
      ElementsAre(DoubleEq(15.0 / 7), DoubleEq(15.0 / 7), DoubleEq(15.0 / 7), DoubleEq(15.0 / 7)));
  EXPECT_THAT(*FitIsotonic(std::vector<double>{7}), ElementsAre(7));
}

TEST(Isotonic, GoldenVector) {
  const std::vector<double> y{12.5, 11, 14.25, 13, 13.5, 12.75, 40, 38, 39.5, 90, 61, 200};
  const std::vector<double> w{1, 3, 2, 5, 1, 4, 2, 2, 7, 1, 6, 2};
  const std::vector<double> golden{91.0 / 8, 91.0 / 8, 79.0 / 6, 79.0 / 6,  79.0 / 6,  79.0 / 6,
                                   39,       39,       39.5,     456.0 / 7, 456.0 / 7, 200};
  const auto fit = FitIsotonic(y, w);
  ASSERT_EQ(fit->size(), golden.size());
  for (std::size_t i = 0; i < golden.size(); ++i) EXPECT_NEAR((*fit)[i], golden[i], 1e-12) << i;
}

TEST(Isotonic, RefusesWhatIsNoCurve) {
  EXPECT_THAT(FitIsotonic({}).reason(), HasSubstr("no values"));
  EXPECT_THAT(FitIsotonic(std::vector<double>{1, kNan}).reason(), HasSubstr("not a number"));
  const std::vector<double> two{1, 2};
  EXPECT_THAT(FitIsotonic(two, std::vector<double>{1}).reason(), HasSubstr("1 weights"));
  EXPECT_THAT(FitIsotonic(two, std::vector<double>{1, 0}).reason(), HasSubstr("above 0"));
}

TEST(Isotonic, IsMonotoneIdempotentKeepsTheMeanAndTheOrderOfCurves) {
  Rng rng = Rng::Stream(1, "isotonic");
  for (int round = 0; round < 500; ++round) {
    const std::size_t n = 1 + rng.Below(12);
    std::vector<double> y, w, above;
    double mean = 0;
    for (std::size_t i = 0; i < n; ++i) {
      y.push_back(rng.Normal());
      w.push_back(1 + static_cast<double>(rng.Below(5)));
      above.push_back(y.back() + rng.Uniform());
      mean += y.back() * w.back();
    }
    const std::vector<double> fit = *FitIsotonic(y, w);
    EXPECT_TRUE(std::is_sorted(fit.begin(), fit.end()));
    EXPECT_EQ(*FitIsotonic(fit, w), fit);
    for (std::size_t i = 0; i < n; ++i) mean -= fit[i] * w[i];
    EXPECT_NEAR(mean, 0, 1e-12);
    const std::vector<double> upper = *FitIsotonic(above, w);
    for (std::size_t i = 0; i < n; ++i) EXPECT_LE(fit[i], upper[i] + 1e-12);
  }
}

// ---- SLO crossing

TEST(SloCrossing, HandComputed) {
  // Linear between 8 (120) and 16 (200): 150 is reached at 8 + 8 * 30/80.
  const auto c = CrossSlo(Curve({100, 100, 105, 120, 200, 400, 800}), 150);
  ASSERT_TRUE(c) << c.reason();
  EXPECT_TRUE(c->estimate.within());
  EXPECT_DOUBLE_EQ(c->estimate.concurrency, 11);
  EXPECT_DOUBLE_EQ(c->bracket->low, 8);
  EXPECT_DOUBLE_EQ(c->bracket->high, 16);
  EXPECT_EQ(CrossingText(c->estimate), "11");
  EXPECT_THAT(c->interval.reason(), HasSubstr("concurrency 1"));
  // A dip is pooled: 140 and 120 are 130 at 4 and at 8, then 130 -> 200 from 8 to 16.
  EXPECT_DOUBLE_EQ(CrossSlo(Curve({100, 100, 140, 120, 200}), 137)->estimate.concurrency, 8.8);
  // Met where the fit equals it, up to the last such place.
  EXPECT_DOUBLE_EQ(CrossSlo(Curve({100, 100, 100, 200}), 100)->estimate.concurrency, 4);
}

TEST(SloCrossing, OutsideTheSweepIsAResultAndNotANumber) {
  const std::vector<CurvePoint> curve = Curve({100, 110, 120, 150});
  const auto above = CrossSlo(curve, 150);
  EXPECT_EQ(above->estimate.where, Crossing::Where::kAboveLargest);
  EXPECT_FALSE(above->bracket.has_value());
  EXPECT_EQ(CrossingText(above->estimate), "8 or above (the largest tested)");
  const auto below = CrossSlo(curve, 99);
  EXPECT_EQ(below->estimate.where, Crossing::Where::kBelowSmallest);
  EXPECT_EQ(CrossingText(below->estimate), "below 1 (the smallest tested)");
  EXPECT_LT(below->estimate, CrossSlo(curve, 100)->estimate);
  EXPECT_LT((Crossing{Crossing::Where::kWithin, 8}), above->estimate);
}

TEST(SloCrossing, IntervalFromThePointsEndsWhereTheirEndsCross) {
  // Upper ends 120 120 125 140 220: 8 + 8 * 10/80. Lower ends 80 80 85 100 180 380: 8 + 8 * 50/80.
  const auto c = CrossSlo(WithIntervals(Curve({100, 100, 105, 120, 200, 400, 800}), 20), 150, 0.9);
  ASSERT_TRUE(c->interval) << c->interval.reason();
  EXPECT_DOUBLE_EQ(c->interval->low.concurrency, 9);
  EXPECT_DOUBLE_EQ(c->interval->high.concurrency, 13);
  EXPECT_DOUBLE_EQ(c->interval->level, 0.9);
  EXPECT_EQ(c->interval->draws, 0u);
  const auto wide = CrossSlo(WithIntervals(Curve({100, 110, 120, 150}), 60), 130);
  EXPECT_EQ(wide->interval->low.where, Crossing::Where::kBelowSmallest);
  EXPECT_EQ(wide->interval->high.where, Crossing::Where::kAboveLargest);
  auto odd = WithIntervals(Curve({100, 110, 120, 150}), 5);
  odd[2].interval = Interval{121, 130};
  EXPECT_THAT(CrossSlo(odd, 130)->interval.reason(), HasSubstr("does not hold"));
}

TEST(SloCrossing, Refusals) {
  EXPECT_THAT(CrossSlo(Curve({100, 200}), 150).reason(), HasSubstr("at least 3"));
  EXPECT_THAT(CrossSlo(Curve({1, 2, kNan, 4}), 3).reason(), HasSubstr("concurrency 4"));
  EXPECT_THAT(CrossSlo(Curve({1, 2, 3}, {1, 2, 2}), 3).reason(), HasSubstr("comes twice"));
  EXPECT_THAT(CrossSlo(Curve({1, 2, 3}, {0, 2, 3}), 3).reason(), HasSubstr("not above 0"));
  EXPECT_THAT(CrossSlo(Curve({1, 2, 3}), kNan).reason(), HasSubstr("SLO"));
  const auto few =
      BootstrapSloCrossing(std::vector<RepeatedPoint>{{1, {1, 1}}, {2, {2, 2}}, {4, {5, 5}}}, 3, 1);
  EXPECT_TRUE(few->estimate.within());
  EXPECT_THAT(few->interval.reason(), HasSubstr("needs 5"));
  EXPECT_THAT(BootstrapSloCrossing(std::vector<RepeatedPoint>{{1, {}}}, 3, 1).reason(),
              HasSubstr("no run"));
}

TEST(SloCrossing, FollowsTheUnitsAndNotTheOrder) {
  Rng rng = Rng::Stream(2, "crossing");
  for (int round = 0; round < 300; ++round) {
    std::vector<CurvePoint> curve = Curve({90, 95, 100, 120, 200, 380, 800});
    for (CurvePoint& point : curve) point.value *= std::exp(0.2 * rng.Normal());
    curve = WithIntervals(curve, 15);
    const auto c = CrossSlo(curve, 160);
    EXPECT_LE(c->interval->low, c->estimate);
    EXPECT_LE(c->estimate, c->interval->high);
    EXPECT_LE(c->estimate, CrossSlo(curve, 170)->estimate);  // a looser SLO is never met by less
    auto turned = curve;
    rng.Shuffle(turned);
    EXPECT_EQ(CrossSlo(turned, 160)->estimate, c->estimate);
    for (CurvePoint& point : turned) {
      point.value *= 1024;  // powers of two: exact
      point.concurrency *= 4;
    }
    EXPECT_EQ(CrossSlo(turned, 160 * 1024)->estimate.concurrency, 4 * c->estimate.concurrency);
  }
}

std::vector<RepeatedPoint> Repeats(Rng& rng, std::size_t runs, double cv) {
  std::vector<RepeatedPoint> points;
  for (const double c : kGrid) {
    points.push_back({c, {}});
    for (std::size_t run = 0; run < runs; ++run) {
      const double truth = c <= 16 ? 100 + c : 116 + 8 * (c - 16);
      points.back().values.push_back(truth * std::exp(cv * rng.Normal() - cv * cv / 2));
    }
  }
  return points;
}

TEST(SloCrossing, BootstrapIsSeededAndBlindToTheOrderOfRuns) {
  Rng rng(5);
  std::vector<RepeatedPoint> points = Repeats(rng, 6, 0.1);
  const auto a = BootstrapSloCrossing(points, 150, 7, 0.95, 2000);
  ASSERT_TRUE(a->interval) << a->interval.reason();
  EXPECT_EQ(a->interval->seed, 7u);
  EXPECT_EQ(a->interval->draws, 2000u);
  rng.Shuffle(points);
  for (RepeatedPoint& point : points) rng.Shuffle(point.values);
  const auto b = BootstrapSloCrossing(points, 150, 7, 0.95, 2000);
  EXPECT_EQ(a->interval->low, b->interval->low);
  EXPECT_EQ(a->interval->high, b->interval->high);
  EXPECT_NE(a->interval->low, BootstrapSloCrossing(points, 150, 8, 0.95, 2000)->interval->low);
  // Nothing to draw from: the interval is the estimate.
  for (RepeatedPoint& point : points) point.values.assign(6, point.values[0]);
  const auto certain = BootstrapSloCrossing(points, 150, 7, 0.95, 2000);
  EXPECT_NEAR(certain->interval->low.concurrency, certain->estimate.concurrency, 1e-9);
  EXPECT_NEAR(certain->interval->high.concurrency, certain->estimate.concurrency, 1e-9);
}

TEST(SloCrossing, IntervalsCoverAsStated) {
  const Crossing truth{Crossing::Where::kWithin, 16 + 34.0 / 8};  // the curve of Repeats at 150
  const auto holds = [&](const CrossingInterval& i) { return i.low <= truth && truth <= i.high; };
  Rng rng = Rng::Stream(3, "coverage");
  constexpr int kSeeds = 400;
  int boot = 0;
  int points = 0;
  for (int s = 0; s < kSeeds; ++s) {
    const std::vector<RepeatedPoint> runs = Repeats(rng, 6, 0.1);
    std::vector<CurvePoint> curve;
    for (const RepeatedPoint& p : runs) {
      const auto mean = EstimateMean(p.values);
      curve.push_back({.concurrency = p.concurrency, .value = mean->mean, .weight = 6});
      curve.back().interval = mean->interval;
    }
    const auto seed = static_cast<std::uint64_t>(s);
    boot += holds(*BootstrapSloCrossing(runs, 150, seed, 0.95, 2000)->interval) ? 1 : 0;
    points += holds(*CrossSlo(curve, 150)->interval) ? 1 : 0;
  }
  EXPECT_GE(boot, kSeeds * 92 / 100);
  EXPECT_LE(boot, kSeeds * 985 / 1000);
  EXPECT_GE(points, kSeeds * 95 / 100);
}

// ---- Kneedle

TEST(Kneedle, GoldenVectorsOfAllShapes) {
  struct Row {
    std::vector<double> y;
    CurveShape shape;
    double knee, distance;
  };
  const std::vector<Row> table{
      {{12.4, 24.1, 43.9, 73.8, 104, 116, 118}, CurveShape::kConcaveIncreasing, 16, 1163.0 / 1848},
      {{40, 70, 90, 97, 99, 98, 100}, CurveShape::kConcaveIncreasing, 8, 151.0 / 180},
      {{100, 101, 103, 108, 120, 190, 700}, CurveShape::kConvexIncreasing, 32, 431.0 / 1260},
      {{100, 99, 98, 97, 94, 80, 20}, CurveShape::kConcaveDecreasing, 32, 61.0 / 252},
      {{50, 30, 19, 12, 9, 8, 7}, CurveShape::kConvexDecreasing, 8, 299.0 / 387}};
  for (const Row& row : table) {
    const auto knee = FindKnee(Curve(row.y), row.shape);
    ASSERT_TRUE(knee) << row.knee << ": " << knee.reason();
    EXPECT_DOUBLE_EQ(knee->concurrency, row.knee);
    EXPECT_NEAR(knee->distance, row.distance, 1e-12);
  }
}

TEST(Kneedle, PaperFigureTwoAndASquareRoot) {
  // The paper's example -1/(x + 0.1) + 5 over 10 points of 0..1 has its knee at x = 0.22, here on
  // an axis of 1..10. Of a square root it is where the slope is 1: a quarter of the way.
  std::vector<double> x, y;
  for (int i = 0; i < 10; ++i) {
    x.push_back(i + 1);
    y.push_back(-1 / (i / 9.0 + 0.1) + 5);
  }
  EXPECT_DOUBLE_EQ(FindKnee(Curve(y, x), CurveShape::kConcaveIncreasing)->concurrency, 3);
  const auto root = FindKnee(Curve({0, 1, 2, 3, 4, 5, 6}, {1, 2, 5, 10, 17, 26, 37}),
                             CurveShape::kConcaveIncreasing);
  EXPECT_DOUBLE_EQ(root->concurrency, 10);
  EXPECT_DOUBLE_EQ(root->distance, 0.25);
}

TEST(Kneedle, FirstOfTwoSteps) {
  const auto knee = FindKnee(Curve({0, 30, 32, 34, 36, 38, 40, 70, 90, 96, 98, 100},
                                   {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}),
                             CurveShape::kConcaveIncreasing);
  EXPECT_DOUBLE_EQ(knee->concurrency, 2);
}

TEST(Kneedle, TiesInExactArithmeticAreTiesAfterRounding) {
  // Golden: the points at 123 and 147 stand out equally, the walk comes from the far end.
  const auto tie = FindKnee(Curve({1000, 1000, 999, 997, 976, 982, 954, 800, 685, 585, 404, 37, 0},
                                  {12, 13, 15, 17, 20, 29, 43, 94, 123, 147, 182, 246, 252}),
                            CurveShape::kConcaveDecreasing);
  ASSERT_TRUE(tie) << tie.reason();
  EXPECT_DOUBLE_EQ(tie->concurrency, 147);
  EXPECT_NEAR(tie->distance, 59.0 / 400, 1e-12);
  // Golden: a fall that reaches the threshold and does not go below it.
  const auto none = FindKnee(Curve({1000, 917, 681, 556, 470, 461, 419, 299, 304, 284, 9, 0},
                                   {28, 42, 85, 109, 129, 130, 149, 160, 165, 170, 267, 278}),
                             CurveShape::kConvexDecreasing);
  EXPECT_THAT(none.reason(), HasSubstr("no knee"));
}

TEST(Kneedle, Refusals) {
  const auto refusal = [](const std::vector<CurvePoint>& curve, CurveShape shape) {
    return FindKnee(curve, shape).reason();
  };
  const auto throughput = CurveShape::kConcaveIncreasing;
  EXPECT_THAT(refusal(Curve({10, 20, 40, 80, 80}), throughput), HasSubstr("at least 6"));
  EXPECT_THAT(refusal(Curve({5, 5, 5, 5, 5, 5, 5}), throughput), HasSubstr("plateau"));
  EXPECT_THAT(refusal(Curve({1, 2, 4, 8, 16, 32, 64}), throughput), HasSubstr("no knee"));
  EXPECT_THAT(refusal(Curve({100, 100, 100, 100, 200, 400, 800}), CurveShape::kConvexIncreasing),
              HasSubstr("no knee"));  // the hinge at 1/9 of the axis is nearer than 1/6
  // Falls from 100 to 80 of a range of 90: 22 % against 17 %.
  EXPECT_THAT(refusal(Curve({10, 20, 40, 80, 100, 80, 96}), throughput),
              HasSubstr("turns back by 22 % of its range from concurrency 16 to 32"));
  // It climbs steadily, but one constant explains it as well.
  const auto climb = Curve({98, 99, 99.5, 100, 100.5, 101, 101.2});
  EXPECT_TRUE(FindKnee(climb, throughput));
  EXPECT_THAT(refusal(WithIntervals(climb, 2), throughput), HasSubstr("one constant"));
  EXPECT_TRUE(FindKnee(WithIntervals(climb, 1), throughput));
}

TEST(Kneedle, NoiseOnAPlateauIsSeldomAKnee) {
  Rng rng = Rng::Stream(4, "plateau");
  int knees = 0;
  constexpr int kSeeds = 2000;
  for (int s = 0; s < kSeeds; ++s) {
    std::vector<double> y;
    for (std::size_t i = 0; i < kGrid.size(); ++i) y.push_back(100 + rng.Normal());
    knees += FindKnee(Curve(y), CurveShape::kConcaveIncreasing) ? 1 : 0;
  }
  EXPECT_LE(knees, kSeeds / 100);
}

TEST(Kneedle, KneesAreInvariantUnderTheUnitsOfBothAxes) {
  const std::vector<double> y{12.4, 24.1, 43.9, 73.8, 104, 116, 118};
  std::vector<CurvePoint> curve = Curve(y);
  for (CurvePoint& point : curve) {
    point.concurrency = 3 * point.concurrency + 5;
    point.value = 0.01 * point.value - 40;
  }
  std::reverse(curve.begin(), curve.end());
  const auto knee = FindKnee(curve, CurveShape::kConcaveIncreasing);
  EXPECT_DOUBLE_EQ(knee->concurrency, 3 * 16 + 5);
  EXPECT_NEAR(knee->distance, 1163.0 / 1848, 1e-9);
}

// ---- degradation

TEST(Degradation, FirstPointThatIsWorseThanTheBestOfLowerOnes) {
  const auto d = FindDegradation(Curve({110, 100, 108, 114, 115, 300}), 0.15);
  ASSERT_TRUE(d->step.has_value());
  EXPECT_DOUBLE_EQ(d->step->concurrency, 16);  // 115 reaches 1.15 * 100, 114 does not
  EXPECT_DOUBLE_EQ(d->step->best, 100);
  EXPECT_DOUBLE_EQ(d->step->best_at, 2);
  // 1.1 * 100 is above 110 in doubles.
  EXPECT_DOUBLE_EQ(FindDegradation(Curve({100, 110}), 0.1)->step->concurrency, 2);
}

TEST(Degradation, NoneIsAResultAndRefusalsAreNot) {
  const auto none = FindDegradation(Curve({100, 90, 95, 101}), 0.15);
  ASSERT_TRUE(none);
  EXPECT_FALSE(none->step.has_value());
  EXPECT_DOUBLE_EQ(none->largest_tested, 8);
  EXPECT_THAT(FindDegradation(Curve({100}), 0.15).reason(), HasSubstr("at least 2"));
  EXPECT_THAT(FindDegradation(Curve({100, 0}), 0.15).reason(), HasSubstr("concurrency 2"));
  EXPECT_THAT(FindDegradation(Curve({100, 200}), 0).reason(), HasSubstr("ratio"));
}

}  // namespace
}  // namespace kvtier
