#include "workloads/traces/trace_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/core/error.hpp"
#include "workloads/traces/trace_transform.hpp"

namespace kvtier {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TraceFile Read(const std::string& text, const TraceFileOptions& options = {}) {
  return ParseTraceFile(text, "t", options);
}

std::string Refusal(const std::string& text, const TraceFileOptions& options = {}) {
  try {
    Read(text, options);
  } catch (const Error& e) {
    return e.what();
  }
  return "accepted";
}

TEST(TraceFile, TellsTheFormatByTheFirstLine) {
  EXPECT_THAT(Refusal("{\"a\": 1}\n"), HasSubstr("t:1: neither of the formats mooncake, bailian"));
  EXPECT_THAT(Refusal("a,b\n"), HasSubstr("t:1: not a JSON object"));
  EXPECT_EQ(Refusal("\n\n"), "t: a trace without requests");
  TraceFileOptions o;
  o.format = "parquet";
  EXPECT_THAT(Refusal("x\n", o), HasSubstr("no trace format 'parquet'"));
  o = {};
  o.block_tokens = 0;
  EXPECT_THAT(Refusal("x\n", o), HasSubstr("block-tokens is 0"));
  o = {};
  o.max_requests = 0;
  EXPECT_THAT(Refusal("x\n", o), HasSubstr("max-requests is 0"));
}

// Blocks of 512. The first turn is 600 tokens (blocks 4 and 5, the second partial), its answer 100;
// the second adds 400: 1100 tokens, block 4, two that hold what was said since, the third partial.
// The third adds 36: 1100 + 50 + 36 = 1186 tokens, in the same third block and not beyond it.
constexpr const char* kSessions =
    R"({"session_id": "s", "timestamp": 1000, "input_length": 600, "output_length": 100, "hash_ids": [4, 5]}
{"session_id": "s", "delay": 2500, "input_length": 400, "output_length": 50}
{"session_id": "s", "delay_ms": 500, "input_tokens": 36, "output_tokens": 1, "hash_ids": [77]}
{"session_id": 9, "created_time": 1500, "input_length": 512, "output_length": 5, "hash_ids": [4], "group_id": "g"}
)";

TEST(MooncakeFormat, LaterTurnsAreGivenByWhatTheyAdd) {
  const TraceFile file = Read(kSessions);
  EXPECT_EQ(file.format, "mooncake");
  ASSERT_THAT(file.requests, SizeIs(4));
  const TraceRequest &first = file.requests[0], &other = file.requests[1],
                     &second = file.requests[2], &third = file.requests[3];
  EXPECT_EQ(other.session_id, "9");
  EXPECT_EQ(other.tenant, "g");
  EXPECT_EQ(second.timestamp_ms, 3500);
  EXPECT_EQ(second.delay_ms, 2500);
  EXPECT_EQ(third.timestamp_ms, 4000);
  EXPECT_EQ(second.input_length, 1100);
  EXPECT_EQ(third.input_length, 1186);
  ASSERT_THAT(second.hash_ids, SizeIs(3));
  ASSERT_THAT(third.hash_ids, SizeIs(3));
  EXPECT_EQ(second.hash_ids[0], 4U);
  EXPECT_NE(second.hash_ids[1], first.hash_ids[1]) << "it was partial and is complete now";
  EXPECT_EQ(third.hash_ids[1], second.hash_ids[1]);
  EXPECT_NE(third.hash_ids[2], second.hash_ids[2]) << "a partial block is the request's own";
  // Written whole, it is the same stream without sessions.
  const TraceFile whole = Read(TraceText(file.requests, false));
  EXPECT_EQ(whole.requests[3].input_length, 1186);
  EXPECT_EQ(DescribeTrace(whole.requests).ideal_hit_share,
            DescribeTrace(file.requests).ideal_hit_share);
}

