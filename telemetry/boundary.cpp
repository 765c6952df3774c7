#include "telemetry/boundary.hpp"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "harness/core/clock.hpp"
#include "telemetry/os/block_device.hpp"
#include "telemetry/os/cgroup.hpp"
#include "telemetry/os/kv_files.hpp"
#include "telemetry/os/process_io.hpp"

namespace kvtier {
namespace {

/// after - before of one counter; unavailable when either side is or when it went backwards.
template <class T>
Reading<T> Difference(const Reading<T>& before, const Reading<T>& after, const char* what,
                      bool& reset) {
  if (!before) return Reading<T>::Unavailable(before.reason());
  if (!after) return Reading<T>::Unavailable(after.reason());
  if (*after < *before) {
    reset = true;
    return Reading<T>::Unavailable(fmt::format("counter_reset: {} went backwards", what));
  }
  if constexpr (std::is_same_v<T, Bytes>) {
    return Bytes{after->value - before->value};
  } else {
    return *after - *before;
  }
}

/// Empty when both trees are the same processes.
std::string TreeChange(const std::vector<ProcessIo>& before, const std::vector<ProcessIo>& after) {
  const auto has = [](const std::vector<ProcessIo>& list, std::int64_t pid) {
    return std::any_of(list.begin(), list.end(), [&](const ProcessIo& p) { return p.pid == pid; });
  };
  for (const auto& p : before) {
    if (!has(after, p.pid))
      return fmt::format("process {} ({}) vanished during the phase", p.pid, p.cmdline);
  }
  for (const auto& p : after) {
    if (!has(before, p.pid))
      return fmt::format("process {} ({}) started during the phase", p.pid, p.cmdline);
  }
  return {};
}

Reading<Bytes> Sum(const std::vector<ProcessIo>& processes, Bytes ProcessIo::*field) {
  Bytes sum{};
  for (const auto& p : processes) sum += p.*field;
  return sum;
}

void ProcessDifference(const OsIoSnapshot& before, const OsIoSnapshot& after, IoTraffic& traffic) {
  std::string why;
  if (!before.processes)
    why = before.processes.reason();
  else if (!after.processes)
    why = after.processes.reason();
  else
    why = TreeChange(*before.processes, *after.processes);
  const auto one = [&](Bytes ProcessIo::*field, const char* what) {
    return why.empty() ? Difference(Sum(*before.processes, field), Sum(*after.processes, field),
                                    what, traffic.counter_reset)
                       : Reading<Bytes>::Unavailable(why);
  };
  traffic.process_read = one(&ProcessIo::read_bytes, "read_bytes of the worker");
  traffic.process_write = one(&ProcessIo::write_bytes, "write_bytes of the worker");
  traffic.process_rchar = one(&ProcessIo::rchar, "rchar of the worker");
  traffic.process_wchar = one(&ProcessIo::wchar, "wchar of the worker");
}

void ReadDevice(const BoundarySources& sources, OsIoSnapshot& snapshot) {
  const auto device =
      sources.cache_dir.empty()
          ? Reading<BlockDevice>::Unavailable("the cache directory of the stack is not known")
          : DeviceUnder(sources.cache_dir, sources.roots);
  const auto disk = device ? ReadDiskCounters(device->name, sources.roots)
                           : Reading<DiskCounters>::Unavailable(device.reason());
  if (device) snapshot.block_device = device->name;
  snapshot.device_read = disk.Map([](const DiskCounters& d) { return d.read; });
  snapshot.device_write = disk.Map([](const DiskCounters& d) { return d.write; });
  snapshot.device_read_ios = disk.Map([](const DiskCounters& d) { return d.read_ios; });
  snapshot.device_write_ios = disk.Map([](const DiskCounters& d) { return d.write_ios; });

  auto group = Reading<CgroupIo>::Unavailable("the stack does not say which process its worker is");
  if (!device)
    group = Reading<CgroupIo>::Unavailable(device.reason());
  else if (!sources.worker_pids.empty())
    group = ReadCgroupIo(sources.worker_pids.front(), *device, sources.roots);
  snapshot.cgroup_read = group.Map([](const CgroupIo& g) { return g.read; });
  snapshot.cgroup_write = group.Map([](const CgroupIo& g) { return g.write; });
  if (group) snapshot.cgroup_source = fmt::format("{} {}", group->source, group->path);
}

Reading<std::vector<KvFile>> KvFilesOf(const BoundarySources& sources) {
  using Files = Reading<std::vector<KvFile>>;
  if (sources.cache_dir.empty())
    return Files::Unavailable("the cache directory of the stack is not known");
  if (sources.worker_pids.empty())
    return Files::Unavailable("the stack does not say which process its worker is");
  auto files = FindKvFiles(ProcessTree(sources.worker_pids, sources.roots), sources.cache_dir,
                           sources.roots);
  if (!files) return files;
  std::vector<KvFile> measured = *files;
  MeasureResident(measured, sources.roots);
  return measured;
}

KvbmSnapshot TakeKvbm(const BoundarySources& sources, const std::string& label) {
  return sources.kvbm_metrics_url
             ? ScrapeKvbm(*sources.kvbm_metrics_url, label, sources.scrape_timeout)
             : SkippedKvbm(label);
}

}  // namespace

OsIoSnapshot TakeOsIo(const BoundarySources& sources, const std::string& label) {
  OsIoSnapshot snapshot;
  snapshot.label = label;
  snapshot.timestamp_utc = UtcMillisNow();
  snapshot.processes = ReadTreeIo(sources.worker_pids, sources.roots);
  ReadDevice(sources, snapshot);
  snapshot.kv_files = KvFilesOf(sources);
  return snapshot;
}

Boundary TakeBoundary(const BoundarySources& sources, const std::string& label) {
  return {TakeKvbm(sources, label), TakeOsIo(sources, label)};
}

IoTraffic IoBetween(const OsIoSnapshot& before, const OsIoSnapshot& after) {
  IoTraffic traffic;
  traffic.block_device = after.block_device;
  bool& reset = traffic.counter_reset;
  if (before.block_device == after.block_device) {
    traffic.device_read =
        Difference(before.device_read, after.device_read, "bytes read of the device", reset);
    traffic.device_write =
        Difference(before.device_write, after.device_write, "bytes written of the device", reset);
    traffic.cgroup_read =
        Difference(before.cgroup_read, after.cgroup_read, "bytes read of the control group", reset);
    traffic.cgroup_write = Difference(before.cgroup_write, after.cgroup_write,
                                      "bytes written of the control group", reset);
  } else {
    const std::string why = fmt::format("the device changed from '{}' to '{}'", before.block_device,
                                        after.block_device);
    traffic.device_read = traffic.device_write = traffic.cgroup_read = traffic.cgroup_write =
        Reading<Bytes>::Unavailable(why);
  }
  ProcessDifference(before, after, traffic);
  return traffic;
}

Reading<std::vector<OtherWorker>> FindOtherWorkers(const BoundarySources& sources) {
  if (sources.cache_dir.empty())
    return Reading<std::vector<OtherWorker>>::Unavailable(
        "the cache directory of the stack is not known");
  std::vector<pid_t> stack = sources.worker_pids;
  stack.insert(stack.end(), sources.stack_pids.begin(), sources.stack_pids.end());
  return ForeignHolders(stack, sources.cache_dir, sources.roots);
}

Activity ReadActivity(const BoundarySources& sources, const std::string& label) {
  Activity activity;
  if (sources.kvbm_metrics_url) activity.engine = OffloadActivityOf(TakeKvbm(sources, label));
  activity.worker_io = ReadTreeIo(sources.worker_pids, sources.roots)
                           .Map([](const std::vector<ProcessIo>& processes) {
                             return Bytes{Sum(processes, &ProcessIo::read_bytes)->value +
                                          Sum(processes, &ProcessIo::write_bytes)->value};
                           });
  return activity;
}

}  // namespace kvtier
