#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "harness/load/plan.hpp"

/// A plan as the tiers see it: sequences of block identities.
namespace kvtier {

using BlockHash = std::uint64_t;
/// XXH3-64 of "{}": the salt of a request without adapter and cache salt.
inline constexpr std::uint64_t kNoAdapterSalt = 1389868326933519382ULL;

/// Chained identities of the complete blocks of `tokens` (facts/kvbm_behavior.md section 3): hash
/// of a block's ids as little-endian 32-bit words, then of (identity before, block hash) as two
/// little-endian 64-bit words, seed = salt.
std::vector<BlockHash> BlockChain(std::span<const std::uint32_t> tokens, int block_tokens,
                                  std::uint64_t salt = kNoAdapterSalt);
/// Token ids that the byte-level stack sees for a request: its own, or those of its text.
std::vector<std::uint32_t> TokensOf(const PlannedRequest& request);

/// Dense number of an identity within one plan.
using BlockId = std::uint32_t;

struct RequestBlocks {
  std::vector<BlockId> blocks;  // full prompt blocks
  std::size_t tokens = 0;       // of the prompt
  std::size_t slots = 0;        // G1 slots it needs, generated tokens included
  bool ends_on_boundary = false;
  /// Blocks of a lookup in G1: the last token is always computed.
  std::size_t device_match_limit = 0;
};

struct PhaseBlocks {
  std::string name;
  /// At most: concurrency, or fewer where there are fewer requests. 1: in the order of the plan.
  std::size_t in_flight = 1;
  std::vector<RequestBlocks> requests;
};

struct BlockStream {
  std::vector<PhaseBlocks> phases;
  std::size_t distinct = 0;  // identities are 0 .. distinct - 1
};
BlockStream MakeBlockStream(const Plan& plan, int block_tokens);

/// Distinct full blocks of a phase; 0 for a phase that does not exist.
std::uint64_t DistinctBlocks(const BlockStream& stream, const std::string& phase);

}  // namespace kvtier
