#pragma once
#include <cstddef>

#include "harness/core/reading.hpp"
#include "harness/judge/evidence.hpp"
#include "harness/judge/reason.hpp"

/// Little's law (1961) over one phase: the mean number of requests in flight is their throughput
/// times their mean latency. Three parties say these figures: the plan (how many are kept in
/// flight), the clock of the phase (how long it took), the rows (when each request was under way).
/// A load generator that pauses between requests, or rows that are not those of the phase, make
/// them disagree. Latencies may be right all the same, so the finding is soft.
namespace kvtier {

/// They agree within this share (AIPerf's rule for a steady window) ...
inline constexpr double kLittlesLawTolerance = 0.05;
/// ... or within this time, for each slot: one turn of a busy machine's scheduler is no pause.
inline constexpr double kLittlesLawFloorSeconds = 0.02;

struct PhaseFlow {
  std::size_t requests = 0;
  double duration_s = 0;      // of the phase, by its own clock
  double span_s = 0;          // from the first request sent to the last one over, by the rows
  double mean_latency_s = 0;  // of a request, from its first byte sent until its slot is free
  /// What the phase keeps in flight while requests wait for a slot; 0 in an open loop, whose
  /// arrivals are the plan's.
  int slots = 0;
  /// From the moment when every slot was filled to the sending of the last request; 0 where a phase
  /// has no more requests than slots.
  double steady_s = 0;
  double steady_in_flight = 0;  // mean over that window, by the rows

  double Throughput() const { return static_cast<double>(requests) / duration_s; }  // a second
  /// Mean in flight over the phase: by throughput and latency, and by the rows alone.
  double ByLaw() const { return Throughput() * mean_latency_s; }
  double ByRows() const { return static_cast<double>(requests) * mean_latency_s / span_s; }
};
/// Unavailable where a planned request has no row, or a row no begin or no end, or the phase no
/// duration: other rules speak of those.
Reading<PhaseFlow> MeasureFlow(const LegEvidence& leg, const PhaseEvidence& phase);

/// Every phase whose flow can be measured. Rows of the predecessor keep no stamps to measure by.
Findings CheckLittlesLaw(const LegEvidence& leg);

}  // namespace kvtier
