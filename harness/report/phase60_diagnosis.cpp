// Two runs of B2 at concurrency 1 side by side (spec: artifacts D4). Works on the documented files
// alone, so that a run of the predecessor can be the good one.
#include <array>
#include <string_view>

#include <fmt/format.h>

#include "harness/core/error.hpp"
#include "harness/core/files.hpp"
#include "harness/report/bundle.hpp"
#include "harness/report/evidence_json.hpp"
#include "harness/report/phase60_files.hpp"

namespace kvtier {
namespace fs = std::filesystem;
using nlohmann::json;

namespace {

constexpr std::array kEnvironment{"DYN_KVBM_DISK_CACHE_DIR", "DYN_KVBM_DISABLE_DISK_OFFLOAD_FILTER",
                                  "DYN_KVBM_CPU_CACHE_GB", "DYN_KVBM_DISK_CACHE_GB"};
/// The predecessor's argument and our setting of the same meaning.
constexpr std::array<std::pair<const char*, const char*>, 12> kArguments{
    {{"scenario", "scenario.name"},
     {"rehydrate_populate_sessions", "scenario.populate_sessions"},
     {"rehydrate_thrash_sessions", "scenario.thrash_sessions"},
     {"rehydrate_turns", "scenario.turns"},
     {"rehydrate_prefix_target_tokens", "scenario.prefix_target_tokens"},
     {"rehydrate_populate_concurrency", "scenario.populate_concurrency"},
     {"rehydrate_thrash_concurrency", "scenario.thrash_concurrency"},
     {"rehydrate_replay_concurrency", "scenario.replay_concurrency"},
     {"rehydrate_replay_repeats", "scenario.replay_repeats"},
     {"rehydrate_gen_tokens", "scenario.gen_tokens"},
     {"seed", "phase60.seed"},
     {"request_seed", "scenario.request_seed"}}};

json Find(const json& j, std::initializer_list<const char*> path) {
  const json* at = &j;
  for (const char* key : path) {
    if (!at->is_object() || !at->contains(key)) return {};
    at = &at->at(key);
  }
  return *at;
}

json FirstOf(const json& a, const json& b) {
  return a.is_null() ? b : a;
}

/// Null where there is no such file, or none that is JSON.
json ReadIfThere(const fs::path& file) {
  try {
    return fs::exists(file) ? ReadJson(file) : json();
  } catch (const Error&) {
    return {};
  }
}

/// A sum over replay and replay_2 of one figure of a delta file; null where the replay lacks it.
json SumOf(const fs::path& run, const char* file_end, std::initializer_list<const char*> path) {
  const auto of = [&](const char* phase) {
    return Find(
        ReadIfThere(run / bundle_files::kPhaseFolder / fmt::format("phase_{}_{}", phase, file_end)),
        path);
  };
  const json first = of("replay"), second = of("replay_2");
  if (!first.is_number()) return {};
  return first.get<double>() + (second.is_number() ? second.get<double>() : 0);
}

json ReplaySummary(const json& summary) {
  for (const json& phase : Find(summary, {"phase_summaries"})) {
    if (phase.value("phase", "") == "replay") return phase;
  }
  return {};
}

json Signals(const fs::path& run) {
  const json summary = ReadIfThere(run / bundle_files::kSummary);
  const json replay = ReplaySummary(summary);
  return {{"replay_p95_ms", Find(replay, {"latency_ms", "p95"})},
          {"replay_ttft_p95_ms", Find(replay, {"ttft_ms", "p95"})},
          {"error_rate", Find(summary, {"overall_summary", "error_rate"})},
          {"kvbm_matched_tokens_delta_replay_plus_replay2",
           SumOf(run, "kvbm_metrics_delta.json", {"kvbm_matched_tokens_delta"})},
          {"kvbm_onboard_blocks_d2d_delta_replay_plus_replay2",
           SumOf(run, "kvbm_metrics_delta.json", {"kvbm_onboard_blocks_d2d_delta"})},
          {"block_read_bytes_delta_replay_plus_replay2",
           SumOf(run, "os_io_delta.json", {"block_device_delta", "read_bytes_delta"})},
          {"cgroup_read_bytes_delta_replay_plus_replay2",
           SumOf(run, "os_io_delta.json", {"worker_process_io_delta", "cgroup_read_bytes_delta"})}};
}

json Hashes(const fs::path& run) {
  json j = json::object();
  for (const auto& [name, file] : {std::pair{"request_manifest", bundle_files::kRequestPlan},
                                   std::pair{"prompts_manifest", bundle_files::kPrompts}}) {
    const bool there = fs::exists(run / file);
    j[fmt::format("{}_sha256", name)] = there ? json(Sha256Hex(ReadFile(run / file))) : json();
    j[fmt::format("{}_rows", name)] = there ? json(ReadJsonl(run / file).size()) : json();
  }
  return j;
}

json Arguments(const json& config) {
  json j = json::object();
  for (const auto& [theirs, ours] : kArguments)
    j[theirs] = FirstOf(Find(config, {"args", theirs}), Find(config, {"args", ours}));
  j["diagnostic_disable_disk_offload_filter"] =
      Find(config, {"kv_mode", "diagnostic", "disable_disk_offload_filter"});
  return j;
}

json Side(const std::string& run_path, const char* variable) {
  const auto unavailable = [&](std::string error) {
    return json{{"available", false}, {"run_path", run_path}, {"error", std::move(error)}};
  };
  if (run_path.empty()) return unavailable(std::string(variable) + " names no run");
  const fs::path run(run_path);
  if (!fs::exists(run / bundle_files::kConfig) || !fs::exists(run / bundle_files::kSummary))
    return unavailable(run_path + " is no finished run: it lacks config.json or summary.json");
  const json config = ReadIfThere(run / bundle_files::kConfig);
  const fs::path analysis = run.parent_path() / "analysis";
  const json manifest = ReadIfThere(analysis / "manifest.json");
  const json runtime = ReadIfThere(analysis / "worker_runtime_manifest.json");
  json environment = json::object();
  for (const char* name : kEnvironment)
    environment[name] =
        FirstOf(Find(runtime, {"env", name}), Find(config, {"kv_runtime_env", name}));
  return {{"available", true},
          {"run_path", run_path},
          {"bundle_path", run.parent_path().string()},
          {"analysis_manifest",
           {{"scenario", FirstOf(Find(manifest, {"scenario"}), Find(config, {"scenario"}))},
            {"tier_mode", FirstOf(Find(manifest, {"tier_mode"}), Find(config, {"tier_mode"}))},
            {"kv_mode", FirstOf(Find(manifest, {"kv_mode"}), Find(config, {"kv_mode", "mode"}))},
            {"cpu_cache_gb", FirstOf(Find(manifest, {"kvbm", "cpu_cache_gb"}),
                                     Find(config, {"kv_mode", "cpu_cache_gb"}))},
            {"disk_cache_gb", FirstOf(Find(manifest, {"kvbm", "disk_cache_gb"}),
                                      Find(config, {"kv_mode", "disk_cache_gb"}))},
            {"disk_offload_filter_override",
             Find(manifest, {"kvbm", "disk_offload_filter_override"})}}},
          {"runtime_env", std::move(environment)},
          {"config_args", Arguments(config)},
          {"manifest_hashes", Hashes(run)},
          {"signals", Signals(run)}};
}

json Diff(const json& good, const json& failed) {
  json diff = json::object();
  for (const char* block :
       {"analysis_manifest", "runtime_env", "config_args", "manifest_hashes", "signals"}) {
    diff[block] = json::object();
    if (!good.contains(block) || !failed.contains(block)) continue;
    for (const auto& [key, value] : good.at(block).items()) {
      const json& other = failed.at(block).at(key);
      if (value != other) diff[block][key] = {{"known_good", value}, {"failed_b2_c1", other}};
    }
  }
  return diff;
}

std::vector<std::string> Sentences(const json& good, const json& failed, const json& diff) {
  std::vector<std::string> out;
  for (const auto& [name, side] : {std::pair{"known good run", &good}, {"failed run", &failed}}) {
    if (!side->at("available"))
      out.push_back(
          fmt::format("The {} is unavailable: {}.", name, side->at("error").get<std::string>()));
  }
  if (!out.empty()) return out;
  const auto fields = [&](const char* block) {
    std::string names;
    for (const auto& [key, value] : diff.at(block).items())
      names += (names.empty() ? "" : ", ") + key;
    return names;
  };
  for (const auto& [block, what] : {std::pair{"runtime_env", "What the workers were started with"},
                                    {"analysis_manifest", "The tiers"},
                                    {"config_args", "The shape of the workload"},
                                    {"manifest_hashes", "The requests"}}) {
    if (const auto names = fields(block); !names.empty())
      out.push_back(fmt::format("{} differs: {}.", what, names));
  }
  const json& onboard =
      failed.at("signals").at("kvbm_onboard_blocks_d2d_delta_replay_plus_replay2");
  if (onboard.is_number() && onboard.get<double>() == 0)
    out.push_back("The failed run brought no block back from the SSD.");
  if (onboard.is_null()) out.push_back("The failed run did not say what came back from the SSD.");
  if (out.empty()) out.push_back("Both runs were asked the same and did the same.");
  return out;
}

}  // namespace

json Phase60Diagnosis(const std::string& known_good_run, const std::string& failed_run,
                      const std::string& now_utc) {
  const json good = Side(known_good_run, "BENCH_PHASE60_KNOWN_GOOD_B2_RUN");
  const json failed = Side(failed_run, "BENCH_PHASE60_FAILED_B2_C1_RUN");
  const json diff = Diff(good, failed);
  return {{"schema_version", kBundleSchemaVersion},
          {"created_utc", now_utc},
          {"known_good_run", known_good_run},
          {"failed_run", failed_run},
          {"known_good", good},
          {"failed_b2_c1", failed},
          {"diff", diff},
          {"finding_summary", Sentences(good, failed, diff)}};
}

}  // namespace kvtier
