#include "workloads/ttfc_sanity.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "harness/core/error.hpp"
#include "harness/judge/ttfc_sanity.hpp"
#include "workloads/identity.hpp"
#include "workloads/prompt_parts.hpp"

namespace kvtier {
namespace {

const PlannedRequest& FirstRequest(const Plan& run) {
  const auto phase = std::find_if(run.phases.begin(), run.phases.end(),
                                  [](const PhasePlan& p) { return !p.requests.empty(); });
  if (phase == run.phases.end()) {
    throw ConfigError(fmt::format(
        "the TTFC sanity check takes the first prompt of its run, and {} has none", run.scenario));
  }
  return phase->requests.front();
}

PlannedRequest Variant(PlannedRequest request, bool stream, int max_tokens,
                       const std::string& model) {
  request.arrival_offset_ns.reset();  // a closed loop, whatever the run is
  request.after.reset();
  request.think_time_ns = 0;
  request.params.stream = stream;
  request.params.max_tokens = max_tokens;
  request.identity = IdentityOf(model, request.prompt, request.params, request.extras);
  return request;
}

PhasePlan Phase(std::string name, const PlannedRequest& request, int requests, int concurrency) {
  return {.name = std::move(name),
          .concurrency = concurrency,
          .include_in_overall = false,
          .requests = std::vector<PlannedRequest>(static_cast<std::size_t>(requests), request)};
}

}  // namespace

Plan BuildTtfcSanityPlan(const Plan& run, const TtfcSanityOptions& options) {
  RequireInRange("requests", options.requests, 1, 100'000);
  RequireInRange("concurrency", options.concurrency, 1, 65'536);
  RequireInRange("short_max_tokens", options.short_max_tokens, 1, 1'000'000);
  RequireInRange("long_max_tokens", options.long_max_tokens, options.short_max_tokens, 1'000'000);
  const PlannedRequest& first = FirstRequest(run);
  if (const int needed = first.prompt_tokens_est + options.long_max_tokens;
      options.context_tokens > 0 && needed > options.context_tokens) {
    throw ConfigError(fmt::format(
        "ttfc_sanity.long_max_tokens {} after a prompt of {} tokens does not fit the context of "
        "{}: lower it, or raise stack.max_num_tokens",
        options.long_max_tokens, first.prompt_tokens_est, options.context_tokens));
  }
  Plan plan;
  plan.scenario = "ttfc_sanity";
  plan.phases.push_back(Phase(kTtfcSanityWarmUp,
                              Variant(first, true, options.short_max_tokens, options.model), 1, 1));
  for (const TtfcSanityCase& which : kTtfcSanityCases) {
    const int tokens = which.longer ? options.long_max_tokens : options.short_max_tokens;
    plan.phases.push_back(Phase(TtfcSanityPhase(which),
                                Variant(first, which.stream, tokens, options.model),
                                options.requests, options.concurrency));
  }
  return plan;
}

}  // namespace kvtier
