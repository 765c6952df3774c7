#include "telemetry/os/memory.hpp"

#include <string>

#include <fmt/format.h>

#include "telemetry/os/fields.hpp"
#include "telemetry/os/proc_text.hpp"

namespace kvtier {
namespace {

constexpr std::uint64_t kKibibyte = 1024;  // "kB" of /proc/meminfo means 1024 bytes

bool Names(std::string_view pattern, std::string_view name) {
  return pattern.ends_with('*') ? name.starts_with(pattern.substr(0, pattern.size() - 1))
                                : name == pattern;
}

}  // namespace

Reading<MemoryInfo> ParseMeminfo(std::string_view text) {
  MemoryInfo info;
  bool seen[std::size(kMemoryKeys)] = {};
  ForEachLine(text, [&](std::string_view line) {
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) return;
    const std::string_view name = line.substr(0, colon);
    for (std::size_t i = 0; i < std::size(kMemoryKeys); ++i) {
      if (name != kMemoryKeys[i].kernel_key) continue;
      Fields fields(line.substr(colon + 1));
      const auto kib = fields.Number<std::uint64_t>();
      if (!kib || fields.Next() != "kB") return;
      info.*kMemoryKeys[i].member = Bytes{*kib * kKibibyte};
      seen[i] = true;
    }
  });
  for (std::size_t i = 0; i < std::size(kMemoryKeys); ++i) {
    if (seen[i]) continue;
    info.*kMemoryKeys[i].member = Reading<Bytes>::Unavailable(
        fmt::format("/proc/meminfo has no {}", kMemoryKeys[i].kernel_key));
  }
  if (!info.total) return Reading<MemoryInfo>::Unavailable(info.total.reason());
  return info;
}

Reading<MemoryInfo> ReadMemory(const OsRoots& roots) {
  return ProcText(roots.proc / "meminfo").Parse(ParseMeminfo);
}

Reading<VmCounters> ParseVmstat(std::string_view text) {
  std::uint64_t sums[std::size(kVmKeys)] = {};
  bool seen[std::size(kVmKeys)] = {};
  ForEachLine(text, [&](std::string_view line) {
    Fields fields(line);
    const std::string_view name = fields.Next();
    for (std::size_t i = 0; i < std::size(kVmKeys); ++i) {
      if (!Names(kVmKeys[i].kernel_key, name)) continue;
      const auto value = fields.Number<std::uint64_t>();
      if (!value) return;
      sums[i] += *value * kVmKeys[i].unit;
      seen[i] = true;
    }
  });
  VmCounters counters;
  bool any = false;
  for (std::size_t i = 0; i < std::size(kVmKeys); ++i) {
    any = any || seen[i];
    counters.*kVmKeys[i].member = seen[i] ? Reading<std::uint64_t>(sums[i])
                                          : Reading<std::uint64_t>::Unavailable(fmt::format(
                                                "/proc/vmstat has no {}", kVmKeys[i].kernel_key));
  }
  if (!any) return Reading<VmCounters>::Unavailable("/proc/vmstat has none of our counters");
  return counters;
}

Reading<VmCounters> ReadVmCounters(const OsRoots& roots) {
  return ProcText(roots.proc / "vmstat").Parse(ParseVmstat);
}

}  // namespace kvtier
