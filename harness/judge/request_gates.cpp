#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <optional>
#include <string_view>
#include <unordered_set>
#include <vector>

#include <fmt/format.h>

#include "harness/core/files.hpp"
#include "harness/judge/answers.hpp"
#include "harness/judge/gates.hpp"

// What single requests say against themselves, against the plan and against the clocks.
namespace kvtier {
namespace {

constexpr std::optional<MonoNs> RequestStamps::*kOrder[] = {
    &RequestStamps::sent_first, &RequestStamps::header, &RequestStamps::first_text,
    &RequestStamps::last_text, &RequestStamps::done};

bool Backwards(const RequestStamps& stamps) {
  std::optional<MonoNs> before;
  for (const auto member : kOrder) {
    const auto& at = stamps.*member;
    if (!at) continue;
    if (before && *at < *before) return true;
    before = at;
  }
  return false;
}

/// Why a request that is called ok is not; empty when nothing speaks against it.
std::string Contradiction(const RequestRecord& r) {
  static const std::string of_nothing = Sha256Hex("");
  if (r.http_status < 200 || r.http_status > 299) return fmt::format("status {}", r.http_status);
  if (!r.error.empty()) return "its error is " + r.error.substr(0, 80);
  if (!r.stream_error.empty()) return "its stream held the error " + r.stream_error.substr(0, 80);
  if (r.text.empty() && (r.output_sha256.empty() || r.output_sha256 == of_nothing))
    return "it generated no text";
  if (!r.stamps.done) return "its end was never seen";
  if (Backwards(r.stamps)) return "its stamps run backwards";
  return "";
}

/// Milliseconds of "2026-11-22T01:45:10.159+00:00"; empty for another spelling.
std::optional<double> UtcMs(std::string_view text) {
  constexpr std::string_view kShape = "dddd-dd-ddTdd:dd:dd.ddd+00:00";
  if (text.size() != kShape.size()) return std::nullopt;
  std::array<std::int64_t, 7> parts{};
  std::size_t part = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool digit = text[i] >= '0' && text[i] <= '9';
    if (kShape[i] != 'd') {
      if (text[i] != kShape[i]) return std::nullopt;
      ++part;
    } else if (!digit) {
      return std::nullopt;
    } else if (part < parts.size()) {
      parts.at(part) = parts.at(part) * 10 + (text[i] - '0');
    }
  }
  const auto& [year, month, day, hour, minute, second, ms] = parts;
  const std::chrono::sys_days date{std::chrono::year{static_cast<int>(year)} /
                                   static_cast<int>(month) / static_cast<int>(day)};
  const std::int64_t seconds =
      ((date.time_since_epoch().count() * 24 + hour) * 60 + minute) * 60 + second;
  return static_cast<double>(seconds) * 1000 + static_cast<double>(ms);
}

/// A step beyond this is none of slewing: 100 ms (noise guard of the clock) and 500 ppm of the time
/// (the fastest that the kernel slews).
double AllowedMs(double over_ms) {
  return 100 + 5e-4 * over_ms;
}

void CheckPhaseTimes(const LegEvidence& leg, const PhaseEvidence& phase, Findings& out) {
  const auto from = UtcMs(phase.start_utc);
  const auto to = UtcMs(phase.end_utc);
  if (!from || !to) return;
  const double monotonic = phase.duration_s * 1000;
  const double apart = (*to - *from) - monotonic;
  if (std::abs(apart) <= AllowedMs(monotonic)) return;
  out.push_back(MakeFinding(
      Reason::kNoiseClockStep, leg.run_id, phase.name,
      fmt::format("by the wall clock the phase took {:.1f} s, by the monotonic one {:.1f} s",
                  (*to - *from) / 1000, phase.duration_s)));
}

/// The wall clock's lead over the monotonic one, at the sending of each request, moves by no more
/// than slewing can do.
void CheckRequestTimes(const LegEvidence& leg, Findings& out) {
  struct Lead {
    double ms, at_ms;
    const RequestRecord* record;
  };
  std::optional<Lead> low, high;
  for (const RequestRecord& r : leg.records) {
    const auto wall = UtcMs(r.start_utc);
    if (!wall || !r.stamps.sent_first) continue;
    const double at = NsToMs(*r.stamps.sent_first);
    const Lead lead{*wall - at, at, &r};
    if (!low || lead.ms < low->ms) low = lead;
    if (!high || lead.ms > high->ms) high = lead;
  }
  if (!low) return;
  const double apart = high->ms - low->ms;
  if (apart <= AllowedMs(std::abs(high->at_ms - low->at_ms))) return;
  const bool low_first = low->at_ms <= high->at_ms;
  const Lead& first = low_first ? *low : *high;
  const Lead& second = low_first ? *high : *low;
  out.push_back(MakeFinding(
      Reason::kNoiseClockStep, leg.run_id, second.record->phase,
      fmt::format("between {} in {} and {} in {} the wall clock moved by {:+.0f} ms against the "
                  "monotonic one",
                  first.record->planned.prompt_id, first.record->phase,
                  second.record->planned.prompt_id, second.record->phase, second.ms - first.ms)));
}

}  // namespace

