#include "harness/report/sweep_reader.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "harness/core/error.hpp"
#include "harness/core/files.hpp"
#include "harness/core/temp_dir.hpp"
#include "harness/report/golden.hpp"
#include "harness/report/sample_schemas.hpp"
#include "harness/report/schema_check.hpp"

namespace kvtier {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const std::string kSweepTs = "20260219T211627Z";
const fs::path kRoot = fs::path(KVTIER_SOURCE_DIR) / "harness/report/golden/phase60";

Recommendation OfGolden(const RecommendOptions& options = {}) {
  return Recommend(LoadSweep(FindSweepSummary(kRoot, kSweepTs)), options);
}
/// Another run of the same sweep, in which every replay took longer.
Sweep Slower(Sweep sweep, double ms) {
  for (SweepRow& row : sweep.rows) {
    row.run_path += "_slower_by_" + std::to_string(ms);
    if (row.replay_ttfc.p95.available()) row.replay_ttfc.p95 = *row.replay_ttfc.p95 + ms;
  }
  return sweep;
}
const RecommendContext kContext{
    .created_utc = "2026-11-25T11:00:00.000+00:00",
    .phase60_ts = kSweepTs,
    .source_summaries = {"phase60_rehydrate_concurrency_sweep_summary_minimal_" + kSweepTs +
                         ".json"}};

TEST(SweepReader, ReadsASweepOfThePredecessorWithItsRuns) {
  const Sweep sweep = LoadSweep(FindSweepSummary(kRoot, kSweepTs));
  EXPECT_TRUE(sweep.legacy);
  ASSERT_EQ(sweep.rows.size(), 9u);
  const SweepRow& b2_c8 = sweep.rows[7];
  ASSERT_TRUE(b2_c8.run) << "found below the summary's folder though the results were moved";
  EXPECT_EQ(*b2_c8.run->replay_ttfc.p95, 901.5);
  EXPECT_FALSE(sweep.rows[0].run);
}

TEST(SweepReader, KneeTableIsTheGoldenOneByEitherRuleset) {
  const Sweep sweep = LoadSweep(FindSweepSummary(kRoot, kSweepTs));
  const std::string ours = KneeTableCsv(KneeTable(sweep));
  EXPECT_EQ(ours, Golden("phase60/knee_table.csv", ours));
  EXPECT_THAT(ours, HasSubstr("\r\n1,B2,invalid_full,B2_c1,428.5,")) << "not the preflight's 410";
  const std::string written = KneeTableCsv(KneeTable(sweep, Ruleset::kRunbook));
  EXPECT_EQ(written, Golden("phase60/knee_table_runbook.csv", written));
  EXPECT_THAT(written, HasSubstr("\r\n1,B2,baseline_preflight,baseline_preflight_B2_c1,410.0,"));
}

TEST(SweepReader, KneeTableHasTheDocumentedHeader) {
  EXPECT_EQ(KneeTableCsv({}),
            "concurrency,mode,status,point_key,ttfc_p95_ms,ttfc_p99_ms,ttft_p95_ms,ttft_p99_ms,"
            "metric_source_p95,metric_source_p99,error_rate,ssd_write_signal_present,"
            "ssd_rehydrate_signal_present,b1_disk_tier_verified,kvbm_matched_tokens_delta,"
            "kvbm_onboard_blocks_d2d_delta,kvbm_offload_blocks_h2d_delta,kvbm_disk_cache_hit_rate,"
            "replay_block_read_bytes,replay_process_read_bytes,run_path,notes\r\n");
}

TEST(SweepReader, RecommendationIsTheGoldenOneAndKeepsItsSchema) {
  const Recommendation r = OfGolden();
  const std::string text = RecommendationJson(r, kContext).dump(2) + "\n";
  EXPECT_EQ(text, Golden("phase60/crossover_recommendation.json", text));
  const std::string md = RecommendationMarkdown(r, kContext);
  EXPECT_EQ(md, Golden("phase60/crossover_recommendation.md", md));
  ASSERT_EQ(r.Candidates().size(), 2u);
  EXPECT_EQ(r.Candidates().front()->concurrency, 2);

  const TempDir own;
  const fs::path folder = own.path();
  int n = 0;
  for (const auto& options :
       {RecommendOptions{}, RecommendOptions{.metric = "ttft_p95_ms", .top_k = 3},
        RecommendOptions{.slo_p95_ms = 1, .ruleset = Ruleset::kRunbook}}) {
    const fs::path file = folder / (std::to_string(n++) + ".json");
    WriteJsonAtomic(file, RecommendationJson(OfGolden(options), kContext));
    EXPECT_THAT(CheckFile(file, kSchemas / "phase60_crossover_recommendation.schema.json"),
                IsEmpty());
  }
  const Sweep once = LoadSweep(FindSweepSummary(kRoot, kSweepTs));
  const Sweep thrice = JoinSweeps({once, Slower(once, 10), Slower(once, 20)});
  const fs::path file = folder / "repeats.json";
  WriteJsonAtomic(file, RecommendationJson(Recommend(thrice, {}), kContext));
  EXPECT_THAT(CheckFile(file, kSchemas / "phase60_crossover_recommendation.schema.json"),
              IsEmpty());
  EXPECT_EQ(ReadJson(file)["candidates"][0]["evidence"]["b1"]["repeats"]["method"], "student_t_95");
}

TEST(SweepReader, TheMarkdownSaysHowSureAFigureIs) {
  const Sweep once = LoadSweep(FindSweepSummary(kRoot, kSweepTs));
  const Recommendation twice = Recommend(JoinSweeps({once, Slower(once, 10)}), {});
  EXPECT_THAT(RecommendationMarkdown(twice, kContext),
              HasSubstr("| 445.2 ms (min-max 440.2 to 450.2, n=2) |"));
  const Recommendation thrice =
      Recommend(JoinSweeps({once, Slower(once, 10), Slower(once, 20)}), {});
  EXPECT_THAT(RecommendationMarkdown(thrice, kContext), HasSubstr("(95 % interval "));
}

TEST(SweepReader, ErrorsNameFileAndKey) {
  const TempDir own;
  const fs::path folder = own.path();
  const fs::path file = folder / "summary.json";
  const auto error = [&](const std::string& text) -> std::string {
    WriteFileAtomic(file, text);
    try {
      LoadSweep(file);
    } catch (const DataError& e) {
      return e.what();
    }
    return "accepted";
  };
  EXPECT_THAT(error("{"), HasSubstr(file.string() + " is not JSON"));
  EXPECT_THAT(error("[]"), HasSubstr(file.string()));
  EXPECT_THAT(error(R"({"rows": [{"mode": "B1", "concurrency": 1, "error_rate": "none"}]})"),
              HasSubstr(file.string() + ": the key rows[0].error_rate is \"none\""));
  fs::create_directories(folder / "run");
  WriteFileAtomic(folder / "run/summary.json",
                  R"({"phase_summaries": [{"phase": "replay", "ttfc_ms": {"p95": "x"}}]})");
  EXPECT_THAT(error(R"({"rows": [{"mode": "B1", "concurrency": 1, "run_path": "run"}]})"),
              HasSubstr("run/summary.json: the key phase_summaries[0].ttfc_ms.p95"));
  EXPECT_THROW(LoadSweep(folder / "absent.json"), IoError);
}

TEST(SweepReader, FindsASummaryByItsStamp) {
  const TempDir own;
  const fs::path folder = own.path();
  const auto touch = [&](const std::string& name) { WriteFileAtomic(folder / name, "{}"); };
  const auto found = [&] { return FindSweepSummary(folder, kSweepTs).filename().string(); };
  EXPECT_THROW(found(), ConfigError);
  touch("phase60_other_20260219T211628Z.json");
  touch("phase60_rehydrate_concurrency_sweep_summary_minimal_20200101T000000Z.json");
  EXPECT_THROW(found(), ConfigError) << "another stamp";
  touch("phase60_a_summary_" + kSweepTs + ".json");
  EXPECT_EQ(found(), "phase60_a_summary_" + kSweepTs + ".json");
  touch("phase60_b_concurrency_sweep_summary_full_" + kSweepTs + ".json");
  EXPECT_EQ(found(), "phase60_b_concurrency_sweep_summary_full_" + kSweepTs + ".json");
  touch("phase60_rehydrate_concurrency_sweep_summary_minimal_" + kSweepTs + ".json");
  EXPECT_EQ(found(), "phase60_rehydrate_concurrency_sweep_summary_minimal_" + kSweepTs + ".json");
  EXPECT_EQ(SweepTs(folder / found()), kSweepTs);
  EXPECT_EQ(SweepTs("summary_2026T1Z.json"), "unknown");
}

}  // namespace
}  // namespace kvtier
