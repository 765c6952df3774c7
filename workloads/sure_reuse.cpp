#include "workloads/sure_reuse.hpp"

#include <algorithm>
#include <unordered_set>
#include <vector>

#include "workloads/block_stream.hpp"

namespace kvtier {
namespace {

/// Do the requests that this one waits for, directly or through others, have the block?
bool AncestorHas(const PhasePlan& phase, const PhaseBlocks& blocks, std::size_t request,
                 BlockId block) {
  for (auto after = phase.requests[request].after; after;
       after = phase.requests[static_cast<std::size_t>(*after)].after) {
    const auto& theirs = blocks.requests[static_cast<std::size_t>(*after)].blocks;
    if (std::find(theirs.begin(), theirs.end(), block) != theirs.end()) return true;
  }
  return false;
}

}  // namespace

std::map<std::string, std::uint64_t> SurelyReusedTokens(const Plan& plan, int block_tokens) {
  const BlockStream stream = MakeBlockStream(plan, block_tokens);
  std::map<std::string, std::uint64_t> reused;
  std::unordered_set<BlockId> earlier_phases;
  for (std::size_t p = 0; p < plan.phases.size(); ++p) {
    const PhasePlan& phase = plan.phases[p];
    const PhaseBlocks& blocks = stream.phases[p];
    std::vector<std::size_t> sent_before(stream.distinct, 0);  // by requests that wait for nobody
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < blocks.requests.size(); ++i) {
      const RequestBlocks& request = blocks.requests[i];
      std::size_t run = 0;
      for (; run < request.blocks.size(); ++run) {
        const BlockId block = request.blocks[run];
        const bool over = earlier_phases.contains(block) ||
                          sent_before[block] >= blocks.in_flight ||
                          AncestorHas(phase, blocks, i, block);
        if (!over) break;
      }
      sum += std::min(run, request.device_match_limit);
      if (phase.requests[i].after) continue;
      for (const BlockId block : request.blocks) ++sent_before[block];
    }
    for (const auto& request : blocks.requests)
      earlier_phases.insert(request.blocks.begin(), request.blocks.end());
    reused[phase.name] = sum * static_cast<std::uint64_t>(block_tokens);
  }
  return reused;
}

}  // namespace kvtier
