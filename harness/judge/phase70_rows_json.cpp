#include <nlohmann/json.hpp>

#include "harness/judge/json_fields.hpp"
#include "harness/judge/phase70.hpp"

/// Rows, deltas and the early gate of the paired experiment as JSON.
namespace kvtier {

using nlohmann::json;

void to_json(nlohmann::json& j, const PairRow& r) {
  j = {{"pair_id", r.pair_id},
       {"pair_order", r.pair_order},
       {"pair_leg", r.pair_leg},
       {"mode", TierName(r.mode)},
       {"replay_concurrency", r.replay_concurrency},
       {"run_id", r.run_id},
       {"bundle_id", r.bundle_id},
       {"timestamp_utc", r.timestamp_utc},
       {"status", r.status},
       {"error_rate", OptionalJson(r.error_rate)},
       {"stream", r.stream},
       {"stream_record_ttfb", r.stream_record_ttfb},
       {"replay_ttfc_p95_ms", OptionalJson(r.replay_ttfc_p95_ms)},
       {"replay_ttfc_p99_ms", OptionalJson(r.replay_ttfc_p99_ms)},
       {"replay_ttft_p95_ms", OptionalJson(r.replay_ttft_p95_ms)},
       {"replay_ttft_p99_ms", OptionalJson(r.replay_ttft_p99_ms)},
       {"metric_preferred_replay_p95", r.metric_preferred_replay_p95},
       {"metric_used_replay_p95", r.metric_used_replay_p95},
       {"replay_read_gib", OptionalJson(r.replay_read_gib)},
       {"io_attrib_pass", OptionalJson(r.io_attrib_pass)},
       {"process_evidence_method", r.process_evidence_method},
       {"pid_warn", OptionalJson(r.pid_warn)},
       {"kvbm_matched_tokens_delta", OptionalJson(r.kvbm_matched_tokens_delta)},
       {"kvbm_onboard_blocks_delta", OptionalJson(r.kvbm_onboard_blocks_delta)},
       {"primary_nvme_model", r.primary_nvme_model},
       {"primary_nvme_fw", r.primary_nvme_fw},
       {"pcie_link", r.pcie_link},
       {"run_path", r.run_path},
       {"io_attrib_checked", r.io_attrib_checked},
       {"io_attrib_checker_rc", OptionalJson(r.io_attrib_checker_rc)},
       {"io_attrib_verdict_path", r.io_attrib_verdict_path},
       {"replay_ttfc_p50_ms", OptionalJson(r.replay_ttfc_p50_ms)},
       {"replay_e2e_p95_ms", OptionalJson(r.replay_e2e_p95_ms)},
       {"replay_prompt_tokens_per_s", OptionalJson(r.replay_prompt_tokens_per_s)},
       {"replay_ok", r.replay_ok},
       {"replay_planned", r.replay_planned},
       {"replay_ttfc_p95", OptionalJson(r.replay_ttfc_p95)},
       {"reason_codes", r.reason_codes}};
}

void from_json(const nlohmann::json& j, PairRow& r) {
  r.pair_id = At<int>(j, "pair_id");
  r.pair_order = At<std::string>(j, "pair_order");
  r.pair_leg = At<int>(j, "pair_leg");
  r.mode = TierAt(j, "mode");
  r.replay_concurrency = At<int>(j, "replay_concurrency");
  r.run_id = At<std::string>(j, "run_id");
  r.bundle_id = At<std::string>(j, "bundle_id");
  r.timestamp_utc = At<std::string>(j, "timestamp_utc");
  r.status = At<std::string>(j, "status");
  r.error_rate = OptionalAt<double>(j, "error_rate");
  r.stream = At<bool>(j, "stream");
  r.stream_record_ttfb = At<bool>(j, "stream_record_ttfb");
  r.replay_ttfc_p95_ms = OptionalAt<double>(j, "replay_ttfc_p95_ms");
  r.replay_ttfc_p99_ms = OptionalAt<double>(j, "replay_ttfc_p99_ms");
  r.replay_ttft_p95_ms = OptionalAt<double>(j, "replay_ttft_p95_ms");
  r.replay_ttft_p99_ms = OptionalAt<double>(j, "replay_ttft_p99_ms");
  r.metric_preferred_replay_p95 = At<std::string>(j, "metric_preferred_replay_p95");
  r.metric_used_replay_p95 = At<std::string>(j, "metric_used_replay_p95");
  r.replay_read_gib = OptionalAt<double>(j, "replay_read_gib");
  r.io_attrib_pass = OptionalAt<bool>(j, "io_attrib_pass");
  r.process_evidence_method = At<std::string>(j, "process_evidence_method");
  r.pid_warn = OptionalAt<bool>(j, "pid_warn");
  r.kvbm_matched_tokens_delta = OptionalAt<double>(j, "kvbm_matched_tokens_delta");
  r.kvbm_onboard_blocks_delta = OptionalAt<double>(j, "kvbm_onboard_blocks_delta");
  r.primary_nvme_model = At<std::string>(j, "primary_nvme_model");
  r.primary_nvme_fw = At<std::string>(j, "primary_nvme_fw");
  r.pcie_link = At<std::string>(j, "pcie_link");
  r.run_path = At<std::string>(j, "run_path");
  r.io_attrib_checked = At<bool>(j, "io_attrib_checked");
  r.io_attrib_checker_rc = OptionalAt<double>(j, "io_attrib_checker_rc");
  r.io_attrib_verdict_path = At<std::string>(j, "io_attrib_verdict_path");
  r.replay_ttfc_p50_ms = OptionalAt<double>(j, "replay_ttfc_p50_ms");
  r.replay_e2e_p95_ms = OptionalAt<double>(j, "replay_e2e_p95_ms");
  r.replay_prompt_tokens_per_s = OptionalAt<double>(j, "replay_prompt_tokens_per_s");
  r.replay_ok = At<int>(j, "replay_ok");
  r.replay_planned = At<int>(j, "replay_planned");
  r.replay_ttfc_p95 = OptionalAt<QuantileEstimate>(j, "replay_ttfc_p95");
  r.reason_codes = At<std::vector<std::string>>(j, "reason_codes");
}

void to_json(nlohmann::json& j, const PairDelta& d) {
  j = {{"pair_id", d.pair_id},
       {"pair_order", d.pair_order},
       {"mode_a", TierName(d.mode_a)},
       {"mode_b", TierName(d.mode_b)},
       {"mode_a_run_id", d.mode_a_run_id},
       {"mode_b_run_id", d.mode_b_run_id},
       {"delta_replay_ttfc_p95_ms", OptionalJson(d.delta_replay_ttfc_p95_ms)},
       {"delta_replay_ttfc_p99_ms", OptionalJson(d.delta_replay_ttfc_p99_ms)},
       {"delta_replay_ttft_p95_ms", OptionalJson(d.delta_replay_ttft_p95_ms)},
       {"delta_replay_ttft_p99_ms", OptionalJson(d.delta_replay_ttft_p99_ms)},
       {"delta_replay_read_gib", OptionalJson(d.delta_replay_read_gib)},
       {"delta_matched_tokens", OptionalJson(d.delta_matched_tokens)},
       {"delta_onboard_blocks", OptionalJson(d.delta_onboard_blocks)},
       {"complete", d.complete},
       {"log_ratio_replay_ttfc_p95", OptionalJson(d.log_ratio_replay_ttfc_p95)}};
}

void from_json(const nlohmann::json& j, PairDelta& d) {
  d.pair_id = At<int>(j, "pair_id");
  d.pair_order = At<std::string>(j, "pair_order");
  d.mode_a = TierAt(j, "mode_a");
  d.mode_b = TierAt(j, "mode_b");
  d.mode_a_run_id = At<std::string>(j, "mode_a_run_id");
  d.mode_b_run_id = At<std::string>(j, "mode_b_run_id");
  d.delta_replay_ttfc_p95_ms = OptionalAt<double>(j, "delta_replay_ttfc_p95_ms");
  d.delta_replay_ttfc_p99_ms = OptionalAt<double>(j, "delta_replay_ttfc_p99_ms");
  d.delta_replay_ttft_p95_ms = OptionalAt<double>(j, "delta_replay_ttft_p95_ms");
  d.delta_replay_ttft_p99_ms = OptionalAt<double>(j, "delta_replay_ttft_p99_ms");
  d.delta_replay_read_gib = OptionalAt<double>(j, "delta_replay_read_gib");
  d.delta_matched_tokens = OptionalAt<double>(j, "delta_matched_tokens");
  d.delta_onboard_blocks = OptionalAt<double>(j, "delta_onboard_blocks");
  d.complete = At<bool>(j, "complete");
  d.log_ratio_replay_ttfc_p95 = OptionalAt<double>(j, "log_ratio_replay_ttfc_p95");
}

void to_json(nlohmann::json& j, const MechanismGateRecord& g) {
  j = {{"schema_version", 1},
       {"created_utc", g.created_utc},
       {"pass", g.pass},
       {"reason_codes", g.reason_codes},
       {"run_dir", g.run_dir},
       {"run_id", g.run_id},
       {"summary_json", g.summary_json},
       {"thresholds",
        {{"min_disk_hit_rate", g.min_disk_hit_rate},
         {"min_matched_tokens", g.min_matched_tokens},
         {"require_matched", g.require_matched}}},
       {"signals",
        {{"kvbm_matched_tokens_delta", OptionalJson(g.matched_tokens)},
         {"kvbm_onboard_blocks_d2d_delta", OptionalJson(g.onboard_d2d)},
         {"kvbm_offload_blocks_h2d_delta", OptionalJson(g.offload_h2d)},
         {"kvbm_disk_cache_hit_rate", OptionalJson(g.disk_hit_rate)}}},
       {"hard_signal", g.hard_signal},
       {"matched_signal", g.matched_signal},
       {"notes", g.notes},
       {"findings", g.findings}};
  if (!g.error.empty()) j["error"] = g.error;
}

void from_json(const nlohmann::json& j, MechanismGateRecord& g) {
  RequireSchema(j, "mechanism gate");
  g.created_utc = At<std::string>(j, "created_utc");
  g.pass = At<bool>(j, "pass");
  g.reason_codes = At<std::vector<std::string>>(j, "reason_codes");
  g.run_dir = At<std::string>(j, "run_dir");
  g.run_id = At<std::string>(j, "run_id");
  g.summary_json = At<std::string>(j, "summary_json");
  const json& thresholds = At(j, "thresholds");
  g.min_disk_hit_rate = At<double>(thresholds, "min_disk_hit_rate");
  g.min_matched_tokens = At<double>(thresholds, "min_matched_tokens");
  g.require_matched = At<bool>(thresholds, "require_matched");
  const json& signals = At(j, "signals");
  g.matched_tokens = OptionalAt<double>(signals, "kvbm_matched_tokens_delta");
  g.onboard_d2d = OptionalAt<double>(signals, "kvbm_onboard_blocks_d2d_delta");
  g.offload_h2d = OptionalAt<double>(signals, "kvbm_offload_blocks_h2d_delta");
  g.disk_hit_rate = OptionalAt<double>(signals, "kvbm_disk_cache_hit_rate");
  g.hard_signal = At<bool>(j, "hard_signal");
  g.matched_signal = At<bool>(j, "matched_signal");
  g.notes = At<std::vector<std::string>>(j, "notes");
  g.findings = At<Findings>(j, "findings");
  g.error = OptionalAt<std::string>(j, "error").value_or("");
}

}  // namespace kvtier
