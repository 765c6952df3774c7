#pragma once
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

#include "harness/core/clock.hpp"
#include "harness/judge/evidence_maker.hpp"
#include "harness/report/phase70_files.hpp"
#include "harness/report/sample_leg.hpp"

/// A whole paired experiment on disk, made of the healthy evidence of harness/judge/evidence_maker
/// and written by the code that writes real ones; for tests and benchmarks.
namespace kvtier::sample {

/// Gives the requests of a leg times of both clocks, one after the other through its phases, an
/// answer that was stamped in order, and the hashes that a client keeps.
inline void Timed(LegEvidence& leg, int leg_number) {
  const ClockAnchor anchor{0, std::chrono::system_clock::time_point(std::chrono::hours(490'896))};
  MonoNs at = MonoNs{leg_number} * 600'000'000'000;
  std::size_t next = 0;
  for (PhaseEvidence& phase : leg.phases) {
    const MonoNs begin = at;
    for (; next < leg.records.size() && leg.records[next].phase == phase.name; ++next) {
      RequestRecord& r = leg.records[next];
      RequestStamps& s = r.stamps;
      const MonoNs ttfc = *s.first_text - *s.sent_first;
      const MonoNs decode = *s.last_text - *s.first_text;
      at += 1'000'000;
      s.scheduled = s.issued = at - 200'000;
      s.sent_first = at;
      s.sent_last = at + 50'000;
      s.header = at + ttfc / 2;
      s.first_event = s.first_text = at + ttfc;
      s.last_text = s.usage = s.done = s.closed = at + ttfc + decode;
      r.start_utc = UtcMillis(anchor.ToWall(at));
      r.end_utc = UtcMillis(anchor.ToWall(*s.closed));
      r.worker_idx = 1;
      r.planned.prompt_set = "rehydrate";
      r.planned.identity.request_payload_sha256 = "payload";
      r.planned.identity.request_identity_sha256 = "identity";
      r.output_sha256 = Sha256Hex(r.text);
      r.finish_reason = "length";
      at += ttfc + decode;
    }
    phase.start_utc = UtcMillis(anchor.ToWall(begin));
    phase.end_utc = UtcMillis(anchor.ToWall(at));
    phase.duration_s = static_cast<double>(at - begin) / 1e9;
    at += 1'000'000'000;  // the drain
  }
}

/// The rows of a leg of any size, in the proportions of a long campaign: two fifths populate, one
/// thrash, two replay, with the hashes, stamps and chunks of answers of 8 tokens.
inline LegEvidence BigLeg(TierMode mode, double ttfc_ms, int rows, const std::string& run_id) {
  LegEvidence leg = test::MakeLeg(mode, ttfc_ms, run_id);
  leg.records.clear();
  leg.records.reserve(static_cast<std::size_t>(rows));
  const int prompts = rows * 2 / 5;
  const auto add = [&](PhaseEvidence& phase, int first_prompt, int count, double ms) {
    phase.planned_requests = count;
    for (int i = 0; i < count; ++i) {
      const int index = static_cast<int>(leg.records.size()) + 1;
      RequestRecord r =
          test::MakeRecord(index, phase.name, first_prompt + i, ms * (0.8 + 0.4 * i / count));
      r.planned.prompt_id = fmt::format("rehydrate_{}_{:06d}_t01", phase.name, first_prompt + i);
      auto& id = r.planned.identity;
      id.prompt_sha256 = Sha256Hex(id.prompt_sha256);
      id.generation_params_sha256 = Sha256Hex("params");
      id.request_extras_sha256 = Sha256Hex("extras");
      r.planned.prefix_hash = Sha256Hex("prefix" + id.prompt_sha256);
      r.planned.session_id = fmt::format("rehydrate_session_{:06d}", first_prompt + i);
      r.planned.metadata.workload = "rehydrate_replay";
      r.planned.metadata.phase_intent = "populate_or_replay";
      r.request_id = id.prompt_sha256.substr(0, 36);
      r.response_id = "cmpl-" + r.request_id;
      for (int chunk = 0; chunk < 8; ++chunk)
        r.chunks.push_back({*r.stamps.first_text + chunk * 2'500'000, 190, 1});
      leg.records.push_back(std::move(r));
    }
  };
  add(leg.phases[0], 0, prompts, 100);
  add(leg.phases[1], prompts, rows - 2 * prompts, 100);
  add(leg.phases[2], 0, prompts, ttfc_ms);
  return leg;
}

/// One leg as a closed bundle.
inline void WriteLeg(const std::filesystem::path& dir, const LegEvidence& leg) {
  RunBundleWriter writer(dir);
  WriteUpToTheEnd(writer, leg);
  RunConfig config = Config(leg);
  config.model_id = config.model_id_requested = leg.model_id;
  writer.WriteConfig(config);
  writer.Close(leg);
}

/// `pairs` pairs of B1 and B2 in the places that the schedule gives them; their manifest and
/// preflight are written, too. Decision grade as it stands.
inline Phase70Manifest WriteExperiment(const Phase70Paths& paths, Phase70Input input) {
  Phase70Manifest m;
  m.created_utc = paths.ts;
  m.setup = input.setup;
  m.setup.ts = paths.ts;
  m.setup.declared_sha256 = DeclarationSha256(m.setup);
  m.model_profile = "reference";
  m.stack_label = "reference stack (preset nano)";
  m.mechanism_mode = true;
  m.block_bytes = test::kBlockBytes;
  m.block_tokens = 32;
  m.schedule = PlanOrder(m.setup.planned_pairs, m.setup.order_strategy, m.setup.order_seed);
  std::string before;
  int number = 0;
  for (Phase70Leg& leg : input.legs) {
    LegEvidence& e = leg.evidence;
    e.run_id = paths.RunId(e.tier, leg.pair_id, leg.pair_leg);
    Timed(e, ++number);
    const auto dir = paths.RunDir(e.tier, leg.pair_id, leg.pair_leg);
    WriteLeg(dir, e);
    WriteWashout(dir, test::CleanWashout(e, before));
    before = e.run_id;
    m.runs.push_back({.pair_id = leg.pair_id,
                      .pair_order = OrderLabel(leg.order, m.setup.mode_a, m.setup.mode_b),
                      .pair_leg = leg.pair_leg,
                      .mode = e.tier,
                      .bundle_id = paths.BundleId(e.tier, leg.pair_id, leg.pair_leg),
                      .run_id = e.run_id,
                      .run_dir = std::filesystem::relative(dir, paths.root).string(),
                      .log_path = "",
                      .started_utc = "2026-01-01T00:00:00.000+00:00",
                      .completed_utc = "2026-01-01T00:01:00.000+00:00"});
    e.records = {};
  }
  WritePhase70Manifest(paths, m);
  WritePhase70Preflight(paths, {{"created_utc", paths.ts},
                                {"ok", true},
                                {"decision_grade", true},
                                {"reason_codes", nlohmann::json::array()},
                                {"declaration_sha256", m.setup.declared_sha256}});
  return m;
}

/// The whole way back from disk: manifest, preflight, every leg, the analysis, its files.
inline Verdict JudgeExperiment(const Phase70Paths& paths) {
  const Phase70Manifest manifest = LoadPhase70Manifest(paths);
  Phase70Input input;
  input.setup = manifest.setup;
  input.preflight = LoadPhase70Preflight(paths);
  input.legs = LoadPhase70Legs(paths, manifest, LegRows::kRelease);
  Phase70Analysis analysis = AnalyzePhase70(input, "2026-01-01T01:00:00.000+00:00");
  WritePhase70Analysis(paths, manifest, analysis);
  return LoadPhase70Verdict(paths.Verdict());
}

}  // namespace kvtier::sample
