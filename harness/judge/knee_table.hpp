#pragma once
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "harness/judge/sweep_rows.hpp"

/// The knee table (spec: rules 9, artifacts D6): B1 then B2 for every concurrency, the best row of
/// each, with the signals that say whether the SSD had a part in it.
namespace kvtier {

/// Columns of the CSV, in order.
inline constexpr std::array<std::string_view, 22> kKneeColumns{"concurrency",
                                                               "mode",
                                                               "status",
                                                               "point_key",
                                                               "ttfc_p95_ms",
                                                               "ttfc_p99_ms",
                                                               "ttft_p95_ms",
                                                               "ttft_p99_ms",
                                                               "metric_source_p95",
                                                               "metric_source_p99",
                                                               "error_rate",
                                                               "ssd_write_signal_present",
                                                               "ssd_rehydrate_signal_present",
                                                               "b1_disk_tier_verified",
                                                               "kvbm_matched_tokens_delta",
                                                               "kvbm_onboard_blocks_d2d_delta",
                                                               "kvbm_offload_blocks_h2d_delta",
                                                               "kvbm_disk_cache_hit_rate",
                                                               "replay_block_read_bytes",
                                                               "replay_process_read_bytes",
                                                               "run_path",
                                                               "notes"};

/// One line. What could not be measured is unavailable and an empty cell; by the runbook's ruleset
/// a counter that nobody read is 0.
struct KneeRow {
  int concurrency = 0;
  TierMode mode = TierMode::kB1;
  std::string status;  // of the sweep; "missing" where it has no row for the point
  std::string point_key;
  Reading<double> ttfc_p95_ms, ttfc_p99_ms;  // hold the TTFT where the source says ttft_fallback
  Reading<double> ttft_p95_ms, ttft_p99_ms;
  std::string metric_source_p95 = "missing", metric_source_p99 = "missing";  // ttfc, ttft_fallback
  Reading<double> error_rate;
  Reading<bool> ssd_write_signal_present, ssd_rehydrate_signal_present;
  Reading<bool> b1_disk_tier_verified;
  Reading<double> matched_tokens, onboard_blocks_d2d, offload_blocks_h2d, disk_cache_hit_rate;
  Reading<double> block_read_bytes, process_read_bytes;
  std::string run_path;
  std::vector<std::string> notes;  // missing_mode_row, status:<s>, missing_p95, ...
};
/// The columns as keys; null for what is unavailable.
void to_json(nlohmann::json& j, const KneeRow& row);

/// Of several rows of one point the best status counts, of equals the later. A preflight never
/// stands before a row of the sweep itself, unless the runbook's ruleset says so.
std::vector<KneeRow> KneeTable(const Sweep& sweep, Ruleset ruleset = Ruleset::kKvtier);

}  // namespace kvtier