Findings CheckOutcomes(const LegEvidence& leg) {
  // Its rows keep neither texts nor ends; who reads them decides what they came to.
  if (leg.backend == "predecessor") return {};
  Findings out;
  for (const PhaseEvidence& phase : leg.phases) {
    std::size_t ok = 0, wrong = 0;
    std::string example;
    for (const RequestRecord& r : leg.records) {
      if (r.outcome != Outcome::kOk || r.phase != phase.name) continue;
      ++ok;
      const std::string why = Contradiction(r);
      if (!why.empty() && wrong++ == 0) example = fmt::format("{}: {}", r.planned.prompt_id, why);
    }
    if (wrong > 0) {
      out.push_back(
          MakeFinding(Reason::kOutcomeContradicted, leg.run_id, phase.name,
                      fmt::format("{} of {} requests that are called ok are not, first {}", wrong,
                                  ok, example)));
    }
  }
  return out;
}

Findings CheckRequests(const LegEvidence& leg) {
  Findings out;
  for (const auto& [phase, sent] : SentPrompts(leg)) {
    const auto planned = leg.planned_prompts.find(phase);
    // Fewer rows than planned are RUN_INCOMPLETE, and show nothing of what was sent instead.
    if (leg.planned_prompts.empty() ||
        (planned != leg.planned_prompts.end() &&
         (planned->second == sent || planned->second.count > sent.count)))
      continue;
    out.push_back(MakeFinding(
        Reason::kReplayPromptsChanged, leg.run_id, phase,
        planned == leg.planned_prompts.end()
            ? fmt::format("{} requests were sent in a phase that is not in the plan", sent.count)
            : fmt::format("the prompts that were sent are not those of the plan ({} and {})",
                          sent.count, planned->second.count)));
  }
  if (leg.scenario == "trace_replay") return out;  // its prompts repeat as the trace has it
  std::unordered_set<std::string_view> before;
  for (const PhaseEvidence& phase : leg.phases) {
    const bool replay = phase.name.starts_with("replay");
    std::size_t requests = 0, unknown = 0;
    std::string example;
    std::vector<std::string_view> own;
    for (const RequestRecord& r : leg.records) {
      if (r.phase != phase.name || r.planned.identity.prompt_sha256.empty()) continue;
      ++requests;
      own.push_back(r.planned.identity.prompt_sha256);
      if (replay && !before.contains(own.back()) && unknown++ == 0) example = r.planned.prompt_id;
    }
    before.insert(own.begin(), own.end());
    if (unknown > 0) {
      out.push_back(
          MakeFinding(Reason::kReplayPromptsChanged, leg.run_id, phase.name,
                      fmt::format("{} of {} requests repeat no prompt that was sent before, first "
                                  "{}",
                                  unknown, requests, example)));
    }
  }
  return out;
}

Findings CheckModel(const LegEvidence& leg) {
  std::size_t said = 0, other = 0;
  std::string example;
  for (const RequestRecord& r : leg.records) {
    if (r.outcome != Outcome::kOk || r.response_model.empty() || leg.model_id.empty()) continue;
    ++said;
    if (r.response_model == leg.model_id || other++ > 0) continue;
    example = fmt::format("{} in {} came from {}", r.planned.prompt_id, r.phase, r.response_model);
  }
  if (other == 0) return {};
  return {MakeFinding(Reason::kWrongModel, leg.run_id, "",
                      fmt::format("{} of {} answers are not of {}, which was asked: first {}",
                                  other, said, leg.model_id, example))};
}

Findings CheckClocks(const LegEvidence& leg) {
  Findings out;
  for (const PhaseEvidence& phase : leg.phases) CheckPhaseTimes(leg, phase, out);
  CheckRequestTimes(leg, out);
  return out;
}

}  // namespace kvtier
