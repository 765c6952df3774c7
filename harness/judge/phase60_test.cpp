#include "harness/judge/phase60.hpp"

#include <algorithm>
#include <map>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/core/error.hpp"
#include "harness/judge/evidence_maker.hpp"

namespace kvtier {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

constexpr TierMode kB0 = TierMode::kB0, kB1 = TierMode::kB1, kB2 = TierMode::kB2;

Phase60Setup Declared() {
  Phase60Setup s;
  s.ts = "20260101T000000Z";
  s.seed = 20260210;
  s.schedule = PlanSweep(s.concurrencies, false, SweepOrder::kFixed, 0);
  return s;
}

PointSpec SpecOf(TierMode mode, int concurrency, PointKind kind = PointKind::kSweep) {
  return {
      .place = {mode, concurrency}, .kind = kind, .configured_disk_gb = mode == kB2 ? 0.5 : 0.0};
}

PointVerdict Judge(const LegEvidence& leg, PointKind kind = PointKind::kSweep,
                   const Phase60Setup& setup = Declared()) {
  return JudgePoint(leg, SpecOf(leg.tier, 1, kind), setup);
}

// --- the order ---

TEST(SweepPlace, KeysAreReadInAnyCaseAndNothingElseIs) {
  EXPECT_EQ((SweepPlace{kB1, 16}.Key()), "B1_c16");
  EXPECT_EQ(FindSweepPlace("b1_C16"), (SweepPlace{kB1, 16}));
  for (const char* bad : {"", "B3_c1", "B1_c", "B1_c0", "B1_c-1", "B1_c1x", "B1c1", " B1_c1"})
    EXPECT_FALSE(FindSweepPlace(bad)) << bad;
}

TEST(PlanSweep, FixedIsTheDocumentedOrder) {
  std::vector<std::string> keys;
  for (const auto& p : PlanSweep({4, 1}, true, SweepOrder::kFixed, 7)) keys.push_back(p.Key());
  EXPECT_THAT(keys, ElementsAre("B2_c4", "B1_c4", "B0_c4", "B2_c1", "B1_c1", "B0_c1"));
}

TEST(PlanSweep, CounterbalancedRunsEveryPointOnceAndTheModesOfOneConcurrencyTogether) {
  const std::vector<int> grid(kSweepGrid.begin(), kSweepGrid.end());
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    const auto plan = PlanSweep(grid, true, SweepOrder::kCounterbalanced, seed);
    std::set<std::string> keys;
    for (std::size_t i = 0; i < plan.size(); ++i) {
      keys.insert(plan[i].Key());
      EXPECT_EQ(plan[i].concurrency, plan[i - i % 3].concurrency);
    }
    EXPECT_EQ(keys.size(), 21U);
    EXPECT_EQ(plan, PlanSweep(grid, true, SweepOrder::kCounterbalanced, seed));
  }
}

TEST(PlanSweep, EveryModeHoldsEveryPlaceEquallyOften) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    // Six concurrencies are two Latin squares: each of three modes is first, second, third twice,
    // and each follows each other one twice.
    const auto plan = PlanSweep({1, 2, 4, 8, 16, 32}, true, SweepOrder::kCounterbalanced, seed);
    std::map<std::pair<std::size_t, TierMode>, int> at;
    std::map<std::pair<TierMode, TierMode>, int> follows;
    for (std::size_t i = 0; i < plan.size(); ++i) {
      ++at[{i % 3, plan[i].mode}];
      if (i % 3 > 0) ++follows[{plan[i - 1].mode, plan[i].mode}];
    }
    EXPECT_EQ(at.size(), 9U);
    for (const auto& [place, n] : at) EXPECT_EQ(n, 2);
    EXPECT_EQ(follows.size(), 6U);
    for (const auto& [pair, n] : follows) EXPECT_EQ(n, 2);

    const auto two = PlanSweep({1, 2, 4, 8}, false, SweepOrder::kCounterbalanced, seed);
    int b2_first = 0;
    for (std::size_t i = 0; i < two.size(); i += 2) b2_first += two[i].mode == kB2 ? 1 : 0;
    EXPECT_EQ(b2_first, 2);
  }
}

