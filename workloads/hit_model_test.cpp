#include "workloads/hit_model.hpp"

#include <map>
#include <numeric>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/core/error.hpp"
#include "harness/core/rng.hpp"
#include "workloads/hit_bounds.hpp"
#include "workloads/pressure.hpp"
#include "workloads/rehydrate.hpp"
#include "workloads/reuse.hpp"
#include "workloads/tier_simulator.hpp"

namespace kvtier {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::uint32_t> Tokens(std::uint32_t first, std::uint32_t n) {
  std::vector<std::uint32_t> t(n);
  std::iota(t.begin(), t.end(), first);
  return t;
}

// Vectors of facts/kvbm_behavior.md section 3.
TEST(BlockChain, AgreesWithTheDocumentedVectors) {
  EXPECT_THAT(BlockChain(Tokens(1, 4), 4, 1337), ElementsAre(14643705804678351452ULL));
  EXPECT_THAT(BlockChain(Tokens(5, 4), 4, 1337), ElementsAre(16777012769546811212ULL));
  EXPECT_THAT(
      BlockChain(Tokens(1, 13), 4, 1337),
      ElementsAre(14643705804678351452ULL, 4945711292740353085ULL, 12583592247330656132ULL));
  EXPECT_THAT(BlockChain(Tokens(1, 8), 4),
              ElementsAre(8026409477313730465ULL, 8178148779430958753ULL));
  EXPECT_THAT(BlockChain(Tokens(0, 32), 32), ElementsAre(10934932757659806061ULL));
  EXPECT_TRUE(BlockChain(Tokens(0, 31), 32).empty());
}

/// Blocks of four tokens; a prompt of `letter` has `n` tokens, all its own.
PlannedRequest Request(char letter, std::uint32_t n, int max_tokens = 1) {
  PlannedRequest r;
  r.prompt_id = std::string(1, letter);
  r.token_ids = Tokens(static_cast<std::uint32_t>(letter) * 1000, n);
  r.params.max_tokens = max_tokens;
  return r;
}

/// One phase a request, named by its place: "0A", "1B" ...
Plan InTurn(const std::vector<PlannedRequest>& requests) {
  Plan plan;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    plan.phases.push_back({.name = std::to_string(i) + requests[i].prompt_id,
                           .concurrency = 1,
                           .include_in_overall = true,
                           .requests = {requests[i]}});
  }
  return plan;
}

/// "g1 g2 g3 computed written" of a phase, "?" where it is a range.
std::string Row(const ExpectedHits& h) {
  std::string text;
  for (const auto* r :
       {&h.g1_blocks, &h.g2_blocks, &h.g3_blocks, &h.computed_blocks, &h.offload_g2_to_g3_blocks}) {
    text += (text.empty() ? "" : " ") + (r->low == r->high ? std::to_string(r->low) : "?");
  }
  return text;
}

TierPools Small(std::uint64_t g1, std::uint64_t g2, std::uint64_t g3, bool filter = false) {
  return {.device_blocks = g1,
          .host_blocks = g2,
          .disk_blocks = g3,
          .block_tokens = 4,
          .disk_offload_filter = filter};
}

// Prompts of 9 tokens: two full blocks, three slots with the generated token. G1 4, G2 4, G3 8.
TEST(HitModel, FollowsAHandComputedTrace) {
  const auto a = Request('A', 9), b = Request('B', 9), c = Request('C', 9);
  const auto hits = PredictHits(InTurn({a, a, b, a, c, b}), Small(4, 4, 8));
  EXPECT_EQ(Row(hits.at("0A")), "0 0 0 2 2");
  EXPECT_EQ(Row(hits.at("1A")), "2 0 0 0 0");
  // Two free slots and one evicted: a1, because the tail was returned first. G2: a0 a1 b0 b1.
  EXPECT_EQ(Row(hits.at("2B")), "0 0 0 2 2");
  // a0 from G1, a1 from G2, which makes a1 the most recent there: a0 b0 b1 a1.
  EXPECT_EQ(Row(hits.at("3A")), "1 1 0 0 0");
  // G2 evicts a0 and b0.
  EXPECT_EQ(Row(hits.at("4C")), "0 0 0 2 2");
  // b0 is in neither G1 nor G2, so b1 is looked up on disk too although G2 has it.
  EXPECT_EQ(Row(hits.at("5B")), "0 0 2 0 0");
  EXPECT_TRUE(hits.at("5B").exact);
}

