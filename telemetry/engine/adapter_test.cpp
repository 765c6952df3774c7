#include "telemetry/engine/adapter.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "telemetry/engine/engine_reading.hpp"
#include "telemetry/engine/golden.hpp"
#include "telemetry/engine/kvbm.hpp"

namespace kvtier {
namespace {

using ::testing::HasSubstr;

EngineReading Read(const std::string& text) {
  return ReadEngine(ParseExposition(text));
}
EngineReading ReadGolden(const std::string& file) {
  return Read(GoldenText(file));
}

/// What happened from nothing to the golden text: the text with `zeros` in place of its values is
/// the moment before.
TierTraffic SinceZero(const std::string& file) {
  const KvbmSnapshot after = KvbmFromText(GoldenText(file), "after");
  KvbmSnapshot before = after;
  before.label = "before";
  for (auto& [name, value] : before.metrics) value = 0;
  return TrafficBetween(before, after);
}

TEST(Adapter, IsRecognisedByItsFamilies) {
  for (const auto& [file, adapter] :
       std::vector<std::pair<std::string, std::string>>{{"kvbm_v0_5.prom", "kvbm_v1"},
                                                        {"kvbm_v0_6.prom", "kvbm_v1"},
                                                        {"kvbm_v0_8.prom", "kvbm_v1"},
                                                        {"kvbm_v1_x.prom", "kvbm_v1"},
                                                        {"kvbm_v1_extras.prom", "kvbm_v1"},
                                                        {"refstack.prom", "kvbm_v1"},
                                                        {"kvbm_v2.prom", "kvbm_v2"},
                                                        {"trtllm.prom", "trtllm"},
                                                        {"vllm.prom", "vllm"},
                                                        {"dynamo_frontend_after.prom", ""},
                                                        {"openmetrics.prom", ""}}) {
    EXPECT_EQ(ReadGolden(file).adapter, adapter) << file;
  }
}

TEST(Adapter, OfSeveralInOneTextKvbmIsAskedFirst) {
  EXPECT_EQ(Read(GoldenText("trtllm.prom") + GoldenText("kvbm_v1_x.prom")).adapter, "kvbm_v1");
  EXPECT_EQ(Read(GoldenText("vllm.prom") + GoldenText("kvbm_v2.prom")).adapter, "kvbm_v2");
  EXPECT_EQ(Read(GoldenText("vllm.prom") + GoldenText("trtllm.prom")).adapter, "trtllm");
  EXPECT_EQ(Read("# TYPE dynamo_component_requests_total counter\n"
                 "dynamo_component_requests_total 3\n")
                .adapter,
            "")
      << "every Dynamo process has these";
}

TEST(KvbmV1, OldAndUnusualSpellingsReadTheSame) {
  const auto old = SinceZero("kvbm_v0_5.prom");
  EXPECT_EQ(*old.matched_tokens, 640u);
  EXPECT_EQ(*old.offload_g1_to_g2_blocks, 50u);
  EXPECT_EQ(*old.onboard_g2_to_g1_blocks, 8u);
  EXPECT_EQ(*old.onboard_g3_to_g1_blocks, 12u);
  EXPECT_FALSE(old.offload_g2_to_g3_blocks.available()) << "v0.5 does not count it";
  EXPECT_FALSE(old.disk_hit_rate_after.available());

  const auto extras = SinceZero("kvbm_v1_extras.prom");
  EXPECT_EQ(*extras.matched_tokens, 320u);
  EXPECT_EQ(*extras.offload_g2_to_g3_blocks, 20u);
  EXPECT_EQ(*extras.onboard_g2_to_g1_blocks, 4u);
  EXPECT_EQ(*extras.onboard_g3_to_g1_blocks, 6u);
  EXPECT_EQ(*extras.onboard_from_g3_bytes, Bytes{25165824});
  EXPECT_EQ(*extras.offload_to_g3_bytes, Bytes{83886080});
  EXPECT_EQ(*extras.evicted_blocks, 7u);
}

TEST(KvbmV1, WhereLeaderAndWorkerBothCountNobodyKnowsWhichIsRight) {
  const auto both = Read(With(GoldenText("kvbm_v0_5.prom"),
                              "offload_blocks_d2h{dynamo_namespace=\"kvbm_connector_worker\"} 0",
                              "offload_blocks_d2h{dynamo_namespace=\"kvbm_connector_worker\"} 50"));
  EXPECT_FALSE(both.counters.contains("offload_g1_to_g2_blocks"));
  EXPECT_THAT(both.unavailable.at("offload_g1_to_g2_blocks"),
              HasSubstr("kvbm_connector_leader and kvbm_connector_worker"));
  EXPECT_EQ(both.counters.at("matched_tokens"), 640);
}

TEST(KvbmV2, StagingIsNotOnboarding) {
  const auto t = SinceZero("kvbm_v2.prom");
  EXPECT_EQ(*t.matched_tokens, 1056u);
  EXPECT_EQ(*t.offload_g2_to_g3_blocks, 60u);
  EXPECT_EQ(*t.onboard_g3_to_g2_blocks, 22u) << "d2h of an onboard is disk to host";
  EXPECT_EQ(*t.onboard_g2_to_g1_blocks, 33u);
  EXPECT_EQ(*t.onboard_g3_to_g1_blocks, 0u);
  EXPECT_EQ(*t.evicted_blocks, 8u);
  EXPECT_EQ(*t.failed_transfers, 3u);
  EXPECT_DOUBLE_EQ(*t.onboard_seconds, 0.375);
  EXPECT_DOUBLE_EQ(*t.offload_seconds, 0.75);
  EXPECT_FALSE(t.onboard_from_g3_bytes.available());
  EXPECT_THAT(t.hit_tokens_g2.reason(), HasSubstr("KVBM v2 does not export it"));
  const auto now = ReadGolden("kvbm_v2.prom");
  EXPECT_EQ(now.counters.at("host_hit_blocks"), 11);
  EXPECT_EQ(now.counters.at("disk_hit_blocks"), 22);
  EXPECT_EQ(now.gauges.at("transfers_pending"), 4);
}

TEST(KvbmV2, AnUnknownOperationMakesTheTimesUnavailableAndNotZero) {
  std::string text = GoldenText("kvbm_v2.prom");
  for (std::size_t at; (at = text.find("operation=\"onboard\"")) != std::string::npos;)
    text.replace(at, 19, "operation=\"hydrate\"");
  const auto now = Read(text);
  EXPECT_THAT(now.unavailable.at("onboard_seconds"),
              HasSubstr("the unknown operation 'hydrate'; docs/engine_metrics.md"));
  EXPECT_EQ(now.counters.at("failed_transfers"), 3) << "a sum over all operations";
}

TEST(Trtllm, APrefetchedPageIsOfTheHostTier) {
  const auto t = SinceZero("trtllm.prom");
  EXPECT_EQ(t.adapter, "trtllm");
  EXPECT_EQ(*t.hit_tokens_g1, 960u);
  EXPECT_EQ(*t.hit_tokens_g2, 640u);
  EXPECT_EQ(*t.hit_tokens_g3, 128u);
  EXPECT_EQ(*t.matched_tokens, 768u) << "what came from below the device";
  EXPECT_EQ(*t.onboard_g3_to_g2_blocks, 14u);
  EXPECT_EQ(*t.onboard_from_g2_bytes, Bytes{2097152});
  EXPECT_EQ(*t.offload_to_g2_bytes, Bytes{4194304});
  EXPECT_THAT(t.onboard_g3_to_g1_blocks.reason(), HasSubstr("TensorRT-LLM does not export it"));
  EXPECT_THAT(t.host_hit_rate_after.reason(), HasSubstr("TensorRT-LLM does not export it"))
      << "its hit rate is of no single tier";
  const auto now = ReadGolden("trtllm.prom");
  EXPECT_EQ(now.gauges.at("device_hit_rate"), 0.75);
  EXPECT_EQ(now.gauges.at("block_tokens"), 32);
}

TEST(Trtllm, ATierOfAnotherNameIsNotNothing) {
  const auto now =
      Read(With(GoldenText("trtllm.prom"), "cache_tier=\"disk\"", "cache_tier=\"tape\""));
  for (const char* word : {"hit_tokens_g1", "hit_tokens_g2", "hit_tokens_g3", "matched_tokens"}) {
    EXPECT_FALSE(now.counters.contains(word)) << word;
    EXPECT_THAT(now.unavailable.at(word), HasSubstr("the unknown cache_tier 'tape'")) << word;
  }
}

TEST(Trtllm, ADeclaredFamilyWithoutSeriesHasCountedNothingYet) {
  const std::string fresh = "# TYPE trtllm_prompt_cache_hit_tokens_total counter\n";
  EXPECT_EQ(Read(fresh).counters.at("hit_tokens_g3"), 0);
  const auto t = TrafficBetween(KvbmFromText(fresh, "before"),
                                KvbmFromText(GoldenText("trtllm.prom"), "after"));
  EXPECT_FALSE(t.counter_reset);
  EXPECT_EQ(*t.hit_tokens_g2, 640u);
  EXPECT_FALSE(t.onboard_from_g2_bytes.available()) << "that family was not there";
}

TEST(Vllm, DirectionsAndTiersAreToldApart) {
  const auto t = SinceZero("vllm.prom");
  EXPECT_EQ(*t.prompt_tokens, 4096u);
  EXPECT_EQ(*t.hit_tokens_g1, 1024u);
  EXPECT_EQ(*t.matched_tokens, 512u);
  EXPECT_EQ(*t.offload_to_g2_bytes, Bytes{8388608});
  EXPECT_EQ(*t.onboard_from_g2_bytes, Bytes{2097152});
  EXPECT_DOUBLE_EQ(*t.offload_seconds, 0.5);
  EXPECT_DOUBLE_EQ(*t.onboard_seconds, 0.25);
  EXPECT_EQ(*t.onboard_from_g3_bytes, Bytes{1048576}) << "without those of the object store";
  EXPECT_EQ(*t.offload_to_g3_bytes, Bytes{3145728});
  EXPECT_EQ(*t.evicted_blocks, 9u);
  EXPECT_EQ(*t.failed_transfers, 3u);
  EXPECT_THAT(t.hit_tokens_g3.reason(), HasSubstr("vLLM does not export it"));
}

TEST(EngineReading, IsOfTheSameWordsForEveryExporter) {
  const auto now = ReadGolden("refstack.prom");
  EXPECT_EQ(now.counters.at("matched_tokens"), 1600);
  EXPECT_EQ(now.counters.at("offload_g1_to_g2_blocks"), 160);
  EXPECT_EQ(now.counters.at("offload_g2_to_g3_blocks"), 80);
  EXPECT_EQ(now.counters.at("onboard_g2_to_g1_blocks"), 10);
  EXPECT_EQ(now.counters.at("onboard_g3_to_g1_blocks"), 40);
  EXPECT_EQ(now.gauges.at("host_hit_rate"), 0.125);
  EXPECT_EQ(now.gauges.at("disk_hit_rate"), 0.5);
  EXPECT_EQ(now.gauges.at("disk_used_blocks"), 80);
  EXPECT_DOUBLE_EQ(now.counters.at("offload_seconds"), 1.5);
  EXPECT_EQ(now.counters.at("evicted_blocks"), 43);
  EXPECT_TRUE(now.unavailable.empty());
  EXPECT_EQ(ReadGolden("kvbm_v1_extras.prom").gauges.at("disk_fetch_p95_ms"), 4);
}

TEST(EngineReading, NamesWhatItCannotRead) {
  const auto two = Read(With(GoldenText("kvbm_v0_8.prom"), "kvbm_disk_cache_hit_rate 0.5",
                             "kvbm_disk_cache_hit_rate{w=\"0\"} 0.6\n"
                             "kvbm_disk_cache_hit_rate{w=\"1\"} 0.7"));
  EXPECT_EQ(two.unavailable, (std::map<std::string, std::string>{
                                 {"disk_hit_rate",
                                  "kvbm_disk_cache_hit_rate has 2 label sets, and gauges cannot be "
                                  "added up"}}));
  const auto nan = Read(With(GoldenText("kvbm_v0_6.prom"), "blocks_d2d 40", "blocks_d2d NaN"));
  EXPECT_THAT(nan.unavailable.at("onboard_g3_to_g1_blocks"), HasSubstr("is not finite"));
  const auto gone = Read("# TYPE kvbm_matched_tokens counter\nkvbm_matched_tokens 5\n");
  EXPECT_THAT(gone.unavailable.at("onboard_g3_to_g1_blocks"), HasSubstr("not among the metrics"));
  EXPECT_THAT(Read("go_goroutines 7\n").unavailable.at(""), HasSubstr("no engine that we read"));
}

TEST(SeriesKey, IsReadBackAsItWasWritten) {
  const std::string awkward = "a\"b\\c\nd}";
  const auto e = ParseExposition(
      "# TYPE vllm:prefix_cache_hits_total counter\n"
      "vllm:prefix_cache_hits_total{m=\"a\\\"b\\\\c\\nd}\"} 3\n");
  KvbmSnapshot snapshot;
  snapshot.metrics[SeriesKey("vllm:prefix_cache_hits_total", e.families[0].samples[0].labels)] = 3;
  const SeriesSet series(snapshot);
  ASSERT_NE(series.Find("vllm:prefix_cache_hits_total"), nullptr);
  EXPECT_EQ(series.Find("vllm:prefix_cache_hits_total")->front().labels.front().second, awkward);
}

}  // namespace
}  // namespace kvtier
