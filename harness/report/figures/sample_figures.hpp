#pragma once
#include <cmath>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "harness/core/rng.hpp"
#include "harness/judge/evidence_maker.hpp"
#include "harness/judge/sweep_maker.hpp"
#include "harness/report/bundle.hpp"
#include "harness/report/figures/context.hpp"
#include "harness/report/figures/forest.hpp"
#include "harness/report/figures/io_timeline.hpp"
#include "harness/report/figures/phase_bytes.hpp"
#include "harness/report/figures/slopegraph.hpp"
#include "harness/report/figures/sweep_curves.hpp"
#include "harness/report/figures/tier_hits.hpp"
#include "harness/report/figures/ttfc_shape.hpp"
#include "harness/report/timeline.hpp"

/// Data for the tests of the figures: experiments that go the way of real data (evidence, analysis,
/// adapter), and typed data with fixed figures for what is compared byte by byte.
namespace kvtier::test {

inline FigureContext SampleContext() {
  return {.run = "Phase70 20260101T000000Z",
          .source = "phase70_rehydrate_pair_repeats_verdict_20260101T000000Z.json",
          .reference_stack = true};
}

/// What the figures of a paired experiment are made from.
struct SampleExperiment {
  Phase70Input input;
  Phase70Analysis analysis;
};

/// `pairs` pairs in which B2 is about a third of B1, with expectations, noisy requests and, from
/// four pairs on, one leg that is invalid and one pair whose second leg is missing.
inline SampleExperiment MakeSampleExperiment(int pairs, double ratio = 0.35, double sd = 0.06) {
  SampleExperiment e{MakeExperiment(pairs, ratio, sd, 7), {}};
  Rng rng(11);
  for (Phase70Leg& leg : e.input.legs) {
    PhaseEvidence& replay = Replay(leg.evidence);
    const bool b2 = leg.evidence.tier == TierMode::kB2;
    replay.expected.emplace();
    if (b2) replay.expected->g3_blocks = {kReplayBlocks - 8, kReplayBlocks};
    replay.expected->g2_blocks = {0, 12};
    if (b2 && leg.pair_id == 2) replay.tiers.onboard_g3_to_g1_blocks = kReplayBlocks - 160;
    if (b2 && leg.pair_id == 3) {
      replay.tiers.onboard_g2_to_g1_blocks =
          Reading<std::uint64_t>::Unavailable("the exporter does not say it");
    }
    for (RequestRecord& r : leg.evidence.records) {
      if (r.phase != "replay") continue;
      const auto ttfc = static_cast<double>(*r.stamps.first_text - *r.stamps.sent_first);
      r.stamps.first_text =
          *r.stamps.sent_first + static_cast<MonoNs>(ttfc * std::exp(0.25 * rng.Normal()));
      r.stamps.last_text = r.stamps.done = *r.stamps.first_text + 20'000'000;
    }
  }
  if (pairs >= 4) {
    e.input.legs[5].evidence.run_valid = false;
    e.input.legs[5].evidence.invalid_reason = "planted";
    e.input.legs.erase(e.input.legs.begin() + 7);
  }
  e.analysis = AnalyzePhase70(e.input, "2026-01-01T00:00:00.000+00:00");
  return e;
}

/// A timeline of 12 s with three phases: the disk writes in the first and, of B2, reads in the
/// last; engine counters each second.
inline void WriteSampleTimeline(const std::filesystem::path& run_dir, bool reads) {
  std::filesystem::create_directories(run_dir / "telemetry");
  std::ofstream out(run_dir / bundle_files::kTimeline);
  TimelineHead head;
  head.kv_device = "nvme0n1";
  head.sources = {{"disk", std::chrono::milliseconds(100)},
                  {"engine", std::chrono::milliseconds(1000)}};
  out << TimelineHeadLine(head) << "\n";
  const auto add = [&](double at_s, TimelineRow row) {
    row.at = static_cast<MonoNs>(at_s * 1e9);
    out << TimelineRowLine(row) << "\n";
  };
  const auto mark = [&](double at_s, const std::string& label) {
    add(at_s, {.source = "mark", .mark = label});
  };
  double read = 0, written = 0;
  Rng rng(5);
  for (int tick = 0; tick <= 130; ++tick) {
    const double at = 1 + tick * 0.1;
    if (tick == 10) mark(at, "before_populate");
    if (tick == 60) mark(at, "after_populate");
    if (tick == 62) mark(at, "before_thrash");
    if (tick == 85) mark(at, "after_thrash");
    if (tick == 88) mark(at, "before_replay");
    if (tick == 120) mark(at, "after_replay");
    if (reads && tick > 12 && tick < 60) written += kBlockBytes * (15 + 5 * rng.Normal());
    if (reads && tick > 90 && tick < 118) read += kBlockBytes * (36 + 6 * rng.Normal());
    add(at, {.source = "disk",
             .values = {{"nvme0n1.read_bytes", read}, {"nvme0n1.write_bytes", written}}});
    if (tick % 10 != 0) continue;
    add(at, {.source = "engine",
             .values = {{"onboard_g3_to_g1_blocks", std::floor(read / kBlockBytes)},
                        {"offload_g2_to_g3_blocks", std::floor(written / kBlockBytes)},
                        {"offload_g1_to_g3_blocks", 0}}});
  }
}

/// B1 bends at 8, B2 later; B1 at 64 is not ok.
inline Sweep MakeSampleSweep() {
  std::vector<nlohmann::json> rows{BaselineRowJson(30)};
  for (const int c : {1, 2, 4, 8, 16, 32, 64}) {
    rows.push_back(SweepPointJson("B1", c, 28.0 + 3.0 * std::max(0, c - 6)));
    rows.push_back(SweepPointJson("B2", c, 29.0 + 0.15 * c + 1.6 * std::max(0, c - 20)));
  }
  rows[13]["status"] = "partial";
  return SweepFrom(SweepJson(rows));
}
inline std::vector<SweepServed> MakeSampleServed() {
  std::vector<SweepServed> out;
  for (const int c : {1, 2, 4, 8, 16, 32, 64}) {
    for (const TierMode mode : {TierMode::kB1, TierMode::kB2}) {
      const double lambda = mode == TierMode::kB1 ? 20 : 28;
      const double x = lambda * c / (1 + 0.06 * (c - 1) + 0.0006 * c * (c - 1));
      SweepServed s;
      s.mode = mode;
      s.concurrency = c;
      s.requests_per_s = x * (c % 3 == 1 ? 1.02 : 0.99);
      s.good_requests_per_s = s.requests_per_s * (c > 16 ? 0.3 : 0.97);
      out.push_back(s);
    }
  }
  return out;
}

/// A pattern without a generator: 0.9 to 1.1, another for each `salt`.
inline double Wobble(int i, int salt) {
  return 0.9 + 0.2 * ((i * 37 + salt * 61) % 100) / 100.0;
}

/// `pairs` pairs around 200 and 40 ms; of each eight the third is incomplete and the fifth has one
/// side alone. `name` stands wherever a figure takes a text.
inline SlopegraphData FixedSlopegraph(int pairs, const std::string& name = {}) {
  SlopegraphData d;
  d.context = SampleContext();
  if (!name.empty()) {
    d.context = {name, name, true};
    d.metric = d.unit = d.arm_a = d.arm_b = name;
  }
  for (int i = 1; i <= pairs; ++i) {
    SlopegraphData::Pair p{i, i % 2 == 1, 200 * Wobble(i, 1), 40 * Wobble(i, 2), i % 8 != 3};
    if (i % 8 == 5) {
      p.b.reset();
      p.complete = false;
    }
    d.pairs.push_back(p);
  }
  return d;
}

inline ForestData FixedForest(int pairs, const std::string& name = {}) {
  ForestData d;
  d.context = SampleContext();
  d.word = "BETTER";
  d.grade = "B";
  if (!name.empty()) {
    d.context = {name, name, true};
    d.metric = d.arm_a = d.arm_b = d.word = d.grade = name;
  }
  for (int i = 1; i <= pairs; ++i) {
    ForestData::Row row;
    row.label = fmt::format("pair {} ({}B1_B2)", i, name);
    if (i % 8 != 3) row.estimate = std::log(0.2 * Wobble(i, 3));
    row.note = "not complete" + name;
    d.pairs.push_back(row);
  }
  if (pairs == 0) return d;
  d.pooled = {
      {.label = "Hodges-Lehmann, 95 %" + name,
       .estimate = -1.6,
       .interval = Interval{-1.66, -1.52},
       .decides = true},
      {.label = "t (Hills-Armitage), 90 %", .estimate = -1.61, .interval = Interval{-1.65, -1.57}}};
  d.secondary = {{.label = "TTFC p50" + name, .estimate = -1.9, .interval = Interval{-2, -1.8}},
                 {.label = "prompt tokens/s",
                  .estimate = 1.5,
                  .interval = Interval{1.4, 1.7},
                  .lower_is_better = false},
                 {.label = "inter-token p50", .note = "no pair has it"}};
  return d;
}

inline TierHitsData FixedTierHits(int pairs, const std::string& name = {}) {
  TierHitsData d;
  d.context = SampleContext();
  if (!name.empty()) {
    d.context = {name, name, true};
    d.mode = name;
  }
  d.tiers = {{"host" + name, {}}, {"ssd" + name, {}}};
  for (int i = 1; i <= pairs; ++i) {
    const std::string label = fmt::format("pair {}{}", i, name);
    d.tiers[0].legs.push_back({label, 0, 12, std::uint64_t{4}});
    d.tiers[1].legs.push_back({label, 1020, 1020, std::uint64_t{i % 8 == 2 ? 900U : 1020U}});
    if (i % 8 == 4) {
      d.tiers[0].legs.back().actual =
          Reading<std::uint64_t>::Unavailable("the exporter does not say it" + name);
    }
  }
  return d;
}

inline PhaseBytesData FixedPhaseBytes(int pairs, const std::string& name = {}) {
  PhaseBytesData d;
  d.context = SampleContext();
  if (!name.empty()) d.context = {name, name, true};
  d.phases = {"populate" + name, "thrash", "replay"};
  const Bytes none{0}, all = 320_MiB;
  for (int i = 1; i <= pairs; ++i) {
    PhaseBytesData::Leg b1{fmt::format("pair {} leg 1{}", i, name), "B1" + name, {}};
    b1.cells.assign(3, {none, none, none, none});
    PhaseBytesData::Leg b2{fmt::format("pair {} leg 2{}", i, name), "B2" + name, b1.cells};
    b2.cells[0].engine_written = b2.cells[0].os_written = all;
    b2.cells[2].engine_read = b2.cells[2].os_read = all;
    if (i % 8 == 2) b2.cells[2].os_read = 200_MiB;
    if (i % 8 == 3)
      b2.cells[1].engine_read = Reading<Bytes>::Unavailable("a counter was reset" + name);
    d.legs.push_back(b1);
    d.legs.push_back(b2);
  }
  return d;
}

inline TtfcShapeData FixedShape(int pairs, const std::string& name = {}) {
  TtfcShapeData d;
  d.context = SampleContext();
  if (!name.empty()) {
    d.context = {name, name, true};
    d.metric = d.unit = d.arm_a = d.arm_b = name;
  }
  for (int i = 1; i <= pairs; ++i) {
    TtfcShapeData::Pair p;
    p.pair_id = i;
    p.a_first = i % 2 == 1;
    p.complete = i % 8 != 3;
    for (int r = 0; r < 20; ++r) {
      p.a.push_back(180 * Wobble(i * 7 + r, 4));
      p.b.push_back(35 * Wobble(i * 7 + r, 5) * (r == 0 ? 3 : 1));
    }
    d.pairs.push_back(p);
  }
  return d;
}

/// Two legs with a step a second, the second without engine rates.
inline IoTimelineData FixedTimeline(int legs, const std::string& name = {}) {
  IoTimelineData d;
  d.context = SampleContext();
  if (!name.empty()) d.context = {name, name, true};
  for (int l = 0; l < legs; ++l) {
    IoTimelineData::Leg leg;
    leg.label = fmt::format("B{}, pair 1, leg {}{}", l + 1, l + 1, name);
    leg.phases = {{"populate" + name, 0, 5}, {"thrash", 5.2, 7}, {"replay", 7.1, 12}};
    for (int s = 0; s < 12; ++s) {
      leg.disk_read.push_back({1.0 * s, s + 1.0, s > 7 ? 100 * Wobble(s, l) : 0});
      leg.disk_written.push_back({1.0 * s, s + 1.0, s < 5 ? 60 * Wobble(s, l) : 0});
      if (l == 0) leg.engine_read.push_back({1.0 * s, s + 1.0, s > 7 ? 100.0 : 0.0});
    }
    if (l == 1) leg.engine_unavailable = "the endpoint was gone" + name;
    d.legs.push_back(leg);
  }
  return d;
}

}  // namespace kvtier::test
