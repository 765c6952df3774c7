#include "workloads/standard.hpp"

#include <fmt/format.h>

#include "harness/core/error.hpp"
#include "workloads/prompt_maker.hpp"
#include "workloads/prompt_parts.hpp"

namespace kvtier {
namespace {

// Drawn in this order: set, size, topic, body.
std::vector<PlannedRequest> StandardPrompts(const StandardOptions& o, const PromptMaker& maker,
                                            const std::string& list, int count) {
  Rng rng = maker.Stream(list);
  std::vector<PlannedRequest> requests;
  for (int i = 0; i < count; ++i) {
    const bool long_set = o.prompt_set == "long" || (o.prompt_set == "mixed" && rng.Below(2) == 1);
    const int tokens = DrawPromptSize(long_set ? o.long_sizes : o.short_sizes, long_set, rng);
    const std::string id = fmt::format("{}-{:05d}", list, i);
    PlannedRequest r = maker.Unique({.tag = fmt::format("{}{:05d}", list.front(), i + 1),
                                     .intro = "a document that no other prompt shares\n",
                                     .topic = {},
                                     .doc_id = id},
                                    tokens, rng);
    r.prompt_id = maker.Id(id);
    r.prompt_set = long_set ? "long" : "short";
    requests.push_back(std::move(r));
  }
  return requests;
}

}  // namespace

Plan BuildStandardPlan(const StandardOptions& o) {
  RequireInRange("requests", o.requests, 1, 99'999);
  RequireInRange("warmup_requests", o.warmup_requests, 0, 99'999);
  for (const auto& [name, sizes] :
       {std::pair<const char*, const PromptSizes&>{"short_range", o.short_sizes},
        {"long_range", o.long_sizes}}) {
    RequireInRange(fmt::format("{} (its lower end)", name), sizes.low, 192, 1'000'000);
    RequireInRange(fmt::format("{} (its upper end)", name), sizes.high, sizes.low, 1'000'000);
  }
  if (o.prompt_set != "short" && o.prompt_set != "long" && o.prompt_set != "mixed") {
    throw ConfigError(
        fmt::format("prompt_set is '{}': allowed are short, long and mixed", o.prompt_set));
  }
  const PromptMaker maker(o, "standard");
  Plan plan;
  plan.scenario = "standard";
  if (o.warmup_requests > 0) {
    plan.phases.push_back(ClosedPhase(
        "warmup", o.concurrency, StandardPrompts(o, maker, "warmup", o.warmup_requests), false));
  }
  plan.phases.push_back(
      ClosedPhase("main", o.concurrency, StandardPrompts(o, maker, "main", o.requests)));
  return plan;
}

}  // namespace kvtier
