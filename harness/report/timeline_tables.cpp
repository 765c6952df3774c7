#include "harness/report/timeline_tables.hpp"

#include <set>

#include <fmt/format.h>

#include "harness/core/files.hpp"
#include "harness/report/bundle.hpp"
#include "harness/report/evidence_json.hpp"
#include "harness/report/timeline_table_parts.hpp"

namespace kvtier {
namespace fs = std::filesystem;
using nlohmann::json;

namespace {

constexpr std::size_t kReasonsKept = 8;  // of one source; the timeline holds them all

// What a source did over the run.
struct SourceTally {
  std::optional<std::int64_t> cadence_ms;  // empty: not in the head
  std::uint64_t rows = 0, rows_with_values = 0;
  std::set<std::string> reasons;
  std::map<std::string, std::string> blind_keys;  // key -> last reason

  const char* Status() const {
    if (rows_with_values == 0) return rows == 0 ? "no_rows" : "unavailable";
    return reasons.empty() && blind_keys.empty() ? "ok" : "partial";
  }
  std::string Reason(const std::string& name) const {
    if (rows == 0) return fmt::format("the timeline has no row of the source {}", name);
    if (!reasons.empty()) return fmt::format("{}: {}", name, *reasons.begin());
    if (!blind_keys.empty()) {
      const auto& [key, reason] = *blind_keys.begin();
      return fmt::format("{}: {}: {}", name, key, reason);
    }
    return fmt::format("no row of the source {} held what this file needs", name);
  }
};

struct Tally {
  std::map<std::string, SourceTally> sources;
  std::vector<std::string> marks;
  std::map<std::string, double> recorder;  // its last row

  void Take(const TimelineHead& head, const TimelineRow& row) {
    if (sources.empty()) {
      for (const auto& s : head.sources) sources[s.name].cadence_ms = s.cadence.count();
    }
    if (row.source == "mark") {
      marks.push_back(row.mark);
      return;
    }
    if (row.source == "recorder") recorder = row.values;
    SourceTally& s = sources[row.source];
    ++s.rows;
    if (!row.values.empty()) ++s.rows_with_values;
    for (const auto& [key, reason] : row.unavailable) {
      if (key.empty()) {
        if (s.reasons.size() < kReasonsKept) s.reasons.insert(reason);
      } else if (s.blind_keys.size() < kReasonsKept || s.blind_keys.contains(key)) {
        s.blind_keys[key] = reason;
      }
    }
  }
};

json SourcesJson(const Tally& tally) {
  json out = json::object();
  for (const auto& [name, s] : tally.sources) {
    out[name] = {
        {"status", s.Status()}, {"cadence_ms", s.cadence_ms ? json(*s.cadence_ms) : json()},
        {"rows", s.rows},       {"rows_with_values", s.rows_with_values},
        {"reasons", s.reasons}, {"unavailable", s.blind_keys}};
  }
  return out;
}

json FilesJson(const std::vector<TableStatus>& files) {
  json out = json::object();
  for (const auto& f : files) {
    out[f.path] = {{"written", f.written},
                   {"rows", f.rows},
                   {"reason", f.reason.empty() ? json() : json(f.reason)}};
  }
  return out;
}

// `started` names a source only when it gave a figure: one that could not is a warning.
void WriteTelemetryReport(const fs::path& run_dir, const Tally* tally,
                          const std::vector<TableStatus>& files) {
  json started, stopped;
  if (tally != nullptr) {
    json names = json::array(), warnings = json::array(), at_end = json::array();
    for (const auto& [name, s] : tally->sources) {
      if (s.rows_with_values > 0) {
        names.push_back(name);
      } else {
        warnings.push_back(s.Reason(name));
      }
    }
    const auto dropped = tally->recorder.find("rows_dropped");
    if (dropped != tally->recorder.end() && dropped->second > 0)
      at_end.push_back(fmt::format("the recorder dropped {:.0f} rows", dropped->second));
    if (tally->marks.empty() || tally->marks.back() != "run_end")
      at_end.push_back("the timeline does not end with the mark run_end");
    started = {{"started", names}, {"warnings", std::move(warnings)}};
    stopped = {{"stopped", std::move(names)}, {"warnings", std::move(at_end)}};
  }
  WriteJsonAtomic(run_dir / bundle_files::kTelemetryReport,
                  {{"schema_version", kBundleSchemaVersion},
                   {"timestamp_utc", UtcMillisNow()},
                   {"started", std::move(started)},
                   {"stopped", std::move(stopped)},
                   {"sources", tally != nullptr ? SourcesJson(*tally) : json::object()},
                   {"marks", tally != nullptr ? json(tally->marks) : json::array()},
                   {"recorder", tally != nullptr ? json(tally->recorder) : json::object()},
                   {"files", FilesJson(files)}});
}

std::vector<std::unique_ptr<TimelineTable>> AllTables(const fs::path& run_dir,
                                                      const TimelineTableOptions& o) {
  std::vector<std::unique_ptr<TimelineTable>> tables;
  for (const auto make :
       {MakeBlockTable, MakeProcessTable, MakeIostatTable, MakePidstatTable, MakeMpstatTable,
        MakeSysmonTable, MakeNvmeTable, MakeGpuTable, MakeDynkvTable})
    tables.push_back(make(run_dir, o));
  for (const char* source : {"memory", "vmstat"})
    tables.push_back(MakeSnapshotTable(run_dir, source));
  return tables;
}

}  // namespace

std::vector<TableStatus> WriteTimelineTables(const fs::path& run_dir,
                                             const TimelineTableOptions& options) {
  auto tables = AllTables(run_dir, options);
  const fs::path timeline = run_dir / bundle_files::kTimeline;
  const bool recorded = fs::exists(timeline);
  Tally tally;
  if (recorded) {
    const TimelineHead head =
        ReadTimeline(timeline, [&](const TimelineHead& h, const TimelineRow& row) {
          tally.Take(h, row);
          for (auto& table : tables) table->Take(h, row);
        });
    for (const auto& s : head.sources) tally.sources[s.name].cadence_ms = s.cadence.count();
  }
  std::vector<TableStatus> files;
  for (auto& table : tables) {
    for (auto& file : table->Finish()) {
      if (!file.written) {
        file.reason = recorded
                          ? tally.sources[table->source()].Reason(table->source())
                          : fmt::format("{} does not exist: the run was made without telemetry",
                                        bundle_files::kTimeline);
      }
      files.push_back(std::move(file));
    }
  }
  WriteTelemetryReport(run_dir, recorded ? &tally : nullptr, files);
  return files;
}

}  // namespace kvtier
