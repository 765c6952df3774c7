#include "workloads/prompt_maker.hpp"

#include <array>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "workloads/documents.hpp"
#include "workloads/prompt_parts.hpp"

namespace kvtier {
namespace {

/// What PadQuestion adds at most with the byte-level counter: from a residue of block_tokens - 3 to
/// one of 4.
constexpr int kMostPadding = 7;
constexpr std::array kShortSizes{512, 768, 1024, 1536, 2048};
constexpr std::array kLongSizes{8192, 12288, 16384, 24576, 32768};

std::uint64_t TenantSeed(std::uint64_t pair_seed, const std::string& tenant) {
  return tenant.empty() ? pair_seed : Rng::Stream(pair_seed, "tenant/" + tenant).Next();
}

}  // namespace

int DrawPromptSize(const PromptSizes& range, bool long_set, Rng& rng) {
  std::vector<int> preferred;
  for (const int tokens : long_set ? kLongSizes : kShortSizes) {
    if (range.low <= tokens && tokens <= range.high) preferred.push_back(tokens);
  }
  if (!preferred.empty()) return rng.Pick(std::span<const int>(preferred));
  return range.low + static_cast<int>(rng.Below(static_cast<std::uint64_t>(range.high) -
                                                static_cast<std::uint64_t>(range.low) + 1));
}

PromptMaker::PromptMaker(const WorkloadOptions& options, std::string workload)
    : o_(options),
      workload_(std::move(workload)),
      seed_(TenantSeed(PairSeed(options.run_seed, options.pair_index), options.tenant)),
      wrapper_(ChatTemplateNamed(options.chat_template)) {
  RequireInRange("concurrency", o_.concurrency, 1, 100'000);
  RequireInRange("gen_tokens", o_.gen_tokens, 1, 1'000'000);
  RequireInRange("block_tokens", o_.block_tokens, 16, 1024);
}

std::string PromptMaker::Id(std::string_view name) const {
  return o_.tenant.empty() ? std::string(name) : fmt::format("{}-{}", o_.tenant, name);
}

Rng PromptMaker::Stream(std::string_view name) const {
  return Rng::Stream(seed_, fmt::format("{}/{}", workload_, name));
}

std::string PromptMaker::SharedPrefix(const TextSpec& spec, int tokens, Rng& rng) const {
  const int header = o_.counter.Count(wrapper_.before_user);
  const int whole_blocks = tokens / o_.block_tokens * o_.block_tokens;
  return MakeDocument({.intro = SessionNonce(seed_, Id(spec.tag)) + spec.intro,
                       .topic = spec.topic,
                       .doc_id = Id(spec.doc_id),
                       .target_tokens = whole_blocks - header},
                      o_.counter, rng);
}

std::string PromptMaker::Own(std::string_view tag, std::string_view question) const {
  return SessionNonce(seed_, Id(tag)) + std::string(question);
}

PlannedRequest PromptMaker::Request(const std::string& shared, std::string question) const {
  const int around = o_.counter.Count(wrapper_.before_user) + o_.counter.Count(shared) +
                     o_.counter.Count(wrapper_.after_user);
  PlannedRequest r;
  r.prompt =
      wrapper_.Wrap(shared + PadQuestion(std::move(question), around, o_.block_tokens, o_.counter));
  r.params.max_tokens = o_.gen_tokens;
  r.params.temperature = o_.temperature;
  r.params.seed = o_.request_seed;
  r.extras.ignore_eos = o_.ignore_eos;
  r.metadata.workload = workload_;
  SealRequest(r, o_.model, o_.counter);
  r.target_tokens = r.prompt_tokens_est;
  return r;
}

PlannedRequest PromptMaker::Unique(const TextSpec& spec, int tokens, Rng& rng) const {
  const auto topic = rng.Pick(DocumentTopics());
  const std::string question = fmt::format("\n\nUser Query:\nwhy {}?", topic);
  const int around = o_.counter.Count(wrapper_.before_user) +
                     o_.counter.Count(wrapper_.after_user) + o_.counter.Count(question);
  const std::string document =
      MakeDocument({.intro = SessionNonce(seed_, Id(spec.tag)) + spec.intro,
                    .topic = std::string(topic),
                    .doc_id = Id(spec.doc_id),
                    .target_tokens = tokens - around - kMostPadding},
                   o_.counter, rng);
  PlannedRequest r = Request(document, question);
  r.target_tokens = tokens;
  return r;
}

PhasePlan ClosedPhase(std::string name, int concurrency, std::vector<PlannedRequest> requests,
                      bool include_in_overall) {
  return {.name = std::move(name),
          .concurrency = concurrency,
          .include_in_overall = include_in_overall,
          .requests = std::move(requests)};
}

}  // namespace kvtier
