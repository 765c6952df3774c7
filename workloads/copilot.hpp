#pragma once
#include "harness/load/plan.hpp"
#include "workloads/workload_options.hpp"

namespace kvtier {

/// The scenario local_copilot_burst (spec/workloads.md sections 3.4 and 4.5) and workload family A:
/// one long project context that every request begins with, and bursts of short questions, each
/// burst of one session. [warmup,] copilot_burst; the warm-up has a context of its own, so that it
/// does not prepare what is measured.
struct CopilotOptions : WorkloadOptions {
  int requests = 48;
  int warmup_requests = 6;  // no warm-up phase when 0
  int session_count = 8;
  int burst_size = 4;
  /// Of the context with the template's header, rounded down to whole engine blocks.
  int shared_prefix_tokens = 3072;
};

/// Throws ConfigError naming the option that is out of range.
Plan BuildCopilotPlan(const CopilotOptions& options);

}  // namespace kvtier
