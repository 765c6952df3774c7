// The sweep summary as JSON and back (spec: artifacts D1, D3; our additions beside the documented
// keys).
#include "harness/judge/json_fields.hpp"
#include "harness/judge/phase60.hpp"

namespace kvtier {
namespace {

using nlohmann::json;

/// A reading under its documented key: the figure or null, the reason in `reasons`.
template <class T>
void Put(json& j, json& reasons, const char* key, const Reading<T>& r) {
  j[key] = r.available() ? json(*r) : json();
  if (!r.available()) reasons[key] = r.reason();
}

template <class T>
Reading<T> Take(const json& j, const json& reasons, const char* key) {
  if (const auto value = OptionalAt<T>(j, key)) return *value;
  return Reading<T>::Unavailable(OptionalAt<std::string>(reasons, key).value_or("not recorded"));
}

const char* const kMatched = "kvbm_matched_tokens_delta_replay_plus_replay2";
const char* const kOnboard = "kvbm_onboard_blocks_d2d_delta_replay_plus_replay2";
const char* const kOffload = "kvbm_offload_blocks_h2d_delta_replay_plus_replay2";
const char* const kOffloadDirect = "kvbm_offload_blocks_d2d_delta_replay_plus_replay2";
const char* const kHitRate = "kvbm_disk_cache_hit_rate";

json LatencyJson(const SweepLatency& l) {
  return {{"p50", OptionalJson(l.p50)},
          {"p95", OptionalJson(l.p95)},
          {"p99", OptionalJson(l.p99)},
          {"n", l.n}};
}
SweepLatency LatencyFrom(const json& j) {
  return {.p50 = OptionalAt<double>(j, "p50"),
          .p95 = OptionalAt<double>(j, "p95"),
          .p99 = OptionalAt<double>(j, "p99"),
          .n = At<std::size_t>(j, "n")};
}

json MechanismJson(const SweepMechanism& m) {
  json j, reasons = json::object();
  Put(j, reasons, kMatched, m.matched_tokens);
  Put(j, reasons, kOnboard, m.onboard_d2d);
  Put(j, reasons, kOffload, m.offload_h2d);
  Put(j, reasons, kOffloadDirect, m.offload_d2d);
  Put(j, reasons, "block_read_bytes_delta_replay_plus_replay2", m.block_read);
  Put(j, reasons, "block_write_bytes_delta_replay_plus_replay2", m.block_write);
  Put(j, reasons, "cgroup_read_bytes_delta_replay_plus_replay2", m.cgroup_read);
  Put(j, reasons, "cgroup_write_bytes_delta_replay_plus_replay2", m.cgroup_write);
  Put(j, reasons, "process_read_bytes_delta_replay_plus_replay2", m.process_read);
  Put(j, reasons, "process_write_bytes_delta_replay_plus_replay2", m.process_write);
  Put(j, reasons, kHitRate, m.disk_hit_rate);
  j["ssd_rehydrate_signal_present"] = OptionalJson(m.RehydrateSignal());
  j["ssd_write_signal_present"] = OptionalJson(m.WriteSignal());
  j["unavailable"] = std::move(reasons);
  return j;
}
SweepMechanism MechanismFrom(const json& j) {
  using Count = std::uint64_t;
  const json& reasons = At(j, "unavailable");
  SweepMechanism m;
  m.matched_tokens = Take<Count>(j, reasons, kMatched);
  m.onboard_d2d = Take<Count>(j, reasons, kOnboard);
  m.offload_h2d = Take<Count>(j, reasons, kOffload);
  m.offload_d2d = Take<Count>(j, reasons, kOffloadDirect);
  m.block_read = Take<Count>(j, reasons, "block_read_bytes_delta_replay_plus_replay2");
  m.block_write = Take<Count>(j, reasons, "block_write_bytes_delta_replay_plus_replay2");
  m.cgroup_read = Take<Count>(j, reasons, "cgroup_read_bytes_delta_replay_plus_replay2");
  m.cgroup_write = Take<Count>(j, reasons, "cgroup_write_bytes_delta_replay_plus_replay2");
  m.process_read = Take<Count>(j, reasons, "process_read_bytes_delta_replay_plus_replay2");
  m.process_write = Take<Count>(j, reasons, "process_write_bytes_delta_replay_plus_replay2");
  m.disk_hit_rate = Take<double>(j, reasons, kHitRate);
  return m;
}

json B1Json(const B1Verification& v) {
  json j, reasons = json::object();
  j = {{"enforcement_enabled", v.enforcement_enabled},
       {"kv_mode", v.kv_mode},
       {"config_cache_dir", v.config_cache_dir},
       {"runtime_cache_dir", v.runtime_cache_dir},
       {"read_bytes_threshold", v.read_threshold},
       {"disk_hit_rate_threshold", v.hit_rate_threshold},
       {"fail_reasons", v.fail_reasons}};
  Put(j, reasons, "config_disk_cache_gb", v.config_disk_gb);
  Put(j, reasons, "runtime_disk_cache_gb", v.runtime_disk_gb);
  Put(j, reasons, "onboard_blocks_d2d_delta_replay_plus_replay2", v.seen.onboard_d2d);
  Put(j, reasons, "replay_block_read_bytes_delta_replay_plus_replay2", v.seen.block_read);
  Put(j, reasons, "replay_process_read_bytes_delta_replay_plus_replay2", v.seen.WitnessRead());
  Put(j, reasons, kHitRate, v.seen.disk_hit_rate);
  j["unavailable"] = std::move(reasons);
  return j;
}
B1Verification B1From(const json& j, const SweepMechanism& seen) {
  const json& reasons = At(j, "unavailable");
  B1Verification v;
  v.enforcement_enabled = At<bool>(j, "enforcement_enabled");
  v.kv_mode = At<std::string>(j, "kv_mode");
  v.config_disk_gb = Take<double>(j, reasons, "config_disk_cache_gb");
  v.runtime_disk_gb = Take<double>(j, reasons, "runtime_disk_cache_gb");
  v.config_cache_dir = At<std::string>(j, "config_cache_dir");
  v.runtime_cache_dir = At<std::string>(j, "runtime_cache_dir");
  v.seen = seen;
  v.read_threshold = At<Bytes>(j, "read_bytes_threshold");
  v.hit_rate_threshold = At<double>(j, "disk_hit_rate_threshold");
  v.fail_reasons = At<std::vector<std::string>>(j, "fail_reasons");
  return v;
}

/// "<scope>_ttfc_<stat>_ms" and its value; the fallback and what is missing are labelled.
void PutUsed(json& row, const char* scope, const char* stat, const std::optional<double>& ttfc,
             const std::optional<double>& ttft) {
  const std::string name = std::string(scope) + "_" + stat;
  const char* kind = ttfc ? "ttfc" : "ttft";
  row["metric_used"][name] =
      ttfc || ttft ? std::string(scope) + "_" + kind + "_" + stat + "_ms" : "missing";
  row[std::string(scope) + "_metric_" + stat + "_ms"] = OptionalJson(ttfc ? ttfc : ttft);
}

json RowJson(const Phase60Row& r) {
  json j = r.details;
  j["mode"] = TierName(r.place.mode);
  j["concurrency"] = j["replay_concurrency"] = r.place.concurrency;
  j["point_key"] = r.point_key;
  j["status"] = SweepStatusName(r.status);
  j["phase"] = PointKindName(r.kind);
  if (!r.validation.empty()) j["validation"] = r.validation;
  if (!r.debug_reason.empty()) j["debug_reason"] = r.debug_reason;
  j["pass_slo"] = OptionalJson(r.pass_slo);
  j["pass_slo_ttfc"] = OptionalJson(r.pass_slo_ttfc);
  j["disk_offload_filter_disabled"] = r.disk_offload_filter_disabled;
  j["kvbm_cache_dir"] = r.kvbm_cache_dir;
  j["stream"] = j["stream_record_ttfb"] = true;
  j["kvbm_enabled"] = r.kvbm_enabled;
  j["kvbm_metrics_available"] = r.kvbm_metrics_available;
  j["kvbm_metrics_status"] = {
      {"status", !r.kvbm_enabled            ? "skipped"
                 : r.kvbm_metrics_available ? "ok"
                                            : "unavailable"},
      {"kvbm_enabled", r.kvbm_enabled},
      {"metrics_available", r.kvbm_metrics_available},
      {"reason", !r.kvbm_enabled            ? json("kvbm_disabled")
                 : r.kvbm_metrics_available ? json()
                                            : json("kvbm_metrics_unavailable")}};
  j["run_id"] = r.run_id;
  j["run_path"] = r.run_path;
  j["completed_utc"] = r.completed_utc;
  j["error_rate"] = OptionalJson(r.error_rate);
  j["overall_ttfc_ms"] = LatencyJson(r.overall_ttfc);
  j["overall_ttft_ms"] = LatencyJson(r.overall_ttft);
  j["replay_ttfc_ms"] = LatencyJson(r.replay_ttfc);
  j["replay_ttft_ms"] = LatencyJson(r.replay_ttft);
  j["replay_latency_ms"] = LatencyJson(r.replay_latency);
  j["metric_preferred"] = "replay_ttfc_p95_ms";
  PutUsed(j, "overall", "p95", r.overall_ttfc.p95, r.overall_ttft.p95);
  PutUsed(j, "overall", "p99", r.overall_ttfc.p99, r.overall_ttft.p99);
  PutUsed(j, "replay", "p95", r.replay_ttfc.p95, r.replay_ttft.p95);
  PutUsed(j, "replay", "p99", r.replay_ttfc.p99, r.replay_ttft.p99);
  j["b1_disk_tier_verified"] = r.b1 ? json(r.b1->verified()) : json();
  j["b1_disk_tier_verification"] = r.b1 ? B1Json(*r.b1) : json();
  j["mechanism"] = MechanismJson(r.mechanism);
  j["phase_io_gib"] = json::object();
  for (const auto& [phase, io] : r.phase_io_gib) {
    j["phase_io_gib"][phase] = {{"read_gib", OptionalJson(io.read)},
                                {"write_gib", OptionalJson(io.write)}};
  }
  j["reason_codes"] = r.reason_codes;
  return j;
}

PointKind KindAt(const json& j) {
  const auto name = At<std::string>(j, "phase");
  for (const PointKind kind : {PointKind::kBaseline, PointKind::kSweep, PointKind::kDebug}) {
    if (PointKindName(kind) == name) return kind;
  }
  throw DataError("the key \"phase\" holds \"" + name + "\", which is no kind of sweep row");
}

/// Keys that RowJson derives from typed members; the others are `details`.
constexpr const char* kTypedKeys[] = {"mode",
                                      "concurrency",
                                      "replay_concurrency",
                                      "point_key",
                                      "status",
                                      "phase",
                                      "validation",
                                      "debug_reason",
                                      "pass_slo",
                                      "pass_slo_ttfc",
                                      "disk_offload_filter_disabled",
                                      "kvbm_cache_dir",
                                      "stream",
                                      "stream_record_ttfb",
                                      "kvbm_enabled",
                                      "kvbm_metrics_available",
                                      "kvbm_metrics_status",
                                      "run_id",
                                      "run_path",
                                      "completed_utc",
                                      "error_rate",
                                      "overall_ttfc_ms",
                                      "overall_ttft_ms",
                                      "replay_ttfc_ms",
                                      "replay_ttft_ms",
                                      "replay_latency_ms",
                                      "metric_preferred",
                                      "metric_used",
                                      "overall_metric_p95_ms",
                                      "overall_metric_p99_ms",
                                      "replay_metric_p95_ms",
                                      "replay_metric_p99_ms",
                                      "b1_disk_tier_verified",
                                      "b1_disk_tier_verification",
                                      "mechanism",
                                      "phase_io_gib",
                                      "reason_codes"};

Phase60Row RowFrom(const json& j) {
  Phase60Row r;
  r.place = {TierAt(j, "mode"), At<int>(j, "concurrency")};
  r.kind = KindAt(j);
  r.point_key = At<std::string>(j, "point_key");
  r.status = ParseSweepStatus(At<std::string>(j, "status"));
  r.validation = OptionalAt<std::string>(j, "validation").value_or("");
  r.debug_reason = OptionalAt<std::string>(j, "debug_reason").value_or("");
  r.pass_slo = OptionalAt<bool>(j, "pass_slo");
  r.pass_slo_ttfc = OptionalAt<bool>(j, "pass_slo_ttfc");
  r.disk_offload_filter_disabled = At<bool>(j, "disk_offload_filter_disabled");
  r.kvbm_cache_dir = At<std::string>(j, "kvbm_cache_dir");
  r.kvbm_enabled = At<bool>(j, "kvbm_enabled");
  r.kvbm_metrics_available = At<bool>(j, "kvbm_metrics_available");
  r.run_id = At<std::string>(j, "run_id");
  r.run_path = At<std::string>(j, "run_path");
  r.completed_utc = At<std::string>(j, "completed_utc");
  r.error_rate = OptionalAt<double>(j, "error_rate");
  r.overall_ttfc = LatencyFrom(At(j, "overall_ttfc_ms"));
  r.overall_ttft = LatencyFrom(At(j, "overall_ttft_ms"));
  r.replay_ttfc = LatencyFrom(At(j, "replay_ttfc_ms"));
  r.replay_ttft = LatencyFrom(At(j, "replay_ttft_ms"));
  r.replay_latency = LatencyFrom(At(j, "replay_latency_ms"));
  r.mechanism = MechanismFrom(At(j, "mechanism"));
  if (const json& b1 = At(j, "b1_disk_tier_verification"); !b1.is_null())
    r.b1 = B1From(b1, r.mechanism);
  for (const auto& [phase, io] : At(j, "phase_io_gib").items()) {
    r.phase_io_gib[phase] = {OptionalAt<double>(io, "read_gib"),
                             OptionalAt<double>(io, "write_gib")};
  }
  r.reason_codes = At<std::vector<std::string>>(j, "reason_codes");
  r.details = j;
  for (const char* key : kTypedKeys) r.details.erase(key);
  return r;
}

json PlaceJson(const SweepPlace& p) {
  return {{"mode", TierName(p.mode)}, {"concurrency", p.concurrency}};
}
SweepPlace PlaceFrom(const json& j) {
  return {TierAt(j, "mode"), At<int>(j, "concurrency")};
}

json MetricPolicyJson(const Phase60Summary& s) {
  json counts = {{"replay_ttfc_p95_ms", 0}, {"replay_ttft_p95_ms", 0}, {"missing", 0}};
  for (const Phase60Row& row : s.rows) {
    if (row.status != SweepStatus::kOk) continue;
    json& n = counts[row.UsedReplayP95()];
    n = n.get<int>() + 1;
  }
  return {{"preferred", "replay_ttfc_p95_ms"},
          {"fallback", "replay_ttft_p95_ms"},
          {"ttfc_required", s.setup.require_ttfc},
          {"used_replay_p95", UsedMetric(s)},
          {"used_replay_p95_counts", std::move(counts)}};
}

json MetaJson(const Phase60Summary& s) {
  const Phase60Setup& p = s.setup;
  json schedule = json::array(), modes = {"B2", "B1"};
  for (const SweepPlace& place : p.schedule) schedule.push_back(place.Key());
  if (p.include_b0) modes.push_back("B0");
  return {{"ts", p.ts},
          {"created_utc", s.created_utc},
          {"resumed_utc", s.resumed_utc.empty() ? json() : json(s.resumed_utc)},
          {"scenario", p.scenario},
          {"model_profile", p.model_profile},
          {"stack_label", p.stack_label},
          {"seed", p.seed},
          {"request_seed", p.request_seed},
          {"sweep_replay_concurrencies", p.concurrencies},
          {"baseline_replay_concurrency", p.baseline_concurrency},
          {"pressure_populate_concurrency", p.populate_concurrency},
          {"pressure_thrash_concurrency", p.thrash_concurrency},
          {"io_attrib_enabled", p.io_attrib},
          {"io_attrib_interval_s", p.io_attrib_interval_s},
          {"include_b0", p.include_b0},
          {"run_order_per_concurrency", std::move(modes)},
          {"order_strategy", SweepOrderName(p.order)},
          {"schedule", std::move(schedule)},
          {"b1_disk_tier_enforced", p.enforce_b1_off},
          {"b1_read_bytes_threshold", p.b1_read_threshold},
          {"b1_disk_hit_rate_threshold", p.b1_hit_rate_threshold},
          {"slo_factor", kPhase60SloFactor},
          {"slo_definition",
           "a point meets the objective of a metric when its replay p95 is at most 1.10 times the "
           "p95 of the same metric in the B2 baseline and no request failed; slo_replay_p95_ms is "
           "of the end-to-end latency, slo_replay_ttfc_p95_ms of the first text"},
          {"metric_policy", MetricPolicyJson(s)},
          {"diagnosis_json", s.diagnosis_json},
          {"known_good_b2_run", s.known_good_run},
          {"resume_from", s.resume_from},
          {"baseline_manifest_hash_policy", s.hash_policy},
          {"settings", s.settings},
          {"notes", s.notes}};
}

void ReadMeta(const json& meta, Phase60Summary& s) {
  Phase60Setup& p = s.setup;
  p.ts = At<std::string>(meta, "ts");
  s.created_utc = At<std::string>(meta, "created_utc");
  s.resumed_utc = OptionalAt<std::string>(meta, "resumed_utc").value_or("");
  p.scenario = At<std::string>(meta, "scenario");
  p.model_profile = At<std::string>(meta, "model_profile");
  p.stack_label = At<std::string>(meta, "stack_label");
  p.seed = At<std::uint64_t>(meta, "seed");
  p.request_seed = At<std::int64_t>(meta, "request_seed");
  p.concurrencies = At<std::vector<int>>(meta, "sweep_replay_concurrencies");
  p.baseline_concurrency = At<int>(meta, "baseline_replay_concurrency");
  p.populate_concurrency = At<int>(meta, "pressure_populate_concurrency");
  p.thrash_concurrency = At<int>(meta, "pressure_thrash_concurrency");
  p.io_attrib = At<bool>(meta, "io_attrib_enabled");
  p.io_attrib_interval_s = At<double>(meta, "io_attrib_interval_s");
  p.include_b0 = At<bool>(meta, "include_b0");
  const auto order = FindSweepOrder(At<std::string>(meta, "order_strategy"));
  if (!order) throw DataError("the key \"order_strategy\" is neither counterbalanced nor fixed");
  p.order = *order;
  p.schedule.clear();
  for (const auto& key : At<std::vector<std::string>>(meta, "schedule")) {
    const auto place = FindSweepPlace(key);
    if (!place)
      throw DataError("the key \"schedule\" holds \"" + key +
                      "\", which is no point such as B2_c4");
    p.schedule.push_back(*place);
  }
  p.require_ttfc = At<bool>(At(meta, "metric_policy"), "ttfc_required");
  p.enforce_b1_off = At<bool>(meta, "b1_disk_tier_enforced");
  p.b1_read_threshold = At<Bytes>(meta, "b1_read_bytes_threshold");
  p.b1_hit_rate_threshold = At<double>(meta, "b1_disk_hit_rate_threshold");
  p.gates.b1_io_threshold = p.b1_read_threshold;
  s.diagnosis_json = At<std::string>(meta, "diagnosis_json");
  s.known_good_run = At<std::string>(meta, "known_good_b2_run");
  s.resume_from = At<std::string>(meta, "resume_from");
  s.hash_policy = At(meta, "baseline_manifest_hash_policy");
  s.settings = At(meta, "settings");
  s.notes = At<std::vector<std::string>>(meta, "notes");
}

json MaximaJson(const std::map<std::string, std::optional<int>>& maxima) {
  json j = json::object();
  for (const TierMode mode : kAllTierModes) {
    const auto at = maxima.find(std::string(TierName(mode)));
    j[std::string(TierName(mode))] = at == maxima.end() ? json() : OptionalJson(at->second);
  }
  return j;
}
std::map<std::string, std::optional<int>> MaximaFrom(const json& j) {
  std::map<std::string, std::optional<int>> maxima;
  for (const auto& [mode, value] : j.items()) {
    maxima[mode] = value.is_null() ? std::nullopt : std::optional(value.get<int>());
  }
  return maxima;
}

}  // namespace

void to_json(json& j, const Phase60Summary& s) {
  json rows = json::array(), warnings = json::array(), attempts = json::array();
  for (const Phase60Row& row : s.rows) rows.push_back(RowJson(row));
  for (const SweepWarning& w : s.warnings) {
    warnings.push_back({{"timestamp_utc", w.timestamp_utc},
                        {"status", "warning"},
                        {"code", w.code},
                        {"detail", w.detail},
                        {"mode", TierName(w.at.mode)},
                        {"concurrency", w.at.concurrency},
                        {"diagnostics", w.diagnostics}});
  }
  for (const SweepAttempt& a : s.failed_attempts)
    attempts.push_back({{"path", a.path}, {"reason", a.reason}});
  j = {{"schema_version", 1},
       {"meta", MetaJson(s)},
       {"rows", std::move(rows)},
       {"warnings", std::move(warnings)},
       {"status", s.status},
       {"decision_grade", OptionalJson(s.decision_grade)},
       {"baseline_b2_replay_p95_ms_at_concurrency1", OptionalJson(s.latency.baseline_ms)},
       {"slo_replay_p95_ms", OptionalJson(s.latency.limit_ms)},
       {"max_concurrency_meeting_slo", MaximaJson(s.latency.max_concurrency)},
       {"max_contiguous_concurrency_meeting_slo", MaximaJson(s.latency.max_contiguous)},
       {"slo_ttfc_metric", s.first_text.metric},
       {"baseline_b2_replay_ttfc_p95_ms", OptionalJson(s.first_text.baseline_ms)},
       {"slo_replay_ttfc_p95_ms", OptionalJson(s.first_text.limit_ms)},
       {"max_concurrency_meeting_ttfc_slo", MaximaJson(s.first_text.max_concurrency)},
       {"max_contiguous_concurrency_meeting_ttfc_slo", MaximaJson(s.first_text.max_contiguous)},
       {"failed_attempts", std::move(attempts)}};
  if (s.status == "completed") j["warning_count"] = s.warnings.size();
  if (s.stop) {
    j["stop_reason"] = s.stop->reason;
    j["stop_detail"] = s.stop->detail;
    j["stopped_at"] = PlaceJson(s.stop->at);
    j["stop_diagnostics"] = s.stop->diagnostics;
  }
}

void from_json(const json& j, Phase60Summary& s) {
  RequireSchema(j, "the sweep summary");
  s = {};
  ReadMeta(At(j, "meta"), s);
  for (const json& row : At(j, "rows")) s.rows.push_back(RowFrom(row));
  for (const json& w : At(j, "warnings")) {
    s.warnings.push_back({.timestamp_utc = At<std::string>(w, "timestamp_utc"),
                          .code = At<std::string>(w, "code"),
                          .detail = At<std::string>(w, "detail"),
                          .at = PlaceFrom(w),
                          .diagnostics = At(w, "diagnostics")});
  }
  s.status = At<std::string>(j, "status");
  s.decision_grade = OptionalAt<bool>(j, "decision_grade");
  s.latency.metric = "replay_latency_p95_ms";
  s.latency.baseline_ms = OptionalAt<double>(j, "baseline_b2_replay_p95_ms_at_concurrency1");
  s.latency.limit_ms = OptionalAt<double>(j, "slo_replay_p95_ms");
  s.latency.max_concurrency = MaximaFrom(At(j, "max_concurrency_meeting_slo"));
  s.latency.max_contiguous = MaximaFrom(At(j, "max_contiguous_concurrency_meeting_slo"));
  s.first_text.metric = At<std::string>(j, "slo_ttfc_metric");
  s.first_text.baseline_ms = OptionalAt<double>(j, "baseline_b2_replay_ttfc_p95_ms");
  s.first_text.limit_ms = OptionalAt<double>(j, "slo_replay_ttfc_p95_ms");
  s.first_text.max_concurrency = MaximaFrom(At(j, "max_concurrency_meeting_ttfc_slo"));
  s.first_text.max_contiguous = MaximaFrom(At(j, "max_contiguous_concurrency_meeting_ttfc_slo"));
  for (const json& a : At(j, "failed_attempts"))
    s.failed_attempts.push_back({At<std::string>(a, "path"), At<std::string>(a, "reason")});
  if (const auto reason = OptionalAt<std::string>(j, "stop_reason")) {
    s.stop = SweepStop{.reason = *reason,
                       .detail = At<std::string>(j, "stop_detail"),
                       .at = PlaceFrom(At(j, "stopped_at")),
                       .diagnostics = At(j, "stop_diagnostics")};
  }
}

json StopVerdictJson(const Phase60Summary& s, const std::string& summary_path,
                     const std::string& now_utc) {
  const SweepStop& stop = s.stop.value();
  return {{"schema_version", 1},
          {"timestamp_utc", now_utc},
          {"status", "stopped"},
          {"decision_grade", false},
          {"reason", stop.reason},
          {"detail", stop.detail},
          {"stopped_at_mode", TierName(stop.at.mode)},
          {"stopped_at_concurrency", stop.at.concurrency},
          {"sweep_summary_path", summary_path},
          {"diagnostics", stop.diagnostics}};
}

}  // namespace kvtier
