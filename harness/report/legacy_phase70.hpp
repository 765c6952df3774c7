#pragma once
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "harness/judge/phase70.hpp"
#include "harness/report/phase70_files.hpp"

/// The predecessor's paired experiment as our evidence, so that our rules can judge it. What it did
/// not record, or recorded so that "nothing" and "not looked" cannot be told apart, is unavailable
/// with the reason, never zero. Its time to first content ends at the first event of the stream,
/// ours at the first text.
namespace kvtier {

/// Artifacts of the predecessor state no schema_version.
bool IsLegacyArtifact(const nlohmann::json& artifact);

/// Its manifest (spec: artifacts E1) as ours; `ts` is its created_utc. Keys that it lacks keep
/// their defaults, except for modes and runs. Throws DataError naming the key.
Phase70Manifest LegacyManifestFrom(const nlohmann::json& manifest);

/// Its preflight file (spec: artifacts E6). Throws DataError naming the key.
PreflightOutcome LegacyPreflightFrom(const nlohmann::json& preflight);

/// What one of its run folders holds (spec: artifacts A).
struct LegacyRun {
  nlohmann::json summary;
  std::vector<nlohmann::json> requests;  // rows of requests.jsonl
  /// Names in the metrics snapshot at the end of each phase. A counter that is not among them was
  /// never seen, although the delta says 0; of a phase without a snapshot no 0 is believed.
  std::map<std::string, std::set<std::string>> metrics_seen;
};
/// Throws IoError or DataError naming the file. A missing requests.jsonl reads as no requests.
LegacyRun ReadLegacyRun(const std::filesystem::path& run_dir);
/// Throws DataError naming the key.
LegEvidence LegacyLegFrom(const LegacyRun& run);

/// Where a run of a manifest or of a row lies now: as given, else below `root` by its last folders.
/// Empty when no summary.json is there.
std::filesystem::path FindRunFolder(const std::filesystem::path& root, const std::string& run_path,
                                    const std::string& bundle_id = {},
                                    const std::string& run_id = {});

/// The legs of the manifest whose folders can be read; of each other one a finding.
std::vector<Phase70Leg> LoadLegacyLegs(const std::filesystem::path& root,
                                       const Phase70Manifest& manifest, Findings& unreadable);

}  // namespace kvtier
