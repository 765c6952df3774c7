#include <cstddef>
#include <cstdint>
#include <string_view>

#include "harness/core/error.hpp"
#include "telemetry/engine/engine_reading.hpp"
#include "telemetry/engine/histogram.hpp"
#include "telemetry/engine/kvbm.hpp"
#include "telemetry/engine/raw_capture.hpp"
#include "telemetry/engine/service_metrics.hpp"

namespace {

void ReadAll(const kvtier::Exposition& exposition) {
  for (const auto& family : exposition.families) {
    (void)exposition.Counter(family.name);
    (void)exposition.Gauge(family.name);
    const auto histogram = kvtier::HistogramOf(exposition, family.name);
    if (!histogram) continue;
    for (const double q : {0.5, 0.95, 1.0}) (void)kvtier::HistogramQuantile(*histogram, q);
    (void)kvtier::HistogramBetween(histogram, histogram);
  }
  (void)kvtier::ReadEngine(exposition);
  const auto frontend = kvtier::ReadFrontend(exposition);
  (void)kvtier::FrontendBetween(frontend, frontend);
  (void)kvtier::ReadSystem(exposition);
}

}  // namespace

/// Every parser of a text that an exporter wrote: any bytes give a value, a reason or a
/// ProtocolError.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    ReadAll(kvtier::ParseExposition(text));
  } catch (const kvtier::ProtocolError&) {
  }
  const auto snapshot = kvtier::KvbmFromText(text, "fuzz");
  (void)kvtier::IsCold(snapshot);
  (void)kvtier::OffloadActivityOf(snapshot);
  (void)kvtier::TrafficBetween(snapshot, snapshot);
  (void)kvtier::RenderInventory("fuzz", {"kvbm"}, kvtier::InventoryOf(text, {"kvbm"}, true));
  return 0;
}
