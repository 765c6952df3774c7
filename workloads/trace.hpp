#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "harness/load/plan.hpp"

namespace kvtier {

/// Tokens that one hash id of a Mooncake trace stands for.
inline constexpr int kTraceBlockTokens = 512;

/// One request of a trace, whatever its source (traces/trace_file.hpp). `input_length` and
/// `hash_ids` are those of the whole prompt, also of a later turn.
struct TraceRequest {
  double timestamp_ms = 0;
  std::int64_t input_length = 0;
  std::int64_t output_length = 0;  // 0: the source says that the request failed
  /// One for each started block of the input, prefix-chained. Empty: the source has none.
  std::vector<std::uint64_t> hash_ids;
  int block_tokens = kTraceBlockTokens;  // that one id stands for
  std::string session_id = {};           // turns of one conversation; empty: not known
  std::string tenant = {};               // kind or owner, as the source calls it; empty: not known
  /// Of a later turn: time since the answer before it. Its timestamp then leaves out how long that
  /// answer took.
  std::optional<double> delay_ms = std::nullopt;
};

struct LengthSummary {
  double mean = 0, p50 = 0, p90 = 0, p99 = 0, max = 0;
};

/// What a trace is like.
struct TraceStatistics {
  std::size_t requests = 0;
  double duration_s = 0;
  LengthSummary input, output;  // tokens of the trace
  std::uint64_t block_references = 0, distinct_blocks = 0;
  /// Share of block references that an infinite cache answers: prefix runs of blocks seen before. 0
  /// where the source tells no blocks.
  double ideal_hit_share = 0;
};
TraceStatistics DescribeTrace(const std::vector<TraceRequest>& trace);
nlohmann::json ToJson(const TraceStatistics& statistics);

struct TraceOptions {
  std::uint64_t run_seed = 20260212;
  /// Tokens sent for each token of the trace. Has to turn a 512-token trace block into whole engine
  /// blocks: 0.0625 makes it one block of 32.
  double scale_isl = 0.0625;
  double scale_osl = 0.0625;
  int max_output_tokens = 128;  // cap after scaling; at least 1 is asked for
  /// Prompt plus output of a request must stay within this (`max_num_tokens` of the stack).
  int max_request_tokens = 8192;
  /// Timestamps are divided by it; at least 0.1. 0: no arrival times, closed loop.
  double speedup = 1;
  int concurrency = 1;  // 1 keeps the expected hits exact
  bool ignore_eos = true;
  double temperature = 0;
  std::string model;
  std::optional<std::int64_t> request_seed = std::nullopt;
  int block_tokens = 32;
};

struct TracePlan {
  Plan plan;                         // scenario trace_replay, one phase `trace`
  std::size_t dropped_too_long = 0;  // over max_request_tokens
};

/// Of 512-token blocks with ids only: ConfigError otherwise, which names `kvtier trace convert`.
/// Token-id prompts of printable bytes. A hash id stands for the same tokens wherever it occurs;
/// the tokens of a last, partial trace block are the request's own, so it is never shared. Throws
/// ConfigError naming the option that is out of range, also when no request remains.
TracePlan PlanFromTrace(const std::vector<TraceRequest>& trace, const TraceOptions& options);

}  // namespace kvtier
