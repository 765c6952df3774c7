#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "harness/judge/evidence.hpp"
#include "workloads/block_stream.hpp"
#include "workloads/hit_model.hpp"

/// Must and may analysis of one tier each, over phases whose inner order is unknown. The argument
/// stands at PredictHits.
namespace kvtier {

/// Counts of moments 0 .. n - 1 (a Fenwick tree); moment -1 is "never" and not counted.
class MomentCounts {
 public:
  explicit MomentCounts(std::size_t moments) : tree_(moments + 1, 0) {}
  void Add(std::int64_t moment, std::int64_t by);
  std::int64_t AtLeast(std::int64_t moment) const { return total_ - Below(moment); }
  std::int64_t Below(std::int64_t moment) const;
  std::size_t moments() const { return tree_.size() - 1; }

 private:
  std::vector<std::int64_t> tree_;
  std::int64_t total_ = 0;
};

/// What is known of the blocks of one tier. Moments are request numbers of the run; requests of one
/// concurrent phase all span that whole phase.
class TierFacts {
 public:
  TierFacts(std::uint64_t capacity, std::size_t blocks, std::size_t moments);
  /// The block was surely in this tier, and the most recent one, at some moment in [from, to].
  void SureUse(BlockId block, std::int64_t from, std::int64_t to);
  /// As above, but perhaps it was not.
  void MaybeUse(BlockId block, std::int64_t to);
  /// `reserve` slots are in the hands of sequences in flight; `phase` counts when the blocks that
  /// the running concurrent phase may use were last possibly used before it (empty moments
  /// otherwise).
  bool SurelyHeld(BlockId block, std::uint64_t reserve, const MomentCounts& phase,
                  std::int64_t phase_never) const;
  bool SurelyGone(BlockId block) const;
  std::int64_t MayUntil(BlockId block) const { return may_until_[block]; }

 private:
  std::int64_t capacity_;
  std::vector<std::int64_t> must_since_, may_until_;
  MomentCounts must_counts_, may_counts_;
};

/// Walks through the phases of a stream in order.
class HitBounds {
 public:
  HitBounds(const BlockStream& stream, const TierPools& pools);
  ExpectedHits Walk(const PhaseBlocks& phase);

 private:
  struct Lookup;
  struct Uses;
  void WalkTogether(const PhaseBlocks& phase, ExpectedHits& sums);
  void WalkInOrder(const PhaseBlocks& phase, ExpectedHits& sums);
  Lookup Look(const RequestBlocks& request) const;
  Uses Enumerate(const RequestBlocks& request, const Lookup& lookup, ExpectedHits& sums) const;
  void PlanDiskUses(const RequestBlocks& request, const Lookup& lookup, Uses& uses,
                    ExpectedHits& sums) const;
  void ApplyFirstComers(const PhaseBlocks& phase, std::int64_t from, std::int64_t to,
                        const std::vector<bool>& not_above, const std::vector<bool>& absent,
                        ExpectedHits& sums);
  void Apply(const RequestBlocks& request, const Uses& uses, std::int64_t from, std::int64_t to);

  TierPools pools_;
  TierFacts g1_, g2_, g3_;
  std::vector<std::uint32_t> asked_low_, asked_high_;  // questions to the frequency filter so far
  std::int64_t moments_ = 0;                           // requests walked so far
  std::uint64_t reserve_ = 0;
  // Of the concurrent phase being walked; empty otherwise.
  std::vector<std::uint32_t> sharers_;  // requests of the phase with this block
  MomentCounts phase1_, phase2_, phase3_;
  std::int64_t never1_ = 0, never2_ = 0, never3_ = 0;
};

}  // namespace kvtier
