#pragma once
#include <optional>
#include <string>
#include <vector>

#include "harness/judge/phase70.hpp"
#include "harness/report/phase70_files.hpp"
#include "harness/report/run_config.hpp"

namespace kvtier {

/// Everything that a results pack is made from, read from disk once. The documents are pure
/// functions of it.
struct PackInput {
  Phase70Manifest manifest;
  /// As the run wrote it; only a run that wrote no verdict is judged here, and `missing` says so.
  Phase70Analysis analysis;
  PreflightOutcome preflight;
  std::vector<Phase70Leg> legs;      // those whose bundles are here
  std::optional<RunConfig> config;   // of the first of them: versions, host, model
  std::vector<std::string> missing;  // what could not be read, one sentence each
  std::string created_utc;           // of the pack

  const Verdict& verdict() const { return analysis.verdict; }
};

/// The newest experiment under `root`: the <ts> of its last manifest by name. Throws ConfigError
/// when there is none, saying where it looked.
std::string FindLatestPhase70(const std::filesystem::path& root);

/// Throws ConfigError naming the file that is missing (manifest, summary JSON and CSV, deltas,
/// order check are required), DataError naming file and key of a broken one. A bundle that is gone
/// or broken is a sentence in `missing`.
PackInput LoadPackInput(const Phase70Paths& paths, const std::string& created_utc);

/// "B2 against B1", as the verdict speaks of its arms.
std::string ArmsText(const Phase70Setup& setup);
/// True when the experiment runs this mode.
bool RunsMode(const Phase70Setup& setup, TierMode mode);
/// Which protocol of KVBM's disk-offload filter the verdict speaks of, in one sentence.
std::string FilterText(const PackInput& input);
/// The stack that ships here computes on this machine's CPU.
bool OnReferenceStack(const PackInput& input);

/// "NOT DECISION GRADE (grade C): TOO_FEW_PAIRS, ...": what a document of such a run begins with;
/// empty for a decision-grade one.
std::string NotDecisionGradeLine(const Verdict& verdict);

}  // namespace kvtier
