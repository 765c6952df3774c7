#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "harness/core/reading.hpp"
#include "harness/judge/reason.hpp"
#include "harness/stats/paired.hpp"

namespace kvtier {

/// What the interval says about mode_b against mode_a, for a metric of which less is better.
enum class EffectWord {
  kBetter,       // 95 % interval wholly below -ln(1 + m)
  kWorse,        // 95 % interval wholly above +ln(1 + m)
  kEquivalent,   // 90 % interval wholly inside
  kNonInferior,  // 90 % interval ends below +ln(1 + m)
  kInconclusive,
};
/// "BETTER", "NON_INFERIOR", "EQUIVALENT", "WORSE", "INCONCLUSIVE"
std::string_view EffectWordName(EffectWord word);
std::optional<EffectWord> FindEffectWord(std::string_view name);
/// The rule of the table above for one pair of intervals; `margin` is ln(1 + m).
EffectWord WordFor(Interval ci95, Interval ci90, double margin);

enum class Grade { kA, kB, kC, kX };
std::string_view GradeName(Grade grade);
std::optional<Grade> FindGrade(std::string_view name);

/// One pair's figures for one metric.
struct PairValue {
  int pair_id = 0;
  bool a_first = true;           // order AB
  double a = 0, b = 0;           // > 0, in the metric's unit
  std::size_t n_a = 0, n_b = 0;  // requests behind them
};

struct EffectOptions {
  double margin_pct = 5;  // m, declared before the run
  double alpha = 0.05;
  std::size_t t_from_pairs = 12;  // from here the t interval decides
  std::size_t min_pairs = 6;      // below, an exact 95 % interval does not exist
  std::uint64_t seed = 1;         // of the sign-flip draws above 20 pairs
};

/// A further metric: reported with Holm's adjustment, decides nothing.
struct SecondaryEffect {
  std::string metric;
  std::string better;  // "lower", "higher"
  int pairs_used = 0;
  HodgesLehmann hl;
  double sign_flip_p = 1;
  double holm_p = 1;
};

/// Block `effect` of the verdict. Estimates are log-ratios ln(mode_b / mode_a); their _pct twins
/// 100 (exp - 1).
struct Effect {
  std::string primary_metric = "replay_ttfc_p95_ms";
  int pairs_used = 0;
  std::optional<HodgesLehmann> hl;
  std::optional<double> hl_low90, hl_high90;
  std::optional<SignFlip> sign_flip;
  std::optional<TEstimate>
      treatment;  // Hills-Armitage; the paired t where all pairs ran in one order
  std::optional<TEstimate> treatment90;
  std::optional<TEstimate> period;
  std::optional<TEstimate> carry_over;
  std::optional<Tost> tost;  // over the interval of the deciding method
  double margin_pct = 5;
  double alpha = 0.05;
  std::optional<double> mde;  // log-ratio found with 80 % power at this spread and number of pairs
  std::string protocol;
  EffectWord word = EffectWord::kInconclusive;
  Grade grade = Grade::kX;
  Findings findings;                 // what touches the word
  std::vector<std::string> reasons;  // all codes of the verdict
  std::vector<SecondaryEffect> secondary;

  /// False only where no pair gave both values.
  bool Computed() const { return pairs_used > 0; }
  /// The 95 % interval that decides: HL below t_from_pairs, t from there.
  std::optional<Interval> Deciding(std::size_t t_from_pairs = 12) const;
};

/// The interval of the period or the carry-over test, unavailable where it was read from a verdict
/// file of an earlier version, which kept the estimate and its p alone.
Reading<Interval> KeptInterval(const TEstimate& estimate);

struct SecondaryInput {
  std::string metric;
  std::string better;
  std::vector<PairValue> pairs;
};

/// `quantile` (0.95 for the primary metric) sets how many requests a leg needs; 0 switches that
/// rule off. Pairs with a value that is not positive are left out. The grade is the caller's
/// (phase70.hpp).
Effect ComputeEffect(const std::vector<PairValue>& pairs, double quantile,
                     const std::vector<SecondaryInput>& secondary,
                     const EffectOptions& options = {});

void to_json(nlohmann::json& j, const Effect& e);
void from_json(const nlohmann::json& j, Effect& e);

/// 100 (exp(x) - 1)
double LogRatioToPct(double x);

}  // namespace kvtier
