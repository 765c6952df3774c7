#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "harness/judge/effect.hpp"

/// How many pairs a paired experiment needs, before it is run.
namespace kvtier {

struct PairPlanInput {
  double sd = 0;                // of the log-ratio within a pair
  std::size_t pilot_pairs = 0;  // behind `sd`; 0: assumed
  double effect_pct = 10;       // that must be found, as a factor of 1 + pct / 100 either way
  double power = 0.8;
  EffectOptions rule;  // margin and alpha
};

/// Whether the verdict's rule gives this word (not INCONCLUSIVE, where ComputeEffect must be
/// asked): both methods do. Pairs alternate between the orders. Without what a verdict also
/// reports, so that thousands of experiments can be simulated.
bool RuleSays(EffectWord word, std::span<const double> log_ratios, const EffectOptions& rule);

/// How often it does, by simulating whole experiments of normal log-ratios. `effect` is the true
/// one, below 0 for a B that is faster. Standard error sqrt(p (1 - p) / draws).
double RulePower(EffectWord word, double effect, double sd, std::size_t pairs,
                 const EffectOptions& rule, int draws, std::uint64_t seed);

/// What one number of pairs can do at the spread.
struct PairPlanRow {
  std::size_t pairs = 0;
  bool can_decide = false;      // from the floor of the exact tests on
  double mde_pct = 0;           // found with the power asked for by the t test, as a factor
  double t_power = 0;           // that the t interval excludes no effect
  double better_power = 0;      // that the rule says BETTER; simulated up to 16 pairs, else t
  double equivalent_power = 0;  // that it says EQUIVALENT when there is no difference; likewise
};

/// Pairs for one question. Empty: no number up to 10,000 is enough.
struct PairCount {
  std::optional<std::size_t> by_t;  // the t test alone
  /// Even, at least the floor of the exact tests, and enough for the verdict's rule (by simulation,
  /// up to 16 pairs).
  std::optional<std::size_t> pairs;
  /// The same at the upper end of the spread's 95 % interval; of an assumed spread empty.
  std::optional<std::size_t> conservative;
};

struct PairPlan {
  PairPlanInput input;
  std::optional<Interval> sd_interval;  // of a pilot with at least 2 pairs
  std::size_t floor = 6;                // below, no exact test can reject at alpha
  PairCount detect;                     // the interval excludes no effect
  PairCount better;                     // it lies wholly beyond the margin
  PairCount equivalent;                 // EQUIVALENT when there is no difference
  std::vector<PairPlanRow> rows;
};
/// Throws ConfigError for a spread, effect, margin, power or alpha out of range, naming it.
PairPlan MakePairPlan(const PairPlanInput& input);

/// Without schema_version and what the caller knows of time and bytes.
void to_json(nlohmann::json& j, const PairPlan& plan);
/// The table and the three answers, for people.
std::string PairPlanText(const PairPlan& plan);

}  // namespace kvtier
