#pragma once
#include <cstdint>

#include "harness/load/plan.hpp"
#include "workloads/workload_options.hpp"

namespace kvtier {

/// One bucket of mixed_context: how often, and how long.
struct ContextBucket {
  int weight = 1;  // against the weights of the others
  PromptSizes sizes;
};

/// The early workload mixed_context: documents of their own in three sizes. One phase, main; the
/// bucket of a request is its phase_intent.
struct MixedContextOptions : WorkloadOptions {
  int requests = 64;
  ContextBucket short_bucket{60, {200, 500}};
  ContextBucket medium_bucket{30, {800, 1500}};
  ContextBucket long_bucket{10, {2500, 3200}};
  /// False: even, a closed loop. True: an open loop of bursts of 3 to 7 requests that arrive
  /// together, 0.5 to 1.5 times `burst_pause_ns` after the burst before.
  bool bursty = false;
  std::int64_t burst_pause_ns = 1'000'000'000;
};

/// The prompts are the same for even and bursty arrivals. Throws ConfigError naming the option that
/// is out of range.
Plan BuildMixedContextPlan(const MixedContextOptions& options);

}  // namespace kvtier
