#pragma once
#include <string_view>
#include <vector>

#include "harness/core/reading.hpp"
#include "telemetry/roots.hpp"

namespace kvtier {

/// Clock ticks a second of the counters in /proc: sysconf(_SC_CLK_TCK).
double TicksPerSecond();

/// Seconds since boot by what a CPU did, from a cpu line of /proc/stat (proc(5)). Time of guests is
/// part of user and nice there. Idle and iowait of one core may fall by a tick; the kernel says so.
struct CpuSeconds {
  double user = 0, nice = 0, system = 0, idle = 0, iowait = 0, irq = 0, softirq = 0, steal = 0;
  double Total() const { return user + nice + system + idle + iowait + irq + softirq + steal; }
  /// All but idle and iowait.
  double Busy() const { return Total() - idle - iowait; }
  bool operator==(const CpuSeconds&) const = default;
};

/// A name of the timeline (docs/timeline.md `cpu`) and its member.
struct CpuKey {
  std::string_view key;
  double CpuSeconds::*member = nullptr;
};
inline constexpr CpuKey kCpuKeys[] = {
    {"user_s", &CpuSeconds::user},       {"nice_s", &CpuSeconds::nice},
    {"system_s", &CpuSeconds::system},   {"idle_s", &CpuSeconds::idle},
    {"iowait_s", &CpuSeconds::iowait},   {"irq_s", &CpuSeconds::irq},
    {"softirq_s", &CpuSeconds::softirq}, {"steal_s", &CpuSeconds::steal},
};

struct CoreSeconds {
  unsigned core = 0;
  CpuSeconds times;
};
struct CpuTimes {
  CpuSeconds all;                  // summed over the cores by the kernel
  std::vector<CoreSeconds> cores;  // those that are online
};

/// The text of /proc/stat. Unavailable when the line of all CPUs is missing or a cpu line is short.
Reading<CpuTimes> ParseCpuTimes(std::string_view text, double ticks_per_second);
Reading<CpuTimes> ReadCpuTimes(const OsRoots& roots = {});

}  // namespace kvtier
