#include "telemetry/engine/engine_reading.hpp"

#include <algorithm>

#include "telemetry/engine/adapter.hpp"

namespace kvtier {
namespace {

bool IsThere(const Word& word, const SeriesSet& series) {
  return std::any_of(
      word.alternatives.begin(), word.alternatives.end(), [&](const std::vector<Term>& terms) {
        return std::any_of(terms.begin(), terms.end(), [&](const Term& term) {
          return std::any_of(term.names.begin(), term.names.end(),
                             [&](const std::string& name) { return series.Find(name) != nullptr; });
        });
      });
}

}  // namespace

EngineReading ReadEngine(const Exposition& exposition) {
  EngineReading reading;
  const SeriesSet series(exposition);
  const Adapter* adapter = DetectAdapter(series);
  if (adapter == nullptr) {
    reading.unavailable[""] = "the metrics are of no engine that we read (docs/engine_metrics.md)";
    return reading;
  }
  reading.adapter = adapter->name;
  for (const auto& word : adapter->words) {
    const auto value = ReadWord(*adapter, word.key, series);
    if (!value) {
      if (!word.activity && !IsThere(word, series)) continue;
      reading.unavailable[word.key] = value.reason();
    } else if (word.kind == Word::Kind::kGauge) {
      reading.gauges[word.key] = *value;
    } else {
      reading.counters[word.key] = *value;
    }
  }
  return reading;
}

}  // namespace kvtier
