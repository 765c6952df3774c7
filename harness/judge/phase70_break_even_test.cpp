#include "harness/judge/phase70_break_even.hpp"

#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "harness/judge/evidence_maker.hpp"

namespace kvtier {
namespace {

using test::kBlockBytes;
using test::kReplayBlocks;
using test::MakeLeg;
using test::Replay;
using ::testing::HasSubstr;

BreakEven Of(const std::vector<LegEvidence>& legs) {
  std::vector<const LegEvidence*> pointers;
  for (const LegEvidence& leg : legs) pointers.push_back(&leg);
  return ComputeBreakEven(pointers);
}

// Populate: 550 tokens in 100 ms. A block is 327,680 B of 32 tokens: 10,240 B a token. Replay: 17
// blocks (544 tokens, 5,570,560 B) a request.
TEST(BreakEven, WithTimedTransfersThereIsALength) {
  std::vector<LegEvidence> legs{MakeLeg(TierMode::kB1, 110), MakeLeg(TierMode::kB2, 60)};
  Replay(legs[1]).tiers.onboard_seconds = 0.6;  // of 60 requests: 10 ms each
  const BreakEven b = Of(legs);
  EXPECT_DOUBLE_EQ(*b.prefill_tokens_per_s, 5500);
  EXPECT_DOUBLE_EQ(*b.kv_bytes_per_token, 10'240);
  EXPECT_DOUBLE_EQ(*b.reload_bytes_per_s, kReplayBlocks * kBlockBytes / 0.6);
  EXPECT_DOUBLE_EQ(*b.reloaded_tokens_per_request, 544);
  EXPECT_NEAR(*b.predicted_recompute_ms, 544 / 5.5, 1e-9);
  EXPECT_NEAR(*b.predicted_reload_ms, 10, 1e-9);
  EXPECT_NEAR(*b.measured_reload_ms, 60, 0.01);
  EXPECT_NEAR(*b.measured_recompute_ms, 110, 0.01);
  EXPECT_NEAR(*b.reload_fixed_ms, 50, 0.01);
  // 50 ms / (1/5500 s - 10 ms / 544) a token
  ASSERT_EQ(b.outcome, BreakEven::Outcome::kWinsAbove);
  EXPECT_NEAR(*b.wins_above_tokens, 0.050 / (1.0 / 5500 - 0.010 / 544), 0.1);  // 305.9
  EXPECT_THAT(b.sentence, HasSubstr("the SSD wins above 306 tokens"));
  EXPECT_DOUBLE_EQ(*b.written_per_useful_byte, 1);
}

TEST(BreakEven, WithoutTransferTimesTheRequestsOwnTimeCounts) {
  const BreakEven faster = Of({MakeLeg(TierMode::kB0, 110), MakeLeg(TierMode::kB2, 60)});
  EXPECT_NEAR(*faster.reload_bytes_per_s, 5'570'560 / 0.060, 5'570'560 / 0.060 * 1e-3);
  EXPECT_DOUBLE_EQ(*faster.wins_above_tokens, 0);
  EXPECT_THAT(faster.sentence, HasSubstr("from the first block on"));
  EXPECT_FALSE(faster.reload_fixed_ms.available());

  const BreakEven slower = Of({MakeLeg(TierMode::kB1, 110), MakeLeg(TierMode::kB2, 160)});
  EXPECT_EQ(slower.outcome, BreakEven::Outcome::kNeverWins);
  EXPECT_FALSE(slower.wins_above_tokens.available());
  EXPECT_THAT(slower.sentence, HasSubstr("recomputing is faster at every prompt length"));
}

// Its bytes are in the sum; as a time of 0 it would make the SSD look faster than it was.
TEST(BreakEven, ARequestWithoutItsTimeIsNotOneThatTookNone) {
  LegEvidence reloaded = MakeLeg(TierMode::kB2, 60);
  reloaded.records.back().stamps.first_text.reset();
  const BreakEven b = Of({MakeLeg(TierMode::kB1, 110), reloaded});
  ASSERT_FALSE(b.reload_bytes_per_s.available());
  EXPECT_THAT(b.reload_bytes_per_s.reason(), HasSubstr("59 of 60 replay requests have a TTFC"));
}

TEST(BreakEven, OneKindOfTimeForAllLegs) {
  std::vector<LegEvidence> legs{MakeLeg(TierMode::kB1, 110), MakeLeg(TierMode::kB2, 60),
                                MakeLeg(TierMode::kB2, 60)};
  Replay(legs[1]).tiers.onboard_seconds = 0.6;
  const BreakEven b = Of(legs);
  EXPECT_THAT(b.reload_time, HasSubstr("first content"));
  EXPECT_NEAR(*b.reload_bytes_per_s, 5'570'560 / 0.060, 5'570'560 / 0.060 * 1e-3);
}

TEST(BreakEven, WhatWasNotMeasuredIsNamed) {
  std::vector<LegEvidence> legs{MakeLeg(TierMode::kB1, 110), MakeLeg(TierMode::kB2, 60)};
  legs[1].block_bytes = 0;
  EXPECT_THAT(Of(legs).sentence, HasSubstr("stack.block_bytes"));
  legs[1] = MakeLeg(TierMode::kB2, 60);
  Replay(legs[1]).tiers.onboard_g3_to_g1_blocks = std::uint64_t{0};
  const BreakEven nothing_read = Of(legs);
  EXPECT_EQ(nothing_read.outcome, BreakEven::Outcome::kUnknown);
  EXPECT_THAT(nothing_read.sentence, HasSubstr("read nothing from the SSD"));
  EXPECT_THAT(nothing_read.written_per_useful_byte.reason(), HasSubstr("read nothing"));
  EXPECT_THAT(Of({MakeLeg(TierMode::kB2, 60)}).sentence, HasSubstr("B0 or B1"));
  EXPECT_EQ(Of({}).outcome, BreakEven::Outcome::kUnknown);
  for (RequestRecord& r : legs[0].records) r.usage.reset();
  EXPECT_THAT(Of(legs).prefill_tokens_per_s.reason(), HasSubstr("usage.prompt_tokens"));
}

TEST(BreakEven, EveryByteWrittenCounts) {
  std::vector<LegEvidence> legs{MakeLeg(TierMode::kB1, 110), MakeLeg(TierMode::kB2, 60)};
  for (PhaseEvidence& p : legs[1].phases)
    p.io.process_write = Bytes{kReplayBlocks * kBlockBytes / 2};  // thrash and replay write, too
  EXPECT_DOUBLE_EQ(*Of(legs).written_per_useful_byte, 1.5);
  legs[1].phases[1].io.process_write = Reading<Bytes>::Unavailable("no permission");
  EXPECT_DOUBLE_EQ(*Of(legs).written_per_useful_byte, 1.0) << "the engine's word for that phase";
}

TEST(BreakEven, ReadsBackAsItWasWritten) {
  const nlohmann::json j = Of({MakeLeg(TierMode::kB1, 110), MakeLeg(TierMode::kB2, 60)});
  EXPECT_EQ(nlohmann::json(j.get<BreakEven>()), j);
  EXPECT_EQ(j.at("outcome"), "wins_above");
}

}  // namespace
}  // namespace kvtier
