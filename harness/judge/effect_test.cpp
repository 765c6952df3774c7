#include "harness/judge/effect.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "harness/core/error.hpp"
#include "harness/core/rng.hpp"
#include "harness/judge/order.hpp"

namespace kvtier {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

const double kMargin = std::log(1.05);

std::vector<PairValue> Pairs(const std::vector<double>& log_ratios, std::size_t requests = 60) {
  std::vector<PairValue> out;
  for (std::size_t i = 0; i < log_ratios.size(); ++i) {
    out.push_back({static_cast<int>(i) + 1, i % 2 == 0, 100, 100 * std::exp(log_ratios[i]),
                   requests, requests});
  }
  return out;
}

std::vector<double> Draws(Rng& rng, std::size_t n, double mean, double sd) {
  std::vector<double> v(n);
  for (double& x : v) x = mean + sd * rng.Normal();
  return v;
}

TEST(EffectWord, TableOfTheRule) {
  EXPECT_EQ(WordFor({-0.30, -0.06}, {-0.28, -0.08}, kMargin), EffectWord::kBetter);
  EXPECT_EQ(WordFor({-0.30, -0.048}, {-0.28, -0.06}, kMargin),
            EffectWord::kNonInferior);  // touches the margin
  EXPECT_EQ(WordFor({0.05, 0.20}, {0.06, 0.19}, kMargin), EffectWord::kWorse);
  EXPECT_EQ(WordFor({-0.05, 0.05}, {-0.04, 0.04}, kMargin), EffectWord::kEquivalent);
  EXPECT_EQ(WordFor({-0.03, -0.01}, {-0.028, -0.012}, kMargin),
            EffectWord::kEquivalent);  // real, but below the margin
  EXPECT_EQ(WordFor({-0.20, 0.04}, {-0.18, 0.03}, kMargin), EffectWord::kNonInferior);
  EXPECT_EQ(WordFor({-0.20, 0.20}, {-0.18, 0.18}, kMargin), EffectWord::kInconclusive);
  EXPECT_EQ(WordFor({0.02, 0.20}, {0.03, 0.19}, kMargin),
            EffectWord::kInconclusive);  // harm, size unknown
  for (const char* name : {"BETTER", "NON_INFERIOR", "EQUIVALENT", "WORSE", "INCONCLUSIVE"}) {
    EXPECT_EQ(EffectWordName(*FindEffectWord(name)), name);
  }
  for (const char* name : {"A", "B", "C", "X"}) EXPECT_EQ(GradeName(*FindGrade(name)), name);
}

TEST(Effect, ClearImprovement) {
  const Effect e =
      ComputeEffect(Pairs({-0.50, -0.52, -0.49, -0.51, -0.53, -0.48, -0.50, -0.51}), 0.95, {});
  EXPECT_EQ(e.word, EffectWord::kBetter);
  EXPECT_THAT(e.findings, IsEmpty());
  EXPECT_EQ(e.pairs_used, 8);
  EXPECT_NEAR(e.hl->estimate, -0.505, 0.006);
  EXPECT_DOUBLE_EQ(e.sign_flip->p, 2.0 / 256);
  EXPECT_NEAR(e.treatment->estimate, -0.505, 0.006);
  EXPECT_FALSE(e.tost->equivalent);
  EXPECT_NEAR(e.Deciding()->HalfWidth(), 0.013, 0.006);
}

TEST(Effect, PairsThatRanInOneOrderStillHaveATInterval) {
  std::vector<PairValue> pairs = Pairs({0.2, 0.21, 0.19, 0.2, 0.22, 0.18, 0.2, 0.2});
  for (PairValue& p : pairs) p.a_first = true;
  const Effect e = ComputeEffect(pairs, 0.95, {});
  EXPECT_EQ(e.word, EffectWord::kWorse);
  EXPECT_TRUE(e.treatment.has_value());
  EXPECT_FALSE(e.period.has_value());
}

TEST(Effect, FiftyEightRequestsCannotDecideAP95) {
  const std::vector<double> d{-0.5, -0.5, -0.51, -0.49, -0.5, -0.52, -0.5, -0.5};
  EXPECT_EQ(ComputeEffect(Pairs(d, 59), 0.95, {}).word, EffectWord::kBetter);
  std::vector<PairValue> one_short = Pairs(d, 60);
  one_short[3].n_b = 58;
  const Effect e = ComputeEffect(one_short, 0.95, {});
  EXPECT_EQ(e.word, EffectWord::kInconclusive);
  ASSERT_THAT(Codes(e.findings), ElementsAre("QUANTILE_NOT_RESOLVABLE"));
  EXPECT_THAT(e.findings[0].detail, HasSubstr("n=58, needs 59"));
  EXPECT_TRUE(e.hl.has_value());  // the estimate is still shown
}

TEST(Effect, FivePairsCannotDecide) {
  const Effect e = ComputeEffect(Pairs({-0.5, -0.5, -0.51, -0.49, -0.5}), 0.95, {});
  EXPECT_EQ(e.word, EffectWord::kInconclusive);
  EXPECT_THAT(Codes(e.findings), ElementsAre("TOO_FEW_PAIRS"));
  EXPECT_FALSE(e.Deciding().has_value());
  EXPECT_EQ(ComputeEffect(Pairs({-0.5, -0.5, -0.51, -0.49, -0.5, -0.52}), 0.95, {}).word,
            EffectWord::kBetter);
}

TEST(Effect, NoPairsIsNoEffect) {
  const Effect e = ComputeEffect({}, 0.95, {});
  EXPECT_FALSE(e.Computed());
  EXPECT_EQ(e.word, EffectWord::kInconclusive);
  EXPECT_THAT(Codes(e.findings), ElementsAre("NO_EFFECT_COMPUTED"));
  std::vector<PairValue> broken = Pairs({0.1});
  broken[0].a = 0;
  EXPECT_FALSE(ComputeEffect(broken, 0.95, {}).Computed());
  nlohmann::json j = e;
  EXPECT_TRUE(j.at("hl").is_null());
  EXPECT_EQ(j.at("verdict"), "INCONCLUSIVE");
}

TEST(Effect, OneWildPairMakesTheMethodsDisagree) {
  // Hodges-Lehmann shrugs off the last pair, the t interval does not.
  std::vector<double> d{-0.30, -0.31, -0.29, -0.30, -0.32, -0.28, -0.30, -0.31, -0.29, -0.30, 2.5};
  const Effect below = ComputeEffect(Pairs(d), 0.95, {});
  EXPECT_EQ(below.word, EffectWord::kInconclusive);
  d.push_back(-0.3);
  EXPECT_EQ(ComputeEffect(Pairs(d), 0.95, {}).word, EffectWord::kInconclusive);
}

TEST(Effect, DirectionNeedsTheSignFlipTest) {
  // All of HL's interval lies above the margin, but the mean test is not significant at 5 %: never
  // WORSE.
  const Effect e = ComputeEffect(Pairs({0.06, 0.07, 0.06, 0.07, 0.06, 0.07}), 0.95, {});
  EXPECT_EQ(e.word, EffectWord::kWorse);  // p = 2/64
  EffectOptions strict;
  strict.alpha = 0.02;  // six pairs cannot reach it
  EXPECT_EQ(ComputeEffect(Pairs({0.06, 0.07, 0.06, 0.07, 0.06, 0.07}), 0.95, {}, strict).word,
            EffectWord::kInconclusive);
}

TEST(Effect, SecondariesCarryHolm) {
  const auto clear = Pairs({-0.5, -0.5, -0.51, -0.49, -0.5, -0.52, -0.5, -0.5});
  const auto none = Pairs({0.01, -0.01, 0.02, -0.02, 0.01, -0.01, 0.0, 0.0});
  const Effect e = ComputeEffect(
      clear, 0.95,
      {{"replay_ttfc_p50_ms", "lower", clear}, {"x", "higher", none}, {"empty", "lower", {}}});
  ASSERT_EQ(e.secondary.size(), 2u);
  EXPECT_DOUBLE_EQ(e.secondary[0].sign_flip_p, 2.0 / 256);
  EXPECT_DOUBLE_EQ(e.secondary[0].holm_p, 4.0 / 256);
  EXPECT_DOUBLE_EQ(e.secondary[1].holm_p, 1);
}

TEST(Effect, JsonHasTheSettledFieldsAndReadsBack) {
  Effect e = ComputeEffect(
      Pairs({-0.5, -0.5, -0.51, -0.49, -0.5, -0.52, -0.5, -0.5}), 0.95,
      {{"replay_ttfc_p50_ms", "lower", Pairs({-0.4, -0.41, -0.4, -0.4, -0.4, -0.39})}});
  e.grade = Grade::kB;
  e.reasons = {"FILTER_DISABLED"};
  const nlohmann::json j = e;
  std::vector<std::string> keys;
  for (const auto& [key, value] : j.items()) keys.push_back(key);
  EXPECT_THAT(keys, UnorderedElementsAre("schema_version", "primary_metric", "scale", "definition",
                                         "pairs_used", "hl", "sign_flip_p", "treatment", "period",
                                         "tost", "margin_pct", "alpha", "protocol", "verdict",
                                         "grade", "reasons", "secondary"));
  EXPECT_EQ(j.at("definition"), "ln(mode_b/mode_a)");
  EXPECT_NEAR(j.at("hl").at("estimate_pct").get<double>(), 100 * (std::exp(-0.5) - 1), 0.6);
  EXPECT_TRUE(j.at("period").contains("p"));
  EXPECT_EQ(nlohmann::json(j.get<Effect>()), j);
  nlohmann::json broken = j;
  broken["hl"].erase("low");
  EXPECT_THROW(broken.get<Effect>(), DataError);
  broken = j;
  broken["schema_version"] = 7;
  EXPECT_THROW(broken.get<Effect>(), DataError);
}

TEST(Effect, SameAgainstSameIsRarelyCalledAnEffect) {
  Rng rng(5);
  constexpr int kSeeds = 500;
  for (const double sd : {0.02, 0.10}) {
    int called = 0;
    for (int s = 0; s < kSeeds; ++s) {
      const EffectWord word = ComputeEffect(Pairs(Draws(rng, 8, 0, sd)), 0.95, {}).word;
      called += word == EffectWord::kBetter || word == EffectWord::kWorse ? 1 : 0;
    }
    EXPECT_LE(called, kSeeds * 6 / 100) << sd;
  }
}

TEST(Effect, TenPercentDelayIsCalledWorse) {
  Rng rng(6);
  constexpr int kSeeds = 200;
  for (const std::size_t pairs : {8u, 12u}) {
    int worse = 0;
    int better = 0;
    for (int s = 0; s < kSeeds; ++s) {
      const EffectWord word =
          ComputeEffect(Pairs(Draws(rng, pairs, std::log(1.10), 0.02)), 0.95, {}).word;
      worse += word == EffectWord::kWorse ? 1 : 0;
      better += word == EffectWord::kBetter || word == EffectWord::kEquivalent ? 1 : 0;
    }
    EXPECT_GE(worse, kSeeds * 95 / 100) << pairs;
    EXPECT_EQ(better, 0) << pairs;
  }
}

TEST(Effect, TightNullIsCalledEquivalent) {
  Rng rng(7);
  int equivalent = 0;
  for (int s = 0; s < 200; ++s) {
    equivalent +=
        ComputeEffect(Pairs(Draws(rng, 8, 0, 0.015)), 0.95, {}).word == EffectWord::kEquivalent ? 1
                                                                                                : 0;
  }
  EXPECT_GE(equivalent, 195);
}

// ---- order
// ------------------------------------------------------------------------------------------------------

TEST(Order, RandomIsBalancedInBlocksOfTwo) {
  for (const char* seed : {"20260212", "", "1", "another"}) {
    const auto plan = PlanOrder(12, OrderStrategy::kRandom, seed);
    ASSERT_EQ(plan.size(), 12u);
    for (std::size_t i = 0; i < plan.size(); i += 2)
      EXPECT_NE(plan[i], plan[i + 1]) << seed << " " << i;
    EXPECT_EQ(plan, PlanOrder(12, OrderStrategy::kRandom, seed));
  }
  EXPECT_EQ(PlanOrder(7, OrderStrategy::kRandom, "x").size(), 7u);
}

TEST(Order, RandomIsNeitherAlternatingNorBlockedInTime) {
  // The predecessor's default drew AB,AB,AB,BA,BA,BA; here no seed can.
  int ab_first = 0;
  for (int seed = 0; seed < 200; ++seed) {
    const auto plan = PlanOrder(6, OrderStrategy::kRandom, std::to_string(seed));
    EXPECT_EQ(std::count(plan.begin(), plan.begin() + 2, LegOrder::kAB), 1);
    ab_first += plan[0] == LegOrder::kAB ? 1 : 0;
  }
  EXPECT_GT(ab_first, 70);
  EXPECT_LT(ab_first, 130);
}

TEST(Order, AlternatingAndNames) {
  EXPECT_THAT(PlanOrder(3, OrderStrategy::kAlternating, "ignored"),
              ElementsAre(LegOrder::kAB, LegOrder::kBA, LegOrder::kAB));
  EXPECT_EQ(OrderLabel(LegOrder::kBA, TierMode::kB1, TierMode::kB2), "B2_B1");
  EXPECT_EQ(FindOrderStrategy("random"), OrderStrategy::kRandom);
  EXPECT_FALSE(FindOrderStrategy("shuffled").has_value());
}

TEST(Order, DescriptiveFlagsOfTheDocumentedVectors) {
  const auto flag = [](std::vector<double> ab, std::vector<double> ba) {
    return DescribeOrder("m", ab, ba, "B1_B2", "B2_B1");
  };
  EXPECT_DOUBLE_EQ(*flag({1, 2, 3}, {4, 5, 6}).relative_effect_size, 3);
  EXPECT_TRUE(*flag({1, 2, 3}, {4, 5, 6}).order_effect_flag);
  EXPECT_DOUBLE_EQ(*flag({1, 2, 3}, {1.5, 2.5, 3.5}).relative_effect_size, 0.5);
  EXPECT_FALSE(*flag({1, 2, 3}, {1.5, 2.5, 3.5}).order_effect_flag);
  EXPECT_TRUE(*flag({5}, {9}).order_effect_flag);
  EXPECT_FALSE(*flag({5}, {5.5}).order_effect_flag);
  EXPECT_TRUE(*flag({2, 2, 2}, {4, 4, 4}).order_effect_flag);
  EXPECT_FALSE(flag({2, 2, 2}, {4, 4, 4}).relative_effect_size.has_value());
  EXPECT_FALSE(flag({}, {1, 2}).order_effect_flag.has_value());
}

TEST(Order, StatsUseStudentsT) {
  const DeltaStats s = DeltaStatsOf({1, 2, 3, 4, 5, 6});
  EXPECT_EQ(s.n, 6);
  EXPECT_NEAR(*s.half_width, 1.9633, 1e-3);  // 2.5706 x 1.8708 / sqrt(6), not 1.96
  EXPECT_EQ(DeltaStatsOf({}).n, 0);
  EXPECT_TRUE(nlohmann::json(DeltaStatsOf({})).at("mean").is_null());
  EXPECT_EQ(nlohmann::json(nlohmann::json(s).get<DeltaStats>()), nlohmann::json(s));
}

}  // namespace
}  // namespace kvtier
