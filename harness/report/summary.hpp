#pragma once
#include <map>
#include <span>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "harness/judge/evidence.hpp"
#include "harness/judge/service_levels.hpp"
#include "harness/report/bundle.hpp"

/// The computed parts of summary.json (spec/artifacts.md A9): pure functions over evidence.
namespace kvtier {

/// The statistics block over these rows. Latencies (ms) are of ok requests alone, everything else
/// is counted by outcome. `quantiles` beside them has n and the distribution-free interval of p50,
/// p90, p95 and p99; `unavailable` says why a latency has no figure; `error_adjusted` takes failed
/// requests for endless ones. itl_ms and icl_ms need the records' chunks (RowDetail::kAll).
nlohmann::json StatisticsBlock(std::span<const RequestRecord* const> rows, double duration_s);

/// Tokens a second, and the latencies of the requests that began, while a phase was in its steady
/// state: from the moment when `concurrency` requests were in flight and every slot had ended one,
/// to the moment when the last planned request was sent. A token counts when its chunk came,
/// whosever request it is; prompt tokens count at the first text. {"unavailable"} where there was
/// no such time.
nlohmann::json SteadyWindowJson(std::span<const RequestRecord* const> rows, int concurrency);

/// The limits that a run's settings ask for: slo.preset, and slo.ttft_ms, slo.tpot_ms, slo.e2e_ms
/// over it.
ServiceLevels ServiceLevelsOf(std::span<const SettingValue> settings);
/// Block `load`: failed requests by outcome and HTTP status, goodput (null without limits) and,
/// where requests have a moment at which they were due (open loop, sessions), latencies from it.
nlohmann::json LoadBlock(std::span<const RequestRecord* const> rows, const ServiceLevels& levels,
                         double duration_s);

/// Block request_identity (spec/workloads.md section 7).
nlohmann::json RequestIdentityJson(const std::vector<RequestRecord>& records,
                                   const std::string& scenario);

/// The documented signals of the leg's scenario, by name: rehydrate_replay_signal_kvbm and _io,
/// eviction_replay_signal_kvbm and _io, or reuse_verify_signal_kvbm; empty for a scenario without
/// one.
nlohmann::json ScenarioSignals(const LegEvidence& leg);

struct SummaryInput;
/// The blocks nvme, storage and io_attribution: {"unavailable"} where nothing was captured, and no
/// path of a file that does not exist.
nlohmann::json NvmeBlock(const SummaryInput& input);
nlohmann::json StorageBlock(const SummaryInput& input);
nlohmann::json IoAttributionBlock(const SummaryInput& input);
/// The machine during a phase in short, for its row in phase_summaries.
nlohmann::json HostBlock(const HostEvidence& host);

struct SummaryInput {
  const LegEvidence& leg;
  const RunConfig& config;
  const std::map<std::string, PhaseBoundaries>& boundaries;
  const CloseNotes& notes;
  /// Captures of the disk that lie in the run folder, by file name (bundle_files).
  std::map<std::string, nlohmann::json> device_files{};
  int snapshot_count = 0;
  int snapshots_with_metrics = 0;
  std::string created_utc{};
};
/// The whole of summary.json.
nlohmann::json BuildSummary(const SummaryInput& input);

}  // namespace kvtier
