#pragma once
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace kvtier {

/// A closed interval in the unit of whatever it is about.
struct Interval {
  double low = 0;
  double high = 0;
  double HalfWidth() const { return (high - low) / 2; }
  bool Contains(double x) const { return low <= x && x <= high; }
};

/// Type-7 quantile (linear interpolation at rank (n-1)q, the default of numpy and R) of an
/// ascending, non-empty sample.
double SortedQuantile(std::span<const double> ascending, double q);

/// Least sample size at which a two-sided distribution-free interval of this level exists for
/// quantile q: 1 - q^n - (1-q)^n >= level. At 95 %: 6 for the median, 59 for p95, 299 for p99.
std::size_t MinSamplesForQuantile(double q, double level = 0.95);

/// A quantile with what is known about its precision.
struct QuantileEstimate {
  double q = 0;
  std::size_t n = 0;
  double value = 0;
  /// Order-statistic (binomial) interval, the narrowest in ranks that reaches the level; empty when
  /// none exists.
  std::optional<Interval> interval = std::nullopt;
  double level = 0;  // coverage reached by `interval`; 0 without one
  /// An interval exists. Decisions refuse a quantile that is not resolvable; the figure itself is
  /// still shown.
  bool resolvable() const { return interval.has_value(); }
};

/// Empty for an empty sample. `sample` needs no order.
std::optional<QuantileEstimate> EstimateQuantile(std::vector<double> sample, double q,
                                                 double level = 0.95);

/// {"q","n","value","low","high","level","resolvable"}; low and high are null when there is no
/// interval.
void to_json(nlohmann::json& j, const QuantileEstimate& e);
void from_json(const nlohmann::json& j, QuantileEstimate& e);

/// The sentence behind QUANTILE_NOT_RESOLVABLE: "p95 not resolvable (n=24, needs 59)".
std::string NotResolvableText(double q, std::size_t n);

}  // namespace kvtier
