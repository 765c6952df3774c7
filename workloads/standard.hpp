#pragma once
#include <string>

#include "harness/load/plan.hpp"
#include "workloads/workload_options.hpp"

namespace kvtier {

/// The scenario standard (spec/workloads.md section 3.1): [warmup,] main, every prompt a document
/// of its own.
struct StandardOptions : WorkloadOptions {
  std::string prompt_set = "short";  // short, long, or mixed: a fair coin a prompt
  int requests = 64;
  int warmup_requests = 8;  // no warm-up phase when 0
  PromptSizes short_sizes{512, 2048};
  PromptSizes long_sizes{8192, 32768};
};

/// No two prompts share an engine block, those of the warm-up neither: a hit in any tier is a
/// contradiction. Throws ConfigError naming the option that is out of range.
Plan BuildStandardPlan(const StandardOptions& options);

}  // namespace kvtier
