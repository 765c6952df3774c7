#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "harness/load/plan.hpp"

namespace kvtier {

/// Tokens that one hash id of a Mooncake trace stands for.
inline constexpr int kTraceBlockTokens = 512;

/// One line of a Mooncake JSONL trace.
struct TraceRequest {
  double timestamp_ms = 0;
  std::int64_t input_length = 0;
  std::int64_t output_length = 0;
  std::vector<std::uint64_t> hash_ids;  // one for each started block of the input, prefix-chained
};

struct TraceLoadOptions {
  std::optional<std::size_t> max_requests = std::nullopt;  // the first so many lines
};

/// Strict: each line an object with exactly timestamp, input_length, output_length and hash_ids, of
/// the right type and sign, timestamps ascending, as many ids as the input starts blocks. Throws
/// DataError "<name>:<line>: ..." otherwise; also for a trace without requests. Empty lines at the
/// end are allowed.
std::vector<TraceRequest> ParseTrace(std::string_view text, const std::string& name,
                                     const TraceLoadOptions& options = {});
/// ParseTrace over a file, of which no more lines than asked for are read. Throws IoError.
std::vector<TraceRequest> LoadTrace(const std::filesystem::path& path,
                                    const TraceLoadOptions& options = {});

struct LengthSummary {
  double mean = 0, p50 = 0, p90 = 0, p99 = 0, max = 0;
};

/// What a trace is like.
struct TraceStatistics {
  std::size_t requests = 0;
  double duration_s = 0;
  LengthSummary input, output;  // tokens of the trace
  std::uint64_t block_references = 0, distinct_blocks = 0;
  /// Share of block references that an infinite cache answers: prefix runs of blocks seen before.
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

/// Token-id prompts of printable bytes. A hash id stands for the same tokens wherever it occurs;
/// the tokens of a last, partial trace block are the request's own, so it is never shared. Throws
/// ConfigError naming the option that is out of range, also when no request remains.
TracePlan PlanFromTrace(const std::vector<TraceRequest>& trace, const TraceOptions& options);

}  // namespace kvtier
