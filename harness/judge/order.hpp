#pragma once
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "harness/core/tier.hpp"
#include "harness/stats/paired.hpp"
#include "harness/stats/summary.hpp"

namespace kvtier {

/// Which leg of a pair runs first.
enum class LegOrder { kAB, kBA };

enum class OrderStrategy {
  kRandom,  // balanced blocks of two pairs, one AB and one BA each, the order inside a block drawn
            // from the seed
  kAlternating,  // AB, BA, AB, ...
};
/// "random", "alternating"
std::string_view OrderStrategyName(OrderStrategy strategy);
std::optional<OrderStrategy> FindOrderStrategy(std::string_view name);

/// One order a pair. The seed is a text, as documented for BENCH_PHASE70_ORDER_SEED ("20260212").
/// An odd last pair of a random schedule is AB or BA by a draw.
std::vector<LegOrder> PlanOrder(int pairs, OrderStrategy strategy, std::string_view seed);
/// "B1_B2", "B2_B1": pair_order in the artifacts. A mode against itself: "A_A'", "A'_A".
std::string OrderLabel(LegOrder order, TierMode mode_a, TierMode mode_b);

/// The arms of one block of three legs in their order: 0 = mode_a, 1 = mode_b, 2 = mode_c.
using ArmSequence = std::vector<int>;

/// One sequence a block of three arms: the six sequences of Williams's design (1949), in which each
/// arm stands twice at each place and follows each other arm twice. Random: drawn from the seed so
/// that each three blocks hold every arm once at each place and each six blocks the whole design;
/// alternating: the design in its own order. Six blocks are balanced, twelve are two such rounds.
std::vector<ArmSequence> PlanBlocks(int blocks, OrderStrategy strategy, std::string_view seed);
/// "B1_B2_B0"
std::string SequenceLabel(const ArmSequence& sequence, const std::vector<TierMode>& modes);
/// Which of two arms a block runs first.
LegOrder OrderWithin(const ArmSequence& sequence, int arm_a, int arm_b);

/// Documented stats of deltas. The approx_ci95 fields hold Student's t interval.
struct DeltaStats {
  int n = 0;
  std::optional<double> mean, stddev, min, max, half_width, low, high;
};
DeltaStats DeltaStatsOf(const std::vector<double>& values);
void to_json(nlohmann::json& j, const DeltaStats& s);
void from_json(const nlohmann::json& j, DeltaStats& s);

/// One metric of the order check: the documented descriptive fields, whose flag no longer decides
/// anything.
struct OrderMetric {
  std::string metric;
  std::string order_ab_label, order_ba_label;
  DeltaStats order_ab, order_ba, all_pairs;
  std::optional<double> difference_of_means, relative_effect_size;
  std::optional<bool> order_effect_flag;
  std::string order_effect_note;
};
OrderMetric DescribeOrder(std::string metric, const std::vector<double>& ab,
                          const std::vector<double>& ba, std::string ab_label,
                          std::string ba_label);

/// order_check JSON (spec: artifacts E5) plus the check of record.
struct OrderCheck {
  std::string created_utc;
  int replay_concurrency = 0;
  int pair_count = 0;  // complete pairs
  TierMode mode_a = TierMode::kB1, mode_b = TierMode::kB2;
  std::string order_ab_label, order_ba_label;
  std::map<std::string, OrderMetric> metrics;
  std::map<std::string, DeltaStats> delta_rollups;
  /// Hills-Armitage on the log-ratios of the primary metric; empty with too few pairs on a side.
  std::optional<CrossOver> hills_armitage;
  bool order_dependent = false;  // period p < 0.05
  std::string recommendation;
};
void to_json(nlohmann::json& j, const OrderCheck& c);
void from_json(const nlohmann::json& j, OrderCheck& c);

}  // namespace kvtier
