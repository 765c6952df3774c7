#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/report/sample_leg.hpp"
#include "harness/report/summary.hpp"

// The latencies, their intervals and the steady window of the summary, on figures computed by hand.
namespace kvtier {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

std::vector<const RequestRecord*> PointersTo(const std::vector<RequestRecord>& records) {
  std::vector<const RequestRecord*> rows;
  for (const auto& r : records) rows.push_back(&r);
  return rows;
}

json Figures(const std::vector<RequestRecord>& records) {
  return StatisticsBlock(PointersTo(records), 2.0);
}

TEST(SummaryMetrics, EveryLatencyFromTheSameStamps) {
  // Header 0.4 ms after the first byte, an empty event at 4, texts at 10 and 24, closed at 30.
  RequestRecord r = sample::Record("replay", 1, 10);
  r.stamps.first_event = *r.stamps.sent_first + 4'000'000;
  r.usage->completion_tokens = 3;  // as many as events with text: 1, then 2
  const json b = Figures({r});
  const auto p50 = [&b](const char* metric) { return b.at(metric).at("p50"); };
  EXPECT_EQ(p50("ttfb_ms"), 0.4);
  EXPECT_EQ(p50("ttfe_ms"), 4.0) << "any event";
  EXPECT_EQ(p50("ttfc_ms"), 10.0) << "the first text";
  EXPECT_EQ(p50("ttft_ms"), 10.0);
  EXPECT_EQ(p50("ttfo_ms"), 10.0);
  EXPECT_EQ(p50("e2e_ms"), 24.0);
  EXPECT_EQ(p50("latency_ms"), 30.0);
  EXPECT_EQ(p50("tpot_ms"), 7.0) << "14 ms over 2 gaps between 3 tokens";
  EXPECT_EQ(p50("icl_ms"), 14.0) << "one gap between two chunks";
  EXPECT_EQ(b.at("icl_ms").at("n"), 1);
  EXPECT_EQ(p50("itl_ms"), 7.0) << "shared by the two tokens behind it";
  EXPECT_EQ(b.at("itl_ms").at("n"), 2);
  EXPECT_EQ(b.at("itl_requests"), 1);
  EXPECT_EQ(b.at("unavailable"), json::object());
}

TEST(SummaryMetrics, TokensOfAChunkAreNotGuessed) {
  const json b = Figures({sample::Record("replay", 1, 10)});  // 3 events with text, 8 tokens
  EXPECT_EQ(b.at("itl_ms"), json::object());
  EXPECT_THAT(b.at("unavailable").at("itl_ms").get<std::string>(), HasSubstr("usage"));
  EXPECT_EQ(b.at("icl_ms").at("p50"), 14.0);
  EXPECT_EQ(b.at("itl_requests"), 0);
}

TEST(SummaryMetrics, OneTokenHasNoTimePerToken) {
  RequestRecord r = sample::Record("replay", 1, 10);
  r.usage->completion_tokens = 1;
  r.chunks.resize(1);
  r.stamps.last_text = r.stamps.first_text;
  const json b = Figures({r});
  for (const char* metric : {"tpot_ms", "icl_ms", "itl_ms"}) {
    EXPECT_EQ(b.at(metric), json::object()) << metric;
    EXPECT_TRUE(b.at("unavailable").contains(metric)) << metric;
  }
  EXPECT_EQ(b.at("ttfc_ms").at("p50"), 10.0);
}

TEST(SummaryMetrics, WithoutAnAnswerEveryLatencySaysSo) {
  const json b = Figures({sample::Record("replay", 1, 10, Outcome::kTimeout)});
  for (const char* metric : {"latency_ms", "ttfb_ms", "ttfe_ms", "ttft_ms", "ttfc_ms", "ttfo_ms",
                             "e2e_ms", "tpot_ms", "icl_ms", "itl_ms"}) {
    EXPECT_EQ(b.at(metric), json::object()) << metric;
    EXPECT_EQ(b.at("unavailable").at(metric), "no request was answered");
    EXPECT_EQ(b.at("quantiles").at(metric), json::object());
  }
  EXPECT_EQ(b.at("outcomes"), (json{{"timeout", 1}}));
}

TEST(SummaryMetrics, FourQuantilesWithTheirIntervals) {
  std::vector<RequestRecord> records;
  for (int i = 1; i <= 60; ++i) records.push_back(sample::Record("replay", i, i));
  const json q = Figures(records).at("quantiles").at("ttfc_ms");
  // Type 7 over 1 .. 60: rank 59 q. Binomial(60, 1/2): orders 22 and 39 hold the median with 97 %.
  EXPECT_DOUBLE_EQ(q.at("p50").at("value").get<double>(), 30.5);
  EXPECT_DOUBLE_EQ(q.at("p90").at("value").get<double>(), 54.1);
  EXPECT_DOUBLE_EQ(q.at("p95").at("value").get<double>(), 57.05);
  EXPECT_DOUBLE_EQ(q.at("p99").at("value").get<double>(), 59.41);
  EXPECT_EQ(q.at("p99").at("low"), nullptr) << "an interval of p99 needs 299";
  for (const char* p : {"p50", "p90", "p95"}) {
    EXPECT_LE(q.at(p).at("low"), q.at(p).at("value")) << p;
    EXPECT_GE(q.at(p).at("high"), q.at(p).at("value")) << p;
    EXPECT_GE(q.at(p).at("level").get<double>(), 0.95) << p;
    EXPECT_EQ(q.at(p).at("n"), 60) << p;
  }
}

TEST(SummaryMetrics, FailedRequestsAreEndlessWhereAdjusted) {
  std::vector<RequestRecord> records;
  for (int i = 1; i <= 3; ++i) records.push_back(sample::Record("replay", i, 10.0 * i));
  records.push_back(sample::Record("replay", 4, 1, Outcome::kTimeout));
  records.push_back(sample::Record("replay", 5, 1, Outcome::kCancelled));  // ours, not the server's
  const json a = Figures(records).at("error_adjusted").at("ttfc_ms");
  EXPECT_EQ(a.at("n"), 4);
  EXPECT_EQ(a.at("failed"), 1);
  EXPECT_EQ(a.at("p50"), 25.0) << "rank 1.5 of 10, 20, 30, endless";
  EXPECT_EQ(a.at("p90"), nullptr) << "rank 2.7 lies between 30 and endless";
  EXPECT_EQ(a.at("p99"), nullptr);
  EXPECT_THAT(a.at("unavailable").get<std::string>(),
              HasSubstr("p90, p95, p99: without bound, for 1 of 4 requests failed"));
  const json none = Figures({}).at("error_adjusted").at("ttfc_ms");
  EXPECT_EQ(none.at("p50"), nullptr);
  EXPECT_EQ(none.at("unavailable"), "no request has it");
}

/// A request of one slot: sent, first text, second text (two more tokens), end; milliseconds.
RequestRecord Turn(int slot, double sent, double first, double second, double end) {
  RequestRecord r = sample::Record("replay", 1, first - sent);
  const auto at = [](double ms) { return static_cast<MonoNs>(1e9 + ms * 1e6); };
  r.worker_idx = slot;
  r.stamps.scheduled = r.stamps.issued = r.stamps.sent_first = at(sent);
  r.stamps.first_event = r.stamps.first_text = at(first);
  r.stamps.last_text = at(second);
  r.stamps.closed = r.stamps.done = at(end);
  r.chunks = {{at(first), 100, 1}, {at(second), 200, 2}};
  r.usage->completion_tokens = 3;
  return r;
}

TEST(SteadyWindow, IsFromTheLastFirstEndToTheLastSend) {
  const std::vector<RequestRecord> records{Turn(1, 0, 50, 90, 100), Turn(2, 0, 60, 140, 150),
                                           Turn(1, 100, 120, 160, 200), Turn(2, 150, 170, 240, 250),
                                           Turn(1, 200, 210, 290, 300)};
  const json w = SteadyWindowJson(PointersTo(records), 2);
  EXPECT_EQ(w.at("begin_s"), 0.15) << "slot 2 ends its first request at 150";
  EXPECT_EQ(w.at("end_s"), 0.2) << "the last one is sent at 200";
  EXPECT_EQ(w.at("requests_begun"), 1) << "at 150; that of 200 is outside";
  EXPECT_EQ(w.at("output_tokens_per_s"), 60.0) << "2 tokens at 160 and 1 at 170, in 50 ms";
  EXPECT_EQ(w.at("input_tokens_per_s"), 11000.0) << "550 prompt tokens at 170";
  EXPECT_EQ(w.at("ttfc_ms").at("p50"), 20.0);
  EXPECT_EQ(w.at("ttfc_ms").at("n"), 1);
  EXPECT_EQ(w.at("requests_with_spread_tokens"), 0);
}

TEST(SteadyWindow, SpreadsTheTokensWhereAnEventIsNotOne) {
  std::vector<RequestRecord> records{Turn(1, 0, 50, 90, 100), Turn(2, 0, 60, 140, 150),
                                     Turn(1, 100, 120, 160, 200), Turn(1, 200, 210, 290, 300)};
  records[2].usage->completion_tokens = 6;  // over 3 events: two each
  const json w = SteadyWindowJson(PointersTo(records), 2);
  EXPECT_EQ(w.at("output_tokens_per_s"), 80.0) << "4 tokens at 160, in 50 ms";
  EXPECT_EQ(w.at("requests_with_spread_tokens"), 1);
}

TEST(SteadyWindow, SaysWhyThereIsNone) {
  const auto why = [](const std::vector<RequestRecord>& records, int concurrency) {
    return SteadyWindowJson(PointersTo(records), concurrency).at("unavailable").get<std::string>();
  };
  const std::vector<RequestRecord> few{Turn(1, 0, 50, 90, 100), Turn(2, 0, 60, 140, 150),
                                       Turn(1, 100, 120, 160, 200)};
  EXPECT_THAT(why(few, 2), HasSubstr("too few requests"));
  EXPECT_EQ(why(few, 3), "there were never 3 requests in flight");
  EXPECT_EQ(why({}, 1), "no request was sent");
}

TEST(SteadyWindow, WithoutUsageThereIsNoTokenRate) {
  std::vector<RequestRecord> records{Turn(1, 0, 50, 90, 100), Turn(1, 100, 120, 160, 200),
                                     Turn(1, 200, 210, 290, 300)};
  records[1].usage.reset();
  const json w = SteadyWindowJson(PointersTo(records), 1);
  EXPECT_EQ(w.at("output_tokens_per_s"), nullptr);
  EXPECT_EQ(w.at("input_tokens_per_s"), nullptr);
  EXPECT_EQ(w.at("tokens_unavailable"), "1 answered requests did not tell their tokens");
  EXPECT_EQ(w.at("requests_begun"), 1);
}

}  // namespace
}  // namespace kvtier
