#include "harness/judge/knee_table.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/judge/sweep_maker.hpp"

namespace kvtier {
namespace {

using nlohmann::json;
using test::BaselineRowJson;
using test::SweepJson;
using test::SweepPointJson;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

/// The row of one point.
KneeRow Row(const std::vector<json>& rows, TierMode mode, int concurrency,
            Ruleset ruleset = Ruleset::kKvtier) {
  for (const KneeRow& row : KneeTable(SweepFrom(SweepJson(rows)), ruleset)) {
    if (row.mode == mode && row.concurrency == concurrency) return row;
  }
  ADD_FAILURE() << "no such row";
  return {};
}

TEST(KneeTable, HoldsB1ThenB2ForEachConcurrencyDeclaredOrFound) {
  json summary = SweepJson({SweepPointJson("B2", 4, 100), SweepPointJson("B1", 4, 170)});
  summary["meta"]["sweep_replay_concurrencies"] = {1};
  std::vector<std::string> keys;
  for (const KneeRow& row : KneeTable(SweepFrom(summary)))
    keys.push_back(std::string(TierName(row.mode)) + " " + std::to_string(row.concurrency) + " " +
                   row.status);
  EXPECT_THAT(keys, ElementsAre("B1 1 missing", "B2 1 missing", "B1 4 ok", "B2 4 ok"));
  const KneeRow missing = KneeTable(SweepFrom(summary)).at(0);
  EXPECT_THAT(missing.notes, ElementsAre("missing_mode_row"));
  EXPECT_FALSE(missing.matched_tokens.available());
}

TEST(KneeTable, APreflightHidesNoInvalidPoint) {
  json invalid = SweepPointJson("B2", 1, 300);
  invalid["status"] = "invalid_full";
  const std::vector<json> rows{invalid, BaselineRowJson(100)};
  EXPECT_EQ(Row(rows, TierMode::kB2, 1).status, "invalid_full");
  EXPECT_EQ(*Row(rows, TierMode::kB2, 1).ttfc_p95_ms, 300);
  EXPECT_EQ(Row(rows, TierMode::kB2, 1, Ruleset::kRunbook).status, "baseline_preflight")
      << "as written";
}

TEST(KneeTable, TheBestStatusCountsAndOfEqualsTheLater) {
  json partial = SweepPointJson("B2", 1, 1), invalid = partial, debug = partial;
  partial["status"] = "partial";
  invalid["status"] = "invalid_ttfc";
  debug["status"] = "debug_only";
  const json preflight = BaselineRowJson(1);
  const auto status = [](const std::vector<json>& rows) {
    return Row(rows, TierMode::kB2, 1).status;
  };
  EXPECT_EQ(status({SweepPointJson("B2", 1, 1), invalid}), "ok");
  EXPECT_EQ(status({partial, invalid, preflight}), "invalid_ttfc");
  EXPECT_EQ(status({preflight, partial, debug}), "partial");
  EXPECT_EQ(status({debug, preflight}), "baseline_preflight");
  EXPECT_EQ(*Row({SweepPointJson("B2", 1, 10), SweepPointJson("B2", 1, 20)}, TierMode::kB2, 1)
                 .ttfc_p95_ms,
            20);
}

TEST(KneeTable, AFallbackIsLabelled) {
  json row = SweepPointJson("B2", 1, 10);
  row["replay_ttft_ms"] = {{"p95", 12.0}};
  KneeRow r = Row({row}, TierMode::kB2, 1);
  EXPECT_EQ(r.metric_source_p95, "ttfc");
  EXPECT_EQ(*r.ttft_p95_ms, 12);
  row.erase("replay_ttfc_ms");
  r = Row({row}, TierMode::kB2, 1);
  EXPECT_EQ(*r.ttfc_p95_ms, 12);
  EXPECT_EQ(r.metric_source_p95, "ttft_fallback");
  EXPECT_EQ(r.metric_source_p99, "missing");
  EXPECT_THAT(r.notes, ElementsAre("ttfc_missing_fallback_ttft", "missing_p99"));
}

TEST(KneeTable, NotesSayWhatIsWrong) {
  json b1 = SweepPointJson("B1", 1, 10);
  EXPECT_THAT(Row({b1}, TierMode::kB1, 1).notes, IsEmpty());
  b1["b1_disk_tier_verified"] = false;
  EXPECT_THAT(Row({b1}, TierMode::kB1, 1).notes, ElementsAre("b1_disk_tier_not_verified"));
  b1["b1_disk_tier_verified"] = nullptr;
  b1["status"] = "invalid_full";
  b1["error_rate"] = nullptr;
  b1.erase("replay_ttfc_ms");
  EXPECT_THAT(Row({b1}, TierMode::kB1, 1).notes,
              ElementsAre("status:invalid_full", "missing_p95", "missing_p99", "missing_error_rate",
                          "b1_disk_tier_verification_missing"));
}

TEST(KneeTable, TheRunsOwnSummaryFillsIn) {
  json bare = SweepPointJson("B2", 1, 10);
  bare.erase("replay_ttfc_ms");
  Sweep sweep = SweepFrom(SweepJson({bare}));
  sweep.rows[0].run = SweepRun{};
  sweep.rows[0].run->replay_ttfc.p95 = 33.0;
  EXPECT_EQ(*KneeTable(sweep).at(1).ttfc_p95_ms, 33);
}

TEST(KneeTable, HostOnlyOnboardingIsNoRehydration) {
  json row = SweepPointJson("B2", 1, 10);
  row["mechanism"]["kvbm_onboard_blocks_d2d_delta_replay_plus_replay2"] = nullptr;
  row["mechanism"]["cgroup_read_bytes_delta_replay_plus_replay2"] = nullptr;
  row["mechanism"]["block_read_bytes_delta_replay_plus_replay2"] = 0;
  row["kvbm_onboard_blocks_delta"] = 18;
  EXPECT_FALSE(Row({row}, TierMode::kB2, 1).ssd_rehydrate_signal_present.available());
  const KneeRow written = Row({row}, TierMode::kB2, 1, Ruleset::kRunbook);
  EXPECT_EQ(*written.ssd_rehydrate_signal_present, true) << "as written";
  EXPECT_EQ(*written.onboard_blocks_d2d, 18);
  EXPECT_EQ(*written.process_read_bytes, 0) << "as written, nobody looked is 0";
}

TEST(KneeTable, UnreadIsNullInTheRowAndZeroOnlyByTheRunbook) {
  const json bare{{"mode", "B2"}, {"concurrency", 1}, {"status", "ok"}};
  const json ours = Row({bare}, TierMode::kB2, 1);
  EXPECT_EQ(ours.at("kvbm_matched_tokens_delta"), nullptr);
  EXPECT_EQ(ours.at("ssd_rehydrate_signal_present"), nullptr);
  EXPECT_EQ(ours.size(), kKneeColumns.size());
  for (const auto column : kKneeColumns) EXPECT_TRUE(ours.contains(column)) << column;
  const json written = Row({bare}, TierMode::kB2, 1, Ruleset::kRunbook);
  EXPECT_EQ(written.at("kvbm_matched_tokens_delta"), 0.0);
  EXPECT_EQ(written.at("ssd_rehydrate_signal_present"), false);
}

}  // namespace
}  // namespace kvtier
