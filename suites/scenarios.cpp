// The scenarios beyond those with a replay: prompts that share nothing, a shared project context,
// agents that carry their history, documents with several questions, tenants beside each other, and
// the early workloads. What the plan shares must come from the tiers and nothing else may; what the
// engine counts, what the disk did and what our own model of the tiers expects must agree.
#include <algorithm>

#include "fixtures/leg.hpp"
#include "fixtures/reuse_check.hpp"
#include "fixtures/single_leg.hpp"
#include "harness/judge/gates.hpp"
#include "suites/stack_profile.hpp"

namespace kvtier {
namespace {

/// One shape of a scenario on one tier of one stack.
struct ScenarioCase {
  TierCase at;
  std::string name;
  std::string scenario;
  std::vector<FlagValue> flags = {};
};
void PrintTo(const ScenarioCase& c, std::ostream* os) {
  PrintTo(c.at, os);
  *os << " " << c.name;
}
std::string ScenarioCaseName(const ::testing::TestParamInfo<ScenarioCase>& info) {
  return info.param.name;
}

std::vector<ScenarioCase> MainShapes(const TierCase& at) {
  return {{at, "standard_short", "standard"},
          {at, "standard_long", "standard", {{"standard.prompt_set", "long", "suite"}}},
          {at, "local_copilot_burst", "local_copilot_burst"},
          {at, "agent_loop", "agent_loop"},
          {at, "rag_summarize", "rag_summarize"},
          {at, "mixed_tenants", "mixed_tenants", {{"rag.documents", "4", "suite"}}}};
}

std::vector<ScenarioCase> AllShapes(const TierCase& at) {
  std::vector<ScenarioCase> all = MainShapes(at);
  all.push_back({at, "standard_mixed", "standard", {{"standard.prompt_set", "mixed", "suite"}}});
  all.push_back({at, "fixed_context", "fixed_context"});
  all.push_back(
      {at, "fixed_context_nonce", "fixed_context", {{"early.nonce_per_request", "true", "suite"}}});
  all.push_back({at, "mixed_context_even", "mixed_context"});
  all.push_back(
      {at, "mixed_context_bursty", "mixed_context", {{"early.burstiness", "bursty", "suite"}}});
  all.push_back({at, "sessioned_chat", "sessioned_chat"});
  return all;
}

Profile LoadShape(const ScenarioCase& c) {
  ProfileRequest request = RequestFor(c.at.on);
  request.environment.erase("BENCH_RUN_ID");  // it names one run, and here are many
  request.flags.insert(request.flags.end(), c.flags.begin(), c.flags.end());
  return LoadProfile(request);
}

class Scenario : public ::testing::TestWithParam<ScenarioCase> {
 protected:
  void SetUp() override {
    profile_ = LoadShape(GetParam());
    profile_.scenario.name = GetParam().scenario;
    const StackProfile& on = GetParam().at.on;
    const std::string why_not = WhyNotHere(on, profile_);
    KVTIER_REQUIRE_OR_SKIP(on.stack, why_not.empty(), why_not);
  }

  /// Where tokens can be counted without the server: what the tiers had to answer, and what not.
  void ExpectReuse(const LegEvidence& leg) {
    if (profile_.backend != Backend::kReference) return;
    const Plan plan = BuildScenarioPlan(profile_, leg.model_id, TokenCounter::ByteLevel(), 0);
    const auto phases = CheckReuseClaims(leg, plan);
    for (const PhaseReuse& reuse : phases) {
      RecordProperty("reuse_" + reuse.phase, Text(reuse));
      EXPECT_TRUE(reuse.Holds()) << Text(reuse);
    }
    // On B2 the SSD holds the whole run, so something must have been claimed.
    const bool claimed = std::any_of(phases.begin(), phases.end(), [](const PhaseReuse& r) {
      return r.nothing_shared || r.at_least > 0;
    });
    EXPECT_TRUE(claimed || GetParam().at.tier != TierMode::kB2);
  }

