#pragma once
#include <cstdint>

#include "harness/load/plan.hpp"
#include "workloads/workload_options.hpp"

namespace kvtier {

/// The early workload sessioned_chat: sessions that are built turn by turn, left alone, and taken
/// up again. Phase build: every turn sends the whole history and a chunk more. Phase resume (absent
/// with 0 turns): short questions behind the whole history. The barrier between the phases, which
/// waits until the tiers are at rest, stands for the time that a session is left alone.
struct SessionedChatOptions : WorkloadOptions {
  int sessions = 16;
  int min_turns = 3;  // drawn for each session
  int max_turns = 10;
  int resume_turns = 1;
  int chunk_tokens = 1024;  // that a build turn adds
  std::int64_t think_time_ns = 0;
};

/// Throws ConfigError naming the option that is out of range.
Plan BuildSessionedChatPlan(const SessionedChatOptions& options);

}  // namespace kvtier
