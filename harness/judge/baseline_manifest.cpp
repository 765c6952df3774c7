#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <initializer_list>

#include <fmt/format.h>

#include "harness/core/error.hpp"
#include "harness/judge/baseline.hpp"
#include "harness/judge/baseline_fields.hpp"

namespace kvtier {

using nlohmann::json;

namespace baseline_fields {

json Get(const json& from, const std::string& key) {
  if (!from.is_object()) return nullptr;
  if (const auto found = from.find(key); found != from.end()) return *found;
  const std::size_t dot = key.find('.');
  return dot == std::string::npos ? json()
                                  : Get(Get(from, key.substr(0, dot)), key.substr(dot + 1));
}

void Refuse(const std::string& key, const json& value, const char* wanted) {
  throw DataError(
      fmt::format("the key {} is {}, expected {}", key, value.dump().substr(0, 60), wanted));
}

std::optional<double> ParseDouble(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value))
    return std::nullopt;
  return value;
}

json AsBool(const json& value, bool absent) {
  if (value.is_null()) return absent;
  if (value.is_boolean()) return value;
  return ParseLooseBool(value.is_string() ? value.get<std::string>() : value.dump());
}

json AsText(const std::string& key, const json& value) {
  if (!value.is_null() && !value.is_string()) Refuse(key, value, "a text");
  return value;
}

}  // namespace baseline_fields

namespace {

using namespace baseline_fields;

/// A number, or one written as text (our settings are texts); null stays null.
json AsNumber(const std::string& key, const json& value) {
  if (value.is_null() || value.is_number()) return value;
  if (value.is_string()) {
    const auto& text = value.get_ref<const std::string&>();
    if (text.empty()) return nullptr;
    if (const auto number = ParseDouble(text)) return *number;
  }
  Refuse(key, value, "a number");
}

json AsInt(const std::string& key, const json& value) {
  const json number = AsNumber(key, value);
  if (number.is_null() || number.is_number_integer()) return number;
  const double d = number;
  if (std::trunc(d) != d || std::fabs(d) > 9e15) Refuse(key, value, "a whole number");
  return static_cast<std::int64_t>(d);
}

json AsFloat(const std::string& key, const json& value) {
  const json number = AsNumber(key, value);
  return number.is_null() ? number : json(number.get<double>());
}

/// The first that says anything.
json FirstOf(std::initializer_list<json> values) {
  for (const json& v : values) {
    if (!v.is_null() && v != json("")) return v;
  }
  return nullptr;
}

json KvMode(const json& config, const json& runtime_env) {
  const json args = Get(config, "args");
  const json filter_arg = Get(args, "diagnostic_disable_disk_offload_filter");
  const auto size = [&](const char* arg, const char* resolved) {
    const json given = Get(args, arg);
    return given.is_null() ? AsFloat(resolved, Get(config, resolved)) : AsFloat(arg, given);
  };
  json env = json::object();
  for (const std::string_view name : kSizeEnv)
    env[std::string(name)] = AsText(std::string(name), Get(runtime_env, std::string(name)));
  env[std::string(kFilterEnv)] =
      AsText(std::string(kFilterEnv), Get(runtime_env, std::string(kFilterEnv)));
  return {
      {"mode",
       AsText("kv_mode.mode", FirstOf({Get(config, "kv_mode.mode"), Get(args, "kv_mode")}))},
      {"cpu_cache_gb", size("kv_cpu_cache_gb", "kv_mode.cpu_cache_gb")},
      {"disk_cache_gb", size("kv_disk_cache_gb", "kv_mode.disk_cache_gb")},
      {"diagnostic_disable_disk_offload_filter",
       AsBool(filter_arg.is_null() ? Get(config, "kv_mode.diagnostic.disable_disk_offload_filter")
                                   : filter_arg,
              false)},
      {"runtime_env", std::move(env)}};
}

/// {documented name, name of our setting}
constexpr std::pair<const char*, const char*> kShape[] = {
    {"rehydrate_populate_sessions", "scenario.populate_sessions"},
    {"rehydrate_thrash_sessions", "scenario.thrash_sessions"},
    {"rehydrate_turns", "scenario.turns"},
    {"rehydrate_prefix_target_tokens", "scenario.prefix_target_tokens"},
    {"rehydrate_populate_concurrency", "scenario.populate_concurrency"},
    {"rehydrate_thrash_concurrency", "scenario.thrash_concurrency"},
    {"rehydrate_replay_concurrency", "scenario.replay_concurrency"},
    {"rehydrate_replay_repeats", "scenario.replay_repeats"},
    {"rehydrate_gen_tokens", "scenario.gen_tokens"},
    {"seed", "scenario.seed"},
    {"request_seed", "scenario.request_seed"},
};

json WorkloadShape(const json& config) {
  const json args = Get(config, "args");
  json shape = json::object();
  for (const auto& [name, ours] : kShape)
    shape[name] = AsInt(name, FirstOf({Get(args, name), Get(args, ours)}));
  if (shape["seed"].is_null()) shape["seed"] = AsInt("seeds.run", Get(config, "seeds.run"));
  return shape;
}

json PhaseLayout(const json& config) {
  const json phases = Get(config, "phases");
  if (phases.is_null()) return json::array();
  if (!phases.is_array()) Refuse("phases", phases, "an array");
  json layout = json::array();
  for (const json& p : phases) {
    layout.push_back({{"name", AsText("phases.name", Get(p, "name"))},
                      {"concurrency", AsInt("phases.concurrency", Get(p, "concurrency"))},
                      {"requests", AsInt("phases.requests", Get(p, "requests"))}});
  }
  return layout;
}

json SweepPolicy(const json& context) {
  const auto number = [&](const char* key) { return AsInt(key, Get(context, key)); };
  json swept = Get(context, "sweep_replay_concurrencies");
  if (!swept.is_null()) {
    if (!swept.is_array()) Refuse("sweep_replay_concurrencies", swept, "an array");
    for (json& c : swept) c = AsInt("sweep_replay_concurrencies", c);
    std::sort(swept.begin(), swept.end());
  }
  const json b0 = Get(context, "include_b0");
  return {{"sweep_replay_concurrencies", std::move(swept)},
          {"baseline_replay_concurrency", number("baseline_replay_concurrency")},
          {"pressure_populate_concurrency", number("pressure_populate_concurrency")},
          {"pressure_thrash_concurrency", number("pressure_thrash_concurrency")},
          {"include_b0", b0.is_null() ? b0 : AsBool(b0, false)},
          {"run_order_per_concurrency", Get(context, "run_order_per_concurrency")},
          {"b1_disk_tier_enforced", AsBool(Get(context, "b1_disk_tier_enforced"), true)},
          {"b1_disk_cache_gb", AsFloat("b1_disk_cache_gb", Get(context, "b1_disk_cache_gb"))},
          {"b1_read_bytes_threshold", number("b1_read_bytes_threshold")},
          {"b1_disk_hit_rate_threshold",
           AsFloat("b1_disk_hit_rate_threshold", Get(context, "b1_disk_hit_rate_threshold"))}};
}

}  // namespace

