#include "harness/judge/phase70_hits.hpp"

#include <nlohmann/json.hpp>

#include "harness/judge/gates.hpp"
#include "harness/judge/json_fields.hpp"

namespace kvtier {

std::vector<HitComparison> CompareHits(const LegEvidence& leg) {
  const PhaseEvidence* replay = HeadlinePhase(leg);
  if (!KvbmEnabled(leg.tier) || replay == nullptr || !replay->expected) return {};
  const ExpectedHits& e = *replay->expected;
  std::vector<HitComparison> out{{leg.run_id, "host", e.g2_blocks.low, e.g2_blocks.high,
                                  replay->tiers.onboard_g2_to_g1_blocks}};
  if (HasDiskTier(leg.tier)) {
    out.push_back({leg.run_id, "ssd", e.g3_blocks.low, e.g3_blocks.high,
                   replay->tiers.onboard_g3_to_g1_blocks});
  }
  return out;
}

void to_json(nlohmann::json& j, const HitComparison& h) {
  j = {{"run_id", h.run_id},
       {"tier", h.tier},
       {"expected_low_blocks", h.expected_low},
       {"expected_high_blocks", h.expected_high},
       {"actual_blocks", h.actual},
       {"holds", h.Holds()}};
}

void from_json(const nlohmann::json& j, HitComparison& h) {
  h.run_id = At<std::string>(j, "run_id");
  h.tier = At<std::string>(j, "tier");
  h.expected_low = At<std::uint64_t>(j, "expected_low_blocks");
  h.expected_high = At<std::uint64_t>(j, "expected_high_blocks");
  h.actual = At<Reading<std::uint64_t>>(j, "actual_blocks");
}

}  // namespace kvtier
