#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>

#include "harness/core/clock.hpp"
#include "harness/core/reading.hpp"
#include "harness/judge/evidence.hpp"
#include "telemetry/engine/kvbm.hpp"

namespace kvtier {

/// What must stand still before a phase has ended.
struct Activity {
  std::optional<Reading<OffloadActivity>> engine;  // empty: KVBM is off, there is nothing to watch
  Reading<Bytes> worker_io;                        // read + written by the worker's process tree
};

struct DrainOptions {
  std::chrono::milliseconds interval{
      250};  // 1 s where the exporter or the machine is slower (design.md section 8)
  std::chrono::milliseconds limit{30000};
  int blind_reads =
      3;  // this many unreadable reads in a row end the wait: nothing can be proven still
};

/// Clock and sleep of a drain; tests bring their own.
struct DrainClock {
  std::function<MonoNs()> now = NowMono;
  std::function<void(std::chrono::milliseconds)> sleep;  // default: this thread sleeps
};

/// Waits until two reads one interval apart agree and nothing is pending. Where only one of the two
/// witnesses can be read, that one decides when the engine is it; an engine that is on and cannot
/// be read never settles. DrainResult.why names what was still moving or could not be seen.
DrainResult WaitUntilStill(const std::function<Activity()>& read, const DrainOptions& options,
                           const DrainClock& clock = {});

}  // namespace kvtier
