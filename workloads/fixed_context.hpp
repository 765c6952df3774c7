#pragma once
#include "harness/load/plan.hpp"
#include "workloads/workload_options.hpp"

namespace kvtier {

/// The early workload fixed_context: one prompt of a given size, sent again and again by everybody.
/// One phase, main.
struct FixedContextOptions : WorkloadOptions {
  int requests = 64;
  int context_tokens = 4096;  // of the prompt, chat template included
  /// Every prompt gets a nonce of its own in front, so that none finds a block of another.
  bool nonce_per_request = false;
};

/// Throws ConfigError naming the option that is out of range.
Plan BuildFixedContextPlan(const FixedContextOptions& options);

}  // namespace kvtier
