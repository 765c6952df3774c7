// One knob: how many other blocks pass between two visits of a prompt. Exact, so its statistics
// have no tolerance.
#include <algorithm>

#include <fmt/format.h>

#include "harness/core/error.hpp"
#include "workloads/traces/stack_distance.hpp"
#include "workloads/traces/trace_recipe.hpp"

namespace kvtier {
namespace {

constexpr double kVisitGapMs = 1000;
constexpr std::uint64_t kMostReferences = 500'000'000;

/// Which prompt each request visits; a number from `prompts` on never returns.
std::vector<std::size_t> Visits(const TraceRecipe& r, std::uint64_t blocks) {
  std::vector<std::size_t> order;
  if (r.order == "grouped") {
    for (std::size_t p = 0; p < r.prompts; ++p) order.insert(order.end(), r.visits, p);
    return order;
  }
  if (r.order != "round_robin" && r.order != "populate_thrash_replay")
    throw ConfigError(fmt::format(
        "order is '{}': it must be round_robin, grouped or populate_thrash_replay", r.order));
  const std::uint64_t thrash =
      r.order == "round_robin" ? 0 : (r.distance_blocks + blocks - 1) / blocks;
  std::size_t next = r.prompts;
  for (std::size_t v = 0; v < r.visits; ++v) {
    for (std::size_t p = 0; p < r.prompts; ++p) order.push_back(p);
    for (std::uint64_t t = 0; v + 1 < r.visits && t < thrash; ++t) order.push_back(next++);
  }
  return order;
}

}  // namespace

MadeTrace MakeReuseDistance(const TraceRecipe& recipe) {
  const auto blocks = static_cast<std::uint64_t>(recipe.prompt_tokens / recipe.block_tokens);
  const std::uint64_t thrash = (recipe.distance_blocks + blocks - 1) / blocks;
  if ((recipe.prompts + thrash) * recipe.visits * blocks > kMostReferences)
    throw ConfigError(
        "reuse_distance would make more than 500,000,000 block references: lower "
        "prompts, visits, prompt_tokens or distance_blocks");
  MadeTrace made;
  for (const std::size_t prompt : Visits(recipe, blocks)) {
    TraceRequest& r = made.requests.emplace_back();
    r.timestamp_ms = static_cast<double>(made.requests.size() - 1) * kVisitGapMs;
    r.block_tokens = recipe.block_tokens;
    r.input_length = static_cast<std::int64_t>(blocks) * recipe.block_tokens;
    r.output_length = 1;
    for (std::uint64_t b = 0; b < blocks; ++b) r.hash_ids.push_back(prompt * blocks + b);
  }
  const bool grouped = recipe.order == "grouped",
             thrashes = recipe.order == "populate_thrash_replay";
  made.parameters = {{"order", recipe.order},
                     {"prompts", recipe.prompts},
                     {"visits", recipe.visits},
                     {"prompt_tokens", recipe.prompt_tokens},
                     {"distance_blocks", thrashes ? recipe.distance_blocks : 0}};
  // An LRU cache needs so many blocks to hold a prompt until its next visit.
  const std::uint64_t needed =
      grouped ? blocks : (recipe.prompts + (thrashes ? thrash : 0)) * blocks;
  BlockNumbers numbers;
  StackDistances distances;
  std::uint64_t deepest = 0, hits = 0;
  std::vector<BlockId> ids;
  for (const TraceRequest& r : made.requests) {
    ids.clear();
    for (const auto id : r.hash_ids) ids.push_back(numbers.Of(id));
    const auto depths = distances.Request(ids);
    hits += depths.size();
    if (!depths.empty()) deepest = std::max<std::uint64_t>(deepest, depths.back());
  }
  made.quality = {{"reuse_distance_blocks", recipe.visits < 2 ? 0 : static_cast<double>(needed),
                   static_cast<double>(deepest), 0},
                  {"hit_blocks", static_cast<double>((recipe.visits - 1) * recipe.prompts * blocks),
                   static_cast<double>(hits), 0}};
  return made;
}

}  // namespace kvtier
