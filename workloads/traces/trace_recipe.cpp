#include "workloads/traces/trace_recipe.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "harness/core/error.hpp"
#include "harness/core/files.hpp"

namespace kvtier {
namespace {

using nlohmann::json;

constexpr std::size_t kMostRequests = 20'000'000;

using Maker = MadeTrace (*)(const TraceRecipe&);
constexpr std::pair<const char*, Maker> kMakers[] = {{"mooncake_conv", MakeMooncakeConv},
                                                     {"azure_code", MakeAzureCode},
                                                     {"azure_conv", MakeAzureConv},
                                                     {"agentic_code", MakeAgenticCode},
                                                     {"rag", MakeRag},
                                                     {"reuse_distance", MakeReuseDistance}};

template <class T>
void CheckRange(const char* name, T value, T low, T high) {
  if (value < low || value > high)
    throw ConfigError(fmt::format("{} is {}: it must be from {} to {}", name, value, low, high));
}

void CheckRecipe(const TraceRecipe& r) {
  CheckRange<std::size_t>("requests", r.requests, 0, kMostRequests);
  CheckRange("block_tokens", r.block_tokens, 1, 65'536);
  CheckRange<std::int64_t>("context_tokens", r.context_tokens, 2'000, 10'000'000);
  CheckRange<std::int64_t>("capacity_tokens", r.capacity_tokens, 1, 1'000'000'000'000);
  CheckRange<std::int64_t>("document_tokens", r.document_tokens, 1, 10'000'000);
  CheckRange<std::size_t>("prompts", r.prompts, 1, 1'000'000);
  CheckRange<std::size_t>("visits", r.visits, 1, 1'000);
  CheckRange<std::int64_t>("prompt_tokens", r.prompt_tokens, r.block_tokens, 10'000'000);
  CheckRange<std::uint64_t>("distance_blocks", r.distance_blocks, 0, 100'000'000);
  if (!(r.pool_factor > 0) || r.pool_factor > 1000)
    throw ConfigError(
        fmt::format("pool_factor is {}: it must be above 0, at most 1000", r.pool_factor));
  if (!(r.skew >= 0) || r.skew > 10)
    throw ConfigError(fmt::format("skew is {}: it must be from 0 to 10", r.skew));
}

}  // namespace

bool QualityRow::pass() const {
  return std::abs(observed - target) <= tolerance * std::abs(target);
}

bool MadeTrace::good() const {
  return std::all_of(quality.begin(), quality.end(), [](const auto& row) { return row.pass(); });
}

const std::vector<std::string>& RecipeKinds() {
  static const std::vector<std::string> kinds = [] {
    std::vector<std::string> names;
    for (const auto& [name, make] : kMakers) names.emplace_back(name);
    return names;
  }();
  return kinds;
}

MadeTrace MakeTrace(const TraceRecipe& recipe) {
  for (const auto& [name, make] : kMakers) {
    if (recipe.kind != name) continue;
    CheckRecipe(recipe);
    return make(recipe);
  }
  throw ConfigError(fmt::format("there is no trace generator '{}': known are {}", recipe.kind,
                                fmt::join(RecipeKinds(), ", ")));
}

json QualityJson(const TraceRecipe& recipe, const MadeTrace& made) {
  json rows = json::array();
  for (const QualityRow& row : made.quality) {
    rows.push_back({{"statistic", row.statistic},
                    {"target", row.target},
                    {"observed", row.observed},
                    {"relative_tolerance", row.tolerance},
                    {"pass", row.pass()}});
  }
  return {{"schema_version", 1},
          {"generator", recipe.kind},
          {"seed", recipe.seed},
          {"pass", made.good()},
          {"statistics", std::move(rows)}};
}

json TraceManifestJson(const TraceRecipe& recipe, const MadeTrace& made,
                       const std::string& trace_name, const std::string& trace_text) {
  return {{"schema_version", 1},
          {"generator", recipe.kind},
          {"seed", recipe.seed},
          {"parameters", made.parameters},
          {"trace", trace_name},
          {"format", "mooncake"},
          {"block_tokens", recipe.block_tokens},
          {"requests", made.requests.size()},
          {"sha256", Sha256Hex(trace_text)},
          {"quality_passed", made.good()}};
}

}  // namespace kvtier
