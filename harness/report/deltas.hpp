#pragma once
#include <string>

#include <nlohmann/json.hpp>

#include "harness/judge/evidence.hpp"

/// The phase artifacts in their documented shapes (spec/artifacts.md A6, A7, A9): pure functions
/// over typed evidence. What was not measured is null or {"unavailable"}, never 0.
namespace kvtier {

/// A row of kvbm_metrics_snapshots.jsonl, and a phase's kvbm_metrics_{start,end}. A disabled KVBM
/// has its own form.
nlohmann::json SnapshotJson(const KvbmSnapshot& snapshot);
/// kvbm_metrics_delta under the exporter's key names; available:false with its reason when there is
/// no delta.
nlohmann::json KvbmDeltaJson(const TierTraffic& tiers, const KvbmSnapshot& start,
                             const KvbmSnapshot& end);
/// os_io_{start,end}.
nlohmann::json OsIoSnapshotJson(const OsIoSnapshot& snapshot, const std::string& phase);
/// os_io_delta; an unread device is null with its reason beside it.
nlohmann::json OsIoDeltaJson(const IoTraffic& io, const OsIoSnapshot& start,
                             const OsIoSnapshot& end, const std::string& phase);

/// Rounds to `places` decimals, as the artifacts do.
double RoundTo(double value, int places);

}  // namespace kvtier
