#pragma once
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

/// Sweep summaries for the tests of the tables: rows in the predecessor's schema, from a line.
namespace kvtier::test {

/// An ok point whose replay took `ttfc_p95` and, of B2, brought four blocks back from disk.
inline nlohmann::json SweepPointJson(const std::string& mode, int concurrency, double ttfc_p95) {
  const std::string key = mode + "_c" + std::to_string(concurrency);
  const double onboard = mode == "B2" ? 4 : 0;
  return {
      {"mode", mode},
      {"concurrency", concurrency},
      {"replay_concurrency", concurrency},
      {"point_key", key},
      {"status", "ok"},
      {"phase", "sweep_point"},
      {"run_path", "bench/results/phase60_" + key + "/run_" + key + "_" + std::to_string(ttfc_p95)},
      {"error_rate", 0.0},
      {"replay_ttfc_ms", {{"p50", ttfc_p95 / 2}, {"p95", ttfc_p95}, {"p99", ttfc_p95 * 1.5}}},
      {"replay_latency_ms",
       {{"p50", ttfc_p95 * 5}, {"p95", ttfc_p95 * 10}, {"p99", ttfc_p95 * 12}}},
      {"b1_disk_tier_verified", mode == "B1" ? nlohmann::json(true) : nlohmann::json()},
      {"mechanism",
       {{"kvbm_matched_tokens_delta_replay_plus_replay2", 512.0},
        {"kvbm_onboard_blocks_d2d_delta_replay_plus_replay2", onboard},
        {"kvbm_offload_blocks_h2d_delta_replay_plus_replay2", 0.0},
        {"block_read_bytes_delta_replay_plus_replay2", onboard * 1024},
        {"block_write_bytes_delta_replay_plus_replay2", 0},
        {"cgroup_read_bytes_delta_replay_plus_replay2", onboard * 1024},
        {"cgroup_write_bytes_delta_replay_plus_replay2", 0},
        {"kvbm_disk_cache_hit_rate", 0.0}}}};
}

/// The baseline run, which the SLO rests on.
inline nlohmann::json BaselineRowJson(double ttfc_p95) {
  nlohmann::json row = SweepPointJson("B2", 1, ttfc_p95);
  row["point_key"] = "baseline_preflight_B2_c1";
  row["status"] = row["phase"] = "baseline_preflight";
  return row;
}

inline nlohmann::json SweepJson(const std::vector<nlohmann::json>& rows) {
  return {{"status", "completed"},
          {"meta", {{"sweep_replay_concurrencies", nlohmann::json::array()}}},
          {"slo_replay_p95_ms", 1100.0},
          {"rows", rows}};
}

}  // namespace kvtier::test
