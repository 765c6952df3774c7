#include "harness/report/summary.hpp"

#include <functional>
#include <optional>
#include <set>

#include <fmt/format.h>

#include "harness/judge/signals.hpp"
#include "harness/report/deltas.hpp"
#include "harness/report/evidence_json.hpp"
#include "harness/report/ttfc_sanity_json.hpp"

namespace kvtier {
namespace {

using nlohmann::json;
using Rows = std::vector<const RequestRecord*>;

Rows RowsOf(const LegEvidence& leg, const std::function<bool(const RequestRecord&)>& keep) {
  Rows rows;
  for (const auto& r : leg.records) {
    if (keep(r)) rows.push_back(&r);
  }
  return rows;
}

json PhaseDelta(const SummaryInput& in, const PhaseEvidence& phase) {
  const auto b = in.boundaries.find(phase.name);
  return b == in.boundaries.end()
             ? json{{"available", false}, {"reason", "malformed_snapshot"}}
             : KvbmDeltaJson(phase.tiers, b->second.kvbm_start, b->second.kvbm_end);
}

json PhaseSummary(const SummaryInput& in, const PhaseEvidence& phase) {
  const Rows rows = RowsOf(in.leg, [&](const RequestRecord& r) { return r.phase == phase.name; });
  json j = StatisticsBlock(rows, phase.duration_s);
  j["load"] = LoadBlock(rows, ServiceLevelsOf(in.config.settings), phase.duration_s);
  j["phase"] = phase.name;
  j["phase_start_ts"] = phase.start_utc;
  j["phase_end_ts"] = phase.end_utc;
  j["concurrency"] = phase.concurrency;
  j["requests"] = phase.planned_requests;
  j["include_in_overall"] = phase.include_in_overall;
  j["steady_window"] = SteadyWindowJson(rows, phase.concurrency);
  j["kvbm_metrics_delta"] = PhaseDelta(in, phase);
  if (const auto b = in.boundaries.find(phase.name); b != in.boundaries.end()) {
    const json io = OsIoDeltaJson(phase.io, b->second.os_start, b->second.os_end, phase.name);
    if (!io.at("block_device_delta").is_null()) {
      j["block_device"] = io.at("block_device");
      j["io_delta"] = io.at("block_device_delta");
    } else {
      j["io_delta_unavailable"] = io.at("block_device_unavailable");
    }
    j["worker_process_pattern"] = io.at("worker_process_pattern");
    j["worker_process_io_delta"] = io.at("worker_process_io_delta");
  }
  j["tier_traffic"] = phase.tiers;
  j["io_traffic"] = phase.io;
  j["drain"] = phase.drain;
  j["client_load"] = phase.client;
  j["host"] = HostBlock(phase.host);
  j["expected_hits"] = phase.expected ? json(*phase.expected) : json();
  return j;
}

json Overall(const SummaryInput& in, const json& signals) {
  json j;
  if (in.leg.run_valid) {
    std::set<std::string> included;
    double duration = 0;
    for (const auto& p : in.leg.phases) {
      if (!p.include_in_overall) continue;
      included.insert(p.name);
      duration += p.duration_s;
    }
    const Rows rows =
        RowsOf(in.leg, [&](const RequestRecord& r) { return included.contains(r.phase); });
    j = StatisticsBlock(rows, duration);
    j["load"] = LoadBlock(rows, ServiceLevelsOf(in.config.settings), duration);
  } else {
    j = {
        {"excluded", true}, {"reason", in.leg.invalid_reason}, {"details", in.leg.invalid_details}};
  }
  j["phase"] = "overall";
  j["scenario"] = in.leg.scenario;
  j.update(signals);
  return j;
}

json MetricsStatus(const SummaryInput& in) {
  const bool enabled = KvbmEnabled(in.leg.tier);
  // One lost scrape is one phase without a delta: "available" means that all of them answered.
  const bool available =
      enabled && in.snapshot_count > 0 && in.snapshots_with_metrics == in.snapshot_count;
  return {{"status", !enabled    ? "skipped"
                     : available ? "ok"
                                 : "unavailable"},
          {"kvbm_enabled", enabled},
          {"metrics_available", available},
          {"snapshot_count", in.snapshot_count},
          {"reason", !enabled    ? json("kvbm_disabled")
                     : available ? json()
                                 : json("kvbm_metrics_unavailable")}};
}

json KvbmBlock(const SummaryInput& in, const json& status, const json& signals) {
  json deltas = json::object();
  json rollup = json::object();
  for (const auto& p : in.leg.phases) deltas[p.name] = PhaseDelta(in, p);
  const std::pair<const char*, const char*> sums[] = {
      {"offload_blocks_total_delta", "offload_blocks_total_delta"},
      {"onboard_blocks_total_delta", "onboard_blocks_total_delta"},
      {"kvbm_matched_tokens_delta", "matched_tokens_total_delta"}};
  for (const auto& [key, name] : sums) {
    json sum = deltas.empty() ? json() : json(0.0);
    for (const auto& [phase, d] : deltas.items()) {
      const auto v = d.find(key);
      sum = sum.is_null() || v == d.end() || v->is_null()
                ? json()
                : json(sum.get<double>() + v->get<double>());
    }
    rollup[name] = std::move(sum);
  }
  json j = {{"enabled", status.at("kvbm_enabled")},
            {"available", status.at("metrics_available")},
            {"metrics_available", status.at("metrics_available")},
            {"reason", status.at("reason")},
            {"skipped", status.at("status") == "skipped"},
            {"snapshot_count", in.snapshot_count},
            {"phase_deltas", std::move(deltas)},
            {"kv_mode", KvModeName(in.leg.tier)},
            {"kvbm_metrics_status", status},
            {"rollup", std::move(rollup)}};
  if (signals.contains("rehydrate_replay_signal_kvbm")) {
    j["rehydrate_replay_signal"] = signals.at("rehydrate_replay_signal_kvbm");
  }
  if (signals.contains("eviction_replay_signal_kvbm")) {
    j["eviction_replay_signal"] = signals.at("eviction_replay_signal_kvbm");
  }
  if (signals.contains("reuse_verify_signal_kvbm")) {
    j["reuse_verify_signal"] = signals.at("reuse_verify_signal_kvbm");
  }
  return j;
}

json Fingerprint(const SummaryInput& in) {
  const auto of = [](const std::map<std::string, std::string>& values, const char* key) {
    const auto v = values.find(key);
    return v == values.end() ? json() : json(v->second);
  };
  return {{"timestamp_utc", in.created_utc},
          {"host_platform", of(in.config.host, "platform")},
          {"git_sha", of(in.config.versions, "git_sha")},
          {"git_branch", of(in.config.versions, "git_branch")},
          {"container_name", nullptr},
          {"container_image", nullptr},
          {"container_image_digest", nullptr},
          {"versions", in.config.versions},
          {"host", in.config.host}};
}

json PhaseFiles(const std::string& phase) {
  json j = json::object();
  for (const char* what : {"kvbm_metrics", "os_io"}) {
    for (const char* at : {"start", "end", "delta"}) {
      j[fmt::format("{}_{}", what, at)] = fmt::format(
          "{}/phase_{}_{}_{}.json", bundle_files::kPhaseFolder, SanitizePhase(phase), what, at);
    }
  }
  j["evidence"] =
      fmt::format("{}/phase_{}_evidence.json", bundle_files::kPhaseFolder, SanitizePhase(phase));
  return j;
}

template <class T>
json Sorted(const std::set<T>& values) {
  return json(std::vector<T>(values.begin(), values.end()));
}

struct IdentitySets {
  std::set<std::string> prompt, params, identity, payload;
  void Add(const RequestIdentity& i) {
    prompt.insert(i.prompt_sha256);
    params.insert(i.generation_params_sha256);
    identity.insert(i.request_identity_sha256);
    payload.insert(i.request_payload_sha256);
  }
};

json ReuseIdentity(const std::vector<RequestRecord>& records) {
  IdentitySets sets;
  int rows = 0;
  for (const auto& r : records) {
    if (!r.phase.starts_with("reuse_")) continue;
    sets.Add(r.planned.identity);
    ++rows;
  }
  const bool same =
      rows >= 2 && sets.identity.size() == 1 && sets.prompt.size() == 1 && sets.params.size() == 1;
  return {{"request_count", rows},
          {"request_identity_sha256", Sorted(sets.identity)},
          {"prompt_sha256", Sorted(sets.prompt)},
          {"generation_params_sha256", Sorted(sets.params)},
          {"identical_request_identity", rows >= 2 && sets.identity.size() == 1},
          {"identical_prompt_bytes", rows >= 2 && sets.prompt.size() == 1},
          {"identical_generation_params", rows >= 2 && sets.params.size() == 1},
          {"verdict", same ? "identical_inputs_confirmed" : "identity_mismatch_detected"},
          {"interpretation",
           same ? "Every request of the reuse phases was the same, byte for byte."
                : "The requests of the reuse phases differ, so reuse cannot be judged from them."}};
}

}  // namespace

json RequestIdentityJson(const std::vector<RequestRecord>& records, const std::string& scenario) {
  if (records.empty())
    return {{"available", false}, {"reason", "no_requests"}, {"total_requests", 0}};
  IdentitySets all;
  std::set<std::string> prefixes, headers;
  std::map<std::string, int> sessions;
  std::map<std::string, std::pair<int, IdentitySets>> phases;
  for (const auto& r : records) {
    all.Add(r.planned.identity);
    auto& [count, sets] = phases[r.phase];
    ++count;
    sets.Add(r.planned.identity);
    if (r.planned.prefix_hash) prefixes.insert(*r.planned.prefix_hash);
    if (r.planned.session_id) ++sessions[*r.planned.session_id];
    for (const auto& [key, value] : r.header_hints) headers.insert(key);
  }
  json by_phase = json::object();
  for (const auto& [name, entry] : phases) {
    by_phase[name] = {{"request_count", entry.first},
                      {"unique_request_identity_sha256", Sorted(entry.second.identity)},
                      {"unique_prompt_sha256", Sorted(entry.second.prompt)},
                      {"unique_generation_params_sha256", Sorted(entry.second.params)}};
  }
  json j = {{"available", true},
            {"total_requests", records.size()},
            {"unique_prompt_sha256_count", all.prompt.size()},
            {"unique_generation_params_sha256_count", all.params.size()},
            {"unique_request_identity_sha256_count", all.identity.size()},
            {"unique_request_payload_sha256_count", all.payload.size()},
            {"unique_prefix_hash_count", prefixes.size()},
            {"unique_session_id_count", sessions.size()},
            {"session_request_counts", sessions},
            {"response_header_keys_seen", Sorted(headers)},
            {"phase_identity", std::move(by_phase)}};
  if (scenario == "reuse_verify") j["reuse_verify_identity"] = ReuseIdentity(records);
  return j;
}

json ScenarioSignals(const LegEvidence& leg) {
  json j = json::object();
  if (leg.scenario == "rehydrate_replay") {
    j["rehydrate_replay_signal_kvbm"] = RehydrateSignalKvbm(leg);
    j["rehydrate_replay_signal_io"] = RehydrateSignalIo(leg);
  } else if (leg.scenario == "eviction_replay") {
    j["eviction_replay_signal_kvbm"] = RehydrateSignalKvbm(leg);
    j["eviction_replay_signal_io"] = EvictionSignalIo(leg);
  } else if (leg.scenario == "reuse_verify") {
    j["reuse_verify_signal_kvbm"] = ReuseSignalKvbm(leg);
    j["reuse_verify_identity"] = ReuseIdentity(leg.records);
  }
  return j;
}

json BuildSummary(const SummaryInput& in) {
  const json config = in.config;
  const json status = MetricsStatus(in);
  json signals = ScenarioSignals(in.leg);
  signals.update(in.notes.more_signals);
  json files = json::object(), windows = json::object(), phases = json::array();
  for (const auto& p : in.leg.phases) {
    files[p.name] = PhaseFiles(p.name);
    windows[p.name] = {{"start", p.start_utc}, {"end", p.end_utc}};
    phases.push_back(PhaseSummary(in, p));
  }
  json notes = json::array(
      {"Latency figures are of ok requests alone; the others are counted by outcome.",
       "TTFC is the first non-empty generated text; ttft_ms is the same figure under its other "
       "name.",
       "Device counters are of the whole block device: context and upper bound, never a gate."});
  for (const auto& n : in.config.notes) notes.push_back(n);
  for (const auto& n : in.notes.notes) notes.push_back(n);
  json tags = json::array({TierName(in.leg.tier), KvModeName(in.leg.tier), in.config.backend});
  for (const auto& f : in.config.faults) tags.push_back("fault:" + f);
  if (in.config.kv_mode.disable_disk_offload_filter) tags.push_back("disk_offload_filter_off");

  return {{"schema_version", kBundleSchemaVersion},
          {"run_id", in.leg.run_id},
          {"created_utc", in.created_utc},
          {"run_valid", in.leg.run_valid},
          {"invalid_reason", in.leg.invalid_reason.empty() ? json() : json(in.leg.invalid_reason)},
          {"invalid_details", in.leg.invalid_details},
          {"model_id", in.config.model_id},
          {"model_count_end",
           in.leg.models_at_end.available() ? json(in.leg.models_at_end.value()) : json()},
          {"scenario", in.leg.scenario},
          {"stream", in.config.request.stream},
          {"stream_timeout_s", in.config.request.stall_timeout_s},
          {"stream_record_ttfb", in.config.request.stream_record_ttfb},
          {"mode", TierName(in.leg.tier)},
          {"tier_mode", TierName(in.leg.tier)},
          {"kvbm_enabled", KvbmEnabled(in.leg.tier)},
          {"kvbm_metrics_available", status.at("metrics_available")},
          {"kvbm_metrics_status", status},
          {"kv_mode", config.at("kv_mode")},
          {"kv_runtime_env", config.at("kv_runtime_env")},
          {"variant_tags", std::move(tags)},
          {"request_manifest_path", bundle_files::kRequestPlan},
          {"phase_delta_artifacts", std::move(files)},
          {"nvme", NvmeBlock(in)},
          {"storage", StorageBlock(in)},
          {"io_attribution", IoAttributionBlock(in)},
          {"phase_windows", std::move(windows)},
          {"phase_summaries", std::move(phases)},
          {"overall_summary", Overall(in, signals)},
          {"kvbm_metrics", KvbmBlock(in, status, signals)},
          {"metrics_snapshot", in.notes.metrics_snapshot.is_null()
                                   ? json{{"enabled", false},
                                          {"snapshot_dir", nullptr},
                                          {"records", json::array()},
                                          {"inventory_keywords", json::array()}}
                                   : in.notes.metrics_snapshot},
          {"ttfc_sanity_validation", TtfcSanityJson(in.leg.ttfc_sanity)},
          {"request_identity", RequestIdentityJson(in.leg.records, in.leg.scenario)},
          {"fingerprint", Fingerprint(in)},
          {"notes", std::move(notes)},
          {"findings", in.notes.findings},
          {"leg", LegHeadJson(in.leg)}};
}

}  // namespace kvtier