TEST(PlanSweep, ConcurrencyNeverSimplyRisesOrFallsWithTime) {
  std::set<std::vector<int>> orders;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    std::vector<int> order;
    for (const auto& p : PlanSweep({1, 2, 4, 8}, false, SweepOrder::kCounterbalanced, seed)) {
      if (order.empty() || order.back() != p.concurrency) order.push_back(p.concurrency);
    }
    EXPECT_FALSE(std::is_sorted(order.begin(), order.end()));
    EXPECT_FALSE(std::is_sorted(order.rbegin(), order.rend()));
    orders.insert(order);
  }
  EXPECT_GT(orders.size(), 1U) << "the seed draws among them";
}

// --- one point ---

TEST(JudgePoint, HealthyPointsAreOk) {
  for (const TierMode mode : kAllTierModes) {
    const auto v = Judge(test::MakeLeg(mode, 100));
    EXPECT_EQ(v.row.status, SweepStatus::kOk) << v.row.validation;
    EXPECT_THAT(v.stop_reason, IsEmpty());
    EXPECT_EQ(v.row.error_rate, 0.0);
    // 60 requests spread evenly from 95 to 105 ms: the 0.95 * 59 = 56.05th lies at 104.5 ms.
    EXPECT_NEAR(*v.row.replay_ttfc.p95, 104.5, 0.01);
    EXPECT_NEAR(*v.row.replay_latency.p95, 124.5, 0.01);
    EXPECT_EQ(v.row.replay_ttfc.n, 60U);
    EXPECT_EQ(v.row.UsedReplayP95(), "replay_ttfc_p95_ms");
  }
  const auto baseline = Judge(test::MakeLeg(kB2, 100), PointKind::kBaseline);
  EXPECT_EQ(baseline.row.status, SweepStatus::kBaselinePreflight);
  EXPECT_EQ(baseline.row.point_key, "baseline_preflight_B2_c1");
}

TEST(JudgePoint, ALegThatMeasuredNothingIsPartial) {
  LegEvidence leg = test::MakeLeg(kB2, 100);
  leg.phases.clear();
  leg.records.clear();
  leg.run_valid = false;
  leg.invalid_reason = "stack_start_failed";
  const auto v = Judge(leg);
  EXPECT_EQ(v.row.status, SweepStatus::kPartial);
  EXPECT_EQ(v.row.validation, "FAIL:not_measured:stack_start_failed");
  EXPECT_EQ(v.stop_reason, "probe_failed");
  EXPECT_FALSE(v.row.error_rate) << "nothing was asked, so no share of it failed";
  EXPECT_EQ(Judge(leg, PointKind::kBaseline).stop_reason, "preflight_probe_failed");

  LegEvidence killed = test::MakeLeg(kB2, 100);
  killed.closed = false;
  EXPECT_EQ(Judge(killed).row.status, SweepStatus::kPartial);
}

TEST(JudgePoint, TheRunsOwnVerdictIsConsultedInTheBaselineToo) {
  LegEvidence leg = test::MakeLeg(kB2, 100);
  leg.run_valid = false;
  leg.invalid_reason = "worker_lost";
  const auto v = Judge(leg);
  EXPECT_EQ(v.row.status, SweepStatus::kInvalidFull);
  EXPECT_EQ(v.row.validation, "FAIL:run_invalid:worker_lost");
  EXPECT_EQ(v.stop_reason, "point_invalid") << "not for a missing mechanism";
  const auto baseline = Judge(leg, PointKind::kBaseline);
  EXPECT_EQ(baseline.row.status, SweepStatus::kInvalidPreflight);
  EXPECT_EQ(baseline.stop_reason, "preflight_probe_failed");
}

TEST(JudgePoint, OneFailedRequestIsTooMany) {
  LegEvidence leg = test::MakeLeg(kB2, 100);
  leg.records.back().outcome = Outcome::kTimeout;
  const auto v = Judge(leg);
  EXPECT_EQ(v.row.status, SweepStatus::kInvalidFull);
  EXPECT_THAT(v.row.validation, StartsWith("FAIL:error_rate=0.0069"));  // 1 of 144
  EXPECT_EQ(v.stop_reason, "point_invalid");
  EXPECT_EQ(Judge(leg, PointKind::kBaseline).stop_reason, "preflight_point_invalid");
}

