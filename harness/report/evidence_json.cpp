#include "harness/report/evidence_json.hpp"

#include <fmt/format.h>

#include "harness/core/error.hpp"
#include "harness/core/files.hpp"
#include "harness/report/host_evidence_json.hpp"
#include "harness/report/json_visit.hpp"

namespace kvtier {
namespace {

using nlohmann::json;

TierMode ParseTier(const json& j, const char* key) {
  const auto text = j.at(key).get<std::string>();
  const auto tier = FindTier(text);
  if (!tier) throw DataError(fmt::format("{} is '{}', allowed are B0, B1, B2", key, text));
  return *tier;
}

template <class T, class Visit>
void SnapshotFields(T& v, const Visit& visit) {
  visit("label", v.label);
  visit("timestamp_utc", v.timestamp_utc);
  visit("success", v.success);
  visit("skipped", v.skipped);
  visit("error", v.error);
  visit("metrics", v.metrics);
}

template <class T, class Visit>
void TierFields(T& v, const Visit& visit) {
  visit("matched_tokens", v.matched_tokens);
  visit("offload_g1_to_g2_blocks", v.offload_g1_to_g2_blocks);
  visit("offload_g2_to_g3_blocks", v.offload_g2_to_g3_blocks);
  visit("offload_g1_to_g3_blocks", v.offload_g1_to_g3_blocks);
  visit("onboard_g2_to_g1_blocks", v.onboard_g2_to_g1_blocks);
  visit("onboard_g3_to_g1_blocks", v.onboard_g3_to_g1_blocks);
  visit("host_hit_rate_after", v.host_hit_rate_after);
  visit("disk_hit_rate_after", v.disk_hit_rate_after);
  visit("counter_reset", v.counter_reset);
  visit("reference_extras", v.reference_extras);
  visit.Later("adapter", v.adapter);
  visit.Later("prompt_tokens", v.prompt_tokens);
  visit.Later("hit_tokens_g1", v.hit_tokens_g1);
  visit.Later("hit_tokens_g2", v.hit_tokens_g2);
  visit.Later("hit_tokens_g3", v.hit_tokens_g3);
  visit.Later("onboard_g3_to_g2_blocks", v.onboard_g3_to_g2_blocks);
  visit.Later("offload_to_g2_bytes", v.offload_to_g2_bytes);
  visit.Later("offload_to_g3_bytes", v.offload_to_g3_bytes);
  visit.Later("onboard_from_g2_bytes", v.onboard_from_g2_bytes);
  visit.Later("onboard_from_g3_bytes", v.onboard_from_g3_bytes);
  visit.Later("offload_seconds", v.offload_seconds);
  visit.Later("onboard_seconds", v.onboard_seconds);
  visit.Later("evicted_blocks", v.evicted_blocks);
  visit.Later("failed_transfers", v.failed_transfers);
}

template <class T, class Visit>
void ProcessFields(T& v, const Visit& visit) {
  visit("pid", v.pid);
  visit("cmdline", v.cmdline);
  visit("read_bytes", v.read_bytes);
  visit("write_bytes", v.write_bytes);
  visit("rchar", v.rchar);
  visit("wchar", v.wchar);
  visit("syscr", v.syscr);
  visit("syscw", v.syscw);
}

template <class T, class Visit>
void FileFields(T& v, const Visit& visit) {
  visit("pid", v.pid);
  visit("fd", v.fd);
  visit("path", v.path);
  visit("deleted", v.deleted);
  visit("direct_io", v.direct_io);
  visit("device", v.device);
  visit("size", v.size);
  visit("allocated", v.allocated);
  visit("resident", v.resident);
}

template <class T, class Visit>
void IoFields(T& v, const Visit& visit) {
  visit("block_device", v.block_device);
  visit("device_read", v.device_read);
  visit("device_write", v.device_write);
  visit("process_read", v.process_read);
  visit("process_write", v.process_write);
  visit("process_rchar", v.process_rchar);
  visit("process_wchar", v.process_wchar);
  visit("cgroup_read", v.cgroup_read);
  visit("cgroup_write", v.cgroup_write);
  visit("counter_reset", v.counter_reset);
}

template <class T, class Visit>
void RangeFields(T& v, const Visit& visit) {
  visit("low", v.low);
  visit("high", v.high);
}

template <class T, class Visit>
void ExpectedFields(T& v, const Visit& visit) {
  visit("exact", v.exact);
  visit("g1_blocks", v.g1_blocks);
  visit("g2_blocks", v.g2_blocks);
  visit("g3_blocks", v.g3_blocks);
  visit("computed_blocks", v.computed_blocks);
  visit("offload_g2_to_g3_blocks", v.offload_g2_to_g3_blocks);
}

template <class T, class Visit>
void DrainFields(T& v, const Visit& visit) {
  visit("settled", v.settled);
  visit("waited_s", v.waited_s);
  visit("why", v.why);
}

template <class T, class Visit>
void ClientFields(T& v, const Visit& visit) {
  visit("cpu_fraction", v.cpu_fraction);
  visit("send_delay_p99_ms", v.send_delay_p99_ms);
  visit("loop_lag_p99_ms", v.loop_lag_p99_ms);
  visit("pool_wait_p99_ms", v.pool_wait_p99_ms);
  visit("connect_p50_ms", v.connect_p50_ms);
  visit("reconnects", v.reconnects);
  visit("max_in_flight", v.max_in_flight);
  visit("saturated", v.saturated);
  visit("saturated_why", v.saturated_why);
}

template <class T, class Visit>
void PhaseFields(T& v, const Visit& visit) {
  visit("name", v.name);
  visit("concurrency", v.concurrency);
  visit("planned_requests", v.planned_requests);
  visit("include_in_overall", v.include_in_overall);
  visit("start_utc", v.start_utc);
  visit("end_utc", v.end_utc);
  visit("duration_s", v.duration_s);
  visit("tiers", v.tiers);
  visit("io", v.io);
  visit("drain", v.drain);
  visit("client", v.client);
  visit.Later("host", v.host);
}

template <class T, class Visit>
void ReadbackFields(T& v, const Visit& visit) {
  visit("cpu_cache_gb", v.cpu_cache_gb);
  visit("disk_cache_gb", v.disk_cache_gb);
  visit("device_blocks", v.device_blocks);
  visit("host_blocks", v.host_blocks);
  visit("disk_blocks", v.disk_blocks);
  visit("open_files_under_cache_dir", v.open_files_under_cache_dir);
  visit("direct_io", v.direct_io);
  visit("disk_offload_filter", v.disk_offload_filter);
  visit("cold_at_start", v.cold_at_start);
  visit("kernel_note", v.kernel_note);
}

template <class T, class Visit>
void HeadFields(T& v, const Visit& visit) {
  visit("run_id", v.run_id);
  visit("scenario", v.scenario);
  visit("backend", v.backend);
  visit("deterministic", v.deterministic);
  visit("block_bytes", v.block_bytes);
  visit("block_tokens", v.block_tokens);
  visit("run_valid", v.run_valid);
  visit("invalid_reason", v.invalid_reason);
  visit("invalid_details", v.invalid_details);
  visit("worker", v.worker);
  visit("models_at_end", v.models_at_end);
  visit.Later("storage", v.storage);
}

}  // namespace

void to_json(json& j, const KvbmSnapshot& v) {
  SnapshotFields(v, PutFields(j));
}
void from_json(const json& j, KvbmSnapshot& v) {
  SnapshotFields(v, TakeFields(j));
}
void to_json(json& j, const TierTraffic& v) {
  TierFields(v, PutFields(j));
}
void from_json(const json& j, TierTraffic& v) {
  TierFields(v, TakeFields(j));
}
void to_json(json& j, const ProcessIo& v) {
  ProcessFields(v, PutFields(j));
}
void from_json(const json& j, ProcessIo& v) {
  ProcessFields(v, TakeFields(j));
}
void to_json(json& j, const KvFile& v) {
  FileFields(v, PutFields(j));
}
void from_json(const json& j, KvFile& v) {
  FileFields(v, TakeFields(j));
}
void to_json(json& j, const IoTraffic& v) {
  IoFields(v, PutFields(j));
}
void from_json(const json& j, IoTraffic& v) {
  IoFields(v, TakeFields(j));
}
void to_json(json& j, const ExpectedHits::Range& v) {
  RangeFields(v, PutFields(j));
}
void from_json(const json& j, ExpectedHits::Range& v) {
  RangeFields(v, TakeFields(j));
}
void to_json(json& j, const ExpectedHits& v) {
  ExpectedFields(v, PutFields(j));
}
void from_json(const json& j, ExpectedHits& v) {
  ExpectedFields(v, TakeFields(j));
}
void to_json(json& j, const DrainResult& v) {
  DrainFields(v, PutFields(j));
}
void from_json(const json& j, DrainResult& v) {
  DrainFields(v, TakeFields(j));
}
void to_json(json& j, const ClientLoad& v) {
  ClientFields(v, PutFields(j));
}
void from_json(const json& j, ClientLoad& v) {
  ClientFields(v, TakeFields(j));
}
void to_json(json& j, const PhaseEvidence& p) {
  PhaseFields(p, PutFields(j));
  j["schema_version"] = kBundleSchemaVersion;
  j["expected"] = p.expected ? json(*p.expected) : json();
}
void from_json(const json& j, PhaseEvidence& p) {
  PhaseFields(p, TakeFields(j));
  const json& expected = j.at("expected");
  p.expected.reset();
  if (!expected.is_null()) p.expected = expected.get<ExpectedHits>();
}
void to_json(json& j, const WorkerReadback& v) {
  ReadbackFields(v, PutFields(j));
}
void from_json(const json& j, WorkerReadback& v) {
  ReadbackFields(v, TakeFields(j));
}

json LegHeadJson(const LegEvidence& leg) {
  json j;
  HeadFields(leg, PutFields(j));
  j["tier"] = TierName(leg.tier);
  return j;
}
void ReadLegHead(const json& j, LegEvidence& leg) {
  HeadFields(leg, TakeFields(j));
  leg.tier = ParseTier(j, "tier");
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
