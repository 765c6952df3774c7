#include "harness/judge/pair_plan.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "harness/core/error.hpp"
#include "harness/core/rng.hpp"
#include "harness/judge/json_fields.hpp"
#include "harness/stats/paired.hpp"
#include "harness/stats/power.hpp"

namespace kvtier {
namespace {

using nlohmann::json;

// Standard error of a simulated power of 0.8: 2 percent points.
constexpr int kDraws = 400;
constexpr std::uint64_t kSeed = 20260212;
constexpr std::size_t kMost = 10'000;
// Beyond, enumerating the signs of every draw takes seconds, and the t power is close.
constexpr std::size_t kSimulatedUpTo = 16;
constexpr std::array<std::size_t, 9> kRows{4, 6, 8, 10, 12, 16, 20, 24, 32};

double Margin(const EffectOptions& rule) {
  return PctToLogRatio(rule.margin_pct);
}

void Require(bool holds, const char* what, double value, const char* allowed) {
  if (!holds) throw ConfigError(fmt::format("{} is {:g}, allowed is {}", what, value, allowed));
}

void Check(const PairPlanInput& in) {
  Require(std::isfinite(in.sd) && in.sd > 0 && in.sd < 5, "the spread of the log-ratios", in.sd,
          "above 0 and below 5; a pilot without any spread plans nothing");
  Require(std::isfinite(in.effect_pct) && in.effect_pct > 0 && in.effect_pct <= 10'000,
          "--effect-pct", in.effect_pct, "above 0 up to 10000");
  Require(
      std::isfinite(in.rule.margin_pct) && in.rule.margin_pct >= 0 && in.rule.margin_pct <= 1000,
      "--margin-pct", in.rule.margin_pct, "0 to 1000");
  Require(in.power > 0.5 && in.power < 0.9999, "--power", in.power, "above 0.5 and below 0.9999");
  Require(in.rule.alpha >= 1e-4 && in.rule.alpha < 0.5, "--alpha", in.rule.alpha,
          "0.0001 up to 0.5");
}

std::size_t Even(std::size_t n) {
  return n + n % 2;
}

/// The t count, raised to what the rule needs: its exact tests, and that both methods agree.
std::optional<std::size_t> RaisedToRule(std::optional<std::size_t> by_t, std::size_t floor,
                                        const PairPlanInput& in,
                                        const std::function<double(std::size_t)>& rule_power) {
  if (!by_t) return std::nullopt;
  std::size_t n = Even(std::max(*by_t, floor));
  while (n <= kSimulatedUpTo && rule_power(n) < in.power) n += 2;
  return n;
}

struct Question {
  std::function<std::optional<std::size_t>(double sd)> by_t;
  std::function<double(double sd, std::size_t n)> by_rule;
};

PairCount Answer(const Question& q, const PairPlan& plan) {
  const PairPlanInput& in = plan.input;
  const auto at = [&](double sd) {
    return RaisedToRule(q.by_t(sd), plan.floor, in,
                        [&](std::size_t n) { return q.by_rule(sd, n); });
  };
  PairCount count;
  count.by_t = q.by_t(in.sd);
  count.pairs = at(in.sd);
  if (plan.sd_interval) count.conservative = at(plan.sd_interval->high);
  return count;
}

PairPlanRow RowAt(const PairPlanInput& in, std::size_t n, std::size_t floor) {
  const double effect = PctToLogRatio(in.effect_pct), margin = Margin(in.rule);
  PairPlanRow row;
  row.pairs = n;
  row.can_decide = n >= floor;
  row.mde_pct = LogRatioToPct(MinDetectableEffect(in.sd, n, in.rule.alpha, in.power));
  row.t_power = PairedTPower(effect, in.sd, n, in.rule.alpha);
  if (!row.can_decide) return row;
  if (n <= kSimulatedUpTo) {
    row.better_power = RulePower(EffectWord::kBetter, -effect, in.sd, n, in.rule, kDraws, kSeed);
    row.equivalent_power = RulePower(EffectWord::kEquivalent, 0, in.sd, n, in.rule, kDraws, kSeed);
  } else {
    row.better_power = effect > margin ? PairedTPower(effect - margin, in.sd, n, in.rule.alpha) : 0;
    row.equivalent_power = EquivalencePower(margin, in.sd, n, in.rule.alpha);
  }
  return row;
}

json CountJson(const PairCount& c) {
  return {{"by_t", OptionalJson(c.by_t)},
          {"pairs", OptionalJson(c.pairs)},
          {"conservative", OptionalJson(c.conservative)}};
}

std::string CountText(const std::optional<std::size_t>& n) {
  return n ? std::to_string(*n) : fmt::format("more than {}", kMost);
}

std::string AnswerText(const char* question, const PairCount& c) {
  if (!c.pairs) return fmt::format("  {:<58} no number of pairs is enough\n", question);
  std::string text = fmt::format("  {:<58} {} pairs", question, *c.pairs);
  if (c.conservative && c.conservative != c.pairs)
    text += fmt::format(", {} if the spread is at its upper end", CountText(c.conservative));
  return text + "\n";
}

}  // namespace

double RulePower(EffectWord word, double effect, double sd, std::size_t pairs,
                 const EffectOptions& rule, int draws, std::uint64_t seed) {
  Rng rng(seed);
  int said = 0;
  std::vector<double> log_ratios(pairs);
  for (int draw = 0; draw < draws; ++draw) {
    for (double& r : log_ratios) r = effect + sd * rng.Normal();
    said += RuleSays(word, log_ratios, rule) ? 1 : 0;
  }
  return static_cast<double>(said) / draws;
}

bool RuleSays(EffectWord word, std::span<const double> log_ratios, const EffectOptions& rule) {
  if (log_ratios.size() < rule.min_pairs) return false;
  const double margin = Margin(rule);
  std::vector<double> ab, ba;
  for (std::size_t i = 0; i < log_ratios.size(); ++i)
    (i % 2 == 0 ? ab : ba).push_back(log_ratios[i]);
  const auto cross = AnalyzeCrossOver(ab, ba, {}, {}, 1 - rule.alpha);
  const auto cross90 = AnalyzeCrossOver(ab, ba, {}, {}, 1 - 2 * rule.alpha);
  if (!cross || WordFor(cross->treatment.interval, cross90->treatment.interval, margin) != word)
    return false;
  const auto hl = EstimateHodgesLehmann(log_ratios, 1 - rule.alpha);
  const auto hl90 = EstimateHodgesLehmann(log_ratios, 1 - 2 * rule.alpha);
  if (!hl->reaches || !hl90->reaches || WordFor(hl->interval, hl90->interval, margin) != word)
    return false;
  const bool directed = word == EffectWord::kBetter || word == EffectWord::kWorse;
  return !directed || SignFlipTest(log_ratios, rule.seed)->p <= rule.alpha;
}

PairPlan MakePairPlan(const PairPlanInput& input) {
  Check(input);
  PairPlan plan;
  plan.input = input;
  plan.floor = std::max(SignFlipFloor(input.rule.alpha), input.rule.min_pairs);
  if (input.pilot_pairs >= 2) plan.sd_interval = SdInterval(input.sd, input.pilot_pairs);
  const double effect = PctToLogRatio(input.effect_pct), margin = Margin(input.rule);
  const double alpha = input.rule.alpha;
  EffectOptions no_margin = input.rule;
  no_margin.margin_pct = 0;
  const auto simulated = [](EffectWord word, double truth, const EffectOptions& rule) {
    return [=](double sd, std::size_t n) {
      return RulePower(word, truth, sd, n, rule, kDraws, kSeed);
    };
  };
  plan.detect =
      Answer({[&](double sd) { return PairsForEffect(effect, sd, alpha, input.power, kMost); },
              simulated(EffectWord::kBetter, -effect, no_margin)},
             plan);
  plan.better = Answer({[&](double sd) {
                          return effect > margin ? PairsForEffect(effect - margin, sd, alpha,
                                                                  input.power, kMost)
                                                 : std::nullopt;
                        },
                        simulated(EffectWord::kBetter, -effect, input.rule)},
                       plan);
  plan.equivalent =
      Answer({[&](double sd) { return PairsForEquivalence(margin, sd, alpha, input.power, kMost); },
              simulated(EffectWord::kEquivalent, 0, input.rule)},
             plan);
  for (const std::size_t n : kRows) plan.rows.push_back(RowAt(input, n, plan.floor));
  return plan;
}

void to_json(json& j, const PairPlan& p) {
  json rows = json::array();
  for (const PairPlanRow& r : p.rows) {
    rows.push_back({{"pairs", r.pairs},
                    {"can_decide", r.can_decide},
                    {"mde_pct", r.mde_pct},
                    {"t_power", r.t_power},
                    {"better_power", r.can_decide ? json(r.better_power) : json()},
                    {"equivalent_power", r.can_decide ? json(r.equivalent_power) : json()}});
  }
  json interval;
  if (p.sd_interval) {
    interval = {{"low_pct", LogRatioToPct(p.sd_interval->low)},
                {"high_pct", LogRatioToPct(p.sd_interval->high)},
                {"level", 0.95}};
  }
  j = {{"sd_log_ratio", p.input.sd},
       {"sd_pct", LogRatioToPct(p.input.sd)},
       {"sd_interval", interval},
       {"pilot_pairs", p.input.pilot_pairs},
       {"effect_pct", p.input.effect_pct},
       {"margin_pct", p.input.rule.margin_pct},
       {"power", p.input.power},
       {"alpha", p.input.rule.alpha},
       {"floor_pairs", p.floor},
       {"pairs",
        {{"detect", CountJson(p.detect)},
         {"better", CountJson(p.better)},
         {"equivalent", CountJson(p.equivalent)}}},
       {"table", rows},
       {"method",
        {{"t_power", "noncentral t, exact"},
         {"rule_power", "simulated experiments judged by the verdict's own rule"},
         {"draws", kDraws},
         {"seed", kSeed}}}};
}

std::string PairPlanText(const PairPlan& p) {
  const PairPlanInput& in = p.input;
  std::string text = fmt::format("spread within a pair: {:.1f} %", LogRatioToPct(in.sd));
  if (p.sd_interval) {
    text += fmt::format(" from {} pairs (95 % interval {:.1f} % to {:.1f} %)", in.pilot_pairs,
                        LogRatioToPct(p.sd_interval->low), LogRatioToPct(p.sd_interval->high));
  } else {
    text += in.pilot_pairs == 0 ? " (assumed)" : "";
  }
  text += fmt::format(
      "\npower {:g} %, alpha {:g} %, margin {:g} %; a change of p % is a factor of 1 + p/100 "
      "either way\n\n"
      "  pairs   can detect   {:>8}   says BETTER   says EQUIVALENT\n"
      "                         (t test)   {:>11}   at no difference\n",
      in.power * 100, in.rule.alpha * 100, in.rule.margin_pct,
      fmt::format("finds {:g} %", in.effect_pct), fmt::format("at {:g} %", in.effect_pct));
  for (const PairPlanRow& r : p.rows) {
    text += fmt::format("  {:>5}   {:>8.1f} %   {:>8.0f} %", r.pairs, r.mde_pct, r.t_power * 100);
    text += r.can_decide ? fmt::format("   {:>9.0f} %   {:>13.0f} %\n", r.better_power * 100,
                                       r.equivalent_power * 100)
                         : fmt::format("   too few for any exact test ({} are needed)\n", p.floor);
  }
  const auto eight =
      std::find_if(p.rows.begin(), p.rows.end(), [](const auto& r) { return r.pairs == 8; });
  text += fmt::format("\nwith a spread of {:.1f} % you can detect {:.1f} % with 8 pairs\n\n",
                      LogRatioToPct(in.sd), eight->mde_pct);
  text += AnswerText(fmt::format("to see that {:g} % differ from nothing", in.effect_pct).c_str(),
                     p.detect);
  text += AnswerText(fmt::format("to call {:g} % BETTER or WORSE, beyond {:g} %", in.effect_pct,
                                 in.rule.margin_pct)
                         .c_str(),
                     p.better);
  text += AnswerText(
      fmt::format("to call no difference EQUIVALENT within {:g} %", in.rule.margin_pct).c_str(),
      p.equivalent);
  return text;
}

}  // namespace kvtier
