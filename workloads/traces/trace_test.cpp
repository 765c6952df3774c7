#include "workloads/trace.hpp"

#include <cstdlib>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/core/error.hpp"
#include "workloads/hit_model.hpp"
#include "workloads/traces/trace_file.hpp"

namespace kvtier {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Request 0: blocks 0, 1 full, 2 partial (76 tokens). Request 1: block 0 full, 9 partial (488).
// Request 2: blocks 0, 1 full.
constexpr const char* kTrace =
    R"({"timestamp": 0, "input_length": 1100, "output_length": 500, "hash_ids": [0, 1, 2]}
{"timestamp": 3000, "input_length": 1000, "output_length": 3, "hash_ids": [0, 9]}
{"timestamp": 6000.5, "input_length": 1024, "output_length": 4000, "hash_ids": [0, 1]}
)";

std::vector<TraceRequest> ParsedTrace(const std::string& text, const std::string& name,
                                      const TraceFileOptions& options = {}) {
  return ParseTraceFile(text, name, options).requests;
}
std::vector<TraceRequest> LoadedTrace(const std::filesystem::path& path,
                                      const TraceFileOptions& options = {}) {
  return LoadTraceFile(path, options).requests;
}

std::string ErrorOf(const std::string& text) {
  try {
    ParsedTrace(text, "t.jsonl");
  } catch (const DataError& e) {
    return e.what();
  }
  return "no error";
}

std::string Line(const std::string& fields) {
  return "{" + fields + "}\n";
}
constexpr const char* kGood =
    R"("timestamp": 5, "input_length": 512, "output_length": 1, "hash_ids": [0])";

TEST(Trace, ReadsRequestsAndTheirNumber) {
  const auto trace = ParsedTrace(kTrace, "t.jsonl");
  ASSERT_EQ(trace.size(), 3U);
  EXPECT_THAT(trace[0].hash_ids, ElementsAre(0, 1, 2));
  EXPECT_EQ(trace[2].timestamp_ms, 6000.5);
  EXPECT_EQ(ParsedTrace(kTrace, "t.jsonl", {.max_requests = 2}).size(), 2U);
  EXPECT_EQ(ParsedTrace(std::string(kTrace) + "\r\n\n", "t.jsonl").size(), 3U);
}

TEST(Trace, ErrorsNameFileAndLine) {
  EXPECT_EQ(ErrorOf(""), "t.jsonl: a trace without requests");
  EXPECT_EQ(ErrorOf(Line(kGood) + "{\n"), "t.jsonl:2: not a JSON object");
  EXPECT_THAT(
      ErrorOf(Line(kGood) +
              Line(R"("timestamp": 4, "input_length": 1, "output_length": 1, "hash_ids": [0])")),
      HasSubstr("t.jsonl:2: timestamps must ascend"));
  EXPECT_THAT(ErrorOf(Line(kGood) + "\n" + Line(kGood)), HasSubstr("t.jsonl:2: an empty line"));
  EXPECT_THAT(ErrorOf(Line(R"("timestamp": 5, "input_length": 512, "output_length": 1)")),
              HasSubstr("key hash_ids is missing"));
  EXPECT_THAT(ErrorOf(Line(std::string(kGood) + R"(, "hash_idz": [])")),
              HasSubstr("unknown key 'hash_idz'"));
  EXPECT_THAT(
      ErrorOf(Line(R"("timestamp": 5, "input_length": 513, "output_length": 1, "hash_ids": [0])")),
      HasSubstr("1 hash_ids for an input of 513 tokens: 2 blocks"));
  EXPECT_THAT(
      ErrorOf(Line(R"("timestamp": 5, "input_length": 0, "output_length": 1, "hash_ids": [])")),
      HasSubstr("input_length must be"));
  EXPECT_THAT(
      ErrorOf(Line(R"("timestamp": -5, "input_length": 1, "output_length": 1, "hash_ids": [0])")),
      HasSubstr("timestamp must be"));
  EXPECT_THAT(
      ErrorOf(Line(R"("timestamp": 5, "input_length": 1, "output_length": 1.5, "hash_ids": [0])")),
      HasSubstr("output_length must be"));
  EXPECT_THAT(
      ErrorOf(Line(R"("timestamp": 5, "input_length": 1, "output_length": 1, "hash_ids": [-1])")),
      HasSubstr("hash_ids must be"));
  EXPECT_THAT(ErrorOf("[]\n"), HasSubstr("must be a JSON object"));
  EXPECT_THROW(LoadTraceFile("/nonexistent/trace.jsonl"), IoError);
}

