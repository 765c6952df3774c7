#include "harness/report/legacy/legacy_export.hpp"

#include <fmt/format.h>

#include "harness/core/clock.hpp"
#include "harness/core/error.hpp"
#include "harness/core/files.hpp"
#include "harness/report/bundle.hpp"
#include "harness/report/evidence_json.hpp"
#include "harness/report/legacy/legacy_parts.hpp"

namespace kvtier {
namespace fs = std::filesystem;
using nlohmann::json;
namespace {

constexpr const char* kNotes = "legacy_export.json";

/// What those names mean here.
json Definitions() {
  return {{"lat_ttft_ms",
           "first byte sent to first event of any kind, as those runners measured; "
           "ttfc_ms is the time to the first text"},
          {"lat_e2e_ms", "first byte sent to the end of the stream, of failed requests too"},
          {"rc", "0 for an answer that counts, else 1"},
          {"context_tokens", "the nominal length of the prompt"},
          {"mem", "bytes in sysmon.jsonl, kB in the telemetry CSV"},
          {"tier2",
           "in: blocks that came from the SSD; out: blocks that went to it; host traffic "
           "is of tier1"},
          {"iostat_avg_rqsz", "sectors of 512 bytes, reads and writes together"},
          {"avg.rps", "answered requests a second"},
          {"avg.rps_storage", "reads a second of the KV disk"}};
}

LegacyJob OpenBundle(const LegacyExportOptions& options) {
  LegacyJob job;
  job.run_dir = options.run_dir;
  job.out = options.out.empty() ? options.run_dir / "legacy" : options.out;
  job.stack = options.stack;
  const auto state = LoadRunState(job.run_dir);
  if (!state || !fs::exists(job.run_dir / bundle_files::kConfig))
    throw ConfigError(fmt::format("{} holds no run of kvtier: {} is missing", job.run_dir.string(),
                                  state ? bundle_files::kConfig : bundle_files::kState));
  job.config = LoadRunConfig(job.run_dir);
  job.name = SanitizePhase(job.config.run_id);
  if (job.name.empty()) job.name = "run";
  if (state->state == "closed")
    job.summary = ReadVersioned(job.run_dir / bundle_files::kSummary);
  else
    job.no_summary = "the run was not closed: " + state->state;
  return job;
}

/// Empty, missing, or an export of before.
void PrepareFolder(const fs::path& out) {
  if (fs::exists(out) && !fs::is_directory(out))
    throw ConfigError(out.string() + " is no folder; name another with --out");
  if (fs::is_directory(out) && !fs::is_empty(out) && !fs::exists(out / kNotes))
    throw ConfigError(out.string() +
                      " holds something else than an export; name an empty folder with --out");
  std::error_code error;
  fs::create_directories(out, error);
  if (error) throw IoError::FromErrno("create", out.string(), error.value());
}

json NotesJson(const LegacyJob& job) {
  json files = json::array(), gaps = json::array();
  for (const LegacyFile& f : job.result.files)
    files.push_back({{"file", f.name},
                     {"written", f.written},
                     {"rows", f.rows},
                     {"reason", f.reason.empty() ? json() : json(f.reason)}});
  for (const LegacyGap& g : job.result.gaps)
    gaps.push_back({{"file", g.file}, {"key", g.key}, {"reason", g.reason}});
  return {{"schema_version", kBundleSchemaVersion},
          {"created_utc", UtcMillisNow()},
          {"run_id", job.config.run_id},
          {"stack", job.stack.empty() ? json() : json(job.stack)},
          {"files", std::move(files)},
          {"missing", std::move(gaps)},
          {"definitions", Definitions()}};
}

}  // namespace

LegacyExport ExportLegacy(const LegacyExportOptions& options) {
  LegacyJob job = OpenBundle(options);
  PrepareFolder(job.out);
  ExportMetrics(job);
  ExportConfigYaml(job);
  ExportTelemetryRows(job);
  const LegacyAverages averages = ExportTelemetryCsv(job);
  ExportSummary(job, averages);
  ExportManifest(job);
  ExportMpstatLog(job);
  ExportSmartctl(job);
  // What an earlier export wrote and this one could not would be taken for this one's.
  std::error_code ignored;
  for (const LegacyFile& f : job.result.files) {
    if (!f.written) fs::remove(job.out / f.name, ignored);
  }
  WriteJsonAtomic(job.out / kNotes, NotesJson(job));
  job.result.run_id = job.config.run_id;
  job.result.out = job.out;
  return std::move(job.result);
}

}  // namespace kvtier
