// The runbook's wrappers: smoke (does it work at all), matrix (short and long prompts at several
// concurrencies, then eviction_replay) and compare (the same prompts on B0, B1 and B2, which must
// be answered alike).
#include "fixtures/wrapper_runs.hpp"
#include "harness/core/clock.hpp"
#include "harness/judge/gates.hpp"
#include "suites/stack_profile.hpp"

namespace kvtier {
namespace {

class Wrapper : public ::testing::TestWithParam<StackProfile> {
 protected:
  void SetUp() override {
    profile_ = LoadFor(GetParam());
    const std::string why_not = WhyNotHere(GetParam(), profile_);
    KVTIER_REQUIRE_OR_SKIP(GetParam().stack, why_not.empty(), why_not);
  }

  void ExpectHold(const std::vector<WrapperResult>& results) {
    for (const WrapperResult& result : results) {
      RecordProperty("bundle_" + result.leg.title, result.evidence.run_dir);
      EXPECT_TRUE(HoldsAgainst(result.findings)) << result.leg.title << LogTails(result.evidence);
      EXPECT_FALSE(Has(result.findings, Reason::kExpectedHitsMismatch))
          << FindingsText(result.findings);
    }
    std::printf("%s", WrapperTable(results).c_str());
  }

  Profile profile_;
};

class Smoke : public Wrapper {};
class Matrix : public Wrapper {};
class Compare : public Wrapper {};

TEST_P(Smoke, AFewShortPromptsAreServed) {
  ExpectHold(RunWrapper(RequestFor(GetParam()), SmokeLegs(profile_, UtcCompactNow()), false));
}

TEST_P(Matrix, EveryCellHolds) {
  ExpectHold(RunWrapper(RequestFor(GetParam()), MatrixLegs(profile_, UtcCompactNow()), false));
}

TEST_P(Compare, TheModesAnswerAlike) {
  ExpectHold(RunWrapper(RequestFor(GetParam()), CompareLegs(profile_, UtcCompactNow()), true));
}

INSTANTIATE_TEST_SUITE_P(Smoke_B2_reference, Smoke, ::testing::Values(kReference), ProfileName);
INSTANTIATE_TEST_SUITE_P(Smoke_B2_spark, Smoke, ::testing::Values(kSpark), ProfileName);
INSTANTIATE_TEST_SUITE_P(Matrix_B2_reference, Matrix, ::testing::Values(kReference), ProfileName);
INSTANTIATE_TEST_SUITE_P(Matrix_B2_spark, Matrix, ::testing::Values(kSpark), ProfileName);
INSTANTIATE_TEST_SUITE_P(Compare_B0B1B2_reference, Compare, ::testing::Values(kReference),
                         ProfileName);
INSTANTIATE_TEST_SUITE_P(Compare_B0B1B2_spark, Compare, ::testing::Values(kSpark), ProfileName);

}  // namespace
}  // namespace kvtier
