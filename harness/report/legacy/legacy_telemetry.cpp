#include <algorithm>
#include <array>
#include <map>

#include <fmt/format.h>

#include "harness/core/error.hpp"
#include "harness/core/files.hpp"
#include "harness/report/bundle.hpp"
#include "harness/report/evidence_json.hpp"
#include "harness/report/legacy/legacy_parts.hpp"
#include "harness/report/request_rows.hpp"
#include "harness/report/timeline_table_parts.hpp"

// sysmon, nvme, gpu and dynkv of a bundle again, with the keys in the documented order; the mpstat
// log; the smartctl texts.
namespace kvtier {
namespace fs = std::filesystem;
using nlohmann::json;
using nlohmann::ordered_json;
namespace {

/// Keys that the order does not name come last.
void AddRest(ordered_json& out, const json& row) {
  for (const auto& [key, value] : row.items()) {
    if (!out.contains(key))
      out[key] = ordered_json(value);
    else if (value.is_object() && out[key].is_object())
      AddRest(out[key], value);
  }
}

using KeyOrder = std::vector<const char*>;

ordered_json Ordered(const json& row, const KeyOrder& order) {
  ordered_json out = ordered_json::object();
  for (const char* path : order) {
    const json::json_pointer from(path);
    if (row.contains(from)) out[ordered_json::json_pointer(path)] = ordered_json(row.at(from));
  }
  AddRest(out, row);
  return out;
}

struct LegacyRowFile {
  const char* name;
  KeyOrder order;
};

const std::array<LegacyRowFile, 4>& RowFiles() {
  static const std::array<LegacyRowFile, 4> files{
      {{"sysmon.jsonl",
        {"/ts", "/stack", "/cpu/user", "/cpu/system", "/cpu/iowait", "/mem/MemAvailable",
         "/mem/Cached", "/mem/SwapTotal", "/mem/SwapFree", "/nvme/rps", "/nvme/rMBs",
         "/nvme/r_await_ms", "/nvme/aqu_sz", "/nvme/util_pct", "/gpu/util", "/gpu/mem_used_bytes"}},
       {"nvme.jsonl",
        {"/ts", "/source", "/data/device", "/data/r_mb_s", "/data/w_mb_s", "/data/r_await_ms",
         "/data/w_await_ms", "/data/util_pct", "/data/avg_queue_depth"}},
       {"gpu.jsonl", {"/ts", "/source", "/data/gpus"}},
       {"dynkv.jsonl",
        {"/ts",
         "/kv_block_size_bytes",
         "/tier0/hits",
         "/tier0/misses",
         "/tier0/bytes_in",
         "/tier0/bytes_out",
         "/tier1/hits",
         "/tier1/misses",
         "/tier1/bytes_in",
         "/tier1/bytes_out",
         "/tier2/hits",
         "/tier2/misses",
         "/tier2/bytes_in",
         "/tier2/bytes_out",
         "/tier2/fetch_p50_ms",
         "/tier2/fetch_p95_ms",
         "/tier2/fetch_p99_ms",
         "/evictions",
         "/prefetches",
         "/tier2_bytes_in_delta",
         "/tier2_bytes_out_delta",
         "/kv_blocks_evicted_delta"}}}};
  return files;
}

const KeyOrder kGpuOrder{"/uuid", "/mem_used_mb", "/mem_total_mb", "/util_pct"};

/// Why a table of the bundle's telemetry is not there, in the bundle's own words.
std::string WhyNoTable(const LegacyJob& job, const std::string& table) {
  const fs::path file = job.run_dir / bundle_files::kTelemetryReport;
  if (!fs::exists(file)) return "the run was made without telemetry";
  const json report = ReadVersioned(file);
  const json::json_pointer at("/files");
  if (report.contains(at) && report.at(at).is_object() && report.at(at).contains(table)) {
    const json& entry = report.at(at).at(table);
    if (entry.is_object() && entry.contains("reason") && entry.at("reason").is_string())
      return entry.at("reason").get<std::string>();
  }
  return "the bundle has no " + table;
}

void ExportRowFile(LegacyJob& job, const LegacyRowFile& spec) {
  const std::string table = std::string("telemetry/") + spec.name;
  const fs::path source = job.run_dir / table;
  if (!fs::exists(source)) {
    job.NotWritten(spec.name, WhyNoTable(job, table));
    return;
  }
  TableFile file(job.out, spec.name);
  // A group that no row had is named once.
  std::map<std::string, bool> seen;
  ForEachLine(source, [&](std::string_view line, bool) {
    ReadingFrom(source, [&] {
      const json row = json::parse(line);
      ordered_json out = Ordered(row, spec.order);
      if (!job.stack.empty() && out.contains("stack")) out["stack"] = job.stack;
      const json::json_pointer gpus("/data/gpus");
      if (row.contains(gpus) && row.at(gpus).is_array()) {
        ordered_json list = ordered_json::array();
        for (const json& gpu : row.at(gpus)) list.push_back(Ordered(gpu, kGpuOrder));
        out["data"]["gpus"] = std::move(list);
      }
      for (const auto& [group, valid] : row.at("valid").items())
        seen[group] = seen[group] || (valid.is_boolean() && valid.get<bool>());
      file.Append(out.dump(-1, ' ', false, ordered_json::error_handler_t::replace) + "\n");
    });
  });
  file.Close();
  job.Written(spec.name, file.rows());
  for (const auto& [group, valid] : seen) {
    if (!valid) job.Gap(spec.name, group, "no row of " + table + " has a reading of it");
  }
}

std::vector<std::string_view> CsvCells(std::string_view line) {
  while (!line.empty() && (line.back() == '\r' || line.back() == '\n')) line.remove_suffix(1);
  std::vector<std::string_view> cells;
  for (;;) {
    const auto comma = line.find(',');
    cells.push_back(line.substr(0, comma));
    if (comma == std::string_view::npos) return cells;
    line.remove_prefix(comma + 1);
  }
}

/// smartctl's answer of the first disk in a device capture; null where it was not asked.
json SmartctlCapture(const fs::path& file) {
  const json metadata = ReadVersioned(file);
  const json::json_pointer devices("/nvme/devices");
  if (!metadata.contains(devices) || !metadata.at(devices).is_array()) return nullptr;
  for (const json& device : metadata.at(devices)) {
    if (device.is_object() && device.contains("smartctl") && device.at("smartctl").is_object())
      return device.at("smartctl");
  }
  return nullptr;
}

/// The lines that smartctl -j carries along of its text form.
std::string SmartctlText(const json& capture) {
  const json::json_pointer output("/payload/smartctl/output");
  std::string text;
  if (!capture.contains(output) || !capture.at(output).is_array()) return text;
  for (const json& line : capture.at(output)) {
    if (line.is_string()) text += line.get<std::string>() + "\n";
  }
  return text;
}

}  // namespace

void ExportTelemetryRows(LegacyJob& job) {
  for (const LegacyRowFile& spec : RowFiles()) ExportRowFile(job, spec);
  const char* csv = "dynkv_kv.csv";
  const fs::path source = job.run_dir / "telemetry" / csv;
  if (!fs::exists(source)) {
    job.NotWritten(csv, WhyNoTable(job, std::string("telemetry/") + csv));
    return;
  }
  TableFile file(job.out, csv);
  ForEachLine(source, [&](std::string_view line, bool) { file.Append(std::string(line) + "\n"); });
  file.Close();
  job.Written(csv, file.rows() - 1);
  for (const char* key : {"fetch_p50_ms", "fetch_p95_ms", "fetch_p99_ms"})
    job.Gap(csv, key, "the engine does not say how long its fetches take");
}

void ExportMpstatLog(LegacyJob& job) {
  const std::string name = job.name + "_mpstat.log";
  const fs::path source = job.run_dir / "io/mpstat.csv";
  if (!fs::exists(source)) {
    job.NotWritten(name, WhyNoTable(job, "io/mpstat.csv"));
    return;
  }
  const auto host = [&](const char* key) {
    const auto found = job.config.host.find(key);
    return found == job.config.host.end() ? std::string("NA") : found->second;
  };
  TableFile file(job.out, name,
                 fmt::format("Linux {} (NA) \t{} \t{}\t({} CPU)\n", host("kernel"),
                             job.config.created_utc.substr(0, 10), host("platform"), host("cpus")));
  std::string stamp;
  std::uint64_t rows = 0;
  ForEachLine(source, [&](std::string_view line, bool) {
    const auto cells = CsvCells(line);
    if (cells.size() != 10 || cells[0] == "timestamp_utc") return;
    const std::string time(cells[0].size() >= 19 ? cells[0].substr(11, 8) : cells[0]);
    if (cells[0] != stamp) {
      stamp = cells[0];
      file.Append(fmt::format(
          "\n{:<11} {:>4} {:>7} {:>7} {:>7} {:>7} {:>7} {:>7} {:>7} {:>7} {:>7} {:>7}\n", time,
          "CPU", "%usr", "%nice", "%sys", "%iowait", "%irq", "%soft", "%steal", "%guest", "%gnice",
          "%idle"));
    }
    std::string row = fmt::format("{:<11} {:>4}", time, cells[1]);
    for (std::size_t i = 2; i < cells.size(); ++i) {
      if (i + 1 == cells.size()) row += fmt::format(" {:>7} {:>7}", "NA", "NA");
      row += fmt::format(" {:>7}", cells[i].empty() ? "NA" : cells[i]);
    }
    file.Append(row + "\n");
    ++rows;
  });
  file.Close();
  if (rows == 0) {
    job.NotWritten(name, "io/mpstat.csv has no row");
    return;
  }
  job.Written(name, rows);
  job.Gap(name, "%guest, %gnice", "time in guests is not recorded apart");
}

void ExportSmartctl(LegacyJob& job) {
  const std::array<std::pair<const char*, const char*>, 2> captures{
      {{bundle_files::kDeviceMetadataPre, "pre"}, {bundle_files::kDeviceMetadataPost, "post"}}};
  for (const auto& [capture, when] : captures) {
    const std::string name = fmt::format("{}_smartctl_{}.txt", job.name, when);
    if (!fs::exists(job.run_dir / capture)) {
      job.NotWritten(name, std::string("the bundle has no ") + capture);
      continue;
    }
    const json answer = SmartctlCapture(job.run_dir / capture);
    const std::string text = answer.is_object() ? SmartctlText(answer) : "";
    if (text.empty()) {
      job.NotWritten(name, answer.is_object()
                               ? std::string(capture) + " holds smartctl's JSON, not its text"
                               : std::string("smartctl was not asked; what nvme smart-log said is "
                                             "in nvme_smart_") +
                                     when + ".json where there is one");
      continue;
    }
    WriteFileAtomic(job.out / name, text);
    job.Written(name, static_cast<std::uint64_t>(std::count(text.begin(), text.end(), '\n')));
  }
}

}  // namespace kvtier
