#pragma once
#include <span>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "harness/core/reading.hpp"
#include "harness/judge/evidence.hpp"

namespace kvtier {

/// From which prompt length on the SSD is faster than computing the prompt again, by what this
/// experiment measured: recomputing n tokens takes n / prefill rate, reloading them a fixed part
/// and n x KV bytes a token / reload rate. Both are straight lines: attention makes long prompts
/// dearer to compute than this says, so the length is an upper bound.
struct BreakEven {
  enum class Outcome {
    kUnknown,    // something was not measured: the sentence says what
    kWinsAbove,  // wins_above_tokens
    kNeverWins,  // a token costs more to reload than to compute
  };
  Outcome outcome = Outcome::kUnknown;
  /// Median of prompt tokens / TTFC over the populate requests of the legs without an SSD tier
  /// (concurrency included), then over the legs.
  Reading<double> prefill_tokens_per_s;
  int prefill_concurrency = 0, reload_concurrency = 0;  // of the phases behind both; 0: none
  /// Engine bytes read in replay over the time of it, median over the B2 legs.
  Reading<double> reload_bytes_per_s;
  std::string reload_time;  // whose time that is
  Reading<double> kv_bytes_per_token;
  Reading<double> reload_fixed_ms;  // TTFC p50 of the B2 replay beyond the transfer
  Reading<double> wins_above_tokens;
  /// The model beside the measurement, at the tokens that a replay request reloaded.
  Reading<double> reloaded_tokens_per_request;
  Reading<double> predicted_recompute_ms, measured_recompute_ms;  // TTFC p50 without the SSD
  Reading<double> predicted_reload_ms, measured_reload_ms;        // TTFC p50 of B2
  /// Bytes written to the SSD in all phases for each byte that the replay got back from it.
  Reading<double> written_per_useful_byte;
  std::string sentence;
};
/// "unknown", "wins_above", "never_wins"
std::string_view BreakEvenOutcomeName(BreakEven::Outcome outcome);

/// What it takes from the requests of one leg.
struct BreakEvenSample {
  Reading<double> prefill_tokens_per_s;    // of the populate requests
  Reading<double> replay_ttfc_ms;          // median
  double replay_ok = 0, replay_timed = 0;  // requests: ok, and of those with a TTFC
  double replay_waited_s = 0;              // sum of those TTFC
};
BreakEvenSample SampleBreakEven(const LegEvidence& leg);

/// A leg, whose rows may be gone, and what was taken from them.
struct BreakEvenLeg {
  const LegEvidence* leg = nullptr;
  BreakEvenSample sample;
};
/// Over the valid legs of an experiment, of whatever tier.
BreakEven ComputeBreakEven(std::span<const BreakEvenLeg> legs);
BreakEven ComputeBreakEven(std::span<const LegEvidence* const> legs);

void to_json(nlohmann::json& j, const BreakEven& b);
/// Throws DataError naming the key.
void from_json(const nlohmann::json& j, BreakEven& b);

}  // namespace kvtier
