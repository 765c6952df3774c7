#include "workloads/hit_model.hpp"

#include <fmt/format.h>

#include "harness/core/error.hpp"
#include "workloads/hit_bounds.hpp"
#include "workloads/tier_simulator.hpp"

namespace kvtier {
namespace {

ExpectedHits Exactly(const TierCounts& counts) {
  const auto fixed = [](std::uint64_t n) { return ExpectedHits::Range{n, n}; };
  return {.exact = true,
          .g1_blocks = fixed(counts.g1),
          .g2_blocks = fixed(counts.g2),
          .g3_blocks = fixed(counts.g3),
          .computed_blocks = fixed(counts.computed),
          .offload_g2_to_g3_blocks = fixed(counts.written)};
}

void RequireFit(const PhaseBlocks& phase, const TierPools& pools) {
  for (std::size_t i = 0; i < phase.requests.size(); ++i) {
    if (phase.requests[i].slots <= pools.device_blocks) continue;
    throw ConfigError(
        fmt::format("request {} of phase {} needs {} device blocks and G1 has {}: raise "
                    "stack.g1_blocks or shorten the prompt",
                    i + 1, phase.name, phase.requests[i].slots, pools.device_blocks));
  }
}

}  // namespace

std::map<std::string, ExpectedHits> PredictHits(const Plan& plan, const TierPools& pools) {
  const BlockStream stream = MakeBlockStream(plan, pools.block_tokens);
  TierSimulator simulator(pools);
  HitBounds bounds(stream, pools);
  bool order_known = true;
  std::map<std::string, ExpectedHits> by_phase;
  for (const auto& phase : stream.phases) {
    RequireFit(phase, pools);
    const ExpectedHits bounded = bounds.Walk(phase);
    order_known = order_known && phase.in_flight <= 1;
    if (!order_known) {
      by_phase[phase.name] = bounded;
      continue;
    }
    TierCounts counts;
    for (const auto& request : phase.requests) simulator.Run(request, counts);
    by_phase[phase.name] = Exactly(counts);
  }
  return by_phase;
}

}  // namespace kvtier