TEST(HitModel, GeneratedTokensTakeDeviceRoom) {
  // 9 + 8 tokens need five slots: the second prompt evicts all of the first from a G1 of six, not
  // just one block.
  const auto hits = PredictHits(
      InTurn({Request('A', 9, 8), Request('B', 9, 8), Request('A', 9, 8)}), Small(6, 0, 0));
  EXPECT_EQ(Row(hits.at("2A")), "1 0 0 1 0");
  const auto roomy = PredictHits(
      InTurn({Request('A', 9, 1), Request('B', 9, 1), Request('A', 9, 1)}), Small(6, 0, 0));
  EXPECT_EQ(Row(roomy.at("2A")), "2 0 0 0 0");
}

TEST(HitModel, LastBlockOfAFullyMatchedPromptIsComputed) {
  const auto hits = PredictHits(InTurn({Request('A', 8), Request('A', 8)}), Small(10, 10, 10));
  EXPECT_EQ(Row(hits.at("1A")),
            "1 0 0 1 0");  // G2 has it too, and drops it; the duplicate is on disk already
  // Without G1 reuse (evicted by B): G2 would cover both, drops the last.
  const auto cold =
      PredictHits(InTurn({Request('A', 8), Request('B', 12), Request('A', 8)}), Small(4, 10, 0));
  EXPECT_EQ(Row(cold.at("2A")), "0 1 0 1 0");
}

TEST(HitModel, FilterWritesAtTheSecondRegistrationOnly) {
  // G1 and G2 hold one prompt each, so B pushes A out of both.
  const auto a = Request('A', 9), b = Request('B', 9);
  const auto on = PredictHits(InTurn({a, b, a, b, a}), Small(3, 2, 20, true));
  EXPECT_EQ(Row(on.at("0A")), "0 0 0 2 0");
  EXPECT_EQ(Row(on.at("2A")), "0 0 0 2 2");
  EXPECT_EQ(Row(on.at("4A")), "0 0 2 0 0");
  const auto off = PredictHits(InTurn({a, b, a}), Small(3, 2, 20, false));
  EXPECT_EQ(Row(off.at("2A")), "0 0 2 0 0");
}

TEST(HitModel, DiskHitsAreNotPromotedToHost) {
  // A returns from disk twice: had the first return put it into G2, the second would find it there.
  const auto a = Request('A', 9), b = Request('B', 9), c = Request('C', 9);
  const auto hits = PredictHits(InTurn({a, b, a, c, a}), Small(3, 2, 20));
  EXPECT_EQ(Row(hits.at("2A")), "0 0 2 0 0");
  EXPECT_EQ(Row(hits.at("4A")), "0 0 2 0 0");
}

TEST(HitModel, AChunkGetsAllItsHostSlotsOrNone) {
  // One host slot: the first chunk asks for two and gets none, the second asks for one.
  const auto hits = PredictHits(InTurn({Request('A', 9), Request('B', 13)}), Small(10, 1, 10));
  EXPECT_EQ(Row(hits.at("0A")), "0 0 0 2 0");
  EXPECT_EQ(Row(hits.at("1B")), "0 0 0 3 1");
}