TEST(JudgePoint, WithoutTtfcTheFallbackIsLabelledOrThePointInvalid) {
  LegEvidence leg = test::MakeLeg(kB2, 100);
  for (auto& r : leg.records) r.stamps.first_text.reset();  // answers that arrived whole
  const auto strict = Judge(leg);
  EXPECT_EQ(strict.row.status, SweepStatus::kInvalidTtfc);
  EXPECT_EQ(strict.row.validation, "FAIL:missing_replay_ttfc_p95:mode=B2");
  EXPECT_EQ(strict.stop_reason, "ttfc_missing_stream_capture");

  Phase60Setup setup = Declared();
  setup.require_ttfc = false;
  const auto lenient = Judge(leg, PointKind::kSweep, setup);
  EXPECT_EQ(lenient.row.status, SweepStatus::kOk) << lenient.row.validation;
  EXPECT_EQ(lenient.row.UsedReplayP95(), "replay_ttft_p95_ms");
  EXPECT_FALSE(lenient.row.replay_ttfc.p95);
  EXPECT_NEAR(*lenient.row.ReplayMetricP95(), 124.5, 0.01);
}

TEST(JudgePoint, AttributionIsGatedWhereItWasAskedFor) {
  LegEvidence leg = test::MakeLeg(kB2, 100);
  Phase60Setup setup = Declared();
  setup.io_attrib = true;
  const auto blind = Judge(leg, PointKind::kSweep, setup);
  EXPECT_EQ(blind.row.status, SweepStatus::kInvalidIoAttrib);
  EXPECT_EQ(blind.stop_reason, "io_attrib_replay_gate_failed");
  leg.io_attribution = test::MakeAttribution(leg);
  EXPECT_EQ(Judge(leg, PointKind::kSweep, setup).row.status, SweepStatus::kOk);
  EXPECT_EQ(Judge(test::MakeLeg(kB0, 100), PointKind::kSweep, setup).row.status, SweepStatus::kOk);
}

TEST(JudgePoint, HostOnboardingIsNoMechanism) {
  LegEvidence leg = test::MakeLeg(kB2, 100);
  test::Replay(leg).tiers.onboard_g2_to_g1_blocks = test::kReplayBlocks;
  test::Replay(leg).tiers.onboard_g3_to_g1_blocks = std::uint64_t{0};
  test::Replay(leg).io.process_read = Bytes{0};
  const auto v = Judge(leg);
  EXPECT_THAT(v.row.validation, StartsWith("FAIL:mechanism_disappeared:matched=32640,onboard=0,"));
  EXPECT_EQ(v.stop_reason, "mechanism_disappeared");
  EXPECT_EQ(Judge(leg, PointKind::kBaseline).stop_reason, "preflight_mechanism_missing");
}

TEST(JudgePoint, ReadsOfTheDeviceByAnybodyAreNoMechanism) {
  LegEvidence leg = test::MakeLeg(kB2, 100);
  test::Replay(leg).io.process_read = Bytes{0};  // block_read stays at 319 MiB
  EXPECT_EQ(Judge(leg).stop_reason, "mechanism_disappeared");
  test::Replay(leg).io.process_read = Reading<Bytes>::Unavailable("no permission");
  const auto blind = Judge(leg);
  EXPECT_EQ(blind.stop_reason, "mechanism_disappeared") << "who cannot see fails";
  EXPECT_THAT(blind.row.validation, HasSubstr("process_read=unavailable"));
}

TEST(JudgePoint, AWrongAnswerStopsTheSweepByItsOwnName) {
  LegEvidence leg = test::MakeLeg(kB2, 100);
  leg.records.back().text = "another";
  const auto v = Judge(leg);
  EXPECT_THAT(v.row.validation, HasSubstr("ANSWER_MISMATCH"));
  EXPECT_EQ(v.stop_reason, "point_invalid");
}

