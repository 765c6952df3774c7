#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

/// A run in the files of the older hypothesis runners, for the scripts that read those: the flat
/// layout (metrics.jsonl, config.yaml, sysmon, nvme, gpu, dynkv) and the v2.2 names
/// (<run>_telemetry.csv, _summary.json, _manifest.json, _mpstat.log, _smartctl_pre/post.txt).
/// docs/legacy_export.md has every field.
namespace kvtier {

struct LegacyExportOptions {
  std::filesystem::path run_dir;
  std::filesystem::path out{};  // empty: legacy/ in the run folder
  /// "A" or "B", the older runners' stacks; empty: null, since no bundle says which it would be.
  std::string stack{};
};

/// What became of one file.
struct LegacyFile {
  std::string name;
  bool written = false;
  std::uint64_t rows = 0;  // of a table or a log
  std::string reason;      // why it was not written
};

/// A field that is null or NA in a file that was written.
struct LegacyGap {
  std::string file, key, reason;
};

struct LegacyExport {
  std::string run_id;
  std::filesystem::path out;
  std::vector<LegacyFile> files;
  std::vector<LegacyGap> gaps;
};

/// Writes them, and legacy_export.json, which says of each file and each field without a value why.
/// Every file is whole or not there, and requests and telemetry are never in memory as a whole.
/// Throws ConfigError when the folder holds no run of kvtier or `out` holds something else;
/// DataError naming file and key when the bundle is broken.
LegacyExport ExportLegacy(const LegacyExportOptions& options);

}  // namespace kvtier
