#pragma once
#include <map>
#include <string>

#include "telemetry/engine/exposition.hpp"

namespace kvtier {

/// The engine's metrics at one moment in our words: the keys of source `engine` in docs/timeline.md
/// and docs/engine_metrics.md.
struct EngineReading {
  std::string adapter;  // "kvbm_v1", ...; empty: none of the engines that we read
  std::map<std::string, double> counters;  // cumulative since the engine started
  std::map<std::string, double> gauges;
  /// The reason of each word whose metric is there and cannot be read, or that every such exporter
  /// should have; "" when no engine was recognised.
  std::map<std::string, std::string> unavailable;
};

/// Translates one exposition. A key in none of the maps is a word that this exporter does not have;
/// missing is never 0.
EngineReading ReadEngine(const Exposition& exposition);

}  // namespace kvtier
