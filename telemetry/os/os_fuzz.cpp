#include <cstddef>
#include <cstdint>
#include <string_view>

#include "telemetry/os/block_device.hpp"
#include "telemetry/os/cgroup.hpp"
#include "telemetry/os/cpu_times.hpp"
#include "telemetry/os/kv_files.hpp"
#include "telemetry/os/memory.hpp"
#include "telemetry/os/network.hpp"
#include "telemetry/os/open_files.hpp"
#include "telemetry/os/ports.hpp"
#include "telemetry/os/pressure.hpp"
#include "telemetry/os/process_io.hpp"
#include "telemetry/os/thermal.hpp"

/// Every parser of a text that the kernel wrote: any bytes give a value or a reason.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)kvtier::ParseDiskstats(text, "vda");
  (void)kvtier::MountSourceOf(text, 0, 31);
  (void)kvtier::ParseProcessStat(text);
  (void)kvtier::ParseProcessIo(text);
  (void)kvtier::ParseProcessUsage(text, 100, 4096);
  (void)kvtier::ParseBlockStat(text);
  (void)kvtier::ParseCpuTimes(text, 100);
  (void)kvtier::ParseMeminfo(text);
  (void)kvtier::ParseVmstat(text);
  (void)kvtier::ParsePressure(text);
  (void)kvtier::ParseMillidegrees(text);
  (void)kvtier::ParseNetDev(text);
  (void)kvtier::ParseIoStatTable(text);
  (void)kvtier::ParseBlkioTable(text, text);
  (void)kvtier::ParseDescriptorFlags(text);
  (void)kvtier::ParseEnvironment(text);
  (void)kvtier::CgroupPath(text, "blkio");
  (void)kvtier::ParseIoStat(text, 254, 0);
  (void)kvtier::ParseBlkio(text, 254, 0);
  (void)kvtier::ParseDescriptorLink(text);
  (void)kvtier::ListenersOf(text, 8000);
  return 0;
}
