#include "harness/judge/recommend.hpp"

#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/judge/sweep_maker.hpp"

namespace kvtier {
namespace {

using nlohmann::json;
using test::BaselineRowJson;
using test::SweepJson;
using test::SweepPointJson;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;

Recommendation RecommendationOf(const std::vector<json>& rows, RecommendOptions options = {}) {
  return Recommend(SweepFrom(SweepJson(rows)), options);
}
SweepPoint Last(const std::vector<json>& rows, RecommendOptions options = {}) {
  return RecommendationOf(rows, std::move(options)).points.back();
}

/// Baseline 100 ms, so an SLO of 110; at 4 B1 takes 170 and B2 100.
std::vector<json> WorkedSweep() {
  return {BaselineRowJson(100), SweepPointJson("B1", 4, 170), SweepPointJson("B2", 4, 100)};
}

TEST(Recommend, ScoresTheWorkedVector) {
  for (const Ruleset ruleset : {Ruleset::kKvtier, Ruleset::kRunbook}) {
    RecommendOptions options{.slo_p95_ms = 110, .ruleset = ruleset};
    const SweepPoint p = Last(WorkedSweep(), options);
    EXPECT_NEAR(p.tail_gap_ratio, 0.411765, 5e-7);
    EXPECT_EQ(p.parts.slo_advantage, 0.4);
    EXPECT_EQ(p.parts.tail_gap, 0.3);
    EXPECT_EQ(p.parts.b2_rehydrate, 0.2);
    EXPECT_EQ(p.parts.headroom_safety, 0.045455);
    EXPECT_EQ(p.score, 0.945455);
    EXPECT_THAT(p.reasons, ElementsAre("MAX_STABLE_B1_B2_SEPARATION", "B2_REHYDRATE_SIGNAL_PRESENT",
                                       "ZERO_ERROR_RATE"));
  }
}

TEST(Recommend, DerivesTheSloOfItsOwnMetric) {
  const Recommendation ours = RecommendationOf(WorkedSweep());
  EXPECT_NEAR(*ours.slo_p95_ms, 110, 1e-9);
  EXPECT_EQ(ours.points.back().score, 0.945455);
  const Recommendation written = RecommendationOf(WorkedSweep(), {.ruleset = Ruleset::kRunbook});
  EXPECT_EQ(*written.slo_p95_ms, 1100) << "as written, that of the end-to-end latency";
  EXPECT_FALSE(written.points.back().b1_above_slo);
}

TEST(Recommend, RejectionsAreTheDocumentedOnes) {
  struct Case {
    const char* name;
    std::function<void(json& b1, json& b2)> plant;
    std::vector<std::string> codes;
  };
  const std::vector<Case> table{
      {"nothing", [](json&, json&) {}, {}},
      {"invalid status",
       [](json& b1, json&) { b1["status"] = "invalid_full"; },
       {"ROW_MARKED_INVALID"}},
      {"run_valid", [](json&, json& b2) { b2["run_valid"] = false; }, {"ROW_MARKED_INVALID"}},
      {"invalid", [](json&, json& b2) { b2["invalid"] = true; }, {"ROW_MARKED_INVALID"}},
      {"B1 on disk",
       [](json& b1, json&) { b1["b1_disk_tier_verified"] = false; },
       {"B1_DISK_TIER_NOT_DISABLED"}},
      {"no figure", [](json&, json& b2) { b2.erase("replay_ttfc_ms"); }, {"MISSING_METRIC_P95"}},
      {"no error rate",
       [](json& b1, json&) { b1["error_rate"] = nullptr; },
       {"MISSING_ERROR_RATE"}},
      {"errors", [](json&, json& b2) { b2["error_rate"] = 0.01; }, {"NON_ZERO_ERROR_RATE"}},
      {"no rehydration",
       [](json&, json& b2) {
         b2["mechanism"]["kvbm_onboard_blocks_d2d_delta_replay_plus_replay2"] = 0;
       },
       {"NO_B2_REHYDRATE_SIGNAL"}},
      {"no separation",
       [](json& b1, json&) { b1["replay_ttfc_ms"]["p95"] = 104; },
       {"NO_B1_DEGRADATION_OR_SEPARATION"}},
      {"all at once",
       [](json& b1, json& b2) {
         b1["status"] = "partial";
         b1["b1_disk_tier_verified"] = false;
         b1.erase("replay_ttfc_ms");
         b1["error_rate"] = nullptr;
         b2["error_rate"] = 1.0;
         b2["mechanism"] = nullptr;
       },
       {"ROW_MARKED_INVALID", "B1_DISK_TIER_NOT_DISABLED", "MISSING_METRIC_P95",
        "MISSING_ERROR_RATE", "NON_ZERO_ERROR_RATE", "NO_B2_REHYDRATE_SIGNAL"}},
  };
  for (const Case& c : table) {
    std::vector<json> rows = WorkedSweep();
    c.plant(rows[1], rows[2]);
    EXPECT_EQ(Last(rows).rejected, c.codes) << c.name;
  }
  EXPECT_THAT(Last({SweepPointJson("B1", 4, 170)}).rejected,
              ElementsAre("MISSING_REQUIRED_MODE_ROW"));
  EXPECT_THAT(Last({SweepPointJson("B2", 4, 100)}).rejected,
              ElementsAre("MISSING_REQUIRED_MODE_ROW"));
}

TEST(Recommend, TheSloFactorHasItsSteps) {
  struct Case {
    double b1, b2, factor;
    const char* why;
  };
  for (const Case& c : {Case{170, 100, 1, "B1 above, B2 within"}, Case{200, 150, 0.5, "both above"},
                        Case{105, 90, 0.35, "both within"}}) {
    const SweepPoint p =
        Last({SweepPointJson("B1", 4, c.b1), SweepPointJson("B2", 4, c.b2)}, {.slo_p95_ms = 110});
    EXPECT_NEAR(p.parts.slo_advantage, 0.4 * c.factor, 1e-9) << c.why;
  }
  // Above the SLO, B2 no better: a candidate without advantage.
  const SweepPoint none =
      Last({SweepPointJson("B1", 4, 150), SweepPointJson("B2", 4, 160)}, {.slo_p95_ms = 110});
  EXPECT_TRUE(none.accepted());
  EXPECT_EQ(none.score, 0.2) << "the rehydration alone";
  // No SLO: the gap alone decides. 80 against 100 is a gap of 0.2, two thirds of the full mark.
  const SweepPoint gap = Last({SweepPointJson("B1", 4, 100), SweepPointJson("B2", 4, 80)});
  EXPECT_FALSE(gap.slo_p95_ms.available());
  EXPECT_EQ(gap.score, 0.4);
  EXPECT_THAT(gap.reasons, Contains("TAIL_GAP_ADVANTAGE"));
}

TEST(Recommend, SharpDegradationIsAgainstTheBestSoundPointBefore) {
  json bad = SweepPointJson("B1", 1, 10);
  bad["error_rate"] = 0.5;
  const std::vector<json> rows{bad, SweepPointJson("B1", 2, 100), SweepPointJson("B2", 2, 100),
                               SweepPointJson("B1", 4, 115), SweepPointJson("B2", 4, 114)};
  EXPECT_TRUE(Last(rows).sharp_b1_degrade) << "115 = 100 x 1.15";
  EXPECT_TRUE(Last(rows).accepted());
  EXPECT_FALSE(Last(rows, {.min_b1_degrade_ratio = 0.16}).sharp_b1_degrade);
  EXPECT_FALSE(RecommendationOf(rows).points[1].sharp_b1_degrade)
      << "the failed point at 1 is no prior";
}

TEST(Recommend, ComparesLikeWithLike) {
  json b1 = SweepPointJson("B1", 4, 170), b2 = SweepPointJson("B2", 4, 100);
  b2.erase("replay_ttfc_ms");
  b2["replay_ttft_ms"] = {{"p95", 90.0}};
  EXPECT_THAT(Last({b1, b2}).rejected, Contains("MISSING_METRIC_P95"))
      << "the TTFC of one is not the TTFT of the other";
  EXPECT_EQ(*Last({b1, b2}, {.ruleset = Ruleset::kRunbook}).b2->metric_p95_ms, 90) << "as written";
  b1["replay_ttft_ms"] = {{"p95", 180.0}};
  const Recommendation r = RecommendationOf({BaselineRowJson(100), b1, b2});
  EXPECT_TRUE(r.points.back().accepted());
  EXPECT_EQ(r.points.back().b1->metric_used, "ttft_p95_ms");
  EXPECT_EQ(*r.points.back().b1->metric_p95_ms, 180);
  EXPECT_FALSE(r.points.back().slo_p95_ms.available()) << "the baseline has no TTFT";
  EXPECT_THAT(r.points.back().reasons, Contains("METRIC_FALLBACK_TTFT_P95"));
  EXPECT_THAT(r.warnings, Contains("ttfc_missing_fell_back_to_ttft"));
  EXPECT_THAT(r.warnings, Contains("ttfc_absent_all_rows_using_ttft"));
}

TEST(Recommend, HostOnlyOnboardingDoesNotPass) {
  std::vector<json> rows = WorkedSweep();
  rows[2]["mechanism"] = {{"block_read_bytes_delta_replay_plus_replay2", 1 << 20}};
  Sweep sweep = SweepFrom(SweepJson(rows));
  sweep.rows[2].run = SweepRun{};
  sweep.rows[2].run->replay.onboard_blocks = 18.0;
  EXPECT_THAT(Recommend(sweep, {}).points.back().rejected, Contains("NO_B2_REHYDRATE_SIGNAL"));
  EXPECT_TRUE(Recommend(sweep, {.ruleset = Ruleset::kRunbook}).points.back().accepted())
      << "as written, the total stands in";
  sweep.rows[2].run->replay.onboard_blocks_d2d = 18.0;
  EXPECT_TRUE(Recommend(sweep, {}).points.back().accepted()) << "the run says it came from disk";
  EXPECT_TRUE(RecommendationOf(rows, {.require_b2_rehydrate = false}).points.back().accepted());
}

TEST(Recommend, OnlyPointsOfTheSweepCount) {
  json debug = SweepPointJson("B2", 4, 1);
  debug["phase"] = "debug_filter_disabled";
  json odd = SweepPointJson("B2", 4, 2);
  odd["point_key"] = "B2_c4_again";
  std::vector<json> rows = WorkedSweep();
  rows.push_back(debug);
  rows.push_back(odd);
  EXPECT_EQ(*Last(rows).b2->metric_p95_ms, 100);
  EXPECT_EQ(RecommendationOf(rows).points.front().rejected,
            std::vector<std::string>{"MISSING_REQUIRED_MODE_ROW"})
      << "the baseline run is no point";
}

// Student's t for two degrees of freedom is 4.302653; 100, 110, 120 have sd 10, so the interval is
// 110 -+ 4.302653 x 10 / sqrt(3) = 110 -+ 24.8414.
TEST(Recommend, RepeatsGiveAnIntervalAndSayWhich) {
  const RepeatFigure one = OverRepeats({100});
  EXPECT_EQ(one.method, "single_run");
  EXPECT_FALSE(one.low);
  const RepeatFigure two = OverRepeats({120, 100});
  EXPECT_EQ(two.method, "min_max");
  EXPECT_EQ(*two.low, 100);
  EXPECT_EQ(*two.high, 120);
  const RepeatFigure three = OverRepeats({100, 120, 110});
  EXPECT_EQ(three.method, "student_t_95");
  EXPECT_EQ(three.mean, 110);
  EXPECT_NEAR(*three.low, 85.1586, 1e-3);
  EXPECT_NEAR(*three.high, 134.8414, 1e-3);
}

TEST(Recommend, ARepeatedPointIsItsMeanWithItsRange) {
  const std::vector<json> rows{BaselineRowJson(100), SweepPointJson("B1", 4, 160),
                               SweepPointJson("B2", 4, 95), SweepPointJson("B1", 4, 180),
                               SweepPointJson("B2", 4, 105)};
  const Recommendation r = RecommendationOf(rows);
  const SweepPoint& p = r.points.back();
  EXPECT_EQ(*p.b1->metric_p95_ms, 170);
  EXPECT_EQ(*p.b2->metric_p95_ms, 100);
  EXPECT_EQ(p.score, 0.945455);
  EXPECT_NEAR(*p.tail_gap_low, (160 - 105) / 160.0, 1e-12);
  EXPECT_NEAR(*p.tail_gap_high, (180 - 95) / 180.0, 1e-12);
  EXPECT_THAT(r.warnings, Not(Contains("b1_b2_ranges_overlap_at_some_points")));
  EXPECT_EQ(*Last(rows, {.ruleset = Ruleset::kRunbook}).b1->metric_p95_ms, 180)
      << "as written, the later row";
}

TEST(Recommend, TheSameRunTwiceIsNoRepeat) {
  std::vector<json> rows = WorkedSweep();
  rows.insert(rows.end(), {rows[1], rows[2]});
  const SweepPoint p = Last(rows);
  EXPECT_EQ(p.b1->repeats->n, 1u);
  EXPECT_FALSE(p.tail_gap_low);
}

TEST(Recommend, OverlappingRepeatsAreSaid) {
  const Recommendation r =
      RecommendationOf({SweepPointJson("B1", 4, 90), SweepPointJson("B1", 4, 170),
                        SweepPointJson("B2", 4, 80), SweepPointJson("B2", 4, 110)});
  EXPECT_TRUE(r.points.back().accepted());
  EXPECT_THAT(r.warnings, Contains("b1_b2_ranges_overlap_at_some_points"));
}

TEST(Recommend, OneBadRepeatSpoilsItsPoint) {
  std::vector<json> rows = WorkedSweep();
  json again = SweepPointJson("B2", 4, 100);
  again["mechanism"]["kvbm_onboard_blocks_d2d_delta_replay_plus_replay2"] = 0;
  again["error_rate"] = 0.1;
  again["run_path"] = "bench/results/again";
  rows.insert(rows.begin(), again);
  EXPECT_THAT(Last(rows).rejected, ElementsAre("NON_ZERO_ERROR_RATE", "NO_B2_REHYDRATE_SIGNAL"));
}

TEST(Recommend, WarningsSayWhatTheRecommendationRestsOn) {
  EXPECT_THAT(RecommendationOf({}).warnings, Contains("no_sweep_rows_found"));
  std::vector<json> rows = WorkedSweep();
  EXPECT_THAT(RecommendationOf(rows).warnings,
              ElementsAre("some_points_measured_once_no_uncertainty"));
  rows[1]["b1_disk_tier_verified"] = nullptr;
  EXPECT_THAT(RecommendationOf(rows).warnings,
              Contains("b1_disk_tier_verification_missing_on_some_rows"));
  rows[1]["replay_ttfc_ms"]["n"] = 58;
  EXPECT_THAT(RecommendationOf(rows).warnings, Contains("p95_not_resolvable_on_some_rows"));
  rows[1]["replay_ttfc_ms"]["n"] = 59;
  EXPECT_THAT(RecommendationOf(rows).warnings, Not(Contains("p95_not_resolvable_on_some_rows")));
  rows.erase(rows.begin());
  EXPECT_THAT(RecommendationOf(rows).warnings, Contains("slo_unknown_for_this_metric"));
}

TEST(Recommend, TheBestScoreComesFirstAndTiesByConcurrency) {
  const auto pair = [](int c, double b1) {
    return std::vector<json>{SweepPointJson("B1", c, b1), SweepPointJson("B2", c, 100)};
  };
  std::vector<json> rows;
  for (const auto& [c, b1] : {std::pair{8, 170.0}, std::pair{4, 170.0}, std::pair{2, 112.0}}) {
    for (const json& row : pair(c, b1)) rows.push_back(row);
  }
  std::vector<int> order;
  const Recommendation r = RecommendationOf(rows, {.slo_p95_ms = 110});
  for (const SweepPoint* p : r.Candidates()) order.push_back(p->concurrency);
  EXPECT_THAT(order, ElementsAre(4, 8, 2));
}

TEST(Recommend, RejectionsAreSummedUpInTheirBuckets) {
  std::vector<json> rows = WorkedSweep();
  rows[1]["b1_disk_tier_verified"] = false;
  rows[1]["status"] = "invalid_full";
  rows.push_back(SweepPointJson("B1", 8, 1));
  const auto buckets = RecommendationOf(rows).RejectionSummary();
  EXPECT_EQ(buckets.size(), 7u);
  EXPECT_THAT(buckets.at("rejected_for_invalid_rows"), ElementsAre(4)) << "once";
  EXPECT_THAT(buckets.at("rejected_for_b1_disk_tier_not_disabled"), ElementsAre(4));
  EXPECT_THAT(buckets.at("rejected_for_missing_artifacts"), ElementsAre(1, 8));
  EXPECT_THAT(buckets.at("rejected_for_errors"), IsEmpty());
}

TEST(Recommend, TheExitCodeTellsAMissingMetricFromNothingToSay) {
  EXPECT_EQ(RecommendationOf(WorkedSweep()).ExitCode(), 0);
  EXPECT_EQ(RecommendationOf({}).ExitCode(), 0);
  EXPECT_EQ(
      RecommendationOf({SweepPointJson("B1", 4, 100), SweepPointJson("B2", 4, 100)}).ExitCode(), 0)
      << "nothing to recommend";
  json b1 = SweepPointJson("B1", 4, 1), b2 = SweepPointJson("B2", 4, 1);
  b1.erase("replay_ttfc_ms");
  b2.erase("replay_ttfc_ms");
  EXPECT_EQ(RecommendationOf({b1, b2}).ExitCode(), 1);
}

TEST(Recommend, ANegativeWeightIsZero) {
  EXPECT_EQ(Last(WorkedSweep(), {.weight_slo_advantage = -3}).score, 0.545455);
}

}  // namespace
}  // namespace kvtier
