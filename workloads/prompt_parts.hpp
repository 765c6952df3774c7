#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "harness/load/plan.hpp"
#include "workloads/tokens.hpp"

/// What the text workloads share.
namespace kvtier {

/// The seed of everything in one pair's prompts: run seed and pair number.
std::uint64_t PairSeed(std::uint64_t run_seed, int pair_index);

/// "[<8 hex> <tag>] ": first text of a prompt. The tag is unique within a plan and ends inside the
/// first engine block.
std::string SessionNonce(std::uint64_t pair_seed, std::string_view tag);

/// `question` lengthened so that Count(wrapped prompt) modulo `block_tokens` lies in [4,
/// block_tokens - 4]; `tokens_around` is the size of everything else in the prompt. Exact with the
/// byte-level counter.
std::string PadQuestion(std::string question, int tokens_around, int block_tokens,
                        const TokenCounter& counter);

/// Throws ConfigError "<option> is <value>: allowed are <low> to <high>".
void RequireInRange(std::string_view option, std::int64_t value, std::int64_t low,
                    std::int64_t high);

/// Fills prompt-derived fields: tokens estimate and identity.
void SealRequest(PlannedRequest& request, std::string_view model, const TokenCounter& counter);

}  // namespace kvtier
