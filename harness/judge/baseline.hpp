#pragma once
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "harness/judge/ruleset.hpp"

/// Is the run that a sweep is measured against still the same experiment? What gives a run its
/// meaning is gathered into a manifest, normalised and hashed (spec: rules 8, artifacts D5).
namespace kvtier {

/// What the manifest is made of; an absent file is null.
struct BaselineSources {
  nlohmann::json config;             // config.json of the run
  nlohmann::json analysis_manifest;  // ../analysis/manifest.json of a probe bundle
  nlohmann::json runtime_env;        // environment that the worker was started with, name -> text
  nlohmann::json context;            // what only the sweep knows
};
/// The documented manifest, before normalisation. Settings of our runs are found under their own
/// names ("scenario.turns"), those of the predecessor under its ("rehydrate_turns"). Throws
/// DataError naming the key that holds the wrong type.
nlohmann::json SemanticManifest(const BaselineSources& sources);

/// Drops what changes without meaning (times, paths, ids, nulls), rounds floats to 12 significant
/// digits. By kvtier equal settings become equal texts too: the worker's filter switch is a truth
/// value ("0", "false" and unset are one), sizes are numbers.
nlohmann::json NormaliseManifest(const nlohmann::json& manifest, Ruleset ruleset);

/// Lower-case SHA-256 of the normalised manifest as compact JSON in ASCII with sorted keys. By
/// kvtier the list of swept concurrencies is left out: a resumed sweep with another list still has
/// the same baseline.
std::string SemanticHash(const nlohmann::json& manifest, Ruleset ruleset = Ruleset::kKvtier);

/// A baseline as it is stored and compared.
struct Baseline {
  std::string updated_utc;
  std::string semantic_hash;
  std::string source_run_path, manifest_path;
  nlohmann::json semantic_manifest;  // null where only the hash is known
};
Baseline MakeBaseline(const BaselineSources& sources, Ruleset ruleset);
void to_json(nlohmann::json& j, const Baseline& b);
/// Fields of the predecessor suffice. Throws DataError naming the key when there is neither a hash
/// nor a manifest.
void from_json(const nlohmann::json& j, Baseline& b);

enum class BaselineAction { kMatch, kAccept, kWarn, kStop };
/// "match", "accept", "warn", "stop"
std::string_view BaselineActionName(BaselineAction action);

struct BaselineDecision {
  BaselineAction action = BaselineAction::kStop;
  /// BASELINE_MANIFEST_HASH_ACCEPTED, BASELINE_MANIFEST_HASH_MISMATCH_WARNING; empty otherwise.
  std::string warning_code;
  std::string reason;  // of a stop: baseline_manifest_hash_mismatch
  std::string known_hash, current_hash;
  std::vector<std::string> diff_fields;  // "workload_shape.seed", "phase_layout[1].requests"
  /// The sweep cannot be decision grade. A baseline that somebody accepted is recorded and does not
  /// demote, unless the runbook's ruleset says so.
  bool demotes = false;
};
/// Accepting goes before strictness. By kvtier the known hash is computed again from its manifest
/// where it has one, so that a baseline stored by the predecessor compares like with like.
BaselineDecision DecideBaseline(const Baseline& known, const Baseline& current, bool strict,
                                bool accept_new, Ruleset ruleset = Ruleset::kKvtier);
void to_json(nlohmann::json& j, const BaselineDecision& d);

/// Leaves that differ, dotted and indexed; "<root>" when the documents differ in kind.
std::vector<std::string> DiffFields(const nlohmann::json& a, const nlohmann::json& b);

/// One row of the audit log.
nlohmann::json BaselineAuditRow(const Baseline& known, const Baseline& accepted,
                                const BaselineDecision& decision, const std::string& baseline_file,
                                const std::string& reason, const std::string& timestamp_utc);

/// "1", "true", "yes", "on" in any case and with blanks around; anything else is false.
bool ParseLooseBool(std::string_view text);

}  // namespace kvtier
