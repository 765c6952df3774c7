#include "harness/judge/phase70_break_even.hpp"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "harness/judge/agreement.hpp"
#include "harness/judge/gates.hpp"
#include "harness/judge/json_fields.hpp"
#include "harness/stats/quantile.hpp"

namespace kvtier {
namespace {

using nlohmann::json;
using Figure = Reading<double>;

constexpr std::array<std::pair<BreakEven::Outcome, std::string_view>, 3> kOutcomes{
    {{BreakEven::Outcome::kUnknown, "unknown"},
     {BreakEven::Outcome::kWinsAbove, "wins_above"},
     {BreakEven::Outcome::kNeverWins, "never_wins"}}};

constexpr std::pair<const char*, Figure BreakEven::*> kFigures[] = {
    {"prefill_tokens_per_s", &BreakEven::prefill_tokens_per_s},
    {"reload_bytes_per_s", &BreakEven::reload_bytes_per_s},
    {"kv_bytes_per_token", &BreakEven::kv_bytes_per_token},
    {"reload_fixed_ms", &BreakEven::reload_fixed_ms},
    {"wins_above_tokens", &BreakEven::wins_above_tokens},
    {"reloaded_tokens_per_request", &BreakEven::reloaded_tokens_per_request},
    {"predicted_recompute_ms", &BreakEven::predicted_recompute_ms},
    {"measured_recompute_ms", &BreakEven::measured_recompute_ms},
    {"predicted_reload_ms", &BreakEven::predicted_reload_ms},
    {"measured_reload_ms", &BreakEven::measured_reload_ms},
    {"written_per_useful_byte", &BreakEven::written_per_useful_byte},
};

Figure MedianOf(std::vector<double> values, const std::string& why_empty) {
  if (values.empty()) return Figure::Unavailable(why_empty);
  std::sort(values.begin(), values.end());
  return SortedQuantile(values, 0.5);
}

/// Median over legs of what `of` measured; the last reason where none did.
template <class Of>
Figure OverLegs(const std::vector<const BreakEvenLeg*>& legs, const char* none, Of of) {
  std::vector<double> values;
  std::string why = none;
  for (const BreakEvenLeg* leg : legs) {
    const Figure f = of(*leg);
    if (f.available()) {
      values.push_back(*f);
    } else {
      why = f.reason();
    }
  }
  return MedianOf(std::move(values), why);
}

Figure PrefillRate(const LegEvidence& leg) {
  std::vector<double> rates;
  for (const PhaseEvidence& phase : leg.phases) {
    if (!phase.name.starts_with("populate")) continue;
    for (const RequestRecord* r : OkRecords(leg, phase.name)) {
      const auto ttfc = r->TtfcMs();
      if (ttfc && *ttfc > 0 && r->usage)
        rates.push_back(static_cast<double>(r->usage->prompt_tokens) / *ttfc * 1000);
    }
  }
  return MedianOf(std::move(rates), "no populate request has both a TTFC and usage.prompt_tokens");
}

Figure ReplayTtfcMs(const LegEvidence& leg) {
  const PhaseEvidence* replay = HeadlinePhase(leg);
  std::vector<double> ttfc;
  if (replay != nullptr) {
    for (const RequestRecord* r : OkRecords(leg, replay->name)) {
      if (const auto v = r->TtfcMs()) ttfc.push_back(*v);
    }
  }
  return MedianOf(std::move(ttfc), "no replay request has a TTFC");
}

/// What one B2 leg reloaded in replay.
struct Reload {
  Figure bytes = Figure::Unavailable("the leg has no replay phase");
  Figure seconds = Figure::Unavailable("the leg has no replay phase");
  double requests = 0;
};

bool TimesItsTransfers(const LegEvidence& leg) {
  const PhaseEvidence* replay = HeadlinePhase(leg);
  return replay != nullptr && replay->tiers.onboard_seconds.available() &&
         *replay->tiers.onboard_seconds > 0;
}

/// `transfers`: the time of the transfers themselves, else of the requests up to their first
/// content.
Reload ReloadOf(const BreakEvenLeg& of, bool transfers) {
  Reload out;
  const PhaseEvidence* replay = HeadlinePhase(*of.leg);
  if (replay == nullptr) return out;
  const Reading<Bytes> read = EngineRead(*of.leg, *replay);
  out.bytes = read.Map([](Bytes b) { return static_cast<double>(b.value); });
  if (out.bytes.available() && *out.bytes <= 0)
    out.bytes = Figure::Unavailable("the replay read nothing from the SSD");
  out.requests = of.sample.replay_ok;
  const double timed = of.sample.replay_timed;
  if (transfers) {
    out.seconds = replay->tiers.onboard_seconds;
  } else if (out.requests > 0 && timed == out.requests && of.sample.replay_waited_s > 0) {
    out.seconds = of.sample.replay_waited_s;
  } else {
    // A request without its time would count as one that took none.
    out.seconds = Figure::Unavailable(
        fmt::format("{} of {} replay requests have a TTFC", timed, out.requests));
  }
  return out;
}

Figure Ratio(const Figure& a, const Figure& b, double scale = 1) {
  if (!a.available()) return Figure::Unavailable(a.reason());
  if (!b.available()) return Figure::Unavailable(b.reason());
  if (!(*b > 0)) return Figure::Unavailable("the divisor is 0");
  return *a / *b * scale;
}

Figure WrittenPerUsefulByte(const BreakEvenLeg& of) {
  const LegEvidence& leg = *of.leg;
  double written = 0;
  for (const PhaseEvidence& phase : leg.phases) {
    const Reading<Bytes> system = phase.io.WitnessWrite();
    const Reading<Bytes> bytes = system.available() ? system : EngineWritten(leg, phase);
    if (!bytes.available())
      return Figure::Unavailable(
          fmt::format("bytes written in {}: {}", phase.name, bytes.reason()));
    written += static_cast<double>(bytes->value);
  }
  return Ratio(written, ReloadOf(of, false).bytes);
}

void Conclude(bool transfers_timed, BreakEven& b) {
  for (const auto& [what, figure] : {std::pair{"the KV bytes a token", &b.kv_bytes_per_token},
                                     std::pair{"the prefill rate", &b.prefill_tokens_per_s},
                                     std::pair{"the reload rate", &b.reload_bytes_per_s}}) {
    if (figure->available()) continue;
    b.wins_above_tokens = Figure::Unavailable(fmt::format("{}: {}", what, figure->reason()));
    b.sentence = fmt::format(
        "The prompt length from which the SSD wins cannot be computed, for want of {} ({}).", what,
        figure->reason());
    return;
  }
  const double compute_s = 1 / *b.prefill_tokens_per_s;
  const double reload_s = *b.kv_bytes_per_token / *b.reload_bytes_per_s;
  const std::string rates = fmt::format(
      "Computing a token takes {:.1f} us ({:.0f} tokens/s, populate at concurrency {}), reloading "
      "one {:.1f} us ({:.1f} MiB/s by {}, {:.0f} B a token, replay at concurrency {})",
      compute_s * 1e6, *b.prefill_tokens_per_s, b.prefill_concurrency, reload_s * 1e6,
      *b.reload_bytes_per_s / (1024.0 * 1024.0), b.reload_time, *b.kv_bytes_per_token,
      b.reload_concurrency);
  if (reload_s >= compute_s) {
    b.outcome = BreakEven::Outcome::kNeverWins;
    b.wins_above_tokens =
        Figure::Unavailable("a token costs more to reload than to compute, at any length");
    b.sentence = rates + ": recomputing is faster at every prompt length.";
    return;
  }
  b.outcome = BreakEven::Outcome::kWinsAbove;
  const double fixed_s = transfers_timed && b.reload_fixed_ms ? *b.reload_fixed_ms / 1000 : 0;
  b.wins_above_tokens = fixed_s / (compute_s - reload_s);
  b.sentence =
      fixed_s > 0
          ? fmt::format("{}, and {:.1f} ms once a request: the SSD wins above {:.0f} tokens.",
                        rates, fixed_s * 1000, *b.wins_above_tokens)
          : rates + ": the SSD wins from the first block on.";
}

}  // namespace

std::string_view BreakEvenOutcomeName(BreakEven::Outcome outcome) {
  return kOutcomes.at(static_cast<std::size_t>(outcome)).second;
}

BreakEvenSample SampleBreakEven(const LegEvidence& leg) {
  BreakEvenSample s;
  s.prefill_tokens_per_s = PrefillRate(leg);
  s.replay_ttfc_ms = ReplayTtfcMs(leg);
  const PhaseEvidence* replay = HeadlinePhase(leg);
  if (replay == nullptr) return s;
  for (const RequestRecord* r : OkRecords(leg, replay->name)) {
    ++s.replay_ok;
    const auto ttfc_ms = r->TtfcMs();
    if (!ttfc_ms) continue;
    ++s.replay_timed;
    s.replay_waited_s += *ttfc_ms / 1000;
  }
  return s;
}

BreakEven ComputeBreakEven(std::span<const LegEvidence* const> legs) {
  std::vector<BreakEvenLeg> sampled;
  for (const LegEvidence* leg : legs) sampled.push_back({leg, SampleBreakEven(*leg)});
  return ComputeBreakEven(sampled);
}

BreakEven ComputeBreakEven(std::span<const BreakEvenLeg> legs) {
  std::vector<const BreakEvenLeg*> without, with;
  for (const BreakEvenLeg& leg : legs)
    (HasDiskTier(leg.leg->tier) ? with : without).push_back(&leg);
  constexpr const char* kNoRecompute = "no valid leg ran without the SSD tier (B0 or B1)";
  constexpr const char* kNoSsd = "no valid leg ran with the SSD tier (B2)";

  BreakEven b;
  for (const BreakEvenLeg* leg : without) {
    for (const PhaseEvidence& phase : leg->leg->phases) {
      if (phase.name.starts_with("populate"))
        b.prefill_concurrency = std::max(b.prefill_concurrency, phase.concurrency);
    }
  }
  for (const BreakEvenLeg* leg : with) {
    if (const PhaseEvidence* replay = HeadlinePhase(*leg->leg))
      b.reload_concurrency = replay->concurrency;
  }
  const auto ttfc = [](const BreakEvenLeg& of) { return of.sample.replay_ttfc_ms; };
  b.prefill_tokens_per_s = OverLegs(
      without, kNoRecompute, [](const BreakEvenLeg& of) { return of.sample.prefill_tokens_per_s; });
  b.measured_recompute_ms = OverLegs(without, kNoRecompute, ttfc);
  b.measured_reload_ms = OverLegs(with, kNoSsd, ttfc);
  b.kv_bytes_per_token = OverLegs(with, kNoSsd, [](const BreakEvenLeg& of) {
    const LegEvidence& leg = *of.leg;
    return leg.block_bytes > 0 && leg.block_tokens > 0
               ? Figure(static_cast<double>(leg.block_bytes) / leg.block_tokens)
               : Figure::Unavailable(
                     "the stack does not say the bytes of a block; set stack.block_bytes");
  });
  // One kind of time for all legs, or the median would mix two things.
  const bool transfers =
      !with.empty() && std::all_of(with.begin(), with.end(), [](const BreakEvenLeg* of) {
        return TimesItsTransfers(*of->leg);
      });
  b.reload_time =
      transfers ? "the engine's transfer times" : "the requests' times to first content, all of it";
  b.reload_bytes_per_s = OverLegs(with, kNoSsd, [&](const BreakEvenLeg& leg) {
    const Reload r = ReloadOf(leg, transfers);
    return Ratio(r.bytes, r.seconds);
  });
  b.reloaded_tokens_per_request = Ratio(OverLegs(with, kNoSsd,
                                                 [&](const BreakEvenLeg& leg) {
                                                   const Reload r = ReloadOf(leg, transfers);
                                                   return Ratio(r.bytes, r.requests);
                                                 }),
                                        b.kv_bytes_per_token);
  b.predicted_recompute_ms = Ratio(b.reloaded_tokens_per_request, b.prefill_tokens_per_s, 1000);
  const Figure reload_tokens_per_s = Ratio(b.reload_bytes_per_s, b.kv_bytes_per_token);
  const Figure transfer_ms = Ratio(b.reloaded_tokens_per_request, reload_tokens_per_s, 1000);
  b.predicted_reload_ms = transfer_ms;
  b.reload_fixed_ms = !transfers ? Figure::Unavailable(
                                       "the engine does not time its transfers, so their "
                                       "part of the TTFC is unknown")
                      : transfer_ms.available() && b.measured_reload_ms.available()
                          ? Figure(std::max(0.0, *b.measured_reload_ms - *transfer_ms))
                          : Figure::Unavailable("the transfer time of a request is unknown");
  b.written_per_useful_byte = OverLegs(with, kNoSsd, WrittenPerUsefulByte);
  Conclude(transfers, b);
  return b;
}

void to_json(nlohmann::json& j, const BreakEven& b) {
  j = {{"outcome", BreakEvenOutcomeName(b.outcome)},
       {"reload_time", b.reload_time},
       {"prefill_concurrency", b.prefill_concurrency},
       {"reload_concurrency", b.reload_concurrency},
       {"sentence", b.sentence}};
  for (const auto& [name, member] : kFigures) j[name] = b.*member;
}

void from_json(const nlohmann::json& j, BreakEven& b) {
  b = BreakEven();
  const auto name = At<std::string>(j, "outcome");
  const auto found = std::find_if(kOutcomes.begin(), kOutcomes.end(),
                                  [&](const auto& known) { return known.second == name; });
  if (found == kOutcomes.end()) throw DataError("the key \"outcome\" holds \"" + name + "\"");
  b.outcome = found->first;
  b.reload_time = At<std::string>(j, "reload_time");
  b.prefill_concurrency = At<int>(j, "prefill_concurrency");
  b.reload_concurrency = At<int>(j, "reload_concurrency");
  b.sentence = At<std::string>(j, "sentence");
  for (const auto& [key, member] : kFigures) b.*member = At<Figure>(j, key);
}

}  // namespace kvtier
