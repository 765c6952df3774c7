#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "harness/core/tier.hpp"

namespace kvtier {

/// One effective setting and where its value came from ("default", "<file>:<line>", "BENCH_...",
/// "--flag").
struct SettingValue {
  std::string key;  // "scenario.populate_sessions"
  std::string value;
  std::string origin;
};

/// Block `kv_mode` of the artifacts: what was asked for (what the worker received is in its
/// readback).
struct KvModeBlock {
  double cpu_cache_gb = 0;
  double disk_cache_gb = 0;
  bool disable_partial_reuse = false;
  bool disable_block_reuse = false;
  bool disable_disk_offload_filter = false;
};

/// A phase as it was planned, before traffic.
struct PhaseSketch {
  std::string name;
  int concurrency = 1;
  int requests = 0;
  bool include_in_overall = true;
};

/// Block `client_request_parameters`.
struct ClientRequestParameters {
  int max_tokens = 0;
  double temperature = 0;
  double top_p = 1;
  std::optional<std::int64_t> request_seed;
  std::vector<std::string> stop;
  bool stream = true;
  bool ignore_eos = false;
  double total_timeout_s = 0;
  double stall_timeout_s = 0;  // written as stream_timeout_s: the limit between two reads
  bool stream_record_ttfb = true;
};

/// Everything that is known about a run before its traffic; config.json and manifest.json
/// (spec/artifacts.md A1, A2).
struct RunConfig {
  std::string run_id;
  std::string created_utc;
  std::string base_url;
  std::string model_id = "auto";  // as resolved; "auto" until then
  std::string model_id_requested = "auto";
  std::string scenario;
  std::string prompt_set;
  std::string tokenizer;  // "byte_level", "heuristic", "calibrated"
  TierMode tier = TierMode::kB0;
  std::string backend;         // reference, command
  std::string stack_label;     // how a person should read it: "reference stack (small)"
  bool deterministic = false;  // the stack promises equal text at temperature 0
  std::uint64_t block_bytes = 0;
  int block_tokens = 0;
  KvModeBlock kv_mode;
  std::map<std::string, std::string> kv_runtime_env;  // what the worker was started with
  std::vector<PhaseSketch> phases;
  ClientRequestParameters request;
  std::vector<SettingValue> settings;          // all of them, with origins
  std::map<std::string, std::uint64_t> seeds;  // "run", "pair", "order"
  std::map<std::string, std::string>
      versions;  // "kvtier", "git_sha", "git_branch", "compiler", "blas" ...
  std::map<std::string, std::string>
      host;  // "platform", "kernel", "cpu_model", "cpus", "memory_bytes", "filesystem" ...
  std::string block_device;  // under the cache directory; empty when unknown
  std::string cache_dir;
  std::vector<std::string> faults;  // injected on purpose
  std::vector<std::string> notes;   // one sentence each, for people
};

void to_json(nlohmann::json& j, const RunConfig& config);
/// Throws nlohmann exceptions; LoadRunConfig turns them into a DataError that names file and key.
void from_json(const nlohmann::json& j, RunConfig& config);

/// manifest.json: the same run in the shape of spec/artifacts.md A2.
nlohmann::json ManifestJson(const RunConfig& config);

}  // namespace kvtier
