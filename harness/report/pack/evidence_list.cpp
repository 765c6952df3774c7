#include "harness/report/pack/evidence_list.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "harness/judge/gates.hpp"
#include "harness/report/pack/evidence_builder.hpp"

namespace kvtier {
namespace {

void AddAnswers(EvidenceBuilder& list) {
  const Verdict& v = list.input().verdict();
  const std::string counts =
      fmt::format("{} compared, {} differ", v.answers_compared, v.answers_mismatched);
  list.Whole("answers_equal", "Every replayed prompt got the text that it got before.",
             "texts of the requests",
             v.answers_compared == 0     ? EvidenceState::kNotObservable
             : v.answers_mismatched == 0 ? EvidenceState::kSeen
                                         : EvidenceState::kNotSeen,
             counts,
             {"The KV that came back is not the KV that went out: do not trust these latencies.",
              "The stack or the temperature does not promise equal texts.",
              "Populate did not finish, so there is nothing to compare with."});
  list.OverLegs(
      "requests_ok", "Every planned request was answered.", "requests", AnyMode,
      [](const LegEvidence& leg) {
        const LegFigures f = MeasureLeg(leg);
        if (f.planned == 0) return Blind("no request of the replay was recorded");
        return Found(f.error_rate == 0, fmt::format("{:.2f} % failed", 100 * f.error_rate),
                     100 * f.error_rate);
      },
      [](double v2) { return fmt::format("{:.2f} % failed", v2); },
      {"Look at the outcomes by kind in the leg's summary: latencies describe survivors only."});
  list.OverLegs(
      "client_fast_enough", "The load generator was not the bottleneck.", "the client itself",
      AnyMode,
      [](const LegEvidence& leg) {
        const PhaseEvidence* replay = HeadlinePhase(leg);
        if (replay == nullptr) return Blind("no replay was measured");
        return Found(!replay->client.saturated, replay->client.saturated_why,
                     100 * replay->client.cpu_fraction);
      },
      [](double v2) { return fmt::format("{:.1f} % of a core", v2); },
      {"Give the client a core of its own, or lower the concurrency."});
}

void AddDesign(EvidenceBuilder& list) {
  const PackInput& in = list.input();
  const Verdict& v = in.verdict();
  list.Whole("declared_before", "The data were judged by what was declared before the run.",
             "SHA-256 of the declaration",
             v.declaration_unchanged ? EvidenceState::kSeen : EvidenceState::kNotSeen,
             v.setup.declared_sha256.empty() ? "no hash" : v.setup.declared_sha256.substr(0, 12),
             {"Margin, metric, modes or gates were edited after the first leg.",
              "An older version wrote the manifest, without a declaration."});
  int ab = 0;
  int ba = 0;
  for (const auto& d : in.analysis.deltas) {
    if (!d.complete) continue;
    (d.pair_order == in.analysis.order_check.order_ab_label ? ab : ba) += 1;
  }
  const bool three = v.setup.mode_c.has_value();
  if (!three)
    list.Whole(
        "order_balanced", "Both orders ran equally often.", "schedule",
        ab == ba && ab > 0 ? EvidenceState::kSeen : EvidenceState::kNotSeen,
        fmt::format("{} complete pairs {}, {} {}", ab, in.analysis.order_check.order_ab_label, ba,
                    in.analysis.order_check.order_ba_label),
        {"An odd number of pairs.", "Legs failed and their pairs do not count.",
         "The run was interrupted: go on with the same timestamp."});
  const auto& period = v.effect.period;
  list.Whole("no_order_effect", "The place in the pair did not matter.",
             "Hills-Armitage period test",
             v.order_effect_insufficient_pairs || !period ? EvidenceState::kNotObservable
             : v.order_effect_suspect                     ? EvidenceState::kNotSeen
                                                          : EvidenceState::kSeen,
             period ? fmt::format("p = {:.3f}", period->p) : "not tested",
             {"Fewer than 6 complete pairs.",
              "The machine warms up, or a leg leaves something behind for the next: lengthen the "
              "washout."});
  list.OverLegs(
      "washout_proven", "Each leg began on a fresh worker, empty tiers and a disk at rest.",
      "washout record, recorder", AnyMode,
      [&list](const LegEvidence& leg) {
        const std::string detail =
            list.DetailIn(leg.run_id, {Reason::kWashoutNotProven, Reason::kColdStartNotProven});
        return Found(detail.empty(), detail);
      },
      nullptr,
      {"The washout is too short: BENCH_PHASE70_PAIR_WASHOUT_S.",
       "Write-back of the leg before was still going on.", "Telemetry was off."});
  using State = PreflightOutcome::State;
  list.Whole("preflight_passed", "The stack was checked before the first leg.", "preflight",
             v.preflight == PreflightStateName(State::kPassed) ? EvidenceState::kSeen
             : v.preflight == PreflightStateName(State::kFailed) ||
                     v.preflight == PreflightStateName(State::kPassedNotDecisionGrade)
                 ? EvidenceState::kNotSeen
                 : EvidenceState::kNotObservable,
             v.preflight,
             {in.preflight.detail.empty() ? "It was skipped, or never ran." : in.preflight.detail});
}

void AddMachine(EvidenceBuilder& list) {
  list.OverLegs(
      "telemetry_present", "The recorder watched every phase.", "recorder", AnyMode,
      [](const LegEvidence& leg) {
        if (leg.phases.empty()) return Blind("no phase was measured");
        double due = 0;
        for (const auto& phase : leg.phases) {
          if (!phase.host.recorder.available())
            return Found(false, phase.name + ": " + phase.host.recorder.reason());
          due += static_cast<double>(phase.host.recorder->ticks_due);
        }
        return Found(true, "", due);
      },
      [](double v) { return fmt::format("{:.0f} readings", v); },
      {"telemetry.enabled is off.", "An older version made the bundle."});
  list.OverLegs(
      "quiet_machine", "Nobody else used the machine.", "noise guards", AnyMode,
      [&list](const LegEvidence& leg) {
        const std::string detail =
            list.DetailIn(leg.run_id, {Reason::kNoiseBackgroundIo, Reason::kNoiseBackgroundCpu,
                                       Reason::kNoiseCpuSteal, Reason::kNoiseThrottled,
                                       Reason::kNoiseSwap, Reason::kNoiseMemoryPressure,
                                       Reason::kNoiseClockStep, Reason::kNoiseOtherWorker});
        if (!detail.empty()) return Found(false, detail);
        const std::string off = list.DetailIn(leg.run_id, {Reason::kTelemetryOff});
        return off.empty() ? Found(true, "") : Blind(off);
      },
      nullptr,
      {"Other jobs, backups or guests of the same host: stop them, or measure when they rest.",
       "Heat: pause between the legs."});
  if (!RunsMode(list.input().manifest.setup, TierMode::kB2)) return;
  list.OverLegs(
      "smart_moved", "The SSD's own health log counted the traffic of B2.",
      "SMART data units before and after", IsB2,
      [](const LegEvidence& leg) {
        const auto& s = leg.storage;
        if (!s.before.available()) return Blind(s.before.reason());
        if (!s.after.available()) return Blind(s.after.reason());
        const auto& from = s.before->data_units_read;
        const auto& to = s.after->data_units_read;
        if (!from.available() || !to.available())
          return Blind("the disk does not count data units");
        constexpr double kUnit = 512'000;
        const double moved = kUnit * (static_cast<double>(*to) - static_cast<double>(*from));
        return Found(moved > 0, "no data unit was read between both logs", moved);
      },
      [](double v) { return BytesText(v) + " read"; },
      {"No NVMe disk, no nvme-cli or smartctl, or no right to read the log.",
       "Less was read than one data unit (500 KiB).",
       "The cache directory is on another disk than the one described."});
}

}  // namespace

std::string_view EvidenceStateName(EvidenceState state) {
  switch (state) {
    case EvidenceState::kSeen:
      return "seen";
    case EvidenceState::kNotSeen:
      return "not seen";
    case EvidenceState::kNotObservable:
      break;
  }
  return "not observable";
}

std::vector<ExpectedEvidence> ListEvidence(const PackInput& input) {
  EvidenceBuilder list(input);
  AddEngineEvidence(list);
  AddSystemEvidence(list);
  AddAnswers(list);
  AddDesign(list);
  AddMachine(list);
  return list.Take();
}

}  // namespace kvtier
