#include "workloads/traces/hit_curve.hpp"

#include <algorithm>
#include <deque>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/core/error.hpp"
#include "harness/core/files.hpp"
#include "harness/core/rng.hpp"
#include "harness/core/temp_dir.hpp"
#include "harness/report/schema_check.hpp"
#include "workloads/tier_simulator.hpp"
#include "workloads/traces/achieved_hits.hpp"

namespace kvtier {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

using Prompt = std::vector<std::uint64_t>;

std::vector<BlockId> Numbered(BlockNumbers& numbers, const Prompt& prompt) {
  std::vector<BlockId> out;
  for (const auto identity : prompt) out.push_back(numbers.Of(identity));
  return out;
}

/// Prompts as they share prefixes: paths in a tree with few branches, so an identity names all that
/// is before it.
std::vector<Prompt> ChainedPrompts(Rng& rng, int requests, std::uint64_t longest) {
  std::vector<Prompt> out;
  for (int r = 0; r < requests; ++r) {
    Prompt prompt;
    std::uint64_t identity = 1;
    for (std::uint64_t i = 1 + rng.Below(longest); i > 0; --i)
      prompt.push_back(identity = identity * 3 + rng.Below(3));
    out.push_back(std::move(prompt));
  }
  return out;
}

/// An LRU cache as one would write it down: most recent first.
class PlainLru {
 public:
  explicit PlainLru(std::size_t capacity) : capacity_(capacity) {}
  std::size_t Request(const Prompt& prompt) {
    std::size_t run = 0;
    while (run < prompt.size() && std::count(list_.begin(), list_.end(), prompt[run]) > 0) ++run;
    for (std::size_t i = prompt.size(); i-- > 0;) {
      std::erase(list_, prompt[i]);
      list_.push_front(prompt[i]);
    }
    while (list_.size() > capacity_) list_.pop_back();
    return run;
  }

