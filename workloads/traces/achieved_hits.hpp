#pragma once
#include <map>
#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "harness/core/reading.hpp"
#include "harness/judge/evidence.hpp"
#include "workloads/traces/hit_curve.hpp"

/// What the tiers answered beside what they were expected to, for hits_achieved.json in the bundle
/// of a replayed trace.
namespace kvtier {

/// Achieved over expected; of an expectation that is a range, over its upper and its lower end.
struct AchievedShare {
  double low = 0, high = 0;
};

/// One kind of block of one phase.
struct AchievedRow {
  ExpectedHits::Range expected;  // PredictHits
  Reading<std::uint64_t> engine;
  /// Unavailable without a counter, and where nothing was expected.
  Reading<AchievedShare> ratio;
};

struct AchievedHits {
  struct Phase {
    AchievedRow g1, g2, g3, written;
    /// Hits of all tiers that said theirs, over those of LRU tiers of the same sizes on the same
    /// blocks; of a run of one phase only.
    Reading<double> of_lru;
  };
  std::map<std::string, Phase> phases;
};

/// `curve` as it was computed before the run; empty: no figure of_lru.
AchievedHits CompareHits(const LegEvidence& leg, const std::optional<HitCurve>& curve);
/// hits_achieved.json.
nlohmann::json ToJson(const AchievedHits& hits);

}  // namespace kvtier
