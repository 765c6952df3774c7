#pragma once
#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <sys/types.h>

#include "telemetry/device/gpu.hpp"
#include "telemetry/recorder/source.hpp"
#include "telemetry/roots.hpp"

namespace kvtier {

/// The engine's counters in our words (docs/engine_metrics.md). `timeout` bounds a scrape: it
/// stands in the way of all other sources.
std::unique_ptr<Source> MakeEngineSource(const std::string& metrics_url,
                                         std::chrono::milliseconds timeout);

/// All GPUs; `gpu` decides by itself what it can ask.
std::unique_ptr<Source> MakeGpuSource(std::unique_ptr<Gpu> gpu);

/// How much of the KV files is in the page cache. For marks: it looks through the descriptors of
/// the workers and their descendants.
std::unique_ptr<Source> MakePageCacheSource(const std::vector<pid_t>& workers,
                                            const std::filesystem::path& cache_dir,
                                            const OsRoots& roots = {});

}  // namespace kvtier
