#pragma once
#include <filesystem>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "harness/judge/baseline.hpp"

/// Baselines on disk (spec/artifacts.md D5).
namespace kvtier {

/// What a finished run is, with its hash: from config.json, and of a probe bundle from
/// ../analysis/manifest.json and ../analysis/worker_runtime_manifest.json. Where the latter is
/// missing and the run is one of ours, config.json says what the worker was started with. Throws
/// IoError, or DataError naming file and key.
Baseline ComputeBaseline(const std::filesystem::path& run_dir, const nlohmann::json& context,
                         Ruleset ruleset);

/// `given` is JSON text when it starts with a brace, else a file. Throws DataError naming the file
/// or `what`.
nlohmann::json ReadJsonArgument(const std::string& given, const std::string& what);
/// A baseline file, or the output of compute; "{}" is none yet.
Baseline ReadBaselineArgument(const std::string& given, const std::string& what);

/// Appends a row to the audit log, then puts `current` in place of the baseline file: a crash in
/// between leaves a row too many, never an acceptance without one. `baseline_file` is replaced
/// atomically, the log only grows. Returns the row. Throws IoError; DataError when the log's last
/// line is torn.
nlohmann::json AcceptBaseline(const std::filesystem::path& baseline_file,
                              const std::filesystem::path& audit_jsonl, const Baseline& known,
                              Baseline current, const std::string& reason,
                              const std::string& now_utc, Ruleset ruleset);

}  // namespace kvtier
