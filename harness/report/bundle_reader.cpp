#include <algorithm>

#include <fmt/format.h>

#include "harness/core/clock.hpp"
#include "harness/core/error.hpp"
#include "harness/judge/answers.hpp"
#include "harness/report/bundle.hpp"
#include "harness/report/evidence_json.hpp"
#include "harness/report/io_attribution_json.hpp"
#include "harness/report/process_identity.hpp"
#include "harness/report/ttfc_sanity_json.hpp"

namespace kvtier {
namespace fs = std::filesystem;
using nlohmann::json;

namespace {

constexpr const char* kIncomplete = "run_incomplete";
constexpr const char* kModelUnresolved = "auto";
/// Rows that memory is set aside for on the word of a file.
constexpr std::size_t kMostReserved = std::size_t{1} << 20U;

template <class T>
T ReadTyped(const fs::path& file) {
  const json j = ReadVersioned(file);
  T value;
  ReadingFrom(file, [&] { j.get_to(value); });
  return value;
}

fs::path EvidenceFile(const fs::path& run_dir, const std::string& phase) {
  return run_dir / bundle_files::kPhaseFolder /
         ("phase_" + SanitizePhase(phase) + "_evidence.json");
}

/// The declared prompts by phase; a torn last row of a killed writer is left out.
std::map<std::string, RequestSequence> ReadPlan(const fs::path& file) {
  std::map<std::string, SequenceBuilder> by_phase;
  if (!fs::exists(file)) return {};
  std::size_t number = 0;
  ForEachLine(file, [&](std::string_view line, bool whole) {
    ++number;
    const json row = json::parse(line, nullptr, false);
    if (!whole && row.is_discarded()) return;
    try {
      ReadingFrom(file, [&] {
        by_phase[row.at("phase")].Add(row.at("phase_request_index"), row.at("prompt_sha256"));
      });
    } catch (const DataError& e) {
      throw DataError(fmt::format("{} (row {})", e.what(), number));
    }
  });
  std::map<std::string, RequestSequence> plan;
  for (auto& [phase, builder] : by_phase) plan[phase] = std::move(builder).Finish();
  return plan;
}

/// The rows of the TTFC sanity cases; none where the run has no such file.
std::vector<RequestRecord> ReadTtfcSanityRows(const fs::path& run_dir, RowDetail detail) {
  std::vector<RequestRecord> records;
  const fs::path file = run_dir / bundle_files::kTtfcSanityRequests;
  if (fs::exists(file))
    ReadRequestRows(file, detail, [&](RequestRecord&& r) { records.push_back(std::move(r)); });
  return records;
}

// What a run that never closed left behind: its configuration, what the worker said, and the phases
// it finished.
void ReadUnclosed(const fs::path& run_dir, const RunState& state, LegEvidence& leg,
                  std::vector<std::string>& phases) {
  leg.run_id = run_dir.filename().string();
  if (fs::exists(run_dir / bundle_files::kConfig)) {
    const RunConfig config = LoadRunConfig(run_dir);
    leg.run_id = config.run_id;
    leg.tier = config.tier;
    leg.scenario = config.scenario;
    leg.backend = config.backend;
    leg.deterministic = config.deterministic;
    leg.block_bytes = config.block_bytes;
    leg.block_tokens = config.block_tokens;
    for (const auto& p : config.phases) phases.push_back(p.name);
  }
  if (fs::exists(run_dir / bundle_files::kReadback))
    leg.worker = ReadTyped<WorkerReadback>(run_dir / bundle_files::kReadback);
  leg.models_at_end = Reading<std::uint64_t>::Unavailable("the run did not reach its end");
  leg.run_valid = false;
  leg.invalid_reason = kIncomplete;
  leg.invalid_details = {
      state.state == "running" ? fmt::format("the run is still going on (pid {})", state.pid)
      : state.reason.empty()   ? "the run was " + state.state
                               : "the run was " + state.state + ": " + state.reason};
}

}  // namespace

void to_json(json& j, const RunState& s) {
  j = {{"schema_version", kBundleSchemaVersion},
       {"state", s.state},
       {"pid", s.pid},
       {"pid_start_ticks", s.pid_start_ticks},
       {"started_utc", s.started_utc},
       {"ended_utc", s.ended_utc.empty() ? json() : json(s.ended_utc)},
       {"reason", s.reason}};
}
void from_json(const json& j, RunState& s) {
  j.at("state").get_to(s.state);
  j.at("pid").get_to(s.pid);
  j.at("pid_start_ticks").get_to(s.pid_start_ticks);
  j.at("started_utc").get_to(s.started_utc);
  s.ended_utc = j.at("ended_utc").is_null() ? "" : j.at("ended_utc").get<std::string>();
  j.at("reason").get_to(s.reason);
}

std::optional<RunState> LoadRunState(const fs::path& run_dir) {
  if (!fs::exists(run_dir / bundle_files::kState)) return std::nullopt;
  RunState state = ReadTyped<RunState>(run_dir / bundle_files::kState);
  if (state.state == "running" && !ProcessIdentity{state.pid, state.pid_start_ticks}.Alive()) {
    state.state = "killed";
    state.reason = fmt::format("its process {} is gone and the run was never closed", state.pid);
  }
  return state;
}

RunConfig LoadRunConfig(const fs::path& run_dir) {
  return ReadTyped<RunConfig>(run_dir / bundle_files::kConfig);
}

bool IsClosed(const fs::path& run_dir) {
  const auto state = LoadRunState(run_dir);
  return state && state->state == "closed";
}

LegEvidence LoadLeg(const fs::path& run_dir, RowDetail detail) {
  const auto state = LoadRunState(run_dir);
  if (!state)
    throw DataError(
        fmt::format("{} is no run folder: {} is missing", run_dir.string(), bundle_files::kState));
  LegEvidence leg;
  leg.run_dir = run_dir.string();
  leg.closed = state->state == "closed";
  std::vector<std::string> phases;
  if (leg.closed) {
    const fs::path file = run_dir / bundle_files::kSummary;
    const json summary = ReadVersioned(file);
    ReadingFrom(file, [&] {
      ReadLegHead(summary.at("leg"), leg);
      for (const auto& p : summary.at("phase_summaries")) phases.push_back(p.at("phase"));
      leg.ttfc_sanity = TtfcSanityFromJson(summary.at("ttfc_sanity_validation"),
                                           ReadTtfcSanityRows(run_dir, detail));
    });
  } else {
    ReadUnclosed(run_dir, *state, leg, phases);
  }
  for (const auto& phase : phases) {
    const fs::path file = EvidenceFile(run_dir, phase);
    if (leg.closed || fs::exists(file)) leg.phases.push_back(ReadTyped<PhaseEvidence>(file));
  }
  if (const fs::path file = run_dir / bundle_files::kIoAttribution; fs::exists(file)) {
    const json report = ReadVersioned(file);
    ReadingFrom(file, [&] { leg.io_attribution = IoAttributionFromJson(report); });
  }
  if (fs::exists(run_dir / bundle_files::kConfig)) {
    leg.model_id = LoadRunConfig(run_dir).model_id;
    if (leg.model_id == kModelUnresolved) leg.model_id.clear();
  }
  leg.planned_prompts = ReadPlan(run_dir / bundle_files::kRequestPlan);
  if (const fs::path file = run_dir / bundle_files::kRequests; fs::exists(file)) {
    std::size_t planned = 0;
    for (const PhaseEvidence& phase : leg.phases)
      planned += static_cast<std::size_t>(std::max(0, phase.planned_requests));
    leg.records.reserve(std::min(planned, kMostReserved));
    ReadRequestRows(file, detail, [&](RequestRecord&& r) { leg.records.push_back(std::move(r)); });
  }
  return leg;
}

void WriteIoVerdict(const fs::path& run_dir, const IoAttributionVerdict& verdict) {
  json j = verdict;
  j["schema_version"] = kBundleSchemaVersion;
  j["timestamp_utc"] = UtcMillisNow();
  j["artifacts"] = {
      {"summary_path", bundle_files::kSummary},
      {"io_attribution_report_path", fs::exists(run_dir / bundle_files::kIoAttribution)
                                         ? json(bundle_files::kIoAttribution)
                                         : json()},
      {"io_attrib_verdict_path", bundle_files::kIoVerdict}};
  fs::create_directories(run_dir / bundle_files::kIoFolder);
  WriteJsonAtomic(run_dir / bundle_files::kIoVerdict, j);
}

std::optional<IoAttributionVerdict> LoadIoVerdict(const fs::path& run_dir) {
  if (!fs::exists(run_dir / bundle_files::kIoVerdict)) return std::nullopt;
  return ReadTyped<IoAttributionVerdict>(run_dir / bundle_files::kIoVerdict);
}

fs::path RetireAttempt(const fs::path& run_dir, const std::string& reason) {
  if (!fs::exists(run_dir)) return run_dir;
  fs::path target;
  for (int k = 1;; ++k) {
    target = run_dir.string() + ".attempt" + std::to_string(k);
    if (!fs::exists(target)) break;
  }
  WriteJsonAtomic(run_dir / "attempt.json", {{"schema_version", kBundleSchemaVersion},
                                             {"reason", reason},
                                             {"retired_utc", UtcMillisNow()}});
  std::error_code error;
  fs::rename(run_dir, target, error);
  if (error) throw IoError::FromErrno("set aside", run_dir.string(), error.value());
  return target;
}

std::vector<RetiredAttempt> ListAttempts(const fs::path& run_dir) {
  std::vector<RetiredAttempt> attempts;
  for (int k = 1;; ++k) {
    const fs::path path = run_dir.string() + ".attempt" + std::to_string(k);
    if (!fs::exists(path)) return attempts;
    std::string reason = "not recorded";
    if (const fs::path file = path / "attempt.json"; fs::exists(file)) {
      try {
        const json j = ReadVersioned(file);
        ReadingFrom(file, [&] { j.at("reason").get_to(reason); });
      } catch (const Error& e) {  // no leg that is counted depends on it
        reason = fmt::format("not readable: {}", e.what());
      }
    }
    attempts.push_back({path, std::move(reason)});
  }
}

}  // namespace kvtier
