#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "workloads/tokens.hpp"

namespace kvtier {

/// What every text workload is asked. A builder's own options derive from it.
struct WorkloadOptions {
  std::uint64_t run_seed = 1337;
  int pair_index = 0;  // prompts differ from pair to pair and are the same in both legs of one
  /// Keeps several workloads of one plan apart: part of their seeds, nonces and ids. Empty: alone.
  std::string tenant;
  int concurrency = 1;
  int gen_tokens = 256;
  bool ignore_eos = false;
  double temperature = 0;
  std::string model;  // as the server names it: the identity hashes cover it
  std::optional<std::int64_t> request_seed = std::nullopt;
  std::string chat_template = "llama3";
  int block_tokens = 32;
  TokenCounter counter = TokenCounter::ByteLevel();
};

/// Tokens of a prompt, chat template included, both ends included.
struct PromptSizes {
  int low = 512;
  int high = 2048;
};

}  // namespace kvtier
