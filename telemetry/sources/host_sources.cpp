#include "telemetry/sources/host_sources.hpp"

#include <time.h>

#include <fmt/format.h>

#include "telemetry/os/block_device.hpp"
#include "telemetry/os/cgroup.hpp"
#include "telemetry/os/cpu_times.hpp"
#include "telemetry/os/memory.hpp"
#include "telemetry/os/network.hpp"
#include "telemetry/os/pressure.hpp"
#include "telemetry/os/proc_text.hpp"
#include "telemetry/os/thermal.hpp"
#include "telemetry/sources/function_source.hpp"

namespace kvtier {
namespace {

constexpr MonoNs kSecond = 1'000'000'000;

void PutCpu(TimelineRow& row, const std::string& prefix, const CpuSeconds& times) {
  for (const CpuKey& key : kCpuKeys)
    row.values[fmt::format("{}.{}", prefix, key.key)] = times.*key.member;
}

void PutDisk(TimelineRow& row, const std::string& device, const DiskCounters& d) {
  const auto put = [&](const char* field, std::uint64_t value) {
    row.values[fmt::format("{}.{}", device, field)] = static_cast<double>(value);
  };
  put("read_ios", d.read_ios);
  put("read_merges", d.read_merges);
  put("read_bytes", d.read.value);
  put("read_ms", d.read_ms);
  put("write_ios", d.write_ios);
  put("write_merges", d.write_merges);
  put("write_bytes", d.write.value);
  put("write_ms", d.write_ms);
  put("in_flight", d.in_flight);
  put("busy_ms", d.busy_ms);
  put("queue_ms", d.queue_ms);
}

void PutStall(TimelineRow& row, std::string_view resource, const char* kind, const Stall& stall) {
  row.values[fmt::format("{}.{}_us", resource, kind)] = static_cast<double>(stall.total_us);
  row.values[fmt::format("{}.{}_avg10", resource, kind)] = stall.avg10;
}

void PutZones(TimelineRow& row, const OsRoots& roots) {
  const auto zones = ReadThermalZones(roots);
  if (!zones) row.unavailable["zone.celsius"] = zones.reason();
  if (!zones) return;
  for (const ThermalZone& z : *zones) {
    const std::string key = fmt::format("zone{}", z.index);
    row.labels[key] = z.type;
    Put(row, key + ".celsius", z.celsius);
  }
}

void PutCooling(TimelineRow& row, const OsRoots& roots) {
  const auto devices = ReadCoolingDevices(roots);
  if (!devices) row.unavailable["cooling.state"] = devices.reason();
  if (!devices) return;
  for (const CoolingDevice& d : *devices) {
    const std::string key = fmt::format("cooling{}", d.index);
    row.labels[key] = d.type;
    Put(row, key + ".state", d.state);
  }
}

void PutHwmon(TimelineRow& row, const OsRoots& roots) {
  const auto sensors = ReadHwmonTemperatures(roots);
  if (!sensors) row.unavailable["hwmon.celsius"] = sensors.reason();
  if (!sensors) return;
  for (const HwmonTemperature& t : *sensors) {
    const std::string key = fmt::format("hwmon{}.temp{}", t.hwmon, t.sensor);
    row.labels[key] = t.Describe();
    Put(row, key + ".celsius", t.celsius);
  }
}

void PutClocks(TimelineRow& row, const OsRoots& roots) {
  const auto clocks = ReadCpuClocks(roots);
  if (!clocks) row.unavailable["cpu.mhz"] = clocks.reason();
  if (!clocks) return;
  for (const CpuClock& c : *clocks) {
    // Most machines count no throttling and virtual ones have no clock: what is not there is not
    // listed core by core.
    const std::string key = fmt::format("cpu{}", c.core);
    if (c.mhz) row.values[key + ".mhz"] = *c.mhz;
    if (c.throttle_count)
      row.values[key + ".throttle_count"] = static_cast<double>(*c.throttle_count);
  }
}

}  // namespace

std::unique_ptr<Source> MakeCpuSource(const OsRoots& roots) {
  return MakeSource("cpu", [text = ProcText(roots.proc / "stat"), ticks = TicksPerSecond(),
                            cores_due = MonoNs{0}](TimelineRow& row) mutable {
    const auto times = text.Parse([&](std::string_view t) { return ParseCpuTimes(t, ticks); });
    if (!times) {
      row.unavailable[""] = times.reason();
      return;
    }
    PutCpu(row, "all", times->all);
    if (row.at < cores_due) return;
    for (const CoreSeconds& core : times->cores)
      PutCpu(row, fmt::format("cpu{}", core.core), core.times);
    cores_due = row.at + kSecond;
  });
}

std::unique_ptr<Source> MakeDiskSource(const std::string& device, const std::string& why_unknown,
                                       const OsRoots& roots) {
  return MakeSource("disk", [device, why_unknown, roots,
                             text = ProcText(roots.proc / "diskstats")](TimelineRow& row) mutable {
    if (device.empty()) {
      row.unavailable[""] = why_unknown;
      return;
    }
    auto counters = text.Parse([&](std::string_view t) { return ParseDiskstats(t, device); });
    if (!counters) counters = ReadDiskCounters(device, roots);
    if (counters)
      PutDisk(row, device, *counters);
    else
      row.unavailable[""] = counters.reason();
  });
}

std::unique_ptr<Source> MakeMemorySource(const OsRoots& roots) {
  return MakeSource("memory", [text = ProcText(roots.proc / "meminfo")](TimelineRow& row) mutable {
    const auto memory = text.Parse(ParseMeminfo);
    if (!memory) row.unavailable[""] = memory.reason();
    if (!memory) return;
    for (const MemoryKey& key : kMemoryKeys) Put(row, std::string(key.key), (*memory).*key.member);
  });
}

std::unique_ptr<Source> MakeVmstatSource(const OsRoots& roots) {
  return MakeSource("vmstat", [text = ProcText(roots.proc / "vmstat")](TimelineRow& row) mutable {
    const auto counters = text.Parse(ParseVmstat);
    if (!counters) row.unavailable[""] = counters.reason();
    if (!counters) return;
    for (const VmKey& key : kVmKeys) Put(row, std::string(key.key), (*counters).*key.member);
  });
}

std::unique_ptr<Source> MakePressureSource(const OsRoots& roots) {
  return MakeSource("pressure", [roots](TimelineRow& row) {
    for (const std::string_view resource : kPressureResources) {
      const auto pressure = ReadPressure(resource, roots);
      if (!pressure) {
        row.unavailable[fmt::format("{}.some_us", resource)] = pressure.reason();
        continue;
      }
      PutStall(row, resource, "some", pressure->some);
      if (pressure->full)
        PutStall(row, resource, "full", *pressure->full);
      else
        row.unavailable[fmt::format("{}.full_us", resource)] = pressure->full.reason();
    }
  });
}

std::unique_ptr<Source> MakeNetworkSource(const OsRoots& roots) {
  return MakeSource("network", [text = ProcText(roots.proc / "net/dev")](TimelineRow& row) mutable {
    const auto interfaces = text.Parse(ParseNetDev);
    if (!interfaces) row.unavailable[""] = interfaces.reason();
    if (!interfaces) return;
    for (const InterfaceCounters& i : *interfaces) {
      for (const NetworkKey& key : kNetworkKeys)
        row.values[fmt::format("{}.{}", i.name, key.key)] = static_cast<double>(i.*key.member);
    }
  });
}

std::unique_ptr<Source> MakeThermalSource(const OsRoots& roots) {
  return MakeSource("thermal", [roots](TimelineRow& row) {
    PutZones(row, roots);
    PutCooling(row, roots);
    PutHwmon(row, roots);
    PutClocks(row, roots);
  });
}

std::unique_ptr<Source> MakeCgroupSource(pid_t worker, const OsRoots& roots) {
  return MakeSource("cgroup", [worker, roots](TimelineRow& row) {
    const auto table = worker > 0 ? ReadCgroupIoTable(worker, roots)
                                  : Reading<CgroupIoTable>::Unavailable(
                                        "the stack does not say which process its worker is");
    if (!table) row.unavailable[""] = table.reason();
    if (!table) return;
    row.labels["path"] = table->path;
    for (const CgroupDeviceIo& d : table->devices) {
      const std::string key = fmt::format("{}:{}", d.major_number, d.minor_number);
      Put(row, key + ".read_bytes", d.read);
      Put(row, key + ".write_bytes", d.write);
      Put(row, key + ".read_ios", d.read_ios);
      Put(row, key + ".write_ios", d.write_ios);
    }
  });
}

std::unique_ptr<Source> MakeClockSource() {
  return MakeSource("clock", [](TimelineRow& row) {
    timespec mono{}, wall{};
    ::clock_gettime(CLOCK_MONOTONIC, &mono);
    ::clock_gettime(CLOCK_REALTIME, &wall);
    row.values["wall_minus_mono_s"] = static_cast<double>(wall.tv_sec - mono.tv_sec) +
                                      static_cast<double>(wall.tv_nsec - mono.tv_nsec) / 1e9;
  });
}

}  // namespace kvtier