TEST(HitModel, ABlockComputedAgainKeepsItsPlaceOnDisk) {
  // Prompts of exactly two blocks; each pushes the one before out of G1 (3) and G2 (2). G3 has 4
  // slots.
  const auto a = Request('A', 8), b = Request('B', 8), c = Request('C', 8);
  const auto hits = PredictHits(InTurn({a, b, a, c, a}), Small(3, 2, 4));
  EXPECT_EQ(Row(hits.at("2A")),
            "0 0 1 1 0");  // a1 is dropped and computed; on disk it stays the oldest: a1 b0 b1 a0
  EXPECT_EQ(Row(hits.at("3C")), "0 0 0 2 2");  // evicts a1 and b0
  EXPECT_EQ(Row(hits.at("4A")), "0 0 1 1 1");
}

TEST(HitModel, RefusesARequestThatDoesNotFit) {
  try {
    PredictHits(InTurn({Request('A', 9)}), Small(2, 2, 2));
    FAIL();
  } catch (const ConfigError& e) {
    EXPECT_THAT(e.what(), HasSubstr("needs 3 device blocks and G1 has 2"));
  }
}

RehydrateOptions DefaultShape() {
  RehydrateOptions o;
  o.pair_index = 1;
  o.populate_sessions = 60;
  o.turns = 1;
  o.thrash_sessions = 24;
  o.prefix_target_tokens = 512;
  o.replay_repeats = 1;
  o.gen_tokens = 8;
  o.ignore_eos = true;
  o.replay_concurrency = 4;
  o.model = "m";
  return o;
}

TierPools DefaultPools(std::uint64_t disk, bool filter = false) {
  return {.device_blocks = 128,
          .host_blocks = 256,
          .disk_blocks = disk,
          .block_tokens = 32,
          .disk_offload_filter = filter};
}

TEST(HitModel, DefaultShapeIsExactAndReplaysFromDisk) {
  const auto b2 = PredictHits(BuildRehydratePlan(DefaultShape()), DefaultPools(1536));
  EXPECT_EQ(Row(b2.at("populate")), "0 0 0 1020 1020");
  EXPECT_EQ(Row(b2.at("thrash")), "0 0 0 408 408");
  EXPECT_EQ(Row(b2.at("replay")), "0 0 1020 0 0");
  for (const auto& [phase, hits] : b2) EXPECT_TRUE(hits.exact) << phase;

  const auto b1 = PredictHits(BuildRehydratePlan(DefaultShape()), DefaultPools(0));
  EXPECT_EQ(Row(b1.at("replay")), "0 0 0 1020 0");
  EXPECT_TRUE(b1.at("replay").exact);

  const auto filtered = PredictHits(BuildRehydratePlan(DefaultShape()), DefaultPools(1536, true));
  EXPECT_EQ(Row(filtered.at("populate")), "0 0 0 1020 0");
  EXPECT_EQ(Row(filtered.at("replay")),
            "0 0 0 1020 1020");  // the second registration writes, nothing was read
  EXPECT_TRUE(filtered.at("replay").exact);
}

TEST(HitModel, TheDefaultShapeComesOutTheSameInOrder) {
  RehydrateOptions o = DefaultShape();
  o.populate_concurrency = o.thrash_concurrency = o.replay_concurrency = 1;
  const auto b2 = PredictHits(BuildRehydratePlan(o), DefaultPools(1536));
  EXPECT_EQ(Row(b2.at("populate")), "0 0 0 1020 1020");
  EXPECT_EQ(Row(b2.at("replay")), "0 0 1020 0 0");
}

TEST(HitModel, TurnsInFlightTogetherGiveBounds) {
  RehydrateOptions o = DefaultShape();
  o.turns = 2;
  o.populate_sessions = 4;
  const auto hits = PredictHits(BuildRehydratePlan(o), DefaultPools(1536));
  const ExpectedHits& populate = hits.at("populate");
  EXPECT_FALSE(populate.exact);
  EXPECT_EQ(populate.g1_blocks.low, 0U);
  // Whichever turn of a session comes second may find the 16 shared blocks. Which one is not known,
  // so both may.
  EXPECT_GE(populate.g1_blocks.high, 4U * 16);
  EXPECT_LE(populate.computed_blocks.low, 4U * (17 + 1));
  EXPECT_EQ(populate.computed_blocks.high, 4U * 34);
}

