#pragma once
#include <cstdint>
#include <string>

#include "harness/judge/evidence.hpp"
#include "workloads/hit_model.hpp"

namespace kvtier {

/// Why a replay would not prove anything about the SSD tier.
enum class PressureProblem {
  kNone,
  kNoDiskTier,
  kRequestTooLarge,  // a single request does not fit into G1
  kUpperTiersHold,   // G1 or G2 may still hold replayed blocks
  kDiskTooSmall,     // G3 cannot hold what populate and thrash write
  kFilterKeepsOut,   // the disk-offload filter refuses blocks that are computed once
  kVisitedInVain,    // G1 or G2 may still hold them at the second visit, so it computes nothing
  kUndecided,        // bounds too wide to promise it
};

struct PressureVerdict {
  bool sufficient = false;
  PressureProblem problem = PressureProblem::kNone;
  /// What holds or what is wrong, with the numbers.
  std::string sentence;
  /// What to change, by profile key and BENCH_ variable; empty when sufficient. Part of
  /// `sentence` too.
  std::string knob;
  std::uint64_t replay_blocks = 0;    // full blocks of the first replay phase
  std::uint64_t populate_blocks = 0;  // distinct, of populate or warm_A
  std::uint64_t thrash_blocks = 0;    // distinct, of thrash or pressure_B
  ExpectedHits replay;                // of the first replay phase
};

/// Asks before traffic whether the replay of `plan` must come from G3 on a stack with a disk tier
/// of these sizes: every replayed full block once, except those that repeat within the replay
/// itself (later turns of a session) and the one that is always recomputed of a prompt that ends on
/// a block boundary. The replay is the phase `replay` or `replay_A`; a plan without either is
/// sufficient. With the disk-offload filter on, the second visit (`populate_2`) must compute every
/// block again, too.
PressureVerdict CheckPressure(const Plan& plan, const TierPools& pools);

}  // namespace kvtier
