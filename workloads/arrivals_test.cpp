#include "workloads/arrivals.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/core/error.hpp"

namespace kvtier {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

struct GapFigures {
  double mean = 0, cv = 0;
};

GapFigures FiguresOf(const std::vector<std::int64_t>& offsets) {
  std::vector<double> gaps;
  for (std::size_t i = 1; i < offsets.size(); ++i)
    gaps.push_back(static_cast<double>(offsets[i] - offsets[i - 1]) / 1e9);
  const double n = static_cast<double>(gaps.size());
  GapFigures f;
  f.mean = std::accumulate(gaps.begin(), gaps.end(), 0.0) / n;
  double squares = 0;
  for (const double g : gaps) squares += (g - f.mean) * (g - f.mean);
  f.cv = std::sqrt(squares / n) / f.mean;
  return f;
}

// From a second implementation in another language, on another logarithm.
TEST(Arrivals, GoldenFirstValues) {
  EXPECT_THAT(ArrivalOffsets({.process = ArrivalProcess::kConstant, .rate_rps = 3}, 6),
              ElementsAre(0, 333333333, 666666667, 1000000000, 1333333333, 1666666667));
  EXPECT_THAT(
      ArrivalOffsets({.process = ArrivalProcess::kRamp, .rate_rps = 2, .ramp_to_rps = 8}, 6),
      ElementsAre(0, 348331477, 579795897, 766190379, 926649916, 1069693846));
  EXPECT_THAT(ArrivalOffsets({.process = ArrivalProcess::kPoisson, .rate_rps = 4, .seed = 7}, 6),
              ElementsAre(0, 165588670, 877444541, 1144821948, 1280962847, 1286915157));
  EXPECT_THAT(
      ArrivalOffsets({.process = ArrivalProcess::kGamma, .rate_rps = 4, .cv = 3, .seed = 7}, 6),
      ElementsAre(0, 12655454, 13353165, 390231404, 397380101, 399448155));
  EXPECT_THAT(
      ArrivalOffsets({.process = ArrivalProcess::kGamma, .rate_rps = 4, .cv = 0.5, .seed = 7}, 6),
      ElementsAre(0, 226215870, 448115655, 721579684, 988066595, 1395461894));
}

// Fixed seeds: these figures do not move. The tolerances are 5 standard errors of the mean and of
// the CV of so many gaps, so that another seed would pass as well.
TEST(Arrivals, MeanAndVariationAreThoseThatWereAsked) {
  struct Case {
    ArrivalProcess process;
    double cv, mean_tolerance, cv_tolerance;
  };
  for (const Case& c : {Case{ArrivalProcess::kPoisson, 1, 0.016, 0.016},
                        Case{ArrivalProcess::kGamma, 0.1, 0.0016, 0.012},
                        Case{ArrivalProcess::kGamma, 0.5, 0.008, 0.013},
                        Case{ArrivalProcess::kGamma, 1, 0.016, 0.016},
                        Case{ArrivalProcess::kGamma, 3, 0.048, 0.05}}) {
    const auto offsets =
        ArrivalOffsets({.process = c.process, .rate_rps = 10, .cv = c.cv, .seed = 1}, 100'000);
    const GapFigures f = FiguresOf(offsets);
    EXPECT_NEAR(f.mean * 10, 1, c.mean_tolerance) << ArrivalName(c.process) << " cv " << c.cv;
    EXPECT_NEAR(f.cv / c.cv, 1, c.cv_tolerance) << ArrivalName(c.process) << " cv " << c.cv;
  }
}

TEST(Arrivals, ARampGrowsLinearlyInTime) {
  const auto up =
      ArrivalOffsets({.process = ArrivalProcess::kRamp, .rate_rps = 5, .ramp_to_rps = 20}, 10'000);
  // 10000 arrivals at 12.5 a second on the average; the first half of the time runs at 8.75.
  EXPECT_NEAR(static_cast<double>(up.back()) / 1e9, 800, 0.1);
  const auto first_half =
      std::count_if(up.begin(), up.end(), [](std::int64_t at) { return at < 400'000'000'000; });
  EXPECT_NEAR(static_cast<double>(first_half), 3500, 1);
  const auto down =
      ArrivalOffsets({.process = ArrivalProcess::kRamp, .rate_rps = 20, .ramp_to_rps = 5}, 10'000);
  EXPECT_LT(down[5000], up[5000]);
  EXPECT_TRUE(std::is_sorted(down.begin(), down.end()));
}

TEST(Arrivals, OneSeedOneSequenceAndPrefixesAgree) {
  const ArrivalSpec spec{.process = ArrivalProcess::kGamma, .rate_rps = 9, .cv = 2, .seed = 3};
  const auto longer = ArrivalOffsets(spec, 1000);
  const auto shorter = ArrivalOffsets(spec, 400);
  EXPECT_TRUE(std::equal(shorter.begin(), shorter.end(), longer.begin()));
  ArrivalSpec other = spec;
  other.seed = 4;
  EXPECT_NE(ArrivalOffsets(other, 1000), longer);
}

PhasePlan PhaseOf(const char* name, int requests, int concurrency) {
  PhasePlan phase;
  phase.name = name;
  phase.concurrency = concurrency;
  phase.requests.resize(static_cast<std::size_t>(requests));
  return phase;
}

TEST(ApplyArrivals, AnOpenLoopGivesTimesToThoseThatFollowNobody) {
  PhasePlan phase = PhaseOf("replay", 5, 1);
  phase.requests[1].after = 0;
  phase.requests[4].after = 3;
  ApplyArrivals(phase, {.process = ArrivalProcess::kConstant,
                        .rate_rps = 10,
                        .think_time_s = 0.25,
                        .max_in_flight = 7});
  std::vector<std::optional<std::int64_t>> offsets;
  for (const auto& r : phase.requests) offsets.push_back(r.arrival_offset_ns);
  EXPECT_THAT(offsets, ElementsAre(0, std::nullopt, 100'000'000, 200'000'000, std::nullopt));
  EXPECT_EQ(phase.requests[1].think_time_ns, 250'000'000);
  EXPECT_EQ(phase.requests[2].think_time_ns, 0);
  EXPECT_EQ(phase.concurrency, 7);
}

TEST(ApplyArrivals, AClosedLoopWithThinkTimeIsSoManyUsers) {
  PhasePlan phase = PhaseOf("standard", 7, 3);
  ApplyArrivals(phase, {.think_time_s = 2});
  std::vector<std::optional<int>> after;
  for (const auto& r : phase.requests) after.push_back(r.after);
  EXPECT_THAT(after, ElementsAre(std::nullopt, std::nullopt, std::nullopt, 0, 1, 2, 3));
  EXPECT_EQ(phase.requests[6].think_time_ns, 2'000'000'000);
  EXPECT_EQ(phase.concurrency, 3);
  PhasePlan untouched = PhaseOf("standard", 7, 3);
  ApplyArrivals(untouched, {});
  for (const auto& r : untouched.requests) EXPECT_FALSE(r.after || r.arrival_offset_ns);
}

TEST(ApplyArrivals, OfAPlanThePhasesThatAreMeasured) {
  const ArrivalSpec spec{.process = ArrivalProcess::kPoisson, .rate_rps = 10};
  Plan plan{
      .scenario = "rehydrate_replay",
      .phases = {PhaseOf("populate", 3, 1), PhaseOf("replay", 3, 1), PhaseOf("replay_2", 3, 1)}};
  ApplyArrivals(plan, spec);
  EXPECT_FALSE(plan.phases[0].requests[1].arrival_offset_ns);
  ASSERT_TRUE(plan.phases[1].requests[1].arrival_offset_ns);
  EXPECT_NE(plan.phases[1].requests[1].arrival_offset_ns,
            plan.phases[2].requests[1].arrival_offset_ns);
  Plan other{.scenario = "standard", .phases = {PhaseOf("warmup", 2, 1), PhaseOf("main", 2, 1)}};
  other.phases[0].include_in_overall = false;
  ApplyArrivals(other, spec);
  EXPECT_FALSE(other.phases[0].requests[1].arrival_offset_ns);
  EXPECT_TRUE(other.phases[1].requests[1].arrival_offset_ns);
}

TEST(Arrivals, BadSpecsAreNamed) {
  const auto refuse = [](const ArrivalSpec& spec, const char* what) {
    EXPECT_THAT([&] { ArrivalOffsets(spec, 10); }, ThrowsMessage<ConfigError>(HasSubstr(what)));
  };
  const auto process = ArrivalProcess::kPoisson;
  refuse({.process = process, .rate_rps = 0}, "arrival.rate_rps");
  refuse({.process = process, .rate_rps = std::nan("")}, "arrival.rate_rps");
  refuse({.process = process, .cv = 11}, "arrival.cv");
  refuse({.process = process, .think_time_s = -1}, "arrival.think_time_s");
  refuse({.process = process, .max_in_flight = 0}, "arrival.max_in_flight");
  refuse({}, "closed loop");
  EXPECT_THAT(
      [] { ArrivalOffsets({.process = ArrivalProcess::kConstant, .rate_rps = 0.001}, 10'000'000); },
      ThrowsMessage<ConfigError>(HasSubstr("200 years")));
  for (const char* name : {"closed", "constant", "poisson", "gamma", "ramp"})
    EXPECT_EQ(ArrivalName(*FindArrival(name)), name);
  EXPECT_FALSE(FindArrival("uniform"));
}

}  // namespace
}  // namespace kvtier
