#pragma once
#include <string_view>
#include <vector>

#include "harness/core/reading.hpp"
#include "telemetry/engine/exposition.hpp"

namespace kvtier {

/// A Prometheus histogram, added up over its label sets: bucket bounds and counts are cumulative,
/// the last bound is +Inf.
struct Histogram {
  struct Bucket {
    double upper = 0;  // le, inclusive
    double count = 0;  // observations <= upper
    bool operator==(const Bucket&) const = default;
  };
  std::vector<Bucket> buckets;  // by upper, ascending
  double sum = 0;
  double count = 0;
};

/// Unavailable when absent, of another type, without a +Inf bucket, not finite, when counts fall
/// from bucket to bucket, or when two label sets have other bounds (they cannot be added up).
Reading<Histogram> HistogramOf(const Exposition& exposition, std::string_view family);

/// after - before. Unavailable when either side is, when the bounds changed, or when a bucket went
/// backwards (counter_reset).
Reading<Histogram> HistogramBetween(const Reading<Histogram>& before,
                                    const Reading<Histogram>& after);

/// Quantile `q` in (0, 1] in the unit of the bounds, linear within its bucket as Prometheus'
/// histogram_quantile does; the first bucket begins at 0 unless its bound is not positive, which is
/// then the answer. Unavailable without observations, and when the quantile lies in the +Inf
/// bucket (Prometheus would answer with the highest bound: that is a lower limit, not a value).
Reading<double> HistogramQuantile(const Histogram& histogram, double q);

/// sum / count; unavailable without observations.
Reading<double> HistogramMean(const Histogram& histogram);

}  // namespace kvtier
