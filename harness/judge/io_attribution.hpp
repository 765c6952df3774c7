#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "harness/core/reading.hpp"
#include "harness/core/units.hpp"

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
};

}  // namespace kvtier