TEST(MooncakeFormat, SessionsAreStrictToo) {
  const std::string first =
      R"({"session_id": "s", "timestamp": 10, "input_length": 6, "output_length": 1, "hash_ids": [1]})"
      "\n";
  const auto with = [&first](const std::string& row) { return Refusal(first + row + "\n"); };
  EXPECT_THAT(Refusal(R"({"delay": 1, "input_length": 6, "output_length": 1, "hash_ids": [1]})"),
              HasSubstr("t:1: delay has nothing to count from"));
  EXPECT_THAT(with(R"({"session_id": "s", "input_length": 6, "output_length": 1})"),
              HasSubstr("t:2: a later turn of a session has either timestamp or delay"));
  EXPECT_THAT(with(R"({"session_id": "s", "timestamp": 9, "input_length": 6, "output_length": 1})"),
              HasSubstr("earlier than the one before it"));
  EXPECT_THAT(
      with(
          R"({"session_id": "s", "delay": 1, "delay_ms": 1, "input_length": 6, "output_length": 1})"),
      HasSubstr("delay and delay_ms are the same key"));
  EXPECT_THAT(with(R"({"session_id": "s", "delay": -1, "input_length": 6, "output_length": 1})"),
              HasSubstr("delay must be milliseconds"));
  EXPECT_THAT(
      with(
          R"({"session_id": "s", "delay": 1, "input_length": 600, "output_length": 1, "hash_ids": [1]})"),
      HasSubstr("t:2: 1 hash_ids for an input of 600 tokens"));
  EXPECT_THAT(with(R"({"session_id": [], "delay": 1, "input_length": 6, "output_length": 1})"),
              HasSubstr("session_id must be a text or a whole number, not a list"));
}

constexpr const char* kBailian =
    R"({"chat_id": 10, "parent_chat_id": -1, "timestamp": 61.5, "input_length": 40, "output_length": 0, "type": "text", "turn": 1, "hash_ids": [1, 2, 3]}
{"chat_id": 11, "parent_chat_id": 10, "timestamp": 62, "input_length": 64, "output_length": 7, "type": "search", "turn": 2, "hash_ids": [1, 2, 4, 5]}
{"chat_id": 12, "parent_chat_id": 11, "timestamp": 63, "input_length": 47, "output_length": 7, "type": "text", "turn": 3, "hash_ids": [1, 2]}
)";

