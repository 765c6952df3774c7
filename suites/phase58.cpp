// Phase58, progressive thrash: how much pressure does it take until a replay has to come from the
// SSD? Trials of eviction_replay send more and more documents B between warm_A and replay_A. Trials
// that are too weak end invalid and say so; the first two good ones must bring A back from the SSD
// and must count the same things while they do.
#include "fixtures/phase58.hpp"

#include "fixtures/single_leg.hpp"
#include "harness/judge/gates.hpp"
#include "harness/report/bundle.hpp"
#include "suites/stack_profile.hpp"

namespace kvtier {
namespace {

class Phase58 : public ::testing::TestWithParam<TierCase> {
 protected:
  void SetUp() override {
    request_ = RequestFor(GetParam().on);
    request_.flags.push_back({"tier", std::string(TierName(GetParam().tier)), "suite"});
    const std::string why_not = WhyNotHere(GetParam().on, LoadProfile(request_));
    KVTIER_REQUIRE_OR_SKIP(GetParam().on.stack, why_not.empty(), why_not);
  }
  ProfileRequest request_;
};

TEST_P(Phase58, ProgressiveThrash) {
  const ThrashRun run = RunPhase58(request_);
  RecordProperty("bundle", run.bundle_dir.string());
  RecordProperty("good_trials", run.good());
  EXPECT_GE(run.good(), 2) << run.quick_summary.dump(2);
  for (const auto& trial : run.trials) {
    if (trial.at("status") != "ok") continue;
    const LegEvidence leg =
        LoadLeg(run.bundle_dir / trial.at("artifacts").at("trial_dir").get<std::string>() /
                trial.at("trial_run_id").get<std::string>());
    const Findings findings = JudgeLeg(leg);
    if (GetParam().on.quick) KVTIER_SKIP_IF_TOO_BUSY(findings);
    EXPECT_TRUE(HoldsAgainst(findings)) << LogTails(leg);
  }
  EXPECT_EQ(run.metrics_diff.at("status"), "ok");
  EXPECT_GT(run.metrics_diff.value("counters_with_nonzero_delta_count", 0), 0)
      << "no counter moved in the replays";
}

INSTANTIATE_TEST_SUITE_P(Phase58_B2_reference, Phase58,
                         ::testing::Values(TierCase{kReference, TierMode::kB2}), TierCaseName);
INSTANTIATE_TEST_SUITE_P(Phase58_B2_spark, Phase58,
                         ::testing::Values(TierCase{kSpark, TierMode::kB2}), TierCaseName);
INSTANTIATE_TEST_SUITE_P(QuickPhase58_B2_reference, Phase58,
                         ::testing::Values(TierCase{kQuick, TierMode::kB2}), TierCaseName);

}  // namespace
}  // namespace kvtier