TEST(JudgePoint, ADebugRunIsShownAndStopsNothing) {
  LegEvidence leg = test::MakeLeg(kB2, 100);
  leg.records.back().text = "another";
  const auto v = Judge(leg, PointKind::kDebug);
  EXPECT_EQ(v.row.status, SweepStatus::kDebugOnly);
  EXPECT_EQ(v.row.point_key, "debug_B2_c1");
  EXPECT_THAT(v.stop_reason, IsEmpty());
}

TEST(MeasureMechanism, SumsReplayAndReplay2AndNothingElse) {
  LegEvidence leg = test::MakeLeg(kB2, 100);
  PhaseEvidence second = test::Replay(leg);
  second.name = "replay_2";
  second.tiers.onboard_g3_to_g1_blocks = std::uint64_t{7};
  leg.phases.push_back(second);
  second.name = "replay_3";
  leg.phases.push_back(second);
  EXPECT_EQ(*MeasureMechanism(leg).onboard_d2d, test::kReplayBlocks + 7);
  leg.phases[3].tiers.onboard_g3_to_g1_blocks =
      Reading<std::uint64_t>::Unavailable("scrape failed");
  EXPECT_EQ(MeasureMechanism(leg).onboard_d2d.reason(), "scrape failed");
}

TEST(MeasureMechanism, WritesFromTheDeviceCountAsWrites) {
  LegEvidence leg = test::MakeLeg(kB2, 100);
  EXPECT_EQ(MeasureMechanism(leg).WriteSignal(), false);
  test::Replay(leg).tiers.offload_g1_to_g3_blocks = std::uint64_t{3};
  EXPECT_EQ(MeasureMechanism(leg).WriteSignal(), true);
  EXPECT_EQ(*MeasureMechanism(leg).offload_h2d, 0U) << "the documented key is of the host alone";
  test::Replay(leg).tiers.offload_g1_to_g3_blocks = Reading<std::uint64_t>::Unavailable("none");
  EXPECT_FALSE(MeasureMechanism(leg).WriteSignal()) << "half of a sum proves no absence";
}

// --- B1 ---

B1Verification Verify(const LegEvidence& leg, Reading<double> configured = 0.0) {
  PointSpec spec = SpecOf(kB1, 1);
  spec.configured_disk_gb = configured;
  return VerifyB1(leg, spec, Declared());
}

TEST(VerifyB1, HoldsOnlyWhereBothSizesAreZero) {
  LegEvidence leg = test::MakeLeg(kB1, 100);
  EXPECT_TRUE(Verify(leg).verified());
  EXPECT_THAT(Verify(leg, 32.0).fail_reasons,
              ElementsAre("disk_cache_gb_not_disabled:config=32,runtime=0"));
  leg.worker.disk_cache_gb = 32.0;
  EXPECT_THAT(Verify(leg).fail_reasons,
              ElementsAre("disk_cache_gb_not_disabled:config=0,runtime=32"));
  leg.worker.disk_cache_gb = Reading<double>::Unavailable("no /proc");
  EXPECT_THAT(Verify(leg).fail_reasons,
              ElementsAre("disk_cache_gb_not_disabled:config=0,runtime=unavailable"));
}

TEST(VerifyB1, EveryWitnessCanSayNo) {
  LegEvidence leg = test::MakeLeg(kB1, 100);
  test::Replay(leg).tiers.onboard_g3_to_g1_blocks = std::uint64_t{2};
  test::Replay(leg).io.process_read = Bytes{(1 << 20) + 1};
  test::Replay(leg).tiers.disk_hit_rate_after = 0.25;
  EXPECT_THAT(Verify(leg).fail_reasons,
              ElementsAre("onboard_blocks_d2d_delta=2", "replay_process_read_bytes_delta=1048577",
                          "kvbm_disk_cache_hit_rate=0.25"));
  EXPECT_THAT(Verify(test::MakeLeg(kB2, 100)).fail_reasons,
              Contains("kv_mode_not_cpu_only:cpu_disk"));
  LegEvidence open = test::MakeLeg(kB1, 100);
  open.worker.open_files_under_cache_dir = std::uint64_t{1};
  EXPECT_THAT(Verify(open).fail_reasons, ElementsAre(HasSubstr("open files")));
}

