#pragma once
#include "harness/core/units.hpp"
#include "harness/judge/evidence.hpp"
#include "harness/judge/reason.hpp"

/// The noise guards: did the machine do anything else while a leg was measured? Soft findings, one
/// a guard and phase; in over a quarter of the legs they cap the grade at C, they never invalidate.
/// Two block a decision: a wall clock that was set, and others that moved more on the KV disk than
/// the stack did while a leg reloaded from it.
namespace kvtier {

struct NoiseOptions {
  /// Rates over less time are not judged. Chosen: five readings of the fastest sources; the ticks
  /// of the CPU times (10 ms) are then 2 % of a core.
  double min_window_s = 0.5;
  /// I/O of others: all three must be exceeded. Chosen: 5 % of the device's traffic is the margin
  /// that the effect has to exceed; 5 MiB/s is about 1 % of what a SATA SSD moves and
  /// above what an idle system logs; 8 MiB is the floor of the witness rule.
  double other_io_share = 0.05;
  double other_io_mib_per_s = 5;
  Bytes other_io_floor = 8_MiB;
  /// Where a leg with the SSD tier replays, others that moved more than the stack did, and no less
  /// than this, block a decision. Chosen: the floor of the witness rule on a real machine.
  Bytes outmoved_floor = 64_MiB;
  /// Waiting for the disk before traffic, when the run itself is at rest. Chosen.
  double iowait_before = 0.10;
  /// CPU time of others, of the whole machine. Chosen: 0.2 of 2 cores, above the interrupts and the
  /// write-back of a quiet small machine, which count as others.
  double other_cpu = 0.10;
  /// Chosen: the margin of the effect, 5 %.
  double steal = 0.05;
  /// Chosen: most NVMe disks state a warning temperature of 70 to 85 degrees and slow down there.
  double nvme_celsius = 80;
  /// Chosen: 1 MiB in pages of 4 KiB; the kernel tidies up a few pages at any time.
  std::uint64_t swapped_pages = 256;
  /// Available memory must stay above the larger. Chosen: reclaim begins there on small and large
  /// machines alike.
  Bytes available_floor = 256_MiB;
  double available_share = 0.05;
  /// Share of the window in which some task waited for memory. Chosen: 1 % of the time can already
  /// be the slowest requests.
  double memory_stall = 0.01;
  /// Chosen: under the 128 ms from which ntpd steps, far above what slewing (500 ppm) can do
  /// between two readings.
  double clock_step_ms = 100;
  /// Readings that came too late, of those due. Chosen.
  double missed_ticks = 0.01;
};

/// Over HostEvidence of every phase, and the SMART logs around the leg for heat. A guard that lacks
/// its inputs says NOISE_GUARD_BLIND, soft for device, CPU, memory, swap, clock and other workers;
/// sensors that the machine lacks and windows too short to judge are one note a leg. A leg that
/// nobody watched is one TELEMETRY_OFF and nothing else.
Findings CheckNoise(const LegEvidence& leg, const NoiseOptions& options = {});

}  // namespace kvtier
