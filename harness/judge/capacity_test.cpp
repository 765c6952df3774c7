// Goodput over records, and the search for the load that a promise allows.
#include "harness/judge/capacity.hpp"

#include <algorithm>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "harness/core/error.hpp"

namespace kvtier {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr MonoNs kServedMs = 1'000'000;

/// Due at 1 s, sent `delay` ms later, first text and last text so many ms after it was due.
RequestRecord Served(int delay, int first, int last, int tokens) {
  RequestRecord r;
  r.outcome = Outcome::kOk;
  r.stamps.scheduled = 1'000 * kServedMs;
  r.stamps.sent_first = (1'000 + delay) * kServedMs;
  r.stamps.first_text = (1'000 + first) * kServedMs;
  r.stamps.last_text = (1'000 + last) * kServedMs;
  r.usage = TokenUsage{100, tokens, 0};
  return r;
}

Goodput Measure(const std::vector<RequestRecord>& records, const ServiceLevels& levels) {
  std::vector<const RequestRecord*> rows;
  for (const auto& r : records) rows.push_back(&r);
  return MeasureGoodput(rows, levels);
}

constexpr ServiceLevels kLevels{.ttft_ms = 450, .tpot_ms = 40, .e2e_ms = 2000};

TEST(Goodput, ARequestIsGoodWhenItKeepsEveryLimit) {
  const Goodput g = Measure({Served(0, 450, 850, 11),   // all limits to the millisecond
                             Served(0, 451, 850, 11),   // first text
                             Served(0, 100, 510, 11),   // 41 ms a token
                             Served(0, 100, 2001, 99),  // end
                             Served(0, 600, 2400, 3)},  // all three
                            kLevels);
  EXPECT_EQ(g.attempted, 5u);
  EXPECT_EQ(g.good, 1u);
  EXPECT_EQ(g.missed_ttft, 2u);
  EXPECT_EQ(g.missed_tpot, 2u);
  EXPECT_EQ(g.missed_e2e, 2u);
  EXPECT_DOUBLE_EQ(*g.Attainment(), 0.2);
}

TEST(Goodput, LatenciesCountFromTheIntendedSend) {
  // Sent 400 ms late and answered 100 ms after that: 500 ms for the user.
  RequestRecord late = Served(400, 500, 600, 5);
  EXPECT_DOUBLE_EQ(*late.TtfcMs(), 100);
  EXPECT_EQ(Measure({late}, kLevels).good, 0u);
  late.stamps.scheduled.reset();  // a row that does not say when it was due
  EXPECT_EQ(Measure({late}, kLevels).good, 1u);
}

TEST(Goodput, FailuresAreAttemptedAndNeverGood) {
  std::vector<RequestRecord> records(4, Served(0, 1, 2, 5));
  records[1].outcome = Outcome::kTimeout;
  records[2].outcome = Outcome::kIncomplete;
  records[3].outcome = Outcome::kHttpError;
  const Goodput g = Measure(records, kLevels);
  EXPECT_EQ(g.failed, 3u);
  EXPECT_EQ(g.good, 1u);
  EXPECT_DOUBLE_EQ(*g.Attainment(), 0.25);
  EXPECT_FALSE(Measure({}, kLevels).Attainment());
}

TEST(Goodput, OneTokenHasNoTpotAndAnUnknownFigureIsMissed) {
  const Goodput one = Measure({Served(0, 100, 100, 1)}, kLevels);
  EXPECT_EQ(one.good, 1u);
  EXPECT_EQ(one.tpot_undefined, 1u);
  RequestRecord no_usage = Served(0, 100, 200, 5);
  no_usage.usage.reset();
  EXPECT_EQ(Measure({no_usage}, kLevels).missed_tpot, 1u);
  EXPECT_EQ(Measure({no_usage}, {.ttft_ms = 450}).good, 1u);  // nothing asked about tokens
  RequestRecord no_text = Served(0, 100, 200, 5);
  no_text.stamps.first_text.reset();
  EXPECT_EQ(Measure({no_text}, {.ttft_ms = 450}).missed_ttft, 1u);
}

TEST(Goodput, PresetsAreThePublishedOnes) {
  EXPECT_EQ(FindServiceLevels("llama2-70b-interactive"),
            (ServiceLevels{.ttft_ms = 450, .tpot_ms = 40}));
  EXPECT_EQ(FindServiceLevels("deepseek-r1-interactive")->tpot_ms, 15);
  EXPECT_FALSE(FindServiceLevels("llama"));
  EXPECT_EQ(kLevels.Text(), "TTFT <= 450 ms, TPOT <= 40 ms, E2E <= 2000 ms");
  EXPECT_EQ(ServiceLevels{}.Text(), "none");
  EXPECT_FALSE(ServiceLevels{}.any());
}

CapacityPoint PointOf(int load, std::size_t good, std::size_t attempted = 100) {
  CapacityPoint p;
  p.load = load;
  p.goodput.attempted = attempted;
  p.goodput.good = good;
  return p;
}

/// Runs the search against a stack that holds up to `limit`; the loads it asked for.
std::vector<int> Search(int limit, const CapacityQuestion& question, CapacityVerdict& verdict) {
  std::vector<CapacityPoint> points;
  std::vector<int> asked;
  while (const auto load = NextLoad(points, question)) {
    asked.push_back(*load);
    points.push_back(PointOf(*load, *load <= limit ? 95 : 94));
  }
  verdict = JudgeCapacity(points, question, "requests in flight");
  return asked;
}

TEST(Capacity, DoublesThenHalves) {
  CapacityVerdict v;
  EXPECT_THAT(Search(11, {}, v), ElementsAre(1, 2, 4, 8, 16, 12, 10, 11));
  EXPECT_EQ(v.capacity, 11);
  EXPECT_EQ(v.failed_at, 12);
  EXPECT_TRUE(v.decided);
  EXPECT_EQ(v.sentence,
            "11 requests in flight: 95 % of the requests within the limits, and not at 12");
}

TEST(Capacity, FindsEveryLimitInLogarithmicallyManyPoints) {
  for (int limit = 0; limit <= 70; ++limit) {
    CapacityVerdict v;
    const auto asked = Search(limit, {.low = 1, .high = 64, .max_points = 14}, v);
    EXPECT_LE(asked.size(), 12u) << limit;
    EXPECT_TRUE(v.decided) << limit;
    EXPECT_EQ(v.capacity.value_or(0), std::min(limit, 64)) << limit;
  }
}

TEST(Capacity, TheEndsOfTheRangeAreSaid) {
  CapacityVerdict v;
  EXPECT_THAT(Search(0, {.low = 3, .high = 40}, v), ElementsAre(3));
  EXPECT_FALSE(v.capacity);
  EXPECT_TRUE(v.decided);
  EXPECT_THAT(v.sentence, HasSubstr("at 3 requests in flight fewer than 95 %"));
  EXPECT_THAT(Search(99, {.low = 3, .high = 40}, v), ElementsAre(3, 6, 12, 24, 40));
  EXPECT_EQ(v.capacity, 40);
  EXPECT_THAT(v.sentence, HasSubstr("at least 40"));
  EXPECT_THAT(Search(5, {.low = 5, .high = 5}, v), ElementsAre(5));
  EXPECT_TRUE(v.decided);
}

TEST(Capacity, WhenThePointsAreUsedUpTheGapIsSaid) {
  CapacityVerdict v;
  EXPECT_THAT(Search(11, {.max_points = 5}, v), ElementsAre(1, 2, 4, 8, 16));
  EXPECT_EQ(v.capacity, 8);
  EXPECT_EQ(v.failed_at, 16);
  EXPECT_FALSE(v.decided);
  EXPECT_THAT(v.sentence, HasSubstr("between them nothing was measured"));
}

TEST(Capacity, TooFewRequestsOrAnInvalidLegDecideNothing) {
  const CapacityQuestion question;
  EXPECT_FALSE(KeepsPromise(PointOf(1, 58, 58), question));  // 59 for 95 %
  EXPECT_TRUE(KeepsPromise(PointOf(1, 59, 59), question).value());
  EXPECT_FALSE(KeepsPromise(PointOf(1, 298, 298), {.min_attainment = 0.99}));
  const std::vector<CapacityPoint> few{PointOf(1, 10, 10)};
  EXPECT_FALSE(NextLoad(few, question));
  EXPECT_THAT(JudgeCapacity(few, question, "requests/s").sentence,
              HasSubstr("10 requests are too few for 95 %, which needs 59"));
  std::vector<CapacityPoint> broken{PointOf(1, 100), PointOf(2, 100)};
  broken[1].invalid_why = "worker_lost";
  EXPECT_FALSE(NextLoad(broken, question));
  const CapacityVerdict v = JudgeCapacity(broken, question, "requests/s");
  EXPECT_FALSE(v.capacity);
  EXPECT_EQ(v.sentence,
            "no capacity: 1 requests/s hold, but at 2 the leg says nothing: worker_lost");
}

// A failure below something that held: the smallest failure bounds the answer.
TEST(Capacity, WhatHoldsAboveAFailureDoesNotCount) {
  const std::vector<CapacityPoint> points{PointOf(1, 100), PointOf(2, 100), PointOf(4, 10),
                                          PointOf(8, 100)};
  const CapacityVerdict v = JudgeCapacity(points, {}, "requests in flight");
  EXPECT_EQ(v.capacity, 2);
  EXPECT_EQ(v.failed_at, 4);
}

TEST(Capacity, TheReportRoundTrips) {
  CapacityReport r;
  r.created_utc = "2026-11-22T01:45:10.159+00:00";
  r.scenario = "standard";
  r.tier = TierMode::kB1;
  r.unit = "requests in flight";
  r.levels = {.ttft_ms = 450};
  r.points = {PointOf(1, 100), PointOf(2, 90), PointOf(3, 4, 9)};
  r.points[0].run_id = "standard_B1";
  r.points[2].invalid_why = "worker_lost";
  r.verdict = JudgeCapacity(r.points, r.question, r.unit);
  const auto j = ToJson(r);
  EXPECT_EQ(j.at("points").at(0).at("keeps_promise"), true);
  EXPECT_EQ(j.at("points").at(1).at("keeps_promise"), false);
  EXPECT_TRUE(j.at("points").at(2).at("keeps_promise").is_null());
  EXPECT_EQ(ToJson(CapacityReportFromJson(j)), j);
  auto broken = j;
  broken.erase("limits");
  EXPECT_THROW(CapacityReportFromJson(broken), DataError);
  broken = j;
  broken["schema_version"] = 2;
  EXPECT_THROW(CapacityReportFromJson(broken), DataError);
}

}  // namespace
}  // namespace kvtier
