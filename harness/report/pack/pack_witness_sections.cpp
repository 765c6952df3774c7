#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "harness/core/units.hpp"
#include "harness/judge/agreement.hpp"
#include "harness/report/pack/pack_sections.hpp"
#include "harness/report/phase70_report.hpp"

// What the witnesses saw of each leg: tiers, bytes, the machine, and what lay between the legs.
namespace kvtier {
namespace {

using Rows = std::vector<std::vector<std::string>>;

const char* YesNo(bool b) {
  return b ? "yes" : "no";
}
template <class T>
std::string Measured(const Reading<T>& r, int places, const char* unit) {
  return r.available() ? fmt::format("{:.{}f} {}", static_cast<double>(*r), places, unit)
                       : "NA (" + r.reason() + ")";
}
std::string Size(const Reading<Bytes>& r) {
  return r.available() ? FormatBytes(*r) : "NA";
}

/// "pair 3, leg 1 (B2)"
std::string LegName(const Phase70Leg& leg) {
  return fmt::format("pair {}, leg {} ({})", leg.pair_id, leg.pair_leg,
                     TierName(leg.evidence.tier));
}

/// What a reading says at most over the phases of a leg; "NA" where no phase has it.
template <class Of>
std::string Most(const LegEvidence& leg, const Of& of, double scale, int places, const char* unit) {
  std::optional<double> most;
  for (const auto& phase : leg.phases) {
    if (!phase.host.during.available()) continue;
    const auto& r = of(*phase.host.during);
    if (r.available()) most = std::max(most.value_or(0), static_cast<double>(*r) * scale);
  }
  return most ? fmt::format("{:.{}f}{}", *most, places, unit) : "NA";
}

}  // namespace

Section HitsSection(const PackInput& in) {
  Section s{"hits", "Hits by tier: expected and actual", {}};
  const auto& hits = in.verdict().hits;
  if (hits.empty()) {
    s.blocks.push_back(
        Text("Nothing was predicted: no valid leg with KVBM, or a stack that hides "
             "its sizes."));
    return s;
  }
  std::map<std::pair<std::string, std::string>, std::vector<std::string>> seen;
  for (const auto& h : hits) {
    auto& actual = seen[{h.tier, h.expected_low == h.expected_high
                                     ? fmt::format("{}", h.expected_low)
                                     : fmt::format("{} to {}", h.expected_low, h.expected_high)}];
    const std::string text = h.actual.available() ? fmt::format("{}", *h.actual) : "NA";
    if (std::find(actual.begin(), actual.end(), text) == actual.end()) actual.push_back(text);
  }
  Rows rows;
  for (const auto& [what, actual] : seen)
    rows.push_back({what.first, what.second, fmt::format("{}", fmt::join(actual, ", "))});
  const auto differ =
      std::count_if(hits.begin(), hits.end(), [](const auto& h) { return !h.Holds(); });
  s.blocks.push_back(Text(fmt::format(
      "Blocks of a replay by tier, predicted before the run from our own block hashes and the tier "
      "sizes, and counted by the engine. {} of {} comparisons differ.",
      differ, hits.size())));
  s.blocks.push_back(Chart("tier_hits", "Block hits of each replay, expected and counted"));
  s.blocks.push_back(Table({"tier", "expected", "engine"}, std::move(rows)));
  return s;
}

Section BytesSection(const PackInput& in) {
  Section s{"bytes", "SSD bytes by phase: engine and operating system", {}};
  Rows rows;
  for (const auto& leg : in.legs) {
    for (const auto& phase : leg.evidence.phases)
      rows.push_back({LegName(leg), phase.name, Size(EngineRead(leg.evidence, phase)),
                      Size(phase.io.WitnessRead()), Size(EngineWritten(leg.evidence, phase)),
                      Size(phase.io.WitnessWrite()), Size(phase.io.device_read),
                      Size(phase.io.device_write)});
  }
  if (rows.empty()) {
    s.blocks.push_back(Text("No bundle of a leg is here."));
    return s;
  }
  s.blocks.push_back(
      Text("Two witnesses that do not know each other: the engine's block counters times the size "
           "of a block, and what the kernel counted for the worker. The device is context: it "
           "serves others too."));
  s.blocks.push_back(Chart("phase_bytes", "SSD bytes of each leg and phase"));
  s.blocks.push_back(Chart("io_timeline", "SSD traffic of one pair over time"));
  s.blocks.push_back(Table({"leg", "phase", "read, engine", "read, system", "written, engine",
                            "written, system", "device read", "device written"},
                           std::move(rows)));
  return s;
}

Section BreakEvenSection(const PackInput& in) {
  const BreakEven& b = in.verdict().break_even;
  Section s{"break-even", "Break-even: reload or recompute", {}};
  if (!RunsMode(in.manifest.setup, TierMode::kB2) || b.sentence.empty()) {
    s.blocks.push_back(Text("Not computed: no arm with an SSD tier was measured."));
    return s;
  }
  if (const auto result = SsdResultSentence(in.verdict()); !result.empty())
    s.blocks.push_back(Strong(result));
  s.blocks.push_back(Text(b.sentence));
  if (b.outcome != BreakEven::Outcome::kUnknown)
    s.blocks.push_back(
        Table({"TTFC p50 of the replay", "by the measured rates", "measured"},
              {{"prompt computed again", Measured(b.predicted_recompute_ms, 1, "ms"),
                Measured(b.measured_recompute_ms, 1, "ms")},
               {"prompt reloaded from the SSD", Measured(b.predicted_reload_ms, 1, "ms"),
                Measured(b.measured_reload_ms, 1, "ms")}}));
  s.blocks.push_back(Terms(
      {{"Compute", Measured(b.prefill_tokens_per_s, 0, "prompt tokens/s")},
       {"Reload",
        b.reload_bytes_per_s.available()
            ? fmt::format("{:.1f} MiB/s ({})", *b.reload_bytes_per_s / 1048576.0, b.reload_time)
            : "NA (" + b.reload_bytes_per_s.reason() + ")"},
       {"KV of one token", Measured(b.kv_bytes_per_token, 0, "B")},
       {"Reloaded by one replay request", Measured(b.reloaded_tokens_per_request, 0, "tokens")},
       {"Bytes written to the SSD for each byte that came back",
        Measured(b.written_per_useful_byte, 2, "B")}}));
  return s;
}

Section NoiseSection(const PackInput& in) {
  Section s{"noise", "What else the machine did", {}};
  Rows rows;
  for (const auto& leg : in.legs) {
    const LegEvidence& e = leg.evidence;
    rows.push_back(
        {LegName(leg),
         Most(
             e, [](const HostWindow& w) -> auto& { return w.cpu_other_ratio; }, 100, 1, " %"),
         Most(
             e, [](const HostWindow& w) -> auto& { return w.cpu_steal_ratio; }, 100, 1, " %"),
         Most(
             e,
             [](const HostWindow& w) { return w.other_read.Map([](Bytes b) { return b.value; }); },
             1.0 / 1048576, 1, " MiB"),
         Most(
             e,
             [](const HostWindow& w) { return w.other_write.Map([](Bytes b) { return b.value; }); },
             1.0 / 1048576, 1, " MiB"),
         Most(
             e, [](const HostWindow& w) -> auto& { return w.nvme_celsius_max; }, 1, 0, " C"),
         Most(
             e, [](const HostWindow& w) -> auto& { return w.zone_celsius_max; }, 1, 0, " C"),
         Most(
             e, [](const HostWindow& w) -> auto& { return w.memory_stall_ratio; }, 100, 1, " %")});
  }
  if (rows.empty()) {
    s.blocks.push_back(Text("No bundle of a leg is here."));
    return s;
  }
  s.blocks.push_back(Text(fmt::format(
      "The largest value over the phases of each leg, of what neither the stack nor kvtier did. "
      "NA: this machine does not say. {} of {} legs hold a soft finding; in over a quarter of the "
      "legs that caps the grade at C.",
      in.verdict().soft_fail_legs, in.verdict().summary_rows)));
  s.blocks.push_back(Table({"leg", "CPU of others", "CPU stolen", "disk reads of others",
                            "disk writes of others", "SSD heat", "hottest zone", "memory stalls"},
                           std::move(rows)));
  return s;
}

Section WashoutSection(const PackInput& in) {
  Section s{"washout", "What lay between the legs", {}};
  const auto& m = in.manifest;
  s.blocks.push_back(Text(fmt::format(
      "Before each leg a new stack{}{}, and {} s of waiting. Carry-over is kept out by the design; "
      "each leg shows that it began clean.",
      m.pair_washout_sync ? ", dirty pages written out" : "",
      m.pair_washout_drop_caches ? ", the page cache dropped" : "", m.pair_washout_s)));
  Rows rows;
  const auto yes = [](const Reading<bool>& r) {
    return r.available() ? std::string(YesNo(*r)) : "NA (" + r.reason() + ")";
  };
  for (const auto& leg : in.legs) {
    if (!leg.washout) {
      rows.push_back({LegName(leg), "NA", "NA", "NA", "NA", "NA"});
      continue;
    }
    const WashoutEvidence& w = *leg.washout;
    rows.push_back(
        {LegName(leg), fmt::format("{:.1f} s", w.waited_s), yes(w.fresh_worker),
         yes(w.cold_at_start),
         w.device_in_flight.available() ? fmt::format("{:.2f}", *w.device_in_flight) : "NA",
         w.celsius.available() ? fmt::format("{:.0f} C", *w.celsius) : "NA"});
  }
  if (!rows.empty())
    s.blocks.push_back(
        Table({"leg", "waited", "fresh worker", "tiers empty", "I/Os in flight", "SSD heat"},
              std::move(rows)));
  return s;
}

}  // namespace kvtier
