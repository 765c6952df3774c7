#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "harness/net/openai.hpp"

namespace kvtier {

/// Hex SHA-256 values of spec/workloads.md section 7.
struct RequestIdentity {
  std::string prompt_sha256;
  std::string generation_params_sha256;
  std::string request_payload_sha256;
  std::string request_identity_sha256;
  std::string request_extras_sha256;
};

/// What a workload says about a prompt beside its text; goes into the manifests as `metadata` /
/// `prompt_metadata`.
struct PromptMetadata {
  std::string workload;                                  // "rehydrate_replay"
  std::string phase_intent;                              // "populate_or_replay" | "thrash" | ""
  std::optional<int> session_turn_index = std::nullopt;  // from 1
  std::optional<int> shared_prefix_tokens_est = std::nullopt;
};

/// One request of a plan. The prompt is a text, or token ids when `token_ids` is not empty (then
/// `prompt` is the canonical text form "[1,2,3]" that the prompt hash covers).
struct PlannedRequest {
  std::string prompt_id;
  std::string prompt_set;
  std::string prompt;
  std::vector<std::uint32_t> token_ids;
  int target_tokens = 0;
  int prompt_tokens_est = 0;  // exact on the reference stack
  GenerationParams params;
  RequestExtras extras;
  RequestIdentity identity;
  PromptMetadata metadata;
  std::optional<std::string> prefix_hash = std::nullopt;
  std::optional<std::string> session_id = std::nullopt;
  /// Offset of the intended send from the start of the phase, for open-loop and trace phases;
  /// closed loop: empty.
  std::optional<std::int64_t> arrival_offset_ns = std::nullopt;
  /// Position in the phase (from 0) of the request that must be over, however it ended, before this
  /// one is sent; then `think_time_ns` pass. Together with an offset the later moment holds. Empty:
  /// no wait.
  std::optional<int> after = std::nullopt;
  std::int64_t think_time_ns = 0;
};

/// A named part of a run, with a barrier before and after.
struct PhasePlan {
  std::string name;  // populate, thrash, replay, replay_2, reuse_1 ...
  int concurrency = 1;
  bool include_in_overall = true;
  std::vector<PlannedRequest> requests;
};

struct Plan {
  std::string scenario;
  std::vector<PhasePlan> phases;
};

}  // namespace kvtier
