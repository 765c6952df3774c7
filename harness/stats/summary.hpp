#pragma once
#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "harness/stats/quantile.hpp"

namespace kvtier {

/// The statistics block of the artifacts: {min,p50,p90,p95,p99,max,mean} and n, in the unit of the
/// sample.
struct Summary {
  std::size_t n = 0;
  double min = 0, p50 = 0, p90 = 0, p95 = 0, p99 = 0, max = 0, mean = 0;
};

/// Empty for an empty sample: no measurement is never a row of zeros.
std::optional<Summary> Summarize(std::vector<double> sample);
void to_json(nlohmann::json& j, const Summary& s);
void from_json(const nlohmann::json& j, Summary& s);

/// Mean of a small sample with Student's t interval.
struct MeanEstimate {
  std::size_t n = 0;
  double mean = 0;
  std::optional<double> sd = std::nullopt;  // n - 1 in the denominator; empty for n = 1
  double min = 0, max = 0;
  std::optional<Interval> interval = std::nullopt;  // empty for n = 1
  double level = 0.95;
  std::optional<double> HalfWidth() const {
    return interval ? std::optional<double>(interval->HalfWidth()) : std::nullopt;
  }
};

/// Empty for an empty sample.
std::optional<MeanEstimate> EstimateMean(std::span<const double> sample, double level = 0.95);

/// Upper quantile of Student's t: P[T <= result] = p with df degrees of freedom (df > 0).
double StudentQuantile(double p, double df);
/// Two-sided p value of a t statistic.
double StudentTwoSidedP(double t, double df);

}  // namespace kvtier
