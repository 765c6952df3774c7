#include "harness/report/evidence_json.hpp"

#include <cmath>

#include <fmt/format.h>

#include "harness/core/error.hpp"
#include "harness/core/files.hpp"

namespace kvtier {
namespace {

using nlohmann::json;

template <class T>
void Get(const json& j, const char* key, T& into) {
  j.at(key).get_to(into);
}

// JSON has no number for NaN and infinity; an exporter that says so has said nothing.
json FiniteMap(const std::map<std::string, double>& values) {
  json out = json::object();
  for (const auto& [name, value] : values) {
    if (std::isfinite(value)) out[name] = value;
  }
  return out;
}

TierMode ParseTier(const json& j, const char* key) {
  const auto text = j.at(key).get<std::string>();
  const auto tier = FindTier(text);
  if (!tier) throw DataError(fmt::format("{} is '{}', allowed are B0, B1, B2", key, text));
  return *tier;
}

}  // namespace

void to_json(json& j, const KvbmSnapshot& s) {
  j = {{"label", s.label},     {"timestamp_utc", s.timestamp_utc},
       {"success", s.success}, {"skipped", s.skipped},
       {"error", s.error},     {"metrics", FiniteMap(s.metrics)}};
}
void from_json(const json& j, KvbmSnapshot& s) {
  Get(j, "label", s.label);
  Get(j, "timestamp_utc", s.timestamp_utc);
  Get(j, "success", s.success);
  Get(j, "skipped", s.skipped);
  Get(j, "error", s.error);
  Get(j, "metrics", s.metrics);
}

void to_json(json& j, const TierTraffic& t) {
  j = {{"matched_tokens", t.matched_tokens},
       {"offload_g1_to_g2_blocks", t.offload_g1_to_g2_blocks},
       {"offload_g2_to_g3_blocks", t.offload_g2_to_g3_blocks},
       {"offload_g1_to_g3_blocks", t.offload_g1_to_g3_blocks},
       {"onboard_g2_to_g1_blocks", t.onboard_g2_to_g1_blocks},
       {"onboard_g3_to_g1_blocks", t.onboard_g3_to_g1_blocks},
       {"host_hit_rate_after", t.host_hit_rate_after},
       {"disk_hit_rate_after", t.disk_hit_rate_after},
       {"counter_reset", t.counter_reset},
       {"reference_extras", FiniteMap(t.reference_extras)}};
}
void from_json(const json& j, TierTraffic& t) {
  Get(j, "matched_tokens", t.matched_tokens);
  Get(j, "offload_g1_to_g2_blocks", t.offload_g1_to_g2_blocks);
  Get(j, "offload_g2_to_g3_blocks", t.offload_g2_to_g3_blocks);
  Get(j, "offload_g1_to_g3_blocks", t.offload_g1_to_g3_blocks);
  Get(j, "onboard_g2_to_g1_blocks", t.onboard_g2_to_g1_blocks);
  Get(j, "onboard_g3_to_g1_blocks", t.onboard_g3_to_g1_blocks);
  Get(j, "host_hit_rate_after", t.host_hit_rate_after);
  Get(j, "disk_hit_rate_after", t.disk_hit_rate_after);
  Get(j, "counter_reset", t.counter_reset);
  Get(j, "reference_extras", t.reference_extras);
}

void to_json(json& j, const ProcessIo& p) {
  j = {{"pid", p.pid},
       {"cmdline", p.cmdline},
       {"read_bytes", p.read_bytes},
       {"write_bytes", p.write_bytes},
       {"rchar", p.rchar},
       {"wchar", p.wchar},
       {"syscr", p.syscr},
       {"syscw", p.syscw}};
}
void from_json(const json& j, ProcessIo& p) {
  Get(j, "pid", p.pid);
  Get(j, "cmdline", p.cmdline);
  Get(j, "read_bytes", p.read_bytes);
  Get(j, "write_bytes", p.write_bytes);
  Get(j, "rchar", p.rchar);
  Get(j, "wchar", p.wchar);
  Get(j, "syscr", p.syscr);
  Get(j, "syscw", p.syscw);
}

void to_json(json& j, const IoTraffic& t) {
  j = {{"block_device", t.block_device},   {"device_read", t.device_read},
       {"device_write", t.device_write},   {"process_read", t.process_read},
       {"process_write", t.process_write}, {"process_rchar", t.process_rchar},
       {"process_wchar", t.process_wchar}, {"cgroup_read", t.cgroup_read},
       {"cgroup_write", t.cgroup_write},   {"counter_reset", t.counter_reset}};
}
void from_json(const json& j, IoTraffic& t) {
  Get(j, "block_device", t.block_device);
  Get(j, "device_read", t.device_read);
  Get(j, "device_write", t.device_write);
  Get(j, "process_read", t.process_read);
  Get(j, "process_write", t.process_write);
  Get(j, "process_rchar", t.process_rchar);
  Get(j, "process_wchar", t.process_wchar);
  Get(j, "cgroup_read", t.cgroup_read);
  Get(j, "cgroup_write", t.cgroup_write);
  Get(j, "counter_reset", t.counter_reset);
}

void to_json(json& j, const ExpectedHits::Range& r) {
  j = {{"low", r.low}, {"high", r.high}};
}
void from_json(const json& j, ExpectedHits::Range& r) {
  Get(j, "low", r.low);
  Get(j, "high", r.high);
}

void to_json(json& j, const ExpectedHits& e) {
  j = {{"exact", e.exact},
       {"g1_blocks", e.g1_blocks},
       {"g2_blocks", e.g2_blocks},
       {"g3_blocks", e.g3_blocks},
       {"computed_blocks", e.computed_blocks},
       {"offload_g2_to_g3_blocks", e.offload_g2_to_g3_blocks}};
}
void from_json(const json& j, ExpectedHits& e) {
  Get(j, "exact", e.exact);
  Get(j, "g1_blocks", e.g1_blocks);
  Get(j, "g2_blocks", e.g2_blocks);
  Get(j, "g3_blocks", e.g3_blocks);
  Get(j, "computed_blocks", e.computed_blocks);
  Get(j, "offload_g2_to_g3_blocks", e.offload_g2_to_g3_blocks);
}

void to_json(json& j, const DrainResult& d) {
  j = {{"settled", d.settled}, {"waited_s", d.waited_s}, {"why", d.why}};
}
void from_json(const json& j, DrainResult& d) {
  Get(j, "settled", d.settled);
  Get(j, "waited_s", d.waited_s);
  Get(j, "why", d.why);
}

void to_json(json& j, const ClientLoad& c) {
  j = {{"cpu_fraction", c.cpu_fraction},       {"send_delay_p99_ms", c.send_delay_p99_ms},
       {"loop_lag_p99_ms", c.loop_lag_p99_ms}, {"pool_wait_p99_ms", c.pool_wait_p99_ms},
       {"connect_p50_ms", c.connect_p50_ms},   {"reconnects", c.reconnects},
       {"max_in_flight", c.max_in_flight},     {"saturated", c.saturated},
       {"saturated_why", c.saturated_why}};
}
void from_json(const json& j, ClientLoad& c) {
  Get(j, "cpu_fraction", c.cpu_fraction);
  Get(j, "send_delay_p99_ms", c.send_delay_p99_ms);
  Get(j, "loop_lag_p99_ms", c.loop_lag_p99_ms);
  Get(j, "pool_wait_p99_ms", c.pool_wait_p99_ms);
  Get(j, "connect_p50_ms", c.connect_p50_ms);
  Get(j, "reconnects", c.reconnects);
  Get(j, "max_in_flight", c.max_in_flight);
  Get(j, "saturated", c.saturated);
  Get(j, "saturated_why", c.saturated_why);
}

void to_json(json& j, const PhaseEvidence& p) {
  j = {{"schema_version", kBundleSchemaVersion},
       {"name", p.name},
       {"concurrency", p.concurrency},
       {"planned_requests", p.planned_requests},
       {"include_in_overall", p.include_in_overall},
       {"start_utc", p.start_utc},
       {"end_utc", p.end_utc},
       {"duration_s", p.duration_s},
       {"tiers", p.tiers},
       {"io", p.io},
       {"drain", p.drain},
       {"client", p.client},
       {"expected", p.expected ? json(*p.expected) : json()}};
}
void from_json(const json& j, PhaseEvidence& p) {
  Get(j, "name", p.name);
  Get(j, "concurrency", p.concurrency);
  Get(j, "planned_requests", p.planned_requests);
  Get(j, "include_in_overall", p.include_in_overall);
  Get(j, "start_utc", p.start_utc);
  Get(j, "end_utc", p.end_utc);
  Get(j, "duration_s", p.duration_s);
  Get(j, "tiers", p.tiers);
  Get(j, "io", p.io);
  Get(j, "drain", p.drain);
  Get(j, "client", p.client);
  const json& expected = j.at("expected");
  p.expected.reset();
  if (!expected.is_null()) p.expected = expected.get<ExpectedHits>();
}

void to_json(json& j, const WorkerReadback& w) {
  j = {{"cpu_cache_gb", w.cpu_cache_gb},
       {"disk_cache_gb", w.disk_cache_gb},
       {"device_blocks", w.device_blocks},
       {"host_blocks", w.host_blocks},
       {"disk_blocks", w.disk_blocks},
       {"open_files_under_cache_dir", w.open_files_under_cache_dir},
       {"direct_io", w.direct_io},
       {"disk_offload_filter", w.disk_offload_filter},
       {"cold_at_start", w.cold_at_start},
       {"kernel_note", w.kernel_note}};
}
void from_json(const json& j, WorkerReadback& w) {
  Get(j, "cpu_cache_gb", w.cpu_cache_gb);
  Get(j, "disk_cache_gb", w.disk_cache_gb);
  Get(j, "device_blocks", w.device_blocks);
  Get(j, "host_blocks", w.host_blocks);
  Get(j, "disk_blocks", w.disk_blocks);
  Get(j, "open_files_under_cache_dir", w.open_files_under_cache_dir);
  Get(j, "direct_io", w.direct_io);
  Get(j, "disk_offload_filter", w.disk_offload_filter);
  Get(j, "cold_at_start", w.cold_at_start);
  Get(j, "kernel_note", w.kernel_note);
}

json LegHeadJson(const LegEvidence& leg) {
  return {{"run_id", leg.run_id},
          {"tier", TierName(leg.tier)},
          {"scenario", leg.scenario},
          {"backend", leg.backend},
          {"deterministic", leg.deterministic},
          {"block_bytes", leg.block_bytes},
          {"block_tokens", leg.block_tokens},
          {"run_valid", leg.run_valid},
          {"invalid_reason", leg.invalid_reason},
          {"invalid_details", leg.invalid_details},
          {"worker", leg.worker},
          {"models_at_end", leg.models_at_end}};
}
void ReadLegHead(const json& j, LegEvidence& leg) {
  Get(j, "run_id", leg.run_id);
  leg.tier = ParseTier(j, "tier");
  Get(j, "scenario", leg.scenario);
  Get(j, "backend", leg.backend);
  Get(j, "deterministic", leg.deterministic);
  Get(j, "block_bytes", leg.block_bytes);
  Get(j, "block_tokens", leg.block_tokens);
  Get(j, "run_valid", leg.run_valid);
  Get(j, "invalid_reason", leg.invalid_reason);
  Get(j, "invalid_details", leg.invalid_details);
  Get(j, "worker", leg.worker);
  Get(j, "models_at_end", leg.models_at_end);
}

json ReadVersioned(const std::filesystem::path& file, int version) {
  json j = ReadJson(file);
  const auto found = j.is_object() ? j.find("schema_version") : j.end();
  if (!j.is_object() || found == j.end() || !found->is_number_integer()) {
    throw DataError(
        fmt::format("{}: key schema_version is missing; this file is not an artifact of kvtier",
                    file.string()));
  }
  if (*found != version) {
    throw DataError(fmt::format("{}: key schema_version is {}, this program reads version {}",
                                file.string(), found->dump(), version));
  }
  return j;
}

void ReadingFrom(const std::filesystem::path& file, const std::function<void()>& read) {
  try {
    read();
  } catch (const json::exception& e) {
    // nlohmann's text carries its own id in brackets; what follows names the key or the type.
    const std::string text = e.what();
    const auto end_of_id = text.find("] ");
    throw DataError(
        fmt::format("{}: {}", file.string(),
                    end_of_id == std::string::npos ? text : text.substr(end_of_id + 2)));
  } catch (const DataError& e) {
    if (std::string_view(e.what()).starts_with(file.string())) throw;
    throw DataError(fmt::format("{}: {}", file.string(), e.what()));
  }
}

}  // namespace kvtier
