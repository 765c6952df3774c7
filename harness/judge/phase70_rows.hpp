#pragma once
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
  LegFigures figures;
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
/// By pair id; `a` and `b` point into `legs`.
std::vector<JudgedPair> PairUp(const Phase70Setup& setup, const std::vector<JudgedLeg>& legs);
PairRow RowOf(const JudgedLeg& judged, const Phase70Setup& setup);
/// Empty figures unless the pair is complete.
PairDelta DeltaOf(const JudgedPair& pair, const Phase70Setup& setup);

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
