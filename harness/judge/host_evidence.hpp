#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "harness/core/reading.hpp"
#include "harness/core/units.hpp"

/// What the machine did around a phase, beside the stack: the evidence of the noise guards.
/// telemetry/ fills it, harness/report/ writes and reads it, harness/judge/noise decides on it.
namespace kvtier {

/// One window of the recorder's timeline, [start, end). Ratios are 0..1 of the whole machine (all
/// cores) unless a name says otherwise.
struct HostWindow {
  double duration_s = 0;

  // CPU, from /proc/stat and /proc/<pid>/stat.
  Reading<double> cpu_busy_ratio;    // all but idle, iowait and steal
  Reading<double> cpu_iowait_ratio;  // idle with an I/O outstanding
  Reading<double> cpu_steal_ratio;   // taken by the hypervisor
  Reading<double> cpu_stack_ratio;   // the processes of the stack
  Reading<double> cpu_own_ratio;     // this process
  Reading<double> cpu_other_ratio;   // busy - stack - own, not below 0

  // The KV device (the whole disk) and who used it.
  std::string device;  // "nvme0n1"; empty when unknown
  Reading<Bytes> device_read, device_write;
  Reading<Bytes> stack_read, stack_write;         // reached the device, all processes of the stack
  Reading<Bytes> own_read, own_write;             // this process
  Reading<Bytes> other_read, other_write;         // device - stack - own, not below 0
  Reading<double> read_await_ms, write_await_ms;  // mean time of an I/O, queue included
  Reading<double> queue_depth;                    // mean I/Os in flight
  Reading<double> device_busy_ratio;              // of wall time, not of cores

  // Memory; on a unified-memory machine this is the GPU's memory too.
  Reading<Bytes> mem_total, mem_available_min, swap_used_max;
  Reading<std::uint64_t> pages_swapped_in, pages_swapped_out, major_faults, oom_kills;
  /// Share of the window in which some task was stalled (PSI `some` total).
  Reading<double> cpu_stall_ratio, io_stall_ratio, memory_stall_ratio;

  // Heat and clocks.
  Reading<double> zone_celsius_max;  // hottest thermal zone
  Reading<double> nvme_celsius_max;  // hwmon of the KV device
  Reading<double> gpu_celsius_max;
  Reading<std::uint64_t> cpu_throttle_events;  // thermal_throttle counters, all cores
  Reading<std::uint64_t> cooling_active;       // cooling devices not at rest, without fans
  Reading<std::vector<std::string>>
      gpu_throttle_reasons;  // that hold the clocks down; idle and settings are none

  /// Largest change of (wall clock - monotonic clock) between two readings in the window.
  Reading<double> clock_step_ms;
};

/// A process that is no part of the stack and holds files of the KV cache directory open, or that
/// is another serving worker with files on the KV device.
struct OtherWorker {
  std::int64_t pid = 0;
  std::string cmdline;
  std::string path;  // a file that it holds open
  bool operator==(const OtherWorker&) const = default;
};

/// What the recorder says of itself over a phase.
struct RecorderHealth {
  std::uint64_t ticks_due = 0;
  std::uint64_t ticks_missed = 0;  // due and not begun within one cadence
  double worst_delay_ms = 0;       // between due and begun
  double cpu_ratio = 0;            // CPU time of its thread over wall time, of one core
  std::uint64_t rows = 0;          // written to the timeline
  std::uint64_t rows_dropped = 0;  // not written, because the buffer was full
  /// One "source: reason" for each source that could not be read at some tick of the phase.
  std::vector<std::string> blind;
};

/// Around one phase. Unavailable with "telemetry is off" when the run was made without the
/// recorder.
struct HostEvidence {
  Reading<HostWindow> before;                       // the quiet moments before the first request
  Reading<HostWindow> during;                       // while traffic ran
  Reading<std::vector<OtherWorker>> other_workers;  // at the end of the phase
  Reading<RecorderHealth> recorder;
};

}  // namespace kvtier
