#include "harness/judge/baseline.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <set>

#include <fmt/format.h>

#include "harness/core/error.hpp"
#include "harness/core/files.hpp"
#include "harness/judge/baseline_fields.hpp"
#include "harness/judge/reason.hpp"

namespace kvtier {
namespace {

using nlohmann::json;
using namespace baseline_fields;

/// spec: rules 8.2
const std::set<std::string> kDroppedKeys{
    "created_utc",  "created_at", "timestamp",    "timestamp_utc", "ts",
    "run_id",       "run_path",   "results_root", "cwd",           "hostname",
    "container_id", "git_dirty",  "build_id",     "path",          "paths"};

bool Dropped(const std::string& key) {
  return kDroppedKeys.contains(key) || key.ends_with("_path") || key.ends_with("_dir");
}

json Normalised(const json& value) {
  if (value.is_object()) {
    json out = json::object();
    for (const auto& [key, member] : value.items()) {
      if (!Dropped(key) && !member.is_null()) out[key] = Normalised(member);
    }
    return out;
  }
  if (value.is_array()) {
    json out = json::array();
    for (const json& item : value) {
      if (!item.is_null()) out.push_back(Normalised(item));
    }
    return out;
  }
  if (value.is_number_float()) return *ParseDouble(fmt::format("{:.12g}", value.get<double>()));
  return value;
}

/// The worker knows no difference between a switch that is unset, "0" and "false", nor between "32"
/// and "32.0". Where nothing of its environment is known, nothing is assumed.
void UnifyRuntimeEnv(json& manifest) {
  if (!manifest.contains("kv_mode") || !manifest["kv_mode"].is_object()) return;
  json& kv_mode = manifest["kv_mode"];
  if (!kv_mode.contains("runtime_env") || !kv_mode["runtime_env"].is_object()) return;
  json& env = kv_mode["runtime_env"];
  if (env.empty()) return;
  const std::string filter(kFilterEnv);
  env[filter] = AsBool(env.value(filter, json()), false);
  for (const std::string_view name : kSizeEnv) {
    const auto found = env.find(std::string(name));
    if (found == env.end() || !found->is_string()) continue;
    if (const auto number = ParseDouble(found->get_ref<const std::string&>())) *found = *number;
  }
}

void CollectDiff(const json& a, const json& b, const std::string& at,
                 std::vector<std::string>& out) {
  if (a == b) return;
  const json nothing;
  if ((a.is_object() || a.is_null()) && (b.is_object() || b.is_null()) &&
      !(a.empty() && b.empty())) {
    std::set<std::string> keys;
    for (const json* side : {&a, &b}) {
      for (const auto& item : side->items()) keys.insert(item.key());
    }
    for (const auto& key : keys) {
      const auto side = [&](const json& j) { return j.contains(key) ? j[key] : nothing; };
      CollectDiff(side(a), side(b), at.empty() ? key : at + "." + key, out);
    }
    return;
  }
  if ((a.is_array() || a.is_null()) && (b.is_array() || b.is_null()) && !(a.empty() && b.empty())) {
    for (std::size_t i = 0; i < std::max(a.size(), b.size()); ++i) {
      CollectDiff(i < a.size() ? a[i] : nothing, i < b.size() ? b[i] : nothing,
                  fmt::format("{}[{}]", at, i), out);
    }
    return;
  }
  out.push_back(at.empty() ? "<root>" : at);
}

std::string KnownHash(const Baseline& b, Ruleset ruleset) {
  const bool computable = b.semantic_manifest.is_object() && !b.semantic_manifest.empty();
  if (ruleset == Ruleset::kRunbook && !b.semantic_hash.empty()) return b.semantic_hash;
  return computable ? SemanticHash(b.semantic_manifest, ruleset) : b.semantic_hash;
}

}  // namespace

json NormaliseManifest(const json& manifest, Ruleset ruleset) {
  json out = Normalised(manifest);
  if (ruleset == Ruleset::kKvtier) {
    UnifyRuntimeEnv(out);
    out = Normalised(out);
  }
  return out;
}

std::string SemanticHash(const json& manifest, Ruleset ruleset) {
  json out = NormaliseManifest(manifest, ruleset);
  if (ruleset == Ruleset::kKvtier && out.contains("sweep_policy") &&
      out["sweep_policy"].is_object())
    out["sweep_policy"].erase("sweep_replay_concurrencies");
  return Sha256Hex(out.dump(-1, ' ', true));
}

Baseline MakeBaseline(const BaselineSources& sources, Ruleset ruleset) {
  Baseline b;
  b.semantic_manifest = NormaliseManifest(SemanticManifest(sources), ruleset);
  b.semantic_hash = SemanticHash(b.semantic_manifest, ruleset);
  return b;
}

void to_json(json& j, const Baseline& b) {
  j = {{"schema_version", 1},
       {"updated_utc", b.updated_utc},
       {"semantic_hash", b.semantic_hash},
       {"source_run_path", b.source_run_path},
       {"manifest_path", b.manifest_path},
       {"semantic_manifest", b.semantic_manifest}};
}

void from_json(const json& j, Baseline& b) {
  if (!j.is_object()) throw DataError("the baseline is no JSON object");
  b = {};
  const auto text = [&](const char* key) {
    const json value = AsText(key, Get(j, key));
    return value.is_null() ? std::string() : value.get<std::string>();
  };
  const json version = Get(j, "schema_version");
  if (!version.is_null() && version != 1)
    Refuse("schema_version", version, "1, the version this program reads");
  b.updated_utc = text("updated_utc");
  b.semantic_hash = text("semantic_hash");
  b.source_run_path = text("source_run_path");
  b.manifest_path = text("manifest_path");
  b.semantic_manifest = Get(j, "semantic_manifest");
  if (!b.semantic_manifest.is_null() && !b.semantic_manifest.is_object())
    Refuse("semantic_manifest", b.semantic_manifest, "an object");
  if (b.semantic_hash.empty() && b.semantic_manifest.empty())
    throw DataError("the baseline has neither semantic_hash nor semantic_manifest");
}

std::string_view BaselineActionName(BaselineAction action) {
  switch (action) {
    case BaselineAction::kMatch:
      return "match";
    case BaselineAction::kAccept:
      return "accept";
    case BaselineAction::kWarn:
      return "warn";
    case BaselineAction::kStop:
      break;
  }
  return "stop";
}

BaselineDecision DecideBaseline(const Baseline& known, const Baseline& current, bool strict,
                                bool accept_new, Ruleset ruleset) {
  BaselineDecision d;
  d.known_hash = KnownHash(known, ruleset);
  d.current_hash = KnownHash(current, ruleset);
  // A hash without its manifest may have been made by the runbook's rules.
  const bool old_hash = ruleset == Ruleset::kKvtier && known.semantic_manifest.empty() &&
                        !current.semantic_manifest.empty() &&
                        d.known_hash == SemanticHash(current.semantic_manifest, Ruleset::kRunbook);
  if (d.known_hash == d.current_hash || old_hash) {
    d.action = BaselineAction::kMatch;
    return d;
  }
  d.diff_fields = DiffFields(NormaliseManifest(known.semantic_manifest, ruleset),
                             NormaliseManifest(current.semantic_manifest, ruleset));
  if (ruleset == Ruleset::kKvtier) {
    std::erase_if(d.diff_fields, [](const std::string& field) {
      return field.starts_with("sweep_policy.sweep_replay_concurrencies");
    });
  }
  if (accept_new) {
    d.action = BaselineAction::kAccept;
    d.warning_code = Code(Reason::kBaselineManifestHashAccepted);
    d.demotes = ruleset == Ruleset::kRunbook;
  } else if (strict) {
    d.action = BaselineAction::kStop;
    d.reason = "baseline_manifest_hash_mismatch";
    d.demotes = true;
  } else {
    d.action = BaselineAction::kWarn;
    d.warning_code = Code(Reason::kBaselineManifestHashMismatchWarning);
    d.demotes = true;
  }
  return d;
}

void to_json(json& j, const BaselineDecision& d) {
  const auto or_null = [](const std::string& text) { return text.empty() ? json() : json(text); };
  j = {{"schema_version", 1},
       {"decision", BaselineActionName(d.action)},
       {"warning_code", or_null(d.warning_code)},
       {"reason", or_null(d.reason)},
       {"known_semantic_hash", or_null(d.known_hash)},
       {"current_semantic_hash", d.current_hash},
       {"diff_fields", d.diff_fields},
       {"demotes_decision_grade", d.demotes}};
}

std::vector<std::string> DiffFields(const json& a, const json& b) {
  std::vector<std::string> out;
  CollectDiff(a, b, "", out);
  return out;
}

json BaselineAuditRow(const Baseline& known, const Baseline& accepted,
                      const BaselineDecision& decision, const std::string& baseline_file,
                      const std::string& reason, const std::string& timestamp_utc) {
  const json& m = accepted.semantic_manifest;
  return {
      {"schema_version", 1},
      {"timestamp_utc", timestamp_utc},
      {"action", "accept_new_baseline_manifest"},
      {"reason", reason},
      {"previous_semantic_hash", decision.known_hash.empty() ? json() : json(decision.known_hash)},
      {"new_semantic_hash", decision.current_hash},
      {"baseline_file", baseline_file},
      {"known_source_run_path", known.source_run_path},
      {"new_source_run_path", accepted.source_run_path},
      {"changed_fields", decision.diff_fields},
      {"semantic_manifest_summary",
       {{"scenario", Get(m, "scenario")},
        {"tier_mode", Get(m, "tier_mode")},
        {"kv_mode", Get(m, "kv_mode")},
        {"model_profile", Get(m, "model_profile")},
        {"sweep_replay_concurrencies", Get(m, "sweep_policy.sweep_replay_concurrencies")}}}};
}

}  // namespace kvtier
