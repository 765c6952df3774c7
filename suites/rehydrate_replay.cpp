// rehydrate_replay: sessions are served, pushed out of the fast tiers by others, and asked again.
// On B2 their KV must come back from the SSD, on B1 it must not, on B0 there is none; the answers
// must stay the same, and what the engine counts, what the disk did and what our own model of the
// tiers expects must agree.
#include "fixtures/single_leg.hpp"
#include "harness/judge/gates.hpp"
#include "suites/stack_profile.hpp"

namespace kvtier {
namespace {

class RehydrateReplay : public ::testing::TestWithParam<TierCase> {
 protected:
  void SetUp() override {
    profile_ = LoadFor(GetParam().on);
    const std::string why_not = WhyNotHere(GetParam().on, profile_);
    KVTIER_REQUIRE_OR_SKIP(GetParam().on.stack, why_not.empty(), why_not);
  }
  Profile profile_;
};

TEST_P(RehydrateReplay, TheReplayComesFromWhereItMust) {
  const LegEvidence leg = RunSingleLeg(profile_, "rehydrate_replay", GetParam().tier);
  KVTIER_SKIP_IF_UNAVAILABLE(GetParam().on.stack, leg);
  RecordProperty("bundle", leg.run_dir);
  const Findings findings = JudgeLeg(leg);
  RecordFindings(findings);
  if (GetParam().on.quick) KVTIER_SKIP_IF_TOO_BUSY(findings);
  EXPECT_TRUE(HoldsAgainst(findings)) << LogTails(leg);
  EXPECT_FALSE(Has(findings, Reason::kExpectedHitsMismatch)) << FindingsText(findings);
}

INSTANTIATE_TEST_SUITE_P(RehydrateReplay_B0_reference, RehydrateReplay,
                         ::testing::Values(TierCase{kReference, TierMode::kB0}), TierCaseName);
INSTANTIATE_TEST_SUITE_P(RehydrateReplay_B1_reference, RehydrateReplay,
                         ::testing::Values(TierCase{kReference, TierMode::kB1}), TierCaseName);
INSTANTIATE_TEST_SUITE_P(RehydrateReplay_B2_reference, RehydrateReplay,
                         ::testing::Values(TierCase{kReference, TierMode::kB2}), TierCaseName);
INSTANTIATE_TEST_SUITE_P(RehydrateReplay_B0_spark, RehydrateReplay,
                         ::testing::Values(TierCase{kSpark, TierMode::kB0}), TierCaseName);
INSTANTIATE_TEST_SUITE_P(RehydrateReplay_B1_spark, RehydrateReplay,
                         ::testing::Values(TierCase{kSpark, TierMode::kB1}), TierCaseName);
INSTANTIATE_TEST_SUITE_P(RehydrateReplay_B2_spark, RehydrateReplay,
                         ::testing::Values(TierCase{kSpark, TierMode::kB2}), TierCaseName);
INSTANTIATE_TEST_SUITE_P(QuickRehydrateReplay_B2_reference, RehydrateReplay,
                         ::testing::Values(TierCase{kQuick, TierMode::kB2}), TierCaseName);

}  // namespace
}  // namespace kvtier
