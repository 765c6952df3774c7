#include "harness/report/phase60_files.hpp"

#include <array>
#include <string_view>

#include <fmt/format.h>

#include "harness/core/clock.hpp"
#include "harness/core/error.hpp"
#include "harness/core/files.hpp"
#include "harness/report/bundle.hpp"
#include "harness/report/csv.hpp"
#include "harness/report/evidence_json.hpp"

namespace kvtier {
namespace fs = std::filesystem;
using nlohmann::json;

namespace {

// spec/artifacts.md D2, in order.
constexpr std::array<std::string_view, 29> kColumns{
    "mode",
    "concurrency",
    "status",
    "pass_slo",
    "error_rate",
    "overall_ttfc_p95_ms",
    "overall_ttfc_p99_ms",
    "replay_ttfc_p95_ms",
    "replay_ttfc_p99_ms",
    "overall_ttft_p95_ms",
    "overall_ttft_p99_ms",
    "replay_ttft_p95_ms",
    "replay_ttft_p99_ms",
    "metric_used_replay_p95",
    "populate_read_gib",
    "populate_write_gib",
    "thrash_read_gib",
    "thrash_write_gib",
    "replay_read_gib",
    "replay_write_gib",
    "replay_2_read_gib",
    "replay_2_write_gib",
    "kvbm_metrics_status",
    "kvbm_enabled",
    "kvbm_metrics_available",
    "kvbm_matched_tokens_delta_replay_plus_replay2",
    "kvbm_onboard_blocks_d2d_delta_replay_plus_replay2",
    "b1_disk_tier_verified",
    "run_path"};

constexpr const char* kCurrentFile = "current/phase60.json";

json OrNull(const std::optional<double>& v) {
  return v ? json(*v) : json();
}
json OrNull(const std::optional<bool>& v) {
  return v ? json(*v) : json();
}

void PutLatency(json& j, const std::string& name, const SweepLatency& latency) {
  j[name + "_p95_ms"] = OrNull(latency.p95);
  j[name + "_p99_ms"] = OrNull(latency.p99);
}

json CsvRowOf(const Phase60Row& row) {
  json j = {{"mode", TierName(row.place.mode)},
            {"concurrency", row.place.concurrency},
            {"status", SweepStatusName(row.status)},
            {"pass_slo", OrNull(row.pass_slo)},
            {"error_rate", OrNull(row.error_rate)},
            {"metric_used_replay_p95", row.UsedReplayP95()},
            {"kvbm_metrics_status", !row.kvbm_enabled            ? "skipped"
                                    : row.kvbm_metrics_available ? "ok"
                                                                 : "unavailable"},
            {"kvbm_enabled", row.kvbm_enabled},
            {"kvbm_metrics_available", row.kvbm_metrics_available},
            {"b1_disk_tier_verified", row.b1 ? json(row.b1->verified()) : json()},
            {"run_path", row.run_path}};
  PutLatency(j, "overall_ttfc", row.overall_ttfc);
  PutLatency(j, "replay_ttfc", row.replay_ttfc);
  PutLatency(j, "overall_ttft", row.overall_ttft);
  PutLatency(j, "replay_ttft", row.replay_ttft);
  for (const auto& [phase, io] : row.phase_io_gib) {
    j[phase + "_read_gib"] = OrNull(io.read);
    j[phase + "_write_gib"] = OrNull(io.write);
  }
  if (!row.kvbm_metrics_available) return j;
  const auto count = [&](const char* key, const Reading<std::uint64_t>& r) {
    if (r.available()) j[key] = *r;
  };
  count("kvbm_matched_tokens_delta_replay_plus_replay2", row.mechanism.matched_tokens);
  count("kvbm_onboard_blocks_d2d_delta_replay_plus_replay2", row.mechanism.onboard_d2d);
  return j;
}

template <class T>
T ReadTyped(const fs::path& file) {
  const json j = ReadVersioned(file);
  T value;
  try {
    ReadingFrom(file, [&] { j.get_to(value); });
  } catch (const DataError& e) {
    const std::string what = e.what();
    if (what.find(file.string()) != std::string::npos) throw;
    throw DataError(file.string() + ": " + what);
  }
  return value;
}

/// Null where there is no such file.
json ReadIfThere(const fs::path& file) {
  return fs::exists(file) ? ReadJson(file) : json();
}

json ValueOr(const json& j, const char* key) {
  return j.is_object() && j.contains(key) ? j.at(key) : json();
}

json Hashes(const fs::path& run_dir) {
  const auto hash = [&](const char* name) {
    return fs::exists(run_dir / name) ? json(Sha256Hex(ReadFile(run_dir / name))) : json();
  };
  return {{"request_manifest_sha256", hash(bundle_files::kRequestPlan)},
          {"prompts_manifest_sha256", hash(bundle_files::kPrompts)}};
}

json Counts(const fs::path& run_dir) {
  const auto rows = [&](const char* name) {
    return fs::exists(run_dir / name) ? json(ReadJsonl(run_dir / name).size()) : json();
  };
  return {{"request_manifest_rows", rows(bundle_files::kRequestPlan)},
          {"prompts_manifest_rows", rows(bundle_files::kPrompts)}};
}

json DeviceMetadata(const fs::path& run_dir) {
  const fs::path file = run_dir / bundle_files::kDeviceMetadataPost;
  const json post = ReadIfThere(file);
  if (post.is_null()) return {{"available", false}, {"error", "no " + file.filename().string()}};
  const json storage = ValueOr(post, "primary_storage_summary");
  return {{"available", true},
          {"capture_timestamp", ValueOr(post, "capture_timestamp")},
          {"capture_error_count", ValueOr(post, "capture_errors").size()},
          {"primary_nvme_device", ValueOr(post, "primary_nvme_device")},
          {"primary_nvme_namespace", ValueOr(post, "primary_nvme_namespace")},
          {"primary_nvme_model", ValueOr(storage, "model")},
          {"primary_nvme_fw", ValueOr(storage, "firmware_rev")},
          {"primary_nvme_serial", ValueOr(storage, "serial")},
          {"primary_nvme_size", ValueOr(storage, "size")},
          {"pcie_link", ValueOr(storage, "pcie_link")}};
}

json NvmeArtifacts(const fs::path& run_dir) {
  json out = json::object();
  for (const char* name :
       {bundle_files::kNvmeIdentity, bundle_files::kSmartPre, bundle_files::kSmartPost}) {
    const json capture = ReadIfThere(run_dir / name);
    if (capture.is_null()) continue;
    out[name] = {{"success", ValueOr(capture, "success")},
                 {"payload_ok", ValueOr(capture, "payload_ok")},
                 {"format", ValueOr(capture, "format")}};
  }
  return out;
}

template <class T>
json OrNull(const Reading<T>& r) {
  return r.available() ? json(*r) : json();
}

json Attribution(const LegEvidence& leg) {
  if (!leg.io_attribution) return {};
  const IoAttributionVerdict verdict = JudgeIoAttribution(leg, false);
  return {{"available", leg.io_attribution->available},
          {"capture_error_count", leg.io_attribution->capture_errors.size()},
          {"kvbm_disk_path", leg.io_attribution->kvbm_disk_path},
          {"replay_phase", verdict.replay_phase},
          {"replay_block_read_bytes", OrNull(verdict.replay_block_read)},
          {"replay_process_read_bytes", OrNull(verdict.replay_process_read)}};
}

json AttributionVerdict(const fs::path& run_dir, const LegEvidence& leg, bool io_attrib) {
  const std::string path = bundle_files::kIoVerdict;
  if (!leg.io_attribution) {
    return {{"available", false},
            {"error", "no report of who did the I/O was written"},
            {"verdict_path", path}};
  }
  const IoAttributionVerdict verdict = JudgeIoAttribution(leg, io_attrib);
  json j = verdict, failed = json::array(), warned = json::array();
  for (const AttributionCheck& check : verdict.checks) {
    if (check.status == CheckStatus::kFail) failed.push_back(check.name);
    if (check.status == CheckStatus::kWarn) warned.push_back(check.name);
  }
  j["available"] = true;
  j["fail_count"] = failed.size();
  j["warn_count"] = warned.size();
  j["failed_checks"] = std::move(failed);
  j["warn_checks"] = std::move(warned);
  j["timestamp_utc"] = ValueOr(ReadIfThere(run_dir / path), "timestamp_utc");
  j["verdict_path"] = path;
  return j;
}

/// The settings that give a point its meaning, in the words of the predecessor.
json ConfigSnapshot(const RunConfig& config, const LegEvidence& leg) {
  const auto setting = [&](const char* key) {
    for (const SettingValue& v : config.settings) {
      if (v.key == key) return json(v.value);
    }
    return json();
  };
  const auto env = [&](const char* name) {
    const auto at = config.kv_runtime_env.find(name);
    return at == config.kv_runtime_env.end() ? json() : json(at->second);
  };
  return {{"scenario", config.scenario},
          {"tier_mode", TierName(config.tier)},
          {"kv_mode", KvModeName(config.tier)},
          {"kv_disk_cache_gb", config.kv_mode.disk_cache_gb},
          {"runtime_kv_disk_cache_gb", OrNull(leg.worker.disk_cache_gb)},
          {"rehydrate_populate_sessions", setting("scenario.populate_sessions")},
          {"rehydrate_thrash_sessions", setting("scenario.thrash_sessions")},
          {"rehydrate_turns", setting("scenario.turns")},
          {"rehydrate_prefix_target_tokens", setting("scenario.prefix_target_tokens")},
          {"rehydrate_populate_concurrency", setting("scenario.populate_concurrency")},
          {"rehydrate_thrash_concurrency", setting("scenario.thrash_concurrency")},
          {"rehydrate_replay_concurrency", setting("scenario.replay_concurrency")},
          {"rehydrate_replay_repeats", setting("scenario.replay_repeats")},
          {"request_seed", setting("scenario.request_seed")},
          {"seed", setting("phase60.seed")},
          {"kvbm_cache_dir", config.cache_dir},
          {"runtime_kvbm_cache_dir", env("DYN_KVBM_DISK_CACHE_DIR")},
          {"diagnostic_disable_disk_offload_filter", config.kv_mode.disable_disk_offload_filter}};
}

}  // namespace

std::string Phase60Paths::BundleId(const SweepPlace& place, PointKind kind) const {
  const char* what = kind == PointKind::kBaseline ? "preflight"
                     : kind == PointKind::kDebug  ? "debug"
                                                  : "sweep";
  return fmt::format("phase60_rehydrate_minimal_{}_{}_{}", what, place.Key(), ts);
}

std::string Phase60Paths::RunId(const SweepPlace& place, PointKind kind) const {
  const char* what = kind == PointKind::kBaseline ? "_preflight"
                     : kind == PointKind::kDebug  ? "_debug"
                                                  : "";
  return fmt::format("run_{}{}_{}", place.Key(), what, ts);
}

fs::path Phase60Paths::Of(const char* what, const char* extension) const {
  return root / fmt::format("{}_{}.{}", what, ts, extension);
}

PointSpec ReadPointSpec(const fs::path& run_dir, const SweepPlace& place, PointKind kind) {
  const RunConfig config = LoadRunConfig(run_dir);
  PointSpec spec{.place = place, .kind = kind};
  spec.configured_disk_gb = config.kv_mode.disk_cache_gb;
  spec.cache_dir = config.cache_dir;
  const auto at = config.kv_runtime_env.find("DYN_KVBM_DISK_CACHE_DIR");
  if (at != config.kv_runtime_env.end()) spec.runtime_cache_dir = at->second;
  spec.filter_disabled = config.kv_mode.disable_disk_offload_filter;
  return spec;
}

json Phase60RowDetails(const fs::path& run_dir, const LegEvidence& leg, bool io_attrib) {
  return {{"manifest_hashes", Hashes(run_dir)},
          {"manifest_counts", Counts(run_dir)},
          {"config_snapshot", ConfigSnapshot(LoadRunConfig(run_dir), leg)},
          {"nvme_artifacts", NvmeArtifacts(run_dir)},
          {"device_metadata_post", DeviceMetadata(run_dir)},
          {"io_attribution", Attribution(leg)},
          {"io_attribution_verdict", AttributionVerdict(run_dir, leg, io_attrib)}};
}

Phase60Point LoadPhase60Point(const Phase60Paths& paths, const SweepPlace& place, PointKind kind,
                              const Phase60Setup& setup) {
  const fs::path run_dir = paths.RunDir(place, kind);
  Phase60Point point;
  point.leg = LoadLeg(run_dir);
  point.verdict = JudgePoint(point.leg, ReadPointSpec(run_dir, place, kind), setup);
  Phase60Row& row = point.verdict.row;
  row.run_path = fs::relative(run_dir, paths.root).string();
  if (const auto state = LoadRunState(run_dir)) row.completed_utc = state->ended_utc;
  row.details = Phase60RowDetails(run_dir, point.leg, setup.io_attrib);
  return point;
}

std::string Phase60SummaryCsv(const Phase60Summary& summary) {
  json rows = json::array();
  for (const Phase60Row& row : summary.rows) {
    if (row.kind != PointKind::kDebug) rows.push_back(CsvRowOf(row));
  }
  return CsvText(kColumns, rows);
}

void WritePhase60(const Phase60Paths& paths, const Phase60Summary& summary) {
  WriteJsonAtomic(paths.Summary(), summary);
  WriteFileAtomic(paths.SummaryCsv(), Phase60SummaryCsv(summary));
  if (summary.stop) {
    WriteJsonAtomic(paths.StopVerdict(),
                    StopVerdictJson(summary, paths.Summary().filename().string(), UtcMillisNow()));
  } else {
    fs::remove(paths.StopVerdict());
  }
}

Phase60Summary LoadPhase60Summary(const fs::path& file) {
  return ReadTyped<Phase60Summary>(file);
}

void WritePhase60Diagnosis(const Phase60Paths& paths, const std::string& known_good_run,
                           const std::string& failed_run) {
  WriteJsonAtomic(paths.Diagnosis(), Phase60Diagnosis(known_good_run, failed_run, UtcMillisNow()));
}

void to_json(json& j, const Phase60Current& c) {
  j = {{"schema_version", kBundleSchemaVersion},
       {"ts", c.ts},
       {"state", c.state},
       {"pid", c.pid},
       {"updated_utc", c.updated_utc},
       {"summary", c.summary}};
}
void from_json(const json& j, Phase60Current& c) {
  j.at("ts").get_to(c.ts);
  j.at("state").get_to(c.state);
  j.at("pid").get_to(c.pid);
  j.at("updated_utc").get_to(c.updated_utc);
  j.at("summary").get_to(c.summary);
}
void WritePhase60Current(const fs::path& root, const Phase60Current& current) {
  WriteJsonAtomic(root / kCurrentFile, current);
}
std::optional<Phase60Current> LoadPhase60Current(const fs::path& root) {
  if (!fs::exists(root / kCurrentFile)) return std::nullopt;
  return ReadTyped<Phase60Current>(root / kCurrentFile);
}

}  // namespace kvtier
