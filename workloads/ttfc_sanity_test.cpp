#include "workloads/ttfc_sanity.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/core/error.hpp"
#include "workloads/rehydrate.hpp"

namespace kvtier {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

Plan SomeRun() {
  RehydrateOptions o;
  o.populate_sessions = 2;
  o.turns = 1;
  o.thrash_sessions = 1;
  o.model = "m";
  o.temperature = 0.2;
  o.request_seed = 7;
  o.ignore_eos = true;
  return BuildRehydratePlan(o);
}

TEST(TtfcSanityPlan, TheFirstPromptFourTimesAfterAWarmUp) {
  Plan run = SomeRun();
  run.phases.front().requests.front().arrival_offset_ns = 5;
  const PlannedRequest& first = run.phases.front().requests.front();
  const Plan plan = BuildTtfcSanityPlan(run, {.requests = 3,
                                              .concurrency = 2,
                                              .short_max_tokens = 4,
                                              .long_max_tokens = 64,
                                              .model = "m"});
  const struct {
    const char* phase;
    std::size_t requests;
    int concurrency, tokens;
    bool stream;
  } expected[] = {{"ttfc_sanity_warm_up", 1, 1, 4, true},
                  {"ttfc_sanity_short_stream", 3, 2, 4, true},
                  {"ttfc_sanity_long_stream", 3, 2, 64, true},
                  {"ttfc_sanity_short_legacy_non_stream", 3, 2, 4, false},
                  {"ttfc_sanity_long_legacy_non_stream", 3, 2, 64, false}};
  ASSERT_EQ(plan.phases.size(), std::size(expected));
  for (std::size_t i = 0; i < plan.phases.size(); ++i) {
    const PhasePlan& phase = plan.phases[i];
    EXPECT_EQ(phase.name, expected[i].phase);
    EXPECT_EQ(phase.concurrency, expected[i].concurrency);
    EXPECT_FALSE(phase.include_in_overall);
    ASSERT_EQ(phase.requests.size(), expected[i].requests);
    for (const PlannedRequest& r : phase.requests) {
      EXPECT_EQ(r.prompt, first.prompt);
      EXPECT_EQ(r.identity.prompt_sha256, first.identity.prompt_sha256);
      EXPECT_NE(r.identity.request_identity_sha256, first.identity.request_identity_sha256)
          << "the hashes are of what is sent";
      EXPECT_EQ(r.params.max_tokens, expected[i].tokens);
      EXPECT_EQ(r.params.stream, expected[i].stream);
      EXPECT_EQ(r.params.seed, 7);
      EXPECT_TRUE(r.extras.ignore_eos);
      EXPECT_FALSE(r.arrival_offset_ns) << "a trace has its times, this has none";
    }
  }
}

TEST(TtfcSanityPlan, WhatCannotBeSentIsRefused) {
  EXPECT_THROW(BuildTtfcSanityPlan(SomeRun(), {.requests = 0, .model = "m"}), ConfigError);
  EXPECT_THROW(
      BuildTtfcSanityPlan(SomeRun(), {.short_max_tokens = 9, .long_max_tokens = 8, .model = "m"}),
      ConfigError);
  Plan long_prompt = SomeRun();
  long_prompt.phases.front().requests.front().prompt_tokens_est = 100;
  EXPECT_NO_THROW(BuildTtfcSanityPlan(
      long_prompt, {.long_max_tokens = 64, .context_tokens = 164, .model = "m"}));
  EXPECT_THAT(
      [&] {
        BuildTtfcSanityPlan(long_prompt,
                            {.long_max_tokens = 64, .context_tokens = 163, .model = "m"});
      },
      ThrowsMessage<ConfigError>(HasSubstr("long_max_tokens 64 after a prompt of 100 tokens")));
  Plan empty;
  empty.scenario = "nothing";
  EXPECT_THAT([&] { BuildTtfcSanityPlan(empty, {}); },
              ThrowsMessage<ConfigError>(HasSubstr("nothing has none")));
}

}  // namespace
}  // namespace kvtier
