#include "workloads/fixed_context.hpp"

#include <vector>

#include <fmt/format.h>

#include "workloads/prompt_maker.hpp"
#include "workloads/prompt_parts.hpp"

namespace kvtier {

Plan BuildFixedContextPlan(const FixedContextOptions& o) {
  RequireInRange("requests", o.requests, 1, 99'999);
  RequireInRange("context_tokens", o.context_tokens, 192, 1'000'000);
  const PromptMaker maker(o, "fixed_context");
  std::vector<PlannedRequest> requests;
  for (int i = 0; i < o.requests; ++i) {
    const int which = o.nonce_per_request ? i : 0;
    if (which == 0 && i > 0) {
      requests.push_back(requests.front());
      continue;
    }
    Rng rng = maker.Stream("text");  // the same text behind every nonce
    const std::string id = fmt::format("fixed-{:05d}", which);
    PlannedRequest r = maker.Unique({.tag = fmt::format("f{:05d}", which + 1),
                                     .intro = "the context of everybody\n",
                                     .topic = {},
                                     .doc_id = "fixed-context"},
                                    o.context_tokens, rng);
    r.prompt_id = maker.Id(id);
    r.prompt_set = "fixed_context";
    requests.push_back(std::move(r));
  }
  Plan plan;
  plan.scenario = "fixed_context";
  plan.phases.push_back(ClosedPhase("main", o.concurrency, std::move(requests)));
  return plan;
}

}  // namespace kvtier