TEST(Trace, DescribesItself) {
  const TraceStatistics s = DescribeTrace(ParsedTrace(kTrace, "t.jsonl"));
  EXPECT_EQ(s.requests, 3U);
  EXPECT_DOUBLE_EQ(s.duration_s, 6.0005);
  EXPECT_EQ(s.block_references, 7U);
  EXPECT_EQ(s.distinct_blocks, 4U);
  EXPECT_DOUBLE_EQ(s.ideal_hit_share, 3.0 / 7);  // block 0 of the second, 0 and 1 of the third
  EXPECT_DOUBLE_EQ(s.input.p50, 1024);
  EXPECT_DOUBLE_EQ(s.output.max, 4000);
  EXPECT_EQ(ToJson(s)["distinct_blocks"], 4);
}

TEST(Trace, OneTraceBlockBecomesOneEngineBlock) {
  TraceOptions o;
  o.model = "m";
  o.speedup = 10;
  const TracePlan made = PlanFromTrace(ParsedTrace(kTrace, "t.jsonl"), o);
  ASSERT_EQ(made.plan.phases.size(), 1U);
  const auto& requests = made.plan.phases[0].requests;
  ASSERT_EQ(requests.size(), 3U);
  EXPECT_EQ(requests[0].token_ids.size(), 32U + 32 + 4);  // 76 / 16
  EXPECT_EQ(requests[1].token_ids.size(), 32U + 30);      // 488 / 16
  EXPECT_EQ(requests[2].token_ids.size(), 64U);
  EXPECT_EQ(requests[0].params.max_tokens, 31);           // 500 / 16
  EXPECT_EQ(requests[1].params.max_tokens, 1);            // 3 / 16, at least 1
  EXPECT_EQ(requests[2].params.max_tokens, 128);          // 4000 / 16 = 250, capped
  EXPECT_EQ(requests[1].arrival_offset_ns, 300'000'000);  // 3 s at ten times the speed
  const auto first = BlockChain(requests[0].token_ids, 32),
             third = BlockChain(requests[2].token_ids, 32);
  EXPECT_EQ(first, third);
  EXPECT_EQ(BlockChain(requests[1].token_ids, 32)[0], first[0]);
  EXPECT_THAT(requests[0].prompt, ::testing::MatchesRegex("\\[[0-9]+,[0-9,]+\\]"));
  for (const auto id : requests[0].token_ids) EXPECT_TRUE(id >= ' ' && id <= '~');

  // In order, on tiers that hold everything: 1 of 2 blocks for the second request's only full
  // block; the third is two full blocks, of which the last is always computed.
  const auto hits = PredictHits(made.plan, {.device_blocks = 100,
                                            .host_blocks = 100,
                                            .disk_blocks = 100,
                                            .block_tokens = 32,
                                            .disk_offload_filter = false});
  const ExpectedHits& h = hits.at("trace");
  EXPECT_TRUE(h.exact);
  EXPECT_EQ(h.g1_blocks.low, 2U);
  EXPECT_EQ(h.computed_blocks.low, 3U);
  EXPECT_EQ(h.offload_g2_to_g3_blocks.low, 2U);
}

