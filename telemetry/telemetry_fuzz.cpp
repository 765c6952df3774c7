#include <cstddef>
#include <cstdint>
#include <string_view>

#include "harness/core/error.hpp"
#include "telemetry/block_device.hpp"
#include "telemetry/cgroup.hpp"
#include "telemetry/exposition.hpp"
#include "telemetry/kvbm.hpp"
#include "telemetry/open_files.hpp"
#include "telemetry/ports.hpp"
#include "telemetry/process_io.hpp"

/// Every parser of a text that the kernel or an exporter wrote: any bytes give a value, a reason or
/// a ProtocolError.
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
  (void)kvtier::ParseDiskstats(text, "vda");
  (void)kvtier::MountSourceOf(text, 0, 31);
  (void)kvtier::ParseProcessStat(text);
  (void)kvtier::ParseProcessIo(text);
  (void)kvtier::ParseEnvironment(text);
  (void)kvtier::CgroupPath(text, "blkio");
  (void)kvtier::ParseIoStat(text, 254, 0);
  (void)kvtier::ParseBlkio(text, 254, 0);
  (void)kvtier::ParseDescriptorLink(text);
  (void)kvtier::ListenersOf(text, 8000);
  return 0;
}
