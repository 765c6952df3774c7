#include <cstddef>
#include <cstdint>
#include <string_view>

#include "harness/core/error.hpp"
#include "telemetry/engine/exposition.hpp"
#include "telemetry/engine/kvbm.hpp"

/// Every parser of a text that an exporter wrote: any bytes give a value, a reason or a
/// ProtocolError.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const auto exposition = kvtier::ParseExposition(text);
    for (const auto& family : exposition.families) {
      (void)exposition.Counter(family.name);
      (void)exposition.Gauge(family.name);
    }
  } catch (const kvtier::ProtocolError&) {
  }
  (void)kvtier::IsCold(kvtier::KvbmFromText(text, "fuzz"));
  return 0;
}
