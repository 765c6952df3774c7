#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "harness/core/reading.hpp"
#include "harness/judge/evidence.hpp"

namespace kvtier {

/// Block hits of one leg's replay in one tier: what the hit model said before the run beside what
/// the engine counted.
struct HitComparison {
  std::string run_id;
  std::string tier;  // "host", "ssd"
  std::uint64_t expected_low = 0, expected_high = 0;
  Reading<std::uint64_t> actual;
  bool Holds() const {
    return actual.available() && expected_low <= *actual && *actual <= expected_high;
  }
};
/// Empty for a leg that nothing was predicted for: no replay, B0, a stack that hides its sizes.
std::vector<HitComparison> CompareHits(const LegEvidence& leg);

void to_json(nlohmann::json& j, const HitComparison& h);
/// Throws DataError naming the key.
void from_json(const nlohmann::json& j, HitComparison& h);

}  // namespace kvtier
