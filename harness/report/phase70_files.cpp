#include "harness/report/phase70_files.hpp"

#include <array>
#include <string_view>

#include <fmt/format.h>

#include "harness/core/files.hpp"
#include "harness/report/csv.hpp"
#include "harness/report/evidence_json.hpp"
#include "harness/report/phase70_report.hpp"

namespace kvtier {
namespace fs = std::filesystem;
using nlohmann::json;

namespace {

// spec/artifacts.md E2 and E3, in order.
constexpr std::array<std::string_view, 30> kSummaryColumns{"pair_id",
                                                           "pair_order",
                                                           "pair_leg",
                                                           "mode",
                                                           "replay_concurrency",
                                                           "run_id",
                                                           "bundle_id",
                                                           "timestamp_utc",
                                                           "status",
                                                           "error_rate",
                                                           "stream",
                                                           "stream_record_ttfb",
                                                           "replay_ttfc_p95_ms",
                                                           "replay_ttfc_p99_ms",
                                                           "replay_ttft_p95_ms",
                                                           "replay_ttft_p99_ms",
                                                           "metric_preferred_replay_p95",
                                                           "metric_used_replay_p95",
                                                           "replay_read_gib",
                                                           "io_attrib_pass",
                                                           "process_evidence_method",
                                                           "pid_warn",
                                                           "kvbm_matched_tokens_delta",
                                                           "kvbm_onboard_blocks_delta",
                                                           "primary_nvme_model",
                                                           "primary_nvme_fw",
                                                           "pcie_link",
                                                           "run_path",
                                                           "io_attrib_checked",
                                                           "io_attrib_checker_rc"};
constexpr std::array<std::string_view, 13> kDeltaColumns{"pair_id",
                                                         "pair_order",
                                                         "mode_a",
                                                         "mode_b",
                                                         "mode_a_run_id",
                                                         "mode_b_run_id",
                                                         "delta_replay_ttfc_p95_ms",
                                                         "delta_replay_ttfc_p99_ms",
                                                         "delta_replay_ttft_p95_ms",
                                                         "delta_replay_ttft_p99_ms",
                                                         "delta_replay_read_gib",
                                                         "delta_matched_tokens",
                                                         "delta_onboard_blocks"};

constexpr const char* kCurrentFile = "current/phase70.json";

template <class T>
void Get(const json& j, const char* key, T& into) {
  j.at(key).get_to(into);
}

template <class T>
T ReadTyped(const fs::path& file) {
  const json j = ReadVersioned(file);
  T value;
  ReadingFrom(file, [&] { j.get_to(value); });
  return value;
}

json Versioned(json j) {
  j["schema_version"] = kBundleSchemaVersion;
  return j;
}

}  // namespace

std::string Phase70Paths::BundleId(TierMode mode, int pair, int leg) const {
  return fmt::format("phase70_rehydrate_pair_{}_p{:02d}_l{}_{}", TierName(mode), pair, leg, ts);
}
std::string Phase70Paths::RunId(TierMode mode, int pair, int leg) const {
  return fmt::format("run_{}_p{:02d}_l{}_{}", TierName(mode), pair, leg, ts);
}
fs::path Phase70Paths::Of(const char* what, const char* extension) const {
  return root / fmt::format("phase70_rehydrate_pair_repeats_{}_{}.{}", what, ts, extension);
}

void WritePhase70Preflight(const Phase70Paths& paths, json preflight) {
  WriteJsonAtomic(paths.Preflight(), Versioned(std::move(preflight)));
}

PreflightOutcome LoadPhase70Preflight(const Phase70Paths& paths) {
  PreflightOutcome outcome;
  if (!fs::exists(paths.Preflight())) return outcome;
  const json j = ReadVersioned(paths.Preflight());
  ReadingFrom(paths.Preflight(), [&] {
    using State = PreflightOutcome::State;
    const bool ok = j.at("ok"), decision_grade = j.at("decision_grade");
    outcome.state = !ok              ? State::kFailed
                    : decision_grade ? State::kPassed
                                     : State::kPassedNotDecisionGrade;
    if (j.value("skipped", false)) outcome.state = State::kSkipped;
    j.at("reason_codes").get_to(outcome.reason_codes);
    outcome.detail = j.value("detail", "");
    outcome.declared_sha256 = j.value("declaration_sha256", "");
  });
  return outcome;
}

void WritePhase70Gate(const Phase70Paths& paths, const MechanismGateRecord& gate) {
  json j = Versioned(gate);
  // The exporter's documentation that the gate rests on, by metric (spec/artifacts.md E7).
  j["references"] = {{"nvidia_kvbm_metrics",
                      {"kvbm_matched_tokens", "kvbm_onboard_blocks_d2d", "kvbm_offload_blocks_h2d",
                       "kvbm_host_cache_hit_rate", "kvbm_disk_cache_hit_rate"}}};
  WriteJsonAtomic(paths.Gate(), j);
}
MechanismGateRecord LoadPhase70Gate(const Phase70Paths& paths) {
  return ReadTyped<MechanismGateRecord>(paths.Gate());
}

std::string Phase70SummaryCsv(const std::vector<PairRow>& rows) {
  return CsvText(kSummaryColumns, rows);
}
std::string Phase70DeltasCsv(const std::vector<PairDelta>& deltas) {
  return CsvText(kDeltaColumns, deltas);
}

void WritePhase70Analysis(const Phase70Paths& paths, const Phase70Manifest& manifest,
                          Phase70Analysis& analysis) {
  const std::array<std::pair<const char*, fs::path>, 5> files{
      {{"manifest", paths.Manifest()},
       {"summary_json", paths.Summary()},
       {"summary_csv", paths.SummaryCsv()},
       {"pair_delta_csv", paths.DeltasCsv()},
       {"order_check_json", paths.OrderCheck()}}};
  std::map<std::string, std::string> names;
  for (const auto& [name, path] : files) {
    if (std::string_view(name) != "summary_json") names[name] = path.filename().string();
  }
  WriteJsonAtomic(paths.Summary(), Versioned(SummaryJson(analysis, manifest.setup,
                                                         json(manifest).at("meta"), names)));
  WriteFileAtomic(paths.SummaryCsv(), Phase70SummaryCsv(analysis.rows));
  WriteFileAtomic(paths.DeltasCsv(), Phase70DeltasCsv(analysis.deltas));
  WriteJsonAtomic(paths.OrderCheck(), Versioned(analysis.order_check));
  for (const auto& [name, path] : files) {
    analysis.verdict.artifacts[name] = {.path = path.filename().string(),
                                        .exists = fs::exists(path)};
  }
  WriteJsonAtomic(paths.Verdict(), Versioned(analysis.verdict));
  WriteFileAtomic(paths.Report(), RenderPhase70Report(manifest, analysis, paths));
}

Verdict LoadPhase70Verdict(const fs::path& file) {
  return ReadTyped<Verdict>(file);
}

void to_json(json& j, const Phase70Current& c) {
  j = Versioned({{"ts", c.ts},
                 {"state", c.state},
                 {"pid", c.pid},
                 {"updated_utc", c.updated_utc},
                 {"verdict", c.verdict},
                 {"reason", c.reason}});
}
void from_json(const json& j, Phase70Current& c) {
  Get(j, "ts", c.ts);
  Get(j, "state", c.state);
  Get(j, "pid", c.pid);
  Get(j, "updated_utc", c.updated_utc);
  Get(j, "verdict", c.verdict);
  Get(j, "reason", c.reason);
}
void WritePhase70Current(const fs::path& root, const Phase70Current& current) {
  WriteJsonAtomic(root / kCurrentFile, current);
}
std::optional<Phase70Current> LoadPhase70Current(const fs::path& root) {
  if (!fs::exists(root / kCurrentFile)) return std::nullopt;
  return ReadTyped<Phase70Current>(root / kCurrentFile);
}

}  // namespace kvtier
