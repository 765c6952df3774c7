#include "harness/judge/agreement.hpp"

#include <algorithm>
#include <cstdint>

namespace kvtier {
namespace {

Bytes Share(Bytes of, std::uint64_t percent) {
  return {static_cast<std::uint64_t>(static_cast<double>(of.value) * static_cast<double>(percent) /
                                     100)};
}

Reading<Bytes> EngineBytes(const Reading<std::uint64_t>& blocks, const Reading<Bytes>& stated,
                           std::uint64_t block_bytes) {
  if (blocks.available() && block_bytes > 0) return Bytes{*blocks * block_bytes};
  if (stated.available()) return stated;
  if (blocks.available()) {
    return Reading<Bytes>::Unavailable("the bytes of a block are not known");
  }
  return Reading<Bytes>::Unavailable(blocks.reason());
}

}  // namespace

Bytes WitnessTolerance(Bytes engine, bool reference) {
  return reference ? std::max(8_MiB, Share(engine, 5)) : std::max(64_MiB, Share(engine, 20));
}

Bytes WitnessExcess(Bytes engine) {
  return std::max(8_MiB, Share(engine, 20));
}

std::optional<Reason> CompareWitnesses(Bytes engine, Bytes os, const Reading<Bytes>& asked,
                                       bool reference) {
  const Bytes tolerance = WitnessTolerance(engine, reference);
  const bool under_half = os <= engine && os.value < engine.value - os.value;
  if (engine >= kWitnessFloor && under_half) {
    const bool cached = asked.available() && *asked + tolerance >= engine;
    return cached ? Reason::kPageCacheReads : Reason::kCounterWithoutIo;
  }
  if (os > engine + WitnessExcess(engine)) return Reason::kIoWithoutCounter;
  const Bytes apart{os > engine ? os.value - engine.value : engine.value - os.value};
  if (apart > tolerance) return Reason::kWitnessDisagreement;
  return std::nullopt;
}

Reading<std::uint64_t> BlocksWritten(const TierTraffic& t) {
  const auto& host = t.offload_g2_to_g3_blocks;
  const auto& device = t.offload_g1_to_g3_blocks;
  if (!host.available()) return host;
  if (!device.available()) return device;
  return *host + *device;
}

Reading<Bytes> EngineRead(const LegEvidence& leg, const PhaseEvidence& phase) {
  Reading<std::uint64_t> blocks = phase.tiers.onboard_g3_to_g1_blocks;
  const auto& staged = phase.tiers.onboard_g3_to_g2_blocks;
  if (blocks.available() && staged.available()) blocks = *blocks + *staged;
  return EngineBytes(blocks, phase.tiers.onboard_from_g3_bytes, leg.block_bytes);
}

Reading<Bytes> EngineWritten(const LegEvidence& leg, const PhaseEvidence& phase) {
  return EngineBytes(BlocksWritten(phase.tiers), phase.tiers.offload_to_g3_bytes, leg.block_bytes);
}

}  // namespace kvtier