TEST(VerifyB1, BackgroundReadsOfTheDeviceDoNotCount) {
  LegEvidence leg = test::MakeLeg(kB1, 100);
  test::Replay(leg).io.device_read = Bytes{1 << 30};
  EXPECT_TRUE(Verify(leg).verified());
}

TEST(JudgePoint, EnforcementDecidesWhetherB1IsGated) {
  LegEvidence leg = test::MakeLeg(kB1, 100);
  leg.worker.disk_cache_gb = 32.0;
  const auto enforced = Judge(leg);
  EXPECT_EQ(enforced.row.validation,
            "FAIL:B1_DISK_TIER_NOT_DISABLED:disk_cache_gb_not_disabled:config=0,runtime=32");
  EXPECT_EQ(enforced.stop_reason, "point_invalid");
  Phase60Setup setup = Declared();
  setup.enforce_b1_off = false;
  const auto tolerated = Judge(leg, PointKind::kSweep, setup);
  EXPECT_EQ(tolerated.row.status, SweepStatus::kOk);
  EXPECT_FALSE(tolerated.row.b1->verified()) << "said all the same";
}

// --- the whole ---

Phase60Row Row(TierMode mode, int concurrency, double ttfc_ms, double latency_ms,
               PointKind kind = PointKind::kSweep) {
  Phase60Row r = Judge(test::MakeLeg(mode, 100), kind).row;
  r.place = {mode, concurrency};
  r.point_key = PointSpec{.place = r.place, .kind = kind}.Key();
  r.replay_ttfc.p95 = r.replay_ttft.p95 = ttfc_ms;
  r.replay_latency.p95 = latency_ms;
  return r;
}

Phase60Summary Measured() {
  Phase60Summary s;
  s.setup = Declared();
  s.created_utc = "20260101T000000Z";
  s.rows = {Row(kB2, 1, 100, 1000, PointKind::kBaseline),
            Row(kB2, 1, 100, 1000),
            Row(kB2, 2, 110, 1050),
            Row(kB2, 4, 111, 1090),
            Row(kB1, 1, 105, 1000),
            Row(kB1, 2, 130, 1200),
            Row(kB1, 4, 108, 1100)};
  return s;
}

TEST(CompleteSweep, ComparesLikeWithLike) {
  Phase60Summary s = Measured();
  CompleteSweep(s, "now");
  EXPECT_EQ(s.status, "completed");
  EXPECT_EQ(s.latency.baseline_ms, 1000);
  EXPECT_NEAR(*s.latency.limit_ms, 1100, 1e-9);
  EXPECT_EQ(s.first_text.metric, "replay_ttfc_p95_ms");
  EXPECT_NEAR(*s.first_text.limit_ms, 110, 1e-9);
  EXPECT_EQ(s.Find("B2_c4")->pass_slo, true) << "1090 of 1100 ms";
  EXPECT_EQ(s.Find("B2_c4")->pass_slo_ttfc, false) << "111 of 110 ms, although far below 1100";
  EXPECT_EQ(s.Find("B1_c2")->pass_slo, false);
  EXPECT_FALSE(s.rows[0].pass_slo) << "the baseline is no point of the sweep";
  EXPECT_EQ(s.decision_grade, true);
  EXPECT_EQ(s.ExitCode(), 0);
  EXPECT_EQ(UsedMetric(s), "replay_ttfc_p95_ms");
}

