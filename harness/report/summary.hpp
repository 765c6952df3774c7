#pragma once
#include <span>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "harness/judge/evidence.hpp"
#include "harness/report/bundle.hpp"

/// The computed parts of summary.json (spec/artifacts.md A7 and A9): pure functions over evidence.
namespace kvtier {

/// A6 row or A7 start/end file of one snapshot. A disabled KVBM is written in its documented form.
nlohmann::json SnapshotJson(const KvbmSnapshot& snapshot);
/// A7 kvbm_metrics_delta with the exporter's key names. A counter that could not be read is null, never 0.
nlohmann::json KvbmDeltaJson(const TierTraffic& tiers, const KvbmSnapshot& start, const KvbmSnapshot& end);
/// A7 os_io_{start,end}.
nlohmann::json OsIoSnapshotJson(const OsIoSnapshot& snapshot, const std::string& phase);
/// A7 os_io_delta: io_delta and worker_process_io_delta of A9; an unread device is null with its reason beside it.
nlohmann::json OsIoDeltaJson(const IoTraffic& io, const OsIoSnapshot& start, const OsIoSnapshot& end,
                             const std::string& phase);

/// The statistics block of A9 over these rows: latencies of ok requests only, the others counted by outcome. `quantiles`
/// beside it has n and the distribution-free interval of each p50/p95/p99 of TTFC and latency.
nlohmann::json StatisticsBlock(std::span<const RequestRecord* const> rows, double duration_s);

/// Block request_identity of A9 (spec/workloads.md section 7).
nlohmann::json RequestIdentityJson(const std::vector<RequestRecord>& records, const std::string& scenario);

/// The whole of summary.json.
struct SummaryInput {
  const LegEvidence& leg;
  const RunConfig& config;
  const std::map<std::string, PhaseBoundaries>& boundaries;
  int snapshot_count = 0;
  int snapshots_with_metrics = 0;
  CloseNotes notes;
  std::string created_utc;
};
nlohmann::json BuildSummary(const SummaryInput& input);

}  // namespace kvtier
