#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "harness/load/plan.hpp"
#include "workloads/tokens.hpp"

namespace kvtier {

/// The scenario rehydrate_replay (spec/workloads.md sections 3.5 and 4.6): populate, thrash
/// [, populate_2, thrash_2 ...], replay [, replay_2 ...].
struct RehydrateOptions {
  std::uint64_t run_seed = 20260212;
  int pair_index = 0;  // prompts differ from pair to pair and are the same in both legs of one
  int populate_sessions = 16;
  int turns = 2;
  int thrash_sessions = 192;
  int prefix_target_tokens = 4096;
  int replay_repeats = 2;
  /// How often the measured prompts are computed before their replay. 2: populate_2 sends those of
  /// populate again and thrash_2 has sessions of its own, so that with KVBM's disk-offload filter
  /// on the measured blocks are written to the SSD and those of thrash, sent once, are not.
  int populate_visits = 1;
  int gen_tokens = 128;
  int populate_concurrency = 2;
  int thrash_concurrency = 2;
  int replay_concurrency = 1;
  bool ignore_eos = false;
  double temperature = 0;
  std::string model;  // as the server names it: the identity hashes cover it
  std::optional<std::int64_t> request_seed = std::nullopt;
  std::string chat_template = "llama3";
  int block_tokens = 32;
  TokenCounter counter = TokenCounter::ByteLevel();
};

/// Deterministic in the options. The text of a prompt begins with a nonce of its session right
/// behind the template header, so two sessions share no engine block; the turns of one session
/// share their whole prefix (the nonce, two intro lines and the document, `prefix_target_tokens` in
/// all). The question is padded so that a prompt's tokens modulo `block_tokens` lie in [4,
/// block_tokens - 4]: never a multiple, whatever the last block's rules. Prefix 512 gives about 570
/// tokens, 17 full blocks of 32. Throws ConfigError naming the option that is out of range.
Plan BuildRehydratePlan(const RehydrateOptions& options);

}  // namespace kvtier
