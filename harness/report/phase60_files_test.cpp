#include "harness/report/phase60_files.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/core/error.hpp"
#include "harness/report/phase60_report.hpp"
#include "harness/report/sample_leg.hpp"
#include "harness/report/schema_check.hpp"

namespace kvtier {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

constexpr const char* kFilesTs = "20261122T014510Z";
constexpr SweepPlace kB2c1{TierMode::kB2, 1};
constexpr SweepPlace kB1c1{TierMode::kB1, 1};

fs::path Schemas() {
  return fs::path(KVTIER_SOURCE_DIR) / "docs/schemas";
}

Phase60Setup Declared() {
  Phase60Setup s;
  s.ts = kFilesTs;
  s.concurrencies = {1};
  s.schedule = {kB1c1, kB2c1};
  return s;
}

/// A sample leg as the bundle of a point.
void WriteLeg(const Phase60Paths& paths, const SweepPlace& place, PointKind kind,
              bool close = true) {
  LegEvidence leg = sample::Leg(place.mode);
  leg.run_id = paths.RunId(place, kind);
  RunBundleWriter writer(paths.RunDir(place, kind));
  sample::WriteUpToTheEnd(writer, leg);
  if (close) writer.Close(leg);
}

Phase60Paths Scratch(const std::string& name) {
  return {.root = sample::Scratch(name), .ts = kFilesTs};
}

/// Baseline, B1 and B2 at 1, from bundles.
Phase60Summary Measured(const Phase60Paths& paths) {
  Phase60Summary s;
  s.created_utc = kFilesTs;
  s.setup = Declared();
  s.hash_policy = {{"strict_mode", false}};
  for (const auto& [place, kind] :
       {std::pair{kB2c1, PointKind::kBaseline}, std::pair{kB1c1, PointKind::kSweep},
        std::pair{kB2c1, PointKind::kSweep}}) {
    WriteLeg(paths, place, kind);
    s.Upsert(LoadPhase60Point(paths, place, kind, s.setup).verdict.row);
  }
  return s;
}

TEST(Phase60Paths, AreTheDocumentedNames) {
  const Phase60Paths p{"results", kFilesTs};
  EXPECT_EQ(p.Summary(),
            "results/phase60_rehydrate_concurrency_sweep_summary_minimal_20261122T014510Z.json");
  EXPECT_EQ(p.StopVerdict(), "results/phase60_matrix_stop_verdict_minimal_20261122T014510Z.json");
  EXPECT_EQ(p.Diagnosis(), "results/phase60_sweep_b2c1_failure_diagnosis_20261122T014510Z.json");
  EXPECT_EQ(p.LogFolder(), "results/phase60_minimal_sweep_logs_20261122T014510Z");
  EXPECT_EQ(p.RunDir({TierMode::kB1, 4}, PointKind::kSweep),
            "results/phase60_rehydrate_minimal_sweep_B1_c4_20261122T014510Z/"
            "run_B1_c4_20261122T014510Z");
  EXPECT_EQ(p.RunDir(kB2c1, PointKind::kBaseline),
            "results/phase60_rehydrate_minimal_preflight_B2_c1_20261122T014510Z/"
            "run_B2_c1_preflight_20261122T014510Z");
  EXPECT_EQ(p.RunDir(kB2c1, PointKind::kDebug),
            "results/phase60_rehydrate_minimal_debug_B2_c1_20261122T014510Z/"
            "run_B2_c1_debug_20261122T014510Z");
}

TEST(Phase60Files, APointIsJudgedFromItsBundle) {
  const auto paths = Scratch("phase60_point");
  WriteLeg(paths, kB1c1, PointKind::kSweep);
  const Phase60Point point = LoadPhase60Point(paths, kB1c1, PointKind::kSweep, Declared());
  const Phase60Row& row = point.verdict.row;
  EXPECT_EQ(row.run_path,
            "phase60_rehydrate_minimal_sweep_B1_c1_20261122T014510Z/run_B1_c1_20261122T014510Z");
  EXPECT_EQ(*row.b1->config_disk_gb, 0.0);
  EXPECT_EQ(row.kvbm_cache_dir, "results/.kv");
  EXPECT_EQ(row.details.at("manifest_counts").at("request_manifest_rows"), 4);
  EXPECT_EQ(
      row.details.at("manifest_hashes").at("request_manifest_sha256").get<std::string>().size(),
      64U);
  EXPECT_EQ(row.details.at("config_snapshot").at("tier_mode"), "B1");
  EXPECT_EQ(row.details.at("config_snapshot").at("rehydrate_populate_sessions"), "2");
}

TEST(Phase60Files, AKilledPointIsPartial) {
  const auto paths = Scratch("phase60_killed");
  WriteLeg(paths, kB2c1, PointKind::kSweep, false);
  const auto verdict = LoadPhase60Point(paths, kB2c1, PointKind::kSweep, Declared()).verdict;
  EXPECT_EQ(verdict.row.status, SweepStatus::kPartial);
  EXPECT_EQ(verdict.stop_reason, "probe_failed");
}

TEST(Phase60Files, SummaryCsvAndVerdictFitTheirSchemasAndComeBack) {
  const auto paths = Scratch("phase60_files");
  Phase60Summary s = Measured(paths);
  WritePhase60Diagnosis(paths, "", "");
  WritePhase60Current(paths.root, {.ts = kFilesTs, .state = "running", .pid = 1});
  StopSweep(s, {.reason = "point_invalid", .detail = "FAIL:x", .at = kB1c1});
  WritePhase60(paths, s);
  EXPECT_THAT(CheckBundle(paths.root, Schemas()), IsEmpty());
  EXPECT_EQ(json(LoadPhase60Summary(paths.Summary())), json(s));
  EXPECT_EQ(LoadPhase60Current(paths.root)->ts, kFilesTs);
  EXPECT_TRUE(fs::exists(paths.StopVerdict()));

  CompleteSweep(s, kFilesTs);
  WritePhase60(paths, s);
  EXPECT_FALSE(fs::exists(paths.StopVerdict())) << "it is no longer true";
  EXPECT_THAT(CheckBundle(paths.root, Schemas()), IsEmpty());
}

TEST(Phase60Files, TheCsvHasTheDocumentedColumns) {
  const auto paths = Scratch("phase60_csv");
  Phase60Summary s = Measured(paths);
  for (auto& row : s.rows) {
    row.kvbm_metrics_available = row.place.mode == TierMode::kB2;
    row.status = SweepStatus::kOk;
    row.pass_slo = true;
    row.error_rate = 0.0;
    row.phase_io_gib = {{"replay", {0.5, std::nullopt}}};
    row.overall_ttfc = row.overall_ttft = {1.0, 2.0, 3.0, 4};
    row.replay_ttfc = row.replay_ttft = {1.0, 12.5, 13.0, 2};
    row.run_path = "b/r";
    if (row.b1) row.b1->fail_reasons.clear();
  }
  s.rows[0].kind = PointKind::kDebug;
  EXPECT_EQ(Phase60SummaryCsv(s),
            "mode,concurrency,status,pass_slo,error_rate,overall_ttfc_p95_ms,overall_ttfc_p99_ms,"
            "replay_ttfc_p95_ms,replay_ttfc_p99_ms,overall_ttft_p95_ms,overall_ttft_p99_ms,"
            "replay_ttft_p95_ms,replay_ttft_p99_ms,metric_used_replay_p95,populate_read_gib,"
            "populate_write_gib,thrash_read_gib,thrash_write_gib,replay_read_gib,replay_write_gib,"
            "replay_2_read_gib,replay_2_write_gib,kvbm_metrics_status,kvbm_enabled,"
            "kvbm_metrics_available,kvbm_matched_tokens_delta_replay_plus_replay2,"
            "kvbm_onboard_blocks_d2d_delta_replay_plus_replay2,b1_disk_tier_verified,run_path\r\n"
            "B1,1,ok,True,0.0,2.0,3.0,12.5,13.0,2.0,3.0,12.5,13.0,replay_ttfc_p95_ms,,,,,0.5,,,,"
            "unavailable,True,False,,,True,b/r\r\n"
            "B2,1,ok,True,0.0,2.0,3.0,12.5,13.0,2.0,3.0,12.5,13.0,replay_ttfc_p95_ms,,,,,0.5,,,,"
            "ok,True,True,1088,34,,b/r\r\n");
}

TEST(Phase60Files, BrokenSummariesNameTheFileAndTheKey) {
  const auto paths = Scratch("phase60_broken");
  json j = Measured(paths);
  j.at("rows").at(1)["status"] = "splendid";
  WriteJsonAtomic(paths.Summary(), j);
  try {
    LoadPhase60Summary(paths.Summary());
    FAIL();
  } catch (const DataError& e) {
    EXPECT_THAT(e.what(), HasSubstr("sweep_summary_minimal"));
    EXPECT_THAT(e.what(), HasSubstr("splendid"));
  }
  EXPECT_FALSE(LoadPhase60Current(paths.root));
}

TEST(Phase60Report, SaysHowFarEachTierGoesAndWhyItStopped) {
  const Phase60Paths paths{"results", kFilesTs};
  Phase60Summary s;
  s.setup.ts = kFilesTs;
  s.status = "completed";
  s.latency = {.metric = "replay_latency_p95_ms",
               .baseline_ms = 100,
               .limit_ms = 110,
               .max_concurrency = {{"B1", 0}, {"B2", 16}, {"B0", std::nullopt}},
               .max_contiguous = {{"B1", 0}, {"B2", 4}, {"B0", std::nullopt}}};
  EXPECT_THAT(RenderPhase60(s, paths),
              HasSubstr("latency p95 within 110.0 ms (1.10 x 100.0): B1 at none; B2 up to 4, and "
                        "again at 16\n"));
  StopSweep(s, {.reason = "point_invalid", .detail = "FAIL:x", .at = kB1c1});
  EXPECT_THAT(RenderPhase60(s, paths), HasSubstr("stopped at B1_c1: FAIL:x"));
  EXPECT_THAT(RenderPhase60(s, paths), HasSubstr("BENCH_PHASE60_TS=20261122T014510Z"));
}

TEST(Phase60Diagnosis, AFreshCloneHasOneWithoutEitherRun) {
  const json d = Phase60Diagnosis("", "/nowhere/run", "now");
  EXPECT_EQ(d.at("known_good").at("available"), false);
  EXPECT_EQ(d.at("known_good").at("error"), "BENCH_PHASE60_KNOWN_GOOD_B2_RUN names no run");
  EXPECT_THAT(d.at("failed_b2_c1").at("error").get<std::string>(),
              StartsWith("/nowhere/run is no"));
  EXPECT_EQ(d.at("finding_summary").size(), 2U);
  EXPECT_THAT(d.at("diff").at("signals"), IsEmpty());
}

TEST(Phase60Diagnosis, ShowsWhatDiffersBetweenTwoRuns) {
  const auto paths = Scratch("phase60_diagnosis");
  WriteLeg(paths, kB2c1, PointKind::kBaseline);
  WriteLeg(paths, kB1c1, PointKind::kSweep);
  const json d = Phase60Diagnosis(paths.RunDir(kB2c1, PointKind::kBaseline).string(),
                                  paths.RunDir(kB1c1, PointKind::kSweep).string(), "now");
  EXPECT_EQ(
      d.at("known_good").at("signals").at("kvbm_onboard_blocks_d2d_delta_replay_plus_replay2"), 34);
  const json& diff = d.at("diff");
  EXPECT_EQ(diff.at("analysis_manifest").at("tier_mode"),
            (json{{"known_good", "B2"}, {"failed_b2_c1", "B1"}}));
  EXPECT_FALSE(diff.at("config_args").contains("rehydrate_populate_sessions")) << "2 in both";
  EXPECT_THAT(d.at("finding_summary").dump(), HasSubstr("brought no block back from the SSD"));
}

// The run is made by hand in the documented shape of the predecessor (artifacts A1, A7, A9, B).
TEST(Phase60Diagnosis, ReadsRunsOfThePredecessor) {
  const auto paths = Scratch("phase60_predecessor");
  const fs::path run = paths.root / "bundle/run_B2_r05";
  fs::create_directories(run / "phase_deltas");
  fs::create_directories(paths.root / "bundle/analysis");
  WriteJsonAtomic(run / "config.json",
                  {{"scenario", "rehydrate_replay"},
                   {"args", {{"rehydrate_populate_sessions", 16}, {"seed", 20260210}}}});
  WriteJsonAtomic(
      run / "summary.json",
      {{"phase_summaries",
        {{{"phase", "replay"}, {"latency_ms", {{"p95", 81.5}}}, {"ttft_ms", {{"p95", 5}}}}}},
       {"overall_summary", {{"error_rate", 0.0}}}});
  WriteJsonAtomic(paths.root / "bundle/analysis/worker_runtime_manifest.json",
                  {{"env", {{"DYN_KVBM_DISK_CACHE_GB", "32"}}}});
  WriteJsonAtomic(run / "phase_deltas/phase_replay_kvbm_metrics_delta.json",
                  {{"available", true}, {"kvbm_onboard_blocks_d2d_delta", 5.0}});
  WriteJsonAtomic(run / "phase_deltas/phase_replay_2_kvbm_metrics_delta.json",
                  {{"available", true}, {"kvbm_onboard_blocks_d2d_delta", 2.0}});
  const json d = Phase60Diagnosis(run.string(), "", "now");
  const json& good = d.at("known_good");
  EXPECT_EQ(good.at("signals").at("replay_p95_ms"), 81.5);
  EXPECT_EQ(good.at("signals").at("kvbm_onboard_blocks_d2d_delta_replay_plus_replay2"), 7.0);
  EXPECT_TRUE(good.at("signals").at("kvbm_matched_tokens_delta_replay_plus_replay2").is_null());
  EXPECT_EQ(good.at("runtime_env").at("DYN_KVBM_DISK_CACHE_GB"), "32");
  EXPECT_EQ(good.at("config_args").at("rehydrate_populate_sessions"), 16);
  EXPECT_THAT(d.at("finding_summary"),
              ElementsAre("The failed run is unavailable: BENCH_PHASE60_FAILED_B2_C1_RUN names no "
                          "run."));
}

}  // namespace
}  // namespace kvtier
