#pragma once
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "harness/core/files.hpp"
#include "harness/core/tier.hpp"

/// Artifacts as the predecessor writes them, made by hand from their documented keys; for tests.
namespace kvtier::legacy_sample {

using nlohmann::json;

struct Leg {
  TierMode mode = TierMode::kB2;
  std::string run_id = "run_B2_p01_l1_20260212T100000Z";
  double ttfc_ms = 100;  // of the fastest replay; the others follow at 0.1 ms
  int replays = 60;
  double onboard_d2d = 1020, onboard_h2d = 0, offload_h2d = 0, matched = 32640;  // of the replay
  double written = 1020;  // blocks, in populate
  bool worker_seen = true;
};

inline json Block(double p95) {
  return {{"min", p95 * 0.8}, {"p50", p95 * 0.9}, {"p90", p95 * 0.98}, {"p95", p95},
          {"p99", p95 * 1.1}, {"max", p95 * 1.2}, {"mean", p95 * 0.9}};
}

inline json WorkerIo(const Leg& leg, std::int64_t read_bytes, std::int64_t write_bytes) {
  const json sources{
      {"selected_source", leg.worker_seen ? "docker_exec" : "process_io_unavailable"},
      {"container_proc_available", leg.worker_seen},
      {"host_proc_available", false},
      {"cgroup_io_available", false}};
  return {{"available", true},  // also where nothing was seen
          {"attribution_sources_before", sources},
          {"attribution_sources_after", sources},
          {"matched_pids_before", leg.worker_seen ? 1 : 0},
          {"matched_pids_after", leg.worker_seen ? 1 : 0},
          {"read_bytes_delta", leg.worker_seen ? read_bytes : 0},
          {"write_bytes_delta", leg.worker_seen ? write_bytes : 0},
          {"cgroup_read_bytes_delta", 0},
          {"cgroup_write_bytes_delta", 0}};
}

inline json Deltas(const Leg& leg, bool replay) {
  if (!KvbmEnabled(leg.mode))
    return {{"available", false}, {"skipped", true}, {"reason", "kvbm_disabled"}};
  const auto of_replay = [&](double v) { return replay ? v : 0.0; };
  json d{{"available", true},
         {"kvbm_matched_tokens_delta", of_replay(leg.matched)},
         {"kvbm_onboard_blocks_d2d_delta", of_replay(leg.onboard_d2d)},
         {"kvbm_onboard_blocks_h2d_delta", of_replay(leg.onboard_h2d)},
         {"kvbm_offload_blocks_d2h_delta", 0.0},
         {"kvbm_offload_blocks_h2d_delta", replay ? leg.offload_h2d : leg.written},
         {"kvbm_offload_blocks_d2d_delta", 0.0},
         {"kvbm_host_cache_hit_rate_after", 0.1},
         {"kvbm_disk_cache_hit_rate_after", 0.25}};
  d["onboard_blocks_total_delta"] = of_replay(leg.onboard_d2d + leg.onboard_h2d);
  d["offload_blocks_total_delta"] = replay ? leg.offload_h2d : leg.written;
  d["matched_tokens_total_delta"] = of_replay(leg.matched);
  return d;
}

inline json Phase(const Leg& leg, const std::string& name) {
  const bool replay = name == "replay";
  const double p95 = leg.ttfc_ms + 0.1 * 0.95 * (leg.replays - 1);
  return {{"phase", name},
          {"phase_start_ts", "2026-02-12T10:00:00.000+00:00"},
          {"phase_end_ts", "2026-02-12T10:00:10.000+00:00"},
          {"concurrency", 2},
          {"requests", leg.replays},
          {"duration_s", 10.0},
          {"total_requests", leg.replays},
          {"ok_requests", leg.replays},
          {"error_requests", 0},
          {"error_rate", 0.0},
          {"latency_ms", Block(p95 + 40)},
          {"ttfc_ms", Block(p95)},
          {"ttft_ms", Block(p95)},
          {"kvbm_metrics_delta", Deltas(leg, replay)},
          {"block_device", "nvme0n1"},
          {"io_delta",
           {{"read_bytes_delta", static_cast<std::int64_t>(leg.onboard_d2d) * 327'680},
            {"write_bytes_delta", 4096}}},
          {"worker_process_io_delta",
           WorkerIo(leg, replay ? static_cast<std::int64_t>(leg.onboard_d2d) * 327'680 : 0,
                    static_cast<std::int64_t>(replay ? leg.offload_h2d : leg.written) * 327'680)}};
}

inline json Summary(const Leg& leg) {
  return {{"run_id", leg.run_id},
          {"created_utc", "2026-02-12T10:01:00.000+00:00"},
          {"run_valid", true},
          {"invalid_reason", nullptr},
          {"invalid_details", json::array()},
          {"model_id", "llama"},
          {"model_count_end", 1},
          {"scenario", "rehydrate_replay"},
          {"stream", true},
          {"stream_record_ttfb", false},
          {"mode", TierName(leg.mode)},
          {"tier_mode", TierName(leg.mode)},
          {"kvbm_enabled", KvbmEnabled(leg.mode)},
          {"storage",
           {{"primary_nvme_device", "/dev/nvme0n1"},
            {"primary_nvme_model", "Model A"},
            {"primary_nvme_fw", "1.0"},
            {"pcie_link", nullptr}}},
          {"phase_summaries", {Phase(leg, "populate"), Phase(leg, "replay")}},
          {"overall_summary", {{"phase", "overall"}, {"error_rate", 0.0}}}};
}

inline json Request(const std::string& phase, int index, double ttfc_ms, int prompt = 1) {
  return {{"request_index", index},
          {"phase", phase},
          {"worker_idx", 1},
          {"start_ts", fmt::format("2026-02-12T10:00:{:02d}.000+00:00", index % 60)},
          {"end_ts", "2026-02-12T10:00:59.000+00:00"},
          {"latency_ms", ttfc_ms + 40},
          {"ttft_ms", ttfc_ms},
          {"ttfc_ms", ttfc_ms},
          {"ttfb_ms", 1.5},
          {"status_code", 200},
          {"http_status", 200},
          {"request_id", nullptr},
          {"response_id", "r"},
          {"prompt_id", fmt::format("p{:03d}", prompt)},
          {"prompt_set", "rehydrate_populate"},
          {"prompt_target_tokens", 512},
          {"prompt_tokens_est", 550},
          {"prompt_sha256", Sha256Hex(std::to_string(prompt))},
          {"generation_params_sha256", "g"},
          {"request_identity_sha256", "i"},
          {"request_payload_sha256", "y"},
          {"output_len_chars", 42},
          {"output_tokens_est", 10},
          {"error", nullptr},
          {"stream", true},
          {"stream_error", nullptr}};
}

inline std::vector<json> Requests(const Leg& leg) {
  std::vector<json> rows;
  int index = 0;
  for (const char* phase : {"populate", "replay"}) {
    for (int i = 0; i < leg.replays; ++i)
      rows.push_back(Request(phase, ++index, leg.ttfc_ms + 0.1 * i, i + 1));
  }
  return rows;
}

/// The run folder with what our readers look at.
inline void WriteRun(const std::filesystem::path& dir, const Leg& leg) {
  std::filesystem::create_directories(dir / "phase_deltas");
  WriteJsonAtomic(dir / "summary.json", Summary(leg));
  {
    JsonlWriter rows(dir / "requests.jsonl");
    for (const json& row : Requests(leg)) rows.Append(row);
  }
  if (!KvbmEnabled(leg.mode)) return;
  for (const char* phase : {"populate", "replay"}) {
    json metrics;
    for (const char* name :
         {"kvbm_matched_tokens", "kvbm_onboard_blocks_d2d", "kvbm_onboard_blocks_h2d",
          "kvbm_offload_blocks_d2h", "kvbm_offload_blocks_h2d", "kvbm_offload_blocks_d2d"})
      metrics[name] = 1.0;
    WriteJsonAtomic(
        dir / "phase_deltas" / fmt::format("phase_{}_kvbm_metrics_end.json", phase),
        {{"label", std::string("after_") + phase}, {"success", true}, {"metrics", metrics}});
  }
}

inline constexpr const char* kTs = "20260212T100000Z";

inline std::filesystem::path ManifestFile(const std::filesystem::path& root) {
  return root / fmt::format("phase70_rehydrate_pair_repeats_manifest_{}.json", kTs);
}

/// A whole experiment below `root`: in every pair B2 takes `ratio` times what B1 takes, with a
/// little noise. Returns the manifest, which names its runs below a folder of another machine.
inline json WriteExperiment(const std::filesystem::path& root, int pairs = 8, double ratio = 0.5,
                            const std::function<void(int pair, Leg&)>& change = {}) {
  json runs = json::array();
  for (int pair = 1; pair <= pairs; ++pair) {
    const bool b1_first = pair % 2 == 1;
    for (int place = 1; place <= 2; ++place) {
      Leg leg;
      leg.mode = (place == 1) == b1_first ? TierMode::kB1 : TierMode::kB2;
      const double noise = 1 + 0.01 * (pair * 7 % 5 - 2);
      leg.ttfc_ms = leg.mode == TierMode::kB1 ? 200 : 200 * ratio * noise;
      if (leg.mode == TierMode::kB1) leg.onboard_d2d = leg.matched = leg.written = 0;
      leg.run_id = fmt::format("run_{}_p{:02d}_l{}_{}", TierName(leg.mode), pair, place, kTs);
      if (change) change(pair, leg);
      const std::string bundle = fmt::format("phase70_rehydrate_pair_{}_p{:02d}_l{}_{}",
                                             TierName(leg.mode), pair, place, kTs);
      WriteRun(root / bundle / leg.run_id, leg);
      runs.push_back(
          {{"pair_id", pair},
           {"pair_order", b1_first ? "B1_B2" : "B2_B1"},
           {"pair_leg", place},
           {"mode", TierName(leg.mode)},
           {"bundle_id", bundle},
           {"run_id", leg.run_id},
           {"run_dir", "/elsewhere/bench/results/" + bundle + "/" + leg.run_id},
           {"log_path", "x.log"},
           {"started_utc", fmt::format("2026-02-12T10:{:02d}:00+00:00", 2 * pair + place - 3)},
           {"completed_utc", fmt::format("2026-02-12T10:{:02d}:50+00:00", 2 * pair + place - 3)},
           {"io_attrib_checked", false},
           {"io_attrib_checker_rc", nullptr}});
    }
  }
  json manifest{{"meta",
                 {{"created_utc", kTs},
                  {"model_profile", "llama31_8b_fp8"},
                  {"scenario", "rehydrate_replay"},
                  {"pair_count", pairs},
                  {"mode_a", "B1"},
                  {"mode_b", "B2"},
                  {"replay_concurrency", 1},
                  {"order_strategy", "alternating"},
                  {"order_seed", "20260212"},
                  {"io_attrib_enabled", false},
                  {"io_attrib_interval_s", 1.0},
                  {"stream_metrics_enabled", true},
                  {"stream_timeout_s", nullptr},
                  {"stream_record_ttfb", false},
                  {"pair_washout_s", 0},
                  {"skip_preflight", false},
                  {"disable_mechanism_gate", false},
                  {"decision_grade_require_rehydrate", true},
                  {"require_ttfc", true}}},
                {"runs", runs}};
  WriteJsonAtomic(ManifestFile(root), manifest);
  return manifest;
}

}  // namespace kvtier::legacy_sample
