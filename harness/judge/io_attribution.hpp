#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "harness/core/reading.hpp"
#include "harness/core/units.hpp"
#include "harness/judge/reason.hpp"

/// Who did the I/O of a phase: io/io_attribution_report.json, and the A2 rules over it.
namespace kvtier {

/// Bytes of one process of the stack in one phase that reached a device.
struct PidBytes {
  std::int64_t pid = 0;
  std::string cmdline;
  Bytes read{}, written{};
};

/// One file of the KV cache as seen at a phase's end.
struct FileObservation {
  std::int64_t pid = 0;
  std::string path;
  bool deleted = false, direct_io = false;
  std::string device;
  Reading<Bytes> size, resident_before, resident_after;  // resident: in the page cache
};

struct PhaseAttribution {
  std::string phase, start_utc, end_utc;
  Reading<Bytes> block_read, block_written;      // whole device, between the boundaries: context
  Reading<Bytes> sampled_read, sampled_written;  // the same from the timeline, [traffic start, end]
  Reading<Bytes> process_read, process_written;  // the worker's process tree
  Reading<Bytes> process_rchar, process_wchar;   // asked for by system calls
  Reading<Bytes> cgroup_read, cgroup_written;    // of the KV device only
  std::vector<PidBytes> pids;                    // sorted by read, then written, descending
  Reading<std::vector<FileObservation>> files;
};

struct IoAttributionReport {
  bool available = false;
  std::string error;           // why it is not available
  std::string device;          // whole disk that holds the KV cache
  std::string kvbm_disk_path;  // cache directory
  double interval_s = 1;       // of the timeline's disk source
  std::vector<PhaseAttribution> phases;
  std::vector<std::string> capture_errors;  // one sentence each

  const PhaseAttribution* Find(const std::string& phase) const {
    for (const auto& p : phases) {
      if (p.phase == phase) return &p;
    }
    return nullptr;
  }
};

enum class CheckStatus { kPass, kWarn, kFail };
struct AttributionCheck {
  std::string name;  // of spec/telemetry.md section 8, or our own
  CheckStatus status = CheckStatus::kPass;
  std::string detail;
};

/// io/io_attrib_verdict.json.
struct IoAttributionVerdict {
  bool pass = false;
  std::string mode;  // B0, B1, B2
  bool strict = false;
  std::vector<AttributionCheck> checks;
  std::string replay_phase;  // empty when none
  Reading<Bytes> replay_block_read, replay_process_read, replay_cgroup_read;
  std::string evidence_method;     // pid, cgroup, none
  std::vector<PidBytes> top_pids;  // at most 10, by bytes read in replay

  /// The first check of that name; null when there is none.
  const AttributionCheck* Find(std::string_view name) const {
    for (const auto& c : checks) {
      if (c.name == name) return &c;
    }
    return nullptr;
  }
};

/// The text of artifacts: PASS, WARN, FAIL.
std::string_view CheckStatusName(CheckStatus status);

struct LegEvidence;

/// The A2 rules over leg.io_attribution and the engine counters of leg.phases; it passes where no
/// check fails. Strict on B2: the headline replay must have been read from the KV device by the
/// worker, in the amount that the engine counted; later replay phases must at least agree with the
/// engine, their checks end in " (<phase>)". On B0 and B1 nothing fails but a missing report where
/// `expect_report`. Names up to `replay_kvbm_file_observation` are those of spec/telemetry.md
/// section 8; our own are `replay_reads_magnitude`, `replay_engine_agreement`, `replay_page_cache`,
/// `replay_device_covers_reads`, `replay_reads_by_strangers`, `replay_window_matches_run`,
/// `replay_files_on_device`,
/// `b1_replay_reads`, `io_report_capture_errors`.
IoAttributionVerdict JudgeIoAttribution(const LegEvidence& leg, bool expect_report);

/// Findings of the same rules. IO_ATTRIB_MISSING when attribution was `expected` and there is no
/// report, or it shows no read of the worker; a contradiction between the witnesses has its own
/// code and is said even where nothing was expected. None on B0.
std::vector<Finding> CheckIoAttribution(const LegEvidence& leg, bool expected);

/// The checker's line on stdout (spec/telemetry.md section 8), without a newline. Sizes are
/// 1024-based: "0B", "17B", "12.50MiB"; an unavailable one is "unavailable".
std::string IoAttributionLine(const IoAttributionVerdict& verdict, const std::string& verdict_path);
/// 0 pass, 2 fail.
int IoAttributionExitCode(const IoAttributionVerdict& verdict);

/// io/io_attrib_verdict.json (spec: artifacts A12) without schema_version, timestamp_utc and
/// artifacts, which its writer adds.
void to_json(nlohmann::json& j, const IoAttributionVerdict& v);
/// Throws DataError naming the key.
void from_json(const nlohmann::json& j, IoAttributionVerdict& v);

}  // namespace kvtier
