#pragma once
#include <optional>

#include "harness/core/reading.hpp"
#include "harness/core/units.hpp"
#include "harness/judge/evidence.hpp"
#include "harness/judge/reason.hpp"

/// The one rule by which the engine's bytes and the operating system's are compared (design section
/// 8, "agreement"); CheckWitnesses and the attribution rules share it.
namespace kvtier {

/// Below this the engine moved too little for a missing I/O to mean anything (design: agreement).
inline constexpr Bytes kWitnessFloor = 8_MiB;

/// What may lie between the two before they disagree: max(8 MiB, 5 %) of the engine's bytes on the
/// reference stack, max(64 MiB, 20 %) elsewhere (design: agreement).
Bytes WitnessTolerance(Bytes engine, bool reference);
/// What may lie above the engine's bytes before the rest belongs to somebody else:
/// max(8 MiB, 20 %) (design: agreement).
Bytes WitnessExcess(Bytes engine);

/// Empty when `os` agrees with `engine`, else one of kCounterWithoutIo, kPageCacheReads,
/// kIoWithoutCounter, kWitnessDisagreement. `asked` is what system calls moved, page cache
/// included; where it covers the engine's bytes and the device does not, it was the page cache.
std::optional<Reason> CompareWitnesses(Bytes engine, Bytes os, const Reading<Bytes>& asked,
                                       bool reference);

/// Bytes that the engine says it read from the SSD: blocks x bytes a block, else the bytes that
/// its exporter states. Blocks staged to host memory count where the exporter says them.
Reading<Bytes> EngineRead(const LegEvidence& leg, const PhaseEvidence& phase);
/// The same for writes, from host and from device memory.
Reading<Bytes> EngineWritten(const LegEvidence& leg, const PhaseEvidence& phase);

/// Blocks written to the SSD, from host and from device memory.
Reading<std::uint64_t> BlocksWritten(const TierTraffic& t);

}  // namespace kvtier
