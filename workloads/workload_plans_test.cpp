// The workloads beyond those with a replay: what their plans look like, and that they are the same
// on every machine.
#include <algorithm>
#include <functional>
#include <map>
#include <set>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/core/error.hpp"
#include "harness/core/files.hpp"
#include "workloads/adapter_sequence.hpp"
#include "workloads/agent_loop.hpp"
#include "workloads/block_stream.hpp"
#include "workloads/copilot.hpp"
#include "workloads/eviction.hpp"
#include "workloads/fixed_context.hpp"
#include "workloads/hit_model.hpp"
#include "workloads/manifests.hpp"
#include "workloads/mixed_context.hpp"
#include "workloads/mixed_tenants.hpp"
#include "workloads/rag_summarize.hpp"
#include "workloads/sessioned_chat.hpp"
#include "workloads/standard.hpp"
#include "workloads/sure_reuse.hpp"

namespace kvtier {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using ::testing::StartsWith;

constexpr const char* kHeader = "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\n";
constexpr const char* kAssistant = "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n";

template <class Options>
Options Common(int pair = 1) {
  Options o;
  o.run_seed = 20260212;
  o.pair_index = pair;
  o.concurrency = 2;
  o.gen_tokens = 8;
  o.ignore_eos = true;
  o.model = "m";
  o.request_seed = 7;
  return o;
}

StandardOptions SmallStandard(int pair = 1) {
  auto o = Common<StandardOptions>(pair);
  o.prompt_set = "mixed";
  o.requests = 24;
  o.warmup_requests = 3;
  o.short_sizes = {256, 400};
  o.long_sizes = {600, 700};
  return o;
}
CopilotOptions SmallCopilot(int pair = 1) {
  auto o = Common<CopilotOptions>(pair);
  o.requests = 13;
  o.warmup_requests = 2;
  o.session_count = 3;
  o.burst_size = 2;
  o.shared_prefix_tokens = 300;  // 9 blocks
  return o;
}
AgentLoopOptions SmallAgents(int pair = 1) {
  auto o = Common<AgentLoopOptions>(pair);
  o.sessions = 3;
  o.turns = 3;
  o.instructions_tokens = 256;
  o.tool_result_tokens = 80;
  o.think_time_ns = 5'000'000;
  return o;
}
RagOptions SmallRag(int pair = 1) {
  auto o = Common<RagOptions>(pair);
  o.documents = 5;
  o.questions = 3;
  o.document_tokens = 320;
  return o;
}
MixedTenantsOptions SmallTenants(int pair = 1) {
  auto o = Common<MixedTenantsOptions>(pair);
  o.tenants = 4;
  o.copilot = SmallCopilot();
  o.agent = SmallAgents();
  o.rag = SmallRag();
  return o;
}
FixedContextOptions SmallFixed(int pair = 1) {
  auto o = Common<FixedContextOptions>(pair);
  o.requests = 4;
  o.context_tokens = 300;
  o.nonce_per_request = true;
  return o;
}
MixedContextOptions SmallMixedContext(int pair = 1) {
  auto o = Common<MixedContextOptions>(pair);
  o.requests = 60;
  o.short_bucket.sizes = {200, 250};
  o.medium_bucket.sizes = {260, 300};
  o.long_bucket.sizes = {310, 400};
  o.bursty = true;
  o.burst_pause_ns = 10'000'000;
  return o;
}
SessionedChatOptions SmallChat(int pair = 1) {
  auto o = Common<SessionedChatOptions>(pair);
  o.sessions = 3;
  o.min_turns = 2;
  o.max_turns = 4;
  o.resume_turns = 2;
  o.chunk_tokens = 128;
  return o;
}
EvictionOptions SmallEviction(int pair = 1) {
  auto o = Common<EvictionOptions>(pair);
  o.a_requests = 3;
  o.b_requests = 2;
  o.target_tokens_min = 528;
  o.target_tokens_max = 592;
  return o;
}

struct Named {
  const char* name;
  std::function<Plan(int pair)> build;
  const char* golden;  // SHA-256 of the request manifest, one row a line
};
void PrintTo(const Named& n, std::ostream* os) {
  *os << n.name;
}
std::string PlanName(const ::testing::TestParamInfo<Named>& given) {
  return given.param.name;
}

std::string ManifestSha256(const Plan& plan) {
  std::string text;
  for (const auto& row : RequestManifestRows(plan)) text += CanonicalJson(row) + "\n";
  return Sha256Hex(text);
}

class WorkloadPlans : public ::testing::TestWithParam<Named> {};

// Equal on every machine and compiler: the same run on two machines sends the same bytes.
TEST_P(WorkloadPlans, HaveTheirKnownFingerprint) {
  const Plan plan = GetParam().build(1);
  EXPECT_EQ(ManifestSha256(plan), GetParam().golden);
  EXPECT_EQ(ManifestSha256(GetParam().build(1)), ManifestSha256(plan));
}

TEST_P(WorkloadPlans, ShareNothingWithAnotherPair) {
  std::set<BlockHash> first;
  for (const int pair : {1, 2}) {
    for (const auto& phase : GetParam().build(pair).phases) {
      for (const auto& r : phase.requests) {
        const auto chain = BlockChain(TokensOf(r), 32);
        if (pair == 1) {
          first.insert(chain.begin(), chain.end());
        } else {
          ASSERT_FALSE(first.contains(chain.front())) << r.prompt_id;
        }
      }
    }
  }
}

TEST_P(WorkloadPlans, BeginWithANonceAndEndWithTheAssistantHeader) {
  for (const auto& phase : GetParam().build(1).phases) {
    std::set<std::string> in_phase;
    for (const auto& r : phase.requests) {
      ASSERT_THAT(r.prompt, StartsWith(std::string(kHeader) + "["));
      ASSERT_THAT(r.prompt, EndsWith(kAssistant));
      ASSERT_EQ(r.prompt_tokens_est, TokenCounter::ByteLevel().Count(r.prompt));
      ASSERT_GE(r.prompt_tokens_est % 32, 4) << r.prompt_id;
      ASSERT_LE(r.prompt_tokens_est % 32, 28) << r.prompt_id;
      ASSERT_TRUE(in_phase.insert(r.prompt_id).second) << r.prompt_id;
      ASSERT_EQ(r.params.max_tokens, 8);
      ASSERT_EQ(r.params.seed, 7);
      ASSERT_TRUE(r.extras.ignore_eos);
      ASSERT_FALSE(r.identity.request_identity_sha256.empty());
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, WorkloadPlans,
    ::testing::Values(
        Named{"standard", [](int pair) { return BuildStandardPlan(SmallStandard(pair)); },
              "ef59f41ef13635d1e740f21d7613f12a4c41b2923acb5d597dc927006fc55bf2"},
        Named{"local_copilot_burst", [](int pair) { return BuildCopilotPlan(SmallCopilot(pair)); },
              "a16430831d5c5f5ef73207dd2c1e5bf5b44db78419cf9315da9bb921e0b1c7e5"},
        Named{"agent_loop", [](int pair) { return BuildAgentLoopPlan(SmallAgents(pair)); },
              "0f1a30abfc7a67244dbefe13bdf6a8a08529d59c3d5c1e525c284400e881ce78"},
        Named{"rag_summarize", [](int pair) { return BuildRagPlan(SmallRag(pair)); },
              "17999c3a452538e4c6b1f0cf30f8df4cab4d4d80e041d9f7730ca8a255f5718a"},
        Named{"mixed_tenants", [](int pair) { return BuildMixedTenantsPlan(SmallTenants(pair)); },
              "238a6435c755b3819ce14c0e78cee83b820f4934cf9254725bca8effa1e66f24"},
        Named{"fixed_context", [](int pair) { return BuildFixedContextPlan(SmallFixed(pair)); },
              "f9d9afc7dbf104f94d3df93f60e4c43ee5306157b47f1479eeef5605cf1b56d1"},
        Named{"mixed_context",
              [](int pair) { return BuildMixedContextPlan(SmallMixedContext(pair)); },
              "6333e93b9d343f054e7fd8f860874f86f0ebbf7c33ff008f9d22288c87898442"},
        Named{"sessioned_chat", [](int pair) { return BuildSessionedChatPlan(SmallChat(pair)); },
              "a0ddbaa55e5c2151f8c9356b29e84a42ce0d4d9e352916da1d0b0d20d32d81b9"},
        Named{"eviction_replay", [](int pair) { return BuildEvictionPlan(SmallEviction(pair)); },
              "4922283c13590eb6a4ad19f836bc3f058d2e9acb706a7f875ed5ac886244fb24"}),
    PlanName);

std::size_t FullBlocks(const Plan& plan) {
  std::size_t sum = 0;
  for (const auto& phase : MakeBlockStream(plan, 32).phases) {
    for (const auto& r : phase.requests) sum += r.blocks.size();
  }
  return sum;
}

/// Blocks that two prompts begin with alike.
std::size_t CommonBlocks(const PlannedRequest& a, const PlannedRequest& b) {
  const auto x = BlockChain(TokensOf(a), 32), y = BlockChain(TokensOf(b), 32);
  return static_cast<std::size_t>(std::mismatch(x.begin(), x.end(), y.begin(), y.end()).first -
                                  x.begin());
}

TEST(Standard, NoTwoPromptsShareABlockAndSizesAreThoseOfTheirSet) {
  const Plan plan = BuildStandardPlan(SmallStandard());
  EXPECT_EQ(MakeBlockStream(plan, 32).distinct, FullBlocks(plan));
  ASSERT_THAT(plan.phases, SizeIs(2));
  EXPECT_FALSE(plan.phases[0].include_in_overall);
  EXPECT_TRUE(plan.phases[1].include_in_overall);
  std::map<std::string, int> sets;
  for (const auto& r : plan.phases[1].requests) {
    ++sets[r.prompt_set];
    EXPECT_GE(r.target_tokens, r.prompt_set == "long" ? 600 : 256);
    EXPECT_LE(r.target_tokens, r.prompt_set == "long" ? 700 : 400);
    EXPECT_LE(r.prompt_tokens_est, r.target_tokens);
    EXPECT_GE(r.prompt_tokens_est, r.target_tokens - 7);
  }
  EXPECT_GE(sets["short"], 5);
  EXPECT_GE(sets["long"], 5);
  for (const auto& [phase, tokens] : SurelyReusedTokens(plan, 32)) EXPECT_EQ(tokens, 0U) << phase;
}

TEST(Standard, TakesTheDocumentedSizesAndRefusesWhatItDoesNotKnow) {
  auto o = SmallStandard();
  o.prompt_set = "short";
  o.short_sizes = {512, 2048};
  std::set<int> drawn;
  const Plan plan = BuildStandardPlan(o);
  for (const auto& r : plan.phases[1].requests) drawn.insert(r.target_tokens);
  EXPECT_THAT(drawn, ElementsAre(512, 768, 1024, 1536, 2048));
  o.prompt_set = "tiny";
  EXPECT_THROW(BuildStandardPlan(o), ConfigError);
  o.prompt_set = "short";
  o.short_sizes = {512, 511};
  try {
    BuildStandardPlan(o);
    FAIL();
  } catch (const ConfigError& e) {
    EXPECT_THAT(e.what(), HasSubstr("short_range (its upper end) is 511: allowed are 512 to"));
  }
  o = SmallStandard();
  o.warmup_requests = 0;
  EXPECT_THAT(BuildStandardPlan(o).phases, SizeIs(1));
}

TEST(Copilot, TheContextIsSharedBlockByBlockAndTheRestIsNot) {
  const Plan plan = BuildCopilotPlan(SmallCopilot());
  ASSERT_THAT(plan.phases, SizeIs(2));
  const auto& measured = plan.phases[1].requests;
  for (std::size_t i = 1; i < measured.size(); ++i) {
    EXPECT_EQ(CommonBlocks(measured[0], measured[i]), 9U);
    EXPECT_EQ(measured[i].prefix_hash, measured[0].prefix_hash);
    EXPECT_EQ(measured[i].metadata.shared_prefix_tokens_est, 288);
  }
  // The warm-up must not prepare what is measured.
  EXPECT_EQ(CommonBlocks(plan.phases[0].requests[0], measured[0]), 0U);
  // Two contexts once, and everything else once.
  EXPECT_EQ(MakeBlockStream(plan, 32).distinct, FullBlocks(plan) - 12 * 9 - 9);
  EXPECT_EQ(SurelyReusedTokens(plan, 32).at("copilot_burst"), (13U - 2) * 288);
}

TEST(Copilot, BurstsGoRoundTheSessions) {
  const Plan plan = BuildCopilotPlan(SmallCopilot());
  std::vector<std::string> order;
  for (const auto& r : plan.phases[1].requests)
    order.push_back(fmt::format("{}t{}", r.session_id->substr(8), *r.metadata.session_turn_index));
  EXPECT_THAT(order, ElementsAre("01t1", "01t2", "02t1", "02t2", "03t1", "03t2", "01t3", "01t4",
                                 "02t3", "02t4", "03t3", "03t4", "01t5"));
}

TEST(AgentLoop, EveryTurnCarriesTheWholeHistoryAndComesAfterTheTurnBefore) {
  const Plan plan = BuildAgentLoopPlan(SmallAgents());
  const auto& turns = plan.phases.at(0).requests;
  ASSERT_THAT(turns, SizeIs(9));
  for (std::size_t i = 0; i < turns.size(); ++i) {
    if (i < 3) {
      EXPECT_FALSE(turns[i].after.has_value());
      EXPECT_EQ(CommonBlocks(turns[0], turns[i]),
                i == 0 ? static_cast<std::size_t>(turns[0].prompt_tokens_est / 32) : 8U);
      continue;
    }
    ASSERT_EQ(turns[i].after, static_cast<int>(i) - 3);
    EXPECT_EQ(turns[i].think_time_ns, 5'000'000);
    EXPECT_EQ(turns[i].session_id, turns[i - 3].session_id);
    EXPECT_EQ(*turns[i].metadata.session_turn_index, static_cast<int>(i / 3) + 1);
    EXPECT_THAT(turns[i].prompt, StartsWith(turns[i - 3].prompt));
    EXPECT_THAT(turns[i].prompt, HasSubstr("Tool result"));
  }
  // Turn 1 of the third session finds the instructions; every later turn the prompt before it.
  std::uint64_t known = 8 * 32;
  for (std::size_t i = 3; i < turns.size(); ++i)
    known += static_cast<std::uint64_t>(turns[i - 3].prompt_tokens_est / 32 * 32);
  EXPECT_EQ(SurelyReusedTokens(plan, 32).at("agent_loop"), known);
}

TEST(RagSummarize, DocumentsAreSharedBetweenPhasesAndNothingWithinOne) {
  const Plan plan = BuildRagPlan(SmallRag());
  ASSERT_THAT(plan.phases, SizeIs(3));
  std::map<std::string, const PlannedRequest*> first;
  for (const auto& r : plan.phases[0].requests) first[*r.prefix_hash] = &r;
  EXPECT_THAT(first, SizeIs(5));
  for (std::size_t p = 1; p < 3; ++p) {
    for (const auto& r : plan.phases[p].requests)
      EXPECT_EQ(CommonBlocks(r, *first.at(*r.prefix_hash)), 10U);
  }
  for (const auto& phase : plan.phases) {
    Plan alone;
    alone.phases.push_back(phase);
    EXPECT_EQ(MakeBlockStream(alone, 32).distinct, FullBlocks(alone)) << phase.name;
  }
  // So the hit model knows every phase but the first exactly, also with two requests in flight.
  const auto hits = PredictHits(plan, {.device_blocks = 40,
                                       .host_blocks = 40,
                                       .disk_blocks = 512,
                                       .block_tokens = 32,
                                       .disk_offload_filter = false});
  EXPECT_TRUE(hits.at("ask_1").exact);
  EXPECT_EQ(hits.at("ask_1").g1_blocks.high + hits.at("ask_1").g3_blocks.high, 0U);
  const auto& third = hits.at("ask_3");
  EXPECT_GE(third.g3_blocks.high, 10U);
  EXPECT_EQ(SurelyReusedTokens(plan, 32).at("ask_3"), 5U * 320);
}

TEST(MixedTenants, TenantsShareNoBlockAndKeepTheirOrder) {
  const Plan plan = BuildMixedTenantsPlan(SmallTenants());
  const auto& mixed = plan.phases.at(0).requests;
  EXPECT_THAT(mixed, SizeIs(13 + 9 + 15 + 13));
  std::map<BlockHash, std::string> owner;
  std::map<std::string, int> turn;
  std::set<std::string> families;
  int changes = 0;
  for (std::size_t i = 0; i < mixed.size(); ++i) {
    const auto& r = mixed[i];
    const std::string tenant = r.prompt_id.substr(0, 3);
    changes += i > 0 && mixed[i - 1].prompt_id.substr(0, 3) != tenant ? 1 : 0;
    families.insert(r.metadata.phase_intent.empty() ? r.prompt_set : r.metadata.phase_intent);
    for (const BlockHash hash : BlockChain(TokensOf(r), 32))
      ASSERT_EQ(owner.emplace(hash, tenant).first->second, tenant);
    if (r.session_id && r.prompt_set == "agent_loop") {
      const int now = *r.metadata.session_turn_index;
      EXPECT_EQ(++turn[*r.session_id], now);
      ASSERT_EQ(r.after.has_value(), now > 1);
      if (now == 1) continue;
      ASSERT_LT(*r.after, static_cast<int>(i));
      const auto& before = mixed[static_cast<std::size_t>(*r.after)];
      EXPECT_EQ(before.session_id, r.session_id);
      EXPECT_EQ(before.metadata.session_turn_index, now - 1);
    }
  }
  EXPECT_GT(changes, 15);
  EXPECT_THAT(turn, SizeIs(3));
  EXPECT_THAT(families, SizeIs(3));
}

TEST(FixedContext, IsOnePromptOrOneTextBehindManyNonces) {
  auto o = SmallFixed();
  const Plan apart = BuildFixedContextPlan(o);
  EXPECT_EQ(MakeBlockStream(apart, 32).distinct, FullBlocks(apart));
  const auto tail = [](const PlannedRequest& r) {
    return r.prompt.substr(r.prompt.find("the context"));
  };
  EXPECT_EQ(tail(apart.phases[0].requests[0]), tail(apart.phases[0].requests[3]));
  o.nonce_per_request = false;
  const Plan same = BuildFixedContextPlan(o);
  for (const auto& r : same.phases[0].requests)
    EXPECT_EQ(r.identity.prompt_sha256, same.phases[0].requests[0].identity.prompt_sha256);
  EXPECT_EQ(same.phases[0].requests[3].prompt_id, "fixed-00000");
}

TEST(MixedContext, ArrivalsChangeNoPrompt) {
  auto o = SmallMixedContext();
  const Plan bursty = BuildMixedContextPlan(o);
  o.bursty = false;
  const Plan even = BuildMixedContextPlan(o);
  EXPECT_EQ(ManifestSha256(bursty), ManifestSha256(even));
  std::map<std::int64_t, int> bursts;
  std::int64_t before = 0;
  for (const auto& r : bursty.phases[0].requests) {
    ASSERT_GE(*r.arrival_offset_ns, before);
    if (*r.arrival_offset_ns > before) {
      EXPECT_GE(*r.arrival_offset_ns - before, 5'000'000);
      EXPECT_LE(*r.arrival_offset_ns - before, 15'000'000);
    }
    before = *r.arrival_offset_ns;
    ++bursts[before];
  }
  EXPECT_EQ(bursts.begin()->first, 0);
  bursts.erase(std::prev(bursts.end()));  // the plan ends in it
  for (const auto& [at, size] : bursts) {
    EXPECT_GE(size, 3);
    EXPECT_LE(size, 7);
  }
  for (const auto& r : even.phases[0].requests) EXPECT_FALSE(r.arrival_offset_ns.has_value());
}

TEST(MixedContext, BucketsHaveTheirShareAndSizes) {
  auto o = SmallMixedContext();
  o.requests = 300;
  std::map<std::string, int> count;
  const Plan plan = BuildMixedContextPlan(o);
  for (const auto& r : plan.phases[0].requests) {
    ++count[r.metadata.phase_intent];
    const PromptSizes sizes = r.metadata.phase_intent == "short"    ? o.short_bucket.sizes
                              : r.metadata.phase_intent == "medium" ? o.medium_bucket.sizes
                                                                    : o.long_bucket.sizes;
    ASSERT_GE(r.target_tokens, sizes.low);
    ASSERT_LE(r.target_tokens, sizes.high);
  }
  EXPECT_NEAR(count["short"], 180, 26);  // three standard deviations
  EXPECT_NEAR(count["medium"], 90, 24);
  EXPECT_NEAR(count["long"], 30, 16);
  o.short_bucket.weight = o.medium_bucket.weight = o.long_bucket.weight = 0;
  EXPECT_THROW(BuildMixedContextPlan(o), ConfigError);
}

TEST(SessionedChat, BuildsAHistoryAndTakesItUpAgain) {
  const Plan plan = BuildSessionedChatPlan(SmallChat());
  ASSERT_THAT(plan.phases, SizeIs(2));
  std::map<std::string, const PlannedRequest*> last;
  for (const auto& phase : plan.phases) {
    for (const auto& r : phase.requests) {
      const PlannedRequest*& before = last[*r.session_id];
      if (before != nullptr) {
        EXPECT_THAT(r.prompt, StartsWith(before->prompt)) << r.prompt_id;
        const int grown = r.prompt_tokens_est - before->prompt_tokens_est;
        EXPECT_GE(grown, phase.name == "build" ? 128 : 32);
        EXPECT_LE(grown, phase.name == "build" ? 230 : 120);
      }
      before = &r;
    }
  }
  EXPECT_THAT(last, SizeIs(3));
  EXPECT_FALSE(plan.phases[1].requests[0].after.has_value());
  EXPECT_EQ(plan.phases[1].requests[3].after, 0);
  auto o = SmallChat();
  o.resume_turns = 0;
  EXPECT_THAT(BuildSessionedChatPlan(o).phases, SizeIs(1));
}

TEST(SurelyReused, IsWhatTheHitModelFindsWhereOneIsServedAfterTheOther) {
  const TierPools ample{.device_blocks = 4096,
                        .host_blocks = 4096,
                        .disk_blocks = 4096,
                        .block_tokens = 32,
                        .disk_offload_filter = false};
  auto agents = SmallAgents();
  agents.think_time_ns = 0;
  agents.concurrency = 1;
  auto copilot = SmallCopilot();
  copilot.concurrency = 1;
  for (const Plan& plan : {BuildAgentLoopPlan(agents), BuildCopilotPlan(copilot)}) {
    const auto hits = PredictHits(plan, ample);
    for (const auto& [phase, tokens] : SurelyReusedTokens(plan, 32)) {
      EXPECT_TRUE(hits.at(phase).exact) << phase;
      EXPECT_EQ(hits.at(phase).g1_blocks.low * 32, tokens) << phase;
    }
  }
}

// Others overtake a session that thinks, so nothing exact may be claimed.
TEST(SurelyReused, ThinkingMakesTheOrderUnknown) {
  auto agents = SmallAgents();
  agents.concurrency = 1;
  EXPECT_EQ(MakeBlockStream(BuildAgentLoopPlan(agents), 32).phases[0].in_flight, 2U);
  agents.think_time_ns = 0;
  EXPECT_EQ(MakeBlockStream(BuildAgentLoopPlan(agents), 32).phases[0].in_flight, 1U);
}

AdapterSequence Adapters(AdapterChurn churn, int adapters = 5) {
  return AdapterSequence({.seed = 42, .churn = churn, .adapters = NumberedAdapters(adapters)});
}

TEST(Adapters, StickyUsersKeepTheirsAndARoundGoesThroughAll) {
  AdapterSequence sticky = Adapters(AdapterChurn::kSticky);
  std::set<std::string> used;
  for (int user = 0; user < 30; ++user) {
    const std::string mine = sticky.Next(user);
    used.insert(mine);
    for (int again = 0; again < 3; ++again) EXPECT_EQ(sticky.Next(user), mine);
  }
  EXPECT_THAT(used, SizeIs(5));
  AdapterSequence round = Adapters(AdapterChurn::kRoundRobin, 3);
  std::vector<std::string> order;
  for (int i = 0; i < 4; ++i) order.push_back(round.Next(i % 2));
  EXPECT_THAT(order, ElementsAre("adapter_001", "adapter_002", "adapter_003", "adapter_001"));
}

TEST(Adapters, HotOnesAreTakenMoreOften) {
  AdapterSequence hot = Adapters(AdapterChurn::kHotCold, 10);
  std::map<std::string, int> count;
  for (int i = 0; i < 2000; ++i) ++count[hot.Next(i)];
  // 70 % take one of two, 30 % any of ten: 38 % each of the two, 3 % each of the others.
  EXPECT_NEAR(count["adapter_001"], 760, 66);
  EXPECT_NEAR(count["adapter_002"], 760, 66);
  EXPECT_NEAR(count["adapter_009"], 60, 25);
  AdapterSequence random = Adapters(AdapterChurn::kRandom, 4);
  count.clear();
  for (int i = 0; i < 2000; ++i) ++count[random.Next(0)];
  for (const auto& [adapter, n] : count) EXPECT_NEAR(n, 500, 60) << adapter;
}

TEST(Adapters, AreTheSameOnEveryMachine) {
  std::string text;
  for (const auto churn : {AdapterChurn::kSticky, AdapterChurn::kRandom, AdapterChurn::kRoundRobin,
                           AdapterChurn::kHotCold}) {
    AdapterSequence sequence = Adapters(churn, 16);
    EXPECT_EQ(AdapterChurnNamed(AdapterChurnName(churn)), churn);
    for (int i = 0; i < 40; ++i) text += sequence.Next(i % 4) + "\n";
  }
  EXPECT_EQ(Sha256Hex(text), "28ba20ddfb94dc9569507fcab250f82ed3781d7c8a830a15a3e42ee0f65196aa");
  EXPECT_THROW(AdapterChurnNamed("stormy"), ConfigError);
  EXPECT_THROW(AdapterSequence({.seed = 1, .churn = AdapterChurn::kRandom, .adapters = {}}),
               ConfigError);
}

}  // namespace
}  // namespace kvtier
