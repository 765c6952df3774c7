#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include <nlohmann/json.hpp>

#include "harness/load/plan.hpp"
#include "workloads/hit_model.hpp"
#include "workloads/traces/stack_distance.hpp"

/// What tiers of which size would answer of a stream of requests: computed from block identities
/// alone, requests one after the other.
///
/// Tiers are LRU caches that include one another, as a write-through cache without demotion does:
/// every block that is used becomes the most recent of each tier, so a tier of c blocks holds the c
/// most recent ones and the hits of all capacities follow from one pass (StackDistances). This is
/// what sizes can give at most in practice, not a replay of the engine's rules: those are
/// PredictHits. A block counts as hit when everything before it in its prompt is hit too.
///
/// With the engine's offload filter a block enters G3 at its second host registration within a 600
/// s tick of trace time. What G3 holds then depends on what it held before, larger tiers do not
/// include smaller ones, and each capacity is carried out on its own, in the same pass over the
/// requests. Rules there: the prefix found in G1 and G2 (LRU, as above), from its end the run found
/// in G3; what follows is computed and registered, and a registration of a block that G3 has asks
/// nothing. Without G2 nothing is filtered.
namespace kvtier {

/// The engine's frequency filter in trace time: the first question about a block stores 1 and is
/// refused, each further one doubles the count and is accepted; every 600 s all counts fall by one;
/// over a million entries they fall until some vanish.
class OffloadFilter {
 public:
  explicit OffloadFilter(std::size_t entries = 1'000'000) : most_(entries) {}
  /// `time_s` ascends.
  bool Accept(BlockId block, double time_s);
  std::size_t entries() const { return size_; }

 private:
  void Advance(std::uint32_t to);
  std::size_t most_;
  std::optional<double> start_s_;
  std::uint64_t ticks_ = 0;
  std::uint32_t now_ = 0;                        // decays so far
  std::vector<std::uint32_t> ends_;              // by block: the decay that brings its count to 0
  std::map<std::uint32_t, std::size_t> living_;  // entries by that decay
  std::size_t size_ = 0;
};

/// G3 of one capacity below a faster LRU tier.
class DiskPass {
 public:
  DiskPass(std::uint64_t capacity, bool filter) : capacity_(capacity), filtered_(filter) {}
  /// `fast_run` blocks of the prompt came from above. Returns how many of the next came from here.
  std::size_t Request(double time_s, std::span<const BlockId> blocks, std::size_t fast_run);
  std::uint64_t capacity() const { return capacity_; }
  std::uint64_t hits() const { return hits_; }
  std::uint64_t written() const { return written_; }

 private:
  bool Holds(BlockId block) const;
  void Unlink(BlockId block);
  void PutFirst(BlockId block);
  std::uint64_t capacity_;
  bool filtered_;
  OffloadFilter filter_;
  std::vector<BlockId> older_, newer_;  // by block: the LRU list; kNotHeld in newer_
  BlockId newest_ = ~BlockId{0}, oldest_ = ~BlockId{0};
  std::uint64_t size_ = 0, hits_ = 0, written_ = 0;
  std::vector<BlockId> enter_;
};

/// Block references answered by each tier.
struct LruTierHits {
  std::uint64_t g1 = 0, g2 = 0, g3 = 0, computed = 0;
  std::uint64_t written = 0;  // into G3
};

struct HitCurve {
  TierPools stack;  // the sizes that `filter_off` and `filter_on` are about
  std::uint64_t requests = 0, references = 0, distinct = 0;
  struct Point {
    std::uint64_t capacity = 0;  // blocks
    std::uint64_t hits = 0;      // of one LRU cache of that size
    /// The stack's G1 and G2 and, with the filter, a G3 of that size: hits of all three.
    std::optional<std::uint64_t> filtered_hits = std::nullopt;
  };
  std::vector<Point> points;  // capacities ascend; the last holds everything
  LruTierHits filter_off, filter_on;
  /// Of all references; 0 without any.
  double Share(std::uint64_t hits) const;
  double IdealShare() const { return points.empty() ? 0 : Share(points.back().hits); }
};
/// hit_curve.json, and key `curve` of expected_hits.json.
void to_json(nlohmann::json& j, const HitCurve& curve);
/// Throws DataError naming the key.
void from_json(const nlohmann::json& j, HitCurve& curve);

/// Takes requests in order. Memory linear in distinct blocks.
class HitCurveModel {
 public:
  /// `filtered_points`: up to eight capacities above G1 and G2 are carried out with the filter, at
  /// 12 bytes a distinct block each.
  explicit HitCurveModel(const TierPools& stack, bool filtered_points = false);
  /// One prompt's block identities, as they are chained. `time_s` ascends.
  void Request(double time_s, std::span<const std::uint64_t> identities);
  HitCurve Finish() const;

 private:
  TierPools stack_;
  std::uint64_t fast_;  // G1 and G2, which includes it
  BlockNumbers numbers_;
  StackDistances distances_;
  std::vector<BlockId> blocks_;
  std::vector<std::uint64_t> by_depth_;  // references by the least capacity that answers them
  std::uint64_t requests_ = 0, references_ = 0, fast_hits_ = 0;
  DiskPass off_, on_;
  std::vector<DiskPass> filtered_;
};

/// The curve of a plan as the byte-level stack sees it: phases in order, requests of a phase in the
/// order of the plan, at their arrival times where they have any.
HitCurve CurveOf(const Plan& plan, const TierPools& stack);

}  // namespace kvtier
