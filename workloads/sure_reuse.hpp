#pragma once
#include <cstdint>
#include <map>
#include <string>

#include "harness/load/plan.hpp"

namespace kvtier {

/// Prompt tokens by phase that some tier has to answer, whatever the order in which concurrent
/// requests are served, as long as nothing is ever evicted from the largest tier and every request
/// succeeds. A leading block of a request counts when a request that is surely over has it: one of
/// an earlier phase, one that this request comes after (directly or through others), or, of the
/// requests of its phase before it that wait for nobody, more than can be in flight beside it.
std::map<std::string, std::uint64_t> SurelyReusedTokens(const Plan& plan, int block_tokens);

}  // namespace kvtier
