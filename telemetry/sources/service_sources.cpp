#include "telemetry/sources/service_sources.hpp"

#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "harness/core/error.hpp"
#include "telemetry/engine/engine_reading.hpp"
#include "telemetry/engine/metrics_endpoint.hpp"
#include "telemetry/os/kv_files.hpp"
#include "telemetry/os/process_io.hpp"
#include "telemetry/sources/function_source.hpp"

namespace kvtier {
namespace {

void ReadEngineInto(TimelineRow& row, const std::string& url, std::chrono::milliseconds timeout) {
  const auto text = FetchMetrics(url, timeout);
  if (!text) {
    row.unavailable[""] = text.reason();
    return;
  }
  try {
    EngineReading reading = ReadEngine(ParseExposition(*text));
    row.values = std::move(reading.counters);
    row.values.merge(reading.gauges);
    row.unavailable = std::move(reading.unavailable);
    if (!reading.adapter.empty()) row.labels["adapter"] = reading.adapter;
  } catch (const ProtocolError& e) {
    row.unavailable[""] = fmt::format("{}: {}", url, e.what());
  }
}

/// Each reason that held at some reading stays a key of its own from then on, 0 or 1, so that a
/// window's maximum says whether it held in it.
void PutThrottling(TimelineRow& row, const std::string& gpu, const GpuSample& sample,
                   std::set<std::string>& seen) {
  Put(row, gpu + ".throttle_bits", sample.throttle_bits);
  if (!sample.throttle_bits) return;
  const auto words = ThrottleWords(*sample.throttle_bits);
  seen.insert(words.begin(), words.end());
  for (const std::string& word : seen) row.values[fmt::format("{}.throttle.{}", gpu, word)] = 0;
  for (const std::string& word : words) row.values[fmt::format("{}.throttle.{}", gpu, word)] = 1;
  row.labels[gpu + ".throttle"] = fmt::format("{}", fmt::join(words, " "));
}

void PutGpu(TimelineRow& row, const GpuSample& sample, std::set<std::string>& seen) {
  const std::string gpu = fmt::format("gpu{}", sample.index);
  row.labels[gpu] = sample.name;
  Put(row, gpu + ".power_w", sample.power_w);
  Put(row, gpu + ".sm_mhz", sample.sm_mhz);
  Put(row, gpu + ".mem_mhz", sample.mem_mhz);
  Put(row, gpu + ".celsius", sample.celsius);
  Put(row, gpu + ".util_ratio", sample.util_ratio);
  Put(row, gpu + ".mem_util_ratio", sample.mem_util_ratio);
  Put(row, gpu + ".mem_used_bytes", sample.mem_used);
  Put(row, gpu + ".mem_total_bytes", sample.mem_total);
  PutThrottling(row, gpu, sample, seen);
}

}  // namespace

std::unique_ptr<Source> MakeEngineSource(const std::string& metrics_url,
                                         std::chrono::milliseconds timeout) {
  return MakeSource("engine", [metrics_url, timeout](TimelineRow& row) {
    if (metrics_url.empty())
      row.unavailable[""] = "KVBM is off in this mode; the engine has no tier counters";
    else
      ReadEngineInto(row, metrics_url, timeout);
  });
}

std::unique_ptr<Source> MakeGpuSource(std::unique_ptr<Gpu> gpu) {
  return MakeSource("gpu",
                    [gpu = std::move(gpu),
                     seen = std::map<unsigned, std::set<std::string>>()](TimelineRow& row) mutable {
                      const auto samples = gpu->Read();
                      if (!samples) {
                        row.unavailable[""] = samples.reason();
                        return;
                      }
                      for (const GpuSample& sample : *samples)
                        PutGpu(row, sample, seen[sample.index]);
                    });
}

std::unique_ptr<Source> MakePageCacheSource(const std::vector<pid_t>& workers,
                                            const std::filesystem::path& cache_dir,
                                            const OsRoots& roots) {
  return MakeSource("page_cache", [workers, cache_dir, roots](TimelineRow& row) {
    auto files = FindKvFiles(ProcessTree(workers, roots), cache_dir, roots);
    if (!files) {
      row.unavailable[""] = files.reason();
      return;
    }
    std::vector<KvFile> found = *files;
    MeasureResident(found, roots);
    double bytes = 0, resident = 0;
    std::set<std::pair<std::int64_t, std::string>> counted;  // one file on two descriptors is one
    for (const KvFile& file : found) {
      if (!counted.emplace(file.pid, file.path).second) continue;
      if (!file.size)
        row.unavailable["kv.file_bytes"] = file.size.reason();
      else
        bytes += static_cast<double>(file.size->value);
      if (!file.resident)
        row.unavailable["kv.resident_bytes"] = file.resident.reason();
      else
        resident += static_cast<double>(file.resident->value);
    }
    if (!row.unavailable.contains("kv.file_bytes")) row.values["kv.file_bytes"] = bytes;
    if (!row.unavailable.contains("kv.resident_bytes")) row.values["kv.resident_bytes"] = resident;
  });
}

}  // namespace kvtier
