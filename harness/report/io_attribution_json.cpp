#include "harness/report/io_attribution_json.hpp"

#include <algorithm>
#include <filesystem>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "harness/core/error.hpp"
#include "harness/report/evidence_json.hpp"

namespace kvtier {
namespace {

using nlohmann::json;

// An object of figures in the documented form: null for what is unknown, with the reason beside.
void PutBytes(json& into, const char* key, const Reading<Bytes>& r) {
  into[key] = r.available() ? json(r->value) : json();
  if (!r.available()) into["unavailable"][key] = r.reason();
}

Reading<Bytes> TakeBytes(const json& from, const char* key) {
  const json& v = from.at(key);
  if (v.is_null()) {
    const std::string reason = from.at("unavailable").at(key);
    return Reading<Bytes>::Unavailable(reason);
  }
  if (!v.is_number_unsigned() && !(v.is_number_integer() && v.get<std::int64_t>() >= 0))
    throw DataError(fmt::format("key {} is {}, expected a count of bytes or null", key, v.dump()));
  return Bytes{v.get<std::uint64_t>()};
}

json BlockJson(const PhaseAttribution& p) {
  json j = {{"unavailable", json::object()},
            {"source", p.block_read.available()     ? "phase_boundary_block_device_delta"
                       : p.sampled_read.available() ? "timeline_sampling_fallback"
                                                    : "unavailable"}};
  PutBytes(j, "read_bytes", p.block_read);
  PutBytes(j, "write_bytes", p.block_written);
  PutBytes(j, "sampled_read_bytes", p.sampled_read);
  PutBytes(j, "sampled_write_bytes", p.sampled_written);
  return j;
}

json ProcessJson(const PhaseAttribution& p) {
  json per_pid = json::array();
  for (const auto& pid : p.pids) {
    per_pid.push_back({{"pid", pid.pid},
                       {"cmdline", pid.cmdline},
                       {"read_bytes_delta", pid.read},
                       {"write_bytes_delta", pid.written}});
  }
  json j = {{"unavailable", json::object()},
            {"per_pid", std::move(per_pid)},
            {"source", p.process_read.available() ? "phase_boundary_process_delta" : "unavailable"},
            // The timeline samples processes too, but the boundaries hold the exact figures.
            {"sampled_read_bytes", nullptr},
            {"sampled_write_bytes", nullptr}};
  PutBytes(j, "read_bytes", p.process_read);
  PutBytes(j, "write_bytes", p.process_written);
  PutBytes(j, "rchar_bytes", p.process_rchar);
  PutBytes(j, "wchar_bytes", p.process_wchar);
  PutBytes(j, "cgroup_read_bytes", p.cgroup_read);
  PutBytes(j, "cgroup_write_bytes", p.cgroup_written);
  return j;
}

json FileJson(const FileObservation& f) {
  json j = {{"unavailable", json::object()},
            {"pid", f.pid},
            {"path", f.path},
            {"deleted", f.deleted},
            {"direct_io", f.direct_io},
            {"device", f.device},
            {"observed_samples", 1},    // at the phase's end
            {"read_bytes", nullptr},    // the kernel counts I/O by process and device,
            {"write_bytes", nullptr}};  // not by file
  PutBytes(j, "size_bytes", f.size);
  PutBytes(j, "resident_before_bytes", f.resident_before);
  PutBytes(j, "resident_after_bytes", f.resident_after);
  return j;
}

json FilesJson(const IoAttributionReport& report) {
  json phases = json::object(), unavailable = json::object(), reason;
  bool any = false;
  for (const auto& p : report.phases) {
    json& files = phases[p.phase];
    if (!p.files.available()) {
      unavailable[p.phase] = p.files.reason();
      reason = p.files.reason();
      continue;
    }
    any = true;
    files = json::array();
    for (const auto& f : *p.files) files.push_back(FileJson(f));
  }
  return {{"available", any},
          {"method", any ? "proc_fd_observation" : "unavailable"},
          {"reason", any ? json() : std::move(reason)},
          {"phases", std::move(phases)},
          {"unavailable", std::move(unavailable)}};
}

bool IsReplay(const PhaseAttribution& p) {
  return p.phase.starts_with("replay");
}

// What the open files say of themselves: the flags in /proc/<pid>/fdinfo are what the kernel does,
// so seeing them or seeing that they are absent is certain.
json DirectIoJson(const IoAttributionReport& report) {
  bool looked = false, seen = false, direct = false, corroborated = false;
  json replays = json::array();
  for (const auto& p : report.phases) {
    if (IsReplay(p)) {
      replays.push_back(p.phase);
      corroborated = corroborated || (p.block_read.available() && p.block_read->value > 0 &&
                                      p.process_read.available() && p.process_read->value > 0);
    }
    if (!p.files.available()) continue;
    looked = true;
    seen = seen || !p.files->empty();
    direct = direct || std::any_of(p.files->begin(), p.files->end(),
                                   [](const FileObservation& f) { return f.direct_io; });
  }
  return {{"method", seen     ? "fdinfo_flags"
                     : looked ? "none"
                              : "unavailable"},
          {"observed_flags", direct ? json::array({"O_DIRECT"}) : json::array()},
          {"config_hints",
           {{"env_hints", json::array()}, {"kvbm_config_direct_mentions", json::array()}}},
          {"corroborating_behavior",
           {{"replay_like_phases", std::move(replays)},
            {"replay_block_and_process_read_positive", corroborated}}},
          {"bpftrace_probe",
           {{"available", nullptr},
            {"success", false},
            {"error", "not used: the flags are read from /proc/<pid>/fdinfo"}}},
          {"confidence", seen ? "high" : "low"}};
}

json ArtifactsJson(const std::vector<std::string>& paths) {
  json j = json::object();
  for (const auto& path : paths) {
    std::string name = std::filesystem::path(path).filename().string();
    std::replace(name.begin(), name.end(), '.', '_');
    j[name] = path;
  }
  return j;
}

void TakeProcess(const json& j, PhaseAttribution& p) {
  p.process_read = TakeBytes(j, "read_bytes");
  p.process_written = TakeBytes(j, "write_bytes");
  p.process_rchar = TakeBytes(j, "rchar_bytes");
  p.process_wchar = TakeBytes(j, "wchar_bytes");
  p.cgroup_read = TakeBytes(j, "cgroup_read_bytes");
  p.cgroup_written = TakeBytes(j, "cgroup_write_bytes");
  for (const auto& pid : j.at("per_pid")) {
    p.pids.push_back({.pid = pid.at("pid"),
                      .cmdline = pid.at("cmdline"),
                      .read = TakeBytes(pid, "read_bytes_delta").value(),
                      .written = TakeBytes(pid, "write_bytes_delta").value()});
  }
}

FileObservation TakeFile(const json& j) {
  FileObservation f;
  j.at("pid").get_to(f.pid);
  j.at("path").get_to(f.path);
  j.at("deleted").get_to(f.deleted);
  j.at("direct_io").get_to(f.direct_io);
  j.at("device").get_to(f.device);
  f.size = TakeBytes(j, "size_bytes");
  f.resident_before = TakeBytes(j, "resident_before_bytes");
  f.resident_after = TakeBytes(j, "resident_after_bytes");
  return f;
}

Reading<std::vector<FileObservation>> TakeFiles(const json& j, const std::string& phase) {
  const json& list = j.at("phases").at(phase);
  if (list.is_null()) {
    return Reading<std::vector<FileObservation>>::Unavailable(
        j.at("unavailable").at(phase).get<std::string>());
  }
  if (!list.is_array()) throw DataError(fmt::format("the files of phase {} are no array", phase));
  std::vector<FileObservation> files;
  for (const auto& f : list) files.push_back(TakeFile(f));
  return files;
}

}  // namespace

json IoAttributionJson(const IoAttributionReport& report, const IoAttributionContext& context) {
  json order = json::array(), windows = json::object(), block = json::object(),
       process = json::object();
  for (const auto& p : report.phases) {
    order.push_back(p.phase);
    windows[p.phase] = {{"start", p.start_utc}, {"end", p.end_utc}};
    block[p.phase] = BlockJson(p);
    process[p.phase] = ProcessJson(p);
  }
  return {{"schema_version", kBundleSchemaVersion},
          {"capture_timestamp", context.capture_timestamp},
          {"enabled", true},
          {"available", report.available},
          {"error", report.error.empty() ? json() : json(report.error)},
          {"primary_nvme_device", report.device},
          {"kvbm_disk_path", report.kvbm_disk_path},
          {"interval_s", report.interval_s},
          {"phases", std::move(order)},
          {"phase_windows", std::move(windows)},
          {"block_io_by_phase", std::move(block)},
          {"process_io_by_phase", std::move(process)},
          {"kvbm_file_io_by_phase", FilesJson(report)},
          {"direct_io_evidence", DirectIoJson(report)},
          {"capture_errors", report.capture_errors},
          {"collection_methods",
           {{"timeline_block_io", "procfs_sys_block_stat"},
            {"timeline_process_io", "procfs_io"},
            {"file_attribution", "procfs_fd_fdinfo"},
            {"meminfo_vmstat", "procfs"}}},
          // None of these is asked: the kernel's files say the same without a process a sample.
          {"tools_available",
           {{"iostat", nullptr}, {"pidstat", nullptr}, {"lsof", nullptr}, {"bpftrace", nullptr}}},
          {"artifacts", ArtifactsJson(context.artifacts)}};
}

IoAttributionReport IoAttributionFromJson(const json& j) {
  IoAttributionReport report;
  j.at("available").get_to(report.available);
  const json& error = j.at("error");
  if (!error.is_null()) error.get_to(report.error);
  j.at("primary_nvme_device").get_to(report.device);
  j.at("kvbm_disk_path").get_to(report.kvbm_disk_path);
  j.at("interval_s").get_to(report.interval_s);
  j.at("capture_errors").get_to(report.capture_errors);
  for (const auto& name : j.at("phases")) {
    PhaseAttribution p;
    name.get_to(p.phase);
    const json& window = j.at("phase_windows").at(p.phase);
    window.at("start").get_to(p.start_utc);
    window.at("end").get_to(p.end_utc);
    const json& block = j.at("block_io_by_phase").at(p.phase);
    p.block_read = TakeBytes(block, "read_bytes");
    p.block_written = TakeBytes(block, "write_bytes");
    p.sampled_read = TakeBytes(block, "sampled_read_bytes");
    p.sampled_written = TakeBytes(block, "sampled_write_bytes");
    TakeProcess(j.at("process_io_by_phase").at(p.phase), p);
    p.files = TakeFiles(j.at("kvbm_file_io_by_phase"), p.phase);
    report.phases.push_back(std::move(p));
  }
  return report;
}

}  // namespace kvtier
