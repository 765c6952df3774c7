#include "harness/report/run_config.hpp"

#include <charconv>
#include <string_view>

#include <nlohmann/json.hpp>

#include "harness/core/error.hpp"
#include "harness/report/evidence_json.hpp"

namespace kvtier {
namespace {

using nlohmann::json;

json KvModeJson(const RunConfig& c) {
  return {{"mode", KvModeName(c.tier)},
          {"tier_mode", TierName(c.tier)},
          {"kvbm_enabled", KvbmEnabled(c.tier)},
          {"cpu_cache_gb", c.kv_mode.cpu_cache_gb},
          {"disk_cache_gb", c.kv_mode.disk_cache_gb},
          {"diagnostic",
           {{"disable_partial_reuse", c.kv_mode.disable_partial_reuse},
            {"disable_block_reuse", c.kv_mode.disable_block_reuse},
            {"disable_disk_offload_filter", c.kv_mode.disable_disk_offload_filter}}}};
}

json PhasesJson(const RunConfig& c) {
  json out = json::array();
  for (const auto& p : c.phases) {
    out.push_back({{"name", p.name},
                   {"concurrency", p.concurrency},
                   {"requests", p.requests},
                   {"include_in_overall", p.include_in_overall}});
  }
  return out;
}

json RequestJson(const ClientRequestParameters& r) {
  return {{"max_tokens", r.max_tokens},
          {"temperature", r.temperature},
          {"top_p", r.top_p},
          {"request_seed", r.request_seed ? json(*r.request_seed) : json()},
          {"stop", r.stop},
          {"stream", r.stream},
          {"ignore_eos", r.ignore_eos},
          {"timeout_s", r.total_timeout_s},
          {"stream_timeout_s", r.stall_timeout_s},
          {"stream_record_ttfb", r.stream_record_ttfb}};
}

/// A setting "512:2048" as [512, 2048]; null where the run has none.
json RangeOf(const RunConfig& c, std::string_view key) {
  for (const SettingValue& s : c.settings) {
    const auto colon = s.value.find(':');
    if (s.key != key || colon == std::string::npos) continue;
    int low = 0, high = 0;
    const char* const text = s.value.data();
    const auto first = std::from_chars(text, text + colon, low);
    const auto second = std::from_chars(text + colon + 1, text + s.value.size(), high);
    if (first.ec == std::errc() && second.ec == std::errc()) return json::array({low, high});
  }
  return nullptr;
}

json SettingsJson(const RunConfig& c, std::string SettingValue::*field) {
  json out = json::object();
  for (const auto& s : c.settings) out[s.key] = s.*field;
  return out;
}

}  // namespace

void to_json(json& j, const RunConfig& c) {
  j = {{"schema_version", kBundleSchemaVersion},
       {"run_id", c.run_id},
       {"created_utc", c.created_utc},
       {"base_url", c.base_url},
       {"model_id", c.model_id},
       {"model_id_requested", c.model_id_requested},
       {"scenario", c.scenario},
       {"prompt_set", c.prompt_set},
       {"short_range", RangeOf(c, "standard.short_range")},
       {"long_range", RangeOf(c, "scenario.long_range")},
       {"tokenizer", c.tokenizer},
       {"tier_mode", TierName(c.tier)},
       {"backend", c.backend},
       {"stack_label", c.stack_label},
       {"deterministic", c.deterministic},
       {"block_bytes", c.block_bytes},
       {"block_tokens", c.block_tokens},
       {"kv_mode", KvModeJson(c)},
       {"kv_runtime_env", c.kv_runtime_env},
       {"phases", PhasesJson(c)},
       {"client_request_parameters", RequestJson(c.request)},
       {"args", SettingsJson(c, &SettingValue::value)},
       {"args_origin", SettingsJson(c, &SettingValue::origin)},
       {"seeds", c.seeds},
       {"versions", c.versions},
       {"host", c.host},
       {"block_device", c.block_device},
       {"cache_dir", c.cache_dir},
       {"faults", c.faults},
       {"notes", c.notes}};
}

void from_json(const json& j, RunConfig& c) {
  j.at("run_id").get_to(c.run_id);
  j.at("created_utc").get_to(c.created_utc);
  j.at("base_url").get_to(c.base_url);
  j.at("model_id").get_to(c.model_id);
  j.at("model_id_requested").get_to(c.model_id_requested);
  j.at("scenario").get_to(c.scenario);
  j.at("prompt_set").get_to(c.prompt_set);
  j.at("tokenizer").get_to(c.tokenizer);
  const auto tier = FindTier(j.at("tier_mode").get<std::string>());
  if (!tier)
    throw DataError("key tier_mode is " + j.at("tier_mode").dump() + ", allowed are B0, B1, B2");
  c.tier = *tier;
  j.at("backend").get_to(c.backend);
  j.at("stack_label").get_to(c.stack_label);
  j.at("deterministic").get_to(c.deterministic);
  j.at("block_bytes").get_to(c.block_bytes);
  j.at("block_tokens").get_to(c.block_tokens);
  const json& kv = j.at("kv_mode");
  kv.at("cpu_cache_gb").get_to(c.kv_mode.cpu_cache_gb);
  kv.at("disk_cache_gb").get_to(c.kv_mode.disk_cache_gb);
  const json& diagnostic = kv.at("diagnostic");
  diagnostic.at("disable_partial_reuse").get_to(c.kv_mode.disable_partial_reuse);
  diagnostic.at("disable_block_reuse").get_to(c.kv_mode.disable_block_reuse);
  diagnostic.at("disable_disk_offload_filter").get_to(c.kv_mode.disable_disk_offload_filter);
  j.at("kv_runtime_env").get_to(c.kv_runtime_env);
  c.phases.clear();
  for (const auto& p : j.at("phases")) {
    c.phases.push_back({.name = p.at("name"),
                        .concurrency = p.at("concurrency"),
                        .requests = p.at("requests"),
                        .include_in_overall = p.at("include_in_overall")});
  }
  const json& r = j.at("client_request_parameters");
  r.at("max_tokens").get_to(c.request.max_tokens);
  r.at("temperature").get_to(c.request.temperature);
  r.at("top_p").get_to(c.request.top_p);
  c.request.request_seed.reset();
  if (!r.at("request_seed").is_null())
    c.request.request_seed = r.at("request_seed").get<std::int64_t>();
  r.at("stop").get_to(c.request.stop);
  r.at("stream").get_to(c.request.stream);
  r.at("ignore_eos").get_to(c.request.ignore_eos);
  r.at("timeout_s").get_to(c.request.total_timeout_s);
  r.at("stream_timeout_s").get_to(c.request.stall_timeout_s);
  r.at("stream_record_ttfb").get_to(c.request.stream_record_ttfb);
  c.settings.clear();
  for (const auto& [key, value] : j.at("args").items()) {
    c.settings.push_back({.key = key, .value = value, .origin = j.at("args_origin").at(key)});
  }
  j.at("seeds").get_to(c.seeds);
  j.at("versions").get_to(c.versions);
  j.at("host").get_to(c.host);
  j.at("block_device").get_to(c.block_device);
  j.at("cache_dir").get_to(c.cache_dir);
  j.at("faults").get_to(c.faults);
  j.at("notes").get_to(c.notes);
}

json ManifestJson(const RunConfig& c) {
  json j = {{"schema_version", kBundleSchemaVersion},
            {"run_id", c.run_id},
            {"created_utc", c.created_utc},
            {"scenario", c.scenario},
            {"tier_mode", TierName(c.tier)},
            {"kv_mode", KvModeJson(c)},
            {"model_id_requested", c.model_id_requested},
            {"base_url", c.base_url},
            {"phases", PhasesJson(c)},
            {"kv_runtime_env", c.kv_runtime_env},
            {"nvme_device", c.block_device.empty() ? json() : json(c.block_device)},
            {"args", SettingsJson(c, &SettingValue::value)},
            {"args_origin", SettingsJson(c, &SettingValue::origin)},
            {"seeds", c.seeds},
            {"versions", c.versions},
            {"host", c.host}};
  if (c.model_id != "auto") j["model_id_resolved"] = c.model_id;
  return j;
}

}  // namespace kvtier
