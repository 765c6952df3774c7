#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "workloads/trace.hpp"

/// Traces of our own making, fitted to what public ones are like: same seed and parameters, same
/// bytes (docs/traces.md tells the source of each figure).
namespace kvtier {

struct TraceRecipe {
  /// mooncake_conv, azure_code, azure_conv, agentic_code, rag, reuse_distance
  std::string kind;
  std::uint64_t seed = 20260212;
  /// 0: as many as the trace it is fitted to (agentic_code: 1,131 sessions; rag: 2,000 measured
  /// ones). Of reuse_distance it follows from the rest.
  std::size_t requests = 0;
  int block_tokens = kTraceBlockTokens;

  // agentic_code: everything is scaled to a context window of so many tokens.
  std::int64_t context_tokens = 200'000;

  // rag: documents = ceil(pool_factor x capacity_tokens / document_tokens), each touched once in a
  // warm-up, then drawn by popularity 1 / rank^skew.
  std::int64_t capacity_tokens = 2'000'000;  // what the fast tiers hold
  std::int64_t document_tokens = 8'192;
  double pool_factor = 2, skew = 0.6;

  // reuse_distance: `prompts` prompts of `prompt_tokens`, each visited `visits` times.
  /// round_robin: A B C A B C, the longest distance; grouped: A A B B C C, the shortest;
  /// populate_thrash_replay: the prompts, `distance_blocks` blocks that never return, the prompts.
  std::string order = "round_robin";
  std::size_t prompts = 16, visits = 3;
  std::int64_t prompt_tokens = 8'192;
  std::uint64_t distance_blocks = 4'096;
};

/// One statistic of the made trace.
struct QualityRow {
  std::string statistic;
  double target = 0, observed = 0;
  double tolerance = 0;  // |observed - target| <= tolerance x |target|
  bool pass() const;
};

struct MadeTrace {
  std::vector<TraceRequest> requests;
  std::vector<QualityRow> quality;
  nlohmann::json parameters;  // those that this kind reads
  bool sessions = false;      // later turns are written by what they add
  bool good() const;
};

/// Names of the kinds, in the order of docs/traces.md.
const std::vector<std::string>& RecipeKinds();
/// Throws ConfigError that names the parameter and what is allowed.
MadeTrace MakeTrace(const TraceRecipe& recipe);

/// quality.json and trace_manifest.json. `trace_text` is the whole JSONL file.
nlohmann::json QualityJson(const TraceRecipe& recipe, const MadeTrace& made);
nlohmann::json TraceManifestJson(const TraceRecipe& recipe, const MadeTrace& made,
                                 const std::string& trace_name, const std::string& trace_text);

/// The kinds, each in a file of its own.
MadeTrace MakeMooncakeConv(const TraceRecipe& recipe);
MadeTrace MakeAzureCode(const TraceRecipe& recipe);
MadeTrace MakeAzureConv(const TraceRecipe& recipe);
MadeTrace MakeAgenticCode(const TraceRecipe& recipe);
MadeTrace MakeRag(const TraceRecipe& recipe);
MadeTrace MakeReuseDistance(const TraceRecipe& recipe);

}  // namespace kvtier
