#include <algorithm>

#include <fmt/format.h>

#include "harness/judge/agreement.hpp"
#include "harness/judge/gates.hpp"
#include "harness/judge/signals.hpp"

namespace kvtier {
namespace {

/// One direction of one phase: what the engine says it moved, what the operating system saw, what
/// system calls asked for.
struct Witness {
  const char* verb;  // "read", "wrote"
  Reading<std::uint64_t> blocks;
  Reading<Bytes> engine;
  Reading<Bytes> os;
  Reading<Bytes> asked;
};

void Judge(const Witness& w, const LegEvidence& leg, const PhaseEvidence& phase, Findings& out) {
  const auto find = [&](Reason reason, std::string detail) {
    out.push_back(MakeFinding(reason, leg.run_id, phase.name, std::move(detail)));
  };
  if (!w.engine.available() && !w.blocks.available()) return;  // METRICS_UNAVAILABLE says so
  if (!w.engine.available()) {
    find(Reason::kWitnessUnavailable,
         fmt::format("bytes {} by the engine: {}", w.verb, w.engine.reason()));
    return;
  }
  if (!w.os.available()) {
    find(Reason::kWitnessUnavailable,
         fmt::format("bytes {} by the worker: {}", w.verb, w.os.reason()));
    return;
  }
  const bool reference = leg.backend == "reference";
  const auto reason = CompareWitnesses(*w.engine, *w.os, w.asked, reference);
  if (!reason) return;
  const std::string both = fmt::format(
      "the engine {} {}{}, the operating system saw {}", w.verb, FormatBytes(*w.engine),
      w.blocks.available() ? fmt::format(" ({} blocks)", *w.blocks) : "", FormatBytes(*w.os));
  if (*reason == Reason::kPageCacheReads) {
    find(*reason,
         fmt::format("{} reach the device; system calls moved {}", both, FormatBytes(*w.asked)));
  } else if (*reason == Reason::kWitnessDisagreement) {
    find(*reason, fmt::format("{}; tolerance {}", both,
                              FormatBytes(WitnessTolerance(*w.engine, reference))));
  } else {
    find(*reason, both);
  }
}

Reading<std::uint64_t> Amount(const Reading<Bytes>& r) {
  return r.Map([](Bytes b) { return b.value; });
}

/// The first that the exporter has, else the first's reason: not every engine counts blocks.
Reading<std::uint64_t> FirstOf(const Reading<std::uint64_t>& a, const Reading<std::uint64_t>& b) {
  return a.available() || !b.available() ? a : b;
}

/// What came from the SSD: blocks to the device, blocks staged to host memory, or bytes; whichever
/// word of the vocabulary the exporter has. One that is above 0 is enough.
Reading<std::uint64_t> FromDisk(const TierTraffic& t) {
  const auto staged = FirstOf(t.onboard_g3_to_g2_blocks, Amount(t.onboard_from_g3_bytes));
  const auto& blocks = t.onboard_g3_to_g1_blocks;
  return blocks.available() && *blocks == 0 && staged.available() ? staged
                                                                  : FirstOf(blocks, staged);
}

std::string RangeText(ExpectedHits::Range r) {
  return r.low == r.high ? fmt::format("{}", r.low) : fmt::format("{} to {}", r.low, r.high);
}

}  // namespace

Findings CheckMechanism(const LegEvidence& leg, const GateOptions& options) {
  if (!HasDiskTier(leg.tier)) return {};
  const PhaseEvidence* replay = HeadlinePhase(leg);
  if (replay == nullptr) {
    return {MakeFinding(Reason::kRunIncomplete, leg.run_id, "",
                        "without a replay phase nothing is known of the SSD mechanism")};
  }
  const TierTraffic& t = replay->tiers;
  Findings out;
  const auto from_disk = FromDisk(t);
  if (!from_disk.available()) {
    out.push_back(MakeFinding(Reason::kMetricsUnavailable, leg.run_id, replay->name,
                              "blocks onboarded from disk: " + from_disk.reason()));
    return out;
  }
  if (*from_disk == 0) {
    std::uint64_t written = 0;
    for (const PhaseEvidence& phase : leg.phases) {
      const auto blocks = BlocksWritten(phase.tiers);
      if (blocks.available()) written += *blocks;
    }
    std::string detail = fmt::format("no block came from the SSD in {}", replay->name);
    if (t.onboard_g2_to_g1_blocks.available() && *t.onboard_g2_to_g1_blocks > 0) {
      detail += fmt::format(", {} came from host memory, which is no rehydration",
                            *t.onboard_g2_to_g1_blocks);
    }
    detail += fmt::format("; {} blocks were written to the SSD during the leg", written);
    const Reading<bool>& filter = leg.worker.disk_offload_filter;
    if (filter.available() && *filter) detail += "; the disk-offload filter was on";
    Finding f = MakeFinding(
        written > 0 ? Reason::kRehydrateSignalAbsentWriteOnly : Reason::kGateNoSsdMechanismSignal,
        leg.run_id, replay->name, detail);
    if (written > 0 && !options.require_rehydrate) f.severity = Severity::kNote;
    out.push_back(f);
  }
  if (options.require_matched) {
    const bool matched = t.matched_tokens.available() &&
                         static_cast<double>(*t.matched_tokens) > options.min_matched_tokens;
    if (!matched) {
      out.push_back(MakeFinding(
          Reason::kGateNoSsdMechanismSignal, leg.run_id, replay->name,
          t.matched_tokens.available()
              ? fmt::format("{} matched tokens, more than {:g} are required", *t.matched_tokens,
                            options.min_matched_tokens)
              : "matched tokens are required and unavailable: " + t.matched_tokens.reason()));
    }
  }
  return out;
}

Findings CheckB1Off(const LegEvidence& leg, const GateOptions& options) {
  if (leg.tier != TierMode::kB1) return {};
  Findings out;
  const auto find = [&](std::string phase, std::string detail) {
    out.push_back(MakeFinding(Reason::kB1DiskTierNotDisabled, leg.run_id, std::move(phase),
                              std::move(detail)));
  };
  const WorkerReadback& w = leg.worker;
  if (!w.disk_cache_gb.available()) {
    find("", "the configured SSD size could not be read back from the worker: " +
                 w.disk_cache_gb.reason());
  } else if (*w.disk_cache_gb > 0) {
    find("", fmt::format("the worker has an SSD tier of {:g} GB configured", *w.disk_cache_gb));
  }
  if (w.disk_blocks.available() && *w.disk_blocks > 0) {
    find("", fmt::format("the worker has {} blocks on its SSD tier", *w.disk_blocks));
  }
  if (!w.open_files_under_cache_dir.available()) {
    find("", "open files under the cache directory are unknown: " +
                 w.open_files_under_cache_dir.reason());
  } else if (*w.open_files_under_cache_dir > 0) {
    find("", fmt::format("the worker holds {} open files under the cache directory",
                         *w.open_files_under_cache_dir));
  }
  for (const PhaseEvidence& phase : leg.phases) {
    const auto read = phase.tiers.onboard_g3_to_g1_blocks;
    const auto written = BlocksWritten(phase.tiers);
    if (!read.available() || !written.available()) {
      find(phase.name,
           "disk counters are unavailable: " + (read.available() ? written : read).reason());
    } else if (*read > 0 || *written > 0) {
      find(phase.name,
           fmt::format("{} blocks came from the SSD and {} went there", *read, *written));
    }
    if (phase.name.rfind("replay", 0) != 0) continue;
    for (const auto& [verb, bytes] :
         {std::pair{"read", phase.io.WitnessRead()}, {"wrote", phase.io.WitnessWrite()}}) {
      if (!bytes.available()) {
        find(phase.name, fmt::format("what the worker {} is unknown: {}", verb, bytes.reason()));
      } else if (*bytes > options.b1_io_threshold) {
        find(phase.name, fmt::format("the worker {} {}, allowed are {}", verb, FormatBytes(*bytes),
                                     FormatBytes(options.b1_io_threshold)));
      }
    }
  }
  if (HeadlinePhase(leg) == nullptr && leg.phases.empty()) find("", "no phase was observed");
  return out;
}

Findings CheckWitnesses(const LegEvidence& leg) {
  if (!KvbmEnabled(leg.tier)) return {};
  const bool stated = std::any_of(leg.phases.begin(), leg.phases.end(), [](const auto& phase) {
    return phase.tiers.onboard_from_g3_bytes.available();
  });
  if (leg.block_bytes == 0 && !stated) {
    return {MakeFinding(Reason::kWitnessUnavailable, leg.run_id, "",
                        "the bytes of a block are not known")};
  }
  Findings out;
  for (const PhaseEvidence& phase : leg.phases) {
    Judge({"read", phase.tiers.onboard_g3_to_g1_blocks, EngineRead(leg, phase),
           phase.io.WitnessRead(), phase.io.process_rchar},
          leg, phase, out);
    // Writes that end in the page cache are counted by the kernel when the page is dirtied, so
    // `asked` cannot excuse them.
    Judge({"wrote", BlocksWritten(phase.tiers), EngineWritten(leg, phase), phase.io.WitnessWrite(),
           Reading<Bytes>::Unavailable("not for writes")},
          leg, phase, out);
  }
  return out;
}

Findings CheckMetrics(const LegEvidence& leg) {
  if (!KvbmEnabled(leg.tier)) return {};
  Findings out;
  for (const PhaseEvidence& phase : leg.phases) {
    const TierTraffic& t = phase.tiers;
    if (t.counter_reset || phase.io.counter_reset) {
      out.push_back(MakeFinding(
          Reason::kCounterReset, leg.run_id, phase.name,
          t.counter_reset ? "an engine counter went backwards" : "an I/O counter went backwards"));
    }
    std::string missing;
    std::string why;
    const auto look = [&](const char* name, const Reading<std::uint64_t>& r) {
      if (r.available()) return;
      missing += (missing.empty() ? "" : ", ") + std::string(name);
      why = r.reason();
    };
    look("matched tokens", FirstOf(t.matched_tokens, FirstOf(t.hit_tokens_g3, t.hit_tokens_g2)));
    look("host onboards", FirstOf(t.onboard_g2_to_g1_blocks, Amount(t.onboard_from_g2_bytes)));
    look("disk onboards", FromDisk(t));
    look("disk offloads", FirstOf(BlocksWritten(t), Amount(t.offload_to_g3_bytes)));
    if (!missing.empty()) {
      out.push_back(
          MakeFinding(Reason::kMetricsUnavailable, leg.run_id, phase.name, missing + ": " + why));
    }
  }
  return out;
}

Findings CheckExpectedHits(const LegEvidence& leg) {
  if (!KvbmEnabled(leg.tier)) return {};
  Findings out;
  for (const PhaseEvidence& phase : leg.phases) {
    if (!phase.expected) continue;
    const ExpectedHits& e = *phase.expected;
    std::string off;
    const auto compare = [&](const char* what, const Reading<std::uint64_t>& got,
                             ExpectedHits::Range want) {
      if (!got.available() || want.Contains(*got)) return;
      off += fmt::format("{}{} {} instead of {}", off.empty() ? "" : ", ", what, *got,
                         RangeText(want));
    };
    const auto tokens = static_cast<std::uint64_t>(std::max(0, leg.block_tokens));
    compare("blocks from host", phase.tiers.onboard_g2_to_g1_blocks, e.g2_blocks);
    compare("blocks from disk", phase.tiers.onboard_g3_to_g1_blocks, e.g3_blocks);
    compare("matched tokens", phase.tiers.matched_tokens,
            {(e.g2_blocks.low + e.g3_blocks.low) * tokens,
             (e.g2_blocks.high + e.g3_blocks.high) * tokens});
    compare("blocks written to disk", BlocksWritten(phase.tiers), e.offload_g2_to_g3_blocks);
    if (!off.empty())
      out.push_back(MakeFinding(Reason::kExpectedHitsMismatch, leg.run_id, phase.name, off));
  }
  return out;
}

Findings CheckReuse(const LegEvidence& leg) {
  Findings out;
  const auto signal = [&](const PhaseEvidence* phase) {
    if (phase == nullptr) return false;
    const bool kvbm = KvbmEnabled(leg.tier) && phase->tiers.matched_tokens.available() &&
                      *phase->tiers.matched_tokens > 0;
    return kvbm || CachedTokens(leg, phase->name).value_or(0) > 0;
  };
  const auto text = [&](const PhaseEvidence* phase, const char* name) {
    if (phase == nullptr) return fmt::format("{} did not run", name);
    const auto cached = CachedTokens(leg, name);
    return fmt::format("{}: matched tokens {}, cached tokens {}, tier {}", name,
                       phase->tiers.matched_tokens.available()
                           ? std::to_string(*phase->tiers.matched_tokens)
                           : "unavailable",
                       cached ? std::to_string(*cached) : "not sent", AnsweringTier(leg, *phase));
  };
  const PhaseEvidence* first = leg.FindPhase("reuse_1");
  const PhaseEvidence* second = leg.FindPhase("reuse_2");
  const PhaseEvidence* third = leg.FindPhase("reuse_3");
  if (signal(first)) {
    out.push_back(
        MakeFinding(Reason::kReuseContaminated, leg.run_id, "reuse_1", text(first, "reuse_1")));
  }
  if (!signal(second) && !signal(third)) {
    out.push_back(MakeFinding(Reason::kReuseAbsent, leg.run_id, "",
                              text(second, "reuse_2") + "; " + text(third, "reuse_3")));
  }
  const Findings answers = CheckAnswers(leg);
  out.insert(out.end(), answers.begin(), answers.end());
  return out;
}

}  // namespace kvtier
