#include "harness/report/bundle.hpp"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>

#include "harness/core/clock.hpp"
#include "harness/core/error.hpp"
#include "harness/report/deltas.hpp"
#include "harness/report/evidence_json.hpp"
#include "harness/report/io_attribution_json.hpp"
#include "harness/report/process_identity.hpp"
#include "harness/report/report_md.hpp"
#include "harness/report/summary.hpp"

namespace kvtier {
namespace fs = std::filesystem;
using nlohmann::json;

namespace {

std::string JsonlText(const std::vector<json>& rows) {
  std::string text;
  for (const auto& row : rows)
    text += row.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
  return text;
}

fs::path PhaseFile(const fs::path& run_dir, const std::string& phase, const char* what) {
  return run_dir / bundle_files::kPhaseFolder /
         fmt::format("phase_{}_{}.json", SanitizePhase(phase), what);
}

// What was captured of the disk: the summary repeats the NVMe captures and names the others.
std::map<std::string, json> DeviceFiles(const fs::path& run_dir) {
  std::map<std::string, json> files;
  for (const char* name :
       {bundle_files::kDeviceMetadataPre, bundle_files::kDeviceMetadataPost,
        bundle_files::kNvmeIdentity, bundle_files::kSmartPre, bundle_files::kSmartPost}) {
    if (!fs::exists(run_dir / name)) continue;
    const bool repeated = std::string_view(name).starts_with("nvme_");
    files[name] = repeated ? ReadJson(run_dir / name) : json();
  }
  return files;
}

}  // namespace

std::string SanitizePhase(std::string_view phase) {
  std::string out;
  for (const char c : phase) {
    const bool kept =
        std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '_' || c == '-';
    if (kept) {
      out += c;
    } else if (out.empty() || out.back() != '_') {
      out += '_';
    }
  }
  const auto first = out.find_first_not_of('_');
  if (first == std::string::npos) return "";
  return out.substr(first, out.find_last_not_of('_') - first + 1);
}

RunBundleWriter::RunBundleWriter(const fs::path& run_dir) : run_dir_(run_dir) {
  if (fs::exists(run_dir / bundle_files::kState) || fs::exists(run_dir / bundle_files::kRequests)) {
    throw ConfigError(
        fmt::format("{} already holds a run; choose another run id or set the old attempt aside",
                    run_dir.string()));
  }
  std::error_code error;
  fs::create_directories(run_dir_ / bundle_files::kPhaseFolder, error);
  if (error) throw IoError::FromErrno("create", run_dir_.string(), error.value());
  const ProcessIdentity self = ProcessIdentity::OfThis();
  state_.pid = self.pid;
  state_.pid_start_ticks = self.start_ticks;
  state_.started_utc = UtcMillisNow();
  WriteState("running", "");
  requests_ = std::make_unique<JsonlWriter>(run_dir_ / bundle_files::kRequests);
}

RunBundleWriter::~RunBundleWriter() {
  if (state_.state != "running") return;
  try {
    Abort("the run ended without being closed");
  } catch (const std::exception&) {
    // The disk refuses; the state stays `running`, which a reader treats as killed once this
    // process is gone.
  }
}

void RunBundleWriter::WriteState(const std::string& state, const std::string& reason) {
  state_.state = state;
  state_.reason = reason;
  if (state != "running") state_.ended_utc = UtcMillisNow();
  WriteJsonAtomic(run_dir_ / bundle_files::kState, state_);
}

void RunBundleWriter::WriteConfig(const RunConfig& config) {
  config_ = config;
  WriteJsonAtomic(run_dir_ / bundle_files::kConfig, config);
  WriteJsonAtomic(run_dir_ / bundle_files::kManifest, ManifestJson(config));
}

void RunBundleWriter::WriteReadback(const WorkerReadback& readback) {
  json j = readback;
  j["schema_version"] = kBundleSchemaVersion;
  WriteJsonAtomic(run_dir_ / bundle_files::kReadback, j);
}

void RunBundleWriter::WritePlan(const std::vector<json>& prompt_rows,
                                const std::vector<json>& request_rows) {
  WriteFileAtomic(run_dir_ / bundle_files::kPrompts, JsonlText(prompt_rows));
  WriteFileAtomic(run_dir_ / bundle_files::kRequestPlan, JsonlText(request_rows));
}

void RunBundleWriter::WriteExpected(const std::map<std::string, ExpectedHits>& by_phase,
                                    const json& curve) {
  json expected{{"schema_version", kBundleSchemaVersion}, {"phases", by_phase}};
  if (!curve.is_null()) expected["curve"] = curve;
  WriteJsonAtomic(run_dir_ / bundle_files::kExpected, expected);
}

void RunBundleWriter::AppendRecord(const RequestRecord& record) {
  requests_->Append(ToJson(record));
}

void RunBundleWriter::AppendTtfcSanityRecord(const RequestRecord& record) {
  if (!ttfc_sanity_requests_) {
    ttfc_sanity_requests_ =
        std::make_unique<JsonlWriter>(run_dir_ / bundle_files::kTtfcSanityRequests);
  }
  ttfc_sanity_requests_->Append(ToJson(record));
}

void RunBundleWriter::AppendSnapshot(const KvbmSnapshot& snapshot) {
  if (snapshot.skipped) return;
  if (!snapshots_) snapshots_ = std::make_unique<JsonlWriter>(run_dir_ / bundle_files::kSnapshots);
  ++snapshot_count_;
  if (snapshot.success && !snapshot.metrics.empty()) ++snapshots_with_metrics_;
  snapshots_->Append(SnapshotJson(snapshot));
}

void RunBundleWriter::WritePhase(const PhaseEvidence& phase, const PhaseBoundaries& b) {
  const auto write = [&](const char* what, const json& value) {
    WriteJsonAtomic(PhaseFile(run_dir_, phase.name, what), value);
  };
  write("kvbm_metrics_start", SnapshotJson(b.kvbm_start));
  write("kvbm_metrics_end", SnapshotJson(b.kvbm_end));
  write("kvbm_metrics_delta", KvbmDeltaJson(phase.tiers, b.kvbm_start, b.kvbm_end));
  write("os_io_start", OsIoSnapshotJson(b.os_start, phase.name));
  write("os_io_end", OsIoSnapshotJson(b.os_end, phase.name));
  write("os_io_delta", OsIoDeltaJson(phase.io, b.os_start, b.os_end, phase.name));
  write("evidence", phase);
  boundaries_[phase.name] = b;
}

void RunBundleWriter::WriteIoAttribution(const IoAttributionReport& report) {
  const fs::path folder = run_dir_ / bundle_files::kIoFolder;
  fs::create_directories(folder);
  std::vector<std::string> artifacts;
  for (const auto& entry : fs::directory_iterator(folder))
    artifacts.push_back(fs::relative(entry.path(), run_dir_).string());
  std::sort(artifacts.begin(), artifacts.end());
  WriteJsonAtomic(run_dir_ / bundle_files::kIoAttribution,
                  IoAttributionJson(report, {.capture_timestamp = UtcMillisNow(),
                                             .artifacts = std::move(artifacts)}));
}

void RunBundleWriter::WriteIoVerdict(const IoAttributionVerdict& verdict) {
  kvtier::WriteIoVerdict(run_dir_, verdict);
}

void RunBundleWriter::Close(const LegEvidence& leg, const CloseNotes& notes) {
  if (!config_)
    throw ConfigError(run_dir_.string() + " cannot be closed before its config.json is written");
  for (const auto& phase : leg.phases)
    WriteJsonAtomic(PhaseFile(run_dir_, phase.name, "evidence"), phase);
  const json summary = BuildSummary({.leg = leg,
                                     .config = *config_,
                                     .boundaries = boundaries_,
                                     .notes = notes,
                                     .device_files = DeviceFiles(run_dir_),
                                     .snapshot_count = snapshot_count_,
                                     .snapshots_with_metrics = snapshots_with_metrics_,
                                     .created_utc = UtcMillisNow()});
  WriteFileAtomic(run_dir_ / bundle_files::kReport, RenderRunReport(summary, leg, *config_));
  WriteJsonAtomic(run_dir_ / bundle_files::kSummary, summary);
  WriteState("closed", "");
}

void RunBundleWriter::Abort(const std::string& reason) {
  WriteState("aborted", reason);
}

}  // namespace kvtier
