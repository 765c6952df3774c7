#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "harness/judge/agreement.hpp"
#include "harness/judge/gates.hpp"
#include "harness/report/pack/evidence_builder.hpp"

namespace kvtier {
namespace {

std::string BlocksText(double v) {
  return fmt::format("{:.0f} blocks", v);
}

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

}  // namespace

void AddEngineEvidence(EvidenceBuilder& list) {
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

void AddSystemEvidence(EvidenceBuilder& list) {
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

}  // namespace kvtier
