#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <unordered_map>
#include <vector>

#include "workloads/block_stream.hpp"
#include "workloads/hit_model.hpp"

/// The rules at the head of hit_model.hpp, carried out step by step.
namespace kvtier {

/// Slots of one tier. A slot is free, active (referenced, named or not) or inactive (named,
/// evictable).
class SlotPool {
 public:
  explicit SlotPool(std::size_t capacity) : capacity_(capacity) {}
  bool Holds(BlockId block) const { return named_.contains(block); }
  bool Inactive(BlockId block) const;
  /// Free and inactive slots.
  std::size_t available() const { return capacity_ - named_.size() - nameless_ + inactive_.size(); }
  /// One reference more.
  void Acquire(BlockId block);
  /// One reference less; the last one draws the tick that eviction goes by.
  void Release(BlockId block);
  /// A use that holds nothing.
  void Touch(BlockId block);
  /// Takes nameless slots: free ones, then evicted ones. All or nothing.
  bool Allocate(std::size_t n);
  /// Names one nameless slot (one reference). False when the pool has the block: it becomes the
  /// most recent one if inactive, and the slot stays nameless.
  bool Register(BlockId block);
  void FreeNameless(std::size_t n) { nameless_ -= n; }

 private:
  struct State {
    std::size_t references = 0;
    std::uint64_t tick = 0;
  };
  void Return(BlockId block, State& state);
  std::size_t capacity_;
  std::size_t nameless_ = 0;
  std::uint64_t next_tick_ = 0;
  std::unordered_map<BlockId, State> named_;
  std::map<std::uint64_t, BlockId> inactive_;
};

/// Block counts of one or more requests.
struct TierCounts {
  std::uint64_t g1 = 0, g2 = 0, g3 = 0, computed = 0, written = 0;
};

class TierSimulator {
 public:
  explicit TierSimulator(const TierPools& pools);

  /// A sequence between admission and end. Refers to the request it was made from.
  class Lease {
   public:
    bool prefilled() const { return next_token_ >= request_->tokens; }

   private:
    friend class TierSimulator;
    const RequestBlocks* request_ = nullptr;
    std::size_t next_token_ = 0;
    std::vector<bool> named_;  // block i of the prompt: this lease holds a reference on its name
    std::size_t nameless_ = 0;
  };

  /// Rules 1 to 3. Empty, and nothing changed, while G1 cannot give the slots.
  std::optional<Lease> Admit(const RequestBlocks& request, TierCounts& counts);
  /// One chunk: rules 4 and 5.
  void Prefill(Lease& lease, TierCounts& counts);
  /// Rule 6.
  void Finish(Lease& lease);
  /// All of it. False when the request does not fit.
  bool Run(const RequestBlocks& request, TierCounts& counts);

 private:
  void OffloadToHost(const RequestBlocks& request, std::size_t first, std::size_t last,
                     TierCounts& counts);
  void OffloadToDisk(BlockId block, bool ask_filter, TierCounts& counts);

  TierPools pools_;
  SlotPool g1_, g2_, g3_;
  std::unordered_map<BlockId, bool> asked_;  // the frequency filter within one tick
};

}  // namespace kvtier
