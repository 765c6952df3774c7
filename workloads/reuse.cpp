#include "workloads/reuse.hpp"

#include <fmt/format.h>

#include "harness/core/files.hpp"
#include "harness/core/rng.hpp"
#include "workloads/chat_template.hpp"
#include "workloads/documents.hpp"
#include "workloads/prompt_parts.hpp"

namespace kvtier {
namespace {

PlannedRequest ReuseRequest(const ReuseOptions& o) {
  const std::uint64_t pair_seed = PairSeed(o.run_seed, o.pair_index);
  const ChatTemplate& wrapper = ChatTemplateNamed(o.chat_template);
  Rng rng = Rng::Stream(pair_seed, "reuse");
  DocumentSpec spec;
  spec.intro = SessionNonce(pair_seed, "r0001") + "one prompt, sent again and again\n";
  spec.topic = std::string(rng.Pick(DocumentTopics()));
  spec.doc_id = "reuse-00000";
  spec.target_tokens = o.prompt_target_tokens;
  const std::string document = MakeDocument(spec, o.counter, rng);
  const int around = o.counter.Count(wrapper.before_user) + o.counter.Count(document) +
                     o.counter.Count(wrapper.after_user);
  const std::string question = PadQuestion(fmt::format("\n\nUser Query:\nwhy {}?", spec.topic),
                                           around, o.block_tokens, o.counter);

  PlannedRequest r;
  r.prompt_id = "reuse-00000";
  r.prompt_set = "reuse";
  r.prompt = wrapper.Wrap(document + question);
  r.target_tokens = o.prompt_target_tokens;
  r.params.max_tokens = o.gen_tokens;
  r.params.temperature = o.temperature;
  r.params.seed = o.request_seed;
  r.extras.ignore_eos = o.ignore_eos;
  r.metadata.workload = "reuse_verify";
  SealRequest(r, o.model, o.counter);
  return r;
}

}  // namespace

Plan BuildReusePlan(const ReuseOptions& options) {
  RequireInRange("repeats", options.repeats, 2, 3);
  RequireInRange("prompt_target_tokens", options.prompt_target_tokens, 96, 1'000'000);
  RequireInRange("gen_tokens", options.gen_tokens, 1, 1'000'000);
  RequireInRange("block_tokens", options.block_tokens, 16, 1024);
  const PlannedRequest request = ReuseRequest(options);
  Plan plan;
  plan.scenario = "reuse_verify";
  for (int k = 1; k <= options.repeats; ++k) {
    plan.phases.push_back({.name = fmt::format("reuse_{}", k),
                           .concurrency = 1,
                           .include_in_overall = true,
                           .requests = {request}});
  }
  return plan;
}

}  // namespace kvtier
