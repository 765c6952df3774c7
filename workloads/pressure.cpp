#include "workloads/pressure.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>

namespace kvtier {
namespace {

std::uint64_t CeilDiv(std::uint64_t a, std::uint64_t b) {
  return (a + b - 1) / b;
}

/// The phases of a scenario that asks for pressure, and what its user can turn.
struct Roles {
  std::string warm, again, pressure, replay;
  std::string pressure_knob, size_knob;
};

const Roles kRehydrate{"populate",
                       "populate_2",
                       "thrash",
                       "replay",
                       "scenario.thrash_sessions (BENCH_PHASE70_REHYDRATE_THRASH_SESSIONS)",
                       "scenario.prefix_target_tokens "
                       "(BENCH_PHASE70_REHYDRATE_PREFIX_TARGET_TOKENS)"};
const Roles kEviction{"warm_A",
                      "warm_A_2",
                      "pressure_B",
                      "replay_A",
                      "scenario.b_requests (BENCH_PHASE56_B_REQ)",
                      "scenario.long_range (BENCH_PHASE56_LONG_RANGE)"};

/// Null for a plan without a replay.
const Roles* RolesIn(const Plan& plan) {
  for (const auto& phase : plan.phases) {
    for (const Roles* roles : {&kRehydrate, &kEviction}) {
      if (phase.name == roles->replay) return roles;
    }
  }
  return nullptr;
}

/// The plan up to the phase `last`, that one in order: whether a block has to come from G3 does not
/// depend on how many replays are in flight, and in order a repeat within the replay is told apart
/// from a block that thrash left behind.
Plan UpToOrdered(const Plan& plan, const std::string& last) {
  Plan cut{.scenario = plan.scenario, .phases = {}};
  for (const auto& phase : plan.phases) {
    cut.phases.push_back(phase);
    if (phase.name != last) continue;
    cut.phases.back().concurrency = 1;
    break;
  }
  return cut;
}

struct Shape {
  std::uint64_t references = 0, distinct = 0, on_boundary = 0;  // of the replay
  std::uint64_t written_before = 0;        // distinct blocks of the phases before it
  std::uint64_t largest = 0, reserve = 0;  // slots of a request, of all in flight
  std::uint64_t session_blocks = 0;        // of the smallest request of the pressure phase
  bool visited_again = false;
};

Shape ShapeOf(const BlockStream& stream, const Roles& roles) {
  Shape s;
  std::set<BlockId> replayed, before;
  bool is_before = true;
  for (const auto& phase : stream.phases) {
    is_before = is_before && phase.name != roles.replay;
    s.visited_again = s.visited_again || phase.name == roles.again;
    for (const auto& r : phase.requests) {
      s.largest = std::max<std::uint64_t>(s.largest, r.slots);
      if (is_before) before.insert(r.blocks.begin(), r.blocks.end());
      if (phase.name == roles.pressure) {
        s.session_blocks =
            s.session_blocks == 0 ? r.blocks.size() : std::min(s.session_blocks, r.blocks.size());
      }
      if (phase.name != roles.replay) continue;
      s.references += r.blocks.size();
      s.on_boundary += r.ends_on_boundary ? 1 : 0;
      replayed.insert(r.blocks.begin(), r.blocks.end());
    }
    s.reserve = std::max(s.reserve, phase.in_flight * s.largest);
  }
  s.session_blocks = std::max<std::uint64_t>(1, s.session_blocks);
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

std::string RaisePressure(const Shape& s, const TierPools& pools, const Roles& roles) {
  const std::uint64_t sessions =
      CeilDiv(std::max(pools.device_blocks, pools.host_blocks), s.session_blocks);
  return fmt::format(
      "raise {} to at least {}, or lower stack.g1_blocks or stack.g2_blocks "
      "(BENCH_PHASE70_CPU_CACHE_GB)",
      roles.pressure_knob, sessions);
}

/// The filter counts a block only where it is computed, so what a tier still holds at the second
/// visit is never written.
PressureVerdict RefuseVisit(const PressureVerdict& v, const ExpectedHits& visit, const Shape& s,
                            const TierPools& pools, const Roles& roles) {
  return Refuse(
      v, PressureProblem::kVisitedInVain,
      fmt::format("at {} up to {} blocks may still be in G1 ({} blocks) and {} in G2 ({} blocks), "
                  "because {} sends only {} blocks; they are not computed a second time, and the "
                  "disk-offload filter keeps them from the SSD",
                  roles.again, visit.g1_blocks.high, pools.device_blocks, visit.g2_blocks.high,
                  pools.host_blocks, roles.pressure, v.thrash_blocks),
      RaisePressure(s, pools, roles));
}

PressureVerdict RefuseUpperTiers(const PressureVerdict& v, const ExpectedHits& replay,
                                 const Shape& s, const TierPools& pools, const Roles& roles) {
  return Refuse(
      v, PressureProblem::kUpperTiersHold,
      fmt::format("of {} replayed blocks up to {} may still be in G1 ({} blocks) and {} "
                  "in G2 ({} blocks), because {} sends only {} blocks",
                  v.replay_blocks, replay.g1_blocks.high, pools.device_blocks,
                  replay.g2_blocks.high, pools.host_blocks, roles.pressure, v.thrash_blocks),
      RaisePressure(s, pools, roles));
}

PressureVerdict RefuseDisk(const PressureVerdict& v, const ExpectedHits& replay, const Shape& s,
                           const TierPools& pools, const Roles& roles) {
  if (pools.disk_offload_filter && !s.visited_again) {
    return Refuse(v, PressureProblem::kFilterKeepsOut,
                  fmt::format("of {} replayed blocks only {} must come from G3, because the "
                              "disk-offload filter refuses a block that was computed once",
                              v.replay_blocks, replay.g3_blocks.low),
                  "set phase70.filter_protocol to production (BENCH_PHASE70_FILTER_PROTOCOL) for "
                  "three visits of each prompt, or stack.disk_offload_filter to false "
                  "(BENCH_DISABLE_DISK_OFFLOAD_FILTER=1) for the mechanism");
  }
  const bool too_small = s.written_before > pools.disk_blocks;
  return Refuse(
      v, too_small ? PressureProblem::kDiskTooSmall : PressureProblem::kUndecided,
      fmt::format(
          "G3 has {} blocks and {} {}, so of {} replayed blocks only {} must come "
          "from it{}",
          pools.disk_blocks,
          s.visited_again && pools.disk_offload_filter
              ? roles.again + " writes"
              : fmt::format("{} and {} write", roles.warm, roles.pressure),
          s.written_before, v.replay_blocks, replay.g3_blocks.low,
          too_small ? "" : fmt::format(" with a reserve of {} for requests in flight", s.reserve)),
      fmt::format(
          "raise stack.g3_blocks (BENCH_PHASE70_DISK_CACHE_GB) to at least {} blocks, or lower {}",
          s.written_before + s.reserve, roles.pressure_knob));
}

}  // namespace

PressureVerdict CheckPressure(const Plan& plan, const TierPools& pools) {
  const BlockStream stream = MakeBlockStream(plan, pools.block_tokens);
  PressureVerdict v;
  const Roles* const found = RolesIn(plan);
  if (found == nullptr) {
    v.sufficient = true;
    v.sentence = fmt::format("{} has no replay phase: no pressure is asked for", plan.scenario);
    return v;
  }
  const Roles& roles = *found;
  Shape s = ShapeOf(stream, roles);
  v.replay_blocks = s.references;
  v.populate_blocks = DistinctBlocks(stream, roles.warm);
  v.thrash_blocks = DistinctBlocks(stream, roles.pressure);
  if (s.visited_again && pools.disk_offload_filter)
    s.written_before = v.populate_blocks;  // prompts that are sent once do not pass the filter
  if (pools.disk_blocks == 0) {
    return Refuse(v, PressureProblem::kNoDiskTier,
                  "the stack has no G3, so no replay can come from the SSD",
                  "set stack.g3_blocks or stack.g3_gb (BENCH_PHASE70_DISK_CACHE_GB)");
  }
  if (s.largest > pools.device_blocks) {
    return Refuse(v, PressureProblem::kRequestTooLarge,
                  fmt::format("a request needs {} device blocks and G1 has {}", s.largest,
                              pools.device_blocks),
                  fmt::format("raise stack.g1_blocks to at least {} or lower {}", s.largest,
                              roles.size_knob));
  }
  v.replay = PredictHits(plan, pools).at(roles.replay);
  const std::uint64_t repeats = s.references - s.distinct;  // of populate, too
  if (s.visited_again && pools.disk_offload_filter) {
    const ExpectedHits visit = PredictHits(UpToOrdered(plan, roles.again), pools).at(roles.again);
    if (visit.g1_blocks.high + visit.g2_blocks.high > repeats)
      return RefuseVisit(v, visit, s, pools, roles);
  }
  const ExpectedHits ordered = PredictHits(UpToOrdered(plan, roles.replay), pools).at(roles.replay);
  if (ordered.g1_blocks.high + ordered.g2_blocks.high > repeats)
    return RefuseUpperTiers(v, ordered, s, pools, roles);
  if (ordered.computed_blocks.high > s.on_boundary) return RefuseDisk(v, ordered, s, pools, roles);
  v.sufficient = true;
  v.sentence = fmt::format(
      "{} of {} replayed blocks must come from G3 ({} blocks): {} wrote {}, {} {} more than G1 "
      "({}) and G2 ({}) hold",
      ordered.g3_blocks.low, v.replay_blocks, pools.disk_blocks,
      s.visited_again && pools.disk_offload_filter ? roles.again : roles.warm, v.populate_blocks,
      roles.pressure, v.thrash_blocks, pools.device_blocks, pools.host_blocks);
  return v;
}

}  // namespace kvtier
