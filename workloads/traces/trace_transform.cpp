#include "workloads/traces/trace_transform.hpp"

#include <algorithm>
#include <cmath>
#include <unordered_set>
#include <utility>

#include <fmt/format.h>

#include "harness/core/error.hpp"

namespace kvtier {
namespace {

constexpr double kMostTokens = 1e9;

void CheckTransform(const TraceTransform& how) {
  const auto positive = [](const char* name, double value) {
    if (!(value > 0) || !std::isfinite(value))
      throw ConfigError(fmt::format("{} is {}: it must be above 0", name, value));
  };
  positive("scale-isl", how.scale_isl);
  positive("scale-osl", how.scale_osl);
  positive("speedup", how.speedup);
  if (!(how.from_s >= 0))
    throw ConfigError(fmt::format("from is {} s: it must be at least 0", how.from_s));
  if (how.to_s && !(*how.to_s > how.from_s))
    throw ConfigError(
        fmt::format("to is {} s: it must be after from, {} s", *how.to_s, how.from_s));
  if (how.max_context && *how.max_context < 2)
    throw ConfigError(fmt::format("max-context is {}: it must be at least 2", *how.max_context));
  if (how.block_tokens && (*how.block_tokens < 1 || *how.block_tokens > 65'536))
    throw ConfigError(
        fmt::format("to-block-tokens is {}: it must be from 1 to 65536", *how.block_tokens));
}

std::int64_t Scaled(std::int64_t tokens, double by) {
  const double scaled = std::round(static_cast<double>(tokens) * by);
  if (scaled > kMostTokens)
    throw ConfigError(
        fmt::format("{} tokens times {} are more than {:g}", tokens, by, kMostTokens));
  return std::max<std::int64_t>(1, std::llround(scaled));
}

/// Whole blocks become whole blocks; the rest stays shorter than one.
void ScalePrompt(TraceRequest& r, double by) {
  if (by == 1) return;
  if (r.hash_ids.empty()) {
    r.input_length = Scaled(r.input_length, by);
    return;
  }
  const double block = r.block_tokens * by;
  if (block < 2 || block > 65'536 || block != std::floor(block)) {
    throw ConfigError(fmt::format(
        "scale-isl {} makes {} tokens of a {}-token block: it has to be whole, from 2 to 65536", by,
        block, r.block_tokens));
  }
  const auto scaled_block = static_cast<std::int64_t>(block);
  const std::int64_t full = r.input_length / r.block_tokens, rest = r.input_length % r.block_tokens;
  const std::int64_t tail =
      rest == 0 ? 0
                : std::clamp<std::int64_t>(std::llround(std::floor(static_cast<double>(rest) * by)),
                                           1, scaled_block - 1);
  r.input_length = full * scaled_block + tail;
  r.block_tokens = static_cast<int>(scaled_block);
}

/// An id names all tokens up to the end of its block, so the last of several names the larger one.
void Reblock(TraceRequest& r, int to) {
  if (r.block_tokens == to) return;
  if (!r.hash_ids.empty()) {
    if (to % r.block_tokens != 0) {
      throw ConfigError(
          fmt::format("to-block-tokens {} is no multiple of the {} tokens of a block "
                      "of the trace",
                      to, r.block_tokens));
    }
    const auto each = static_cast<std::size_t>(to / r.block_tokens);
    const auto full = static_cast<std::size_t>(r.input_length / to);
    std::vector<std::uint64_t> ids;
    for (std::size_t k = 0; k < full; ++k) ids.push_back(r.hash_ids[(k + 1) * each - 1]);
    // The rest, where the source has an id for its end too.
    const auto started =
        static_cast<std::size_t>((r.input_length + r.block_tokens - 1) / r.block_tokens);
    if (r.input_length % to != 0 && r.hash_ids.size() == started) ids.push_back(r.hash_ids.back());
    r.hash_ids = std::move(ids);
  }
  r.block_tokens = to;
}

void DropLong(TransformedTrace& t, std::int64_t most, bool sessions) {
  const auto too_long = [most](const TraceRequest& r) {
    return r.input_length + r.output_length > most;
  };
  std::unordered_set<std::string> dropped;
  for (const TraceRequest& r : t.requests) {
    if (sessions && too_long(r) && !r.session_id.empty()) dropped.insert(r.session_id);
  }
  std::erase_if(t.requests, [&](const TraceRequest& r) {
    if (too_long(r)) {
      ++t.too_long;
      return true;
    }
    const bool with = dropped.contains(r.session_id);
    t.with_session += with ? 1 : 0;
    return with;
  });
}

}  // namespace

TransformedTrace Transform(std::vector<TraceRequest> trace, const TraceTransform& how) {
  CheckTransform(how);
  TransformedTrace t;
  t.requests = std::move(trace);
  const std::size_t before = t.requests.size();
  if (before > 0) {
    const double begin = t.requests.front().timestamp_ms;
    std::erase_if(t.requests, [&](const TraceRequest& r) {
      const double s = (r.timestamp_ms - begin) / 1000;
      return s < how.from_s || (how.to_s && s >= *how.to_s);
    });
  }
  t.outside_window = before - t.requests.size();
  for (TraceRequest& r : t.requests) {
    ScalePrompt(r, how.scale_isl);
    if (r.output_length > 0) r.output_length = Scaled(r.output_length, how.scale_osl);
    if (how.block_tokens) Reblock(r, *how.block_tokens);
  }
  if (how.max_context) DropLong(t, *how.max_context, how.drop_sessions);
  if (t.requests.empty())
    throw ConfigError(
        fmt::format("none of the {} requests remains: {} are outside of the window, "
                    "{} longer than max-context, {} of their sessions",
                    before, t.outside_window, t.too_long, t.with_session));
  const double begin = t.requests.front().timestamp_ms;
  for (TraceRequest& r : t.requests) {
    r.timestamp_ms = (r.timestamp_ms - begin) / how.speedup;
    if (r.delay_ms) *r.delay_ms /= how.speedup;
  }
  return t;
}

std::size_t FillTraceIds(std::vector<TraceRequest>& trace) {
  std::uint64_t next = 0;
  for (const TraceRequest& r : trace) {
    for (const std::uint64_t id : r.hash_ids)
      next = std::max(next, id == ~std::uint64_t{0} ? id : id + 1);
  }
  std::size_t filled = 0;
  for (TraceRequest& r : trace) {
    const auto started =
        static_cast<std::size_t>((r.input_length + r.block_tokens - 1) / r.block_tokens);
    if (r.hash_ids.size() >= started) continue;
    ++filled;
    while (r.hash_ids.size() < started) r.hash_ids.push_back(next++);
  }
  return filled;
}

}  // namespace kvtier
