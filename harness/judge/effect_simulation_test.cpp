// The decision rules over simulated experiments: what they claim in the long run, they keep.
// Seeded, so that a failure is the rule's and not the day's.
#include <cmath>
#include <map>
#include <vector>

#include <gtest/gtest.h>

#include "harness/core/rng.hpp"
#include "harness/judge/effect.hpp"
#include "harness/judge/order.hpp"
#include "harness/stats/summary.hpp"

namespace kvtier {
namespace {

constexpr int kSeeds = 2000;

/// One experiment: log-ratio `effect`, the pairs' spread `sd`, and a drift by `drift` (of the log)
/// from leg to leg, in a random order as it would be run.
std::vector<PairValue> Simulate(std::uint64_t seed, int pairs, double effect, double sd,
                                double drift = 0) {
  Rng rng = Rng::Stream(seed, "simulated legs");
  const auto order = PlanOrder(pairs, OrderStrategy::kRandom, std::to_string(seed));
  std::vector<PairValue> out;
  const double leg_sd = sd / std::sqrt(2.0);
  for (int i = 0; i < pairs; ++i) {
    PairValue p;
    p.pair_id = i + 1;
    p.a_first = order[static_cast<std::size_t>(i)] == LegOrder::kAB;
    const double first = drift * 2 * i;
    const double second = drift * (2 * i + 1);
    p.a = 100 * std::exp((p.a_first ? first : second) + leg_sd * rng.Normal());
    p.b = 100 * std::exp((p.a_first ? second : first) + effect + leg_sd * rng.Normal());
    p.n_a = p.n_b = 60;
    out.push_back(p);
  }
  return out;
}

std::vector<double> LogRatios(const std::vector<PairValue>& pairs) {
  std::vector<double> out;
  for (const PairValue& p : pairs) out.push_back(std::log(p.b / p.a));
  return out;
}

bool Directed(EffectWord word) {
  return word == EffectWord::kBetter || word == EffectWord::kWorse;
}

TEST(Simulation, IntervalsCoverAtTheirOwnExactLevel) {
  // Exact levels of the Wilcoxon signed-rank distribution.
  for (const auto& [pairs, level] : std::map<int, double>{{6, 0.969}, {8, 0.961}, {12, 0.958}}) {
    int covered = 0;
    for (int seed = 0; seed < kSeeds; ++seed) {
      const auto d = LogRatios(Simulate(static_cast<std::uint64_t>(seed), pairs, 0.1, 0.06));
      const auto hl = EstimateHodgesLehmann(d);
      covered += hl->interval.Contains(0.1) ? 1 : 0;
      ASSERT_NEAR(hl->level, level, 0.001);
    }
    EXPECT_NEAR(static_cast<double>(covered) / kSeeds, level, 0.015) << pairs;
  }
}

TEST(Simulation, AModeAgainstItselfIsRarelySignificant) {
  for (const int pairs : {6, 8, 12}) {
    int significant = 0;
    for (int seed = 0; seed < kSeeds; ++seed) {
      const auto d = LogRatios(Simulate(static_cast<std::uint64_t>(seed), pairs, 0, 0.05));
      significant += SignFlipTest(d)->p <= 0.05 ? 1 : 0;
    }
    EXPECT_LE(significant, kSeeds * 6 / 100) << pairs;
  }
}

TEST(Simulation, MinusTenPercentIsSignedRight) {
  const double effect = std::log(0.9);
  int right = 0;
  int significant = 0;
  int worse = 0;
  for (int seed = 0; seed < kSeeds; ++seed) {
    const Effect e =
        ComputeEffect(Simulate(static_cast<std::uint64_t>(seed), 8, effect, 0.05), 0.95, {});
    right += e.hl->estimate < 0 && e.treatment->estimate < 0 ? 1 : 0;
    significant += e.sign_flip->p <= 0.05 && e.hl->interval.high < 0 ? 1 : 0;
    worse += e.word == EffectWord::kWorse || e.word == EffectWord::kEquivalent ? 1 : 0;
  }
  EXPECT_GE(right, kSeeds * 95 / 100);
  EXPECT_GE(significant, kSeeds * 95 / 100);
  EXPECT_EQ(worse, 0);
}

TEST(Simulation, AModeAgainstItselfIsHardlyEverCalledBetterOrWorse) {
  int directed = 0;
  for (int seed = 0; seed < kSeeds; ++seed) {
    const auto pairs = Simulate(static_cast<std::uint64_t>(seed), 8, 0, 0.05);
    directed += Directed(ComputeEffect(pairs, 0.95, {}).word) ? 1 : 0;
  }
  EXPECT_LE(directed, kSeeds / 100);  // the margin keeps it far below alpha
}

TEST(Simulation, PowerAtTheDetectableEffectIsAsStated) {
  const double mde = MinDetectableEffect(0.05, 8);
  int found = 0;
  for (int seed = 0; seed < kSeeds; ++seed) {
    const auto d = LogRatios(Simulate(static_cast<std::uint64_t>(seed), 8, mde, 0.05));
    found += EstimateMean(d)->interval->low > 0 ? 1 : 0;
  }
  EXPECT_NEAR(static_cast<double>(found) / kSeeds, 0.80, 0.03);
}

TEST(Simulation, ADriftIsNotTakenForAnEffect) {
  // Every leg 3 % slower than the one before: 45 % over the experiment, nothing between the modes.
  int directed = 0;
  int covered = 0;
  int seen = 0;
  for (int seed = 0; seed < kSeeds; ++seed) {
    const Effect e =
        ComputeEffect(Simulate(static_cast<std::uint64_t>(seed), 8, 0, 0.02, 0.03), 0.95, {});
    directed += Directed(e.word) ? 1 : 0;
    covered += e.treatment->interval.Contains(0) ? 1 : 0;
    seen += e.period->p < 0.05 ? 1 : 0;
  }
  EXPECT_LE(directed, kSeeds / 100);
  EXPECT_NEAR(static_cast<double>(covered) / kSeeds, 0.95, 0.015);
  EXPECT_GE(seen, kSeeds * 90 / 100) << "and the period test sees it";
}

}  // namespace
}  // namespace kvtier
