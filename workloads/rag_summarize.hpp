#pragma once
#include "harness/load/plan.hpp"
#include "workloads/workload_options.hpp"

namespace kvtier {

/// Workload family C: long documents, several short questions about each, short answers. Phase
/// ask_k sends the k-th question about every document, in an order of its own; ask_1 reads the
/// documents for the first time. Within a phase no two prompts share a block, so between the
/// phases' barriers the hits of every tier are known.
struct RagOptions : WorkloadOptions {
  int documents = 16;
  int questions = 4;           // about each document
  int document_tokens = 6144;  // with the template's header, rounded down to whole blocks
};

/// Throws ConfigError naming the option that is out of range.
Plan BuildRagPlan(const RagOptions& options);

}  // namespace kvtier
