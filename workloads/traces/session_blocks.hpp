#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

#include "workloads/trace.hpp"

namespace kvtier {

/// Block ids of a conversation whose turns are given by what they add: the prompt of a turn is
/// everything before it, answers included, plus its own tokens. A block that holds part of an
/// answer is the session's own, since nobody else gets that answer.
class SessionBlocks {
 public:
  SessionBlocks(std::string_view session, int block_tokens);
  /// The first turn, whole. `r.hash_ids` are its blocks.
  void Begin(const TraceRequest& r);
  /// A later turn: on entry `r.input_length` is what it adds, afterwards the whole prompt, and
  /// `r.hash_ids` its blocks. Complete blocks of the turn before keep their ids; a last, partial
  /// one is this turn's alone.
  void Continue(TraceRequest& r);
  bool begun() const { return turns_ > 0; }
  /// Of the turn before.
  double timestamp_ms() const { return timestamp_ms_; }
  std::int64_t context_tokens() const { return input_ + output_; }

 private:
  void Remember(const TraceRequest& r);
  std::uint64_t session_;
  int block_tokens_;
  std::uint64_t turns_ = 0;
  std::int64_t input_ = 0, output_ = 0;
  double timestamp_ms_ = 0;
  std::vector<std::uint64_t> ids_;  // of the turn before
};

}  // namespace kvtier
