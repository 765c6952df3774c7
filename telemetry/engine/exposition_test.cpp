#include "telemetry/engine/exposition.hpp"

#include <cmath>
#include <limits>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/core/error.hpp"
#include "telemetry/engine/golden.hpp"
#include "telemetry/engine/histogram.hpp"

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
                           "a 1\n# TYPE a counter\n", "a infinite\n", "a --1\n", "a 1 later\n"}) {
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

TEST(Exposition, ReadsWhatExportersMixInFromOpenMetrics) {
  const auto e = ParseExposition(GoldenText("openmetrics.prom"));
  EXPECT_EQ(*e.Counter("requests_total"), 17) << "the stamp of its creation is not counted";
  EXPECT_EQ(*e.Counter("requests"), 17);
  EXPECT_EQ(e.Find("requests")->samples[0].timestamp_ms, 1395066363250);
  EXPECT_EQ(HistogramOf(e, "latency_seconds")->count, 4);
  EXPECT_EQ(*e.Gauge("build_info"), 1);
  const std::string whole = GoldenText("openmetrics.prom");
  EXPECT_NO_THROW(ParseExposition(whole.substr(0, whole.size() - 1))) << "# EOF ends it as well";
  EXPECT_THROW(ParseExposition(whole + "late 1\n"), ProtocolError);
  for (const char* damaged : {"a 1 # {x=\"1\"}\n", "a 1 # 1\n", "a 1 # {x=\"1\"} 1 1 1\n"})
    EXPECT_THROW(ParseExposition(damaged), ProtocolError) << damaged;
}

TEST(Exposition, ACounterAndItsTotalAreNotMixedUp) {
  const auto declared = ParseExposition(
      "# TYPE a counter\na 1\n# TYPE a_total counter\na_total 5\n# TYPE a_created gauge\n"
      "a_created 1.7e9\n");
  EXPECT_EQ(*declared.Counter("a"), 1);
  EXPECT_EQ(*declared.Counter("a_total"), 5);
  EXPECT_EQ(*declared.Gauge("a_created"), 1.7e9);
  const auto bare = ParseExposition("# TYPE a counter\na 1\na_total 5\n");
  EXPECT_EQ(*bare.Counter("a"), 1);
  EXPECT_EQ(*bare.Counter("a_total"), 5);
  EXPECT_FALSE(ParseExposition("# TYPE a gauge\na 1\n").Counter("a_total").available());
}

TEST(Exposition, WhatRustPrintsIsNotFinite) {
  const auto e = ParseExposition("a inf\nb -inf\nc nan\n");
  EXPECT_TRUE(std::isinf(e.Find("a")->samples[0].value));
  EXPECT_LT(e.Find("b")->samples[0].value, 0);
  EXPECT_TRUE(std::isnan(e.Find("c")->samples[0].value));
}

TEST(Exposition, TheSameSeriesTwiceIsALie) {
  EXPECT_THROW(ParseExposition("a{x=\"1\"} 1\na{x=\"1\"} 1\n"), ProtocolError);
  EXPECT_THROW(ParseExposition("a 1\na  2\n"), ProtocolError);
  EXPECT_NO_THROW(ParseExposition("a{x=\"1\"} 1\na{x=\"2\"} 1\n"));
  EXPECT_NO_THROW(ParseExposition("# TYPE a counter\na 1\n# TYPE a counter\n"));
  EXPECT_THROW(ParseExposition("# TYPE a counter\na 1\n# TYPE a gauge\n"), ProtocolError);
}

TEST(Exposition, ManyLabelsAndManySeries) {
  std::string text = "# TYPE wide counter\nwide{";
  for (int i = 0; i < 2000; ++i) text += fmt::format("l{}=\"{}\",", i, std::string(20, 'x'));
  text += "} 1\n# TYPE tall counter\n";
  for (int i = 0; i < 2000; ++i) text += fmt::format("tall{{i=\"{}\"}} 2\n", i);
  const auto e = ParseExposition(text);
  EXPECT_EQ(e.Find("wide")->samples[0].labels.size(), 2000u);
  EXPECT_EQ(*e.Counter("tall"), 4000);
}

Histogram Of(std::vector<Histogram::Bucket> buckets) {
  Histogram h{std::move(buckets), 0, 0};
  h.count = h.buckets.back().count;
  return h;
}
constexpr double kInf = std::numeric_limits<double>::infinity();

TEST(Histogram, QuantilesAreLinearWithinTheirBucket) {
  const auto h = Of({{1, 2}, {3, 6}, {5, 8}, {kInf, 10}});
  EXPECT_DOUBLE_EQ(*HistogramQuantile(h, 0.1), 0.5) << "rank 1 of 2 between 0 and 1";
  EXPECT_DOUBLE_EQ(*HistogramQuantile(h, 0.2), 1);
  EXPECT_DOUBLE_EQ(*HistogramQuantile(h, 0.5), 2.5) << "rank 5: 3 of the 4 between 1 and 3";
  EXPECT_DOUBLE_EQ(*HistogramQuantile(h, 0.8), 5);
  EXPECT_EQ(HistogramQuantile(h, 0.9).reason(),
            "it lies beyond 5, the highest bound of the histogram");
  EXPECT_FALSE(HistogramQuantile(Of({{1, 0}, {kInf, 0}}), 0.5).available());
  EXPECT_FALSE(HistogramQuantile(h, 1.5).available());
  EXPECT_FALSE(HistogramQuantile(Of({{kInf, 3}}), 0.5).available());
  EXPECT_EQ(*HistogramQuantile(Of({{0, 5}, {1, 5}, {kInf, 5}}), 0.5), 0)
      << "no time at all, the first bucket of Dynamo";
}

TEST(Histogram, IsAddedUpOverLabelSetsOfTheSameBounds) {
  const std::string text =
      "# TYPE t histogram\nt_bucket{m=\"a\",le=\"1\"} 1\nt_bucket{m=\"a\",le=\"+Inf\"} 2\n"
      "t_sum{m=\"a\"} 5\nt_count{m=\"a\"} 2\nt_bucket{m=\"b\",le=\"+Inf\"} 7\n"
      "t_bucket{m=\"b\",le=\"1\"} 3\nt_sum{m=\"b\"} 20\nt_count{m=\"b\"} 7\n";
  const auto h = HistogramOf(ParseExposition(text), "t");
  ASSERT_TRUE(h.available()) << h.reason();
  EXPECT_EQ(h->buckets, (std::vector<Histogram::Bucket>{{1, 4}, {kInf, 9}}));
  EXPECT_EQ(h->sum, 25);
  EXPECT_DOUBLE_EQ(*HistogramMean(*h), 25.0 / 9);
  const auto other = With(text, "m=\"b\",le=\"1\"", "m=\"b\",le=\"2\"");
  EXPECT_THAT(HistogramOf(ParseExposition(other), "t").reason(), HasSubstr("other bucket bounds"));
  const auto open = With(text, "m=\"b\",le=\"+Inf\"", "m=\"b\",le=\"9\"");
  EXPECT_THAT(HistogramOf(ParseExposition(open), "t").reason(), HasSubstr("no +Inf bucket"));
  const auto falling = With(text, "m=\"b\",le=\"1\"} 3", "m=\"b\",le=\"1\"} 8");
  EXPECT_THAT(HistogramOf(ParseExposition(falling), "t").reason(), HasSubstr("counts that fall"));
}

TEST(Histogram, BetweenTwoMomentsOnlyWhatWasObservedThere) {
  const Reading<Histogram> before = Of({{1, 2}, {3, 6}, {kInf, 6}});
  const auto between = HistogramBetween(before, Of({{1, 2}, {3, 16}, {kInf, 16}}));
  EXPECT_DOUBLE_EQ(*HistogramQuantile(*between, 0.5), 2) << "rank 5 of 10 between 1 and 3";
  EXPECT_THAT(HistogramBetween(before, Of({{1, 1}, {3, 16}, {kInf, 16}})).reason(),
              HasSubstr("counter_reset"));
  EXPECT_THAT(HistogramBetween(before, Of({{1, 12}, {3, 12}, {kInf, 16}})).reason(),
              HasSubstr("counter_reset"))
      << "each bucket grew, the second by less than the first";
  EXPECT_THAT(HistogramBetween(before, Of({{2, 2}, {3, 16}, {kInf, 16}})).reason(),
              HasSubstr("bounds changed"));
  EXPECT_FALSE(HistogramBetween(Reading<Histogram>::Unavailable("gone"), before).available());
}

}  // namespace
}  // namespace kvtier
