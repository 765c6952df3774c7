// reuse_verify: does any tier answer a prompt that was served before, and does it answer with the
// same text? One prompt is sent three times, alone. The first must find nothing, the second or
// third must find something.
#include "fixtures/single_leg.hpp"
#include "harness/judge/gates.hpp"
#include "harness/judge/signals.hpp"
#include "suites/stack_profile.hpp"

namespace kvtier {
namespace {

class ReuseVerify : public ::testing::TestWithParam<TierCase> {
 protected:
  void SetUp() override {
    profile_ = LoadFor(GetParam().on);
    const std::string why_not = WhyNotHere(GetParam().on, profile_);
    KVTIER_REQUIRE_OR_SKIP(GetParam().on.stack, why_not.empty(), why_not);
  }
  Profile profile_;
};

TEST_P(ReuseVerify, SomeTierAnswersWithTheSameText) {
  const LegEvidence leg = RunSingleLeg(profile_, "reuse_verify", GetParam().tier);
  KVTIER_SKIP_IF_UNAVAILABLE(GetParam().on.stack, leg);
  RecordProperty("bundle", leg.run_dir);
  for (const auto& phase : leg.phases)
    RecordProperty("answered_by_" + phase.name, AnsweringTier(leg, phase));
  EXPECT_TRUE(HoldsAgainst(CheckRunValid(leg))) << LogTails(leg);
  EXPECT_TRUE(HoldsAgainst(CheckReuse(leg)));
  EXPECT_TRUE(HoldsAgainst(CheckAnswers(leg)));
  EXPECT_TRUE(HoldsAgainst(CheckWitnesses(leg)));
}

INSTANTIATE_TEST_SUITE_P(ReuseVerify_B0_reference, ReuseVerify,
                         ::testing::Values(TierCase{kReference, TierMode::kB0}), TierCaseName);
INSTANTIATE_TEST_SUITE_P(ReuseVerify_B1_reference, ReuseVerify,
                         ::testing::Values(TierCase{kReference, TierMode::kB1}), TierCaseName);
INSTANTIATE_TEST_SUITE_P(ReuseVerify_B2_reference, ReuseVerify,
                         ::testing::Values(TierCase{kReference, TierMode::kB2}), TierCaseName);
INSTANTIATE_TEST_SUITE_P(ReuseVerify_B0_spark, ReuseVerify,
                         ::testing::Values(TierCase{kSpark, TierMode::kB0}), TierCaseName);
INSTANTIATE_TEST_SUITE_P(ReuseVerify_B1_spark, ReuseVerify,
                         ::testing::Values(TierCase{kSpark, TierMode::kB1}), TierCaseName);
INSTANTIATE_TEST_SUITE_P(ReuseVerify_B2_spark, ReuseVerify,
                         ::testing::Values(TierCase{kSpark, TierMode::kB2}), TierCaseName);
INSTANTIATE_TEST_SUITE_P(QuickReuseVerify_B2_reference, ReuseVerify,
                         ::testing::Values(TierCase{kQuick, TierMode::kB2}), TierCaseName);

}  // namespace
}  // namespace kvtier