TEST(Trace, OptionsAreChecked) {
  const auto trace = ParsedTrace(kTrace, "t.jsonl");
  const auto refuses = [&](auto change) {
    TraceOptions o;
    change(o);
    try {
      PlanFromTrace(trace, o);
    } catch (const ConfigError& e) {
      return std::string(e.what());
    }
    return std::string("accepted");
  };
  EXPECT_THAT(refuses([](TraceOptions& o) { o.scale_isl = 0.05; }), HasSubstr("scale-isl 0.05"));
  EXPECT_THAT(refuses([](TraceOptions& o) { o.scale_isl = 0.03125; }),
              HasSubstr("multiple of the engine's block of 32, as 0.0625 does"));
  EXPECT_THAT(refuses([](TraceOptions& o) { o.speedup = -1; }), HasSubstr("speedup is -1"));
  EXPECT_THAT(refuses([](TraceOptions& o) { o.max_request_tokens = 10; }),
              HasSubstr("none of the 3"));
  EXPECT_EQ(refuses([](TraceOptions& o) { o.scale_isl = 0.125; }), "accepted");
  TraceOptions o;
  o.speedup = 0;
  o.max_request_tokens = 68 + 31;  // the third asks for 64 + 128
  const TracePlan closed = PlanFromTrace(trace, o);
  EXPECT_EQ(closed.dropped_too_long, 1U);
  EXPECT_FALSE(closed.plan.phases[0].requests[0].arrival_offset_ns.has_value());
}

TEST(Trace, OnlyWholeTraceBlocksAreReplayed) {
  auto trace = ParsedTrace(kTrace, "t.jsonl");
  trace[1].hash_ids.clear();
  try {
    PlanFromTrace(trace, {});
    FAIL() << "a request without ids was planned";
  } catch (const ConfigError& e) {
    EXPECT_THAT(e.what(), HasSubstr("trace request 2 has 0 block ids of 512 tokens"));
  }
}

class RealTrace : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* dir = std::getenv("KVTIER_DATA_DIR");
    if (dir == nullptr)
      GTEST_SKIP() << "KVTIER_DATA_DIR is not set: the public traces are not here";
    path_ = std::filesystem::path(dir) / "mooncake" / "conversation_trace.jsonl";
    if (!std::filesystem::exists(path_)) GTEST_SKIP() << path_ << " is missing";
  }
  std::filesystem::path path_;
};

TEST_F(RealTrace, StatisticsAreThePublishedOnes) {
  const TraceStatistics s = DescribeTrace(LoadedTrace(path_));
  EXPECT_EQ(s.requests, 12'031U);
  EXPECT_EQ(s.block_references, 288'500U);
  EXPECT_EQ(s.distinct_blocks, 182'790U);
  EXPECT_NEAR(s.ideal_hit_share, 0.366, 0.001);
  EXPECT_NEAR(s.input.mean, 12'035, 1);
  EXPECT_NEAR(s.input.p50, 6'909, 1);
}

TEST_F(RealTrace, FiveHundredRequestsArePredictedExactlyInOrder) {
  TraceOptions o;
  o.model = "m";
  const TracePlan made = PlanFromTrace(LoadedTrace(path_, {.max_requests = 500}), o);
  const TierPools b2{.device_blocks = 512,
                     .host_blocks = 1024,
                     .disk_blocks = 12'288,
                     .block_tokens = 32,
                     .disk_offload_filter = false};
  TierPools b1 = b2;
  b1.disk_blocks = 0;
  const ExpectedHits with = PredictHits(made.plan, b2).at("trace"),
                     without = PredictHits(made.plan, b1).at("trace");
  ASSERT_TRUE(with.exact);
  EXPECT_EQ(without.g3_blocks.high, 0U);
  EXPECT_GT(with.g3_blocks.low, 0U);
  EXPECT_LT(with.computed_blocks.low, without.computed_blocks.low);
  EXPECT_EQ(with.g1_blocks.low + with.g2_blocks.low + with.g3_blocks.low + with.computed_blocks.low,
            without.g1_blocks.low + without.g2_blocks.low + without.computed_blocks.low);
  RecordProperty("requests", static_cast<int>(made.plan.phases[0].requests.size()));
  RecordProperty("g1", static_cast<int>(with.g1_blocks.low));
  RecordProperty("g2", static_cast<int>(with.g2_blocks.low));
  RecordProperty("g3", static_cast<int>(with.g3_blocks.low));
  RecordProperty("computed", static_cast<int>(with.computed_blocks.low));
}

}  // namespace
}  // namespace kvtier
