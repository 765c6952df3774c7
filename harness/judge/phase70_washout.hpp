#pragma once
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "harness/core/reading.hpp"
#include "harness/core/units.hpp"
#include "harness/judge/evidence.hpp"
#include "harness/judge/reason.hpp"

/// What lies between a leg and the one before it. Carry-over is not modelled away, it is kept out
/// by the design (Freeman 1989): so each leg shows that it began on a stack that remembers nothing
/// and on a disk at rest. washout.json in the bundle of the later leg.
namespace kvtier {

struct WashoutEvidence {
  std::string after_run_id;  // empty: the first leg of the experiment

  // What was done.
  int asked_s = 0;      // BENCH_PHASE70_PAIR_WASHOUT_S
  double waited_s = 0;  // between the end of one leg and the start of the next
  bool synced = false;
  Reading<bool> caches_dropped;  // unavailable: not asked for; false: the kernel refused

  // What was seen.
  std::vector<std::string> workers_before;  // "<pid>@<start ticks>" of the leg before
  std::vector<std::string> workers;         // of this leg
  Reading<bool> fresh_worker;               // no process of the leg before works for this one
  Reading<bool> cold_at_start;              // counters zero and tiers empty before traffic
  double quiet_s = 0;                       // the window before the first phase
  Reading<Bytes> other_read, other_write;   // I/O of others on the KV device in that window
  Reading<double> device_in_flight;         // mean I/Os in flight there
  Reading<double> celsius;                  // hottest of the KV device's sensors
};
void to_json(nlohmann::json& j, const WashoutEvidence& w);
/// Throws DataError naming the key.
void from_json(const nlohmann::json& j, WashoutEvidence& w);

/// Adds what the leg itself shows: cold start and the quiet window before its first phase.
WashoutEvidence CompleteWashout(WashoutEvidence done, const LegEvidence& leg);
/// fresh_worker from both lists; unavailable where the stack names no process.
Reading<bool> IsFreshWorker(const std::vector<std::string>& before,
                            const std::vector<std::string>& now);

struct WashoutOptions {
  /// I/O of others: both must be exceeded. The figures of the noise guards.
  Bytes other_io_floor = 8_MiB;
  double other_io_mib_per_s = 5;
  /// Mean I/Os in flight. Chosen: a disk that is busy half of the time is not at rest.
  double in_flight = 0.5;
  /// Most NVMe disks state a warning temperature of 70 to 85 degrees. Chosen: the guard's 80.
  double celsius = 80;
};

/// WASHOUT_NOT_PROVEN, at most one a leg, with everything that is not shown. A sensor that the
/// machine lacks is not held against it, nor the tiers that B0 does not have.
Findings CheckWashout(const LegEvidence& leg, const std::optional<WashoutEvidence>& washout,
                      const WashoutOptions& options = {});

}  // namespace kvtier
