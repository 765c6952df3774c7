#include "harness/report/pack/evidence_list.hpp"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "harness/core/units.hpp"
#include "harness/judge/agreement.hpp"
#include "harness/judge/gates.hpp"

namespace kvtier {
namespace {

/// What one leg shows of one item.
struct Observation {
  EvidenceState state = EvidenceState::kNotObservable;
  std::string text;              // for a leg without it
  std::optional<double> figure;  // joins the range over all legs
};
Observation Blind(std::string why) {
  return {EvidenceState::kNotObservable, std::move(why), std::nullopt};
}
Observation Found(bool seen, std::string text, std::optional<double> figure = std::nullopt) {
  return {seen ? EvidenceState::kSeen : EvidenceState::kNotSeen, std::move(text), figure};
}

using OfLeg = std::function<Observation(const LegEvidence&)>;
using FigureText = std::function<std::string(double)>;

std::string BytesText(double v) {
  return FormatBytes({static_cast<std::uint64_t>(std::max(0.0, v))});
}
std::string BlocksText(double v) {
  return fmt::format("{:.0f} blocks", v);
}

bool AnyMode(const LegEvidence&) {
  return true;
}
bool IsB2(const LegEvidence& leg) {
  return leg.tier == TierMode::kB2;
}
bool IsB1(const LegEvidence& leg) {
  return leg.tier == TierMode::kB1;
}

class Evidence {
 public:
  explicit Evidence(const PackInput& input) : input_(input) {}

  /// One observation a leg; the item is seen when every leg shows it and none is missing.
  void OverLegs(std::string id, std::string expected, std::string witness,
                bool (*wanted)(const LegEvidence&), const OfLeg& look, const FigureText& say,
                std::vector<std::string> causes) {
    ExpectedEvidence e{
        .id = std::move(id), .expected = std::move(expected), .witness = std::move(witness)};
    double low = std::numeric_limits<double>::max();
    double high = std::numeric_limits<double>::lowest();
    bool blind = false;
    bool absent = false;
    for (const auto& leg : input_.legs) {
      if (!wanted(leg.evidence)) continue;
      const Observation o = look(leg.evidence);
      ++e.legs_expected;
      if (o.figure) {
        low = std::min(low, *o.figure);
        high = std::max(high, *o.figure);
      }
      if (o.state == EvidenceState::kSeen) {
        ++e.legs_seen;
        continue;
      }
      (o.state == EvidenceState::kNotSeen ? absent : blind) = true;
      constexpr std::size_t kShown = 3;
      if (e.first_absent.size() < kShown)
        e.first_absent.push_back(leg.evidence.run_id + ": " + o.text);
    }
    const int gone = MissingBundles(wanted);
    e.legs_expected += gone;
    if (gone > 0)
      e.first_absent.push_back(fmt::format("{} bundles are not here, so nobody can look", gone));
    e.state = absent                                      ? EvidenceState::kNotSeen
              : blind || gone > 0 || e.legs_expected == 0 ? EvidenceState::kNotObservable
                                                          : EvidenceState::kSeen;
    if (say && low <= high)
      e.figures = low == high ? say(low) : say(low) + " to " + say(high) + ", by leg";
    if (e.legs_expected == 0) e.first_absent.emplace_back("no such leg was measured");
    Add(std::move(e), std::move(causes));
  }

  void Whole(std::string id, std::string expected, std::string witness, EvidenceState state,
             std::string figures, std::vector<std::string> causes) {
    Add({.id = std::move(id),
         .expected = std::move(expected),
         .witness = std::move(witness),
         .state = state,
         .figures = std::move(figures)},
        std::move(causes));
  }

  bool FoundIn(const std::string& run_id, std::initializer_list<Reason> reasons) const {
    return std::any_of(
        input_.verdict().findings.begin(), input_.verdict().findings.end(), [&](const Finding& f) {
          return f.run_id == run_id &&
                 std::find(reasons.begin(), reasons.end(), f.reason) != reasons.end();
        });
  }
  std::string DetailIn(const std::string& run_id, std::initializer_list<Reason> reasons) const {
    for (const Finding& f : input_.verdict().findings) {
      if (f.run_id == run_id &&
          std::find(reasons.begin(), reasons.end(), f.reason) != reasons.end())
        return std::string(Code(f.reason)) + (f.phase.empty() ? "" : " in " + f.phase) + ": " +
               f.detail;
    }
    return "";
  }
  std::vector<ExpectedEvidence> Take() { return std::move(list_); }
  const PackInput& input() const { return input_; }

