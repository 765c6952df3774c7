#include "workloads/manifests.hpp"

#include <set>
#include <utility>

#include "harness/core/files.hpp"

namespace kvtier {
namespace {

using nlohmann::json;

constexpr int kManifestSchemaVersion = 1;

void AddOptionalKeys(json& row, const char* metadata_key, const PlannedRequest& request) {
  if (!request.metadata.workload.empty()) row[metadata_key] = MetadataJson(request);
  if (request.prefix_hash) row["prefix_hash"] = *request.prefix_hash;
  if (request.session_id) row["session_id"] = *request.session_id;
}

}  // namespace

json MetadataJson(const PlannedRequest& request) {
  const PromptMetadata& m = request.metadata;
  json j{{"workload", m.workload}};
  if (!m.phase_intent.empty()) j["phase_intent"] = m.phase_intent;
  if (m.session_turn_index) j["session_turn_index"] = *m.session_turn_index;
  if (m.shared_prefix_tokens_est) j["shared_prefix_tokens_est"] = *m.shared_prefix_tokens_est;
  if (request.session_id) j["session_id"] = *request.session_id;
  if (request.prefix_hash) j["prefix_hash"] = *request.prefix_hash;
  return j;
}

std::vector<json> PromptManifestRows(const Plan& plan) {
  std::vector<json> rows;
  std::set<std::pair<std::string, std::string>> seen;
  for (const auto& phase : plan.phases) {
    for (const auto& r : phase.requests) {
      if (!seen.emplace(r.prompt_set, r.prompt_id).second) continue;
      json row{{"schema_version", kManifestSchemaVersion},
               {"prompt_id", r.prompt_id},
               {"prompt_set", r.prompt_set},
               {"target_tokens", r.target_tokens},
               {"prompt_tokens_est", r.prompt_tokens_est},
               {"prompt_chars", r.prompt.size()},
               {"prompt_sha256", r.identity.prompt_sha256}};
      AddOptionalKeys(row, "metadata", r);
      rows.push_back(std::move(row));
    }
  }
  return rows;
}

std::vector<json> RequestManifestRows(const Plan& plan) {
  std::vector<json> rows;
  for (const auto& phase : plan.phases) {
    int index = 0;
    for (const auto& r : phase.requests) {
      json row{{"schema_version", kManifestSchemaVersion},
               {"phase", phase.name},
               {"phase_request_index", ++index},
               {"prompt_id", r.prompt_id},
               {"prompt_set", r.prompt_set},
               {"prompt_tokens_est", r.prompt_tokens_est},
               {"prompt_sha256", r.identity.prompt_sha256}};
      AddOptionalKeys(row, "prompt_metadata", r);
      rows.push_back(std::move(row));
    }
  }
  return rows;
}

std::string FileSha256(const std::filesystem::path& path) {
  return Sha256Hex(ReadFile(path));
}

}  // namespace kvtier
