#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "harness/core/error.hpp"
#include "harness/core/rng.hpp"
#include "workloads/identity.hpp"
#include "workloads/prompt_parts.hpp"
#include "workloads/trace.hpp"

namespace kvtier {
namespace {

/// Engine tokens of one trace block. Throws ConfigError where they are no whole engine blocks.
int ScaledBlock(const TraceOptions& o) {
  const double tokens = o.scale_isl * kTraceBlockTokens;
  const bool whole = std::isfinite(tokens) && tokens >= 1 && tokens <= kTraceBlockTokens &&
                     tokens == std::floor(tokens);
  if (!whole || static_cast<int>(tokens) % o.block_tokens != 0) {
    throw ConfigError(
        fmt::format("scale-isl {} makes {} tokens of a {}-token trace block: it has to be a "
                    "multiple of the engine's block of {}, "
                    "as {} does",
                    o.scale_isl, tokens, kTraceBlockTokens, o.block_tokens,
                    static_cast<double>(o.block_tokens) / kTraceBlockTokens));
  }
  return static_cast<int>(tokens);
}

void AppendTokens(std::vector<std::uint32_t>& tokens, std::uint64_t seed, const std::string& stream,
                  int count) {
  Rng rng = Rng::Stream(seed, stream);
  for (int i = 0; i < count; ++i)
    tokens.push_back(static_cast<std::uint32_t>(' ' + rng.Below(95)));  // printable
}

/// Whole trace blocks become tokens by hash id; the rest becomes a tail of the request's own,
/// always shorter than a block.
struct ScaledPrompt {
  std::size_t full_blocks = 0;  // of the trace
  int tail = 0;                 // engine tokens
};

ScaledPrompt ScaledInput(const TraceRequest& r, int scaled_block, const TraceOptions& o) {
  ScaledPrompt p{.full_blocks = static_cast<std::size_t>(r.input_length / kTraceBlockTokens),
                 .tail = 0};
  if (const auto rest = r.input_length % kTraceBlockTokens; rest > 0) {
    p.tail = std::clamp(static_cast<int>(std::floor(static_cast<double>(rest) * o.scale_isl)), 1,
                        scaled_block - 1);
  }
  return p;
}

std::vector<std::uint32_t> PromptTokens(const TraceRequest& r, std::size_t index,
                                        const ScaledPrompt& size, int scaled_block,
                                        std::uint64_t seed) {
  std::vector<std::uint32_t> tokens;
  for (std::size_t i = 0; i < size.full_blocks; ++i) {
    AppendTokens(tokens, seed, fmt::format("trace/block/{}", r.hash_ids[i]), scaled_block);
  }
  AppendTokens(tokens, seed, fmt::format("trace/tail/{}", index), size.tail);
  return tokens;
}

void RequireTraceBlocks(const TraceRequest& r, std::size_t index) {
  const auto started =
      static_cast<std::size_t>((r.input_length + kTraceBlockTokens - 1) / kTraceBlockTokens);
  if (r.block_tokens == kTraceBlockTokens && r.hash_ids.size() == started) return;
  throw ConfigError(fmt::format(
      "trace request {} has {} block ids of {} tokens: a replay needs an id for each started "
      "block of {}; `kvtier trace convert` makes them",
      index + 1, r.hash_ids.size(), r.block_tokens, kTraceBlockTokens));
}

std::string CanonicalIds(const std::vector<std::uint32_t>& ids) {
  return fmt::format("[{}]", fmt::join(ids, ","));
}

int ScaledOutput(const TraceRequest& r, const TraceOptions& o) {
  const double scaled = std::round(static_cast<double>(r.output_length) * o.scale_osl);
  return static_cast<int>(std::clamp(scaled, 1.0, static_cast<double>(o.max_output_tokens)));
}

void CheckOptions(const TraceOptions& o) {
  RequireInRange("block_tokens", o.block_tokens, 1, kTraceBlockTokens);
  RequireInRange("max_output_tokens", o.max_output_tokens, 1, 1'000'000);
  RequireInRange("max_request_tokens", o.max_request_tokens, 2, 10'000'000);
  RequireInRange("concurrency", o.concurrency, 1, 100'000);
  if (!(o.scale_osl > 0) || !std::isfinite(o.scale_osl))
    throw ConfigError(fmt::format("scale-osl is {}: it must be positive", o.scale_osl));
  if (o.speedup != 0 && (!(o.speedup >= 0.1) || !std::isfinite(o.speedup))) {
    throw ConfigError(fmt::format(
        "speedup is {}: it must be at least 0.1, or 0 for no arrival times", o.speedup));
  }
}

}  // namespace

TracePlan PlanFromTrace(const std::vector<TraceRequest>& trace, const TraceOptions& options) {
  CheckOptions(options);
  const int scaled_block = ScaledBlock(options);
  TracePlan result;
  result.plan.scenario = "trace_replay";
  PhasePlan& phase = result.plan.phases.emplace_back();
  phase.name = "trace";
  phase.concurrency = options.concurrency;
  for (std::size_t i = 0; i < trace.size(); ++i) {
    const TraceRequest& r = trace[i];
    RequireTraceBlocks(r, i);
    PlannedRequest request;
    request.params.max_tokens = ScaledOutput(r, options);
    const ScaledPrompt size = ScaledInput(r, scaled_block, options);
    const auto prompt_tokens = size.full_blocks * static_cast<std::size_t>(scaled_block) +
                               static_cast<std::size_t>(size.tail);
    if (prompt_tokens + static_cast<std::size_t>(request.params.max_tokens) >
        static_cast<std::size_t>(options.max_request_tokens)) {
      ++result.dropped_too_long;
      continue;
    }
    request.token_ids = PromptTokens(r, i, size, scaled_block, options.run_seed);
    request.prompt = CanonicalIds(request.token_ids);
    request.prompt_id = fmt::format("trace-{:05d}", i);
    request.prompt_set = "trace";
    request.target_tokens = static_cast<int>(request.token_ids.size());
    request.prompt_tokens_est = request.target_tokens;
    request.params.temperature = options.temperature;
    request.params.seed = options.request_seed;
    request.extras.ignore_eos = options.ignore_eos;
    request.metadata.workload = "trace_replay";
    request.identity = IdentityOf(options.model, request.prompt, request.params, request.extras);
    if (options.speedup > 0) {
      request.arrival_offset_ns = static_cast<std::int64_t>(
          std::llround((r.timestamp_ms - trace.front().timestamp_ms) * 1e6 / options.speedup));
    }
    phase.requests.push_back(std::move(request));
  }
  if (phase.requests.empty()) {
    throw ConfigError(
        fmt::format("none of the {} trace requests stays within {} tokens: raise "
                    "max_request_tokens or lower scale-isl",
                    trace.size(), options.max_request_tokens));
  }
  return result;
}

}  // namespace kvtier
