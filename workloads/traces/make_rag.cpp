// Questions about documents: the pool is larger than the fast tiers by a stated factor, a sweep
// touches each document once (random warm-up would need many times as many requests to have touched
// them all), then one document a request, by popularity, with a question of its own behind it.
#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "harness/core/error.hpp"
#include "workloads/traces/draws.hpp"
#include "workloads/traces/trace_recipe.hpp"

namespace kvtier {
namespace {

constexpr std::size_t kRagRequests = 2'000;
constexpr std::int64_t kQuestionTokens = 64;
constexpr double kGapMs = 1000;
constexpr double kMostDocuments = 1e6;

}  // namespace

MadeTrace MakeRag(const TraceRecipe& recipe) {
  const double pool = std::ceil(recipe.pool_factor * static_cast<double>(recipe.capacity_tokens) /
                                static_cast<double>(recipe.document_tokens));
  if (pool > kMostDocuments)
    throw ConfigError(
        fmt::format("rag would need {:.0f} documents: lower capacity_tokens or "
                    "pool_factor, or raise document_tokens",
                    pool));
  const auto documents = static_cast<std::size_t>(pool);
  const std::size_t measured = recipe.requests == 0 ? kRagRequests : recipe.requests;
  const std::int64_t blocks =
      (recipe.document_tokens + recipe.block_tokens - 1) / recipe.block_tokens;
  Rng rng = Rng::Stream(recipe.seed, "rag");
  const Zipf popularity(documents, recipe.skew);
  std::vector<std::size_t> rank(documents);  // a document's popularity has nothing to do with its
  for (std::size_t i = 0; i < documents; ++i) rank[i] = i;  // place in the sweep
  rng.Shuffle(rank);

  MadeTrace made;
  std::uint64_t question = 0;
  std::size_t top = 0;
  for (std::size_t i = 0; i < documents + measured; ++i) {
    const bool warm_up = i < documents;
    const std::size_t drawn = warm_up ? 0 : popularity.Draw(rng);
    const std::size_t document = warm_up ? i : rank[drawn];
    top += !warm_up && drawn == 0 ? 1 : 0;
    TraceRequest& r = made.requests.emplace_back();
    r.timestamp_ms = static_cast<double>(i) * kGapMs;
    r.tenant = warm_up ? "warm_up" : "measured";
    r.block_tokens = recipe.block_tokens;
    r.input_length = blocks * recipe.block_tokens + kQuestionTokens;
    r.output_length = 1;  // prefill is what is measured
    for (std::int64_t b = 0; b < blocks; ++b)
      r.hash_ids.push_back(document * static_cast<std::uint64_t>(blocks) +
                           static_cast<std::uint64_t>(b));
    for (std::int64_t t = 0; t < kQuestionTokens; t += recipe.block_tokens)
      r.hash_ids.push_back(documents * static_cast<std::uint64_t>(blocks) + question++);
  }
  made.parameters = {{"requests", measured},
                     {"capacity_tokens", recipe.capacity_tokens},
                     {"document_tokens", recipe.document_tokens},
                     {"pool_factor", recipe.pool_factor},
                     {"skew", recipe.skew},
                     {"documents", documents}};
  const TraceStatistics s = DescribeTrace(made.requests);
  const auto of_document = static_cast<double>(blocks);
  const double of_prompt =
      of_document + std::ceil(static_cast<double>(kQuestionTokens) / recipe.block_tokens);
  const auto n = static_cast<double>(measured), all = n + pool;
  // Four standard deviations of a binomial count of this mean.
  const double expected_top = n * popularity.TopShare();
  made.quality = {{"distinct_blocks", pool * of_document + all * (of_prompt - of_document),
                   static_cast<double>(s.distinct_blocks), 0},
                  {"ideal_hit_share", n * of_document / (all * of_prompt), s.ideal_hit_share, 1e-9},
                  {"most_popular_document_requests", expected_top, static_cast<double>(top),
                   4 / std::sqrt(expected_top)}};
  return made;
}

}  // namespace kvtier
