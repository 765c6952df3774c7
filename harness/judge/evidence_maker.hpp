#pragma once
#include <cmath>
#include <string>

#include <fmt/format.h>

#include "harness/core/rng.hpp"
#include "harness/judge/evidence.hpp"
#include "harness/judge/phase70.hpp"

/// Healthy evidence of the default shape for the tests of this folder, which then plant one lie in
/// it: 60 populate, 24 thrash and 60 replay requests; on B2 all 1,020 replayed blocks come from the
/// SSD.
namespace kvtier::test {

constexpr std::uint64_t kBlockBytes = 327'680;
constexpr std::uint64_t kReplayBlocks = 1020;
constexpr const char* kModel = "model";

inline RequestRecord MakeRecord(int index, const std::string& phase, int prompt, double ttfc_ms) {
  RequestRecord r;
  r.request_index = index;
  r.phase = phase;
  r.phase_request_index = index;
  r.response_model = kModel;
  r.planned.prompt_id = fmt::format("p{:03}", prompt);
  r.planned.identity.prompt_sha256 = fmt::format("prompt {}", prompt);
  r.planned.identity.generation_params_sha256 = "params";
  r.planned.identity.request_extras_sha256 = "extras";
  r.planned.params.max_tokens = 8;
  r.planned.extras.ignore_eos = true;
  r.outcome = Outcome::kOk;
  r.http_status = 200;
  r.text = fmt::format("answer {}", prompt);
  r.usage = TokenUsage{550, 8, 0};
  r.stamps.scheduled = r.stamps.issued = r.stamps.sent_first = 1'000'000'000;
  r.stamps.first_text = 1'000'000'000 + static_cast<MonoNs>(ttfc_ms * 1e6);
  r.stamps.last_text = *r.stamps.first_text + 20'000'000;
  r.stamps.done = r.stamps.last_text;
  return r;
}

/// A machine that did nothing else for ten seconds, with every sensor there is.
inline HostWindow QuietWindow() {
  HostWindow w;
  w.duration_s = 10;
  w.cpu_busy_ratio = 0.55;
  w.cpu_iowait_ratio = 0.01;
  w.cpu_steal_ratio = 0.0;
  w.cpu_stack_ratio = 0.45;
  w.cpu_own_ratio = 0.05;
  w.cpu_other_ratio = 0.05;
  w.device = "nvme0n1";
  w.device_read = w.device_write = w.stack_read = w.stack_write = 100_MiB;
  w.own_read = w.own_write = w.other_read = w.other_write = Bytes{0};
  w.mem_total = Bytes{4'294'967'296};
  w.mem_available_min = Bytes{2'147'483'648};
  w.swap_used_max = Bytes{0};
  w.pages_swapped_in = w.pages_swapped_out = w.major_faults = w.oom_kills = std::uint64_t{0};
  w.cpu_stall_ratio = w.io_stall_ratio = w.memory_stall_ratio = 0.0;
  w.zone_celsius_max = w.nvme_celsius_max = w.gpu_celsius_max = 45.0;
  w.cpu_throttle_events = w.cooling_active = std::uint64_t{0};
  w.gpu_throttle_reasons = std::vector<std::string>{};
  w.clock_step_ms = 0.1;
  return w;
}

inline HostEvidence QuietHost() {
  HostEvidence h;
  h.before = h.during = QuietWindow();
  h.other_workers = std::vector<OtherWorker>{};
  RecorderHealth recorder;
  recorder.ticks_due = recorder.rows = 1000;
  recorder.cpu_ratio = 0.01;
  h.recorder = recorder;
  return h;
}

inline StorageEvidence HealthyStorage() {
  StorageEvidence s;
  s.identity.controller = "nvme0";
  s.identity.device = s.identity.name_space = "/dev/nvme0n1";
  s.identity.model = "Model A";
  s.identity.serial = "S1";
  s.identity.firmware = "F1";
  s.identity.pcie_link = "32.0 GT/s PCIe x4 (max 32.0 GT/s PCIe x4)";
  SmartReading log;
  log.source = "nvme smart-log";
  log.data_units_read = log.data_units_written = std::uint64_t{1000};
  log.power_on_hours = std::uint64_t{100};
  log.critical_warning = log.media_errors = std::uint64_t{0};
  log.warning_temperature_minutes = log.critical_temperature_minutes = std::uint64_t{0};
  log.thermal_throttle_transitions = std::uint64_t{0};
  s.before = s.after = log;
  return s;
}

inline PhaseEvidence MakePhase(const std::string& name, int requests) {
  PhaseEvidence p;
  p.name = name;
  p.planned_requests = requests;
  p.duration_s = 10;
  p.drain = {true, 0.5, ""};
  p.tiers.matched_tokens = std::uint64_t{0};
  p.tiers.offload_g1_to_g2_blocks = std::uint64_t{0};
  p.tiers.offload_g2_to_g3_blocks = std::uint64_t{0};
  p.tiers.offload_g1_to_g3_blocks = std::uint64_t{0};
  p.tiers.onboard_g2_to_g1_blocks = std::uint64_t{0};
  p.tiers.onboard_g3_to_g1_blocks = std::uint64_t{0};
  p.tiers.disk_hit_rate_after = 0.0;
  p.io.block_device = "nvme0n1";
  p.io.device_read = Bytes{0};
  p.io.device_write = Bytes{0};
  p.io.process_read = Bytes{0};
  p.io.process_write = Bytes{0};
  p.io.process_rchar = Bytes{0};
  p.io.process_wchar = Bytes{0};
  p.host = QuietHost();
  return p;
}

/// The requests of each phase one after the other, as the one slot of the phase sends them.
inline void OneAfterAnother(LegEvidence& leg) {
  MonoNs at = 1'000'000'000;
  std::size_t next = 0;
  for (PhaseEvidence& phase : leg.phases) {
    const MonoNs begin = at;
    for (; next < leg.records.size() && leg.records[next].phase == phase.name; ++next) {
      RequestStamps& s = leg.records[next].stamps;
      const MonoNs later = at - *s.sent_first;
      for (auto* stamp :
           {&s.scheduled, &s.issued, &s.sent_first, &s.first_text, &s.last_text, &s.done}) {
        if (*stamp) **stamp += later;
      }
      at = *s.done;
    }
    phase.duration_s = static_cast<double>(at - begin) / 1e9;
    at += 1'000'000'000;  // the drain
  }
}

/// `ttfc_ms` is the median of the replay; single requests spread by 10 % in a fixed pattern.
inline LegEvidence MakeLeg(TierMode tier, double ttfc_ms, const std::string& run_id = "run") {
  LegEvidence leg;
  leg.run_id = run_id;
  leg.run_dir = "results/" + run_id;
  leg.tier = tier;
  leg.scenario = "rehydrate_replay";
  leg.backend = "reference";
  leg.deterministic = true;
  leg.block_bytes = kBlockBytes;
  leg.block_tokens = 32;
  leg.model_id = kModel;
  leg.closed = true;
  leg.run_valid = true;
  leg.worker.disk_cache_gb = tier == TierMode::kB2 ? 0.5 : 0.0;
  leg.worker.disk_blocks = std::uint64_t{tier == TierMode::kB2 ? 1536U : 0U};
  leg.worker.open_files_under_cache_dir = std::uint64_t{tier == TierMode::kB2 ? 1U : 0U};
  leg.worker.disk_offload_filter = false;
  leg.worker.cold_at_start = true;
  leg.models_at_end = std::uint64_t{1};
  leg.storage = HealthyStorage();
  leg.phases = {MakePhase("populate", 60), MakePhase("thrash", 24), MakePhase("replay", 60)};
  int index = 0;
  for (int i = 0; i < 60; ++i) leg.records.push_back(MakeRecord(++index, "populate", i, 100));
  for (int i = 0; i < 24; ++i) leg.records.push_back(MakeRecord(++index, "thrash", 100 + i, 100));
  for (int i = 0; i < 60; ++i) {
    leg.records.push_back(MakeRecord(++index, "replay", i, ttfc_ms * (0.95 + 0.1 * i / 59)));
  }
  OneAfterAnother(leg);
  if (tier == TierMode::kB2) {
    PhaseEvidence& populate = leg.phases[0];
    populate.tiers.offload_g2_to_g3_blocks = kReplayBlocks;
    populate.io.process_write = Bytes{kReplayBlocks * kBlockBytes};
    PhaseEvidence& replay = leg.phases[2];
    replay.tiers.onboard_g3_to_g1_blocks = kReplayBlocks;
    replay.tiers.matched_tokens = kReplayBlocks * 32;
    replay.io.process_read = Bytes{kReplayBlocks * kBlockBytes};
    replay.io.device_read = Bytes{kReplayBlocks * kBlockBytes};
  }
  return leg;
}

inline PhaseEvidence& Replay(LegEvidence& leg) {
  return leg.phases[2];
}

/// The attribution report that fits the counters of `leg`: one worker of pid 40 did all I/O, with
/// O_DIRECT on an unlinked file.
inline IoAttributionReport MakeAttribution(const LegEvidence& leg) {
  IoAttributionReport r;
  r.available = true;
  r.device = "nvme0n1";
  r.kvbm_disk_path = "/kv";
  for (const PhaseEvidence& phase : leg.phases) {
    PhaseAttribution a;
    a.phase = phase.name;
    a.start_utc = "2026-01-01T00:00:00.000+00:00";
    a.end_utc = "2026-01-01T00:00:10.500+00:00";
    a.block_read = a.sampled_read = phase.io.device_read;
    a.block_written = a.sampled_written = phase.io.device_write;
    a.process_read = a.process_rchar = phase.io.process_read;
    a.process_written = a.process_wchar = phase.io.process_write;
    a.cgroup_read = Reading<Bytes>::Unavailable("no cgroup v2");
    a.cgroup_written = a.cgroup_read;
    a.pids = {{40, "worker", *phase.io.process_read, *phase.io.process_write}};
    FileObservation file{40, "/kv/cache", true, true, "nvme0n1", {}, {}, {}};
    file.size = Bytes{kReplayBlocks * kBlockBytes};
    file.resident_before = file.resident_after = Bytes{0};
    a.files = std::vector<FileObservation>{file};
    r.phases.push_back(a);
  }
  return r;
}

/// A leg that began on a new worker, with empty tiers and a quiet disk.
inline WashoutEvidence CleanWashout(const LegEvidence& leg, const std::string& after) {
  WashoutEvidence w;
  w.after_run_id = after;
  w.caches_dropped = Reading<bool>::Unavailable("not asked for");
  w.workers = {leg.run_id + "@1"};
  if (!after.empty()) w.workers_before = {after + "@1"};
  w.fresh_worker = IsFreshWorker(w.workers_before, w.workers);
  w = CompleteWashout(w, leg);
  w.device_in_flight = 0.0;
  return w;
}

/// An experiment of `pairs` pairs with B2 / B1 = `ratio` and a run-to-run spread of `sd` (of the
/// log). The place in the pair multiplies the second leg by `second`.
inline Phase70Input MakeExperiment(int pairs, double ratio = 0.6, double sd = 0.01,
                                   std::uint64_t seed = 1, double second = 1.0) {
  Phase70Input input;
  input.setup.ts = "20260101T000000Z";
  input.setup.planned_pairs = pairs;
  input.setup.replay_concurrency = 4;
  input.setup.order_seed = "20260212";
  input.preflight.state = PreflightOutcome::State::kPassed;
  Rng rng(seed);
  const auto plan = PlanOrder(pairs, OrderStrategy::kRandom, input.setup.order_seed);
  for (int pair = 1; pair <= pairs; ++pair) {
    const LegOrder order = plan[static_cast<std::size_t>(pair - 1)];
    for (int place = 1; place <= 2; ++place) {
      const bool is_a = (order == LegOrder::kAB) == (place == 1);
      const double ttfc =
          100 * (is_a ? 1 : ratio) * std::exp(sd * rng.Normal()) * (place == 2 ? second : 1);
      Phase70Leg leg;
      leg.pair_id = pair;
      leg.order = order;
      leg.pair_leg = place;
      const TierMode mode = is_a ? TierMode::kB1 : TierMode::kB2;
      leg.bundle_id = fmt::format("bundle_p{:02}_l{}", pair, place);
      leg.timestamp_utc = "2026-01-01T00:00:00.000+00:00";
      leg.evidence =
          MakeLeg(mode, ttfc, fmt::format("run_{}_p{:02}_l{}", TierName(mode), pair, place));
      leg.washout =
          CleanWashout(leg.evidence, input.legs.empty() ? "" : input.legs.back().evidence.run_id);
      input.legs.push_back(std::move(leg));
    }
  }
  input.setup.declared_sha256 = DeclarationSha256(input.setup);
  return input;
}

}  // namespace kvtier::test
