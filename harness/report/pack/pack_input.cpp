#include "harness/report/pack/pack_input.hpp"

#include <algorithm>
#include <filesystem>
#include <set>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "harness/core/error.hpp"
#include "harness/core/files.hpp"
#include "harness/report/bundle.hpp"
#include "harness/report/phase70_report.hpp"

namespace kvtier {
namespace fs = std::filesystem;
using nlohmann::json;

namespace {

constexpr std::string_view kManifestName = "phase70_rehydrate_pair_repeats_manifest_";

template <class F>
void ReadingFile(const fs::path& file, F&& read) {
  try {
    read();
  } catch (const json::exception& e) {
    throw DataError(file.string() + ": " + e.what());
  } catch (const DataError& e) {
    if (std::string_view(e.what()).find(file.filename().string()) != std::string_view::npos) throw;
    throw DataError(file.string() + ": " + e.what());
  }
}

void RequireFiles(const Phase70Paths& paths) {
  for (const auto& file : {paths.Manifest(), paths.Summary(), paths.SummaryCsv(), paths.DeltasCsv(),
                           paths.OrderCheck()}) {
    if (!fs::exists(file))
      throw ConfigError(fmt::format(
          "{} is missing: a pack needs a run that ended; go on with BENCH_PHASE70_TS={} ./kvtier "
          "phase70, or name another with --ts",
          file.string(), paths.ts));
  }
}

Phase70Analysis ReadAnalysis(const Phase70Paths& paths) {
  Phase70Analysis a;
  const json summary = ReadJson(paths.Summary());
  ReadingFile(paths.Summary(), [&] {
    summary.at("rows").get_to(a.rows);
    summary.at("pair_deltas").get_to(a.deltas);
    summary.at("errors").get_to(a.errors);
  });
  const json order = ReadJson(paths.OrderCheck());
  ReadingFile(paths.OrderCheck(), [&] { order.get_to(a.order_check); });
  a.rollups = a.order_check.delta_rollups;
  return a;
}

/// Bundle by bundle, so that one that is gone does not take the others with it.
void ReadLegs(const Phase70Paths& paths, PackInput& input) {
  Phase70Manifest one = input.manifest;
  for (const auto& run : input.manifest.runs) {
    one.runs = {run};
    try {
      auto legs = LoadPhase70Legs(paths, one);
      if (legs.front().evidence.invalid_reason == "artifact_unreadable") {
        input.missing.push_back(
            fmt::format("bundle of {}: {}", run.run_id,
                        fmt::join(legs.front().evidence.invalid_details, "; ")));
        continue;
      }
      fs::path dir = paths.root / run.run_dir;
      if (!fs::exists(dir)) dir = paths.RunDir(run.mode, run.pair_id, run.pair_leg);
      if (!input.config) input.config = LoadRunConfig(dir);
      input.legs.push_back(std::move(legs.front()));
    } catch (const Error& e) {
      input.missing.push_back(fmt::format("bundle of {}: {}", run.run_id, e.what()));
    }
  }
}

}  // namespace

std::string FindLatestPhase70(const fs::path& root) {
  std::string latest;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(root, error)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(kManifestName) || !name.ends_with(".json")) continue;
    latest =
        std::max(latest, name.substr(kManifestName.size(), name.size() - kManifestName.size() - 5));
  }
  if (latest.empty())
    throw ConfigError(fmt::format(
        "no {}*.json under {}: name the folder with --results-root, or run ./kvtier phase70",
        kManifestName, root.string()));
  return latest;
}

PackInput LoadPackInput(const Phase70Paths& paths, const std::string& created_utc) {
  RequireFiles(paths);
  PackInput input;
  input.created_utc = created_utc;
  input.manifest = LoadPhase70Manifest(paths);
  input.preflight = LoadPhase70Preflight(paths);
  input.analysis = ReadAnalysis(paths);
  ReadLegs(paths, input);
  if (fs::exists(paths.Verdict())) {
    input.analysis.verdict = LoadPhase70Verdict(paths.Verdict());
    if (input.verdict().setup.ts != input.manifest.setup.ts)
      throw DataError(fmt::format("{} is of experiment {}, its manifest of {}",
                                  paths.Verdict().string(), input.verdict().setup.ts,
                                  input.manifest.setup.ts));
  } else {
    input.missing.push_back("the run wrote no verdict: this one was computed from its bundles");
    input.analysis.verdict = AnalyzePhase70({.setup = input.manifest.setup,
                                             .preflight = input.preflight,
                                             .legs = input.legs,
                                             .runner_findings = input.manifest.runner_findings},
                                            created_utc)
                                 .verdict;
  }
  return input;
}

std::string ArmsText(const Phase70Setup& setup) {
  const auto names = ArmNames(setup);
  return fmt::format("{} against {}", names[1], names[0]);
}

bool RunsMode(const Phase70Setup& setup, TierMode mode) {
  const auto modes = setup.Modes();
  return std::find(modes.begin(), modes.end(), mode) != modes.end();
}

std::string FilterText(const PackInput& input) {
  if (!RunsMode(input.manifest.setup, TierMode::kB2))
    return "No arm has an SSD tier, so no filter was at work.";
  if (const std::string judged = input.verdict().filter.Sentence(); !judged.empty()) {
    return judged +
           (input.verdict().filter.protocol == FilterProtocol::kMechanism
                ? ": what the SSD tier can do; a production stack keeps the filter on, and "
                  "writes and hits less."
                : ": as in production, a block is written to the SSD only once it was "
                  "computed again.");
  }
  // A run from before protocols were declared.
  if (input.manifest.mechanism_mode)
    return "mechanism mode (disk-offload filter off): what the SSD tier can do; a production stack "
           "keeps the filter on, and writes and hits less.";
  return "disk-offload filter on, no protocol declared: a block is written to the SSD only at its "
         "second registration, so a single visit proves nothing.";
}

bool OnReferenceStack(const PackInput& input) {
  return input.manifest.stack_label.starts_with("reference stack");
}

std::string NotDecisionGradeLine(const Verdict& v) {
  if (v.decision_grade) return "";
  std::set<std::string> codes;
  for (const auto& f : v.findings) {
    if (f.BlocksDecision()) codes.emplace(Code(f.reason));
  }
  return fmt::format("NOT DECISION GRADE (grade {}): {}. Do not quote these figures as a result.",
                     GradeName(v.grade),
                     codes.empty() ? std::string("see the reason codes")
                                   : fmt::format("{}", fmt::join(codes, ", ")));
}

}  // namespace kvtier
