#include "workloads/eviction.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include <fmt/format.h>

#include "harness/core/error.hpp"
#include "harness/core/rng.hpp"
#include "workloads/chat_template.hpp"
#include "workloads/documents.hpp"
#include "workloads/prompt_parts.hpp"

namespace kvtier {
namespace {

/// What PadQuestion adds at most with the byte-level counter: from a residue of block_tokens - 3 to
/// one of 4.
constexpr int kPadding = 7;
constexpr std::array kPreferredTokens{8192, 12288, 16384, 24576, 32768};

/// One list of prompts: what they are called and which stream they are drawn from.
struct PromptList {
  const char* id_prefix;  // "A": prompts A-00000, A-00001 ...
  const char* prompt_set;
  const char* intent;
  char tag;  // of the nonce: keeps the lists apart
};

class Builder {
 public:
  explicit Builder(const EvictionOptions& o)
      : o_(o),
        pair_seed_(PairSeed(o.run_seed, o.pair_index)),
        wrapper_(ChatTemplateNamed(o.chat_template)) {
    for (const int tokens : kPreferredTokens) {
      if (o.target_tokens_min <= tokens && tokens <= o.target_tokens_max)
        preferred_.push_back(tokens);
    }
  }

  Plan Build() {
    Plan plan;
    plan.scenario = "eviction_replay";
    if (o_.warmup_requests > 0) {
      plan.phases.push_back(
          {.name = "warmup",
           .concurrency = o_.a_concurrency,
           .include_in_overall = false,
           .requests = Prompts({"warmup", "warmup", "warmup", 'w'}, o_.warmup_requests)});
    }
    const auto a = Prompts({"A", "replay_a", "warm_or_replay", 'a'}, o_.a_requests);
    plan.phases.push_back(Phase("warm_A", o_.a_concurrency, a));
    plan.phases.push_back(Phase("pressure_B", o_.b_concurrency,
                                Prompts({"B", "replay_b", "pressure", 'b'}, o_.b_requests)));
    plan.phases.push_back(Phase("replay_A", o_.a_concurrency, a));
    return plan;
  }

 private:
  static PhasePlan Phase(std::string name, int concurrency, std::vector<PlannedRequest> requests) {
    return {.name = std::move(name),
            .concurrency = concurrency,
            .include_in_overall = true,
            .requests = std::move(requests)};
  }

  int DrawTarget(Rng& rng) const {
    if (!preferred_.empty()) return rng.Pick(std::span<const int>(preferred_));
    const int width = o_.target_tokens_max - o_.target_tokens_min + 1;
    return o_.target_tokens_min + static_cast<int>(rng.Below(static_cast<std::uint64_t>(width)));
  }

  std::vector<PlannedRequest> Prompts(const PromptList& list, int count) {
    Rng rng = Rng::Stream(pair_seed_, fmt::format("eviction/{}", list.prompt_set));
    std::vector<PlannedRequest> requests;
    for (int i = 0; i < count; ++i) requests.push_back(Prompt(list, i, rng));
    return requests;
  }

  // Drawn in this order: size, topic, body.
  PlannedRequest Prompt(const PromptList& list, int index, Rng& rng) {
    PlannedRequest r;
    r.target_tokens = DrawTarget(rng);
    r.prompt_id = fmt::format("{}-{:05d}", list.id_prefix, index);
    r.prompt_set = list.prompt_set;
    const auto topic = rng.Pick(DocumentTopics());
    const std::string question = fmt::format("\n\nUser Query:\nwhy {}?", topic);
    const int wrapping =
        o_.counter.Count(wrapper_.before_user) + o_.counter.Count(wrapper_.after_user);
    DocumentSpec spec;
    spec.intro = SessionNonce(pair_seed_, fmt::format("{}{:05d}", list.tag, index + 1)) +
                 "a document that no other prompt shares\n";
    spec.topic = std::string(topic);
    spec.doc_id = r.prompt_id;
    spec.target_tokens = r.target_tokens - wrapping - o_.counter.Count(question) - kPadding;
    const std::string document = MakeDocument(spec, o_.counter, rng);
    r.prompt = wrapper_.Wrap(document + PadQuestion(question, wrapping + o_.counter.Count(document),
                                                    o_.block_tokens, o_.counter));
    r.params.max_tokens = o_.gen_tokens;
    r.params.temperature = o_.temperature;
    r.params.seed = o_.request_seed;
    r.extras.ignore_eos = o_.ignore_eos;
    r.metadata.workload = "eviction_replay";
    r.metadata.phase_intent = list.intent;
    SealRequest(r, o_.model, o_.counter);
    return r;
  }

  const EvictionOptions& o_;
  std::uint64_t pair_seed_;
  const ChatTemplate& wrapper_;
  std::vector<int> preferred_;
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
  RequireInRange("gen_tokens", options.gen_tokens, 1, 1'000'000);
  RequireInRange("block_tokens", options.block_tokens, 16, 1024);
  return Builder(options).Build();
}

}  // namespace kvtier
