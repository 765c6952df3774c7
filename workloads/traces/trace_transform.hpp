#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "workloads/trace.hpp"

namespace kvtier {

/// What is done to a trace, in this order.
struct TraceTransform {
  // Requests from `from_s` to before `to_s`, after the first request of the trace.
  double from_s = 0;
  std::optional<double> to_s = std::nullopt;
  /// Tokens for each token of a prompt. Ids stay and stand for so many more or fewer: a block of
  /// scaled size must be whole and of at least two tokens.
  double scale_isl = 1;
  double scale_osl = 1;  // and of an answer; at least 1 is left
  /// Ids for blocks of so many tokens: a multiple of what one stands for now.
  std::optional<int> block_tokens = std::nullopt;
  /// Prompt plus answer. What is longer is dropped: the request alone, or with the whole session.
  std::optional<std::int64_t> max_context = std::nullopt;
  bool drop_sessions = false;
  double speedup = 1;  // times are divided by it, and begin at 0
};

struct TransformedTrace {
  std::vector<TraceRequest> requests;
  std::size_t outside_window = 0;
  std::size_t too_long = 0;      // requests over max_context
  std::size_t with_session = 0;  // those dropped because another of their session was
};

/// Throws ConfigError that names the setting, also where nothing remains.
TransformedTrace Transform(std::vector<TraceRequest> trace, const TraceTransform& how);

/// Gives ids to requests whose source has none: each block is its own, so nothing is shared.
/// Returns how many requests that were.
std::size_t FillTraceIds(std::vector<TraceRequest>& trace);

}  // namespace kvtier
