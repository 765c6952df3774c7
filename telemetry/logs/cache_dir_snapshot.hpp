#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "harness/core/reading.hpp"
#include "harness/core/units.hpp"
#include "harness/judge/evidence.hpp"

namespace kvtier {

struct CacheDirLimits {
  int depth = 5;                 // of the listing, as documented; deeper files are not counted
  std::size_t entries = 10'000;  // chosen: a listing of about 1 MB
};

struct CacheDirSnapshot {
  std::string label;
  std::string path, files_path;    // relative to the run folder; empty when not written
  bool missing = false;            // there is no such folder
  std::uint64_t files = 0;         // within the limits
  Bytes allocated{};               // of files and folders, as du counts (512-byte blocks)
  std::vector<std::string> notes;  // cut, unreadable folders, a file that cannot be written
};

/// Writes what the cache folder shows now:
/// <run_dir>/telemetry/kvbm_<label>_<ts>.txt with the headings of spec/artifacts.md A13 (sizes of
/// the whole, of each folder down to depth 2, number of files, then the open files), and
/// ..._files.txt, one "<mtime> <size> <path>" a file, sorted. An engine that unlinks its file after
/// opening it, as KVBM does, leaves nothing to list, so `open_files` are the caller's findings in
/// the descriptors of the stack (OsIoSnapshot::kv_files). No subprocess, symbolic links are not
/// followed, file systems may change. Never throws.
CacheDirSnapshot SnapshotCacheDir(
    const std::filesystem::path& run_dir, const std::filesystem::path& cache_dir,
    const std::string& label, const Reading<std::vector<KvFile>>& open_files,
    const CacheDirLimits& limits = {},
    std::chrono::system_clock::time_point now = std::chrono::system_clock::now());

}  // namespace kvtier
