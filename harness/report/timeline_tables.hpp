#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

/// The documented tables of a run (spec/artifacts.md A12, A13, and the legacy telemetry files)
/// from telemetry/timeline.jsonl.
namespace kvtier {

struct TimelineTableOptions {
  std::uint64_t block_bytes =
      0;                  // of a KV block; 0: unknown, then no bytes are derived from blocks
  double interval_s = 1;  // between two rows of the io/ tables
  double legacy_interval_s = 0.2;  // between two rows of the legacy files
  std::string stack{};             // field `stack` of sysmon.jsonl; empty: null
};

/// A file that a table wrote or could not write.
struct TableStatus {
  std::string path;  // relative to the run folder
  bool written = false;
  std::uint64_t rows = 0;
  std::string reason;  // why it was not written; empty otherwise
};

/// Derives in one pass, whatever the length of the timeline, every table that it can supply:
/// io/{block_stat_timeline,iostat,proc_io_timeline,pidstat,iostat_x,pidstat_u,mpstat}.csv,
/// io/{meminfo,vmstat}_snapshots.jsonl, telemetry/{sysmon,nvme,gpu,dynkv}.jsonl,
/// telemetry/dynkv_kv.csv; and telemetry/telemetry_report.json, which says of each source and file
/// what became of it. A file without a row is not written. Without a timeline all are skipped.
/// Throws DataError naming file and line when the timeline is broken, IoError when the disk
/// refuses.
std::vector<TableStatus> WriteTimelineTables(const std::filesystem::path& run_dir,
                                             const TimelineTableOptions& options);

}  // namespace kvtier
