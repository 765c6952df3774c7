#include "workloads/eviction.hpp"

#include <set>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/core/error.hpp"
#include "workloads/block_stream.hpp"
#include "workloads/hit_model.hpp"
#include "workloads/pressure.hpp"

namespace kvtier {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

/// As profile reference has it: 60 prompts of 16 to 18 blocks, pushed out by 24 others.
EvictionOptions DefaultShape() {
  EvictionOptions o;
  o.run_seed = 20260212;
  o.a_requests = 60;
  o.b_requests = 24;
  o.target_tokens_min = 528;
  o.target_tokens_max = 592;
  o.gen_tokens = 8;
  o.ignore_eos = true;
  o.model = "m";
  o.request_seed = 7;
  return o;
}

TierPools Pools(std::uint64_t disk, bool filter = false) {
  return {.device_blocks = 128,
          .host_blocks = 256,
          .disk_blocks = disk,
          .block_tokens = 32,
          .disk_offload_filter = filter};
}

std::uint64_t Blocks(const PhasePlan& phase) {
  std::uint64_t sum = 0;
  for (const auto& r : phase.requests) sum += static_cast<std::uint64_t>(r.prompt_tokens_est) / 32;
  return sum;
}

TEST(Eviction, HasTheDocumentedPhasesNamesAndConcurrencies) {
  EvictionOptions o = DefaultShape();
  o.warmup_requests = 2;
  o.a_requests = 3;
  o.b_requests = 1;
  const Plan plan = BuildEvictionPlan(o);
  EXPECT_EQ(plan.scenario, "eviction_replay");
  std::vector<std::string> phases, ids;
  for (const auto& p : plan.phases) {
    phases.push_back(
        fmt::format("{} c{}{}", p.name, p.concurrency, p.include_in_overall ? "" : " apart"));
    for (const auto& r : p.requests) ids.push_back(r.prompt_set + "/" + r.prompt_id);
  }
  EXPECT_THAT(phases, ElementsAre("warmup c2 apart", "warm_A c2", "pressure_B c4", "replay_A c2"));
  EXPECT_THAT(ids, ElementsAre("warmup/warmup-00000", "warmup/warmup-00001", "replay_a/A-00000",
                               "replay_a/A-00001", "replay_a/A-00002", "replay_b/B-00000",
                               "replay_a/A-00000", "replay_a/A-00001", "replay_a/A-00002"));
  const PlannedRequest& a = plan.phases[1].requests[0];
  EXPECT_EQ(a.metadata.workload, "eviction_replay");
  EXPECT_EQ(a.metadata.phase_intent, "warm_or_replay");
  EXPECT_EQ(a.params.max_tokens, 8);
  EXPECT_EQ(a.params.seed, 7);
  EXPECT_TRUE(a.extras.ignore_eos);
  EXPECT_FALSE(a.session_id.has_value());
  o.warmup_requests = 0;
  EXPECT_EQ(BuildEvictionPlan(o).phases.size(), 3U);
}

TEST(Eviction, TheReplayIsTheSameBytesInTheSameOrder) {
  const Plan plan = BuildEvictionPlan(DefaultShape());
  ASSERT_EQ(plan.phases[0].requests.size(), plan.phases[2].requests.size());
  for (std::size_t i = 0; i < plan.phases[0].requests.size(); ++i) {
    EXPECT_EQ(plan.phases[0].requests[i].prompt, plan.phases[2].requests[i].prompt);
    EXPECT_EQ(plan.phases[0].requests[i].identity.request_identity_sha256,
              plan.phases[2].requests[i].identity.request_identity_sha256);
  }
}

// The predecessor tuned the wrapped prompt and left filler behind the assistant header.
TEST(Eviction, PromptsHaveTheirSizeAndAreWellFormed) {
  std::set<int> drawn;
  for (const auto& phase : BuildEvictionPlan(DefaultShape()).phases) {
    for (const auto& r : phase.requests) {
      ASSERT_EQ(r.prompt_tokens_est, TokenCounter::ByteLevel().Count(r.prompt));
      ASSERT_LE(r.prompt_tokens_est, r.target_tokens);
      ASSERT_GE(r.prompt_tokens_est, r.target_tokens - 7);
      ASSERT_GE(r.prompt_tokens_est % 32, 4);
      ASSERT_LE(r.prompt_tokens_est % 32, 28);
      ASSERT_THAT(r.prompt, StartsWith("<|begin_of_text|><|start_header_id|>user<|end_header_id|>"
                                       "\n\n["));
      ASSERT_THAT(r.prompt,
                  EndsWith("<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"));
      drawn.insert(r.target_tokens);
    }
  }
  EXPECT_GE(*drawn.begin(), 528);
  EXPECT_LE(*drawn.rbegin(), 592);
  EXPECT_GT(drawn.size(), 10U);
}

TEST(Eviction, SizesAreThePreferredOnesWhereTheRangeHasSome) {
  EvictionOptions o = DefaultShape();
  o.a_requests = 20;
  o.b_requests = 1;
  o.target_tokens_min = 6000;
  o.target_tokens_max = 12288;
  std::set<int> drawn;
  const Plan wide = BuildEvictionPlan(o);
  for (const auto& r : wide.phases[0].requests) drawn.insert(r.target_tokens);
  EXPECT_THAT(drawn, ElementsAre(8192, 12288));
  o.target_tokens_max = 6000;
  const Plan narrow = BuildEvictionPlan(o);
  for (const auto& r : narrow.phases[0].requests) EXPECT_EQ(r.target_tokens, 6000);
}

TEST(Eviction, NoTwoPromptsShareABlock) {
  EvictionOptions o = DefaultShape();
  o.warmup_requests = 8;
  const Plan plan = BuildEvictionPlan(o);
  const BlockStream stream = MakeBlockStream(plan, 32);
  std::uint64_t total = 0;
  for (const auto& phase : plan.phases) {
    if (phase.name != "replay_A") total += Blocks(phase);
  }
  EXPECT_EQ(stream.distinct, total);
}

TEST(Eviction, IsTheSameForASeedAndAnotherForAnotherPairOrList) {
  EvictionOptions o = DefaultShape();
  const Plan plan = BuildEvictionPlan(o);
  EXPECT_EQ(BuildEvictionPlan(o).phases[1].requests[3].prompt, plan.phases[1].requests[3].prompt);
  // How much pressure there is does not move what is replayed.
  o.b_requests = 5;
  o.warmup_requests = 3;
  EXPECT_EQ(BuildEvictionPlan(o).phases[1].requests[3].prompt, plan.phases[0].requests[3].prompt);
  o.pair_index = 1;
  EXPECT_NE(BuildEvictionPlan(o).phases[1].requests[3].prompt, plan.phases[0].requests[3].prompt);
}

TEST(Eviction, NamesTheOptionThatIsOutOfRange) {
  EvictionOptions o = DefaultShape();
  o.target_tokens_max = 527;
  try {
    BuildEvictionPlan(o);
    FAIL();
  } catch (const ConfigError& e) {
    EXPECT_THAT(e.what(), HasSubstr("long_range (its upper end) is 527: allowed are 528 to"));
  }
  o = DefaultShape();
  o.b_requests = 0;
  EXPECT_THROW(BuildEvictionPlan(o), ConfigError);
}

TEST(Eviction, TheDefaultShapeIsExactAndReplaysFromDisk) {
  const Plan plan = BuildEvictionPlan(DefaultShape());
  const std::uint64_t a = Blocks(plan.phases[0]), b = Blocks(plan.phases[1]);
  const auto b2 = PredictHits(plan, Pools(1536));
  for (const auto& [phase, hits] : b2) EXPECT_TRUE(hits.exact) << phase;
  EXPECT_EQ(b2.at("warm_A").computed_blocks.low, a);
  EXPECT_EQ(b2.at("pressure_B").offload_g2_to_g3_blocks.low, b);
  EXPECT_EQ(b2.at("replay_A").g3_blocks.low, a);
  EXPECT_EQ(b2.at("replay_A").computed_blocks.high, 0U);
  const auto b1 = PredictHits(plan, Pools(0));
  EXPECT_TRUE(b1.at("replay_A").exact);
  EXPECT_EQ(b1.at("replay_A").computed_blocks.low, a);
  EXPECT_EQ(b1.at("replay_A").g2_blocks.high, 0U);
}

TEST(EvictionPressure, TheDefaultShapeIsSufficient) {
  const Plan plan = BuildEvictionPlan(DefaultShape());
  const PressureVerdict v = CheckPressure(plan, Pools(1536));
  EXPECT_TRUE(v.sufficient) << v.sentence;
  EXPECT_EQ(v.replay_blocks, Blocks(plan.phases[2]));
  EXPECT_EQ(v.populate_blocks, Blocks(plan.phases[0]));
  EXPECT_EQ(v.thrash_blocks, Blocks(plan.phases[1]));
  EXPECT_THAT(v.sentence, HasSubstr("warm_A wrote"));
}

TEST(EvictionPressure, RefusalsNameTheKnobsOfThisScenario) {
  EvictionOptions little = DefaultShape();
  little.b_requests = 8;  // at most 144 blocks: G2 keeps some of A
  const PressureVerdict upper = CheckPressure(BuildEvictionPlan(little), Pools(1536));
  EXPECT_EQ(upper.problem, PressureProblem::kUpperTiersHold);
  EXPECT_THAT(upper.sentence, HasSubstr("because pressure_B sends only"));
  // A prompt of the range has 16 blocks at least: 256 / 16.
  EXPECT_THAT(upper.knob, HasSubstr("scenario.b_requests (BENCH_PHASE56_B_REQ) to at least 16"));
  const Plan plan = BuildEvictionPlan(DefaultShape());
  const PressureVerdict small = CheckPressure(plan, Pools(1300));
  EXPECT_EQ(small.problem, PressureProblem::kDiskTooSmall);
  EXPECT_THAT(small.sentence, HasSubstr("G3 has 1300 blocks and warm_A and pressure_B write"));
  TierPools narrow = Pools(1536);
  narrow.device_blocks = 10;
  EXPECT_THAT(CheckPressure(plan, narrow).knob, HasSubstr("BENCH_PHASE56_LONG_RANGE"));
  EXPECT_EQ(CheckPressure(plan, Pools(1536, true)).problem, PressureProblem::kFilterKeepsOut);
}

}  // namespace
}  // namespace kvtier
