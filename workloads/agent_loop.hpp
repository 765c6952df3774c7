#pragma once
#include <cstdint>

#include "harness/load/plan.hpp"
#include "workloads/workload_options.hpp"

namespace kvtier {

/// Workload family B: agents that work in turns. All sessions begin with the same instructions and
/// tool descriptions; a session's next prompt is its whole history, a scripted tool call and a tool
/// result, and is sent `think_time_ns` after the turn before it is over. One phase, agent_loop: the
/// first turns of all sessions, then their second ones, and so on.
struct AgentLoopOptions : WorkloadOptions {
  int sessions = 8;
  int turns = 4;
  int instructions_tokens = 2048;  // with the template's header, rounded down to whole blocks
  int tool_result_tokens = 256;
  std::int64_t think_time_ns = 1'000'000'000;
};

/// Throws ConfigError naming the option that is out of range.
Plan BuildAgentLoopPlan(const AgentLoopOptions& options);

}  // namespace kvtier
