#include "workloads/traces/session_blocks.hpp"

#include <algorithm>

#include "harness/core/rng.hpp"

namespace kvtier {
namespace {

/// Far from the small numbers of a trace's own ids.
std::uint64_t OwnId(std::uint64_t session, std::uint64_t index, std::uint64_t turn) {
  const std::uint64_t mixed =
      Rng(Rng(session ^ index * 0x9e3779b97f4a7c15ULL).Next() + turn).Next();
  return mixed | std::uint64_t{1} << 63;
}

}  // namespace

SessionBlocks::SessionBlocks(std::string_view session, int block_tokens)
    : session_(Rng::Stream(0, session).Next()), block_tokens_(block_tokens) {}

void SessionBlocks::Remember(const TraceRequest& r) {
  ++turns_;
  input_ = r.input_length;
  output_ = r.output_length;
  timestamp_ms_ = r.timestamp_ms;
  ids_ = r.hash_ids;
}

void SessionBlocks::Begin(const TraceRequest& r) {
  Remember(r);
}

void SessionBlocks::Continue(TraceRequest& r) {
  r.input_length += context_tokens();
  r.hash_ids = ids_;
  r.hash_ids.resize(std::min(ids_.size(), static_cast<std::size_t>(input_ / block_tokens_)));
  const auto complete = static_cast<std::uint64_t>(r.input_length / block_tokens_);
  const auto started =
      static_cast<std::uint64_t>((r.input_length + block_tokens_ - 1) / block_tokens_);
  for (std::uint64_t k = r.hash_ids.size(); k < started; ++k)
    r.hash_ids.push_back(OwnId(session_, k, k < complete ? 0 : turns_));
  Remember(r);
}

}  // namespace kvtier
