#pragma once
#include "harness/load/plan.hpp"
#include "workloads/agent_loop.hpp"
#include "workloads/copilot.hpp"
#include "workloads/rag_summarize.hpp"

namespace kvtier {

/// Workload family D: tenants that share one server and no block. Tenant 1 works as family A,
/// tenant 2 as B, tenant 3 as C, tenant 4 as A again, and so on. One phase, mixed: their requests
/// interleaved at random, each tenant's in its own order, turns still after the turns before them.
struct MixedTenantsOptions : WorkloadOptions {
  int tenants = 3;
  /// Shapes of one tenant each; their common options are those of this struct. A copilot tenant has
  /// no warm-up.
  CopilotOptions copilot;
  AgentLoopOptions agent;
  RagOptions rag;
};

/// Throws ConfigError naming the option that is out of range.
Plan BuildMixedTenantsPlan(const MixedTenantsOptions& options);

}  // namespace kvtier