TEST(HitModel, WhatTheSamePhaseMayEvictIsNotPromised) {
  Plan plan = InTurn({Request('A', 9)});
  PhasePlan& together = plan.phases.emplace_back();
  together.name = "together";
  together.concurrency = 2;
  together.requests.push_back(Request('A', 9));
  for (char letter = 'B'; letter < 'J'; ++letter) together.requests.push_back(Request(letter, 9));
  // G1 has 10 slots. Served first, A hits both blocks; served last, the 16 blocks of the others
  // have pushed it out.
  const ExpectedHits h = PredictHits(plan, Small(10, 0, 0)).at("together");
  EXPECT_EQ(h.g1_blocks.low, 0U);
  EXPECT_EQ(h.g1_blocks.high, 2U);
  EXPECT_EQ(h.computed_blocks.high, 18U);
  EXPECT_FALSE(h.exact);
}

TEST(HitModel, ReuseIsAnsweredByTheDevice) {
  ReuseOptions o;
  o.model = "m";
  const auto hits = PredictHits(BuildReusePlan(o), DefaultPools(1536));
  EXPECT_EQ(hits.at("reuse_1").g1_blocks.high, 0U);
  EXPECT_EQ(Row(hits.at("reuse_2")), "17 0 0 0 0");
}

/// A plan of random prompts over a small alphabet of blocks, so that prefixes are shared, in random
/// phases.
Plan RandomPlan(Rng& rng, int phases, int most_in_flight) {
  Plan plan;
  for (int p = 0; p < phases; ++p) {
    PhasePlan& phase = plan.phases.emplace_back();
    phase.name = std::to_string(p);
    phase.concurrency = 1 + static_cast<int>(rng.Below(static_cast<std::uint64_t>(most_in_flight)));
    const auto requests = 1 + rng.Below(6);
    const auto alphabet = 1 + rng.Below(5);
    for (std::uint64_t i = 0; i < requests; ++i) {
      PlannedRequest r;
      const auto blocks = rng.Below(5);
      const auto tail = blocks == 0 ? 1 + rng.Below(3) : rng.Below(4);
      for (std::uint64_t b = 0; b < blocks; ++b) {
        const auto word = static_cast<std::uint32_t>(rng.Below(alphabet));
        for (int k = 0; k < 4; ++k) r.token_ids.push_back(word);
      }
      for (std::uint64_t k = 0; k < tail; ++k) r.token_ids.push_back(77);
      r.params.max_tokens = 1 + static_cast<int>(rng.Below(6));
      phase.requests.push_back(std::move(r));
    }
  }
  return plan;
}

