#pragma once
#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "harness/judge/evidence.hpp"
#include "telemetry/drain.hpp"
#include "telemetry/roots.hpp"

namespace kvtier {

/// Where the numbers of one running stack come from.
struct BoundarySources {
  std::optional<std::string> kvbm_metrics_url;  // empty in B0: the snapshot is skipped, not failed
  std::vector<pid_t> worker_pids;               // their descendants are found at each boundary
  std::vector<pid_t> stack_pids;                // the other processes of the stack
  std::filesystem::path cache_dir;              // its device is the KV device; empty: unknown
  std::chrono::milliseconds scrape_timeout = std::chrono::seconds(3);
  OsRoots roots;
};

/// All witnesses at one moment. Taking it never throws: what cannot be read is unavailable with its
/// reason.
struct Boundary {
  KvbmSnapshot kvbm;
  OsIoSnapshot os;
};
/// `label`: run_start, before_<phase>, after_<phase>, run_end.
Boundary TakeBoundary(const BoundarySources& sources, const std::string& label);
OsIoSnapshot TakeOsIo(const BoundarySources& sources, const std::string& label);

/// after - before. Process figures are unavailable when either side is, when a process of `before`
/// has vanished or one of `after` is new (its lifetime total is not this phase's I/O); a counter
/// that went backwards sets counter_reset and makes its reading unavailable.
IoTraffic IoBetween(const OsIoSnapshot& before, const OsIoSnapshot& after);

/// Processes that are neither the stack's nor this one and hold the KV cache's directory open, or
/// serve from its disk.
Reading<std::vector<OtherWorker>> FindOtherWorkers(const BoundarySources& sources);

/// What a drain watches on a running stack: offload counters where KVBM is on, and the worker
/// tree's disk bytes.
Activity ReadActivity(const BoundarySources& sources, const std::string& label);

}  // namespace kvtier
