#include "telemetry/engine/kvbm.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/net/http_server.hpp"
#include "telemetry/engine/golden.hpp"

namespace kvtier {
namespace {

using ::testing::HasSubstr;

std::string Metrics(int matched, int d2h, int h2d, int onboard_disk, const std::string& more = "") {
  return fmt::format(
      "# TYPE kvbm_disk_cache_hit_rate gauge\nkvbm_disk_cache_hit_rate 0.5\n"
      "# TYPE kvbm_host_cache_hit_rate gauge\nkvbm_host_cache_hit_rate 0.125\n"
      "# TYPE kvbm_matched_tokens counter\nkvbm_matched_tokens {}\n"
      "# TYPE kvbm_offload_blocks_d2d counter\nkvbm_offload_blocks_d2d 0\n"
      "# TYPE kvbm_offload_blocks_d2h counter\nkvbm_offload_blocks_d2h {}\n"
      "# TYPE kvbm_offload_blocks_h2d counter\nkvbm_offload_blocks_h2d {}\n"
      "# TYPE kvbm_onboard_blocks_d2d counter\nkvbm_onboard_blocks_d2d {}\n"
      "# TYPE kvbm_onboard_blocks_h2d counter\nkvbm_onboard_blocks_h2d 10\n{}",
      matched, d2h, h2d, onboard_disk, more);
}

TEST(Kvbm, DirectionsAreToldApart) {
  const auto t = TrafficBetween(KvbmFromText(Metrics(0, 100, 7, 0), "before_replay"),
                                KvbmFromText(Metrics(1600, 260, 87, 40), "after_replay"));
  EXPECT_EQ(*t.matched_tokens, 1600u);
  EXPECT_EQ(*t.offload_g1_to_g2_blocks, 160u);
  EXPECT_EQ(*t.offload_g2_to_g3_blocks, 80u) << "h2d of an offload is host to disk";
  EXPECT_EQ(*t.onboard_g3_to_g1_blocks, 40u) << "d2d of an onboard is disk to device";
  EXPECT_EQ(*t.onboard_g2_to_g1_blocks, 0u);
  EXPECT_EQ(*t.disk_hit_rate_after, 0.5);
  EXPECT_FALSE(t.counter_reset);
}

TEST(Kvbm, ACounterThatWentBackwardsMakesAllDeltasUnavailable) {
  const auto t = TrafficBetween(KvbmFromText(Metrics(100, 5, 5, 0), "a"),
                                KvbmFromText(Metrics(200, 4, 9, 7), "b"));
  EXPECT_TRUE(t.counter_reset);
  EXPECT_FALSE(t.onboard_g3_to_g1_blocks.available());
  EXPECT_THAT(t.matched_tokens.reason(), HasSubstr("kvbm_offload_blocks_d2h went from 5 to 4"));
}

TEST(Kvbm, FailedSkippedAndAbsentAreNeverZero) {
  const auto good = KvbmFromText(Metrics(1, 1, 1, 1), "good");
  const auto torn = KvbmFromText("kvbm_matched_tokens 5\nkvbm_off", "torn");
  EXPECT_FALSE(torn.success);
  EXPECT_FALSE(TrafficBetween(good, torn).matched_tokens.available());
  EXPECT_FALSE(TrafficBetween(torn, good).disk_hit_rate_after.available());
  EXPECT_EQ(TrafficBetween(SkippedKvbm("a"), SkippedKvbm("b")).matched_tokens.reason(),
            "kvbm_disabled");

  const auto partial =
      KvbmFromText("# TYPE kvbm_matched_tokens counter\nkvbm_matched_tokens 5\n", "partial");
  const auto t = TrafficBetween(good, partial);
  EXPECT_EQ(*t.matched_tokens, 4u);
  EXPECT_THAT(t.onboard_g3_to_g1_blocks.reason(), HasSubstr("not among the metrics of partial"));

  const auto foreign = KvbmFromText("process_cpu_seconds_total 3\n", "foreign");
  EXPECT_FALSE(foreign.success) << "an exporter without one kvbm_ metric is the wrong exporter";
}

TEST(Kvbm, OnlyOursIsKeptAndCountersAreSummedOverWorkers) {
  const auto s = KvbmFromText(
      "# TYPE kvbm_matched_tokens counter\nkvbm_matched_tokens{w=\"0\"} "
      "3\nkvbm_matched_tokens{w=\"1\"} 4\n"
      "# TYPE kvbm_host_cache_hit_rate gauge\nkvbm_host_cache_hit_rate{w=\"0\"} "
      "0.6\nkvbm_host_cache_hit_rate{w=\"1\"} 0.7\n"
      "go_goroutines 7\n"
      "# TYPE kvtier_ref_bytes_total counter\nkvtier_ref_bytes_total{direction=\"disk_read\"} 10\n"
      "kvtier_ref_bytes_total{direction=\"disk_write\"} 20\n",
      "x");
  EXPECT_EQ(s.metrics, (std::map<std::string, double>{
                           {"kvbm_matched_tokens", 7},
                           {"kvtier_ref_bytes_total{direction=\"disk_read\"}", 10},
                           {"kvtier_ref_bytes_total{direction=\"disk_write\"}", 20}}));
}

TEST(Kvbm, ActivityAndColdStart) {
  EXPECT_EQ(
      *OffloadActivityOf(KvbmFromText(Metrics(0, 5, 3, 0, "kvtier_ref_offloads_pending 2\n"), "x")),
      (OffloadActivity{8, 2}));
  EXPECT_FALSE(OffloadActivityOf(SkippedKvbm("x")).available());
  EXPECT_FALSE(*IsCold(KvbmFromText(Metrics(0, 0, 0, 0), "x")))
      << "the fixture has onboarded 10 host blocks";
  std::string zeros = Metrics(0, 0, 0, 0);
  zeros.replace(zeros.find("h2d 10"), 6, "h2d 0 ");
  EXPECT_TRUE(*IsCold(KvbmFromText(zeros, "x")));
  EXPECT_FALSE(*IsCold(KvbmFromText(zeros + "kvtier_ref_disk_used_blocks 1\n", "x")))
      << "a tier that holds blocks";
  EXPECT_FALSE(IsCold(KvbmFromText("kvbm_matched_tokens 0\n", "x")).available());
}

TEST(Kvbm, ScrapeSendsItsLabelAndReportsEveryFailure) {
  HttpServer server({}, [](const HttpRequest& request, std::shared_ptr<Responder> responder) {
    const bool gone = FindHeader(request.headers, kScrapeLabelHeader) == "before_replay";
    responder->SendFull(gone ? 503 : 200, "text/plain", gone ? "" : Metrics(1, 2, 3, 4));
  });
  const auto good = ScrapeKvbm(server.url() + "/metrics", "before_thrash");
  EXPECT_TRUE(good.success) << good.error;
  EXPECT_EQ(good.metrics.at("kvbm_onboard_blocks_d2d"), 4);
  const auto gone = ScrapeKvbm(server.url() + "/metrics", "before_replay");
  EXPECT_FALSE(gone.success);
  EXPECT_THAT(gone.error, HasSubstr("HTTP 503"));
  server.Stop();
  EXPECT_THAT(ScrapeKvbm(server.url() + "/metrics", "x").error, HasSubstr(server.url()));
  EXPECT_FALSE(ScrapeKvbm("not a url", "x").success);
}

KvbmSnapshot Golden(const std::string& name, const std::string& label) {
  return KvbmFromText(GoldenText(name), label);
}
KvbmSnapshot From(const std::string& text, const std::string& label) {
  return KvbmFromText(text, label);
}

TEST(Kvbm, OfTheReferenceStackBytesTimesAndEvictionsComeFromItsExtras) {
  std::string before = GoldenText("refstack.prom");
  before = With(before, "kvtier_ref_disk_read_bytes 13107200", "kvtier_ref_disk_read_bytes 327680");
  before = With(before, "kvtier_ref_disk_read_ns 250000000", "kvtier_ref_disk_read_ns 50000000");
  before = With(before, "kvtier_ref_disk_evictions 3", "kvtier_ref_disk_evictions 1");
  before = With(before, "kvtier_ref_failed_offloads 6", "kvtier_ref_failed_offloads 1");
  const auto t = TrafficBetween(From(before, "a"), Golden("refstack.prom", "b"));
  EXPECT_EQ(t.adapter, "kvbm_v1");
  EXPECT_EQ(*t.onboard_from_g3_bytes, Bytes{13107200 - 327680});
  EXPECT_DOUBLE_EQ(*t.onboard_seconds, 0.2);
  EXPECT_DOUBLE_EQ(*t.offload_seconds, 0);
  EXPECT_EQ(*t.evicted_blocks, 2u) << "of host and disk; the device's own turnover is no eviction";
  EXPECT_EQ(*t.failed_transfers, 5u);
  EXPECT_EQ(*t.matched_tokens, 0u);
  EXPECT_THAT(t.hit_tokens_g3.reason(), HasSubstr("KVBM v1 does not export it"));
  EXPECT_THAT(t.onboard_g3_to_g2_blocks.reason(), HasSubstr("KVBM v1 does not export it"));
  EXPECT_EQ(t.reference_extras.at("kvtier_ref_failed_offloads"), 5);
}

TEST(Kvbm, PlainKvbmHasNoBytesAndSaysWhichMetricIsMissing) {
  const auto t = TrafficBetween(Golden("kvbm_v1_x.prom", "a"), Golden("kvbm_v1_x.prom", "b"));
  EXPECT_EQ(*t.onboard_g3_to_g1_blocks, 0u);
  EXPECT_EQ(t.onboard_from_g3_bytes.reason(), "kvbm_disk_bytes_read is not among the metrics of b");
  EXPECT_FALSE(t.failed_transfers.available()) << "KVBM v1 counts before the copy";
}

TEST(Kvbm, ASnapshotOfKvbmKeepsItsNames) {
  EXPECT_EQ(Golden("kvbm_v0_6.prom", "x").metrics,
            (std::map<std::string, double>{{"kvbm_matched_tokens", 1600},
                                           {"kvbm_offload_blocks_d2d", 0},
                                           {"kvbm_offload_blocks_d2h", 160},
                                           {"kvbm_offload_blocks_h2d", 80},
                                           {"kvbm_onboard_blocks_d2d", 40},
                                           {"kvbm_onboard_blocks_h2d", 10}}));
  EXPECT_EQ(Golden("kvbm_v1_x.prom", "x").metrics.size(), 13u) << "the object names too";
}

TEST(Kvbm, AGaugeOfTwoLabelSetsSaysSo) {
  const std::string two = With(GoldenText("kvbm_v0_8.prom"), "kvbm_disk_cache_hit_rate 0.5",
                               "kvbm_disk_cache_hit_rate{w=\"0\"} 0.6\n"
                               "kvbm_disk_cache_hit_rate{w=\"1\"} 0.7");
  const auto t = TrafficBetween(From(two, "a"), From(two, "b"));
  EXPECT_THAT(t.disk_hit_rate_after.reason(), HasSubstr("several label sets"));
  EXPECT_EQ(*t.host_hit_rate_after, 0.125);
}

TEST(Kvbm, OneNameGoingBackwardsSpoilsEveryAdapter) {
  struct Lie {
    const char *file, *from, *to;
  };
  for (const Lie& lie :
       {Lie{"kvbm_v0_5.prom",
            "onboard_blocks_h2d{dynamo_namespace=\"kvbm_"
            "connector_leader\"} 8",
            "onboard_blocks_h2d{dynamo_namespace=\"kvbm_connector_leader\"} 7"},
        Lie{"kvbm_v1_extras.prom", "kvbm_cache_evictions 7", "kvbm_cache_evictions 6"},
        Lie{"refstack.prom", "kvtier_ref_host_evictions 40", "kvtier_ref_host_evictions 39"},
        Lie{"kvbm_v2.prom", "{pool=\"g3\"} 3", "{pool=\"g3\"} 1"},
        Lie{"trtllm.prom", "cache_tier=\"disk\"} 128", "cache_tier=\"disk\"} 5"},
        Lie{"vllm.prom", "\"GPU_to_CPU\"} 8388608", "\"GPU_to_CPU\"} 0"}}) {
    const auto t = TrafficBetween(Golden(lie.file, "a"),
                                  From(With(GoldenText(lie.file), lie.from, lie.to), "b"));
    EXPECT_TRUE(t.counter_reset) << lie.file;
    EXPECT_THAT(t.matched_tokens.reason(), HasSubstr("counter_reset")) << lie.file;
    EXPECT_THAT(t.onboard_seconds.reason(), HasSubstr("counter_reset")) << lie.file;
    EXPECT_FALSE(t.disk_hit_rate_after.available()) << lie.file;
    EXPECT_FALSE(t.adapter.empty());
  }
}

TEST(Kvbm, AWorkerThatLeftIsAResetThoughTheSumGrew) {
  const std::string before =
      "# TYPE vllm:prefix_cache_hits_total counter\n"
      "vllm:prefix_cache_hits_total{engine=\"0\"} 10\nvllm:prefix_cache_hits_total{engine=\"1\"} "
      "5\n";
  const std::string after =
      "# TYPE vllm:prefix_cache_hits_total counter\nvllm:prefix_cache_hits_total{engine=\"0\"} "
      "90\n";
  const auto t = TrafficBetween(From(before, "a"), From(after, "b"));
  EXPECT_TRUE(t.counter_reset);
  EXPECT_THAT(t.hit_tokens_g1.reason(), HasSubstr("{engine=\"1\"} was 5 and is gone"));
  const auto grown = TrafficBetween(From(after, "a"), From(before, "b"));
  EXPECT_TRUE(grown.counter_reset) << "90 to 10";
}

TEST(Kvbm, AnotherExporterOnTheSecondSideIsNoTraffic) {
  const auto t = TrafficBetween(Golden("trtllm.prom", "before"), Golden("vllm.prom", "after"));
  EXPECT_EQ(t.matched_tokens.reason(),
            "the exporter of before is trtllm and that of after is vllm");
  EXPECT_FALSE(t.counter_reset);
}

TEST(Kvbm, AKvbmV2ThatHasMovedNothingYetLooksLikeV1AndIsComparedAsV2) {
  const auto t = TrafficBetween(From("# TYPE kvbm_matched_tokens counter\nkvbm_matched_tokens 0\n"
                                     "# TYPE kvbm_offload_blocks_d2h counter\n"
                                     "kvbm_offload_blocks_d2h 0\n",
                                     "before"),
                                Golden("kvbm_v2.prom", "after"));
  EXPECT_EQ(t.adapter, "kvbm_v2");
  EXPECT_EQ(*t.matched_tokens, 1056u);
  EXPECT_EQ(*t.offload_g1_to_g2_blocks, 70u);
  EXPECT_EQ(t.onboard_g3_to_g2_blocks.reason(),
            "kvbm_onboard_blocks_d2h is not among the metrics of before");
}

TEST(Kvbm, ActivityAndColdStartOfOtherEngines) {
  EXPECT_EQ(*OffloadActivityOf(Golden("trtllm.prom", "x")), (OffloadActivity{4194304, 0}))
      << "bytes, where there are no blocks";
  EXPECT_EQ(*OffloadActivityOf(Golden("vllm.prom", "x")), (OffloadActivity{8388608 + 3145728, 0}));
  EXPECT_EQ(*OffloadActivityOf(Golden("kvbm_v2.prom", "x")), (OffloadActivity{70 + 60, 4}));
  EXPECT_FALSE(OffloadActivityOf(Golden("kvbm_v0_5.prom", "x")).available())
      << "writes to the disk cannot be seen there";
  for (const char* file : {"trtllm.prom", "vllm.prom", "kvbm_v2.prom", "kvbm_v0_6.prom"})
    EXPECT_FALSE(*IsCold(Golden(file, "x"))) << file;
  EXPECT_TRUE(
      *IsCold(From("# TYPE vllm:prefix_cache_queries_total counter\n"
                   "vllm:prefix_cache_queries_total 64\n"
                   "# TYPE vllm:prefix_cache_hits_total counter\n"
                   "vllm:prefix_cache_hits_total 0\n",
                   "x")))
      << "a question alone warms nothing";
  EXPECT_FALSE(IsCold(From("# TYPE vllm:prefix_cache_queries_total counter\n"
                           "vllm:prefix_cache_queries_total 64\n",
                           "x"))
                   .available());
}

TEST(Kvbm, ANumberThatNoCounterReachesIsNotCast) {
  const auto t = TrafficBetween(From("kvbm_matched_tokens 0\n", "a"),
                                From("kvbm_matched_tokens 1e300\n", "b"));
  EXPECT_THAT(t.matched_tokens.reason(), HasSubstr("beyond what a counter can count"));
}

TEST(Kvbm, TextsThatAreNoneSayWhatTheyAre) {
  EXPECT_THAT(From("# TYPE trtllm_request_success_total counter\n"
                   "trtllm_request_success_total 3\n",
                   "x")
                  .error,
              HasSubstr("is of trtllm and has none of the metrics that tell of KV tiers"));
  EXPECT_THAT(From("go_goroutines 7\n", "x").error, HasSubstr("no kvbm_ metric"));
  EXPECT_THAT(From("<html></html>\n", "x").error, HasSubstr("line 1"));
  const std::string whole = GoldenText("trtllm.prom");
  EXPECT_FALSE(From(whole.substr(0, whole.size() - 3), "x").success);
}

TEST(Kvbm, AnEndpointThatDoesNotAnswerMetricsIsNamed) {
  std::shared_ptr<Responder> never;  // kept, so that the request hangs
  HttpServer server({}, [&](const HttpRequest& request, std::shared_ptr<Responder> responder) {
    if (request.path() == "/hung") {
      never = std::move(responder);
    } else if (request.path() == "/html") {
      responder->SendFull(200, "text/html", "<!DOCTYPE html>\n<html>login</html>\n");
    } else if (request.path() == "/empty") {
      responder->SendFull(200, "text/plain", "");
    } else {
      responder->SendFull(503, "text/plain", "starting");
    }
  });
  const auto error = [&](const char* path, std::chrono::milliseconds timeout) {
    const auto snapshot = ScrapeKvbm(server.url() + path, "x", timeout);
    EXPECT_FALSE(snapshot.success) << path;
    EXPECT_THAT(snapshot.error, HasSubstr(server.url() + path));
    return snapshot.error;
  };
  const std::chrono::seconds patient(30);
  EXPECT_THAT(error("/html", patient), HasSubstr("a web page instead of metrics"));
  EXPECT_THAT(error("/empty", patient), HasSubstr("answered nothing"));
  EXPECT_THAT(error("/metrics", patient), HasSubstr("HTTP 503"));
  error("/hung", std::chrono::milliseconds(100));
}

}  // namespace
}  // namespace kvtier
