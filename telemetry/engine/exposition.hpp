#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "harness/core/reading.hpp"

namespace kvtier {

enum class MetricType { kCounter, kGauge, kHistogram, kSummary, kUntyped };

struct MetricSample {
  std::string name;  // as written: a histogram's samples end in _bucket, _sum, _count
  std::vector<std::pair<std::string, std::string>> labels;  // in the order of the text, unescaped
  double value = 0;                                         // may be NaN or infinite
  std::optional<std::int64_t> timestamp_ms = std::nullopt;

  /// Null when the sample has no such label.
  const std::string* Label(std::string_view label) const;
};

/// All samples of one metric. `name` is the family name of the # TYPE line; without one, the
/// sample's own name.
struct MetricFamily {
  std::string name;
  MetricType type = MetricType::kUntyped;
  std::string help;
  std::vector<MetricSample> samples;
};

struct Exposition {
  std::vector<MetricFamily> families;  // in the order of the text

  /// By family name. The counter that OpenMetrics declares as `x` and writes as `x_total` is found
  /// by both.
  const MetricFamily* Find(std::string_view family) const;
  /// A counter or untyped metric, summed over its label sets, without its _created stamps.
  /// Unavailable when absent, of another type, or not finite.
  Reading<double> Counter(std::string_view name) const;
  /// A gauge (or untyped metric) with exactly one label set: gauges are never summed.
  Reading<double> Gauge(std::string_view name) const;
};

/// Prometheus text format 0.0.4: HELP and TYPE lines, labels with escapes, optional timestamps, NaN
/// and infinities, CRLF; and what exporters mix into it from OpenMetrics: counters named without
/// their _total, _created stamps, exemplars (checked and dropped), stamps in seconds with decimals,
/// # EOF. Throws ProtocolError naming the line: a torn or foreign answer, one series given twice or
/// a family of two types must not read as other numbers.
Exposition ParseExposition(std::string_view text);

}  // namespace kvtier
