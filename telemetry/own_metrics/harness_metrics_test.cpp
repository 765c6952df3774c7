#include "telemetry/own_metrics/harness_metrics.hpp"

#include <unistd.h>

#include <algorithm>
#include <thread>
#include <vector>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/core/error.hpp"
#include "harness/core/files.hpp"
#include "harness/net/http_client.hpp"
#include "telemetry/engine/exposition.hpp"
#include "telemetry/os/ports.hpp"

namespace kvtier {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Labels = std::vector<std::pair<std::string, std::string>>;

/// The one sample with these labels, in any order; unavailable when there is none.
Reading<double> Sample(const Exposition& exposition, const std::string& name, Labels labels) {
  std::sort(labels.begin(), labels.end());
  for (const auto& family : exposition.families) {
    for (const auto& sample : family.samples) {
      auto own = sample.labels;
      std::sort(own.begin(), own.end());
      if (sample.name == name && own == labels) return sample.value;
    }
  }
  return Reading<double>::Unavailable("no sample of " + name + " with these labels");
}
Reading<double> Sample(const HarnessMetrics& metrics, const std::string& name, Labels labels) {
  return Sample(ParseExposition(metrics.Render()), name, std::move(labels));
}

HarnessMetricsOptions AnyPort() {
  HarnessMetricsOptions options;
  options.port = 0;
  options.build = {{"version", "1.2.3"}};
  return options;
}

TEST(HarnessMetrics, AScrapeOverLoopbackGivesWhatWasCounted) {
  HarnessMetrics metrics(AnyPort());
  metrics.BeginPhase(TierMode::kB2, "replay");
  metrics.Request(Outcome::kOk, 0.03);
  metrics.Request(Outcome::kOk, 0.3);
  metrics.Request(Outcome::kTimeout, 9.0);
  ASSERT_TRUE(metrics.port());
  const std::string sockets = ReadFile("/proc/net/tcp");
  EXPECT_THAT(sockets,
              HasSubstr(fmt::format(" {:08X}:{:04X} ", ::inet_addr("127.0.0.1"), *metrics.port())))
      << "bound to loopback only";
  const auto answer = HttpGet(Url::Parse(metrics.url()), std::chrono::seconds(5));
  EXPECT_EQ(answer.status, 200);
  const auto got = ParseExposition(answer.body);
  EXPECT_EQ(*Sample(got, "kvtier_harness_build_info", {{"version", "1.2.3"}}), 1);
  EXPECT_EQ(*Sample(got, "kvtier_harness_requests_total", {{"phase", "replay"}, {"outcome", "ok"}}),
            2);
  EXPECT_EQ(
      *Sample(got, "kvtier_harness_requests_total", {{"phase", "replay"}, {"outcome", "timeout"}}),
      1);
  EXPECT_EQ(*Sample(got, "kvtier_harness_requests_total",
                    {{"phase", "replay"}, {"outcome", "cancelled"}}),
            0)
      << "every outcome is there from the beginning";
  EXPECT_EQ(*Sample(got, "kvtier_harness_phase_info", {{"tier", "B2"}, {"phase", "replay"}}), 1);
  EXPECT_EQ(*Sample(got, "kvtier_harness_ttfc_seconds_count", {{"phase", "replay"}}), 2)
      << "only requests that were ok";
  EXPECT_DOUBLE_EQ(*Sample(got, "kvtier_harness_ttfc_seconds_sum", {{"phase", "replay"}}), 0.33);
  EXPECT_EQ(
      *Sample(got, "kvtier_harness_ttfc_seconds_bucket", {{"phase", "replay"}, {"le", "0.05"}}), 1);
}

TEST(HarnessMetrics, NothingListensWhenOff) {
  std::optional<std::uint16_t> was;
  {
    HarnessMetrics on(AnyPort());
    was = on.port();
  }
  EXPECT_FALSE(FindPortOwner(*was)) << "the end of the object ends the listening";
  HarnessMetrics off;
  EXPECT_FALSE(off.port());
  EXPECT_THAT(off.url(), IsEmpty());
  off.Request(Outcome::kOk, std::nullopt);
  EXPECT_EQ(*Sample(off, "kvtier_harness_requests_total", {{"phase", "none"}, {"outcome", "ok"}}),
            1);
}

TEST(HarnessMetrics, ATakenPortNamesItsOwner) {
  HarnessMetrics first(AnyPort());
  HarnessMetricsOptions second = AnyPort();
  second.port = first.port();
  try {
    HarnessMetrics metrics(second);
    FAIL() << "two listen on port " << *second.port;
  } catch (const ConfigError& e) {
    EXPECT_THAT(e.what(),
                HasSubstr(fmt::format("port {} for kvtier's own metrics is taken by pid {}",
                                      *second.port, ::getpid())));
  }
}

TEST(HarnessMetrics, AnAddressThatIsNotOursIsAConfigError) {
  HarnessMetricsOptions options = AnyPort();
  options.bind_address = "192.0.2.1";  // TEST-NET-1 of RFC 5737
  EXPECT_THROW(HarnessMetrics{options}, ConfigError);
  options.bind_address = "nonsense";
  EXPECT_THROW(HarnessMetrics{options}, ConfigError);
  HarnessMetricsOptions labels;
  labels.build = {{"not-a-label", "x"}};
  EXPECT_THROW(HarnessMetrics{labels}, ConfigError);
}

TEST(HarnessMetrics, OnePhaseRunsAtATime) {
  HarnessMetrics metrics;
  const auto running = [&](const char* phase) {
    return Sample(metrics, "kvtier_harness_phase_info", {{"tier", "B1"}, {"phase", phase}});
  };
  metrics.BeginPhase(TierMode::kB1, "populate");
  EXPECT_EQ(*running("populate"), 1);
  metrics.BeginPhase(TierMode::kB1, "replay");
  EXPECT_EQ(*running("populate"), 0);
  EXPECT_EQ(*running("replay"), 1);
  metrics.EndPhase();
  EXPECT_EQ(*running("replay"), 0);
  metrics.Request(Outcome::kCancelled, std::nullopt);
  EXPECT_EQ(*Sample(metrics, "kvtier_harness_requests_total",
                    {{"phase", "replay"}, {"outcome", "cancelled"}}),
            1)
      << "late requests belong to the last phase";
}

TEST(HarnessMetrics, APhaseOfTheNextLegGoesOnCounting) {
  HarnessMetrics metrics;
  for (const TierMode tier : {TierMode::kB1, TierMode::kB2}) {
    metrics.BeginPhase(tier, "replay");
    metrics.Request(Outcome::kOk, 0.1);
    metrics.LegEnded(tier, tier == TierMode::kB2);
  }
  EXPECT_EQ(
      *Sample(metrics, "kvtier_harness_requests_total", {{"phase", "replay"}, {"outcome", "ok"}}),
      2);
  const auto legs = [&](const char* tier, const char* valid) {
    return *Sample(metrics, "kvtier_harness_legs_total", {{"tier", tier}, {"valid", valid}});
  };
  EXPECT_EQ(legs("B1", "false"), 1);
  EXPECT_EQ(legs("B2", "true"), 1);
  EXPECT_EQ(legs("B0", "true"), 0);
}

TEST(HarnessMetrics, WhatARecorderDidIsAdded) {
  HarnessMetrics metrics;
  metrics.AddRecorder({.ticks_due = 100, .ticks_missed = 1, .rows = 50, .cpu_s = 0.5});
  metrics.AddRecorder({.ticks_due = 10, .ticks_missed = 2, .rows = 5, .cpu_s = 0.25});
  EXPECT_EQ(*Sample(metrics, "kvtier_harness_recorder_ticks_due_total", {}), 110);
  EXPECT_EQ(*Sample(metrics, "kvtier_harness_recorder_ticks_missed_total", {}), 3);
  EXPECT_EQ(*Sample(metrics, "kvtier_harness_recorder_rows_total", {}), 55);
  EXPECT_EQ(*Sample(metrics, "kvtier_harness_recorder_cpu_seconds_total", {}), 0.75);
}

TEST(HarnessMetrics, SourcesAndFindings) {
  HarnessMetrics metrics;
  metrics.SetSource("gpu", false);
  metrics.SetSource("disk", false);
  metrics.SetSource("disk", true);
  EXPECT_EQ(*Sample(metrics, "kvtier_harness_source_unavailable", {{"source", "gpu"}}), 1);
  EXPECT_EQ(*Sample(metrics, "kvtier_harness_source_unavailable", {{"source", "disk"}}), 0);
  const Finding finding = MakeFinding(Reason::kAnswerMismatch, "run", "replay", "x");
  metrics.CountFinding(finding);
  metrics.CountFinding(finding);
  EXPECT_EQ(*Sample(metrics, "kvtier_harness_findings_total",
                    {{"code", "ANSWER_MISMATCH"},
                     {"severity", std::string(SeverityName(finding.severity))}}),
            2);
}

TEST(HarnessMetrics, ManyThreadsLoseNothing) {
  constexpr int kThreads = 4, kEach = 1000;
  HarnessMetrics metrics;
  metrics.BeginPhase(TierMode::kB2, "a");
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < kEach; ++i) metrics.Request(Outcome::kOk, 0.01);
      });
    }
    for (int i = 0; i < 20; ++i) {
      metrics.BeginPhase(TierMode::kB2, i % 2 == 0 ? "b" : "a");
      (void)metrics.Render();
    }
  }
  double total = 0;
  for (const char* phase : {"a", "b"}) {
    total += *Sample(metrics, "kvtier_harness_ttfc_seconds_count", {{"phase", phase}});
    EXPECT_EQ(
        *Sample(metrics, "kvtier_harness_requests_total", {{"phase", phase}, {"outcome", "ok"}}),
        *Sample(metrics, "kvtier_harness_ttfc_seconds_count", {{"phase", phase}}));
  }
  EXPECT_EQ(total, kThreads * kEach);
}

}  // namespace
}  // namespace kvtier
