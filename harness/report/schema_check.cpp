#include "harness/report/schema_check.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <span>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validation_results.hpp>
#include <valijson/validator.hpp>

#include "harness/core/error.hpp"
#include "harness/core/files.hpp"

namespace kvtier {
namespace fs = std::filesystem;
using nlohmann::json;

namespace {

using Adapter = valijson::adapters::NlohmannJsonAdapter;

std::unique_ptr<valijson::Schema> LoadSchema(const fs::path& file) {
  const json document = ReadJson(file);
  auto schema = std::make_unique<valijson::Schema>();
  valijson::SchemaParser parser;
  const Adapter adapter(document);
  parser.populateSchema(adapter, *schema);
  return schema;
}

// The deepest places come first and only a few are kept: a wrong leaf makes every schema around it
// fail too.
void Validate(const valijson::Schema& schema, const json& value, const std::string& where,
              std::vector<std::string>& out) {
  valijson::Validator validator(valijson::Validator::kStrongTypes);
  valijson::ValidationResults results;
  const Adapter adapter(value);
  if (validator.validate(schema, adapter, &results)) return;
  std::vector<valijson::ValidationResults::Error> errors;
  valijson::ValidationResults::Error error;
  while (results.popError(error)) errors.push_back(error);
  std::stable_sort(errors.begin(), errors.end(), [](const auto& a, const auto& b) {
    return a.context.size() > b.context.size();
  });
  constexpr std::size_t kShown = 6;
  if (errors.size() > kShown) errors.resize(kShown);
  for (const auto& e : errors) {
    std::string path;
    for (const auto& step : e.context) path += step;
    out.push_back(fmt::format("{} {}: {}", where, path, e.description));
  }
}

struct Known {
  const char* begin;
  const char* end;
  const char* schema;
};
// First match wins. A name matches when it starts and ends so.
constexpr Known kKnown[] = {
    {"run_state.json", "", "run_state"},
    {"attempt.json", "", "attempt"},
    {"config.json", "", "config"},
    {"manifest.json", "", "manifest"},
    {"prompts_manifest.jsonl", "", "prompts_manifest_row"},
    {"request_manifest.jsonl", "", "request_manifest_row"},
    {"requests.jsonl", "", "requests_row"},
    {"ttfc_sanity_requests.jsonl", "", "requests_row"},
    {"kvbm_metrics_snapshots.jsonl", "", "kvbm_metrics_snapshot"},
    {"expected_hits.json", "", "expected_hits"},
    {"hits_achieved.json", "", "hits_achieved"},
    {"hit_curve.json", "", "hit_curve"},
    {"trace_manifest.json", "", "trace_manifest"},
    {"prompt_corpus.json", "", "prompt_corpus"},
    {"quality.json", "", "trace_quality"},
    {"worker_readback.json", "", "worker_readback"},
    {"washout.json", "", "phase70_washout"},
    {"summary.json", "", "summary"},
    {"kv_residency.json", "", "kv_residency"},
    {"timeline.jsonl", "", "timeline_row"},  // its first line: timeline_head
    {"telemetry_report.json", "", "telemetry_report"},
    {"sysmon.jsonl", "", "sysmon_row"},
    {"nvme.jsonl", "", "nvme_row"},
    {"gpu.jsonl", "", "gpu_row"},
    {"dynkv.jsonl", "", "dynkv_row"},
    {"meminfo_snapshots.jsonl", "", "meminfo_snapshot_row"},
    {"vmstat_snapshots.jsonl", "", "vmstat_snapshot_row"},
    {"io_attribution_report.json", "", "io_attribution_report"},
    {"io_attrib_verdict.json", "", "io_attrib_verdict"},
    {"device_metadata_", ".json", "device_metadata"},
    {"nvme_", ".json", "nvme_capture"},
    {"phase_", "_kvbm_metrics_start.json", "kvbm_metrics_snapshot"},
    {"phase_", "_kvbm_metrics_end.json", "kvbm_metrics_snapshot"},
    {"phase_", "_kvbm_metrics_delta.json", "kvbm_metrics_delta"},
    {"phase_", "_os_io_start.json", "os_io_snapshot"},
    {"phase_", "_os_io_end.json", "os_io_snapshot"},
    {"phase_", "_os_io_delta.json", "os_io_delta"},
    {"phase_", "_evidence.json", "phase_evidence"},
    {"doctor.json", "", "doctor"},
    {"campaign_", ".json", "campaign"},
    {"capacity.json", "", "capacity"},
    {"phase60.json", "", "phase60_current"},
    {"phase60_rehydrate_concurrency_sweep_summary_minimal_", ".json", "phase60_summary"},
    {"phase60_matrix_stop_verdict_minimal_", ".json", "phase60_stop_verdict"},
    {"phase60_sweep_b2c1_failure_diagnosis_", ".json", "phase60_diagnosis"},
    {"phase60_knee_", ".json", "phase60_knee"},
    {"phase60_crossover_recommendation_", ".json", "phase60_crossover_recommendation"},
    {"phase60_known_good_baseline_manifest_semantic_hash.json", "", "phase60_baseline"},
    {"phase60_baseline_manifest_audit.jsonl", "", "phase60_baseline_audit_row"},
    {"phase70.json", "", "phase70_current"},
    {"pack_manifest.json", "", "results_pack_manifest"},
    {"phase70_rehydrate_pair_repeats_preflight_", ".json", "phase70_preflight"},
    {"phase70_rehydrate_pair_repeats_manifest_", ".json", "phase70_manifest"},
    {"phase70_rehydrate_pair_repeats_gate_", ".json", "phase70_gate"},
    {"phase70_rehydrate_pair_repeats_summary_", ".json", "phase70_summary"},
    {"phase70_rehydrate_pair_repeats_order_check_", ".json", "phase70_order_check"},
    {"phase70_rehydrate_pair_repeats_verdict_", ".json", "phase70_verdict"},
    {"hygiene_journal_", ".json", "hygiene_journal"},
    {"kvtier_archive_manifest.json", "", "archive_manifest"},
    {"frontend.json", "", "registration_frontend"},
    {"worker-", ".json", "registration_worker"},
};

// In the folder analysis/ of a probe, of a Phase58 bundle and of its trials; these names come
// first.
constexpr Known kAnalysis[] = {
    {"manifest.json", "", "probe_manifest"},
    {"worker_runtime_manifest.json", "", "probe_worker_runtime_manifest"},
    {"trials.jsonl", "", "phase58_trial_row"},
    {"metrics_diff_summary.json", "", "phase58_metrics_diff_summary"},
};

// In the folder of an export for the older runners, beside those whose names are a bundle's.
constexpr Known kLegacyExport[] = {
    {"legacy_export.json", "", "legacy_export"},
    {"metrics.jsonl", "", "legacy_metrics_row"},
    {"", "_manifest.json", "legacy_manifest"},
    {"", "_summary.json", "legacy_summary"},
};

// The head of a timeline is a row of another kind.
constexpr const char* kTimelineName = "timeline.jsonl";

std::vector<std::string> CheckAgainst(const fs::path& artifact, const valijson::Schema& schema,
                                      const valijson::Schema* first_row = nullptr) {
  std::vector<std::string> violations;
  try {
    if (artifact.extension() == ".jsonl") {
      int row_number = 0;
      for (const auto& row : ReadJsonl(artifact)) {
        ++row_number;
        const bool head = row_number == 1 && first_row != nullptr;
        Validate(head ? *first_row : schema, row,
                 fmt::format("{}:{}", artifact.filename().string(), row_number), violations);
      }
    } else {
      Validate(schema, ReadJson(artifact), artifact.filename().string(), violations);
    }
  } catch (const Error& e) {
    violations.push_back(e.what());
  }
  return violations;
}

/// Empty when none matches.
std::string FindIn(std::span<const Known> table, const std::string& name) {
  for (const Known& k : table) {
    const bool whole = *k.end == '\0';
    if (whole ? name == k.begin : name.starts_with(k.begin) && name.ends_with(k.end))
      return std::string(k.schema) + ".schema.json";
  }
  return "";
}

/// A probe's quick summary shares its name with that of the Phase58 bundle around it, which alone
/// has trials.
std::string SchemaInAnalysis(const fs::path& file) {
  const std::string name = file.filename().string();
  if (name != "quick_summary.json") return FindIn(kAnalysis, name);
  return fs::exists(file.parent_path() / "trials.jsonl") ? "phase58_quick_summary.schema.json"
                                                         : "probe_quick_summary.schema.json";
}

/// The artifacts of an experiment have shorter names in its results pack.
std::string SchemaOf(const fs::path& file) {
  const std::string name = file.filename().string();
  if (file.parent_path().filename() == "analysis") return SchemaInAnalysis(file);
  if (fs::exists(file.parent_path() / "legacy_export.json")) {
    const std::string legacy = FindIn(kLegacyExport, name);
    return legacy.empty() ? SchemaFor(name) : legacy;
  }
  const bool copy = name == "manifest.json" || name == "summary.json" ||
                    name == "order_check.json" || name == "verdict.json";
  return copy && fs::exists(file.parent_path() / "pack_manifest.json")
             ? "phase70_" + file.stem().string() + ".schema.json"
             : SchemaFor(name);
}

}  // namespace

std::string SchemaFor(const std::string& name) {
  return FindIn(kKnown, name);
}

std::vector<std::string> CheckFile(const fs::path& artifact, const fs::path& schema) {
  return CheckAgainst(artifact, *LoadSchema(schema));
}

std::vector<std::string> CheckBundle(const fs::path& folder, const fs::path& schemas) {
  std::vector<std::string> violations;
  std::map<std::string, std::unique_ptr<valijson::Schema>> loaded;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    const auto extension = entry.path().extension();
    if (!entry.is_regular_file() || (extension != ".json" && extension != ".jsonl")) continue;
    const std::string name = SchemaOf(entry.path());
    if (name.empty()) {
      violations.push_back(entry.path().string() + ": no schema knows this file");
      continue;
    }
    auto& schema = loaded[name];
    if (!schema) schema = LoadSchema(schemas / name);
    const bool timeline = entry.path().filename() == kTimelineName;
    auto& head = loaded["timeline_head.schema.json"];
    if (timeline && !head) head = LoadSchema(schemas / "timeline_head.schema.json");
    const auto found = CheckAgainst(entry.path(), *schema, timeline ? head.get() : nullptr);
    violations.insert(violations.end(), found.begin(), found.end());
  }
  std::sort(violations.begin(), violations.end());
  return violations;
}

}  // namespace kvtier
