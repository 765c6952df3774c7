#include "telemetry/engine/service_metrics.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "telemetry/engine/golden.hpp"
#include "telemetry/engine/service_report.hpp"

namespace kvtier {
namespace {

using ::testing::HasSubstr;
using Counts = std::map<std::string, double>;

FrontendMetrics Frontend(const std::string& text) {
  return ReadFrontend(ParseExposition(text));
}

TEST(Frontend, SaysWhatItServesAndHowMuchIsUnderWay) {
  const auto m = Frontend(GoldenText("dynamo_frontend_after.prom"));
  EXPECT_EQ(*m.requests, 30);
  EXPECT_EQ(m.requests_by_status, (Counts{{"success", 28}, {"error", 2}}));
  EXPECT_EQ(m.requests_by_error_type, (Counts{{"cancelled", 2}}));
  EXPECT_EQ(*m.inflight, 3);
  EXPECT_EQ(*m.queued, 1);
  EXPECT_EQ(*m.models.at("m").context_length, 8192);
  EXPECT_EQ(*m.models.at("m").kv_cache_block_size, 32);
  EXPECT_EQ(*m.models.at("m").inflight, 3);
  EXPECT_FALSE(m.models.at("m").max_num_seqs.available());
  EXPECT_FALSE(m.started.available()) << "an older release";
  EXPECT_FALSE(m.cached_tokens.available());
}

TEST(Frontend, LatenciesOfAPhaseAreThoseBetweenItsEnds) {
  const auto t = FrontendBetween(Frontend(GoldenText("dynamo_frontend_before.prom")),
                                 Frontend(GoldenText("dynamo_frontend_after.prom")));
  EXPECT_FALSE(t.counter_reset);
  EXPECT_EQ(*t.requests, 20);
  EXPECT_EQ(t.requests_by_status, (Counts{{"success", 18}, {"error", 2}}));
  EXPECT_EQ(*t.output_tokens, 18 * 32);
  // 4 below 0.1 s, 12 up to 0.22 s, 4 beyond: rank 10 is half of the second bucket.
  EXPECT_DOUBLE_EQ(*HistogramQuantile(*t.ttft_s, 0.5), 0.1 + 0.12 * 6 / 12);
  EXPECT_THAT(HistogramQuantile(*t.ttft_s, 0.95).reason(), HasSubstr("beyond 0.22"));
  EXPECT_DOUBLE_EQ(*HistogramMean(*t.ttft_s), 0.4);
  EXPECT_EQ(t.itl_s->count, 600);
  EXPECT_FALSE(t.started.available());
}

TEST(Frontend, ARestartIsNoTraffic) {
  const auto t = FrontendBetween(Frontend(GoldenText("dynamo_frontend_after.prom")),
                                 Frontend(GoldenText("dynamo_frontend_before.prom")));
  EXPECT_TRUE(t.counter_reset);
  EXPECT_THAT(t.requests.reason(), HasSubstr("went from 30 to 10"));
  EXPECT_THAT(t.ttft_s.reason(), HasSubstr("counter_reset"));
  EXPECT_TRUE(t.requests_by_status.empty());
}

TEST(Frontend, GaugesOfSeveralModelsAreNotAddedUp) {
  const auto m = Frontend(
      "# TYPE dynamo_frontend_inflight_requests gauge\n"
      "dynamo_frontend_inflight_requests{model=\"a\"} 3\n"
      "dynamo_frontend_inflight_requests{model=\"b\"} 4\n");
  EXPECT_THAT(m.inflight.reason(), HasSubstr("dynamo_frontend_active_requests"));
  EXPECT_EQ(*m.models.at("a").inflight, 3);
  EXPECT_EQ(*m.models.at("b").inflight, 4);
}

TEST(Frontend, OfTheReferenceStackReadsTheSame) {
  const auto m = Frontend(GoldenText("refstack_frontend.prom"));
  EXPECT_EQ(*m.requests, 5);
  EXPECT_EQ(*m.started, 5) << "3 streamed, 2 not";
  EXPECT_EQ(m.requests_by_status, (Counts{{"success", 5}}));
  EXPECT_EQ(*m.output_tokens, 50);
  EXPECT_EQ(m.itl_s->count, 45) << "all but the first token of each";
  EXPECT_DOUBLE_EQ(*HistogramMean(*m.cached_tokens), 1408.0 / 5);
  EXPECT_EQ(*m.models.at("kvtier-ref-nano").max_num_seqs, 16);
}

TEST(Frontend, HasOlderNamesAndAnotherPrefix) {
  const auto old = ReadFrontend(
      ParseExposition("# TYPE my_inflight_requests_total gauge\nmy_inflight_requests_total 2\n"
                      "# TYPE my_queued_requests_total gauge\nmy_queued_requests_total 5\n"),
      "my");
  EXPECT_EQ(*old.inflight, 2);
  EXPECT_EQ(*old.queued, 5);
  EXPECT_THAT(old.requests.reason(), HasSubstr("my_requests_total"));
}

TEST(System, CountsFamiliesForTheObservabilityGap) {
  const auto worker =
      ReadSystem(ParseExposition(GoldenText("trtllm.prom") + GoldenText("kvbm_v0_5.prom")));
  EXPECT_EQ(worker.trtllm_families, 9u);
  EXPECT_EQ(worker.dynamo_component_families, 7u);
  EXPECT_EQ(*worker.requests, 9);
  EXPECT_EQ(*worker.uptime_s, 81.5);
  const auto blind = ReadSystem(ParseExposition(
      "# TYPE trtllm_request_success_total counter\n# TYPE dynamo_component_x gauge\n"
      "dynamo_component_x 1\n"));
  EXPECT_EQ(blind.trtllm_families, 0u) << "declared, and nothing is said";
  EXPECT_EQ(blind.dynamo_component_families, 1u);
}

TEST(Services, APhaseIsReportedWithWhatEachServiceCouldSay) {
  ServiceSnapshot before, after;
  before.frontend = Frontend(GoldenText("dynamo_frontend_before.prom"));
  after.frontend = Frontend(GoldenText("dynamo_frontend_after.prom"));
  after.system = ReadSystem(ParseExposition(GoldenText("trtllm.prom")));
  const nlohmann::json j = ServicesJson("replay", before, after);
  EXPECT_EQ(j.at("phase"), "replay");
  EXPECT_EQ(j.at("frontend").at("requests"), 20);
  EXPECT_EQ(j.at("frontend").at("requests_by_status").at("error"), 2);
  EXPECT_DOUBLE_EQ(j.at("frontend").at("ttft_p50_s").get<double>(), 0.16);
  EXPECT_TRUE(j.at("frontend").at("ttft_p95_s").contains("unavailable"));
  EXPECT_TRUE(j.at("frontend").at("started").contains("unavailable"));
  EXPECT_GT(j.at("system").at("trtllm_families"), 0);
  before.frontend = Reading<FrontendMetrics>::Unavailable("connection refused");
  after.system = Reading<SystemMetrics>::Unavailable("down");
  EXPECT_EQ(ServicesJson("replay", before, after).at("frontend"),
            (nlohmann::json{{"unavailable", "connection refused"}}));
  EXPECT_EQ(ServicesJson("replay", before, after).at("system").at("unavailable"), "down");
}

TEST(Services, AnEndpointThatNobodyNamedOrThatIsDownIsAReason) {
  const auto s =
      ReadServices("http://127.0.0.1:1/metrics", std::nullopt, std::chrono::milliseconds(200));
  EXPECT_THAT(s.frontend.reason(), HasSubstr("127.0.0.1:1"));
  EXPECT_THAT(s.system.reason(), HasSubstr("does not say"));
}

}  // namespace
}  // namespace kvtier