/// Serves a phase in a random order, at most `in_flight` at a time, their steps shuffled into one
/// another.
TierCounts ServeAnyhow(TierSimulator& simulator, const PhaseBlocks& phase, Rng& rng) {
  TierCounts counts;
  std::vector<const RequestBlocks*> waiting;
  for (const auto& r : phase.requests) waiting.push_back(&r);
  rng.Shuffle(waiting);
  std::vector<TierSimulator::Lease> running;
  while (!waiting.empty() || !running.empty()) {
    if (!waiting.empty() && running.size() < phase.in_flight &&
        (running.empty() || rng.Below(3) == 0)) {
      if (auto lease = simulator.Admit(*waiting.back(), counts)) {
        running.push_back(std::move(*lease));
        waiting.pop_back();
        continue;
      }
    }
    const std::size_t i = rng.Below(running.size());
    if (!running[i].prefilled()) {
      simulator.Prefill(running[i], counts);
    } else {
      simulator.Finish(running[i]);
      running.erase(running.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }
  return counts;
}

void ExpectWithin(const ExpectedHits& bounds, const TierCounts& counts, const std::string& where) {
  EXPECT_TRUE(bounds.g1_blocks.Contains(counts.g1)) << where << " g1 " << counts.g1;
  EXPECT_TRUE(bounds.g2_blocks.Contains(counts.g2)) << where << " g2 " << counts.g2;
  EXPECT_TRUE(bounds.g3_blocks.Contains(counts.g3)) << where << " g3 " << counts.g3;
  EXPECT_TRUE(bounds.computed_blocks.Contains(counts.computed))
      << where << " computed " << counts.computed;
  EXPECT_TRUE(bounds.offload_g2_to_g3_blocks.Contains(counts.written))
      << where << " written " << counts.written;
}

TierPools RandomPools(Rng& rng) {
  return Small(8 + rng.Below(40), rng.Below(40), rng.Below(60), rng.Below(2) == 0);
}

TEST(HitBounds, HoldForAnyInterleaving) {
  Rng rng = Rng::Stream(11, "interleavings");
  std::uint64_t exact = 0, phases = 0;
  for (int trial = 0; trial < 1500 && !HasFailure(); ++trial) {
    const Plan plan = RandomPlan(rng, 5, 4);
    const TierPools pools = RandomPools(rng);
    const auto bounds = PredictHits(plan, pools);
    const BlockStream stream = MakeBlockStream(plan, 4);
    for (int repeat = 0; repeat < 4; ++repeat) {
      TierSimulator simulator(pools);
      for (const auto& phase : stream.phases) {
        const ExpectedHits& expected = bounds.at(phase.name);
        const TierCounts counts = phase.in_flight > 1 ? ServeAnyhow(simulator, phase, rng) : [&] {
          TierCounts c;
          for (const auto& r : phase.requests) simulator.Run(r, c);
          return c;
        }();
        ExpectWithin(expected, counts, "trial " + std::to_string(trial) + " phase " + phase.name);
        exact += expected.exact ? 1 : 0;
        ++phases;
      }
    }
  }
  EXPECT_GT(exact, phases / 10) << "bounds that are never exact decide nothing";
}

TEST(HitBounds, ContainTheExactAnswerInOrder) {
  Rng rng = Rng::Stream(12, "in order");
  for (int trial = 0; trial < 1500 && !HasFailure(); ++trial) {
    const Plan plan = RandomPlan(rng, 6, 1);
    const TierPools pools = RandomPools(rng);
    const BlockStream stream = MakeBlockStream(plan, 4);
    HitBounds bounds(stream, pools);
    TierSimulator simulator(pools);
    for (const auto& phase : stream.phases) {
      TierCounts counts;
      for (const auto& r : phase.requests) ASSERT_TRUE(simulator.Run(r, counts));
      ExpectWithin(bounds.Walk(phase), counts,
                   "trial " + std::to_string(trial) + " phase " + phase.name);
    }
  }
}

TEST(Pressure, TheDefaultShapeIsSufficient) {
  const PressureVerdict v = CheckPressure(BuildRehydratePlan(DefaultShape()), DefaultPools(1536));
  EXPECT_TRUE(v.sufficient) << v.sentence;
  EXPECT_EQ(v.replay_blocks, 1020U);
  EXPECT_EQ(v.populate_blocks, 1020U);
  EXPECT_EQ(v.thrash_blocks, 408U);
  EXPECT_EQ(v.replay.g3_blocks.low, 1020U);
  EXPECT_TRUE(v.knob.empty());
}

TEST(Pressure, LaterTurnsAreNoLackOfPressure) {
  RehydrateOptions o = DefaultShape();
  o.turns = 2;
  o.populate_sessions = 40;
  const PressureVerdict v = CheckPressure(BuildRehydratePlan(o), DefaultPools(1536));
  EXPECT_TRUE(v.sufficient) << v.sentence;
  EXPECT_EQ(v.replay_blocks, 40U * 34);
  EXPECT_EQ(v.populate_blocks, 40U * 18);
}

TEST(Pressure, TheSmallProfileIsSufficient) {
  RehydrateOptions o = DefaultShape();
  o.populate_sessions = 24;
  o.thrash_sessions = 12;
  o.prefix_target_tokens = 128;
  o.replay_concurrency = 2;
  TierPools pools{.device_blocks = 32,
                  .host_blocks = 48,
                  .disk_blocks = 320,
                  .block_tokens = 32,
                  .disk_offload_filter = false};
  for (int pair = 0; pair < 8; ++pair) {
    o.pair_index = pair;
    const PressureVerdict v = CheckPressure(BuildRehydratePlan(o), pools);
    EXPECT_TRUE(v.sufficient) << v.sentence;
    EXPECT_TRUE(v.replay.exact);
  }
}

TEST(Pressure, EachRefusalNamesItsKnob) {
  RehydrateOptions little = DefaultShape();
  little.thrash_sessions = 10;  // 170 blocks: G1 is overwritten, G2 keeps 86
  const PressureVerdict upper = CheckPressure(BuildRehydratePlan(little), DefaultPools(1536));
  EXPECT_EQ(upper.problem, PressureProblem::kUpperTiersHold);
  EXPECT_THAT(upper.sentence,
              HasSubstr("BENCH_PHASE70_REHYDRATE_THRASH_SESSIONS) to at least 16"));  // 256 / 17
  EXPECT_THAT(upper.sentence, HasSubstr("170 blocks"));

  const Plan plan = BuildRehydratePlan(DefaultShape());
  const PressureVerdict small = CheckPressure(plan, DefaultPools(1400));
  EXPECT_EQ(small.problem, PressureProblem::kDiskTooSmall);
  EXPECT_THAT(small.sentence, HasSubstr("G3 has 1400 blocks and populate and thrash write 1428"));
  EXPECT_THAT(small.knob, HasSubstr("BENCH_PHASE70_DISK_CACHE_GB"));

  EXPECT_EQ(CheckPressure(plan, DefaultPools(1440)).problem, PressureProblem::kUndecided);
  EXPECT_EQ(CheckPressure(plan, DefaultPools(0)).problem, PressureProblem::kNoDiskTier);

  const PressureVerdict filter = CheckPressure(plan, DefaultPools(1536, true));
  EXPECT_EQ(filter.problem, PressureProblem::kFilterKeepsOut);
  EXPECT_THAT(filter.sentence, HasSubstr("stack.disk_offload_filter"));
  EXPECT_THAT(filter.sentence, HasSubstr("only 0 must come from G3"));

  TierPools narrow = DefaultPools(1536);
  narrow.device_blocks = 10;
  EXPECT_EQ(CheckPressure(plan, narrow).problem, PressureProblem::kRequestTooLarge);
}

/// The default shape, with each measured prompt computed twice before its replay.
RehydrateOptions TwiceComputed() {
  RehydrateOptions o = DefaultShape();
  o.populate_visits = 2;
  return o;
}

TEST(HitModel, ThreeVisitsWriteAtTheSecondAndReadAtTheThird) {
  const auto on = PredictHits(BuildRehydratePlan(TwiceComputed()), DefaultPools(1536, true));
  for (const auto& [phase, hits] : on) EXPECT_TRUE(hits.exact) << phase;
  EXPECT_EQ(Row(on.at("populate")), "0 0 0 1020 0");
  EXPECT_EQ(Row(on.at("thrash")), "0 0 0 408 0");
  EXPECT_EQ(Row(on.at("populate_2")), "0 0 0 1020 1020");
  EXPECT_EQ(Row(on.at("thrash_2")), "0 0 0 408 0");
  EXPECT_EQ(Row(on.at("replay")), "0 0 1020 0 0");
  const auto off = PredictHits(BuildRehydratePlan(TwiceComputed()), DefaultPools(2048));
  EXPECT_EQ(Row(off.at("populate")), "0 0 0 1020 1020");
  EXPECT_EQ(Row(off.at("populate_2")), "0 0 1020 0 0") << "without the filter it is a replay";
}

// Two turns of a session in flight together may both compute their prefix and so pass the filter at
// once; after the second visit all of it is in G3 in any case.
TEST(HitModel, ThreeVisitsOfSharedPrefixesAreBounded) {
  RehydrateOptions o = TwiceComputed();
  o.turns = 2;
  o.populate_sessions = 40;
  const auto on = PredictHits(BuildRehydratePlan(o), DefaultPools(1536, true));
  EXPECT_EQ(on.at("populate").offload_g2_to_g3_blocks.low, 0U);
  EXPECT_GT(on.at("populate").offload_g2_to_g3_blocks.high, 0U);
  EXPECT_EQ(on.at("thrash_2").offload_g2_to_g3_blocks.high, 0U);
  const PressureVerdict v = CheckPressure(BuildRehydratePlan(o), DefaultPools(1536, true));
  EXPECT_TRUE(v.sufficient) << v.sentence;
}

TEST(Pressure, ThreeVisitsSufficeWithTheFilterOn) {
  const PressureVerdict v =
      CheckPressure(BuildRehydratePlan(TwiceComputed()), DefaultPools(1536, true));
  EXPECT_TRUE(v.sufficient) << v.sentence;
  EXPECT_THAT(v.sentence, HasSubstr("populate_2 wrote 1020"));
  RehydrateOptions little = TwiceComputed();
  little.thrash_sessions = 10;
  const PressureVerdict vain = CheckPressure(BuildRehydratePlan(little), DefaultPools(1536, true));
  EXPECT_EQ(vain.problem, PressureProblem::kVisitedInVain);
  EXPECT_THAT(vain.sentence, HasSubstr("at populate_2"));
  EXPECT_THAT(vain.sentence, HasSubstr("THRASH_SESSIONS) to at least 16"));
  // Only what is computed twice is written: G3 need not hold thrash.
  EXPECT_TRUE(
      CheckPressure(BuildRehydratePlan(TwiceComputed()), DefaultPools(1200, true)).sufficient);
  const PressureVerdict small =
      CheckPressure(BuildRehydratePlan(TwiceComputed()), DefaultPools(1000, true));
  EXPECT_EQ(small.problem, PressureProblem::kDiskTooSmall);
  EXPECT_THAT(small.sentence, HasSubstr("populate_2 writes 1020"));
}

TEST(Rehydrate, ASecondVisitSendsTheSamePromptsAndOtherPressure) {
  const Plan once = BuildRehydratePlan(DefaultShape()), twice = BuildRehydratePlan(TwiceComputed());
  std::vector<std::string> names;
  std::map<std::string, std::vector<std::string>> sent;
  for (const auto& phase : twice.phases) {
    names.push_back(phase.name);
    for (const auto& r : phase.requests)
      sent[phase.name].push_back(r.identity.request_payload_sha256);
  }
  EXPECT_EQ(names,
            (std::vector<std::string>{"populate", "thrash", "populate_2", "thrash_2", "replay"}));
  EXPECT_EQ(sent["populate_2"], sent["populate"]);
  EXPECT_EQ(sent["replay"], sent["populate"]);
  const std::set<std::string> first(sent["thrash"].begin(), sent["thrash"].end());
  for (const auto& payload : sent["thrash_2"]) EXPECT_FALSE(first.contains(payload));
  for (const std::size_t i : {0U, 1U}) {
    for (std::size_t k = 0; k < once.phases[i].requests.size(); ++k) {
      EXPECT_EQ(once.phases[i].requests[k].identity.request_payload_sha256,
                twice.phases[i].requests[k].identity.request_payload_sha256)
          << "one visit and two begin with the same bytes";
    }
  }
}

TEST(Pressure, APlanWithoutReplayAsksForNone) {
  ReuseOptions o;
  o.model = "m";
  EXPECT_TRUE(CheckPressure(BuildReusePlan(o), DefaultPools(0)).sufficient);
}

}  // namespace
}  // namespace kvtier
