#include "harness/report/legacy_phase70.hpp"

#include <cmath>
#include <string_view>

#include <fmt/format.h>

#include "harness/core/error.hpp"
#include "harness/core/files.hpp"
#include "harness/report/bundle.hpp"
#include "harness/report/legacy_record.hpp"

namespace kvtier {
namespace fs = std::filesystem;
using nlohmann::json;

namespace {

constexpr const char* kNotWaited = "the predecessor did not wait for the tiers to come to rest";

/// A counter of the delta. The predecessor writes 0 for a metric that it did not find.
Reading<std::uint64_t> CounterOf(const LegacyPlace& delta, const std::string& metric,
                                 const std::set<std::string>* seen) {
  const auto value = delta[metric + "_delta"].Number();
  if (!value.available()) return Reading<std::uint64_t>::Unavailable(value.reason());
  if (*value < 0 || *value > 1e15) delta[metric + "_delta"].Refuse("a count");
  if (*value > 0 || (seen != nullptr && seen->contains(metric)))
    return static_cast<std::uint64_t>(std::llround(*value));
  return Reading<std::uint64_t>::Unavailable(seen == nullptr ? "no snapshot shows whether " +
                                                                   metric + " was there or just 0"
                                                             : metric + " was not exported");
}

TierTraffic TiersFrom(const LegacyPlace& delta, const std::set<std::string>* seen) {
  TierTraffic t;
  if (delta.Missing() || !delta["available"].Flag().value_or(false)) {
    const std::string why = delta.Missing() ? "" : delta["reason"].Text();
    const auto gone = Reading<std::uint64_t>::Unavailable(
        why.empty() ? "the predecessor recorded no KVBM metrics for this phase" : why);
    t.matched_tokens = t.offload_g1_to_g2_blocks = t.offload_g2_to_g3_blocks =
        t.offload_g1_to_g3_blocks = t.onboard_g2_to_g1_blocks = t.onboard_g3_to_g1_blocks = gone;
    return t;
  }
  t.adapter = "kvbm_v1";
  t.matched_tokens = CounterOf(delta, "kvbm_matched_tokens", seen);
  t.offload_g1_to_g2_blocks = CounterOf(delta, "kvbm_offload_blocks_d2h", seen);
  t.offload_g2_to_g3_blocks = CounterOf(delta, "kvbm_offload_blocks_h2d", seen);
  t.offload_g1_to_g3_blocks = CounterOf(delta, "kvbm_offload_blocks_d2d", seen);
  t.onboard_g2_to_g1_blocks = CounterOf(delta, "kvbm_onboard_blocks_h2d", seen);
  t.onboard_g3_to_g1_blocks = CounterOf(delta, "kvbm_onboard_blocks_d2d", seen);
  t.host_hit_rate_after = delta["kvbm_host_cache_hit_rate_after"].Number();
  t.disk_hit_rate_after = delta["kvbm_disk_cache_hit_rate_after"].Number();
  return t;
}

Reading<Bytes> BytesAt(const LegacyPlace& place) {
  const auto value = place.Number();
  if (!value.available()) return Reading<Bytes>::Unavailable(value.reason());
  if (*value < 0 || *value > 1e18) place.Refuse("a byte count");
  return Bytes{static_cast<std::uint64_t>(std::llround(*value))};
}

/// An unavailable source carries zero totals there: only what it says it could see is believed.
IoTraffic IoFrom(const LegacyPlace& phase) {
  IoTraffic io;
  io.block_device = phase["block_device"].Text();
  const LegacyPlace device = phase["io_delta"];
  io.device_read = BytesAt(device["read_bytes_delta"]);
  io.device_write = BytesAt(device["write_bytes_delta"]);
  const LegacyPlace worker = phase["worker_process_io_delta"];
  const auto seen = [&](std::initializer_list<const char*> sources) {
    for (const char* boundary : {"attribution_sources_before", "attribution_sources_after"}) {
      bool any = false;
      for (const char* source : sources)
        any = any || worker[boundary][source].Flag().value_or(false);
      if (!any) return false;
    }
    return true;
  };
  const bool matched = worker["matched_pids_before"].Number().available() &&
                       *worker["matched_pids_before"].Number() > 0 &&
                       worker["matched_pids_after"].Number().available() &&
                       *worker["matched_pids_after"].Number() > 0;
  if (matched && seen({"container_proc_available", "host_proc_available"})) {
    io.process_read = BytesAt(worker["read_bytes_delta"]);
    io.process_write = BytesAt(worker["write_bytes_delta"]);
  } else {
    io.process_read = io.process_write =
        Reading<Bytes>::Unavailable("no worker process was seen at both ends of the phase");
  }
  if (seen({"cgroup_io_available"})) {
    io.cgroup_read = BytesAt(worker["cgroup_read_bytes_delta"]);
    io.cgroup_write = BytesAt(worker["cgroup_write_bytes_delta"]);
  } else {
    io.cgroup_read = io.cgroup_write =
        Reading<Bytes>::Unavailable("the worker's cgroup was not seen at both ends of the phase");
  }
  return io;
}

PhaseEvidence PhaseFrom(const LegacyPlace& p, const LegacyRun& run) {
  PhaseEvidence phase;
  phase.name = p["phase"].Text();
  if (phase.name.empty()) p["phase"].Refuse("the name of a phase");
  phase.concurrency = p["concurrency"].Whole(1, 100'000).value_or(1);
  phase.planned_requests = p["requests"].Whole(0, 10'000'000).value_or(0);
  phase.start_utc = p["phase_start_ts"].Text();
  phase.end_utc = p["phase_end_ts"].Text();
  const auto duration = p["duration_s"].Number();
  if (duration.available()) phase.duration_s = *duration;
  const auto seen = run.metrics_seen.find(phase.name);
  phase.tiers =
      TiersFrom(p["kvbm_metrics_delta"], seen == run.metrics_seen.end() ? nullptr : &seen->second);
  phase.io = IoFrom(p);
  phase.drain.why = kNotWaited;
  return phase;
}

StorageIdentity DiskFrom(const LegacyPlace& storage) {
  StorageIdentity disk;
  disk.controller = storage["primary_nvme_controller"].Text();
  disk.device = storage["primary_nvme_device"].Text();
  disk.name_space = storage["primary_nvme_namespace"].Text();
  disk.model = storage["primary_nvme_model"].Text();
  disk.serial = storage["primary_nvme_serial"].Text();
  disk.firmware = storage["primary_nvme_fw"].Text();
  disk.pcie_link = storage["pcie_link"].Text();
  return disk;
}

WorkerReadback NothingReadBack() {
  // Its configuration states sizes that the worker was never asked about.
  constexpr const char* kWhy = "the predecessor did not read it back from the worker";
  WorkerReadback w;
  w.cpu_cache_gb = w.disk_cache_gb = Reading<double>::Unavailable(kWhy);
  w.device_blocks = w.host_blocks = w.disk_blocks = w.open_files_under_cache_dir =
      Reading<std::uint64_t>::Unavailable(kWhy);
  w.direct_io = w.disk_offload_filter = w.cold_at_start = Reading<bool>::Unavailable(kWhy);
  return w;
}

TierMode TierAtPlace(const LegacyPlace& place) {
  const auto tier = FindTier(place.Text());
  if (!tier) place.Refuse("B0, B1 or B2");
  return *tier;
}

Phase70Run RunFrom(const LegacyPlace& r, const Phase70Setup& setup) {
  Phase70Run run;
  const auto pair = r["pair_id"].Whole(1, 1'000'000);
  if (!pair) r["pair_id"].Refuse("a whole number");
  run.pair_id = *pair;
  run.pair_leg = r["pair_leg"].Whole(1, 2).value_or(1);
  run.mode = TierAtPlace(r["mode"]);
  run.pair_order = r["pair_order"].Text();
  if (run.pair_order != OrderLabel(LegOrder::kAB, setup.mode_a, setup.mode_b) &&
      run.pair_order != OrderLabel(LegOrder::kBA, setup.mode_a, setup.mode_b))
    r["pair_order"].Refuse("an order of the two modes");
  run.bundle_id = r["bundle_id"].Text();
  run.run_id = r["run_id"].Text();
  run.run_dir = r["run_dir"].Text();
  run.log_path = r["log_path"].Text();
  run.started_utc = r["started_utc"].Text();
  run.completed_utc = r["completed_utc"].Text();
  run.io_attrib_checked = r["io_attrib_checked"].Flag().value_or(false);
  run.io_attrib_checker_rc = r["io_attrib_checker_rc"].Whole(-255, 255);
  return run;
}

}  // namespace

bool IsLegacyArtifact(const json& artifact) {
  return artifact.is_object() && !artifact.contains("schema_version");
}

Phase70Manifest LegacyManifestFrom(const json& manifest) {
  const LegacyPlace top{&manifest, ""};
  const LegacyPlace meta = top["meta"];
  Phase70Manifest m;
  Phase70Setup& s = m.setup;
  s.ts = m.created_utc = meta["created_utc"].Text();
  m.model_profile = meta["model_profile"].Text();
  m.stack_label = "the predecessor's stack";
  if (!meta["scenario"].Missing()) s.scenario = meta["scenario"].Text();
  s.planned_pairs = meta["pair_count"].Whole(0, 1'000'000).value_or(0);
  if (!meta["mode_a"].Missing()) s.mode_a = TierAtPlace(meta["mode_a"]);
  if (!meta["mode_b"].Missing()) s.mode_b = TierAtPlace(meta["mode_b"]);
  if (s.mode_a == s.mode_b) meta["mode_b"].Refuse("another mode than mode_a");
  s.replay_concurrency = meta["replay_concurrency"].Whole(1, 100'000).value_or(1);
  if (const auto strategy = FindOrderStrategy(meta["order_strategy"].Text()))
    s.order_strategy = *strategy;
  s.order_seed = meta["order_seed"].Text();
  s.io_attrib_expected = meta["io_attrib_enabled"].Flag().value_or(false);
  s.stream = meta["stream_metrics_enabled"].Flag().value_or(true);
  s.stream_record_ttfb = meta["stream_record_ttfb"].Flag().value_or(false);
  s.disable_mechanism_gate = meta["disable_mechanism_gate"].Flag().value_or(false);
  s.gates.require_rehydrate = meta["decision_grade_require_rehydrate"].Flag().value_or(true);
  m.skip_preflight = meta["skip_preflight"].Flag().value_or(false);
  m.allow_missing_kvbm_metrics = meta["allow_missing_kvbm_metrics"].Flag().value_or(false);
  m.require_ttfc = meta["require_ttfc"].Flag().value_or(true);
  m.pair_washout_s = meta["pair_washout_s"].Whole(0, 1'000'000).value_or(0);
  m.pair_washout_sync = meta["pair_washout_sync"].Flag().value_or(false);
  m.pair_washout_drop_caches = meta["pair_washout_drop_caches"].Flag().value_or(false);
  const auto interval = meta["io_attrib_interval_s"].Number();
  const auto timeout = meta["stream_timeout_s"].Number();
  if (interval.available()) m.io_attrib_interval_s = *interval;
  if (timeout.available()) m.stream_timeout_s = *timeout;
  m.notes = {"converted from a manifest of the predecessor",
             "its time to first content ends at the first event of the stream, whether or not it "
             "holds text"};
  std::map<int, LegOrder> orders;
  for (const LegacyPlace& r : top["runs"].Elements()) {
    m.runs.push_back(RunFrom(r, s));
    orders[m.runs.back().pair_id] =
        m.runs.back().pair_order == OrderLabel(LegOrder::kAB, s.mode_a, s.mode_b) ? LegOrder::kAB
                                                                                  : LegOrder::kBA;
  }
  for (const auto& [pair, order] : orders) m.schedule.push_back(order);
  return m;
}

PreflightOutcome LegacyPreflightFrom(const json& preflight) {
  const LegacyPlace top{&preflight, ""};
  PreflightOutcome out;
  using State = PreflightOutcome::State;
  const auto ok = top["ok"].Flag();
  if (!ok) top["ok"].Refuse("true or false");
  out.state = !*ok                                           ? State::kFailed
              : top["decision_grade"].Flag().value_or(false) ? State::kPassed
                                                             : State::kPassedNotDecisionGrade;
  for (const LegacyPlace& code : top["reason_codes"].Elements())
    out.reason_codes.push_back(code.Text());
  out.detail = "recorded by the predecessor";
  return out;
}

LegacyRun ReadLegacyRun(const fs::path& run_dir) {
  LegacyRun run;
  run.summary = ReadJson(run_dir / bundle_files::kSummary);
  if (fs::exists(run_dir / bundle_files::kRequests))
    run.requests = ReadJsonl(run_dir / bundle_files::kRequests);
  const LegacyPlace top{&run.summary, ""};
  for (const LegacyPlace& phase : top["phase_summaries"].Elements()) {
    const std::string name = phase["phase"].Text();
    const fs::path file = run_dir / bundle_files::kPhaseFolder /
                          ("phase_" + SanitizePhase(name) + "_kvbm_metrics_end.json");
    if (!fs::exists(file)) continue;
    const json snapshot = ReadJson(file);
    if (!snapshot.is_object() || !snapshot.contains("metrics") || !snapshot["metrics"].is_object())
      throw DataError(fmt::format("{}: the key metrics is no object", file.string()));
    for (const auto& [metric, value] : snapshot["metrics"].items())
      run.metrics_seen[name].insert(metric);
  }
  return run;
}

LegEvidence LegacyLegFrom(const LegacyRun& run) {
  const LegacyPlace top{&run.summary, ""};
  LegEvidence leg;
  leg.run_id = top["run_id"].Text();
  leg.tier = TierAtPlace(top["tier_mode"]);
  leg.scenario = top["scenario"].Text();
  leg.backend = "predecessor";
  leg.closed = true;
  leg.run_valid = top["run_valid"].Flag().value_or(false);
  leg.invalid_reason = top["invalid_reason"].Text();
  for (const LegacyPlace& detail : top["invalid_details"].Elements())
    leg.invalid_details.push_back(detail.Text());
  leg.worker = NothingReadBack();
  if (const auto models = top["model_count_end"].Whole(0, 1'000'000))
    leg.models_at_end = static_cast<std::uint64_t>(*models);
  leg.storage.identity = DiskFrom(top["storage"]);
  for (const LegacyPlace& phase : top["phase_summaries"].Elements())
    leg.phases.push_back(PhaseFrom(phase, run));
  for (std::size_t i = 0; i < run.requests.size(); ++i)
    leg.records.push_back(
        LegacyRecordFrom({&run.requests[i], fmt::format("requests.jsonl[{}]", i)}));
  return leg;
}

fs::path FindRunFolder(const fs::path& root, const std::string& run_path,
                       const std::string& bundle_id, const std::string& run_id) {
  const fs::path given(run_path);
  std::vector<fs::path> candidates;
  if (!run_path.empty()) {
    candidates = {given, root / given, root / given.parent_path().filename() / given.filename()};
  }
  if (!bundle_id.empty() && !run_id.empty()) candidates.push_back(root / bundle_id / run_id);
  for (const fs::path& folder : candidates) {
    std::error_code ignored;
    if (fs::is_regular_file(folder / bundle_files::kSummary, ignored)) return folder;
  }
  return {};
}

std::vector<Phase70Leg> LoadLegacyLegs(const fs::path& root, const Phase70Manifest& manifest,
                                       Findings& unreadable) {
  std::vector<Phase70Leg> legs;
  const Phase70Setup& s = manifest.setup;
  for (const Phase70Run& run : manifest.runs) {
    const fs::path folder = FindRunFolder(root, run.run_dir, run.bundle_id, run.run_id);
    if (folder.empty()) {
      unreadable.push_back(
          MakeFinding(Reason::kRunIncomplete, run.run_id, "",
                      fmt::format("{} is not there, nor below {}", run.run_dir, root.string())));
      continue;
    }
    Phase70Leg leg;
    leg.pair_id = run.pair_id;
    leg.pair_leg = run.pair_leg;
    leg.order = run.pair_order == OrderLabel(LegOrder::kAB, s.mode_a, s.mode_b) ? LegOrder::kAB
                                                                                : LegOrder::kBA;
    leg.bundle_id = run.bundle_id;
    leg.timestamp_utc = run.completed_utc;
    try {
      leg.evidence = LegacyLegFrom(ReadLegacyRun(folder));
    } catch (const Error& e) {
      unreadable.push_back(MakeFinding(Reason::kRunErrorsPresent, run.run_id, "",
                                       fmt::format("{}: {}", folder.string(), e.what())));
      continue;
    }
    leg.evidence.run_dir = folder.string();
    if (leg.evidence.run_id.empty()) leg.evidence.run_id = run.run_id;
    legs.push_back(std::move(leg));
  }
  return legs;
}

}  // namespace kvtier
