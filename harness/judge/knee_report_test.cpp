#include "harness/judge/knee_report.hpp"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "harness/judge/sweep_maker.hpp"

namespace kvtier {
namespace {

using nlohmann::json;
using test::BaselineRowJson;
using test::SweepJson;
using test::SweepPointJson;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::vector<int> kGrid{1, 2, 4, 8, 16, 32};

/// B2 over the grid, baseline 100 ms: the objective is 110 ms.
std::vector<json> Rows(const std::vector<double>& p95, double shift = 0) {
  std::vector<json> rows{BaselineRowJson(100)};
  for (std::size_t i = 0; i < p95.size(); ++i)
    rows.push_back(SweepPointJson("B2", kGrid[i], p95[i] + shift));
  return rows;
}
const std::vector<double> kBends{100, 101, 103, 107, 130, 260};

ModeKnees B2(const std::vector<json>& rows) {
  return FindKnees(SweepFrom(SweepJson(rows))).modes.at(1);
}

/// As many sweeps of the same points, each slower by `step` than the one before.
std::vector<json> Repeated(int sweeps, double step) {
  std::vector<json> rows;
  for (int i = 0; i < sweeps; ++i) {
    for (const json& row : Rows(kBends, (i - (sweeps - 1) / 2.0) * step)) rows.push_back(row);
  }
  return rows;
}

/// A sweep whose runs say their replay's rate: 10 N / (1 + 0.05 (N-1) + 0.002 N (N-1)).
Sweep WithThroughput(Sweep sweep) {
  for (SweepRow& row : sweep.rows) {
    const double n = row.concurrency;
    row.run = SweepRun{};
    row.run->replay_ok_per_s = 10 * n / (1 + 0.05 * (n - 1) + 0.002 * n * (n - 1));
  }
  return sweep;
}

TEST(KneeReport, CrossesWhereTheChordReachesTheObjective) {
  const ModeKnees m = B2(Rows(kBends));
  ASSERT_TRUE(m.crossing) << m.crossing.reason();
  EXPECT_NEAR(m.crossing->estimate.concurrency, 8 + 8 * 3.0 / 23, 1e-9);
  EXPECT_THAT(m.crossing->interval.reason(), HasSubstr("repeat the run")) << "measured once";
  ASSERT_TRUE(m.degradation && m.degradation->step);
  EXPECT_EQ(m.degradation->step->concurrency, 16);
  EXPECT_EQ(m.latency.size(), 6u) << "the preflight is no point of the curve";
}

TEST(KneeReport, TwoRunsAPointGiveStudentsInterval) {
  const ModeKnees m = B2(Repeated(2, 0.2));  // mean +- 0.1 * 12.7062: 1.27062
  ASSERT_TRUE(m.crossing->interval) << m.crossing->interval.reason();
  const CrossingInterval& i = *m.crossing->interval;
  EXPECT_EQ(i.draws, 0u);
  EXPECT_NEAR(i.low.concurrency, 8 + 8 * (3 - 1.270620) / 23, 1e-5);
  EXPECT_NEAR(i.high.concurrency, 8 + 8 * (3 + 1.270620) / 23, 1e-5);
  EXPECT_NEAR(m.crossing->estimate.concurrency, 8 + 8 * 3.0 / 23, 1e-9);
}

TEST(KneeReport, FiveRunsAPointAreBootstrapped) {
  const ModeKnees m = B2(Repeated(5, 0.5));
  ASSERT_TRUE(m.crossing->interval) << m.crossing->interval.reason();
  const CrossingInterval& i = *m.crossing->interval;
  EXPECT_EQ(i.draws, 10'000u);
  EXPECT_LT(i.low.concurrency, 8 + 8 * 3.0 / 23);
  EXPECT_GT(i.high.concurrency, 8 + 8 * 3.0 / 23);
  // The mean of five runs moves by a ms at most: no end lies farther than that.
  EXPECT_GE(i.low.concurrency, 8 + 8 * 2.0 / 23 - 1e-9);
  EXPECT_LE(i.high.concurrency, 8 + 8 * 4.0 / 23 + 1e-9);
  EXPECT_THAT(KneeText(FindKnees(SweepFrom(SweepJson(Repeated(5, 0.5))))),
              HasSubstr("10000 draws of a bootstrap over runs"));
}

TEST(KneeReport, ARunThatTwoSummariesListCountsOnce) {
  std::vector<json> rows = Rows(kBends);
  for (const json& row : Rows(kBends)) rows.push_back(row);
  for (const RepeatedPoint& p : B2(rows).latency) EXPECT_EQ(p.values.size(), 1u);
}

TEST(KneeReport, OnlyOkPointsMakeTheCurve) {
  std::vector<json> rows = Rows(kBends);
  rows.back()["status"] = "invalid_full";
  EXPECT_EQ(B2(rows).latency.size(), 5u);
  EXPECT_THAT(B2(rows).latency_knee.reason(), HasSubstr("at least 6"));
}

TEST(KneeReport, ComparesOneMetricOnly) {
  std::vector<json> rows = Rows(kBends);
  for (json& row : rows) row["replay_ttft_ms"] = {{"p95", 50.0}};
  EXPECT_EQ(FindKnees(SweepFrom(SweepJson(rows))).metric, "ttfc_p95_ms");
  rows.at(2).erase("replay_ttfc_ms");
  const KneeReport report = FindKnees(SweepFrom(SweepJson(rows)));
  EXPECT_EQ(report.metric, "ttft_p95_ms");
  EXPECT_THAT(report.modes.at(1).latency.at(0).values, ElementsAre(50));
  EXPECT_NEAR(*report.slo_p95_ms, 55, 1e-9) << "and the objective is of that metric";
}

TEST(KneeReport, ThroughputIsFittedAndLabelled) {
  const ModeKnees m = FindKnees(WithThroughput(SweepFrom(SweepJson(Rows(kBends))))).modes.at(1);
  ASSERT_TRUE(m.usl) << m.usl.reason();
  EXPECT_NEAR(m.usl->lambda.value, 10, 1e-6);
  EXPECT_NEAR(m.usl->sigma.value, 0.05, 1e-7);
  EXPECT_NEAR(m.usl->kappa.value, 0.002, 1e-8);
  ASSERT_TRUE(m.usl->peak) << m.usl->peak.reason();
  EXPECT_NEAR(m.usl->peak->concurrency, std::sqrt(0.95 / 0.002), 1e-4);
  ASSERT_TRUE(m.throughput_knee) << m.throughput_knee.reason();
}

TEST(KneeReport, EveryRefusalIsOneSentence) {
  const auto refuses = [](const std::string& reason, const char* what) {
    EXPECT_THAT(reason, HasSubstr(what));
    EXPECT_EQ(reason.find('\n'), std::string::npos) << reason;
  };
  const ModeKnees few = B2(Rows({100, 130}));
  refuses(few.crossing.reason(), "2 tested concurrencies, at least 3");
  refuses(few.latency_knee.reason(), "at least 6");
  refuses(few.usl.reason(), "requests a second");
  const ModeKnees none = FindKnees(SweepFrom(SweepJson(Rows(kBends)))).modes.at(0);
  refuses(none.crossing.reason(), "0 tested");
  refuses(none.degradation.reason(), "at least 2");
  const ModeKnees blind = B2({SweepPointJson("B2", 2, 100), SweepPointJson("B2", 4, 110)});
  refuses(blind.crossing.reason(), "neither a baseline run");
  const ModeKnees short_load =
      FindKnees(WithThroughput(SweepFrom(SweepJson(Rows({100, 101, 102}))))).modes.at(1);
  refuses(short_load.usl.reason(), "three parameters need at least 4");
}

TEST(KneeReport, JsonHoldsPointsAndReasons) {
  const Sweep sweep = WithThroughput(SweepFrom(SweepJson(Repeated(5, 0.5))));
  const json j = KneeJson(FindKnees(sweep), KneeTable(sweep), {"now", "ts", {"a", "b"}});
  const json& b2 = j.at("modes").at(1);
  EXPECT_EQ(b2.at("slo_crossing").at("interval").at("method"), "bootstrap");
  EXPECT_EQ(b2.at("slo_crossing").at("estimate").at("where"), "within");
  EXPECT_EQ(b2.at("latency_ms").at(0).at("values").size(), 5u);
  EXPECT_EQ(b2.at("usl").at("runs"), 30);
  EXPECT_TRUE(j.at("modes").at(0).at("slo_crossing").contains("unavailable"));
  EXPECT_EQ(j.at("table").size(), 12u);
}

}  // namespace
}  // namespace kvtier