 private:
  std::size_t capacity_;
  std::deque<std::uint64_t> list_;
};

TEST(BlockNumbers, AreDenseAndStable) {
  BlockNumbers numbers;
  for (std::uint64_t i = 0; i < 20'000; ++i) ASSERT_EQ(numbers.Of(i << 40), i);
  for (std::uint64_t i = 0; i < 20'000; ++i) ASSERT_EQ(numbers.Of(i << 40), i);
  EXPECT_EQ(numbers.size(), 20'000U);
}

TEST(StackDistances, FollowsAHandComputedStream) {
  StackDistances stack;
  const std::vector<BlockId> a{0, 1}, b{2}, c{0, 3};
  EXPECT_THAT(stack.Request(a), IsEmpty());
  EXPECT_THAT(stack.Request(b), IsEmpty());          // stack: 2 0 1
  EXPECT_THAT(stack.Request(a), ElementsAre(2, 3));  // 0 1 2
  EXPECT_THAT(stack.Request(c), ElementsAre(1));     // 0 3 1 2
  EXPECT_THAT(stack.Request(a), ElementsAre(1, 3));
  EXPECT_EQ(stack.distinct(), 4U);
}

TEST(StackDistances, IsEveryLruCacheAtOnce) {
  Rng rng = Rng::Stream(21, "stack distances");
  for (int trial = 0; trial < 60 && !HasFailure(); ++trial) {
    std::vector<Prompt> prompts = ChainedPrompts(rng, 60, 5);
    if (trial % 2 == 0) {  // also where an identity says nothing of what is before it
      for (auto& prompt : prompts)
        for (auto& id : prompt) id = rng.Below(25);
    }
    StackDistances stack;
    BlockNumbers numbers;
    std::vector<PlainLru> caches;
    for (std::size_t c = 0; c < 30; ++c) caches.emplace_back(c);
    for (const Prompt& prompt : prompts) {
      const auto depths = stack.Request(Numbered(numbers, prompt));
      for (std::size_t c = 0; c < caches.size(); ++c) {
        const auto hits = std::upper_bound(depths.begin(), depths.end(), c) - depths.begin();
        ASSERT_EQ(static_cast<std::size_t>(hits), caches[c].Request(prompt)) << "capacity " << c;
      }
    }
  }
}

TEST(StackDistances, MemoryFollowsDistinctBlocksNotReferences) {
  StackDistances stack;
  std::vector<BlockId> prompt(50);
  Rng rng = Rng::Stream(22, "memory");
  for (int r = 0; r < 20'000; ++r) {  // a million references
    const auto session = static_cast<BlockId>(rng.Below(200));
    for (std::size_t i = 0; i < prompt.size(); ++i)
      prompt[i] = session * 50 + static_cast<BlockId>(i);
    stack.Request(prompt);
  }
  EXPECT_EQ(stack.distinct(), 10'000U);
  EXPECT_LE(stack.positions(), 2 * stack.distinct() + 512);
  // Every session was seen: the whole prompt is held by a cache of all blocks.
  const auto depths = stack.Request(prompt);
  ASSERT_EQ(depths.size(), prompt.size());
  EXPECT_LE(depths.back(), 10'000U);
}

RequestBlocks AsRequest(BlockNumbers& numbers, const Prompt& prompt) {
  // Four tokens a block, one more that belongs to none, one generated: one slot beside the blocks.
  RequestBlocks r;
  r.blocks = Numbered(numbers, prompt);
  r.tokens = 4 * prompt.size() + 1;
  r.slots = prompt.size() + 1;
  r.device_match_limit = prompt.size();
  return r;
}

// G1 alone, with one slot always in the hands of the running sequence, is an LRU cache of one block
// less: the engine's rules and the stack distances were written apart and must say the same.
TEST(HitCurve, AgreesWithTheEnginesRulesOnOneTier) {
  Rng rng = Rng::Stream(23, "one tier");
  for (int trial = 0; trial < 200 && !HasFailure(); ++trial) {
    const auto prompts = ChainedPrompts(rng, 80, 6);
    const std::uint64_t slots = 8 + rng.Below(60);
    TierSimulator simulator(
        {.device_blocks = slots, .host_blocks = 0, .disk_blocks = 0, .block_tokens = 4});
    HitCurveModel model({.device_blocks = slots - 1});
    BlockNumbers numbers;
    std::deque<RequestBlocks> requests;  // a lease points at its request
    TierCounts counts;
    for (const Prompt& prompt : prompts) {
      requests.push_back(AsRequest(numbers, prompt));
      ASSERT_TRUE(simulator.Run(requests.back(), counts));
      model.Request(0, prompt);
    }
    const HitCurve curve = model.Finish();
    EXPECT_EQ(curve.filter_off.g1, counts.g1) << slots;
    EXPECT_EQ(curve.filter_off.computed, counts.computed);
  }
}

// Tiers that hold everything: the engine's rules give the ideal; smaller ones never more than it.
TEST(HitCurve, TheIdealBoundsTheEnginesRules) {
  Rng rng = Rng::Stream(24, "ideal");
  std::uint64_t below = 0;
  for (int trial = 0; trial < 200 && !HasFailure(); ++trial) {
    const auto prompts = ChainedPrompts(rng, 60, 6);
    const bool roomy = trial % 2 == 0;
    const TierPools pools{.device_blocks = roomy ? 2000 : 8 + rng.Below(20),
                          .host_blocks = roomy ? 2000 : rng.Below(30),
                          .disk_blocks = roomy ? 2000 : rng.Below(60),
                          .block_tokens = 4,
                          .disk_offload_filter = rng.Below(2) == 0};
    TierSimulator simulator(pools);
    HitCurveModel model(pools);
    BlockNumbers numbers;
    std::deque<RequestBlocks> requests;
    TierCounts counts;
    for (const Prompt& prompt : prompts) {
      requests.push_back(AsRequest(numbers, prompt));
      ASSERT_TRUE(simulator.Run(requests.back(), counts));
      model.Request(0, prompt);
    }
    const HitCurve curve = model.Finish();
    const std::uint64_t hits = counts.g1 + counts.g2 + counts.g3, ideal = curve.points.back().hits;
    EXPECT_LE(hits, ideal);
    if (roomy) {
      EXPECT_EQ(hits, ideal);
    }
    below += hits < ideal ? 1 : 0;
  }
  EXPECT_GT(below, 20U) << "small tiers that lose nothing test nothing";
}

// N prompts in turn, V times, each pushing the one before out of G1 and G2.
TEST(HitCurve, AgreesWithTheEnginesRulesOnARound) {
  for (const std::uint64_t blocks : {2U, 5U}) {
    for (const std::uint64_t visits : {2U, 3U, 5U}) {
      constexpr std::uint64_t kPrompts = 7;
      for (const bool filter : {false, true}) {
        TierSimulator simulator({.device_blocks = blocks + 1,
                                 .host_blocks = blocks,
                                 .disk_blocks = kPrompts * blocks,
                                 .block_tokens = 4,
                                 .disk_offload_filter = filter});
        HitCurveModel model({.device_blocks = blocks,
                             .host_blocks = blocks,
                             .disk_blocks = kPrompts * blocks,
                             .block_tokens = 4,
                             .disk_offload_filter = filter});
        BlockNumbers numbers;
        std::deque<RequestBlocks> requests;
        TierCounts counts;
        for (std::uint64_t v = 0; v < visits; ++v) {
          for (std::uint64_t p = 0; p < kPrompts; ++p) {
            Prompt prompt(blocks);
            for (std::uint64_t i = 0; i < blocks; ++i) prompt[i] = 100 * p + i;
            requests.push_back(AsRequest(numbers, prompt));
            ASSERT_TRUE(simulator.Run(requests.back(), counts));
            model.Request(0, prompt);
          }
        }
        const HitCurve curve = model.Finish();
        const LruTierHits& tiers = filter ? curve.filter_on : curve.filter_off;
        EXPECT_EQ(tiers.g3, (visits - (filter ? 2 : 1)) * kPrompts * blocks);
        // The engine's G2 keeps the last prompt that was computed, since what comes from G3 does
        // not pass through it; of the three tiers together both say the same.
        EXPECT_EQ(tiers.g3, counts.g1 + counts.g2 + counts.g3);
        EXPECT_EQ(tiers.written, counts.written);
        EXPECT_EQ(tiers.g1 + tiers.g2, 0U);
        EXPECT_EQ(tiers.computed, counts.computed);
      }
    }
  }
}

// Without a filter, carrying out one capacity and reading it from the stack are two ways to one
// number.
TEST(HitCurve, ADiskWithoutFilterIsAPointOfTheCurve) {
  Rng rng = Rng::Stream(25, "disk pass");
  for (int trial = 0; trial < 100 && !HasFailure(); ++trial) {
    const std::uint64_t fast = rng.Below(12), disk = fast + 1 + rng.Below(60);
    HitCurveModel model({.device_blocks = fast, .host_blocks = 0, .disk_blocks = disk});
    DiskPass pass(disk, false);
    StackDistances stack;
    BlockNumbers numbers;
    for (const Prompt& prompt : ChainedPrompts(rng, 80, 6)) {
      const auto blocks = Numbered(numbers, prompt);
      const auto depths = stack.Request(blocks);
      pass.Request(0, blocks,
                   static_cast<std::size_t>(std::upper_bound(depths.begin(), depths.end(), fast) -
                                            depths.begin()));
      model.Request(0, prompt);
    }
    const HitCurve curve = model.Finish();
    EXPECT_EQ(curve.filter_off.g3, pass.hits());
    EXPECT_EQ(curve.filter_off.written, pass.written());
    EXPECT_EQ(curve.filter_on.g3, pass.hits()) << "without G2 nothing is filtered";
  }
}

TEST(OffloadFilter, SecondQuestionWithinATick) {
  OffloadFilter filter;
  EXPECT_FALSE(filter.Accept(0, 1000));
  EXPECT_TRUE(filter.Accept(0, 1599));   // count 2
  EXPECT_TRUE(filter.Accept(0, 1601));   // 1 after the tick, doubled again
  EXPECT_FALSE(filter.Accept(0, 2900));  // two more ticks: forgotten
  EXPECT_FALSE(filter.Accept(1, 2900));
  EXPECT_FALSE(filter.Accept(1, 3401)) << "within 600 s, but in another tick";
  EXPECT_EQ(filter.entries(), 1U);
}

TEST(OffloadFilter, ForgetsWhatIsRareWhenFull) {
  OffloadFilter filter(2);
  EXPECT_FALSE(filter.Accept(0, 0));
  EXPECT_TRUE(filter.Accept(0, 0));
  EXPECT_TRUE(filter.Accept(0, 0));  // count 4
  EXPECT_FALSE(filter.Accept(1, 0));
  EXPECT_FALSE(filter.Accept(2, 0));  // three entries: those of count 1 vanish
  EXPECT_EQ(filter.entries(), 1U);
  EXPECT_TRUE(filter.Accept(0, 0));
  EXPECT_FALSE(filter.Accept(1, 0));
}

TEST(HitCurve, TheFilterCountsWithinTicksOfTraceTime) {
  const Prompt a{1}, b{2};
  const auto of = [&](const std::vector<std::pair<double, Prompt>>& requests) {
    HitCurveModel model({.device_blocks = 0, .host_blocks = 1, .disk_blocks = 10});
    for (const auto& [time_s, prompt] : requests) model.Request(time_s, prompt);
    return model.Finish();
  };
  const HitCurve one_tick = of({{0, a}, {100, b}, {400, a}, {500, b}, {700, a}});
  EXPECT_EQ(one_tick.filter_off.g3, 3U);
  EXPECT_EQ(one_tick.filter_off.written, 2U);
  EXPECT_EQ(one_tick.filter_on.g3, 1U);  // both written at 400 and 500, read at 700
  EXPECT_EQ(one_tick.filter_on.written, 2U);
  // The first visit is forgotten by the second, which the third then repeats.
  const HitCurve two_ticks = of({{0, a}, {100, b}, {700, a}, {800, b}, {900, a}});
  EXPECT_EQ(two_ticks.filter_off.g3, 3U);
  EXPECT_EQ(two_ticks.filter_on.g3, 0U);
  EXPECT_EQ(two_ticks.filter_on.written, 1U);
}

HitCurve SmallCurve() {
  HitCurveModel model({.device_blocks = 1, .host_blocks = 2, .disk_blocks = 3}, true);
  const Prompt a{1, 2}, b{3, 4};
  for (const Prompt& p : {a, b, a, b, a, a}) model.Request(0, p);
  return model.Finish();
}

TEST(HitCurve, PointsAndTiersAreWhatOneCounts) {
  const HitCurve curve = SmallCurve();
  EXPECT_EQ(curve.references, 12U);
  EXPECT_EQ(curve.distinct, 4U);
  // Stack before each return: of a and of b "b0 b1 a0 a1", so depths 3 and 4; the last a: 1 and 2.
  std::vector<std::pair<std::uint64_t, std::uint64_t>> points;
  for (const auto& p : curve.points) points.emplace_back(p.capacity, p.hits);
  EXPECT_THAT(points, ElementsAre(Pair(1, 1), Pair(2, 2), Pair(3, 5), Pair(4, 8)));
  EXPECT_DOUBLE_EQ(curve.IdealShare(), 8.0 / 12);
  EXPECT_EQ(curve.filter_off.g1, 1U);
  EXPECT_EQ(curve.filter_off.g2, 1U);
  EXPECT_EQ(curve.filter_off.g3, 3U);
  EXPECT_EQ(curve.filter_off.computed, 7U);
  // A G3 of four with the filter: a and b are written at their second visit, a read at its third.
  ASSERT_TRUE(curve.points.back().filtered_hits.has_value());
  EXPECT_EQ(*curve.points.back().filtered_hits, 4U);
}

TEST(HitCurve, EmptyStreamHasNoShare) {
  HitCurveModel model({.device_blocks = 4, .host_blocks = 4, .disk_blocks = 4}, true);
  const HitCurve curve = model.Finish();
  EXPECT_EQ(curve.IdealShare(), 0.0);
  EXPECT_EQ(curve.filter_on.g3, 0U);
}

const std::filesystem::path kSchemas = std::filesystem::path(KVTIER_SOURCE_DIR) / "docs/schemas";

TEST(HitCurve, IsReadBackAsWritten) {
  const TempDir folder;
  const HitCurve curve = SmallCurve();
  WriteJsonAtomic(folder.path() / "hit_curve.json", curve);
  WriteJsonAtomic(folder.path() / "expected_hits.json",
                  {{"schema_version", 1}, {"phases", nlohmann::json::object()}, {"curve", curve}});
  EXPECT_THAT(CheckBundle(folder.path(), kSchemas), IsEmpty());
  const nlohmann::json read = ReadJson(folder.path() / "hit_curve.json");
  EXPECT_EQ(nlohmann::json(read.get<HitCurve>()), read);
  nlohmann::json damaged = read;
  damaged["stack"]["g3_blocks"] = -1;
  try {
    damaged.get<HitCurve>();
    FAIL() << "a negative size was read";
  } catch (const DataError& e) {
    EXPECT_THAT(e.what(), HasSubstr("key g3_blocks"));
  }
}

TEST(AchievedHits, RatiosAndTheirAbsence) {
  LegEvidence leg;
  PhaseEvidence phase;
  phase.name = "trace";
  phase.expected = ExpectedHits{.exact = false,
                                .g1_blocks = {2, 2},
                                .g2_blocks = {0, 4},
                                .g3_blocks = {10, 20},
                                .computed_blocks = {1, 9},
                                .offload_g2_to_g3_blocks = {0, 0}};
  phase.tiers.onboard_g2_to_g1_blocks = std::uint64_t{1};
  phase.tiers.onboard_g3_to_g1_blocks = std::uint64_t{2};
  phase.tiers.offload_g2_to_g3_blocks = Reading<std::uint64_t>::Unavailable("port closed");
  phase.tiers.reference_extras["kvtier_ref_device_hit_blocks"] = 1;
  leg.phases.push_back(phase);
  const AchievedHits hits = CompareHits(leg, SmallCurve());
  const AchievedHits::Phase& p = hits.phases.at("trace");
  EXPECT_DOUBLE_EQ(p.g1.ratio->high, 0.5);
  EXPECT_DOUBLE_EQ(p.g3.ratio->low, 0.1);
  EXPECT_DOUBLE_EQ(p.g3.ratio->high, 0.2);
  EXPECT_EQ(p.g2.ratio.reason(), "perhaps none is expected");
  EXPECT_EQ(p.written.ratio.reason(), "port closed");
  // SmallCurve with the filter on: 2 from above, 2 at most from a G3 of three blocks.
  const HitCurve curve = SmallCurve();
  const auto lru =
      static_cast<double>(curve.filter_on.g1 + curve.filter_on.g2 + curve.filter_on.g3);
  EXPECT_DOUBLE_EQ(*p.of_lru, 4 / lru);
  EXPECT_FALSE(CompareHits(leg, std::nullopt).phases.at("trace").of_lru.available());
  const TempDir folder;
  WriteJsonAtomic(folder.path() / "hits_achieved.json", ToJson(hits));
  EXPECT_THAT(CheckBundle(folder.path(), kSchemas), IsEmpty());
}

TEST(HitCurve, OfAPlanIsThatOfItsBlocks) {
  Plan plan;
  plan.phases.push_back(
      {.name = "trace", .concurrency = 1, .include_in_overall = true, .requests = {}});
  for (const std::uint32_t first : {0U, 100U, 0U}) {
    PlannedRequest r;
    for (std::uint32_t i = 0; i < 9; ++i) r.token_ids.push_back(first + i);
    plan.phases[0].requests.push_back(r);
  }
  const HitCurve curve =
      CurveOf(plan, {.device_blocks = 3, .host_blocks = 0, .disk_blocks = 4, .block_tokens = 4});
  EXPECT_EQ(curve.references, 6U);  // two full blocks each
  EXPECT_EQ(curve.filter_off.g1, 1U);
  EXPECT_EQ(curve.filter_off.g3, 1U);
}

}  // namespace
}  // namespace kvtier
