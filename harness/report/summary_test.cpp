#include "harness/report/summary.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/report/deltas.hpp"
#include "harness/report/sample_leg.hpp"

namespace kvtier {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;

json Block(const std::vector<RequestRecord>& records, double duration_s) {
  std::vector<const RequestRecord*> rows;
  for (const auto& r : records) rows.push_back(&r);
  return StatisticsBlock(rows, duration_s);
}

json SummaryOf(const LegEvidence& leg, int snapshots = 5, int with_metrics = 5) {
  std::map<std::string, PhaseBoundaries> boundaries;
  for (const auto& p : leg.phases) boundaries[p.name] = sample::Boundaries(p);
  const RunConfig config = sample::Config(leg);
  const CloseNotes notes;
  return BuildSummary({.leg = leg,
                       .config = config,
                       .boundaries = boundaries,
                       .notes = notes,
                       .snapshot_count = snapshots,
                       .snapshots_with_metrics = with_metrics,
                       .created_utc = "2026-11-22T01:45:20.000+00:00"});
}

TEST(StatisticsBlock, QuantilesAreType7OverOkRequestsAlone) {
  // TTFC 10, 20, 30, 40: p50 = 25, p95 at rank 2.85 = 38.5, p90 = 37, mean 25. The failed one would
  // be the least.
  std::vector<RequestRecord> records;
  for (int i = 1; i <= 4; ++i) records.push_back(sample::Record("replay", i, 10.0 * i));
  records.push_back(sample::Record("replay", 5, 0.1, Outcome::kHttpError));
  const json b = Block(records, 2.0);
  EXPECT_EQ(b.at("ttfc_ms").at("p50"), 25.0);
  EXPECT_EQ(b.at("ttfc_ms").at("p90"), 37.0);
  EXPECT_EQ(b.at("ttfc_ms").at("p95"), 38.5);
  EXPECT_EQ(b.at("ttfc_ms").at("min"), 10.0);
  EXPECT_EQ(b.at("ttfc_ms").at("n"), 4);
  EXPECT_EQ(b.at("latency_ms").at("min"), 30.0)
      << "to the end of the answer, 20 ms after the first text";
  EXPECT_EQ(b.at("e2e_ms").at("min"), 24.0) << "to the last text";
  EXPECT_EQ(b.at("tpot_ms").at("p50"), 2.0) << "14 ms over 7 gaps";
  EXPECT_EQ(b.at("total_requests"), 5);
  EXPECT_EQ(b.at("ok_requests"), 4);
  EXPECT_EQ(b.at("error_rate"), 0.2);
  EXPECT_EQ(b.at("outcomes"), (json{{"ok", 4}, {"http_error", 1}}));
  EXPECT_EQ(b.at("req_per_s"), 2.5);
  EXPECT_EQ(b.at("ok_req_per_s"), 2.0);
  EXPECT_EQ(b.at("input_tokens_per_s_est"), 1100.0);
  EXPECT_EQ(b.at("output_tokens_per_s_est"), 16.0);
}

TEST(StatisticsBlock, FewSamplesHaveNoIntervalAndNoSampleHasNoFigure) {
  const json few = Block({sample::Record("replay", 1, 10)}, 1.0);
  EXPECT_EQ(few.at("quantiles").at("ttfc_ms").at("p95").at("low"), nullptr);
  EXPECT_EQ(few.at("quantiles").at("ttfc_ms").at("p95").at("resolvable"), false);
  const json none = Block({}, 0.0);
  EXPECT_EQ(none.at("ttfc_ms"), json::object());
  EXPECT_EQ(none.at("error_rate"), nullptr);
  EXPECT_EQ(none.at("req_per_s"), nullptr);
  EXPECT_EQ(none.at("output_tokens_per_s_est"), nullptr);
}

json Load(const std::vector<RequestRecord>& records, const ServiceLevels& levels = {}) {
  std::vector<const RequestRecord*> rows;
  for (const auto& r : records) rows.push_back(&r);
  return LoadBlock(rows, levels, 2.0);
}

TEST(LoadBlock, AnOpenLoopCountsFromTheMomentWhenRequestsWereDue) {
  std::vector<RequestRecord> records{sample::Record("replay", 1, 10),
                                     sample::Record("replay", 2, 20)};
  EXPECT_FALSE(Load(records).contains("ttfc_co_ms"));
  for (auto& r : records) {
    r.planned.arrival_offset_ns = 0;
    r.stamps.scheduled = *r.stamps.sent_first - 50'000'000;  // 50 ms late
  }
  const json b = Load(records);
  EXPECT_EQ(b.at("ttfc_co_ms").at("max"), 70.0);
  EXPECT_EQ(b.at("ttfc_co_ms").at("p50").at("value"), 65.0);
  EXPECT_EQ(b.at("e2e_co_ms").at("max"), 84.0);
  EXPECT_EQ(b.at("e2e_co_ms").at("n"), 2);
}

TEST(LoadBlock, FailuresAreCountedByKind) {
  std::vector<RequestRecord> records{sample::Record("replay", 1, 10),
                                     sample::Record("replay", 2, 0, Outcome::kHttpError),
                                     sample::Record("replay", 3, 0, Outcome::kHttpError),
                                     sample::Record("replay", 4, 0, Outcome::kTimeout)};
  records[2].http_status = 503;
  EXPECT_EQ(Load(records).at("errors_by_kind"),
            (json{{"http_error 500", 1}, {"http_error 503", 1}, {"timeout", 1}}));
  EXPECT_EQ(Load({records[0]}).at("errors_by_kind"), json::object());
}

TEST(LoadBlock, TheLimitsAreThoseOfTheSettings) {
  const std::vector<SettingValue> settings{{"slo.preset", "llama2-70b-interactive", "default"},
                                           {"slo.ttft_ms", "15", "--slo-ttft-ms"},
                                           {"slo.tpot_ms", "", "default"},
                                           {"slo.e2e_ms", "", "default"}};
  const ServiceLevels levels = ServiceLevelsOf(settings);
  EXPECT_EQ(levels, (ServiceLevels{.ttft_ms = 15, .tpot_ms = 40}));
  EXPECT_FALSE(ServiceLevelsOf({}).any());
  const std::vector<RequestRecord> records{sample::Record("replay", 1, 10),
                                           sample::Record("replay", 2, 20),
                                           sample::Record("replay", 3, 0, Outcome::kTimeout)};
  const json g = Load(records, levels).at("goodput");
  EXPECT_EQ(g.at("good"), 1);
  EXPECT_EQ(g.at("failed"), 1);
  EXPECT_EQ(g.at("missed_ttft"), 1);
  EXPECT_EQ(g.at("attainment"), 0.333333);
  EXPECT_EQ(g.at("goodput_rps"), 0.5);
  EXPECT_EQ(g.at("limits").at("e2e_ms"), nullptr);
  EXPECT_EQ(Load(records).at("goodput"), nullptr) << "nothing was promised";
}

TEST(StatisticsBlock, SixtySamplesResolveP95) {
  std::vector<RequestRecord> records;
  for (int i = 1; i <= 60; ++i) records.push_back(sample::Record("replay", i, i));
  const json p95 = Block(records, 1.0).at("quantiles").at("ttfc_ms").at("p95");
  EXPECT_EQ(p95.at("n"), 60);
  EXPECT_LE(p95.at("low").get<double>(), p95.at("value").get<double>());
  EXPECT_EQ(p95.at("resolvable"), true);
}

TEST(KvbmDelta, NamesFollowTheExporterAndHostBlocksAreNoRehydration) {
  PhaseEvidence p = sample::Leg().phases[1];
  p.tiers.onboard_g3_to_g1_blocks = 0U;
  p.tiers.onboard_g2_to_g1_blocks = 18U;
  const json d = KvbmDeltaJson(p.tiers, sample::Snapshot("before_replay", 0),
                               sample::Snapshot("after_replay", 0));
  EXPECT_EQ(d.at("kvbm_onboard_blocks_h2d_delta"), 18.0);
  EXPECT_EQ(d.at("kvbm_onboard_blocks_d2d_delta"), 0.0);
  EXPECT_EQ(d.at("kvbm_offload_blocks_h2d_delta"), 34.0) << "host to disk";
  EXPECT_EQ(d.at("onboard_blocks_total_delta"), 18.0);
  EXPECT_EQ(d.at("disk_rehydrate_counter_positive"), false);
  EXPECT_EQ(d.at("kvbm_disk_cache_hit_rate_after"), 0.25);
  EXPECT_EQ(d.at("kvbm_disk_bytes_read_delta"), nullptr)
      << "the exporter has no such counter: that is not 0";
}

TEST(KvbmDelta, UnreadIsUnavailableNeverZero) {
  KvbmSnapshot before = sample::Snapshot("before_replay", 0),
               after = sample::Snapshot("after_replay", 5);
  after.success = false;
  after.error = "503";
  EXPECT_EQ(KvbmDeltaJson({}, before, after).at("reason"), "snapshot_missing");
  EXPECT_EQ(KvbmDeltaJson({}, before, after).at("after_error"), "503");
  after = sample::Snapshot("after_replay", 5);
  TierTraffic reset;
  reset.counter_reset = true;
  EXPECT_EQ(KvbmDeltaJson(reset, before, after).at("reason"), "counter_reset");
  TierTraffic partly;
  partly.onboard_g3_to_g1_blocks = 5U;
  const json d = KvbmDeltaJson(partly, before, after);
  EXPECT_EQ(d.at("available"), true);
  EXPECT_EQ(d.at("kvbm_matched_tokens_delta"), nullptr);
  EXPECT_EQ(d.at("onboard_blocks_total_delta"), nullptr) << "a sum with an unknown part is unknown";
}

TEST(OsIoDelta, SectorsPidsAndTheMissingDevice) {
  const PhaseEvidence p = sample::Leg().phases[1];
  const PhaseBoundaries b = sample::Boundaries(p);
  json d = OsIoDeltaJson(p.io, b.os_start, b.os_end, "replay");
  EXPECT_EQ(d.at("block_device_delta").at("read_bytes_delta"), 34 * 8192);
  EXPECT_EQ(d.at("block_device_delta").at("before").at("read_sectors"), 1000);
  EXPECT_EQ(d.at("worker_process_io_delta").at("per_pid_deltas").at(0).at("read_bytes_delta"),
            34 * 8192);
  EXPECT_EQ(d.at("worker_process_io_delta").at("read_mib_delta"), 0.266);
  EXPECT_EQ(d.at("worker_process_io_delta").at("cgroup_read_bytes_delta"), nullptr);
  EXPECT_EQ(d.at("worker_process_io_delta").at("cgroup_reason"), "no io controller");
  IoTraffic blind = p.io;
  blind.device_read = Reading<Bytes>::Unavailable("no such device");
  blind.process_read = Reading<Bytes>::Unavailable("process 7 is gone");
  d = OsIoDeltaJson(blind, b.os_start, b.os_end, "replay");
  EXPECT_EQ(d.at("block_device_delta"), nullptr);
  EXPECT_EQ(d.at("block_device_unavailable"), "no such device");
  EXPECT_EQ(d.at("worker_process_io_delta").at("available"), false);
  EXPECT_EQ(d.at("worker_process_io_delta").at("read_bytes_delta"), nullptr);
  EXPECT_EQ(d.at("worker_process_io_delta").at("reason"), "process 7 is gone");
}

TEST(Summary, OverallCoversTheIncludedPhases) {
  LegEvidence leg = sample::Leg();
  leg.phases[0].include_in_overall = false;
  const json s = SummaryOf(leg);
  EXPECT_EQ(s.at("overall_summary").at("total_requests"), 2);
  EXPECT_EQ(s.at("overall_summary").at("duration_s"), 2.0);
  EXPECT_EQ(s.at("overall_summary").at("ttfc_ms").at("p50"), 25.0);
  EXPECT_EQ(s.at("overall_summary").at("scenario"), "rehydrate_replay");
  EXPECT_EQ(s.at("kvbm_metrics").at("rollup").at("matched_tokens_total_delta"), 32.0 * 34);
  EXPECT_EQ(s.at("kvbm_metrics").at("rollup").at("onboard_blocks_total_delta"), 34.0);
  EXPECT_EQ(s.at("overall_summary").at("rehydrate_replay_signal_kvbm").at("signal"),
            "disk_rehydrate_detected");
}

TEST(Summary, OneLostScrapeIsNotAvailable) {
  const json s = SummaryOf(sample::Leg(), 5, 4);
  EXPECT_EQ(s.at("kvbm_metrics_available"), false);
  EXPECT_EQ(s.at("kvbm_metrics_status").at("reason"), "kvbm_metrics_unavailable");
}

TEST(Summary, StorageIsTheDocumentedBlockAndNamesNoFileThatDoesNotExist) {
  const LegEvidence leg = sample::Leg();
  const RunConfig config = sample::Config(leg);
  const std::map<std::string, PhaseBoundaries> boundaries;
  CloseNotes notes;
  notes.smart_delta = {{"data_units_read", 10}};
  notes.metrics_snapshot = {{"enabled", true},
                            {"snapshot_dir", "."},
                            {"records", json::array()},
                            {"inventory_keywords", {"kvbm"}}};
  const json s = BuildSummary({.leg = leg,
                               .config = config,
                               .boundaries = boundaries,
                               .notes = notes,
                               .device_files = {{"nvme_smart_pre.json", {{"success", true}}},
                                                {"device_metadata_pre.json", json()}}});
  const json& storage = s.at("storage");
  EXPECT_EQ(storage.at("primary_nvme_model"), "Sample NVMe 1TB");
  EXPECT_EQ(storage.at("primary_nvme_fw"), "FW1");
  EXPECT_EQ(storage.at("primary_nvme_size"), 1000204886016);
  EXPECT_EQ(storage.at("device_metadata_pre_path"), "device_metadata_pre.json");
  EXPECT_EQ(storage.at("device_metadata_pre_capture_errors"), 1);
  EXPECT_EQ(storage.at("device_metadata_post_path"), nullptr);
  EXPECT_EQ(storage.at("device_metadata_post_capture_errors"), nullptr) << "no capture, no count";
  EXPECT_EQ(storage.at("smart_delta").at("data_units_read"), 10);
  EXPECT_EQ(s.at("nvme").at("smart_pre").at("success"), true);
  EXPECT_EQ(s.at("nvme").at("identity"), nullptr);
  EXPECT_EQ(s.at("nvme").at("identity_path"), nullptr);
  EXPECT_EQ(s.at("metrics_snapshot").at("enabled"), true);
  EXPECT_EQ(s.at("phase_summaries").at(1).at("host").at("other_read_bytes"), 3 << 20);
  EXPECT_EQ(s.at("phase_summaries").at(1).at("host").at("hottest_celsius"), 61.0);
}

TEST(Summary, ADiskThatIsNoNvmeHasNoSmartBlock) {
  LegEvidence leg = sample::Leg();
  leg.storage.identity = {};
  leg.storage.identity.device = "/dev/vda";
  const json s = SummaryOf(leg);
  EXPECT_EQ(s.at("nvme").at("unavailable"),
            "/dev/vda is no NVMe disk, so it has no SMART log page");
  EXPECT_EQ(s.at("storage").at("primary_nvme_device"), "/dev/vda");
  EXPECT_EQ(s.at("storage").at("primary_nvme_model"), nullptr);
}

TEST(Summary, WhatIsNotCollectedSaysSo) {
  LegEvidence leg = sample::Leg();
  leg.storage = {};
  const json s = SummaryOf(leg);
  EXPECT_TRUE(s.at("nvme").contains("unavailable"));
  EXPECT_TRUE(s.at("storage").contains("unavailable"));
  EXPECT_EQ(s.at("io_attribution").at("enabled"), false);
}

TEST(Summary, SignalsAreThoseOfTheScenario) {
  LegEvidence leg = sample::Leg();
  leg.scenario = "eviction_replay";
  for (auto& phase : leg.phases) phase.name = phase.name == "populate" ? "warm_A" : "replay_A";
  const json j = SummaryOf(leg);
  const json& overall = j.at("overall_summary");
  EXPECT_EQ(overall.at("eviction_replay_signal_kvbm").at("replay_phase"), "replay_A");
  EXPECT_TRUE(overall.at("eviction_replay_signal_io").contains("signal"));
  EXPECT_FALSE(overall.contains("rehydrate_replay_signal_kvbm"));
  EXPECT_EQ(j.at("kvbm_metrics").at("eviction_replay_signal"),
            overall.at("eviction_replay_signal_kvbm"));
}

TEST(RequestIdentity, CountsDistinctValues) {
  const json i = RequestIdentityJson(sample::Leg().records, "rehydrate_replay");
  EXPECT_EQ(i.at("total_requests"), 4);
  EXPECT_EQ(i.at("unique_prompt_sha256_count"), 2) << "replay repeats populate byte for byte";
  EXPECT_EQ(i.at("unique_generation_params_sha256_count"), 1);
  EXPECT_EQ(i.at("session_request_counts").at("rehydrate_session_0001"), 2);
  EXPECT_EQ(i.at("phase_identity").at("replay").at("request_count"), 2);
  EXPECT_EQ(i.at("response_header_keys_seen"), json::array({"x-request-id"}));
  EXPECT_FALSE(i.contains("reuse_verify_identity"));
  EXPECT_EQ(RequestIdentityJson({}, "reuse_verify").at("available"), false);
}

TEST(RequestIdentity, ReuseNeedsTheSameBytes) {
  std::vector<RequestRecord> records{sample::Record("reuse_1", 1, 10),
                                     sample::Record("reuse_2", 1, 10)};
  EXPECT_EQ(RequestIdentityJson(records, "reuse_verify").at("reuse_verify_identity").at("verdict"),
            "identical_inputs_confirmed");
  records[1].planned.identity.prompt_sha256[0] = 'x';
  EXPECT_EQ(RequestIdentityJson(records, "reuse_verify").at("reuse_verify_identity").at("verdict"),
            "identity_mismatch_detected");
  records.pop_back();
  EXPECT_EQ(RequestIdentityJson(records, "reuse_verify").at("reuse_verify_identity").at("verdict"),
            "identity_mismatch_detected")
      << "one request shows nothing";
}

}  // namespace
}  // namespace kvtier