TEST(CompleteSweep, StatesTheContiguousMaximumBesideTheDocumentedOne) {
  Phase60Summary s = Measured();
  CompleteSweep(s, "now");
  EXPECT_EQ(s.latency.max_concurrency.at("B2"), 4);
  EXPECT_EQ(s.latency.max_contiguous.at("B2"), 4);
  EXPECT_EQ(s.latency.max_concurrency.at("B1"), 4);
  EXPECT_EQ(s.latency.max_contiguous.at("B1"), 1) << "it failed at 2";
  EXPECT_EQ(s.first_text.max_contiguous.at("B1"), 1);
  EXPECT_FALSE(s.latency.max_concurrency.at("B0")) << "never measured is not 0";
  s.Upsert(Row(kB1, 1, 105, 5000));
  CompleteSweep(s, "now");
  EXPECT_EQ(s.latency.max_contiguous.at("B1"), 0) << "measured, and none met it";
}

TEST(CompleteSweep, WithoutABaselineTheOwnPointServesElseItStops) {
  Phase60Summary s = Measured();
  s.rows.erase(s.rows.begin());
  CompleteSweep(s, "now");
  EXPECT_EQ(s.status, "completed");
  EXPECT_EQ(s.latency.baseline_ms, 1000);
  s.rows.erase(s.rows.begin());
  CompleteSweep(s, "now");
  EXPECT_EQ(s.status, "stopped");
  EXPECT_EQ(s.stop->reason, "baseline_missing");
  EXPECT_EQ(s.decision_grade, false);
}

TEST(CompleteSweep, ASmallSampleDecidesNothing) {
  Phase60Summary s = Measured();
  for (auto& row : s.rows) {
    if (row.point_key == "B2_c2") row.replay_latency.n = row.replay_ttfc.n = 32;
  }
  CompleteSweep(s, "now");
  EXPECT_FALSE(s.Find("B2_c2")->pass_slo);
  EXPECT_EQ(s.latency.max_concurrency.at("B2"), 4);
  ASSERT_EQ(s.warnings.size(), 1U);
  EXPECT_EQ(s.warnings[0].code, "QUANTILE_NOT_RESOLVABLE");
  EXPECT_THAT(s.warnings[0].detail, AllOf(HasSubstr("59"), HasSubstr("B2_c2 (n=32)")));
  EXPECT_EQ(s.decision_grade, false);
  EXPECT_EQ(s.ExitCode(), 1);
  CompleteSweep(s, "later");
  EXPECT_EQ(s.warnings.size(), 1U) << "said once, however often it is completed";
}

TEST(CompleteSweep, AnAcceptedBaselineDoesNotDemoteAWarnedOneDoes) {
  Phase60Summary s = Measured();
  s.warnings = {{.timestamp_utc = "t", .code = "BASELINE_MANIFEST_HASH_ACCEPTED", .detail = ""}};
  CompleteSweep(s, "now");
  EXPECT_EQ(s.decision_grade, true);
  s.warnings[0].code = "BASELINE_MANIFEST_HASH_MISMATCH_WARNING";
  CompleteSweep(s, "now");
  EXPECT_EQ(s.decision_grade, false);
}

TEST(CompleteSweep, AFallbackIsNeverComparedWithTheOtherMetric) {
  Phase60Summary s = Measured();
  for (auto& row : s.rows) {
    if (row.point_key == "B1_c1") row.replay_ttfc.p95.reset();
  }
  CompleteSweep(s, "now");
  EXPECT_FALSE(s.Find("B1_c1")->pass_slo_ttfc);
  EXPECT_EQ(s.Find("B1_c1")->pass_slo, true);
  EXPECT_EQ(UsedMetric(s), "mixed");
}

TEST(Phase60Summary, AFailedPointKeepsItsPlaceWhenItIsMeasuredAgain) {
  Phase60Summary s = Measured();
  s.rows[2].status = SweepStatus::kInvalidFull;
  s.Upsert(Row(kB2, 2, 100, 1000));
  EXPECT_EQ(s.rows.size(), 7U);
  EXPECT_EQ(s.rows[2].status, SweepStatus::kOk);
}

TEST(Phase60Summary, ExitCodes) {
  Phase60Summary s;
  EXPECT_EQ(s.ExitCode(), 2);
  s.rows = {Row(kB2, 1, 100, 1000)};
  s.rows[0].status = SweepStatus::kPartial;
  EXPECT_EQ(s.ExitCode(), 2) << "a stack that did not come up measured nothing";
  s.rows[0].status = SweepStatus::kInvalidFull;
  EXPECT_EQ(s.ExitCode(), 1);
}

