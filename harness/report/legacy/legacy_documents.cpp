#include <set>

#include <fmt/format.h>

#include "harness/core/clock.hpp"
#include "harness/core/error.hpp"
#include "harness/core/files.hpp"
#include "harness/report/bundle.hpp"
#include "harness/report/evidence_json.hpp"
#include "harness/report/legacy/legacy_parts.hpp"
#include "harness/report/request_rows.hpp"

// <run>_manifest.json and <run>_summary.json of v2.2.
namespace kvtier {
namespace fs = std::filesystem;
using nlohmann::json;
using nlohmann::ordered_json;
namespace {

/// A document of which each null is named with its reason. Keys keep the order in which they come.
class LegacyDocument {
 public:
  LegacyDocument(LegacyJob& job, std::string name) : job_(job), name_(std::move(name)) {}
  /// `path` is a key, or two with a slash between.
  void Put(const std::string& path, const json& value, const std::string& reason = {}) {
    doc_[ordered_json::json_pointer("/" + path)] = ordered_json(value);
    if (value.is_null()) job_.Gap(name_, path, reason);
  }
  void Write() {
    WriteFileAtomic(job_.out / name_,
                    doc_.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n");
    job_.Written(name_, 1);
  }

 private:
  LegacyJob& job_;
  std::string name_;
  ordered_json doc_ = ordered_json::object();
};

json TextOf(const std::map<std::string, std::string>& values, const char* key) {
  const auto found = values.find(key);
  return found == values.end() || found->second.empty() ? json() : json(found->second);
}

json SettingOf(const RunConfig& config, const std::string& key) {
  for (const SettingValue& s : config.settings) {
    if (s.key == key && !s.value.empty()) return s.value;
  }
  return nullptr;
}

/// A number of the summary; null where it is not there.
json NumberAt(const json& summary, const std::string& pointer) {
  const json::json_pointer at(pointer);
  if (!summary.is_object() || !summary.contains(at)) return nullptr;
  const json& found = summary.at(at);
  return found.is_number() ? found : json();
}

json PromptHashes(const LegacyJob& job) {
  const fs::path file = job.run_dir / bundle_files::kPrompts;
  if (!fs::exists(file)) return nullptr;
  std::set<std::string> hashes;
  ForEachLine(file, [&](std::string_view line, bool whole) {
    const json row = json::parse(line, nullptr, false);
    if (row.is_discarded() && !whole) return;
    ReadingFrom(file, [&] { hashes.insert(row.at("prompt_sha256").get<std::string>()); });
  });
  return json(hashes);
}

std::string SlugOf(std::string model) {
  for (char& c : model) {
    if (c == '/') c = '-';
  }
  return model;
}

}  // namespace

void ExportManifest(LegacyJob& job) {
  const RunConfig& c = job.config;
  LegacyDocument doc(job, job.name + "_manifest.json");
  doc.Put("run_id", c.run_id);
  doc.Put("timestamp_utc", c.created_utc);
  doc.Put("hypothesis", nullptr, "a bundle belongs to no hypothesis of those runners");
  doc.Put("phase", nullptr, "a run has several phases; each row of metrics.jsonl has its own");
  doc.Put("engine_profile", SettingOf(c, "model_profile"), "the run names no model profile");
  doc.Put("model_handle", c.model_id_requested == "auto" ? json() : json(c.model_id_requested),
          "the model was asked of the server, not named");
  doc.Put("model_tag", SlugOf(c.model_id));
  doc.Put("model_name", c.model_id);
  doc.Put("kv_cache", KvModeName(c.tier));
  const auto concurrency = CommonConcurrency(c);
  doc.Put("concurrency_users", concurrency ? json(*concurrency) : json(),
          "the phases have different ones");
  doc.Put(
      "run_duration_sec", NumberAt(job.summary, "/overall_summary/duration_s"),
      job.no_summary.empty() ? "the run is invalid, so it has no overall figures" : job.no_summary);
  doc.Put("max_tokens", c.request.max_tokens);
  doc.Put("sampling/temperature", c.request.temperature);
  doc.Put("sampling/top_p", c.request.top_p);
  doc.Put("sampling/seed", c.request.request_seed ? json(*c.request.request_seed) : json(),
          "requests carry no seed");
  doc.Put("prompts_sha256", PromptHashes(job), "the bundle has no plan of its prompts");
  doc.Put("storage/device", c.block_device.empty() ? json() : json(c.block_device),
          "the disk of the KV cache is unknown");
  const json::json_pointer model("/storage/primary_nvme_model");
  doc.Put("storage/model",
          job.summary.is_object() && job.summary.contains(model) ? job.summary.at(model) : json(),
          "the disk was not described");
  doc.Put("storage/sched", nullptr, "the I/O scheduler is not recorded");
  doc.Put("storage/read_ahead_kb", nullptr, "the read-ahead is not recorded");
  doc.Put("os/kernel", TextOf(c.host, "kernel"), "the kernel is not recorded");
  doc.Put("os/driver", nullptr, "the GPU driver is not recorded");
  doc.Put("os/dgx_os", nullptr, "the release of DGX OS is not recorded");
  doc.Put("cpu/governor", nullptr, "the CPU governor is not recorded");
  doc.Put("cpu/isolation", nullptr, "server and client share the cores");
  doc.Put("saturated", nullptr, "no rule of kvtier says that a server is saturated");
  doc.Write();
}

void ExportSummary(LegacyJob& job, const LegacyAverages& averages) {
  const std::string name = job.name + "_summary.json";
  if (job.summary.is_null()) {
    job.NotWritten(name, job.no_summary);
    return;
  }
  const std::string none = "the run is invalid, so it has no overall figures";
  const json& s = job.summary;
  LegacyDocument doc(job, name);
  const json total = NumberAt(s, "/overall_summary/total_requests"),
             ok = NumberAt(s, "/overall_summary/ok_requests"),
             rate = NumberAt(s, "/overall_summary/ok_req_per_s");
  const bool some = total.is_number() && ok.is_number() && total.get<double>() > 0;
  doc.Put("requests_total", total, none);
  doc.Put("admission_pct", some ? json(100 * ok.get<double>() / total.get<double>()) : json(),
          none);
  doc.Put("throughput_rps", rate, none);
  for (const char* q : {"p50", "p95", "p99"})
    doc.Put(fmt::format("ttft_ms/{}", q),
            NumberAt(s, fmt::format("/overall_summary/ttfe_ms/{}", q)),
            "the summary has no time to the first event");
  for (const char* q : {"p50", "p90", "p95", "p99"})
    doc.Put(fmt::format("latency_ms/{}", q),
            NumberAt(s, fmt::format("/overall_summary/latency_ms/{}", q)), none);
  for (const auto& [key, end] : {std::pair{"p99_ci_low", "low"}, std::pair{"p99_ci_high", "high"}})
    doc.Put(fmt::format("latency_ms/{}", key),
            NumberAt(s, fmt::format("/overall_summary/quantiles/latency_ms/p99/{}", end)),
            "too few requests for an interval of the p99");
  const std::string blind = "no reading of it in the telemetry";
  doc.Put("avg/io_wait_pct", MsOrNull3(averages.io_wait_pct), blind);
  doc.Put("avg/qu_sz", MsOrNull3(averages.queue_size), blind);
  doc.Put("avg/rps", rate, none);
  doc.Put("avg/gpu_util_pct", MsOrNull3(averages.gpu_util_pct), blind);
  doc.Put("avg/r_await_ms", MsOrNull3(averages.read_await_ms), blind);
  doc.Put("avg/rps_storage", MsOrNull3(averages.reads_per_s), blind);
  doc.Put("meta/run_id", job.config.run_id);
  doc.Put("meta/api_mode", "openai");
  doc.Put("meta/target_url", job.config.base_url);
  doc.Put("meta/generated_at", UtcMillisNow());
  doc.Write();
}

}  // namespace kvtier
