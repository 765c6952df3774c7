#pragma once
#include <optional>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "harness/judge/evidence.hpp"

/// The documented scenario signals of a run summary (spec: overall_summary). Informational: gates
/// decide on evidence, not on these words. Unlike the predecessor, "disk_rehydrate_detected" needs
/// blocks that came from the disk.
namespace kvtier {

/// rehydrate_replay_signal_kvbm, and eviction_replay_signal_kvbm over warm_A, pressure_B and
/// replay_A: {signal, baseline_phase, pressure_phase, replay_phase, ...onboard
/// and matched counts, reuse_gate, interpretation}; {signal:"skipped", reason, interpretation}
/// where the metrics cannot be read. Words: disk_rehydrate_detected, host_onboard_only (ours),
/// no_onboard_no_reuse_signal, onboard_outside_replay, no_onboard_signal, skipped.
nlohmann::json RehydrateSignalKvbm(const LegEvidence& leg);
/// rehydrate_replay_signal_io over whole-device reads: possible_readback above max(1 MiB, 1.2 x the
/// populate reads), weak_read_signal, no_clear_readback; {signal:"skipped", ...} where the device
/// cannot be read.
nlohmann::json RehydrateSignalIo(const LegEvidence& leg);
/// eviction_replay_signal_io: the same with warm_read_mib beside baseline_read_mib.
nlohmann::json EvictionSignalIo(const LegEvidence& leg);
/// reuse_verify_signal_kvbm with the documented fields, and beside them device_cached_tokens a
/// phase and the tier that answered ("host", "disk", "device", "none").
nlohmann::json ReuseSignalKvbm(const LegEvidence& leg);
/// "host", "disk", "host+disk", "device" or "none": which tier answered this reuse phase.
std::string AnsweringTier(const LegEvidence& leg, const PhaseEvidence& phase);
/// Sum of usage.prompt_tokens_details.cached_tokens over the ok records of a phase; empty when no
/// record states it.
std::optional<std::int64_t> CachedTokens(const LegEvidence& leg, const std::string& phase);

}  // namespace kvtier
