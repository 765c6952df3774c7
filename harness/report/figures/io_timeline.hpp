#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "harness/judge/phase70.hpp"
#include "harness/report/figures/context.hpp"

namespace kvtier {

/// Rates in MiB/s over seconds since the first phase began.
struct IoTimelineData {
  struct Step {
    double from_s = 0, to_s = 0;
    double rate = 0;  // over the step
  };
  struct Phase {
    std::string name = {};
    double from_s = 0, to_s = 0;
  };
  struct Leg {
    std::string label = {};        // "B2, pair 1, leg 2"
    std::string unavailable = {};  // why there is no timeline; empty: there is one
    std::vector<Phase> phases = {};
    std::vector<Step> disk_read = {}, disk_written = {};      // the KV device
    std::vector<Step> engine_read = {}, engine_written = {};  // the engine's blocks as bytes
    std::string engine_unavailable = {};                      // why there are no engine rates
  };
  FigureContext context = {};
  std::vector<Leg> legs = {};  // of one pair, mode A first
};

/// SSD read and write rate over time with the phases as bands, the legs of one pair below each
/// other on one time axis and one rate axis a direction; the disk filled, the engine a dashed line.
std::string IoTimeline(const IoTimelineData& data);

/// From the leg's telemetry/timeline.jsonl. A missing or broken timeline is the leg's
/// `unavailable`. Steps are not shorter than a 300th of the leg.
IoTimelineData::Leg ReadIoTimeline(const std::filesystem::path& run_dir, const std::string& label,
                                   std::uint64_t block_bytes);
/// The first pair with two valid legs, else the first with two.
IoTimelineData ReadIoTimelinePair(const std::vector<Phase70Leg>& legs,
                                  const Phase70Analysis& analysis, const FigureContext& context);

}  // namespace kvtier
