#include "workloads/eviction.hpp"

#include <vector>

#include <fmt/format.h>

#include "harness/core/rng.hpp"
#include "workloads/prompt_maker.hpp"
#include "workloads/prompt_parts.hpp"

namespace kvtier {
namespace {

/// One list of prompts: what they are called and which stream they are drawn from.
struct PromptList {
  const char* id_prefix;  // "A": prompts A-00000, A-00001 ...
  const char* prompt_set;
  const char* intent;
  char tag;  // of the nonce: keeps the lists apart
};

class EvictionBuilder {
 public:
  explicit EvictionBuilder(const EvictionOptions& o) : o_(o), maker_(o, "eviction_replay") {}

  Plan Build() {
    Plan plan;
    plan.scenario = "eviction_replay";
    if (o_.warmup_requests > 0) {
      plan.phases.push_back(
          ClosedPhase("warmup", o_.a_concurrency,
                      Prompts({"warmup", "warmup", "warmup", 'w'}, o_.warmup_requests), false));
    }
    const auto a = Prompts({"A", "replay_a", "warm_or_replay", 'a'}, o_.a_requests);
    plan.phases.push_back(ClosedPhase("warm_A", o_.a_concurrency, a));
    plan.phases.push_back(ClosedPhase("pressure_B", o_.b_concurrency,
                                      Prompts({"B", "replay_b", "pressure", 'b'}, o_.b_requests)));
    plan.phases.push_back(ClosedPhase("replay_A", o_.a_concurrency, a));
    return plan;
  }

 private:
  std::vector<PlannedRequest> Prompts(const PromptList& list, int count) {
    Rng rng = Rng::Stream(PairSeed(o_.run_seed, o_.pair_index),
                          fmt::format("eviction/{}", list.prompt_set));
    std::vector<PlannedRequest> requests;
    for (int i = 0; i < count; ++i) requests.push_back(Prompt(list, i, rng));
    return requests;
  }

  // Drawn in this order: size, topic, body.
  PlannedRequest Prompt(const PromptList& list, int index, Rng& rng) {
    const int tokens = DrawPromptSize({o_.target_tokens_min, o_.target_tokens_max}, true, rng);
    const std::string id = fmt::format("{}-{:05d}", list.id_prefix, index);
    PlannedRequest r = maker_.Unique({.tag = fmt::format("{}{:05d}", list.tag, index + 1),
                                      .intro = "a document that no other prompt shares\n",
                                      .topic = {},
                                      .doc_id = id},
                                     tokens, rng);
    r.prompt_id = id;
    r.prompt_set = list.prompt_set;
    r.metadata.phase_intent = list.intent;
    return r;
  }

  const EvictionOptions& o_;
  PromptMaker maker_;
};

}  // namespace

Plan BuildEvictionPlan(const EvictionOptions& options) {
  RequireInRange("warmup_requests", options.warmup_requests, 0, 9999);
  RequireInRange("a_requests", options.a_requests, 1, 9999);
  RequireInRange("b_requests", options.b_requests, 1, 9999);
  RequireInRange("a_concurrency", options.a_concurrency, 1, 100'000);
  RequireInRange("b_concurrency", options.b_concurrency, 1, 100'000);
  RequireInRange("long_range (its lower end)", options.target_tokens_min, 192, 1'000'000);
  RequireInRange("long_range (its upper end)", options.target_tokens_max, options.target_tokens_min,
                 1'000'000);
  return EvictionBuilder(options).Build();
}

}  // namespace kvtier