bool ParseLooseBool(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front())) != 0)
    text.remove_prefix(1);
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())) != 0)
    text.remove_suffix(1);
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return lower == "1" || lower == "true" || lower == "yes" || lower == "on";
}

json SemanticManifest(const BaselineSources& s) {
  const json args = Get(s.config, "args");
  const json preferred = Get(s.context, "metric_preferred");
  return {{"schema_version", 1},
          {"phase_family", "phase60_rehydrate_minimal_sweep"},
          {"scenario", AsText("scenario", FirstOf({Get(s.config, "scenario"), Get(args, "scenario"),
                                                   Get(s.context, "scenario")}))},
          {"model_profile", AsText("model_profile", Get(s.context, "model_profile"))},
          {"model_id", AsText("model_id", FirstOf({Get(s.config, "model_id"),
                                                   Get(s.analysis_manifest, "model_handle")}))},
          {"tier_mode",
           AsText("tier_mode", FirstOf({Get(s.config, "tier_mode"), Get(args, "tier_mode")}))},
          {"kv_mode", KvMode(s.config, s.runtime_env)},
          {"workload_shape", WorkloadShape(s.config)},
          {"phase_layout", PhaseLayout(s.config)},
          {"sweep_policy", SweepPolicy(s.context)},
          {"gates",
           {{"require_b2_rehydrate", AsBool(Get(s.context, "require_b2_rehydrate"), true)},
            {"io_attrib_enabled", AsBool(Get(s.context, "io_attrib_enabled"), false)}}},
          {"metric_policy",
           {{"preferred", preferred.is_null() ? json("ttfc_ms") : preferred},
            {"fallback", "ttft_ms"}}}};
}

}  // namespace kvtier
