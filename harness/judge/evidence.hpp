#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "harness/core/reading.hpp"
#include "harness/core/tier.hpp"
#include "harness/core/units.hpp"
#include "harness/judge/host_evidence.hpp"
#include "harness/judge/io_attribution.hpp"
#include "harness/judge/storage_evidence.hpp"
#include "harness/judge/ttfc_sanity.hpp"
#include "harness/load/record.hpp"

/// Everything a rule may look at, as typed values. telemetry/ fills these, harness/report/ writes
/// and reads them, harness/judge/ decides on them. Rules see nothing else: no stack, no scrape, no
/// /proc.
namespace kvtier {

/// Raw KVBM metrics at one boundary (spec/artifacts.md A6).
struct KvbmSnapshot {
  std::string label;  // run_start, before_<phase>, after_<phase>, run_end
  std::string timestamp_utc;
  bool success = false;
  bool skipped = false;  // B0: KVBM disabled, not asked
  std::string error;
  std::map<std::string, double> metrics;  // only names that start with kvbm_ or kvtier_ref_
};

/// Engine counters over one phase, in our own words (the exporter's h2d/d2d spellings stay in
/// telemetry/kvbm).
struct TierTraffic {
  Reading<std::uint64_t> matched_tokens;
  Reading<std::uint64_t> offload_g1_to_g2_blocks;  // kvbm_offload_blocks_d2h
  Reading<std::uint64_t> offload_g2_to_g3_blocks;  // kvbm_offload_blocks_h2d (host to disk)
  Reading<std::uint64_t> offload_g1_to_g3_blocks;  // kvbm_offload_blocks_d2d (device to disk)
  Reading<std::uint64_t> onboard_g2_to_g1_blocks;  // kvbm_onboard_blocks_h2d (host to device)
  Reading<std::uint64_t> onboard_g3_to_g1_blocks;  // kvbm_onboard_blocks_d2d (disk to device)
  Reading<double> host_hit_rate_after;             // sliding-window gauges at the end of the phase
  Reading<double> disk_hit_rate_after;
  /// Which exporter's words these are ("kvbm_v1", "kvbm_v2", "trtllm", "vllm", ...); empty: none.
  std::string adapter;
  /// Beyond what KVBM v1 exports; each unavailable where the exporter does not say it.
  Reading<std::uint64_t> prompt_tokens;                                // asked of the prefix caches
  Reading<std::uint64_t> hit_tokens_g1, hit_tokens_g2, hit_tokens_g3;  // prompt tokens by tier
  Reading<std::uint64_t> onboard_g3_to_g2_blocks;                      // staged from disk to host
  Reading<Bytes> offload_to_g2_bytes, offload_to_g3_bytes;
  Reading<Bytes> onboard_from_g2_bytes, onboard_from_g3_bytes;
  Reading<double> offload_seconds, onboard_seconds;  // time spent in transfers
  Reading<std::uint64_t> evicted_blocks;
  Reading<std::uint64_t> failed_transfers;
  bool counter_reset = false;  // some counter went backwards: the deltas are unavailable
  /// kvtier_ref_* deltas (reference stack only); no rule may require them.
  std::map<std::string, double> reference_extras;
};

/// Cumulative I/O of one process at a boundary.
struct ProcessIo {
  std::int64_t pid = 0;
  std::string cmdline;
  Bytes read_bytes{}, write_bytes{}, rchar{}, wchar{};
  std::uint64_t syscr = 0, syscw = 0;
};

/// A file of the KV cache that a process of the stack holds open, found through its descriptors.
struct KvFile {
  std::int64_t pid = 0;
  int fd = -1;
  std::string path;
  bool deleted = false;    // unlinked after open
  bool direct_io = false;  // O_DIRECT in /proc/<pid>/fdinfo
  std::string device;      // whole disk that holds it; empty when unknown
  Reading<Bytes> size, allocated;
  Reading<Bytes> resident;  // in the page cache
};

/// Operating-system I/O at one boundary (spec/artifacts.md A7 os_io).
struct OsIoSnapshot {
  std::string label;
  std::string timestamp_utc;
  std::string block_device;  // "vda", "nvme0n1"; empty when unknown
  Reading<Bytes> device_read, device_write;
  Reading<std::uint64_t> device_read_ios, device_write_ios;
  Reading<std::vector<ProcessIo>> processes;  // the worker's process tree
  Reading<Bytes> cgroup_read, cgroup_write;   // of the KV device
  std::string cgroup_source;
  Reading<std::vector<KvFile>> kv_files;  // open files below the cache directory
};

/// Operating-system I/O over one phase.
struct IoTraffic {
  std::string block_device;
  Reading<Bytes> device_read, device_write;     // whole device: context and upper bound only
  Reading<Bytes> process_read, process_write;   // worker process tree, reached the device
  Reading<Bytes> process_rchar, process_wchar;  // asked for by system calls, page cache included
  Reading<Bytes> cgroup_read, cgroup_write;
  bool counter_reset = false;
  /// The OS witness of design.md section 8: process, else cgroup, else unavailable.
  Reading<Bytes> WitnessRead() const {
    return process_read.available() ? process_read : cgroup_read;
  }
  Reading<Bytes> WitnessWrite() const {
    return process_write.available() ? process_write : cgroup_write;
  }
};

/// Expected block hits of one phase per tier, from our own hashes and the tier sizes, before the
/// run. When `exact`, low equals high; otherwise the engine must lie between.
struct ExpectedHits {
  struct Range {
    std::uint64_t low = 0, high = 0;
    bool Contains(std::uint64_t v) const { return low <= v && v <= high; }
  };
  bool exact = true;
  Range g1_blocks, g2_blocks, g3_blocks;  // hit per tier, after the dropped-last-block rule
  Range computed_blocks;                  // full prompt blocks recomputed
  Range offload_g2_to_g3_blocks;          // written to disk
};

struct DrainResult {
  bool settled = false;
  double waited_s = 0;
  std::string why;  // empty when settled
};

/// One phase of one leg.
struct PhaseEvidence {
  std::string name;
  int concurrency = 1;
  int planned_requests = 0;
  bool include_in_overall = true;
  std::string start_utc, end_utc;
  double duration_s = 0;  // traffic only, without the drain
  TierTraffic tiers;
  IoTraffic io;
  DrainResult drain;
  ClientLoad client;
  HostEvidence host;
  std::optional<ExpectedHits> expected;
};

/// What was read back from the running worker, as opposed to what was asked for.
struct WorkerReadback {
  Reading<double> cpu_cache_gb, disk_cache_gb;
  Reading<std::uint64_t> device_blocks, host_blocks, disk_blocks;
  Reading<std::uint64_t> open_files_under_cache_dir;  // deleted ones too
  Reading<bool> direct_io;
  Reading<bool> disk_offload_filter;  // true: the filter is on
  Reading<bool> cold_at_start;        // all counters zero and tiers empty before traffic
  std::string kernel_note;            // e.g. which matrix kernel the reference worker chose
};

/// The requests of one phase in the order of the plan, as one value.
struct RequestSequence {
  std::size_t count = 0;
  std::string sha256;  // over position and text of each
  bool operator==(const RequestSequence&) const = default;
};

/// One leg: one run on one freshly started stack.
struct LegEvidence {
  std::string run_id;
  std::string run_dir;
  TierMode tier = TierMode::kB0;
  std::string scenario;
  std::string backend;         // reference, command, ...
  bool deterministic = false;  // answers are gated only where the stack promises equal text
  std::uint64_t block_bytes = 0;
  int block_tokens = 0;
  std::string model_id;  // that requests ask for, as resolved; empty: not recorded
  /// Prompts of request_manifest.jsonl by phase, as they were declared before traffic; empty: no
  /// plan was written.
  std::map<std::string, RequestSequence> planned_prompts;
  bool closed = false;  // the run ended and wrote its summary; a killed run stays false
  bool run_valid = false;
  std::string invalid_reason;
  std::vector<std::string> invalid_details;
  WorkerReadback worker;
  Reading<std::uint64_t> models_at_end;
  StorageEvidence storage;
  std::optional<IoAttributionReport> io_attribution;  // empty: not asked for, or no report written
  /// Sent after the phases and kept apart from them: no rule about phases sees its records.
  TtfcSanityEvidence ttfc_sanity;
  std::vector<PhaseEvidence> phases;
  std::vector<RequestRecord> records;

  const PhaseEvidence* FindPhase(std::string_view name) const {
    for (const auto& p : phases) {
      if (p.name == name) return &p;
    }
    return nullptr;
  }
};

}  // namespace kvtier
