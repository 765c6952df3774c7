// eviction_replay: documents A are served (warm_A), pushed out of the fast tiers by documents B
// (pressure_B), and asked again word for word (replay_A). On B2 the KV of A must come back from the
// SSD, on B1 it must not, on B0 there is none; the answers must stay the same, and what the engine
// counts, what the disk did and what our own model of the tiers expects must agree.
#include "fixtures/single_leg.hpp"
#include "harness/judge/gates.hpp"
#include "suites/stack_profile.hpp"

namespace kvtier {
namespace {

class EvictionReplay : public ::testing::TestWithParam<TierCase> {
 protected:
  void SetUp() override {
    profile_ = LoadFor(GetParam().on);
    const std::string why_not = WhyNotHere(GetParam().on, profile_);
    KVTIER_REQUIRE_OR_SKIP(GetParam().on.stack, why_not.empty(), why_not);
  }
  Profile profile_;
};

TEST_P(EvictionReplay, TheReplayComesFromWhereItMust) {
  const LegEvidence leg = RunSingleLeg(profile_, "eviction_replay", GetParam().tier);
  KVTIER_SKIP_IF_UNAVAILABLE(GetParam().on.stack, leg);
  RecordProperty("bundle", leg.run_dir);
  const Findings findings = JudgeLeg(leg);
  RecordFindings(findings);
  if (GetParam().on.quick) KVTIER_SKIP_IF_TOO_BUSY(findings);
  EXPECT_TRUE(HoldsAgainst(findings)) << LogTails(leg);
  EXPECT_FALSE(Has(findings, Reason::kExpectedHitsMismatch)) << FindingsText(findings);
}

INSTANTIATE_TEST_SUITE_P(EvictionReplay_B0_reference, EvictionReplay,
                         ::testing::Values(TierCase{kReference, TierMode::kB0}), TierCaseName);
INSTANTIATE_TEST_SUITE_P(EvictionReplay_B1_reference, EvictionReplay,
                         ::testing::Values(TierCase{kReference, TierMode::kB1}), TierCaseName);
INSTANTIATE_TEST_SUITE_P(EvictionReplay_B2_reference, EvictionReplay,
                         ::testing::Values(TierCase{kReference, TierMode::kB2}), TierCaseName);
INSTANTIATE_TEST_SUITE_P(EvictionReplay_B0_spark, EvictionReplay,
                         ::testing::Values(TierCase{kSpark, TierMode::kB0}), TierCaseName);
INSTANTIATE_TEST_SUITE_P(EvictionReplay_B1_spark, EvictionReplay,
                         ::testing::Values(TierCase{kSpark, TierMode::kB1}), TierCaseName);
INSTANTIATE_TEST_SUITE_P(EvictionReplay_B2_spark, EvictionReplay,
                         ::testing::Values(TierCase{kSpark, TierMode::kB2}), TierCaseName);
INSTANTIATE_TEST_SUITE_P(QuickEvictionReplay_B2_reference, EvictionReplay,
                         ::testing::Values(TierCase{kQuick, TierMode::kB2}), TierCaseName);

}  // namespace
}  // namespace kvtier