  Profile profile_;
};

TEST_P(Scenario, ReusesWhatItSharesAndNothingElse) {
  const ScenarioCase& c = GetParam();
  const LegEvidence leg = RunSingleLeg(profile_, c.scenario, c.at.tier);
  KVTIER_SKIP_IF_UNAVAILABLE(c.at.on.stack, leg);
  RecordProperty("bundle", leg.run_dir);
  const Findings findings = JudgeLeg(leg);
  RecordFindings(findings);
  EXPECT_FALSE(Has(findings, Reason::kExpectedHitsMismatch)) << FindingsText(findings);
  if (leg.run_valid) ExpectReuse(leg);  // however busy the machine is
  if (c.at.on.quick) KVTIER_SKIP_IF_TOO_BUSY(findings);
  EXPECT_TRUE(HoldsAgainst(findings)) << LogTails(leg);
}

INSTANTIATE_TEST_SUITE_P(Scenario_B0_reference, Scenario,
                         ::testing::ValuesIn(AllShapes({kReference, TierMode::kB0})),
                         ScenarioCaseName);
INSTANTIATE_TEST_SUITE_P(Scenario_B1_reference, Scenario,
                         ::testing::ValuesIn(AllShapes({kReference, TierMode::kB1})),
                         ScenarioCaseName);
INSTANTIATE_TEST_SUITE_P(Scenario_B2_reference, Scenario,
                         ::testing::ValuesIn(AllShapes({kReference, TierMode::kB2})),
                         ScenarioCaseName);
INSTANTIATE_TEST_SUITE_P(Scenario_B0_spark, Scenario,
                         ::testing::ValuesIn(MainShapes({kSpark, TierMode::kB0})),
                         ScenarioCaseName);
INSTANTIATE_TEST_SUITE_P(Scenario_B1_spark, Scenario,
                         ::testing::ValuesIn(MainShapes({kSpark, TierMode::kB1})),
                         ScenarioCaseName);
INSTANTIATE_TEST_SUITE_P(Scenario_B2_spark, Scenario,
                         ::testing::ValuesIn(MainShapes({kSpark, TierMode::kB2})),
                         ScenarioCaseName);
INSTANTIATE_TEST_SUITE_P(QuickScenario_B2_reference, Scenario,
                         ::testing::Values(ScenarioCase{
                             {kQuick, TierMode::kB2}, "mixed_tenants", "mixed_tenants"}),
                         ScenarioCaseName);

/// Prompts of 32k tokens, which an engine with a smaller context has to refuse.
class LargeDataset : public ::testing::TestWithParam<TierCase> {};

TEST_P(LargeDataset, IsBlockedWithAReasonAndADossier) {
  const TierCase& at = GetParam();
  const Profile profile = LoadShape({at,
                                     "large",
                                     "standard",
                                     {{"standard.prompt_set", "long", "suite"},
                                      {"standard.requests", "1", "suite"},
                                      {"scenario.long_range", "32768:32768", "suite"}}});
  const std::string why_not = WhyNotHere(at.on, profile);
  KVTIER_REQUIRE_OR_SKIP(at.on.stack, why_not.empty(), why_not);
  const LegEvidence leg = RunSingleLeg(profile, "standard", at.tier);
  RecordProperty("bundle", leg.run_dir);
  EXPECT_TRUE(leg.closed);
  EXPECT_FALSE(leg.run_valid);
  EXPECT_EQ(leg.invalid_reason, "prompt_preflight_failed");
  ASSERT_EQ(leg.invalid_details.size(), 1U);
  EXPECT_NE(leg.invalid_details[0].find("raise stack.max_num_tokens"), std::string::npos)
      << leg.invalid_details[0];
  EXPECT_TRUE(leg.records.empty());
  EXPECT_FALSE(leg.planned_prompts.empty());  // the plan is kept, so it can be sent elsewhere
}

INSTANTIATE_TEST_SUITE_P(Scenario_B2_reference, LargeDataset,
                         ::testing::Values(TierCase{kReference, TierMode::kB2}), TierCaseName);

}  // namespace
}  // namespace kvtier
