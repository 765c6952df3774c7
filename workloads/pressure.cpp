#include "workloads/pressure.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>

namespace kvtier {
namespace {

std::uint64_t CeilDiv(std::uint64_t a, std::uint64_t b) {
  return (a + b - 1) / b;
}

const PhaseBlocks* Find(const BlockStream& stream, const std::string& name) {
  for (const auto& p : stream.phases) {
    if (p.name == name) return &p;
  }
  return nullptr;
}

/// The plan up to its first replay, that one in order: whether a block has to come from G3 does not
/// depend on how many replays are in flight, and in order a repeat within the replay is told apart
/// from a block that thrash left behind.
Plan UpToOrderedReplay(const Plan& plan) {
  Plan cut{.scenario = plan.scenario, .phases = {}};
  for (const auto& phase : plan.phases) {
    cut.phases.push_back(phase);
    if (phase.name != "replay") continue;
    cut.phases.back().concurrency = 1;
    break;
  }
  return cut;
}

struct Shape {
  std::uint64_t references = 0, distinct = 0, on_boundary = 0;  // of the replay
  std::uint64_t written_before = 0;        // distinct blocks of the phases before it
  std::uint64_t largest = 0, reserve = 0;  // slots of a request, of all in flight
  std::uint64_t session_blocks = 1;        // of one thrash session
};

Shape ShapeOf(const BlockStream& stream) {
  Shape s;
  std::set<BlockId> replayed, before;
  bool is_before = true;
  for (const auto& phase : stream.phases) {
    is_before = is_before && phase.name != "replay";
    for (const auto& r : phase.requests) {
      s.largest = std::max<std::uint64_t>(s.largest, r.slots);
      if (is_before) before.insert(r.blocks.begin(), r.blocks.end());
      if (is_before)
        s.session_blocks =
            std::max<std::uint64_t>(1, r.blocks.size());  // thrash is the last before
      if (phase.name != "replay") continue;
      s.references += r.blocks.size();
      s.on_boundary += r.ends_on_boundary ? 1 : 0;
      replayed.insert(r.blocks.begin(), r.blocks.end());
    }
    s.reserve = std::max(s.reserve, phase.in_flight * s.largest);
  }
  s.distinct = replayed.size();
  s.written_before = before.size();
  return s;
}

PressureVerdict Refuse(PressureVerdict v, PressureProblem problem, const std::string& what,
                       std::string knob) {
  v.sufficient = false;
  v.problem = problem;
  v.sentence = fmt::format("{}; {}", what, knob);
  v.knob = std::move(knob);
  return v;
}

PressureVerdict RefuseUpperTiers(const PressureVerdict& v, const ExpectedHits& replay,
                                 const Shape& s, const TierPools& pools) {
  const std::uint64_t sessions =
      CeilDiv(std::max(pools.device_blocks, pools.host_blocks), s.session_blocks);
  return Refuse(v, PressureProblem::kUpperTiersHold,
                fmt::format("of {} replayed blocks up to {} may still be in G1 ({} blocks) and {} "
                            "in G2 ({} blocks), because thrash sends only {} blocks",
                            v.replay_blocks, replay.g1_blocks.high, pools.device_blocks,
                            replay.g2_blocks.high, pools.host_blocks, v.thrash_blocks),
                fmt::format("raise scenario.thrash_sessions "
                            "(BENCH_PHASE70_REHYDRATE_THRASH_SESSIONS) to at least {}, or lower "
                            "stack.g1_blocks or stack.g2_blocks (BENCH_PHASE70_CPU_CACHE_GB)",
                            sessions));
}

PressureVerdict RefuseDisk(const PressureVerdict& v, const ExpectedHits& replay, const Shape& s,
                           const TierPools& pools) {
  if (pools.disk_offload_filter) {
    return Refuse(v, PressureProblem::kFilterKeepsOut,
                  fmt::format("of {} replayed blocks only {} must come from G3, because the "
                              "disk-offload filter refuses a block that was computed once",
                              v.replay_blocks, replay.g3_blocks.low),
                  "set stack.disk_offload_filter to false (BENCH_DISABLE_DISK_OFFLOAD_FILTER=1) "
                  "for the mechanism");
  }
  const bool too_small = s.written_before > pools.disk_blocks;
  return Refuse(
      v, too_small ? PressureProblem::kDiskTooSmall : PressureProblem::kUndecided,
      fmt::format(
          "G3 has {} blocks and populate and thrash write {}, so of {} replayed blocks only {} "
          "must come from it{}",
          pools.disk_blocks, s.written_before, v.replay_blocks, replay.g3_blocks.low,
          too_small ? "" : fmt::format(" with a reserve of {} for requests in flight", s.reserve)),
      fmt::format(
          "raise stack.g3_blocks (BENCH_PHASE70_DISK_CACHE_GB) to at least {} blocks, or lower "
          "scenario.thrash_sessions (BENCH_PHASE70_REHYDRATE_THRASH_SESSIONS)",
          s.written_before + s.reserve));
}

}  // namespace

PressureVerdict CheckPressure(const Plan& plan, const TierPools& pools) {
  const BlockStream stream = MakeBlockStream(plan, pools.block_tokens);
  PressureVerdict v;
  if (Find(stream, "replay") == nullptr) {
    v.sufficient = true;
    v.sentence = fmt::format("{} has no replay phase: no pressure is asked for", plan.scenario);
    return v;
  }
  const Shape s = ShapeOf(stream);
  v.replay_blocks = s.references;
  v.populate_blocks = DistinctBlocks(stream, "populate");
  v.thrash_blocks = DistinctBlocks(stream, "thrash");
  if (pools.disk_blocks == 0) {
    return Refuse(v, PressureProblem::kNoDiskTier,
                  "the stack has no G3, so no replay can come from the SSD",
                  "set stack.g3_blocks or stack.g3_gb (BENCH_PHASE70_DISK_CACHE_GB)");
  }
  if (s.largest > pools.device_blocks) {
    return Refuse(
        v, PressureProblem::kRequestTooLarge,
        fmt::format("a request needs {} device blocks and G1 has {}", s.largest,
                    pools.device_blocks),
        fmt::format("raise stack.g1_blocks to at least {} or lower scenario.prefix_target_tokens "
                    "(BENCH_PHASE70_REHYDRATE_PREFIX_TARGET_TOKENS)",
                    s.largest));
  }
  v.replay = PredictHits(plan, pools).at("replay");
  const ExpectedHits ordered = PredictHits(UpToOrderedReplay(plan), pools).at("replay");
  const std::uint64_t repeats = s.references - s.distinct;
  if (ordered.g1_blocks.high + ordered.g2_blocks.high > repeats)
    return RefuseUpperTiers(v, ordered, s, pools);
  if (ordered.computed_blocks.high > s.on_boundary) return RefuseDisk(v, ordered, s, pools);
  v.sufficient = true;
  v.sentence = fmt::format(
      "{} of {} replayed blocks must come from G3 ({} blocks): populate wrote {}, thrash {} more "
      "than G1 ({}) and G2 ({}) hold",
      ordered.g3_blocks.low, v.replay_blocks, pools.disk_blocks, v.populate_blocks, v.thrash_blocks,
      pools.device_blocks, pools.host_blocks);
  return v;
}

}  // namespace kvtier
