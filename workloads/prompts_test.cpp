#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/core/error.hpp"
#include "harness/core/files.hpp"
#include "workloads/block_stream.hpp"
#include "workloads/chat_template.hpp"
#include "workloads/documents.hpp"
#include "workloads/identity.hpp"
#include "workloads/manifests.hpp"
#include "workloads/rehydrate.hpp"
#include "workloads/reuse.hpp"

namespace kvtier {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr const char* kBefore = "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\n";
constexpr const char* kAfter = "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n";

RehydrateOptions PromptsShape(int pair = 1) {
  RehydrateOptions o;
  o.run_seed = 20260212;
  o.pair_index = pair;
  o.populate_sessions = 60;
  o.turns = 1;
  o.thrash_sessions = 24;
  o.prefix_target_tokens = 512;
  o.replay_repeats = 1;
  o.gen_tokens = 8;
  o.ignore_eos = true;
  o.replay_concurrency = 4;
  o.model = "m";
  o.request_seed = 7;
  return o;
}

TEST(Tokens, ByteLevelCountsBytesAndWholeMarks) {
  EXPECT_THAT(
      TokenIdsByteLevel(
          "<|begin_of_text|>a<|start_header_id|><|end_header_id|><|eot_id|><|end_of_text|>"),
      ElementsAre(256, 'a', 257, 258, 259, 260));
  EXPECT_THAT(TokenIdsByteLevel("<|x\xc3\xa9"),
              ElementsAre('<', '|', 'x', 0xc3, 0xa9));  // not a mark; UTF-8 by byte
  EXPECT_EQ(TokenCounter::ByteLevel().Count(std::string(kBefore) + "hi" + kAfter), 9 + 2 + 14);
}

TEST(Tokens, HeuristicCountsWordsAndMarksOfPunctuation) {
  EXPECT_EQ(TokenCounter::Heuristic().Count("two words, h\xc3\xa9llo_1!"),
            5);  // two words , héllo_1 !
  EXPECT_EQ(TokenCounter::Heuristic().Count(" \n\t"), 0);
}

TEST(Tokens, AProbeCalibratesOrNamesTheByteLevelTokenizer) {
  EXPECT_TRUE(CalibrateFromProbe("<|begin_of_text|>abc", 4).exact());
  const TokenCounter quarter = CalibrateFromProbe("abcdefgh", 2);
  EXPECT_EQ(quarter.name(), "calibrated");
  EXPECT_EQ(quarter.Count(std::string(400, 'x')), 100);
  EXPECT_THROW(CalibrateFromProbe("abc", 0), ConfigError);
  EXPECT_THROW(TokenCounter::Calibrated(-1), ConfigError);
}

TEST(ChatTemplate, WrapsAndRefusesUnknownNames) {
  EXPECT_EQ(ChatTemplateNamed("llama3").Wrap("hi"), std::string(kBefore) + "hi" + kAfter);
  EXPECT_THROW(ChatTemplateNamed("alpaca"), ConfigError);
}

TEST(Documents, HaveTheirExactSizeAndKeepTheirIntroduction) {
  const TokenCounter counter = TokenCounter::ByteLevel();
  for (const int target : {120, 511, 512, 4096}) {
    Rng rng(1);
    const std::string text = MakeDocument(
        {.intro = "first\n", .topic = "paging", .doc_id = "d", .target_tokens = target}, counter,
        rng);
    EXPECT_EQ(counter.Count(text), target);
    EXPECT_THAT(text, StartsWith("first\nDocument: d\n"));
  }
  Rng rng(1);
  EXPECT_THROW(
      MakeDocument(
          {.intro = std::string(50, 'x'), .topic = "t", .doc_id = "d", .target_tokens = 49},
          counter, rng),
      ConfigError);
}

TEST(Documents, OtherCountersEndAtAWordJustBelowTheTarget) {
  for (const TokenCounter& counter : {TokenCounter::Heuristic(), TokenCounter::Calibrated(0.25)}) {
    Rng rng(3);
    const std::string text = MakeDocument(
        {.intro = "", .topic = "paging", .doc_id = "d", .target_tokens = 700}, counter, rng);
    EXPECT_LE(counter.Count(text), 700);
    EXPECT_GE(counter.Count(text), 700 - 4) << counter.name();
  }
}

// Vectors of spec/workloads.md section 7.
TEST(Identity, AgreesWithTheDocumentedVectors) {
  GenerationParams params{.max_tokens = 16,
                          .temperature = 0.0,
                          .top_p = 1.0,
                          .stop = {"<|eot_id|>"},
                          .stream = false,
                          .seed = {}};
  const RequestIdentity id = IdentityOf("m", "hello", params, {});
  EXPECT_THAT(id.prompt_sha256, StartsWith("2cf24dba"));
  EXPECT_THAT(id.prompt_sha256, EndsWith("938b9824"));
  EXPECT_EQ(id.generation_params_sha256,
            "4fb5808ba8b98d36974219f16082f581d841502d5b9bd07612ab106645db55a2");
  EXPECT_EQ(id.request_payload_sha256,
            "6b6775a889a3dde3ac83a9d9a77ff115c05d26dfef68a6db79034f5bdd480d59");
  EXPECT_EQ(id.request_identity_sha256,
            "d8950eca396ccbe61fc53f5d9639f7798cfb90b45709bb1401eebca0aac21205");

  params.temperature = 0.2;
  params.stream = true;
  params.seed = 7;
  const RequestIdentity other = IdentityOf("m", "h\xc3\xa9llo", params, {});
  EXPECT_THAT(other.generation_params_sha256, StartsWith("82fa71de"));
  EXPECT_THAT(other.generation_params_sha256, EndsWith("793c9c"));
  EXPECT_THAT(other.request_identity_sha256, StartsWith("66dd31c4"));
  EXPECT_THAT(other.request_identity_sha256, EndsWith("aefc4"));
}

TEST(Identity, ExtrasChangeTheirOwnHashOnly) {
  const GenerationParams params;
  const auto a = IdentityOf("m", "p", params, {.ignore_eos = false, .include_usage = true});
  const auto b = IdentityOf("m", "p", params, {.ignore_eos = true, .include_usage = true});
  EXPECT_EQ(a.request_identity_sha256, b.request_identity_sha256);
  EXPECT_EQ(a.request_payload_sha256, b.request_payload_sha256);
  EXPECT_NE(a.request_extras_sha256, b.request_extras_sha256);
  EXPECT_EQ(a.request_extras_sha256,
            Sha256Hex(R"({"ignore_eos":false,"stream_options":{"include_usage":true}})"));
}

TEST(Rehydrate, HasTheDocumentedPhasesNamesAndOrder) {
  RehydrateOptions o = PromptsShape();
  o.populate_sessions = 2;
  o.turns = 2;
  o.thrash_sessions = 1;
  o.replay_repeats = 3;
  const Plan plan = BuildRehydratePlan(o);
  std::vector<std::string> phases, populate;
  for (const auto& p : plan.phases) phases.push_back(p.name);
  for (const auto& r : plan.phases[0].requests) populate.push_back(r.prompt_id);
  EXPECT_THAT(phases, ElementsAre("populate", "thrash", "replay", "replay_2", "replay_3"));
  EXPECT_THAT(populate, ElementsAre("rehydrate_populate_0000_t01", "rehydrate_populate_0000_t02",
                                    "rehydrate_populate_0001_t01", "rehydrate_populate_0001_t02"));
  EXPECT_EQ(plan.phases[0].concurrency, 2);
  EXPECT_EQ(plan.phases[2].concurrency, 4);
  const PlannedRequest& second = plan.phases[0].requests[1];
  EXPECT_EQ(second.session_id, "rehydrate_session_0001");
  EXPECT_EQ(second.prompt_set, "rehydrate_populate");
  EXPECT_EQ(second.metadata.session_turn_index, 2);
  EXPECT_EQ(second.metadata.shared_prefix_tokens_est, 512);
  EXPECT_EQ(second.prefix_hash, plan.phases[0].requests[0].prefix_hash);
  const PlannedRequest& thrash = plan.phases[1].requests[0];
  EXPECT_EQ(thrash.prompt_id, "rehydrate_thrash_0000");
  EXPECT_EQ(thrash.session_id, "thrash_session_0001");
  EXPECT_EQ(thrash.metadata.phase_intent, "thrash");
  EXPECT_FALSE(thrash.metadata.shared_prefix_tokens_est.has_value());
  EXPECT_EQ(thrash.params.max_tokens, 8);
  EXPECT_TRUE(thrash.extras.ignore_eos);
  EXPECT_EQ(thrash.params.seed, 7);
}

TEST(Rehydrate, DefaultPromptsAreSeventeenBlocksAndWellFormed) {
  const Plan plan = BuildRehydratePlan(PromptsShape());
  for (const auto& phase : plan.phases) {
    for (const auto& r : phase.requests) {
      ASSERT_EQ(r.prompt_tokens_est, TokenCounter::ByteLevel().Count(r.prompt));
      ASSERT_EQ(r.prompt_tokens_est / 32, 17) << r.prompt_tokens_est;
      ASSERT_GE(r.prompt_tokens_est % 32, 4);
      ASSERT_LE(r.prompt_tokens_est % 32, 28);
      ASSERT_THAT(r.prompt, StartsWith(kBefore));
      ASSERT_THAT(r.prompt, EndsWith(kAfter));  // nothing behind the assistant header
      ASSERT_THAT(r.prompt, HasSubstr("\n\nUser Query:\nTurn 1: why "));
    }
  }
}

TEST(Rehydrate, AwkwardTargetsStillMissTheBlockBoundary) {
  for (int target = 490; target < 530; ++target) {
    RehydrateOptions o = PromptsShape();
    o.populate_sessions = 3;
    o.thrash_sessions = 1;
    o.prefix_target_tokens = target;
    const Plan plan = BuildRehydratePlan(o);
    for (const auto& r : plan.phases[0].requests) {
      ASSERT_GE(r.prompt_tokens_est % 32, 4) << target;
      ASSERT_LE(r.prompt_tokens_est % 32, 28) << target;
    }
  }
}

TEST(Rehydrate, IsTheSameForASeedAndAnotherForAnotherPair) {
  const auto rows = [](const RehydrateOptions& o) {
    std::string all;
    for (const auto& phase : BuildRehydratePlan(o).phases) {
      for (const auto& r : phase.requests) all += r.prompt + r.identity.request_identity_sha256;
    }
    return Sha256Hex(all);
  };
  EXPECT_EQ(rows(PromptsShape(3)), rows(PromptsShape(3)));
  EXPECT_NE(rows(PromptsShape(3)), rows(PromptsShape(4)));
  RehydrateOptions seeded = PromptsShape(3);
  seeded.run_seed = 1;
  EXPECT_NE(rows(PromptsShape(3)), rows(seeded));

  const Plan plan = BuildRehydratePlan(PromptsShape());
  for (std::size_t i = 0; i < 60; ++i)
    ASSERT_EQ(plan.phases[0].requests[i].prompt, plan.phases[2].requests[i].prompt);
}

// A change of these bytes is a change of the workload: figures of before and after cannot be
// compared.
TEST(Rehydrate, BytesAreThoseOfTheFirstRelease) {
  const Plan plan = BuildRehydratePlan(PromptsShape());
  EXPECT_EQ(plan.phases[0].requests[0].identity.prompt_sha256,
            "acadedc2906a897cef6d472d94a1e4425b321a9d5ff2be2cce6eca86ce4ca029");
  EXPECT_EQ(plan.phases[1].requests[23].identity.prompt_sha256,
            "196e02be200ec74c0fe463e406ca2d0a3e2790f6c4ddcec4f4a8b0d22dcc57b2");
}

TEST(Rehydrate, SessionsShareNoBlockAndTurnsShareTheirPrefix) {
  RehydrateOptions o = PromptsShape();
  o.turns = 3;
  const Plan plan = BuildRehydratePlan(o);
  std::map<BlockHash, std::string> first_owner;
  for (const char* phase_name : {"populate", "thrash"}) {
    for (const auto& phase : plan.phases) {
      if (phase.name != phase_name) continue;
      for (const auto& r : phase.requests) {
        const auto chain = BlockChain(TokensOf(r), 32);
        for (const BlockHash hash : chain) {
          ASSERT_EQ(first_owner.emplace(hash, *r.session_id).first->second, *r.session_id);
        }
      }
    }
  }
  // 60 sessions share (9 + 512) / 32 = 16 blocks among their turns; the 17th holds the question.
  const auto one = BlockChain(TokensOf(plan.phases[0].requests[0]), 32);
  const auto two = BlockChain(TokensOf(plan.phases[0].requests[1]), 32);
  EXPECT_EQ(one[15], two[15]);
  EXPECT_NE(one[16], two[16]);
  EXPECT_EQ(first_owner.size(), 60U * (16 + 3) + 24 * 17);
}

TEST(Rehydrate, NamesTheOptionThatIsOutOfRange) {
  RehydrateOptions o = PromptsShape();
  o.replay_repeats = 0;
  try {
    BuildRehydratePlan(o);
    FAIL();
  } catch (const ConfigError& e) {
    EXPECT_STREQ(e.what(), "replay_repeats is 0: allowed are 1 to 99");
  }
}

TEST(Reuse, SendsOnePromptInEachPhase) {
  ReuseOptions o;
  o.model = "m";
  const Plan plan = BuildReusePlan(o);
  ASSERT_EQ(plan.phases.size(), 3U);
  EXPECT_EQ(plan.phases[2].name, "reuse_3");
  for (const auto& phase : plan.phases) {
    EXPECT_EQ(phase.concurrency, 1);
    ASSERT_EQ(phase.requests.size(), 1U);
    EXPECT_EQ(phase.requests[0].prompt, plan.phases[0].requests[0].prompt);
  }
  EXPECT_GE(plan.phases[0].requests[0].prompt_tokens_est, 512);
  o.repeats = 4;
  EXPECT_THROW(BuildReusePlan(o), ConfigError);
}

TEST(Manifests, HaveTheDocumentedKeys) {
  RehydrateOptions o = PromptsShape();
  o.populate_sessions = 2;
  o.thrash_sessions = 1;
  const Plan plan = BuildRehydratePlan(o);
  const auto prompts = PromptManifestRows(plan);
  const auto requests = RequestManifestRows(plan);
  ASSERT_EQ(prompts.size(), 3U);  // the replay repeats the populate prompts
  ASSERT_EQ(requests.size(), 5U);
  const auto keys = [](const nlohmann::json& row) {
    std::vector<std::string> names;
    for (const auto& [key, unused] : row.items()) names.push_back(key);
    return names;
  };
  EXPECT_THAT(keys(prompts[0]), ElementsAre("metadata", "prefix_hash", "prompt_chars", "prompt_id",
                                            "prompt_set", "prompt_sha256", "prompt_tokens_est",
                                            "schema_version", "session_id", "target_tokens"));
  EXPECT_THAT(keys(requests[0]),
              ElementsAre("phase", "phase_request_index", "prefix_hash", "prompt_id",
                          "prompt_metadata", "prompt_set", "prompt_sha256", "prompt_tokens_est",
                          "schema_version", "session_id"));
  EXPECT_THAT(keys(prompts[0]["metadata"]),
              ElementsAre("phase_intent", "prefix_hash", "session_id", "session_turn_index",
                          "shared_prefix_tokens_est", "workload"));
  EXPECT_EQ(requests[4]["phase"], "replay");
  EXPECT_EQ(requests[4]["phase_request_index"], 2);
  EXPECT_EQ(requests[4]["prompt_sha256"], requests[1]["prompt_sha256"]);
  const auto file = std::filesystem::path(::testing::TempDir()) / "kvtier_manifest_hash.txt";
  WriteFileAtomic(file, "hello");
  EXPECT_EQ(FileSha256(file), Sha256Hex("hello"));
}

TEST(Manifests, DependNeitherOnConcurrencyNorOnWhatIsMeasured) {
  RehydrateOptions slow = PromptsShape(), fast = PromptsShape();
  fast.populate_concurrency = 8;
  fast.replay_concurrency = 1;
  EXPECT_EQ(RequestManifestRows(BuildRehydratePlan(slow)),
            RequestManifestRows(BuildRehydratePlan(fast)));
}

}  // namespace
}  // namespace kvtier
