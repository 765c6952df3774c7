#include "harness/judge/pair_plan.hpp"

#include <cmath>
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "harness/core/error.hpp"
#include "harness/core/rng.hpp"
#include "harness/stats/power.hpp"

namespace kvtier {
namespace {

using ::testing::HasSubstr;

PairPlanInput Spread(double sd_pct, std::size_t pilot = 0) {
  PairPlanInput in;
  in.sd = PctToLogRatio(sd_pct);
  in.pilot_pairs = pilot;
  return in;
}

const PairPlanRow& Row(const PairPlan& plan, std::size_t pairs) {
  for (const PairPlanRow& row : plan.rows) {
    if (row.pairs == pairs) return row;
  }
  throw DataError("no such row");
}

TEST(PairPlan, SaysWhatEightPairsCanDetect) {
  const PairPlan plan = MakePairPlan(Spread(6));
  EXPECT_NEAR(Row(plan, 8).mde_pct, 7.0, 0.05);
  EXPECT_THAT(PairPlanText(plan),
              HasSubstr("with a spread of 6.0 % you can detect 7.0 % with 8 pairs"));
  EXPECT_FALSE(plan.sd_interval);
  EXPECT_FALSE(plan.detect.conservative) << "an assumed spread has no interval";
}

TEST(PairPlan, NeverPlansBelowTheFloorOfTheExactTestsNorAnOddNumber) {
  const PairPlan plan = MakePairPlan(Spread(0.5));
  EXPECT_EQ(plan.floor, 6U);
  EXPECT_LT(*plan.detect.by_t, 6U);
  EXPECT_EQ(plan.detect.pairs, 6U);
  EXPECT_FALSE(Row(plan, 4).can_decide);
  EXPECT_TRUE(nlohmann::json(plan)["table"][0]["better_power"].is_null());
  for (const auto& count : {plan.detect, plan.better, plan.equivalent})
    EXPECT_EQ(*count.pairs % 2, 0U);
}

TEST(RuleSays, WhatTheVerdictSays) {
  Rng rng(5);
  std::map<EffectWord, int> seen;
  for (int run = 0; run < 120; ++run) {
    const std::size_t pairs = 5 + static_cast<std::size_t>(run % 9);
    const double effect = 0.15 * (run % 5 - 2);
    std::vector<double> log_ratios;
    std::vector<PairValue> values;
    for (std::size_t i = 0; i < pairs; ++i) {
      log_ratios.push_back(effect + 0.04 * rng.Normal());
      values.push_back({.pair_id = static_cast<int>(i),
                        .a_first = i % 2 == 0,
                        .a = 1,
                        .b = std::exp(log_ratios.back())});
    }
    const EffectWord said = ComputeEffect(values, 0, {}).word;
    ++seen[said];
    for (const EffectWord word : {EffectWord::kBetter, EffectWord::kWorse, EffectWord::kEquivalent,
                                  EffectWord::kNonInferior})
      EXPECT_EQ(RuleSays(word, log_ratios, {}), said == word)
          << "run " << run << ": " << EffectWordName(said);
  }
  EXPECT_GE(seen.size(), 4U) << "the samples hold most of the words";
}

// At six pairs only six equal signs reject, so the t test's 80 % are 63 % there, and less where the
// t interval must agree.
TEST(PairPlan, AsksForMoreThanTheTTestWhereTheExactTestDecides) {
  PairPlanInput in = Spread(6);
  in.rule.margin_pct = 0;
  in.effect_pct = LogRatioToPct(1.44 * in.sd);
  const double power =
      RulePower(EffectWord::kBetter, -PctToLogRatio(in.effect_pct), in.sd, 6, in.rule, 2000, 3);
  EXPECT_LT(power, AllOneSignPower(1.44, 1, 6) + 0.03);
  EXPECT_GT(power, 0.5);
  const PairPlan plan = MakePairPlan(in);
  EXPECT_EQ(plan.detect.by_t, 6U);
  EXPECT_GT(*plan.detect.pairs, 6U);
}

TEST(PairPlan, AnEffectWithinTheMarginIsNeverBetter) {
  PairPlanInput in = Spread(6);
  in.effect_pct = 4;
  const PairPlan plan = MakePairPlan(in);
  EXPECT_FALSE(plan.better.by_t);
  EXPECT_FALSE(plan.better.pairs);
  EXPECT_TRUE(plan.detect.pairs);
  EXPECT_THAT(PairPlanText(plan), HasSubstr("no number of pairs is enough"));
}

TEST(PairPlan, EquivalenceNeedsTheTabulatedPairs) {
  PairPlanInput in = Spread(6);
  in.rule.margin_pct = LogRatioToPct(in.sd);  // D / sd = 1: 11 by the table, 12 when even
  const PairPlan plan = MakePairPlan(in);
  EXPECT_EQ(plan.equivalent.by_t, 11U);
  EXPECT_GE(*plan.equivalent.pairs, 12U);
  EXPECT_LE(*plan.equivalent.pairs, 14U) << "the exact interval must agree";
}

TEST(PairPlan, APilotPlansFromTheUpperEndOfItsSpreadToo) {
  const PairPlan plan = MakePairPlan(Spread(6, 6));
  ASSERT_TRUE(plan.sd_interval);
  EXPECT_NEAR(plan.sd_interval->high / plan.input.sd, 2.4526, 1e-3);
  EXPECT_GT(*plan.better.conservative, *plan.better.pairs);
  EXPECT_THAT(PairPlanText(plan), HasSubstr("if the spread is at its upper end"));
}

TEST(PairPlan, RefusesWhatCannotBePlannedAndNamesIt) {
  const auto error = [](auto change) {
    PairPlanInput in = Spread(6);
    change(in);
    try {
      MakePairPlan(in);
    } catch (const ConfigError& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  EXPECT_THAT(error([](auto& in) { in.sd = 0; }), HasSubstr("spread"));
  EXPECT_THAT(error([](auto& in) { in.sd = std::nan(""); }), HasSubstr("spread"));
  EXPECT_THAT(error([](auto& in) { in.effect_pct = 0; }), HasSubstr("--effect-pct"));
  EXPECT_THAT(error([](auto& in) { in.power = 1; }), HasSubstr("--power"));
  EXPECT_THAT(error([](auto& in) { in.rule.alpha = 0; }), HasSubstr("--alpha"));
  EXPECT_THAT(error([](auto& in) { in.rule.margin_pct = -1; }), HasSubstr("--margin-pct"));
}

}  // namespace
}  // namespace kvtier