 private:
  void Add(ExpectedEvidence e, std::vector<std::string> causes) {
    if (e.state != EvidenceState::kSeen) e.likely_causes = std::move(causes);
    list_.push_back(std::move(e));
  }
  int MissingBundles(bool (*wanted)(const LegEvidence&)) const {
    int gone = 0;
    for (const auto& run : input_.manifest.runs) {
      LegEvidence shape;
      shape.tier = run.mode;
      if (!wanted(shape)) continue;
      gone += std::none_of(input_.legs.begin(), input_.legs.end(), [&](const Phase70Leg& leg) {
        return leg.evidence.run_id == run.run_id;
      });
    }
    return gone;
  }

  const PackInput& input_;
  std::vector<ExpectedEvidence> list_;
};

/// Sum over the phases that `in` takes; the first unavailable one makes the sum unavailable.
template <class Of>
Reading<double> Sum(const LegEvidence& leg, bool headline, const Of& of) {
  const PhaseEvidence* replay = HeadlinePhase(leg);
  double sum = 0;
  bool any = false;
  for (const auto& phase : leg.phases) {
    if (headline ? &phase != replay : &phase == replay) continue;
    any = true;
    const auto value = of(phase);
    if (!value.available()) return Reading<double>::Unavailable(phase.name + ": " + value.reason());
    if constexpr (requires { value->value; }) {
      sum += static_cast<double>(value->value);
    } else {
      sum += static_cast<double>(*value);
    }
  }
  return any ? Reading<double>(sum) : Reading<double>::Unavailable("no such phase was measured");
}

Observation MoreThanZero(const Reading<double>& sum, const char* what) {
  if (!sum.available()) return Blind(sum.reason());
  return Found(*sum > 0, fmt::format("{:.0f} {}", *sum, what), *sum);
}

std::vector<std::string> WriteCauses(const PackInput& input) {
  std::vector<std::string> causes;
  if (!input.manifest.mechanism_mode)
    causes.emplace_back(
        "The disk-offload filter is on: a block goes to the SSD only at its second registration "
        "within one time window, and this traffic computes it once.");
  causes.insert(causes.end(), {"The disk tier is off or has no blocks: read the worker's readback.",
                               "Blocks never reached the host tier, or block reuse is off.",
                               "The exporter does not count this direction."});
  return causes;
}

std::vector<std::string> ReadCauses(const PackInput& input) {
  std::vector<std::string> causes;
  double host = 0;
  for (const auto& leg : input.legs) {
    if (!IsB2(leg.evidence)) continue;
    const auto from_host =
        Sum(leg.evidence, true, [](const auto& p) { return p.tiers.onboard_g2_to_g1_blocks; });
    if (from_host.available()) host = std::max(host, *from_host);
  }
  if (host > 0)
    causes.push_back(fmt::format(
        "Host memory still held the blocks (it gave up to {:.0f} in one leg): raise the pressure "
        "or make the host tier smaller.",
        host));
  causes.insert(causes.end(),
                {"The blocks had not been written: see the item before.",
                 "The SSD tier is smaller than what was written, and evicted it.",
                 "The replay sends other prompts than populate, or its prompts are shorter than a "
                 "block."});
  return causes;
}

void AddEngine(Evidence& list) {
  const PackInput& in = list.input();
  if (!RunsMode(in.manifest.setup, TierMode::kB2)) return;
  list.OverLegs(
      "b2_wrote_to_ssd", "B2 wrote KV blocks to the SSD before the replay (populate, thrash).",
      "engine counters", IsB2,
      [](const LegEvidence& leg) {
        return MoreThanZero(Sum(leg, false, [](const auto& p) { return BlocksWritten(p.tiers); }),
                            "blocks written");
      },
      BlocksText, WriteCauses(in));
  list.OverLegs(
      "b2_read_from_ssd", "B2 brought KV blocks back from the SSD in the replay.",
      "engine counters", IsB2,
      [](const LegEvidence& leg) {
        return MoreThanZero(
            Sum(leg, true, [](const auto& p) { return p.tiers.onboard_g3_to_g1_blocks; }),
            "blocks from the SSD");
      },
      BlocksText, ReadCauses(in));
  list.OverLegs(
      "b2_matched_tokens", "The engine matched replayed prompt tokens to stored KV.",
      "engine counters", IsB2,
      [](const LegEvidence& leg) {
        return MoreThanZero(Sum(leg, true, [](const auto& p) { return p.tiers.matched_tokens; }),
                            "tokens matched");
      },
      [](double v) { return fmt::format("{:.0f} tokens", v); },
      {"Prefix reuse is off.", "The replay sends other prompts than populate."});
  list.OverLegs(
      "hits_as_predicted",
      "Hits of the replay lie inside what the hit model computed before the run.",
      "hit model against engine counters", IsB2,
      [](const LegEvidence& leg) {
        int compared = 0;
        for (const auto& h : CompareHits(leg)) {
          if (!h.actual.available()) return Blind(h.tier + ": " + h.actual.reason());
          if (!h.Holds())
            return Found(false, fmt::format("{}: engine {}, expected {} to {}", h.tier, *h.actual,
                                            h.expected_low, h.expected_high));
          ++compared;
        }
        return compared > 0 ? Found(true, "") : Blind("nothing was predicted for this leg");
      },
      nullptr,
      {"Tier sizes, filter or block size of the profile are not those of the worker.",
       "The engine drops, evicts or fails transfers in a way that the model does not know."});
}

void AddSystem(Evidence& list) {
  const PackInput& in = list.input();
  if (RunsMode(in.manifest.setup, TierMode::kB2)) {
    const auto agrees = [&list](bool headline, bool read) {
      return [&list, headline, read](const LegEvidence& leg) {
        const auto os = Sum(leg, headline, [read](const auto& p) {
          return read ? p.io.WitnessRead() : p.io.WitnessWrite();
        });
        const auto engine = Sum(leg, headline, [&leg, read](const auto& p) {
          return read ? EngineRead(leg, p) : EngineWritten(leg, p);
        });
        if (!os.available()) return Blind(os.reason());
        if (!engine.available()) return Blind(engine.reason());
        const std::string both =
            fmt::format("engine {}, system {}", BytesText(*engine), BytesText(*os));
        const std::initializer_list<Reason> contradictions{
            Reason::kCounterWithoutIo, Reason::kIoWithoutCounter, Reason::kPageCacheReads,
            Reason::kWitnessDisagreement};
        if (list.FoundIn(leg.run_id, contradictions))
          return Found(false, list.DetailIn(leg.run_id, contradictions), *os);
        if (*engine > 0 && *engine < static_cast<double>(kWitnessFloor.value) && *os == 0)
          return Blind(both + ": too little for a missing I/O to mean anything");
        return Found(*engine > 0, both, *os);
      };
    };
    const std::vector<std::string> causes{
        "Reads came from the page cache: O_DIRECT is off or not supported.",
        "The profile's block size is not the engine's.",
        "Transfers failed and were counted all the same.",
        "Too few bytes: below 8 MiB two witnesses cannot contradict each other.",
        "The I/O was done by a process that is not below the worker (see the cgroup witness)."};
    list.OverLegs("os_saw_writes", "The operating system saw the worker write those blocks.",
                  "/proc/<pid>/io or the cgroup of the worker", IsB2, agrees(false, false),
                  BytesText, causes);
    list.OverLegs("os_saw_reads", "The operating system saw the worker read those blocks.",
                  "/proc/<pid>/io or the cgroup of the worker", IsB2, agrees(true, true), BytesText,
                  causes);
    list.OverLegs(
        "direct_io", "The reads bypassed the page cache.", "open flags of the cache file", IsB2,
        [](const LegEvidence& leg) {
          const auto& direct = leg.worker.direct_io;
          return direct.available() ? Found(*direct, "the cache file is open without O_DIRECT")
                                    : Blind(direct.reason());
        },
        nullptr,
        {"The file system does not support O_DIRECT.",
         "The worker's descriptors cannot be read: another user's process."});
  }
  if (RunsMode(in.manifest.setup, TierMode::kB1)) {
    list.OverLegs(
        "b1_no_disk_io", "B1 had no SSD tier: size 0, disk counters 0, no cache I/O in the replay.",
        "worker readback, engine counters, operating system", IsB1,
        [&in](const LegEvidence& leg) {
          const auto os = Sum(leg, true, [](const auto& p) { return p.io.WitnessRead(); });
          const Findings found = CheckB1Off(leg, in.manifest.setup.gates);
          if (!found.empty()) return Found(false, found.front().detail);
          return Found(true, "", os.available() ? std::optional<double>(*os) : std::nullopt);
        },
        [](double v) { return BytesText(v) + " read by the worker in the replay"; },
        {"The stack gives the disk size to every mode.",
         "The worker's settings, counters or I/O could not be read: what is not seen is not off.",
         "The worker reads something else from that disk: logs, swap, the model."});
  }
}

void AddAnswers(Evidence& list) {
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

void AddDesign(Evidence& list) {
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

void AddMachine(Evidence& list) {
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
  Evidence list(input);
  AddEngine(list);
  AddSystem(list);
  AddAnswers(list);
  AddDesign(list);
  AddMachine(list);
  return list.Take();
}

}  // namespace kvtier
