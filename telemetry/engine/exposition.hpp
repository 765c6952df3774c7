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

  const MetricFamily* Find(std::string_view family) const;
  /// A counter or untyped metric, summed over its label sets. Unavailable when absent, of another
  /// type, or not finite.
  Reading<double> Counter(std::string_view name) const;
  /// A gauge (or untyped metric) with exactly one label set: gauges are never summed.
  Reading<double> Gauge(std::string_view name) const;
};

/// Prometheus text format 0.0.4: HELP and TYPE lines, labels with escapes, optional timestamps, NaN
/// and infinities, CRLF. Throws ProtocolError naming the line: a torn or foreign answer must not
/// read as fewer metrics.
Exposition ParseExposition(std::string_view text);

}  // namespace kvtier
