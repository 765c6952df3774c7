#include "harness/report/deltas.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <utility>
#include <vector>

#include "harness/report/evidence_json.hpp"

namespace kvtier {
namespace {

using nlohmann::json;

constexpr const char* kPattern = "process tree of the worker";
constexpr double kMib = 1024.0 * 1024.0;

double Mib(double bytes) {
  return RoundTo(bytes / kMib, 3);
}

template <class T>
json OrNull(const Reading<T>& r) {
  return r.available() ? json(r.value()) : json();
}
// Counters are floats in the documented deltas.
json FloatOrNull(const Reading<std::uint64_t>& r) {
  return r.available() ? json(static_cast<double>(r.value())) : json();
}
json MibOrNull(const Reading<Bytes>& r) {
  return r.available() ? json(Mib(static_cast<double>(r.value().value))) : json();
}
template <class T>
json Sum(std::initializer_list<const Reading<T>*> parts) {
  double sum = 0;
  for (const auto* p : parts) {
    if (!p->available()) return nullptr;
    sum += static_cast<double>(p->value());
  }
  return sum;
}

std::optional<double> Difference(const KvbmSnapshot& start, const KvbmSnapshot& end,
                                 const char* name) {
  const auto a = start.metrics.find(name);
  const auto b = end.metrics.find(name);
  if (a == start.metrics.end() || b == end.metrics.end() || b->second < a->second)
    return std::nullopt;
  return b->second - a->second;
}

Bytes TotalOf(const std::vector<ProcessIo>& processes, Bytes ProcessIo::*field) {
  Bytes sum{};
  for (const auto& p : processes) sum += p.*field;
  return sum;
}

json DeviceStats(const OsIoSnapshot& s) {
  if (!s.device_read.available() || !s.device_write.available()) return nullptr;
  return {{"read_ios", OrNull(s.device_read_ios)},
          {"read_sectors", s.device_read.value().value / 512},
          {"write_ios", OrNull(s.device_write_ios)},
          {"write_sectors", s.device_write.value().value / 512},
          {"timestamp_utc", s.timestamp_utc}};
}

json CgroupJson(const OsIoSnapshot& s) {
  json j = {{"timestamp_utc", s.timestamp_utc},
            {"available", s.cgroup_read.available()},
            {"source", s.cgroup_source.empty() ? "cgroup_io" : s.cgroup_source},
            {"error", s.cgroup_read.available() ? json() : json(s.cgroup_read.reason())}};
  j["totals"] = {{"read_bytes", OrNull(s.cgroup_read)}, {"write_bytes", OrNull(s.cgroup_write)}};
  return j;
}

json SourcesJson(const OsIoSnapshot& s) {
  return {{"selected_source", s.processes.available() ? "host_proc" : "process_io_unavailable"},
          {"host_proc_available", s.processes.available()},
          {"container_proc_available", false},
          {"cgroup_io_available", s.cgroup_read.available()}};
}

// Bytes by process, for those that lived through the whole phase.
json PerPid(const OsIoSnapshot& start, const OsIoSnapshot& end) {
  struct Row {
    const ProcessIo* process;
    std::uint64_t read, write;
  };
  std::vector<Row> rows;
  if (start.processes.available() && end.processes.available()) {
    for (const auto& after : end.processes.value()) {
      for (const auto& before : start.processes.value()) {
        if (before.pid == after.pid && after.read_bytes >= before.read_bytes &&
            after.write_bytes >= before.write_bytes) {
          rows.push_back({&after, after.read_bytes.value - before.read_bytes.value,
                          after.write_bytes.value - before.write_bytes.value});
        }
      }
    }
  }
  std::stable_sort(rows.begin(), rows.end(),
                   [](const Row& a, const Row& b) { return a.read + a.write > b.read + b.write; });
  json out = json::array();
  for (const auto& r : rows) {
    out.push_back({{"pid", r.process->pid},
                   {"cmdline", r.process->cmdline},
                   {"read_bytes_delta", r.read},
                   {"write_bytes_delta", r.write}});
  }
  return out;
}

json TopOf(json per_pid, const char* key) {
  std::stable_sort(per_pid.begin(), per_pid.end(), [key](const json& a, const json& b) {
    return a.at(key).get<std::uint64_t>() > b.at(key).get<std::uint64_t>();
  });
  if (per_pid.size() > 5) per_pid.erase(per_pid.begin() + 5, per_pid.end());
  return per_pid;
}

json ProcessDelta(const IoTraffic& io, const OsIoSnapshot& start, const OsIoSnapshot& end) {
  const bool available = io.process_read.available() && io.process_write.available();
  json j = {{"available", available},
            {"source_before", SourcesJson(start).at("selected_source")},
            {"source_after", SourcesJson(end).at("selected_source")},
            {"attribution_sources_before", SourcesJson(start)},
            {"attribution_sources_after", SourcesJson(end)},
            {"matched_pids_before",
             start.processes.available() ? json(start.processes.value().size()) : json()},
            {"matched_pids_after",
             end.processes.available() ? json(end.processes.value().size()) : json()},
            {"read_bytes_delta", OrNull(io.process_read)},
            {"write_bytes_delta", OrNull(io.process_write)},
            {"read_mib_delta", MibOrNull(io.process_read)},
            {"write_mib_delta", MibOrNull(io.process_write)},
            {"rchar_delta", OrNull(io.process_rchar)},
            {"wchar_delta", OrNull(io.process_wchar)},
            {"cgroup_source_before", start.cgroup_source},
            {"cgroup_source_after", end.cgroup_source},
            {"cgroup_read_bytes_delta", OrNull(io.cgroup_read)},
            {"cgroup_write_bytes_delta", OrNull(io.cgroup_write)},
            {"cgroup_read_mib_delta", MibOrNull(io.cgroup_read)},
            {"cgroup_write_mib_delta", MibOrNull(io.cgroup_write)},
            {"counter_reset", io.counter_reset}};
  if (!available)
    j["reason"] =
        io.process_read.available() ? io.process_write.reason() : io.process_read.reason();
  if (!io.cgroup_read.available()) j["cgroup_reason"] = io.cgroup_read.reason();
  json per_pid = PerPid(start, end);
  j["top_readers"] = TopOf(per_pid, "read_bytes_delta");
  j["top_writers"] = TopOf(per_pid, "write_bytes_delta");
  j["per_pid_deltas"] = std::move(per_pid);
  return j;
}

}  // namespace

double RoundTo(double value, int places) {
  const double scale = std::pow(10.0, places);
  return std::round(value * scale) / scale;
}

json SnapshotJson(const KvbmSnapshot& s) {
  json j = s;
  j["schema_version"] = kBundleSchemaVersion;
  if (s.skipped) {
    j["error"] = "kvbm_disabled";
    j["reason"] = "kvbm_disabled";
    j["metrics"] = json::object();
  } else {
    j.erase("skipped");
    if (s.error.empty()) j["error"] = nullptr;
  }
  return j;
}

json KvbmDeltaJson(const TierTraffic& t, const KvbmSnapshot& start, const KvbmSnapshot& end) {
  json j = {{"schema_version", kBundleSchemaVersion}, {"available", false}};
  if (start.skipped || end.skipped) {
    j["skipped"] = true;
    j["reason"] = "kvbm_disabled";
    return j;
  }
  if (!start.success || !end.success) {
    j["reason"] = "snapshot_missing";
    j["before_success"] = start.success;
    j["after_success"] = end.success;
    j["before_error"] = start.error.empty() ? json() : json(start.error);
    j["after_error"] = end.error.empty() ? json() : json(end.error);
    return j;
  }
  if (t.counter_reset) {
    j["reason"] = "counter_reset";
    return j;
  }
  j["available"] = true;
  j["kvbm_matched_tokens_delta"] = FloatOrNull(t.matched_tokens);
  j["kvbm_offload_blocks_d2h_delta"] = FloatOrNull(t.offload_g1_to_g2_blocks);
  j["kvbm_offload_blocks_h2d_delta"] = FloatOrNull(t.offload_g2_to_g3_blocks);
  j["kvbm_offload_blocks_d2d_delta"] = FloatOrNull(t.offload_g1_to_g3_blocks);
  j["kvbm_onboard_blocks_h2d_delta"] = FloatOrNull(t.onboard_g2_to_g1_blocks);
  j["kvbm_onboard_blocks_d2d_delta"] = FloatOrNull(t.onboard_g3_to_g1_blocks);
  for (const char* name : {"kvbm_disk_bytes_read", "kvbm_disk_bytes_written",
                           "kvbm_cache_evictions", "kvbm_cache_prefetches"}) {
    const auto delta = Difference(start, end, name);
    j[std::string(name) + "_delta"] = delta ? json(*delta) : json();
  }
  j["kvbm_host_cache_hit_rate_after"] = OrNull(t.host_hit_rate_after);
  j["kvbm_disk_cache_hit_rate_after"] = OrNull(t.disk_hit_rate_after);
  for (const char* name :
       {"kvbm_disk_fetch_p50_ms", "kvbm_disk_fetch_p95_ms", "kvbm_disk_fetch_p99_ms"}) {
    const auto value = end.metrics.find(name);
    j[std::string(name) + "_after"] = value == end.metrics.end() ? json() : json(value->second);
  }
  j["offload_blocks_total_delta"] =
      Sum({&t.offload_g1_to_g2_blocks, &t.offload_g2_to_g3_blocks, &t.offload_g1_to_g3_blocks});
  j["onboard_blocks_total_delta"] = Sum({&t.onboard_g2_to_g1_blocks, &t.onboard_g3_to_g1_blocks});
  const auto mib_of = [&](const char* name) {
    const auto delta = Difference(start, end, name);
    return delta ? json(Mib(*delta)) : json();
  };
  j["disk_read_mib_delta"] = mib_of("kvbm_disk_bytes_read");
  j["disk_write_mib_delta"] = mib_of("kvbm_disk_bytes_written");
  // From the disk alone: host onboarding is no rehydration, unlike in the predecessor.
  j["disk_rehydrate_counter_positive"] =
      t.onboard_g3_to_g1_blocks.available() ? json(t.onboard_g3_to_g1_blocks.value() > 0) : json();
  if (!t.reference_extras.empty()) {
    json extras = json::object();
    for (const auto& [name, value] : t.reference_extras) {
      if (std::isfinite(value)) extras[name] = value;
    }
    j["reference_extras"] = std::move(extras);
  }
  return j;
}

json OsIoSnapshotJson(const OsIoSnapshot& s, const std::string& phase) {
  json io = {{"timestamp_utc", s.timestamp_utc},
             {"available", s.processes.available()},
             {"source", SourcesJson(s).at("selected_source")},
             {"pattern", kPattern},
             {"processes", json::array()},
             {"errors", json::array()},
             {"error", s.processes.available() ? json() : json(s.processes.reason())},
             {"cgroup_io", CgroupJson(s)},
             {"attribution_sources", SourcesJson(s)}};
  if (s.processes.available()) {
    const auto& processes = s.processes.value();
    io["processes"] = processes;
    io["totals"] = {{"read_bytes", TotalOf(processes, &ProcessIo::read_bytes)},
                    {"write_bytes", TotalOf(processes, &ProcessIo::write_bytes)},
                    {"rchar", TotalOf(processes, &ProcessIo::rchar)},
                    {"wchar", TotalOf(processes, &ProcessIo::wchar)}};
  } else {
    io["totals"] = {
        {"read_bytes", nullptr}, {"write_bytes", nullptr}, {"rchar", nullptr}, {"wchar", nullptr}};
    io["errors"].push_back(s.processes.reason());
  }
  json j = {{"schema_version", kBundleSchemaVersion},
            {"phase", phase},
            {"label", s.label},
            {"block_device", s.block_device},
            {"block_device_stats", DeviceStats(s)},
            {"worker_process_pattern", kPattern},
            {"worker_process_io", std::move(io)},
            {"kv_files", s.kv_files}};
  if (!s.device_read.available()) j["block_device_unavailable"] = s.device_read.reason();
  return j;
}

json OsIoDeltaJson(const IoTraffic& io, const OsIoSnapshot& start, const OsIoSnapshot& end,
                   const std::string& phase) {
  json device;
  const bool available = io.device_read.available() && io.device_write.available();
  if (available) {
    const auto ios = [](const Reading<std::uint64_t>& a, const Reading<std::uint64_t>& b) {
      return a.available() && b.available() && b.value() >= a.value() ? json(b.value() - a.value())
                                                                      : json();
    };
    device = {{"read_ios_delta", ios(start.device_read_ios, end.device_read_ios)},
              {"write_ios_delta", ios(start.device_write_ios, end.device_write_ios)},
              {"read_bytes_delta", io.device_read},
              {"write_bytes_delta", io.device_write},
              {"read_mib_delta", MibOrNull(io.device_read)},
              {"write_mib_delta", MibOrNull(io.device_write)},
              {"before", DeviceStats(start)},
              {"after", DeviceStats(end)}};
  }
  json j = {{"schema_version", kBundleSchemaVersion},
            {"phase", phase},
            {"block_device", io.block_device},
            {"block_device_delta", std::move(device)},
            {"worker_process_pattern", kPattern},
            {"worker_process_io_delta", ProcessDelta(io, start, end)}};
  if (!available) {
    j["block_device_unavailable"] =
        io.device_read.available() ? io.device_write.reason() : io.device_read.reason();
  }
  return j;
}

}  // namespace kvtier
