#include "workloads/traces/trace_recipe.hpp"

#include <cmath>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/core/error.hpp"
#include "harness/core/files.hpp"
#include "harness/core/temp_dir.hpp"
#include "harness/report/schema_check.hpp"
#include "workloads/traces/draws.hpp"
#include "workloads/traces/trace_file.hpp"
#include "workloads/traces/trace_shape.hpp"

namespace kvtier {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

TraceRecipe RecipeOf(const std::string& kind) {
  TraceRecipe r;
  r.kind = kind;
  return r;
}

std::string MissedRows(const MadeTrace& made) {
  std::string text;
  for (const QualityRow& row : made.quality) {
    if (!row.pass())
      text += row.statistic + " " + std::to_string(row.observed) + " instead of " +
              std::to_string(row.target) + "\n";
  }
  return text;
}

TEST(Draws, HaveTheirMoments) {
  Rng rng = Rng::Stream(1, "draws");
  constexpr int kDraws = 40'000;
  double logs = 0, exponential = 0, poisson = 0, above = 0;
  const QuantileTable table{{1, 2, 3, 4, 5, 60, 70, 80, 90, 95, 98, 100}};
  for (int i = 0; i < kDraws; ++i) {
    logs += std::log(LogNormal(rng, 2, 0.5)) / kDraws;
    exponential += Exponential(rng, 3) / kDraws;
    poisson += static_cast<double>(Poisson(rng, 10.2)) / kDraws;
    const double x = table.Draw(rng);
    ASSERT_GE(x, 1);
    ASSERT_LE(x, 100);
    above += x > 60 ? 1.0 / kDraws : 0;
  }
  // Five standard errors each.
  EXPECT_NEAR(logs, 2, 5 * 0.5 / 200);
  EXPECT_NEAR(exponential, 3, 5 * 3.0 / 200);
  EXPECT_NEAR(poisson, 10.2, 5 * std::sqrt(10.2) / 200);
  EXPECT_NEAR(above, 0.5, 5 * 0.5 / 200);
  const Zipf zipf(3, 1);  // weights 6 : 3 : 2
  EXPECT_DOUBLE_EQ(zipf.TopShare(), 6.0 / 11);
  EXPECT_DOUBLE_EQ(Zipf(4, 0).TopShare(), 0.25);
}

class EachRecipe : public ::testing::TestWithParam<std::string> {};

TEST_P(EachRecipe, HoldsItsStatistics) {
  const MadeTrace made = MakeTrace(RecipeOf(GetParam()));
  EXPECT_EQ(MissedRows(made), "");
  EXPECT_GE(made.quality.size(), 2U);
  for (const QualityRow& row : made.quality) EXPECT_LE(row.tolerance, 0.5) << row.statistic;
}

TEST_P(EachRecipe, IsWrittenTheSameAndReadBackTheSame) {
  TraceRecipe recipe = RecipeOf(GetParam());
  recipe.requests = 300;
  const MadeTrace made = MakeTrace(recipe);
  const std::string text = TraceText(made.requests, made.sessions);
  EXPECT_EQ(text, TraceText(MakeTrace(recipe).requests, made.sessions));
  const TraceFile read = ParseTraceFile(text, "made.jsonl");
  EXPECT_EQ(read.format, "mooncake");
  ASSERT_EQ(read.requests.size(), made.requests.size());
  const TraceStatistics was = DescribeTrace(made.requests), is = DescribeTrace(read.requests);
  EXPECT_EQ(is.block_references, was.block_references);
  EXPECT_EQ(is.distinct_blocks, was.distinct_blocks);
  EXPECT_EQ(is.ideal_hit_share, was.ideal_hit_share);
  EXPECT_EQ(is.input.mean, was.input.mean);
  EXPECT_EQ(ToJson(ShapeOf(read.requests)).dump(), ToJson(ShapeOf(made.requests)).dump());
  EXPECT_EQ(TraceText(read.requests, made.sessions), text);
  recipe.seed = 7;
  if (recipe.kind != "reuse_distance") {
    EXPECT_NE(TraceText(MakeTrace(recipe).requests, made.sessions), text);
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, EachRecipe, ::testing::ValuesIn(RecipeKinds()));

TEST(TraceRecipe, DocumentsFollowTheirSchemas) {
  const TempDir folder;
  TraceRecipe recipe = RecipeOf("reuse_distance");
  const MadeTrace made = MakeTrace(recipe);
  const std::string text = TraceText(made.requests, made.sessions);
  const auto manifest = TraceManifestJson(recipe, made, "t.jsonl", text);
  EXPECT_EQ(manifest.at("sha256"), Sha256Hex(text));
  EXPECT_EQ(manifest.at("requests"), 48);
  WriteJsonAtomic(folder.path() / "trace_manifest.json", manifest);
  WriteJsonAtomic(folder.path() / "quality.json", QualityJson(recipe, made));
  EXPECT_THAT(CheckBundle(folder.path(), std::filesystem::path(KVTIER_SOURCE_DIR) / "docs/schemas"),
              IsEmpty());
}

// Sizes in blocks of 512: prompts of 4.
TEST(TraceRecipe, TheReuseDistanceIsAKnob) {
  TraceRecipe r = RecipeOf("reuse_distance");
  r.prompts = 5;
  r.visits = 2;
  r.prompt_tokens = 2048;
  const auto needed = [&r](const std::string& order) {
    r.order = order;
    return MakeTrace(r).quality.at(0).observed;
  };
  EXPECT_EQ(needed("grouped"), 4);
  EXPECT_EQ(needed("round_robin"), 20);
  r.distance_blocks = 30;  // 8 prompts of 4 blocks
  EXPECT_EQ(needed("populate_thrash_replay"), 52);
  EXPECT_EQ(MakeTrace(r).requests.size(), 5U + 8 + 5);
}

TEST(TraceRecipe, AgenticSessionsShareTheirLayers) {
  TraceRecipe r = RecipeOf("agentic_code");
  r.requests = 200;
  const MadeTrace made = MakeTrace(r);
  const std::size_t shared = 32'000 / 512;  // blocks of the layer that all have
  double last_ms = 0;
  for (const TraceRequest& request : made.requests) {
    ASSERT_GT(request.hash_ids.size(), shared);
    EXPECT_EQ(request.hash_ids[shared - 1], shared - 1);
    EXPECT_LE(request.input_length + request.output_length, 200'000);
    EXPECT_GE(request.timestamp_ms, last_ms);
    last_ms = request.timestamp_ms;
  }
  r.context_tokens = 8'192;
  r.requests = 0;
  const MadeTrace small = MakeTrace(r);
  EXPECT_EQ(MissedRows(small), "");
  for (const TraceRequest& request : small.requests)
    ASSERT_LE(request.input_length + request.output_length, 8'192);
}

TEST(TraceRecipe, RagTouchesEveryDocumentOnceBeforeItMeasures) {
  TraceRecipe r = RecipeOf("rag");
  r.capacity_tokens = 100'000;
  r.requests = 50;
  const MadeTrace made = MakeTrace(r);
  const std::size_t documents = 25;  // ceil(2 x 100,000 / 8,192)
  ASSERT_EQ(made.requests.size(), documents + 50);
  std::set<std::uint64_t> first;
  for (std::size_t i = 0; i < documents; ++i) first.insert(made.requests[i].hash_ids.front());
  EXPECT_EQ(first.size(), documents);
  for (const auto& request : made.requests) EXPECT_TRUE(first.contains(request.hash_ids.front()));
}

TEST(TraceRecipe, ParametersAreChecked) {
  const auto refuses = [](auto change) {
    TraceRecipe r = RecipeOf("rag");
    change(r);
    try {
      MakeTrace(r);
    } catch (const ConfigError& e) {
      return std::string(e.what());
    }
    return std::string("accepted");
  };
  EXPECT_THAT(refuses([](auto& r) { r.kind = "frag"; }), HasSubstr("no trace generator 'frag'"));
  EXPECT_THAT(refuses([](auto& r) { r.pool_factor = -1; }), HasSubstr("pool_factor is -1"));
  EXPECT_THAT(refuses([](auto& r) { r.capacity_tokens = 1'000'000'000'000; }),
              HasSubstr("documents: lower capacity_tokens"));
  EXPECT_THAT(refuses([](auto& r) { r.block_tokens = 0; }), HasSubstr("block_tokens is 0"));
  EXPECT_THAT(refuses([](auto& r) { r.kind = "reuse_distance", r.order = "random"; }),
              HasSubstr("order is 'random'"));
  EXPECT_THAT(
      refuses([](auto& r) { r.kind = "reuse_distance", r.prompts = 1'000'000, r.visits = 1000; }),
      HasSubstr("500,000,000"));
}

TEST(TraceShape, CountsWindowsAndGaps) {
  EXPECT_DOUBLE_EQ(DispersionIndex({0, 0.1, 0.2, 2.5, 4}, 1), 1.5);  // counts 3 0 1 0
  EXPECT_EQ(DispersionIndex({0, 0.5}, 1), 0);
  std::vector<TraceRequest> trace(3);
  trace[0].hash_ids = {1, 2, 3};
  trace[1].hash_ids = {1, 9};
  trace[1].timestamp_ms = 1000;
  trace[2].hash_ids = {1, 2, 8};
  trace[2].timestamp_ms = 4000;
  const TraceShape s = ShapeOf(trace);
  EXPECT_DOUBLE_EQ(s.used_once_share, 3.0 / 5);  // 3, 9 and 8
  EXPECT_DOUBLE_EQ(s.requests_with_reuse, 1.0 / 3);
  EXPECT_EQ(s.reuses, 1U);  // block 2, after four seconds
  EXPECT_DOUBLE_EQ(s.reuse_gap_p50_s, 4);
  EXPECT_DOUBLE_EQ(s.arrival_cv, 0.5);  // gaps 1 and 3
}

}  // namespace
}  // namespace kvtier
