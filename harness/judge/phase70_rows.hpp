#pragma once
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "harness/judge/phase70.hpp"

/// The steps of the paired analysis that turn legs into rows and deltas; for phase70.cpp and its
/// neighbours alone.
namespace kvtier {

/// A leg with everything derived from it.
struct JudgedLeg {
  const Phase70Leg* leg = nullptr;
  std::shared_ptr<const LegDigest> digest;
  LegFigures figures;
  std::optional<QuantileEstimate> tpot_p50;  // of the headline phase, ms
  Findings findings;
  bool valid = true;
  /// Of a leg with KVBM that has a report or needs one.
  std::optional<IoAttributionVerdict> io_attribution;
};

struct JudgedPair {
  int pair_id = 0;
  LegOrder order = LegOrder::kAB;
  const JudgedLeg* a = nullptr;
  const JudgedLeg* b = nullptr;
  bool complete = false;
};

inline std::optional<double> ValueOf(const std::optional<QuantileEstimate>& e) {
  return e ? std::optional<double>(e->value) : std::nullopt;
}
template <class T>
std::optional<double> NumberOf(const Reading<T>& r) {
  return r.available() ? std::optional<double>(static_cast<double>(*r)) : std::nullopt;
}

/// In the order of the input; `leg` points into it.
std::vector<JudgedLeg> JudgeLegs(const Phase70Input& input);
/// 0 = mode_a, 1 = mode_b, 2 = mode_c; -1: a mode that the experiment does not name. Equal modes
/// are told apart by their place.
int ArmOf(const Phase70Leg& leg, const Phase70Setup& setup);
/// The legs of two arms by pair id; `a` and `b` point into `legs`.
std::vector<JudgedPair> PairUp(const Phase70Setup& setup, const std::vector<JudgedLeg>& legs,
                               int arm_a = 0, int arm_b = 1);
PairRow RowOf(const JudgedLeg& judged, const Phase70Setup& setup);
/// Empty figures unless the pair is complete.
PairDelta DeltaOf(const JudgedPair& pair, const Phase70Setup& setup);

/// Effect of the primary metric over the complete pairs, with the secondary metrics if asked.
Effect EffectOf(const std::vector<JudgedPair>& pairs, const Phase70Setup& setup,
                bool with_secondary);
/// Every two of three arms, the headline first; words as Holm's adjustment leaves them.
std::vector<Contrast> ContrastsOf(const Phase70Setup& setup, const std::vector<JudgedLeg>& legs,
                                  const Effect& headline);

/// The seven documented delta metrics.
inline constexpr std::pair<const char*, std::optional<double> PairDelta::*> kDeltaMetrics[] = {
    {"delta_replay_ttfc_p95_ms", &PairDelta::delta_replay_ttfc_p95_ms},
    {"delta_replay_ttfc_p99_ms", &PairDelta::delta_replay_ttfc_p99_ms},
    {"delta_replay_ttft_p95_ms", &PairDelta::delta_replay_ttft_p95_ms},
    {"delta_replay_ttft_p99_ms", &PairDelta::delta_replay_ttft_p99_ms},
    {"delta_replay_read_gib", &PairDelta::delta_replay_read_gib},
    {"delta_matched_tokens", &PairDelta::delta_matched_tokens},
    {"delta_onboard_blocks", &PairDelta::delta_onboard_blocks},
};

}  // namespace kvtier
