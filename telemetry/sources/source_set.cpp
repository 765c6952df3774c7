#include "telemetry/sources/source_set.hpp"

#include <algorithm>

#include "telemetry/os/block_device.hpp"
#include "telemetry/sources/host_sources.hpp"
#include "telemetry/sources/service_sources.hpp"

namespace kvtier {
namespace {

using std::chrono::milliseconds;

Reading<BlockDevice> DeviceOf(const std::filesystem::path& cache_dir, const OsRoots& roots) {
  return cache_dir.empty()
             ? Reading<BlockDevice>::Unavailable("the cache directory of the stack is not known")
             : DeviceUnder(cache_dir, roots);
}

}  // namespace

std::string KvDeviceOf(const std::filesystem::path& cache_dir, const OsRoots& roots) {
  const auto device = DeviceOf(cache_dir, roots);
  return device ? device->name : std::string();
}

std::vector<ScheduledSource> StandardSources(const SourceSetOptions& options) {
  const OsRoots& roots = options.roots;
  const auto device = DeviceOf(options.cache_dir, roots);
  const pid_t worker = options.processes.workers.empty() ? 0 : options.processes.workers.front();
  GpuOptions gpu_options;
  gpu_options.roots = roots;
  auto gpu = std::make_unique<Gpu>(std::move(gpu_options));
  // nvidia-smi is a process of its own and takes a large part of a second: marks must do.
  const milliseconds gpu_cadence(gpu->source() == "nvidia-smi" ? 0 : 1000);
  // Longer than any answer on loopback, short enough that a dead endpoint costs no tick of others.
  const milliseconds scrape_timeout(options.fastest.count() * 4 / 5);

  std::vector<ScheduledSource> sources;
  const auto add = [&](std::unique_ptr<Source> source, milliseconds cadence) {
    sources.push_back(
        {std::move(source), cadence.count() == 0 ? cadence : std::max(cadence, options.fastest)});
  };
  add(MakeCpuSource(roots), milliseconds(100));
  const std::string disk = !options.disk.empty() ? options.disk : device ? device->name : "";
  add(MakeDiskSource(disk, device.reason(), roots), milliseconds(100));
  add(MakeProcessSource(options.processes, roots), milliseconds(200));
  add(MakeEngineSource(options.engine_url, scrape_timeout), milliseconds(1000));
  add(MakeMemorySource(roots), milliseconds(500));
  add(MakeVmstatSource(roots), milliseconds(500));
  add(MakePressureSource(roots), milliseconds(500));
  add(MakeCgroupSource(worker, roots), milliseconds(500));
  add(MakeNetworkSource(roots), milliseconds(1000));
  add(MakeThermalSource(roots), milliseconds(1000));
  add(MakeGpuSource(std::move(gpu)), gpu_cadence);
  add(MakePageCacheSource(options.processes.workers, options.cache_dir, roots), milliseconds(0));
  add(MakeClockSource(), milliseconds(500));
  return sources;
}

}  // namespace kvtier
