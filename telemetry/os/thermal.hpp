#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "harness/core/reading.hpp"
#include "telemetry/roots.hpp"

/// Heat and clocks from /sys. Each call walks the folders anew, about a millisecond for a machine
/// of 20 cores: meant for a cadence of a second.
namespace kvtier {

/// A temperature file of the kernel: thousandths of a degree. Unavailable outside -100 to 250
/// degrees (chosen: no sensor of a computer reads there; an ACPI zone without power says -273.2, a
/// disabled zone -274).
Reading<double> ParseMillidegrees(std::string_view text);

struct ThermalZone {
  unsigned index = 0;
  std::string type;  // "acpitz", "x86_pkg_temp"; empty when the zone does not say
  Reading<double> celsius;
};
/// /sys/class/thermal/thermal_zone<N>, ascending. Unavailable when there is none.
Reading<std::vector<ThermalZone>> ReadThermalZones(const OsRoots& roots = {});

struct CoolingDevice {
  unsigned index = 0;
  std::string type;              // "Processor", "Fan", "cpufreq-cpu0"
  Reading<std::uint64_t> state;  // 0 is at rest
};
/// /sys/class/thermal/cooling_device<N>, ascending. Unavailable when there is none.
Reading<std::vector<CoolingDevice>> ReadCoolingDevices(const OsRoots& roots = {});

struct HwmonTemperature {
  unsigned hwmon = 0;   // hwmon<N>
  unsigned sensor = 0;  // temp<M>_input
  std::string chip;     // the controller ("nvme0") of an NVMe disk, else the name of the chip
  std::string label;    // "Composite"; empty when the sensor has none
  Reading<double> celsius;
  /// "nvme0 Composite", as the timeline labels it.
  std::string Describe() const { return label.empty() ? chip : chip + " " + label; }
};
/// All sensors of /sys/class/hwmon, ascending. Unavailable when there is none.
Reading<std::vector<HwmonTemperature>> ReadHwmonTemperatures(const OsRoots& roots = {});
/// The sensors of one NVMe controller ("nvme0"). Unavailable when it has none.
Reading<std::vector<HwmonTemperature>> NvmeHwmonFor(std::string_view controller,
                                                    const OsRoots& roots = {});

struct CpuClock {
  unsigned core = 0;
  Reading<double> mhz;                    // cpufreq/scaling_cur_freq
  Reading<std::string> governor;          // "performance", "schedutil"
  Reading<std::uint64_t> throttle_count;  // thermal_throttle/core_throttle_count: x86 only
};
/// /sys/devices/system/cpu/cpu<N>, ascending. Unavailable when there is none.
Reading<std::vector<CpuClock>> ReadCpuClocks(const OsRoots& roots = {});

}  // namespace kvtier
