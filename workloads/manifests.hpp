#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "harness/load/plan.hpp"

namespace kvtier {

/// {workload [, phase_intent, session_id, session_turn_index, prefix_hash,
/// shared_prefix_tokens_est]}: the `metadata` object of spec/workloads.md section 4.6.
nlohmann::json MetadataJson(const PlannedRequest& request);

/// Rows of prompts_manifest.jsonl (spec/artifacts.md A3): one a distinct (prompt_set, prompt_id),
/// first occurrence wins.
std::vector<nlohmann::json> PromptManifestRows(const Plan& plan);
/// Rows of request_manifest.jsonl (A4): one a planned request, phases in order, phase_request_index
/// from 1. They depend on neither tier mode nor concurrency, so the file's SHA-256 is the
/// fingerprint of the workload. Both kinds of row carry schema_version as an extra key.
std::vector<nlohmann::json> RequestManifestRows(const Plan& plan);

/// Lower-case hex SHA-256 of a file. Throws IoError.
std::string FileSha256(const std::filesystem::path& path);

}  // namespace kvtier
