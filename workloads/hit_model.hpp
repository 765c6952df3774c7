#pragma once
#include <cstdint>
#include <map>
#include <string>

#include "harness/judge/evidence.hpp"
#include "harness/load/plan.hpp"
#include "workloads/block_stream.hpp"

/// Which block of which request must come from which tier: computed from the plan alone, before the
/// run, and written without a look at the engine's code. What both sides agree on is the rules
/// below.
///
/// Identity (facts/kvbm_behavior.md section 3): only full prompt blocks have one, an XXH3-64 chain
/// over token ids. Tiers: slots are free, active or inactive; allocation takes free slots first,
/// then evicts the least recently returned. Nothing is demoted on eviction. One request, at
/// concurrency 1:
///  1. The longest run from block 0 in G1, at most (prompt - 1) / block_tokens blocks; from its end
///  the longest run in
///     G2; from there the longest run in G3. When the three cover the whole prompt, the last block
///     is dropped (from G3, else from G2) and computed.
///  2. Matched G2 and G3 blocks become the most recent of their tier, the first block of a run most
///  of all.
///  3. ceil((prompt + max_tokens) / block_tokens) - hits slots are allocated in G1 at once, so
///  generated tokens take
///     room too; onboarded blocks are registered in G1, never in G2.
///  4. Prefill proceeds in chunks that end at multiples of two blocks. The full blocks of a chunk
///  are registered in G1;
///     then all or none get a G2 slot and are registered there in ascending order. A duplicate
///     refreshes the old block.
///  5. Each G2 registration: in G3 already - nothing; filter on - only from the second registration
///  on (one 600 s tick);
///     else one G3 slot. Without G2 computed blocks go to G3 directly and are never filtered.
///  6. KV born in decode has no identity. At the end of a sequence its G1 slots are returned from
///  the last to the first.
namespace kvtier {

/// Sizes of one stack's tiers, as read back from it. 0: the tier does not exist.
struct TierPools {
  std::uint64_t device_blocks = 0;
  std::uint64_t host_blocks = 0;
  std::uint64_t disk_blocks = 0;
  int block_tokens = 32;
  bool disk_offload_filter = true;
};

/// Expected block hits by phase name, from a cold stack, for a plan whose phases run one after the
/// other with a barrier between them and whose requests all succeed.
///
/// Exact (low = high) while every phase so far ran at concurrency 1: the rules are simply carried
/// out. From the first phase with more than one request in flight on, nothing is assumed about the
/// order in which the requests of one such phase are served; the tiers are then known as two facts
/// a block, as in the must and may analysis of caches (Ferdinand and Wilhelm 1999): a moment since
/// which it was surely used, a moment after which it was surely not.
///  * It is surely resident when the blocks that may have been used since, plus concurrency x the
///  largest request's slots
///    in reserve for sequences in flight, do not fill the tier.
///  * It is surely gone when at least as many other blocks as the tier has slots were surely used
///  after it.
///  * A block that another request of the same concurrent phase touches may or may not be there.
/// Everything else counts as 0 in `low` and 1 in `high`. A phase in which every lookup is decided
/// this way is exact too: barriers between phases make the default Phase70 shape so. Throws
/// ConfigError when a request needs more slots than G1 has, naming both numbers.
std::map<std::string, ExpectedHits> PredictHits(const Plan& plan, const TierPools& pools);

}  // namespace kvtier
