#include "harness/judge/order.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "harness/core/error.hpp"
#include "harness/core/rng.hpp"
#include "harness/judge/json_fields.hpp"

namespace kvtier {
namespace {

using nlohmann::json;

std::uint64_t SeedOf(std::string_view text) {
  return Rng::Stream(0, text).Next();  // any text is a seed; equal texts give equal schedules
}

}  // namespace

std::string_view OrderStrategyName(OrderStrategy strategy) {
  return strategy == OrderStrategy::kRandom ? "random" : "alternating";
}

std::optional<OrderStrategy> FindOrderStrategy(std::string_view name) {
  if (name == "random") return OrderStrategy::kRandom;
  if (name == "alternating") return OrderStrategy::kAlternating;
  return std::nullopt;
}

std::vector<LegOrder> PlanOrder(int pairs, OrderStrategy strategy, std::string_view seed) {
  std::vector<LegOrder> plan;
  if (strategy == OrderStrategy::kAlternating) {
    for (int i = 0; i < pairs; ++i) plan.push_back(i % 2 == 0 ? LegOrder::kAB : LegOrder::kBA);
    return plan;
  }
  Rng rng = Rng::Stream(SeedOf(seed), "leg order");
  for (int i = 0; i < pairs; i += 2) {
    std::array<LegOrder, 2> block{LegOrder::kAB, LegOrder::kBA};
    rng.Shuffle(block);
    plan.push_back(block[0]);
    if (i + 1 < pairs) plan.push_back(block[1]);
  }
  return plan;
}

std::string OrderLabel(LegOrder order, TierMode mode_a, TierMode mode_b) {
  const bool ab = order == LegOrder::kAB;
  if (mode_a == mode_b) return ab ? "A_A'" : "A'_A";
  return fmt::format("{}_{}", TierName(ab ? mode_a : mode_b), TierName(ab ? mode_b : mode_a));
}

std::vector<ArmSequence> PlanBlocks(int blocks, OrderStrategy strategy, std::string_view seed) {
  // Two Latin squares, the second the mirror of the first.
  const std::array<std::array<ArmSequence, 3>, 2> design{
      {{{{0, 1, 2}, {1, 2, 0}, {2, 0, 1}}}, {{{2, 1, 0}, {0, 2, 1}, {1, 0, 2}}}}};
  Rng rng = Rng::Stream(SeedOf(seed), "block order");
  std::vector<ArmSequence> plan;
  while (static_cast<int>(plan.size()) < blocks) {
    auto round = design;
    if (strategy == OrderStrategy::kRandom) {
      rng.Shuffle(round);
      for (auto& square : round) rng.Shuffle(square);
    }
    for (const auto& square : round) plan.insert(plan.end(), square.begin(), square.end());
  }
  plan.resize(static_cast<std::size_t>(std::max(0, blocks)));
  return plan;
}

std::string SequenceLabel(const ArmSequence& sequence, const std::vector<TierMode>& modes) {
  std::string label;
  for (const int arm : sequence) {
    if (!label.empty()) label += "_";
    label += TierName(modes.at(static_cast<std::size_t>(arm)));
  }
  return label;
}

LegOrder OrderWithin(const ArmSequence& sequence, int arm_a, int arm_b) {
  const auto place = [&](int arm) { return std::find(sequence.begin(), sequence.end(), arm); };
  return place(arm_a) < place(arm_b) ? LegOrder::kAB : LegOrder::kBA;
}

DeltaStats DeltaStatsOf(const std::vector<double>& values) {
  DeltaStats s;
  const auto e = EstimateMean(values);
  if (!e) return s;
  s.n = static_cast<int>(e->n);
  s.mean = e->mean;
  s.stddev = e->sd;
  s.min = e->min;
  s.max = e->max;
  s.half_width = e->HalfWidth();
  if (e->interval) {
    s.low = e->interval->low;
    s.high = e->interval->high;
  }
  return s;
}

void to_json(nlohmann::json& j, const DeltaStats& s) {
  j = {{"n", s.n},
       {"mean", OptionalJson(s.mean)},
       {"stddev", OptionalJson(s.stddev)},
       {"min", OptionalJson(s.min)},
       {"max", OptionalJson(s.max)},
       {"approx_ci95_half_width", OptionalJson(s.half_width)},
       {"approx_ci95_low", OptionalJson(s.low)},
       {"approx_ci95_high", OptionalJson(s.high)}};
}

void from_json(const nlohmann::json& j, DeltaStats& s) {
  s.n = j.at("n").get<int>();
  s.mean = OptionalAt<double>(j, "mean");
  s.stddev = OptionalAt<double>(j, "stddev");
  s.min = OptionalAt<double>(j, "min");
  s.max = OptionalAt<double>(j, "max");
  s.half_width = OptionalAt<double>(j, "approx_ci95_half_width");
  s.low = OptionalAt<double>(j, "approx_ci95_low");
  s.high = OptionalAt<double>(j, "approx_ci95_high");
}

OrderMetric DescribeOrder(std::string metric, const std::vector<double>& ab,
                          const std::vector<double>& ba, std::string ab_label,
                          std::string ba_label) {
  OrderMetric m;
  m.metric = std::move(metric);
  m.order_ab_label = std::move(ab_label);
  m.order_ba_label = std::move(ba_label);
  m.order_ab = DeltaStatsOf(ab);
  m.order_ba = DeltaStatsOf(ba);
  std::vector<double> all = ab;
  all.insert(all.end(), ba.begin(), ba.end());
  m.all_pairs = DeltaStatsOf(all);
  if (!m.order_ab.mean || !m.order_ba.mean) {
    m.order_effect_note = "Insufficient AB/BA data: one order has no pair.";
    return m;
  }
  const double difference = *m.order_ab.mean - *m.order_ba.mean;
  m.difference_of_means = difference;
  if (m.order_ab.stddev && m.order_ba.stddev) {
    const double pooled = std::sqrt(
        (*m.order_ab.stddev * *m.order_ab.stddev + *m.order_ba.stddev * *m.order_ba.stddev) / 2);
    if (pooled > 0) {
      m.relative_effect_size = std::abs(difference) / pooled;
      m.order_effect_flag = *m.relative_effect_size >= 1.0;
      m.order_effect_note =
          "Descriptive: difference of means over the pooled deviation. The Hills-Armitage test "
          "decides.";
      return m;
    }
  }
  const double threshold =
      std::max({1.0, m.all_pairs.stddev.value_or(0), 0.2 * std::abs(*m.all_pairs.mean)});
  m.order_effect_flag = std::abs(difference) > threshold;
  m.order_effect_note =
      "Descriptive: no spread inside the orders, compared with a fixed threshold. The "
      "Hills-Armitage test decides.";
  return m;
}

void to_json(nlohmann::json& j, const OrderCheck& c) {
  json metrics = json::object();
  for (const auto& [name, m] : c.metrics) {
    metrics[name] = {{"metric", m.metric},
                     {"order_ab_label", m.order_ab_label},
                     {"order_ba_label", m.order_ba_label},
                     {"order_ab", m.order_ab},
                     {"order_ba", m.order_ba},
                     {"all_pairs", m.all_pairs},
                     {"difference_of_means", OptionalJson(m.difference_of_means)},
                     {"relative_effect_size", OptionalJson(m.relative_effect_size)},
                     {"order_effect_flag", OptionalJson(m.order_effect_flag)},
                     {"order_effect_note", m.order_effect_note}};
  }
  json record;
  if (c.hills_armitage) {
    const CrossOver& h = *c.hills_armitage;
    record = {{"n_ab", h.n_ab},
              {"n_ba", h.n_ba},
              {"scale", "log_ratio"},
              {"treatment", EstimateJson(h.treatment)},
              {"period", EstimateJson(h.period)},
              {"carry_over", h.carry_over ? EstimateJson(*h.carry_over) : json()}};
  }
  j = {{"schema_version", 1},
       {"created_utc", c.created_utc},
       {"meta", {{"replay_concurrency", c.replay_concurrency}}},
       {"pair_count", c.pair_count},
       {"mode_a", TierName(c.mode_a)},
       {"mode_b", TierName(c.mode_b)},
       {"order_labels", {{"order_ab", c.order_ab_label}, {"order_ba", c.order_ba_label}}},
       {"delta_definition", "mode_b_minus_mode_a"},
       {"note",
        "The Hills-Armitage period test is the check of record; the flags of single metrics are "
        "descriptive."},
       {"metrics", metrics},
       {"hills_armitage", record},
       {"order_effect_summary",
        {{"order_dependent", c.order_dependent}, {"recommendation", c.recommendation}}},
       {"delta_rollups", c.delta_rollups}};
}

void from_json(const nlohmann::json& j, OrderCheck& c) {
  RequireSchema(j, "order_check");
  c.created_utc = At<std::string>(j, "created_utc");
  c.replay_concurrency = At<int>(At(j, "meta"), "replay_concurrency");
  c.pair_count = At<int>(j, "pair_count");
  c.mode_a = TierAt(j, "mode_a");
  c.mode_b = TierAt(j, "mode_b");
  c.order_ab_label = At<std::string>(At(j, "order_labels"), "order_ab");
  c.order_ba_label = At<std::string>(At(j, "order_labels"), "order_ba");
  c.metrics.clear();
  for (const auto& [name, m] : At(j, "metrics").items()) {
    OrderMetric metric;
    metric.metric = At<std::string>(m, "metric");
    metric.order_ab_label = At<std::string>(m, "order_ab_label");
    metric.order_ba_label = At<std::string>(m, "order_ba_label");
    metric.order_ab = At<DeltaStats>(m, "order_ab");
    metric.order_ba = At<DeltaStats>(m, "order_ba");
    metric.all_pairs = At<DeltaStats>(m, "all_pairs");
    metric.difference_of_means = OptionalAt<double>(m, "difference_of_means");
    metric.relative_effect_size = OptionalAt<double>(m, "relative_effect_size");
    metric.order_effect_flag = OptionalAt<bool>(m, "order_effect_flag");
    metric.order_effect_note = At<std::string>(m, "order_effect_note");
    c.metrics.emplace(name, std::move(metric));
  }
  c.hills_armitage.reset();
  if (const json& h = At(j, "hills_armitage"); !h.is_null()) {
    CrossOver cross;
    cross.n_ab = At<std::size_t>(h, "n_ab");
    cross.n_ba = At<std::size_t>(h, "n_ba");
    cross.treatment = EstimateFrom(At(h, "treatment"));
    cross.period = EstimateFrom(At(h, "period"));
    if (!At(h, "carry_over").is_null()) cross.carry_over = EstimateFrom(At(h, "carry_over"));
    c.hills_armitage = cross;
  }
  c.order_dependent = At<bool>(At(j, "order_effect_summary"), "order_dependent");
  c.recommendation = At<std::string>(At(j, "order_effect_summary"), "recommendation");
  c.delta_rollups = At<std::map<std::string, DeltaStats>>(j, "delta_rollups");
}

}  // namespace kvtier