TEST(BailianFormat, HasSeconds16TokenBlocksAndRoots) {
  const TraceFile file = Read(kBailian);
  EXPECT_EQ(file.format, "bailian");
  ASSERT_THAT(file.requests, SizeIs(3));
  EXPECT_EQ(file.requests[0].timestamp_ms, 61'500);
  EXPECT_EQ(file.requests[0].block_tokens, 16);
  EXPECT_EQ(file.requests[1].tenant, "search");
  EXPECT_EQ(file.requests[2].session_id, "10");
  EXPECT_THAT(Refusal(std::string(kBailian) + std::string(kBailian)),
              HasSubstr("t:4: chat_id 10 is there a second time"));
  EXPECT_THAT(
      Refusal(
          R"({"chat_id": 1, "timestamp": 0, "input_length": 40, "output_length": 1, "hash_ids": [1]})"),
      HasSubstr("t:1: 1 hash_ids for an input of 40 tokens: 3 blocks of 16"));
}

constexpr const char* kAzure =
    "TIMESTAMP,ContextTokens,GeneratedTokens\r\n"
    "2024-02-28 23:59:59.5000000,4808,10\r\n"
    "2024-02-29 00:00:01.25+00:00,600,0\r\n"
    "2024-02-28 23:59:59.7500000,3,8\r\n";

TEST(AzureFormat, CountsFromItsFirstRow) {
  const TraceFile file = Read(kAzure);
  EXPECT_EQ(file.format, "azure");
  ASSERT_THAT(file.requests, SizeIs(3));
  EXPECT_EQ(file.requests[0].timestamp_ms, 0);
  EXPECT_EQ(file.requests[1].timestamp_ms, 250);
  EXPECT_EQ(file.requests[2].timestamp_ms, 1750);
  EXPECT_EQ(file.requests[2].output_length, 0);
  EXPECT_THAT(file.requests[0].hash_ids, IsEmpty());
  ASSERT_THAT(file.notes, SizeIs(2));
  EXPECT_THAT(file.notes[0], HasSubstr("1 rows were earlier"));
  const std::string header = "TIMESTAMP,ContextTokens,GeneratedTokens\n";
  EXPECT_THAT(Refusal(header + "2024-02-30 00:00:00,1,1\n"), HasSubstr("t:2: TIMESTAMP must be"));
  EXPECT_THAT(Refusal(header + "2024-02-01 00:00:00.,1,1\n"), HasSubstr("t:2: TIMESTAMP must be"));
  EXPECT_THAT(Refusal(header + "2024-02-01 00:00:00,1\n"), HasSubstr("2 fields, the header has 3"));
  EXPECT_THAT(Refusal(header + "2024-02-01 00:00:00,0,1\n"), HasSubstr("ContextTokens must be"));
  EXPECT_THAT(Refusal("TIMESTAMP,ContextTokens\n"), HasSubstr("column GeneratedTokens is missing"));
  EXPECT_THAT(Refusal("TIMESTAMP,Context\n"), HasSubstr("t:1: a column of the header"));
  EXPECT_THAT(Refusal(header), HasSubstr("without requests"));
}

TEST(BurstGptFormat, TakesItsColumnsByName) {
  const TraceFile file = Read(
      "Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,Log "
      "Type\n"
      "5,,1.5,ChatGPT,472,18,490,Conversation log\n"
      "45.5,abc,2,GPT-4,1087,0,1087,API log\n");
  EXPECT_EQ(file.format, "burstgpt");
  ASSERT_THAT(file.requests, SizeIs(2));
  EXPECT_EQ(file.requests[1].timestamp_ms, 40'500);
  EXPECT_EQ(file.requests[1].session_id, "abc");
  EXPECT_EQ(file.requests[1].tenant, "GPT-4");
  EXPECT_THAT(Refusal("Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
                      "x,GPT-4,1,1,2,API log\n"),
              HasSubstr("t:2: Timestamp must be seconds"));
}

// Two bytes a token, blocks of four tokens: eight bytes. "system\nAB\n" and what follows.
TEST(MessagesFormat, EqualTextIsASharedPrefix) {
  TraceFileOptions o;
  o.block_tokens = 4;
  o.bytes_per_token = 2;
  const TraceFile file = Read(
      R"({"messages": [{"role": "user", "content": "0123456789"}], "max_tokens": 5, "timestamp": 0}
{"input": [{"role": "user", "content": [{"type": "text", "text": "0123456789"}]}, {"role": "tool", "content": null}], "output_length": 5, "session_id": "s", "pre_gap": 1.5}
)",
      o);
  EXPECT_EQ(file.format, "messages");
  ASSERT_THAT(file.requests, SizeIs(2));
  EXPECT_EQ(file.requests[0].input_length, 8);   // 16 bytes
  EXPECT_EQ(file.requests[1].input_length, 11);  // 16 + 6 bytes
  EXPECT_EQ(file.requests[1].timestamp_ms, 1500);
  ASSERT_THAT(file.requests[1].hash_ids, SizeIs(3));
  EXPECT_EQ(file.requests[0].hash_ids[1], file.requests[1].hash_ids[1]);
  EXPECT_THAT(file.notes, ElementsAre("lengths are estimated: 2 bytes a token"));
  EXPECT_THAT(Refusal(R"({"messages": [], "max_tokens": 1})"), HasSubstr("not empty"));
  EXPECT_THAT(Refusal(R"({"messages": [{"role": "user"}], "max_tokens": 1})"),
              HasSubstr("a role and a content"));
  EXPECT_THAT(Refusal(R"({"messages": [{"role": "user", "content": 3}], "max_tokens": 1})"),
              HasSubstr("content must be"));
  EXPECT_THAT(Refusal(R"({"messages": [{"role": "user", "content": "x"}]})"),
              HasSubstr("key output_length is missing"));
}

TEST(ManifestFormat, EqualPromptsAndNamedPrefixesAreShared) {
  TraceFileOptions o;
  o.block_tokens = 32;
  const std::string row =
      R"({"schema_version": 1, "phase": "populate", "phase_request_index": 1, "prompt_id": "a", "prompt_set": "p", "prompt_tokens_est": 70, "prompt_sha256": "aa", "arrival_offset_ns": 2000000000})";
  std::string again = row, prefixed = row, sibling;
  again.replace(again.find("populate"), 8, "replay");
  prefixed.replace(
      prefixed.find("\"aa\""), 4,
      R"("bb", "prefix_hash": "h", "prompt_metadata": {"shared_prefix_tokens_est": 40})");
  sibling = prefixed;
  sibling.replace(sibling.find("\"bb\""), 4, "\"cc\"");
  const TraceFile file = Read(row + "\n" + prefixed + "\n" + sibling + "\n" + again + "\n", o);
  EXPECT_EQ(file.format, "request_manifest");
  ASSERT_THAT(file.requests, SizeIs(4));
  const auto& r = file.requests;
  EXPECT_EQ(r[0].hash_ids, r[3].hash_ids);
  EXPECT_EQ(r[1].hash_ids[0], r[2].hash_ids[0]);  // 32 of the 40 shared tokens
  EXPECT_NE(r[1].hash_ids[1], r[2].hash_ids[1]);
  EXPECT_EQ(r[0].timestamp_ms, 2000);
  EXPECT_EQ(r[3].timestamp_ms, 4000) << "a phase begins where the one before it ended";
  EXPECT_EQ(r[3].tenant, "replay");
  EXPECT_THAT(Refusal(R"({"prompt_sha256": "a", "phase": "p", "prompt_tokens_est": 0})"),
              HasSubstr("prompt_tokens_est must be"));
}

std::vector<TraceRequest> Sample() {
  return Read(kBailian).requests;
}

TEST(TraceTransform, CropsAndScalesTime) {
  TraceTransform how;
  how.from_s = 0.5;
  how.speedup = 2;
  const TransformedTrace t = Transform(Sample(), how);
  ASSERT_THAT(t.requests, SizeIs(2));
  EXPECT_EQ(t.outside_window, 1U);
  EXPECT_EQ(t.requests[0].timestamp_ms, 0);
  EXPECT_EQ(t.requests[1].timestamp_ms, 500);
  how.to_s = 1;
  EXPECT_THAT(Transform(Sample(), how).requests, SizeIs(1));
}

TEST(TraceTransform, BlocksStayWhole) {
  TraceTransform how;
  how.scale_isl = 0.25;
  how.scale_osl = 0.5;
  const auto t = Transform(Sample(), how).requests;
  EXPECT_EQ(t[0].block_tokens, 4);
  EXPECT_EQ(t[0].input_length, 2 * 4 + 2);  // 40 = 2 x 16 + 8
  EXPECT_EQ(t[2].input_length, 2 * 4 + 3);  // 47 = 2 x 16 + 15: floor(3.75)
  EXPECT_EQ(t[0].output_length, 0);
  EXPECT_EQ(t[1].output_length, 4);  // 3.5, rounded
  how = {};
  how.block_tokens = 32;
  const auto merged = Transform(Sample(), how).requests;
  EXPECT_THAT(merged[0].hash_ids, ElementsAre(2, 3));
  EXPECT_THAT(merged[1].hash_ids, ElementsAre(2, 5));
  EXPECT_THAT(merged[2].hash_ids, ElementsAre(2)) << "no id tells how its prompt ends";
  auto filled = merged;
  EXPECT_EQ(FillTraceIds(filled), 1U);
  EXPECT_THAT(filled[2].hash_ids, ElementsAre(2, 6));
}

TEST(TraceTransform, DropsWhatIsTooLong) {
  TraceTransform how;
  how.max_context = 60;
  const TransformedTrace alone = Transform(Sample(), how);
  EXPECT_EQ(alone.too_long, 1U);
  EXPECT_THAT(alone.requests, SizeIs(2));
  how.drop_sessions = true;
  try {
    Transform(Sample(), how);
    FAIL() << "all are of one session";
  } catch (const ConfigError& e) {
    EXPECT_THAT(e.what(),
                HasSubstr("none of the 3 requests remains: 0 are outside of the window, 1 "
                          "longer than max-context, 2 of their sessions"));
  }
}

TEST(TraceTransform, SettingsAreChecked) {
  const auto refuses = [](auto change) {
    TraceTransform how;
    change(how);
    try {
      Transform(Sample(), how);
    } catch (const ConfigError& e) {
      return std::string(e.what());
    }
    return std::string("accepted");
  };
  EXPECT_THAT(refuses([](auto& h) { h.scale_isl = 0; }), HasSubstr("scale-isl is 0"));
  EXPECT_THAT(refuses([](auto& h) { h.scale_isl = 0.1; }), HasSubstr("1.6 tokens of a 16-token"));
  EXPECT_THAT(refuses([](auto& h) { h.block_tokens = 24; }), HasSubstr("no multiple of the 16"));
  EXPECT_THAT(refuses([](auto& h) { h.to_s = 0; }), HasSubstr("to is 0 s"));
  EXPECT_THAT(refuses([](auto& h) { h.speedup = -1; }), HasSubstr("speedup is -1"));
  EXPECT_THAT(refuses([](auto& h) { h.from_s = 1000; }), HasSubstr("3 are outside"));
}

TEST(TraceTransform, MissingIdsAreTheRequestsOwn) {
  auto trace = Read(kAzure).requests;
  EXPECT_EQ(FillTraceIds(trace), 3U);
  const TraceStatistics s = DescribeTrace(trace);
  EXPECT_EQ(s.block_references, 10U + 1 + 2);
  EXPECT_EQ(s.distinct_blocks, 13U);
  EXPECT_EQ(s.ideal_hit_share, 0);
}

}  // namespace
}  // namespace kvtier
