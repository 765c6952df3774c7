#include "telemetry/engine/exposition.hpp"

#include <cmath>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/core/error.hpp"
#include "harness/net/http_server.hpp"
#include "telemetry/engine/kvbm.hpp"

namespace kvtier {
namespace {

using ::testing::HasSubstr;

TEST(Exposition, ReadsTypesHelpLabelsAndTimestamps) {
  const auto e = ParseExposition(
      "# a comment\n"
      "# HELP http_requests_total All requests,\\nby code \\\\ path\r\n"
      "# TYPE http_requests_total counter\n"
      "http_requests_total{code=\"200\",path=\"/a\\\"b\\\\c\\nd}\",} 1027 1395066363000\n"
      "http_requests_total { code = \"500\" } 3\n"
      "\n"
      "no_type_line 1.5e3\n");
  ASSERT_EQ(e.families.size(), 2u);
  const auto* requests = e.Find("http_requests_total");
  ASSERT_NE(requests, nullptr);
  EXPECT_EQ(requests->type, MetricType::kCounter);
  EXPECT_EQ(requests->help, "All requests,\nby code \\ path");
  ASSERT_EQ(requests->samples.size(), 2u);
  EXPECT_EQ(requests->samples[0].labels[1],
            (std::pair<std::string, std::string>("path", "/a\"b\\c\nd}")));
  EXPECT_EQ(requests->samples[0].timestamp_ms, 1395066363000);
  EXPECT_FALSE(requests->samples[1].timestamp_ms);
  EXPECT_EQ(*e.Counter("http_requests_total"), 1030);
  EXPECT_EQ(*e.Gauge("no_type_line"), 1500);
}

TEST(Exposition, GaugesAreNeverAddedUp) {
  const auto e =
      ParseExposition("# TYPE rate gauge\nrate{worker=\"0\"} 0.6\nrate{worker=\"1\"} 0.7\n");
  const auto rate = e.Gauge("rate");
  ASSERT_FALSE(rate.available());
  EXPECT_THAT(rate.reason(), HasSubstr("2 label sets"));
  EXPECT_FALSE(e.Counter("rate").available()) << "a gauge is no counter";
}

TEST(Exposition, AHistogramIsOneFamilyAndNoCounter) {
  const auto e = ParseExposition(
      "# TYPE t histogram\nt_bucket{le=\"0.1\"} 2\nt_bucket{le=\"+Inf\"} 3\nt_sum 0.4\nt_count "
      "3\nt_count_other 9\n");
  ASSERT_NE(e.Find("t"), nullptr);
  EXPECT_EQ(e.Find("t")->samples.size(), 4u);
  EXPECT_FALSE(e.Counter("t").available());
  EXPECT_EQ(*e.Counter("t_count_other"), 9);
}

TEST(Exposition, NotFiniteIsReadButNotCounted) {
  const auto e = ParseExposition("a NaN\nb +Inf\nc -Inf\n");
  EXPECT_TRUE(std::isnan(e.Find("a")->samples[0].value));
  EXPECT_TRUE(std::isinf(e.Find("b")->samples[0].value));
  EXPECT_LT(e.Find("c")->samples[0].value, 0);
  EXPECT_FALSE(e.Counter("a").available());
  EXPECT_FALSE(e.Gauge("b").available());
  EXPECT_THAT(e.Counter("gone").reason(), HasSubstr("not among the metrics"));
}

TEST(Exposition, DamageIsAnErrorThatNamesTheLine) {
  for (const char* text : {"a\n", "a b\n", "a 1 2 3\n", "a{x} 1\n", "a{x=\"1} 1\n",
                           "a{x=\"\\q\"} 1\n", "a{x=\"1\" 1\n", "1a 2\n", "# TYPE a rainbow\n",
                           "a 1\n# TYPE a counter\n", "a inf\n", "a 1 later\n"}) {
    EXPECT_THROW(ParseExposition(text), ProtocolError) << text;
  }
  try {
    ParseExposition("ok 1\n# HELP x y\nbroken\n");
    FAIL();
  } catch (const ProtocolError& e) {
    EXPECT_THAT(e.what(), HasSubstr("line 3"));
  }
  EXPECT_THROW(ParseExposition("a 1\nb 2"), ProtocolError)
      << "a torn answer must not read as fewer metrics";
  EXPECT_TRUE(ParseExposition("").families.empty());
}

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

}  // namespace
}  // namespace kvtier
