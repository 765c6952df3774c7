// Phase60: up to which concurrency does each tier meet a service-level objective? One case owns the
// sweep: the baseline, then every tier at every concurrency in a counterbalanced order. A case for
// each point of the grid and one for each rule read the finished sweep from disk. A point that this
// sweep does not hold has label offgrid and is skipped.
#include "fixtures/phase60.hpp"
#include "harness/judge/io_attribution.hpp"
#include "harness/report/phase60_report.hpp"
#include "suites/stack_profile.hpp"

namespace kvtier {
namespace {

/// Did our own small check stop only because this machine is too busy to measure on?
bool StoppedByClient(const StackProfile& on, const FinishedPhase60& run) {
  if (!on.quick || !run.summary.stop || run.points.empty()) return false;
  return Has(run.points.back().verdict.findings, Reason::kClientSaturated);
}

class Phase60 : public ::testing::TestWithParam<StackProfile> {
 protected:
  void SetUp() override {
    profile_ = LoadFor(GetParam());
    const std::string why_not = WhyNotHere(GetParam(), profile_);
    KVTIER_REQUIRE_OR_SKIP(GetParam().stack, why_not.empty(), why_not);
  }
  FinishedPhase60 Finished() {
    FinishedPhase60 run = LoadFinishedPhase60(profile_.results_root);
    RecordProperty("summary_path", run.paths.Summary().string());
    return run;
  }
  /// A rule over every point of the given tiers, the baseline too.
  template <class Rule>
  void ExpectOverPoints(const FinishedPhase60& run, std::initializer_list<TierMode> tiers,
                        Rule rule) {
    Findings all;
    std::string logs;
    int points = 0;
    for (const auto& point : run.points) {
      if (std::find(tiers.begin(), tiers.end(), point.leg.tier) == tiers.end()) continue;
      ++points;
      const Findings found = rule(point.leg);
      if (!Passes(found) && logs.empty()) logs = LogTails(point.leg);
      all.insert(all.end(), found.begin(), found.end());
    }
    RecordFindings(all);
    if (StoppedByClient(GetParam(), run)) GTEST_SKIP() << run.summary.stop->detail;
    EXPECT_GT(points, 0) << "no point of these tiers was measured";
    EXPECT_TRUE(HoldsAgainst(all)) << logs;
  }
  static constexpr std::initializer_list<TierMode> kEveryTier{TierMode::kB0, TierMode::kB1,
                                                              TierMode::kB2};
  Profile profile_;
};

TEST_P(Phase60, Sweep) {
  const Phase60Summary summary = RunPhase60(profile_);
  const FinishedPhase60 run = Finished();
  std::cout << RenderPhase60(summary, run.paths);
  EXPECT_FALSE(run.points.empty()) << "no point left a bundle";
  EXPECT_NE(summary.ExitCode(), 2) << "nothing was measured";
}

TEST_P(Phase60, EveryPointWasMeasured) {
  const auto run = Finished();
  RecordProperty("decision_grade", run.summary.decision_grade.value_or(false) ? "true" : "false");
  if (StoppedByClient(GetParam(), run)) GTEST_SKIP() << run.summary.stop->detail;
  if (run.summary.stop) {
    FAIL() << "the sweep stopped at " << run.summary.stop->at.Key() << " ("
           << run.summary.stop->reason << "): " << run.summary.stop->detail << "; see "
           << run.paths.StopVerdict();
  }
  for (const SweepPlace& place : run.summary.setup.schedule)
    EXPECT_NE(run.Find(place.Key()), nullptr) << place.Key();
}

TEST_P(Phase60, BaselineHolds) {
  const auto run = Finished();
  if (StoppedByClient(GetParam(), run)) GTEST_SKIP() << run.summary.stop->detail;
  for (const auto& row : run.summary.rows) {
    if (row.kind != PointKind::kBaseline) continue;
    EXPECT_EQ(row.status, SweepStatus::kBaselinePreflight) << row.validation;
  }
  EXPECT_TRUE(run.summary.latency.limit_ms.has_value());
  EXPECT_TRUE(run.summary.first_text.limit_ms.has_value());
}

TEST_P(Phase60, RunsAreValid) {
  const auto run = Finished();
  ExpectOverPoints(run, kEveryTier, [&](const LegEvidence& leg) {
    Findings found = CheckRunValid(leg, run.summary.setup.gates);
    for (auto& more : CheckClient(leg)) found.push_back(std::move(more));
    return found;
  });
}

// TTFC is the first text; where BENCH_PHASE60_REQUIRE_TTFC=0 allows another metric, its name says
// so.
TEST_P(Phase60, FirstTextIsMeasured) {
  const auto run = Finished();
  for (const auto& point : run.points) {
    const Phase60Row& row = point.verdict.row;
    const std::string used = row.UsedReplayP95();
    EXPECT_TRUE(used == "replay_ttfc_p95_ms" ||
                (!run.summary.setup.require_ttfc && used == "replay_ttft_p95_ms"))
        << row.point_key << " uses " << used;
  }
}

TEST_P(Phase60, AttributionHolds) {
  const auto run = Finished();
  ExpectOverPoints(run, {TierMode::kB1, TierMode::kB2}, [&](const LegEvidence& leg) {
    return CheckIoAttribution(leg, run.summary.setup.io_attrib);
  });
}

TEST_P(Phase60, B2ComesFromTheSsd) {
  const auto run = Finished();
  ExpectOverPoints(run, {TierMode::kB2}, [&](const LegEvidence& leg) {
    return CheckMechanism(leg, run.summary.setup.gates);
  });
}

TEST_P(Phase60, B1NeverUsesTheSsd) {
  const auto run = Finished();
  if (StoppedByClient(GetParam(), run)) GTEST_SKIP() << run.summary.stop->detail;
  int points = 0;
  for (const auto& point : run.points) {
    if (!point.verdict.row.b1) continue;
    ++points;
    EXPECT_TRUE(point.verdict.row.b1->verified())
        << point.verdict.row.point_key << ": "
        << ::testing::PrintToString(point.verdict.row.b1->fail_reasons);
  }
  EXPECT_GT(points, 0) << "no B1 point was measured";
}

TEST_P(Phase60, AnswersAreEqual) {
  const auto run = Finished();
  ExpectOverPoints(run, kEveryTier, CheckAnswers);
}

TEST_P(Phase60, WitnessesAgree) {
  const auto run = Finished();
  ExpectOverPoints(run, kEveryTier, CheckWitnesses);
}

// Each metric against the baseline of the same metric. A p95 that its sample cannot resolve decides
// nothing and says so.
TEST_P(Phase60, ObjectivesAreDecided) {
  const auto run = Finished();
  const bool warned = std::any_of(
      run.summary.warnings.begin(), run.summary.warnings.end(),
      [](const SweepWarning& w) { return w.code == Code(Reason::kQuantileNotResolvable); });
  for (const auto& row : run.summary.rows) {
    if (row.status != SweepStatus::kOk) continue;
    EXPECT_NE(row.pass_slo.has_value(), warned) << row.point_key;
    EXPECT_NE(row.pass_slo_ttfc.has_value(), warned) << row.point_key;
  }
}

/// One point of the grid on one stack.
struct PointCase {
  StackProfile on;
  SweepPlace place;
};
void PrintTo(const PointCase& c, std::ostream* os) {
  *os << c.place.Key() << " " << c.on.profile;
}
std::string PointCaseName(const ::testing::TestParamInfo<PointCase>& info) {
  return "c" + std::to_string(info.param.place.concurrency);
}

class Phase60Grid : public ::testing::TestWithParam<PointCase> {
 protected:
  void SetUp() override {
    profile_ = LoadFor(GetParam().on);
    const std::string why_not = WhyNotHere(GetParam().on, profile_);
    KVTIER_REQUIRE_OR_SKIP(GetParam().on.stack, why_not.empty(), why_not);
    const auto& schedule = SetupOfPhase60(profile_, "").schedule;
    if (std::find(schedule.begin(), schedule.end(), GetParam().place) == schedule.end()) {
      GTEST_SKIP() << GetParam().place.Key()
                   << " is not in this sweep: see BENCH_PHASE60_SWEEP_CONCURRENCIES and "
                      "BENCH_PHASE60_INCLUDE_B0";
    }
  }
  Profile profile_;
};

TEST_P(Phase60Grid, HoldsItsRules) {
  const FinishedPhase60 run = LoadFinishedPhase60(profile_.results_root);
  if (StoppedByClient(GetParam().on, run)) GTEST_SKIP() << run.summary.stop->detail;
  const std::string key = GetParam().place.Key();
  const auto* point = run.Find(key);
  const std::string why = run.summary.stop ? "the sweep stopped at " + run.summary.stop->at.Key() +
                                                 ": " + run.summary.stop->reason
                                           : "the last sweep had other points";
  ASSERT_NE(point, nullptr) << key << " was not measured: " << why;
  RecordProperty("bundle", point->leg.run_dir);
  RecordFindings(point->verdict.findings);
  if (GetParam().on.quick) KVTIER_SKIP_IF_TOO_BUSY(point->verdict.findings);
  EXPECT_EQ(point->verdict.row.status, SweepStatus::kOk)
      << point->verdict.row.validation << "\n"
      << FindingsText(point->verdict.findings) << LogTails(point->leg);
  const Phase60Row* row = run.summary.Find(key);
  ASSERT_NE(row, nullptr);
  EXPECT_EQ(row->status, SweepStatus::kOk) << row->validation;
}

std::vector<PointCase> GridOf(const StackProfile& on, TierMode mode,
                              std::vector<int> concurrencies = {kSweepGrid.begin(),
                                                                kSweepGrid.end()}) {
  std::vector<PointCase> cases;
  for (const int c : concurrencies) cases.push_back({on, {mode, c}});
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Phase60_B1B2_reference, Phase60, ::testing::Values(kReference),
                         ProfileName);
INSTANTIATE_TEST_SUITE_P(Phase60_B1B2_spark, Phase60, ::testing::Values(kSpark), ProfileName);
INSTANTIATE_TEST_SUITE_P(QuickPhase60_B1B2_reference, Phase60, ::testing::Values(kQuick),
                         ProfileName);

INSTANTIATE_TEST_SUITE_P(Phase60_B0_reference, Phase60Grid,
                         ::testing::ValuesIn(GridOf(kReference, TierMode::kB0)), PointCaseName);
INSTANTIATE_TEST_SUITE_P(Phase60_B1_reference, Phase60Grid,
                         ::testing::ValuesIn(GridOf(kReference, TierMode::kB1)), PointCaseName);
INSTANTIATE_TEST_SUITE_P(Phase60_B2_reference, Phase60Grid,
                         ::testing::ValuesIn(GridOf(kReference, TierMode::kB2)), PointCaseName);
INSTANTIATE_TEST_SUITE_P(Phase60_B0_spark, Phase60Grid,
                         ::testing::ValuesIn(GridOf(kSpark, TierMode::kB0)), PointCaseName);
INSTANTIATE_TEST_SUITE_P(Phase60_B1_spark, Phase60Grid,
                         ::testing::ValuesIn(GridOf(kSpark, TierMode::kB1)), PointCaseName);
INSTANTIATE_TEST_SUITE_P(Phase60_B2_spark, Phase60Grid,
                         ::testing::ValuesIn(GridOf(kSpark, TierMode::kB2)), PointCaseName);
INSTANTIATE_TEST_SUITE_P(QuickPhase60_B1_reference, Phase60Grid,
                         ::testing::ValuesIn(GridOf(kQuick, TierMode::kB1, {1, 2})), PointCaseName);
INSTANTIATE_TEST_SUITE_P(QuickPhase60_B2_reference, Phase60Grid,
                         ::testing::ValuesIn(GridOf(kQuick, TierMode::kB2, {1, 2})), PointCaseName);

}  // namespace
}  // namespace kvtier
