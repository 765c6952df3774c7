#pragma once
#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "telemetry/recorder/source.hpp"
#include "telemetry/roots.hpp"
#include "telemetry/sources/process_source.hpp"

namespace kvtier {

/// What there is to record around one stack.
struct SourceSetOptions {
  OsRoots roots;
  RunProcesses processes;
  std::filesystem::path cache_dir;
  std::string disk{};      // the KV device; empty: the whole disk under cache_dir
  std::string engine_url;  // metrics endpoint; empty: KVBM is off
  /// No source is read more often. Slower ones keep the cadence of docs/timeline.md.
  std::chrono::milliseconds fastest{100};
};

/// All sources of docs/timeline.md, in its order. On a machine that lacks one, that one says why.
std::vector<ScheduledSource> StandardSources(const SourceSetOptions& options);

/// The whole disk under the cache directory; empty when unknown.
std::string KvDeviceOf(const std::filesystem::path& cache_dir, const OsRoots& roots = {});

}  // namespace kvtier
