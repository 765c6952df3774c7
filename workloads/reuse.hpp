#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "harness/load/plan.hpp"
#include "workloads/tokens.hpp"

namespace kvtier {

/// The scenario reuse_verify (spec/workloads.md section 3.3): the same single prompt, `repeats`
/// times, one request a phase (reuse_1, reuse_2 ...), concurrency 1, no warm-up.
struct ReuseOptions {
  std::uint64_t run_seed = 20260210;
  int pair_index = 0;
  int repeats = 3;  // 2 or 3
  int prompt_target_tokens = 512;
  int gen_tokens = 8;
  bool ignore_eos = false;
  double temperature = 0;
  std::string model;
  std::optional<std::int64_t> request_seed = std::nullopt;
  std::string chat_template = "llama3";
  int block_tokens = 32;
  TokenCounter counter = TokenCounter::ByteLevel();
};

/// Throws ConfigError naming the option that is out of range.
Plan BuildReusePlan(const ReuseOptions& options);

}  // namespace kvtier
