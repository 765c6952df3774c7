#pragma once
#include "harness/load/plan.hpp"
#include "workloads/workload_options.hpp"

namespace kvtier {

/// The scenario eviction_replay (spec/workloads.md section 3.2): [warmup,] warm_A, pressure_B,
/// replay_A.
struct EvictionOptions : WorkloadOptions {
  int warmup_requests = 0;  // no warm-up phase when 0
  int a_requests = 8;
  int b_requests = 16;
  int a_concurrency = 2;  // of the warm-up, of warm_A and of its replay
  int b_concurrency = 4;
  /// Range of a prompt's tokens, chat template included. Sizes are drawn from 8192, 12288, 16384,
  /// 24576 and 32768 where some of them lie inside (section 4.3), else from the whole range.
  int target_tokens_min = 6000;
  int target_tokens_max = 7600;
};

/// Deterministic in the options; replay_A is the list of warm_A, byte for byte. Each prompt is a
/// document of its own that begins with a nonce right behind the template header, so no two prompts
/// of a plan share an engine block, those of the warm-up and of warm_A neither. The document is
/// sized first and then wrapped: nothing stands behind the assistant header. A prompt has at most
/// its drawn size and with the byte-level counter at most 7 tokens less; its tokens modulo
/// `block_tokens` lie in [4, block_tokens - 4]. Throws ConfigError naming the option that is out of
/// range.
Plan BuildEvictionPlan(const EvictionOptions& options);

}  // namespace kvtier