TEST(ReopenSweep, ForgetsTheDecisionAndKeepsTheRows) {
  Phase60Summary s = Measured();
  StopSweep(s, {.reason = "point_invalid", .detail = "d", .at = {kB1, 2}});
  ReopenSweep(s, "later");
  EXPECT_EQ(s.status, "running");
  EXPECT_FALSE(s.stop);
  EXPECT_FALSE(s.decision_grade);
  EXPECT_EQ(s.resumed_utc, "later");
  EXPECT_EQ(s.rows.size(), 7U);
}

TEST(Phase60Json, HasTheDocumentedKeysAndComesBack) {
  Phase60Summary s = Measured();
  s.rows[4].details["manifest_hashes"] = {{"request_manifest_sha256", "aa"}};
  s.rows[5].mechanism.cgroup_read = Reading<std::uint64_t>::Unavailable("no cgroup v2");
  s.failed_attempts = {{"bundle/run.attempt1", "killed"}};
  CompleteSweep(s, "now");
  const nlohmann::json j = s;
  for (const char* key : {"meta", "rows", "warnings", "status", "decision_grade",
                          "baseline_b2_replay_p95_ms_at_concurrency1", "slo_replay_p95_ms",
                          "max_concurrency_meeting_slo", "warning_count", "schema_version"})
    EXPECT_TRUE(j.contains(key)) << key;
  const auto& row = j.at("rows").at(5);
  EXPECT_EQ(row.at("metric_used").at("replay_p95"), "replay_ttfc_p95_ms");
  EXPECT_EQ(row.at("replay_metric_p95_ms"), 130);
  EXPECT_TRUE(row.at("mechanism").at("cgroup_read_bytes_delta_replay_plus_replay2").is_null());
  EXPECT_EQ(row.at("mechanism").at("unavailable").at("cgroup_read_bytes_delta_replay_plus_replay2"),
            "no cgroup v2");
  EXPECT_EQ(row.at("b1_disk_tier_verified"), true);
  EXPECT_TRUE(j.at("rows").at(1).at("b1_disk_tier_verified").is_null());
  EXPECT_EQ(j.at("meta").at("run_order_per_concurrency"), nlohmann::json({"B2", "B1"}));
  EXPECT_EQ(nlohmann::json(j.get<Phase60Summary>()), j);
}

TEST(Phase60Json, AStopComesBackAndHasItsVerdict) {
  Phase60Summary s = Measured();
  StopSweep(s, {.reason = "mechanism_disappeared",
                .detail = "FAIL:x",
                .at = {kB2, 4},
                .diagnostics = {{"run_id", "r"}}});
  const nlohmann::json j = s;
  EXPECT_EQ(j.at("stopped_at"), (nlohmann::json{{"mode", "B2"}, {"concurrency", 4}}));
  EXPECT_EQ(nlohmann::json(j.get<Phase60Summary>()), j);
  const auto v = StopVerdictJson(s, "summary.json", "now");
  EXPECT_EQ(v.at("reason"), "mechanism_disappeared");
  EXPECT_EQ(v.at("stopped_at_mode"), "B2");
  EXPECT_EQ(v.at("decision_grade"), false);
}

TEST(Phase60Json, AMissingOrWrongKeyIsNamed) {
  nlohmann::json j = Measured();
  j.at("rows").at(0).erase("error_rate");
  EXPECT_NO_THROW(j.get<Phase60Summary>()) << "absent reads as not measured";
  j.at("rows").at(0)["status"] = "splendid";
  try {
    j.get<Phase60Summary>();
    FAIL();
  } catch (const DataError& e) {
    EXPECT_THAT(e.what(), HasSubstr("splendid"));
  }
  j = Measured();
  j.at("meta").erase("schedule");
  EXPECT_THROW(j.get<Phase60Summary>(), DataError);
  j = Measured();
  j["schema_version"] = 2;
  EXPECT_THROW(j.get<Phase60Summary>(), DataError);
}

}  // namespace
}  // namespace kvtier
