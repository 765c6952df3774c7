#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "harness/core/reading.hpp"
#include "harness/judge/phase70.hpp"
#include "harness/report/figures/context.hpp"

namespace kvtier {

struct TierHitsData {
  struct Leg {
    std::string label = {};  // "pair 3, leg 1"
    std::uint64_t expected_low = 0, expected_high = 0;
    Reading<std::uint64_t> actual = {};
  };
  struct Tier {
    std::string name = {};  // "host", "ssd"
    std::vector<Leg> legs = {};
  };
  FigureContext context = {};
  std::string mode = "B2";
  std::vector<Tier> tiers = {};
};

/// Block hits of the replay, a panel a tier: the expected interval of each leg as a band, what the
/// engine counted as a dot, filled inside the band and open outside of it. A leg that could not be
/// read is a cross with its reason below.
std::string TierHits(const TierHitsData& data);

/// Of the legs with an SSD tier.
TierHitsData TierHitsOf(const Phase70Analysis& analysis, const FigureContext& context);

}  // namespace kvtier
