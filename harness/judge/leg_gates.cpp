#include <algorithm>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "harness/judge/gates.hpp"
#include "harness/judge/littles_law.hpp"
#include "harness/judge/noise.hpp"
#include "harness/load/runner.hpp"
#include "harness/stats/quantile.hpp"

namespace kvtier {
namespace {

struct Counts {
  int planned = 0;
  int recorded = 0;
  int failed = 0;  // not ok, or without a record
  std::map<std::string_view, int> kinds;

  double Rate() const { return planned > 0 ? static_cast<double>(failed) / planned : 0; }
  std::string Text() const {
    std::string kinds_text;
    for (const auto& [kind, n] : kinds)
      kinds_text += fmt::format("{}{} {}", kinds_text.empty() ? "" : ", ", n, kind);
    return fmt::format("{} of {} requests failed ({})", failed, planned, kinds_text);
  }
};

void Add(Counts& to, const LegEvidence& leg, const PhaseEvidence& phase) {
  int recorded = 0;
  for (const RequestRecord& r : leg.records) {
    if (r.phase != phase.name) continue;
    ++recorded;
    if (r.outcome == Outcome::kOk) continue;
    ++to.failed;
    ++to.kinds[OutcomeName(r.outcome)];
  }
  const int missing = std::max(0, phase.planned_requests - recorded);
  if (missing > 0) to.kinds["without a record"] += missing;
  to.failed += missing;
  to.recorded += recorded;
  to.planned += std::max(phase.planned_requests, recorded);
}

std::string Upper(std::string text) {
  for (char& c : text) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return text;
}

/// The run's own word for why it is invalid, as a reason of the table.
Reason ReasonOfRun(const std::string& invalid_reason) {
  if (invalid_reason == "model_dropped") return Reason::kWorkerLost;
  if (invalid_reason == "kvbm_metrics_unavailable") return Reason::kMetricsUnavailable;
  return FindReason(Upper(invalid_reason)).value_or(Reason::kRunErrorsPresent);
}

void AddOwnVerdict(const LegEvidence& leg, Findings& out) {
  if (!leg.closed) {
    out.push_back(MakeFinding(Reason::kRunIncomplete, leg.run_id, "",
                              leg.invalid_reason.empty()
                                  ? "the run was killed before it wrote its summary"
                                  : "the run did not end: " + leg.invalid_reason));
  }
  if (leg.run_valid || (!leg.closed && leg.invalid_reason.empty())) return;
  std::string detail = leg.invalid_reason.empty() ? "the run marked itself invalid without a reason"
                                                  : leg.invalid_reason;
  for (const std::string& more : leg.invalid_details) detail += "; " + more;
  Finding f = MakeFinding(ReasonOfRun(leg.invalid_reason), leg.run_id, "", detail);
  f.severity = Severity::kInvalidatesRun;
  out.push_back(f);
}

void AddErrors(const LegEvidence& leg, const PhaseEvidence* headline, const GateOptions& options,
               Findings& out) {
  Counts all;
  for (const PhaseEvidence& phase : leg.phases) {
    Counts one;
    Add(one, leg, phase);
    Add(all, leg, phase);
    if (one.recorded < phase.planned_requests) {
      out.push_back(MakeFinding(Reason::kRunIncomplete, leg.run_id, phase.name,
                                fmt::format("{} of {} planned requests have a record", one.recorded,
                                            phase.planned_requests)));
    }
    if (one.failed > 0)
      out.push_back(MakeFinding(Reason::kRequestErrors, leg.run_id, phase.name, one.Text()));
    if (&phase == headline && one.Rate() > options.max_error_rate) {
      out.push_back(MakeFinding(
          Reason::kRunErrorsPresent, leg.run_id, phase.name,
          fmt::format("{}, more than {:g} %", one.Text(), options.max_error_rate * 100)));
    }
  }
  if (all.Rate() > options.max_error_rate) {
    out.push_back(
        MakeFinding(Reason::kRunErrorsPresent, leg.run_id, "",
                    fmt::format("{}, more than {:g} %", all.Text(), options.max_error_rate * 100)));
  }
}

/// Scenarios that ask again for what was pushed out; the others say nothing about the SSD. A trace
/// repeats what it happens to repeat.
bool ClaimsReplay(const LegEvidence& leg) {
  return leg.scenario.find("replay") != std::string::npos && leg.scenario != "trace_replay";
}

std::optional<double> TtfcP50(const LegEvidence& leg, const PhaseEvidence& phase) {
  std::vector<double> ttfc;
  for (const RequestRecord* r : OkRecords(leg, phase.name)) {
    if (const auto ms = r->TtfcMs()) ttfc.push_back(*ms);
  }
  if (ttfc.empty()) return std::nullopt;
  std::sort(ttfc.begin(), ttfc.end());
  return SortedQuantile(ttfc, 0.5);
}

}  // namespace

const PhaseEvidence* HeadlinePhase(const LegEvidence& leg) {
  for (const char* name : {"replay", "replay_A"}) {
    if (const PhaseEvidence* phase = leg.FindPhase(name)) return phase;
  }
  const auto found = std::find_if(leg.phases.begin(), leg.phases.end(), [](const PhaseEvidence& p) {
    return p.name.rfind("replay", 0) == 0;
  });
  return found == leg.phases.end() ? nullptr : &*found;
}

std::vector<const RequestRecord*> OkRecords(const LegEvidence& leg, const std::string& phase) {
  std::vector<const RequestRecord*> out;
  for (const RequestRecord& r : leg.records) {
    if (r.phase == phase && r.outcome == Outcome::kOk) out.push_back(&r);
  }
  return out;
}

Findings CheckRunValid(const LegEvidence& leg, const GateOptions& options) {
  Findings out;
  AddOwnVerdict(leg, out);
  const PhaseEvidence* headline = HeadlinePhase(leg);
  AddErrors(leg, headline, options, out);
  if (leg.models_at_end.available() && *leg.models_at_end == 0) {
    out.push_back(MakeFinding(Reason::kWorkerLost, leg.run_id, "",
                              "/v1/models was empty when the leg ended"));
  }
  if (headline == nullptr) {
    if (ClaimsReplay(leg)) {
      out.push_back(
          MakeFinding(Reason::kRunIncomplete, leg.run_id, "", "the leg has no replay phase"));
    }
    return out;
  }
  const auto ok = OkRecords(leg, headline->name);
  const bool stamped = std::any_of(ok.begin(), ok.end(),
                                   [](const RequestRecord* r) { return r->TtfcMs().has_value(); });
  if (!ok.empty() && !stamped) {
    out.push_back(
        MakeFinding(Reason::kTtfcMissingStreamCapture, leg.run_id, headline->name,
                    fmt::format("none of {} ok answers has a stamp of its first text", ok.size())));
  }
  return out;
}

Findings CheckClient(const LegEvidence& leg) {
  Findings out;
  const PhaseEvidence* headline = HeadlinePhase(leg);
  for (const PhaseEvidence& phase : leg.phases) {
    std::string why = phase.client.saturated_why;
    if (!phase.client.saturated) {
      ClientLoad again = phase.client;
      JudgeSaturation(again, TtfcP50(leg, phase));
      if (!again.saturated) continue;
      why = "it called itself fast enough, but " + again.saturated_why;
    }
    Finding f = MakeFinding(Reason::kClientSaturated, leg.run_id, phase.name, why);
    // Without a headline every measured phase is one; a warm-up never is.
    const bool counts = headline != nullptr ? headline == &phase : phase.include_in_overall;
    if (!counts) f.severity = Severity::kSoft;
    out.push_back(f);
  }
  return out;
}

Findings CheckDrain(const LegEvidence& leg) {
  Findings out;
  for (const PhaseEvidence& phase : leg.phases) {
    if (phase.drain.settled) continue;
    out.push_back(MakeFinding(
        Reason::kDrainTimeout, leg.run_id, phase.name,
        fmt::format("not at rest {:.1f} s after the phase: {}", phase.drain.waited_s,
                    phase.drain.why.empty() ? "no drain was recorded" : phase.drain.why)));
  }
  return out;
}

Findings CheckColdStart(const LegEvidence& leg) {
  const Reading<bool>& cold = leg.worker.cold_at_start;
  if (cold.available() && *cold) return {};
  if (!cold.available() && !KvbmEnabled(leg.tier))
    return {};  // B0 exports nothing that could show it
  return {MakeFinding(Reason::kColdStartNotProven, leg.run_id, "",
                      cold.available()
                          ? "the counters were not zero, or a tier not empty, before traffic"
                          : "the state before traffic is unknown: " + cold.reason())};
}

Findings CheckLengths(const LegEvidence& leg) {
  std::size_t ok = 0, unknown = 0, wrong = 0;
  std::string example;
  for (const RequestRecord& r : leg.records) {
    if (r.outcome != Outcome::kOk) continue;
    ++ok;
    if (!r.usage) {
      ++unknown;
    } else if (r.planned.extras.ignore_eos &&
               r.usage->completion_tokens != r.planned.params.max_tokens) {
      if (wrong++ == 0) {
        example = fmt::format("{} in {} generated {} tokens instead of {}", r.planned.prompt_id,
                              r.phase, r.usage->completion_tokens, r.planned.params.max_tokens);
      }
    }
  }
  Findings out;
  if (unknown > 0) {
    out.push_back(
        MakeFinding(Reason::kOutputLengthMismatch, leg.run_id, "",
                    fmt::format("{} of {} ok answers state no usage, so their length is unknown",
                                unknown, ok)));
  }
  if (wrong > 0) {
    out.push_back(MakeFinding(
        Reason::kOutputLengthMismatch, leg.run_id, "",
        fmt::format("{} of {} answers missed their fixed length, first {}", wrong, ok, example)));
  }
  return out;
}

Findings JudgeLeg(const LegEvidence& leg, const GateOptions& options) {
  Findings out;
  const auto add = [&](Findings more) { out.insert(out.end(), more.begin(), more.end()); };
  // Two rules may see one thing: the leg without a replay, the phase without its witness.
  const auto add_new = [&](Findings more) {
    for (Finding& f : more) {
      const bool said = std::any_of(out.begin(), out.end(), [&](const Finding& other) {
        return other.reason == f.reason && other.phase == f.phase;
      });
      if (!said) out.push_back(std::move(f));
    }
  };
  add(CheckRunValid(leg, options));
  add(CheckClient(leg));
  add(CheckLittlesLaw(leg));
  add(CheckDrain(leg));
  add(CheckColdStart(leg));
  add(CheckMetrics(leg));
  const bool reuse = leg.scenario == "reuse_verify";
  if (HasDiskTier(leg.tier)) {
    if (ClaimsReplay(leg)) add_new(CheckMechanism(leg, options));
    const Reading<bool>& filter = leg.worker.disk_offload_filter;
    if (filter.available() && !*filter) {
      add({MakeFinding(Reason::kFilterDisabled, leg.run_id, "",
                       "mechanism mode: the worker runs with its disk-offload filter off")});
    }
  }
  if (options.filter_protocol && ClaimsReplay(leg))
    add(CheckFilterProtocol(leg, *options.filter_protocol));
  if (leg.tier == TierMode::kB1) add(CheckB1Off(leg, options));
  add(CheckWitnesses(leg));
  add(CheckExpectedHits(leg));
  add(reuse ? CheckReuse(leg) : CheckAnswers(leg));
  add(CheckLengths(leg));
  add(CheckOutcomes(leg));
  add(CheckRequests(leg));
  add(CheckModel(leg));
  add_new(CheckIoAttribution(leg, options.io_attrib_expected));
  add_new(CheckTtfcSanity(leg));
  add(CheckStorageEvidence(leg));
  add(CheckNoise(leg));
  add(CheckClocks(leg));
  return out;
}

}  // namespace kvtier
