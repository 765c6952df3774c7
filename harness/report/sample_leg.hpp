#pragma once
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "harness/core/files.hpp"
#include "harness/core/temp_dir.hpp"
#include "harness/report/bundle.hpp"

/// A small leg with every kind of field filled, for the tests of this folder and of whoever reads
/// bundles.
namespace kvtier::sample {

/// An empty folder that goes away with the test process.
inline std::filesystem::path Scratch(const std::string& name) {
  static const TempDir root;
  const auto dir = root / name;
  std::filesystem::remove_all(dir);
  std::filesystem::create_directories(dir);
  return dir;
}

/// Stamps are chosen so that TTFC is `ttfc_ms`, and the answer ends 20 ms later.
inline RequestRecord Record(const std::string& phase, int index, double ttfc_ms,
                            Outcome outcome = Outcome::kOk) {
  RequestRecord r;
  r.request_index = index;
  r.phase = phase;
  r.phase_request_index = index;
  r.worker_idx = 1 + index % 2;
  r.planned.prompt_id = fmt::format("rehydrate_populate_{:04d}_t01", index);
  r.planned.prompt_set = "rehydrate_populate";
  r.planned.target_tokens = 512;
  r.planned.prompt_tokens_est = 550;
  r.planned.params.max_tokens = 8;
  r.planned.extras.ignore_eos = true;
  r.planned.metadata.workload = "rehydrate_replay";
  r.planned.metadata.phase_intent = "populate_or_replay";
  r.planned.metadata.session_turn_index = 1;
  r.planned.identity = {.prompt_sha256 = Sha256Hex(r.planned.prompt_id),
                        .generation_params_sha256 = Sha256Hex("params"),
                        .request_payload_sha256 = Sha256Hex("payload" + r.planned.prompt_id),
                        .request_identity_sha256 = Sha256Hex("identity" + r.planned.prompt_id),
                        .request_extras_sha256 = Sha256Hex("extras")};
  r.planned.prefix_hash = Sha256Hex("prefix" + r.planned.prompt_id);
  r.planned.session_id = fmt::format("rehydrate_session_{:04d}", index);
  r.outcome = outcome;
  r.http_status = outcome == Outcome::kOk ? 200 : 500;
  r.start_utc = "2026-11-22T01:45:10.159+00:00";
  r.end_utc = "2026-11-22T01:45:10.259+00:00";
  const MonoNs t0 = 1'000'000'000 + static_cast<MonoNs>(index) * 1'000'000;
  const MonoNs first = t0 + static_cast<MonoNs>(ttfc_ms * 1e6);
  r.stamps.scheduled = t0 - 100'000;
  r.stamps.issued = t0 - 90'000;
  r.stamps.sent_first = t0;
  r.stamps.sent_last = t0 + 50'000;
  r.stamps.closed = first + 20'000'000;
  r.header_hints = {{"x-request-id", "abc"}};
  r.request_id = "abc";
  if (outcome != Outcome::kOk) {
    r.error = "HTTP 500: planted";
    return r;
  }
  r.stamps.header = t0 + 400'000;
  r.stamps.first_event = first;
  r.stamps.first_text = first;
  r.stamps.last_text = first + 14'000'000;
  r.stamps.usage = first + 19'000'000;
  r.stamps.done = first + 20'000'000;
  r.chunks = {{.at = first, .bytes = 190, .text_events = 1},
              {.at = first + 14'000'000, .bytes = 380, .text_events = 2}};
  r.text = "abcdefgh";
  r.output_sha256 = Sha256Hex(r.text);
  r.usage = TokenUsage{.prompt_tokens = 550, .completion_tokens = 8, .cached_tokens = std::nullopt};
  r.finish_reason = "length";
  r.first_event_type = "token";
  r.response_id = "cmpl-1";
  return r;
}

inline KvbmSnapshot Snapshot(const std::string& label, double onboarded_from_disk) {
  return {.label = label,
          .timestamp_utc = "2026-11-22T01:45:10.159+00:00",
          .success = true,
          .skipped = false,
          .error = {},
          .metrics = {{"kvbm_matched_tokens", 32 * onboarded_from_disk},
                      {"kvbm_onboard_blocks_d2d", onboarded_from_disk}}};
}

inline OsIoSnapshot OsIo(const std::string& label, std::uint64_t read) {
  OsIoSnapshot s;
  s.label = label;
  s.timestamp_utc = "2026-11-22T01:45:10.159+00:00";
  s.block_device = "nvme0n1";
  s.device_read = Bytes{512 * 1000 + read};
  s.device_write = Bytes{512 * 2000};
  s.device_read_ios = 10 + read / 4096;
  s.device_write_ios = 20;
  s.processes = std::vector<ProcessIo>{{.pid = 4242,
                                        .cmdline = "kvtier-worker --preset nano",
                                        .read_bytes = {read},
                                        .write_bytes = {0},
                                        .rchar = {read + 7},
                                        .wchar = {3},
                                        .syscr = 5,
                                        .syscw = 1}};
  s.cgroup_read = Reading<Bytes>::Unavailable("no io controller");
  s.cgroup_write = Reading<Bytes>::Unavailable("no io controller");
  s.kv_files = std::vector<KvFile>{{.pid = 4242,
                                    .fd = 9,
                                    .path = "/kv/blocks (deleted)",
                                    .deleted = true,
                                    .direct_io = true,
                                    .device = "nvme0n1",
                                    .size = Bytes{1536 * 8192},
                                    .allocated = Bytes{68 * 8192},
                                    .resident = Reading<Bytes>::Unavailable("mincore: EPERM")}};
  return s;
}

/// One half of the CPU, of it a tenth others'; the disk served others 3 MiB of reads.
inline HostWindow Window() {
  HostWindow w;
  w.duration_s = 2.0;
  w.cpu_busy_ratio = 0.5;
  w.cpu_iowait_ratio = 0.02;
  w.cpu_steal_ratio = 0.0;
  w.cpu_stack_ratio = 0.4;
  w.cpu_own_ratio = 0.05;
  w.cpu_other_ratio = 0.05;
  w.device = "nvme0n1";
  w.device_read = 4_MiB;
  w.device_write = 1_MiB;
  w.stack_read = 1_MiB;
  w.stack_write = 1_MiB;
  w.own_read = w.own_write = w.other_write = Bytes{0};
  w.other_read = 3_MiB;
  w.read_await_ms = 0.25;
  w.write_await_ms = Reading<double>::Unavailable("no write ended in the window");
  w.queue_depth = 1.5;
  w.device_busy_ratio = 0.3;
  w.mem_total = 4096_MiB;
  w.mem_available_min = 2048_MiB;
  w.swap_used_max = Bytes{0};
  w.pages_swapped_in = w.pages_swapped_out = w.major_faults = w.oom_kills = 0U;
  w.cpu_stall_ratio = 0.01;
  w.io_stall_ratio = w.memory_stall_ratio = Reading<double>::Unavailable(
      "/proc/pressure/io is missing: the kernel was built without PSI");
  w.zone_celsius_max = 55.0;
  w.nvme_celsius_max = 61.0;
  w.gpu_celsius_max = Reading<double>::Unavailable("no GPU");
  w.cpu_throttle_events = w.cooling_active = 0U;
  w.gpu_throttle_reasons = Reading<std::vector<std::string>>::Unavailable("no GPU");
  w.clock_step_ms = 0.02;
  return w;
}

inline HostEvidence Host() {
  HostEvidence h;
  h.before = Window();
  h.during = Window();
  h.other_workers = std::vector<OtherWorker>{};
  h.recorder = RecorderHealth{.ticks_due = 200,
                              .ticks_missed = 0,
                              .worst_delay_ms = 1.5,
                              .cpu_ratio = 0.01,
                              .rows = 190,
                              .rows_dropped = 0,
                              .blind = {"gpu: no GPU"}};
  return h;
}

inline SmartReading Smart(std::uint64_t units_read, double celsius) {
  SmartReading s;
  s.source = "nvme smart-log";
  s.data_units_read = units_read;
  s.data_units_written = 7000U;
  s.host_read_commands = s.host_write_commands = 1000U;
  s.celsius = celsius;
  s.percentage_used = 3.0;
  s.available_spare_pct = 100.0;
  s.critical_warning = s.media_errors = s.error_log_entries = s.unsafe_shutdowns = 0U;
  s.power_on_hours = 1234U;
  s.warning_temperature_minutes = s.critical_temperature_minutes = 0U;
  s.thermal_throttle_transitions =
      Reading<std::uint64_t>::Unavailable("the disk does not count them");
  return s;
}

inline StorageEvidence Storage() {
  return {.identity = {.controller = "nvme0",
                       .device = "/dev/nvme0n1",
                       .name_space = "/dev/nvme0n1",
                       .model = "Sample NVMe 1TB",
                       .serial = "S0",
                       .firmware = "FW1",
                       .size = Bytes{1000204886016},
                       .bdf = "0000:01:00.0",
                       .pcie_link = "32.0 GT/s PCIe x4 (max 32.0 GT/s PCIe x4)"},
          .before = Smart(5000, 48),
          .after = Smart(5010, 51),
          .capture_errors_before = 1,
          .capture_errors_after = 0};
}

/// Of one phase each; the files of populate were not seen.
inline IoAttributionReport Attribution() {
  IoAttributionReport r;
  r.available = true;
  r.device = "nvme0n1";
  r.kvbm_disk_path = "/kv";
  r.capture_errors = {"process 4243 ended before its counters were read"};
  PhaseAttribution p;
  p.phase = "replay";
  p.start_utc = "2026-11-22T01:45:10.000+00:00";
  p.end_utc = "2026-11-22T01:45:12.000+00:00";
  p.block_read = Bytes{34 * 8192 + 4096};
  p.block_written = Bytes{0};
  p.sampled_read = Bytes{34 * 8192};
  p.sampled_written = Reading<Bytes>::Unavailable("the timeline has one reading of the disk");
  p.process_read = p.process_rchar = Bytes{34 * 8192};
  p.process_written = p.process_wchar = Bytes{0};
  p.cgroup_read = p.cgroup_written = Reading<Bytes>::Unavailable("no io controller");
  p.pids = {{.pid = 4242, .cmdline = "kvtier-worker", .read = {34 * 8192}, .written = {0}}};
  p.files = std::vector<FileObservation>{{.pid = 4242,
                                          .path = "/kv/blocks (deleted)",
                                          .deleted = true,
                                          .direct_io = true,
                                          .device = "nvme0n1",
                                          .size = Bytes{1536 * 8192},
                                          .resident_before = Bytes{0},
                                          .resident_after = Bytes{0}}};
  PhaseAttribution populate = p;
  populate.phase = "populate";
  populate.files = Reading<std::vector<FileObservation>>::Unavailable("/proc/4242/fd: EACCES");
  r.phases = {populate, p};
  return r;
}

inline PhaseEvidence Phase(const std::string& name, int requests, std::uint64_t disk_blocks,
                           std::uint64_t block_bytes) {
  PhaseEvidence p;
  p.name = name;
  p.concurrency = 2;
  p.planned_requests = requests;
  p.start_utc = "2026-11-22T01:45:10.000+00:00";
  p.end_utc = "2026-11-22T01:45:12.000+00:00";
  p.duration_s = 2.0;
  p.tiers.matched_tokens = 32 * disk_blocks;
  p.tiers.offload_g1_to_g2_blocks = 34U;
  p.tiers.offload_g2_to_g3_blocks = 34U;
  p.tiers.offload_g1_to_g3_blocks = 0U;
  p.tiers.onboard_g2_to_g1_blocks = 0U;
  p.tiers.onboard_g3_to_g1_blocks = disk_blocks;
  p.tiers.host_hit_rate_after = 0.0;
  p.tiers.disk_hit_rate_after = 0.25;
  p.tiers.reference_extras = {
      {"kvtier_ref_disk_read_bytes", static_cast<double>(disk_blocks * block_bytes)}};
  p.io.block_device = "nvme0n1";
  p.io.device_read = Bytes{disk_blocks * block_bytes};
  p.io.device_write = Bytes{0};
  p.io.process_read = Bytes{disk_blocks * block_bytes};
  p.io.process_write = Bytes{0};
  p.io.process_rchar = Bytes{disk_blocks * block_bytes};
  p.io.process_wchar = Bytes{0};
  p.io.cgroup_read = Reading<Bytes>::Unavailable("no io controller");
  p.io.cgroup_write = Reading<Bytes>::Unavailable("no io controller");
  p.tiers.adapter = "kvbm_v1";
  p.drain = {.settled = true, .waited_s = 0.5, .why = {}};
  p.host = Host();
  p.client = {.cpu_fraction = 0.02,
              .send_delay_p99_ms = 0.1,
              .loop_lag_p99_ms = 0.2,
              .saturated = false,
              .saturated_why = {}};
  p.expected = ExpectedHits{.exact = true,
                            .g1_blocks = {0, 0},
                            .g2_blocks = {0, 0},
                            .g3_blocks = {disk_blocks, disk_blocks},
                            .computed_blocks = {0, 34},
                            .offload_g2_to_g3_blocks = {34, 34}};
  return p;
}

/// populate and replay with two requests each; the replay of B2 brings 34 blocks back from the
/// disk.
inline LegEvidence Leg(TierMode tier = TierMode::kB2) {
  constexpr std::uint64_t kBlock = 8192;
  LegEvidence leg;
  leg.run_id = fmt::format("run_{}_p01_l1_20261122T014510Z", TierName(tier));
  leg.tier = tier;
  leg.scenario = "rehydrate_replay";
  leg.backend = "reference";
  leg.deterministic = true;
  leg.block_bytes = kBlock;
  leg.block_tokens = 32;
  leg.run_valid = true;
  leg.closed = true;
  leg.worker.cpu_cache_gb = 0.002;
  leg.worker.disk_cache_gb = HasDiskTier(tier) ? 0.012 : 0.0;
  leg.worker.device_blocks = 128U;
  leg.worker.host_blocks = 256U;
  leg.worker.disk_blocks = HasDiskTier(tier) ? 1536U : 0U;
  leg.worker.open_files_under_cache_dir = HasDiskTier(tier) ? 1U : 0U;
  leg.worker.direct_io = true;
  leg.worker.disk_offload_filter = false;
  leg.worker.cold_at_start = true;
  leg.worker.kernel_note = "openblas";
  leg.models_at_end = 1U;
  leg.storage = Storage();
  const std::uint64_t disk = HasDiskTier(tier) ? 34 : 0;
  leg.phases = {Phase("populate", 2, 0, kBlock), Phase("replay", 2, disk, kBlock)};
  leg.records = {Record("populate", 1, 50), Record("populate", 2, 60), Record("replay", 1, 20),
                 Record("replay", 2, 30)};
  leg.records[2].request_index = 3;
  leg.records[3].request_index = 4;
  return leg;
}

inline RunConfig Config(const LegEvidence& leg) {
  RunConfig c;
  c.run_id = leg.run_id;
  c.created_utc = "2026-11-22T01:45:09.000+00:00";
  c.base_url = "http://127.0.0.1:40001";
  c.model_id = "kvtier-ref-nano";
  c.scenario = leg.scenario;
  c.prompt_set = "rehydrate";
  c.tokenizer = "byte_level";
  c.tier = leg.tier;
  c.backend = leg.backend;
  c.stack_label = "reference stack (preset nano)";
  c.deterministic = leg.deterministic;
  c.block_bytes = leg.block_bytes;
  c.block_tokens = leg.block_tokens;
  c.kv_mode = {.cpu_cache_gb = 0.002,
               .disk_cache_gb = HasDiskTier(leg.tier) ? 0.012 : 0.0,
               .disable_disk_offload_filter = true};
  c.kv_runtime_env = {{"DYN_KVBM_CPU_CACHE_GB", "0.002"}};
  for (const auto& p : leg.phases)
    c.phases.push_back(
        {.name = p.name, .concurrency = p.concurrency, .requests = p.planned_requests});
  c.request = {.max_tokens = 8,
               .temperature = 0,
               .top_p = 1,
               .request_seed = 7,
               .stop = {"<|eot_id|>"},
               .stream = true,
               .ignore_eos = true,
               .total_timeout_s = 600,
               .stall_timeout_s = 120};
  c.settings = {{"scenario.populate_sessions", "2", "BENCH_PHASE70_REHYDRATE_POPULATE_SESSIONS"},
                {"stack.preset", "nano", "default"}};
  c.seeds = {{"run", 20260212}};
  c.versions = {{"kvtier", "0.1.0"}};
  c.host = {{"cpus", "2"}, {"platform", "Linux x86_64"}};
  c.block_device = "nvme0n1";
  c.cache_dir = "results/.kv";
  return c;
}

inline PhaseBoundaries Boundaries(const PhaseEvidence& p) {
  const double disk = static_cast<double>(p.tiers.onboard_g3_to_g1_blocks.value());
  return {.kvbm_start = Snapshot("before_" + p.name, 0),
          .kvbm_end = Snapshot("after_" + p.name, disk),
          .os_start = OsIo("before_" + p.name, 0),
          .os_end = OsIo("after_" + p.name, p.io.process_read.value().value)};
}

/// Writes everything of a run but its end.
inline void WriteUpToTheEnd(RunBundleWriter& writer, const LegEvidence& leg) {
  writer.WriteConfig(Config(leg));
  writer.WriteReadback(leg.worker);
  std::vector<nlohmann::json> prompts, requests;
  for (const auto& r : leg.records) {
    requests.push_back({{"phase", r.phase},
                        {"phase_request_index", r.phase_request_index},
                        {"prompt_id", r.planned.prompt_id},
                        {"prompt_set", r.planned.prompt_set},
                        {"prompt_tokens_est", 550},
                        {"prompt_sha256", r.planned.identity.prompt_sha256}});
    if (r.phase == "populate") {
      prompts.push_back({{"prompt_id", r.planned.prompt_id},
                         {"prompt_set", r.planned.prompt_set},
                         {"target_tokens", 512},
                         {"prompt_tokens_est", 550},
                         {"prompt_chars", 560},
                         {"prompt_sha256", r.planned.identity.prompt_sha256}});
    }
  }
  writer.WritePlan(prompts, requests);
  std::map<std::string, ExpectedHits> expected;
  for (const auto& p : leg.phases) {
    if (p.expected) expected[p.name] = *p.expected;
  }
  writer.WriteExpected(expected);
  writer.AppendSnapshot(Snapshot("run_start", 0));
  for (const auto& p : leg.phases) {
    const PhaseBoundaries b = Boundaries(p);
    writer.AppendSnapshot(b.kvbm_start);
    for (const auto& r : leg.records) {
      if (r.phase == p.name) writer.AppendRecord(r);
    }
    writer.AppendSnapshot(b.kvbm_end);
    writer.WritePhase(p, b);
  }
  writer.AppendSnapshot(Snapshot("run_end", 34));
}

}  // namespace kvtier::sample
