#include "harness/judge/sweep_rows.hpp"

#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/core/error.hpp"
#include "harness/judge/evidence_maker.hpp"
#include "harness/judge/phase60.hpp"
#include "harness/judge/sweep_maker.hpp"

namespace kvtier {
namespace {

using nlohmann::json;
using test::BaselineRowJson;
using test::SweepJson;
using test::SweepPointJson;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

SweepRow One(const json& row, bool ours = false) {
  json summary = SweepJson({row});
  if (ours) summary["schema_version"] = 1;
  return SweepFrom(summary).rows.at(0);
}

TEST(SweepRows, AreReadWithTheDocumentedNames) {
  const SweepRow row = One(SweepPointJson("B2", 4, 100));
  EXPECT_EQ(row.mode, TierMode::kB2);
  EXPECT_EQ(row.concurrency, 4);
  EXPECT_EQ(*row.replay_ttfc.p95, 100);
  EXPECT_EQ(*row.replay_ttfc.p99, 150);
  EXPECT_EQ(*row.counters.onboard_blocks_d2d, 4);
  EXPECT_EQ(*row.process_read_bytes, 4096);
  EXPECT_EQ(*row.error_rate, 0);
  EXPECT_TRUE(row.legacy);
}

TEST(SweepRows, WhatASummaryLacksIsUnavailableAndNeverZero) {
  const SweepRow row = One({{"mode", "B1"}, {"concurrency", 2}});
  EXPECT_FALSE(row.replay_ttfc.p95.available());
  EXPECT_THAT(row.replay_ttfc.p95.reason(), HasSubstr("rows[0].replay_ttfc_p95_ms"));
  EXPECT_FALSE(row.replay_ttft.p95.available());
  EXPECT_FALSE(row.error_rate.available());
  EXPECT_FALSE(row.counters.matched_tokens.available());
  EXPECT_FALSE(row.WorkerReads().available());
  EXPECT_FALSE(row.b1_disk_tier_verified.available());
  EXPECT_FALSE(RehydrateSignal(row).available());
  EXPECT_FALSE(WriteSignal(row).available());
  EXPECT_FALSE(row.marked_invalid);
}

TEST(SweepRows, ANullKeepsTheReasonBesideIt) {
  json row = SweepPointJson("B2", 4, 100);
  row["mechanism"]["kvbm_matched_tokens_delta_replay_plus_replay2"] = nullptr;
  row["mechanism"]["unavailable"] = {
      {"kvbm_matched_tokens_delta_replay_plus_replay2", "a counter went backwards"}};
  EXPECT_EQ(One(row).counters.matched_tokens.reason(), "a counter went backwards");
}

TEST(SweepRows, FlatNamesGoBeforeNestedOnes) {
  json row = SweepPointJson("B2", 4, 100);
  row["ttfc_p95_ms"] = 90;
  EXPECT_EQ(*One(row).replay_ttfc.p95, 90);
  row["replay_ttfc_p95_ms"] = 80;
  EXPECT_EQ(*One(row).replay_ttfc.p95, 80);
  row = SweepPointJson("B2", 4, 100);
  row.erase("replay_ttfc_ms");
  row["ttfc_ms"] = {{"p95", 70}};
  EXPECT_EQ(*One(row).replay_ttfc.p95, 70);
}

TEST(SweepRows, AWrongTypeIsNamedByItsKey) {
  const std::vector<std::pair<std::string, std::function<void(json&)>>> table{
      {"rows[0].error_rate", [](json& s) { s["rows"][0]["error_rate"] = "0"; }},
      {"rows[0].replay_ttfc_ms.p95", [](json& s) { s["rows"][0]["replay_ttfc_ms"]["p95"] = true; }},
      {"rows[0].replay_ttfc_ms", [](json& s) { s["rows"][0]["replay_ttfc_ms"] = 12; }},
      {"rows[0].mechanism", [](json& s) { s["rows"][0]["mechanism"] = json::array(); }},
      {"rows[0].b1_disk_tier_verified", [](json& s) { s["rows"][0]["b1_disk_tier_verified"] = 1; }},
      {"rows[0].mode", [](json& s) { s["rows"][0]["mode"] = "B7"; }},
      {"rows[0].mode", [](json& s) { s["rows"][0].erase("mode"); }},
      {"rows[0].replay_concurrency", [](json& s) { s["rows"][0]["replay_concurrency"] = -1; }},
      {"rows[0].replay_concurrency", [](json& s) { s["rows"][0]["replay_concurrency"] = 1.5; }},
      {"rows[0].status", [](json& s) { s["rows"][0]["status"] = 3; }},
      {"rows[0]", [](json& s) { s["rows"][0] = 3; }},
      {"rows", [](json& s) { s.erase("rows"); }},
      {"rows", [](json& s) { s["rows"] = json::object(); }},
      {"meta.sweep_replay_concurrencies[1]",
       [](json& s) {
         s["meta"]["sweep_replay_concurrencies"] = {1, "2"};
       }},
      {"schema_version", [](json& s) { s["schema_version"] = 2; }},
  };
  for (const auto& [key, plant] : table) {
    json summary = SweepJson({SweepPointJson("B1", 1, 50)});
    plant(summary);
    try {
      SweepFrom(summary);
      ADD_FAILURE() << key << " was accepted: " << summary.dump();
    } catch (const DataError& e) {
      EXPECT_THAT(e.what(), HasSubstr(key));
    }
  }
}

TEST(SweepRows, TheUniverseIsDeclaredOrFoundWithoutB0) {
  json summary = SweepJson(
      {SweepPointJson("B2", 8, 1), SweepPointJson("B1", 2, 1), SweepPointJson("B0", 64, 1)});
  summary["meta"]["sweep_replay_concurrencies"] = {4, 1};
  EXPECT_THAT(SweepFrom(summary).Concurrencies(), ElementsAre(1, 2, 4, 8));
}

// Every witness that can be read must have seen it.
TEST(SweepSignals, RehydrationNeedsBlocksFromDiskAndTheirBytes) {
  const auto signal = [](json onboard, json read, bool ours) {
    json row = SweepPointJson("B2", 1, 10);
    row["mechanism"]["kvbm_onboard_blocks_d2d_delta_replay_plus_replay2"] = onboard;
    row["mechanism"]["cgroup_read_bytes_delta_replay_plus_replay2"] = read;
    row["mechanism"]["kvbm_disk_cache_hit_rate"] = 0.9;                        // is no witness
    row["mechanism"]["block_read_bytes_delta_replay_plus_replay2"] = 1 << 30;  // neither
    row["kvbm_onboard_blocks_delta"] = 77;  // host and disk together: neither
    return RehydrateSignal(One(row, ours));
  };
  EXPECT_EQ(signal(4, 4096, true), Reading<bool>(true));
  EXPECT_EQ(signal(4, nullptr, true), Reading<bool>(true));
  EXPECT_EQ(signal(nullptr, 4096, true), Reading<bool>(true));
  EXPECT_EQ(signal(0, 4096, true), Reading<bool>(false)) << "somebody else read";
  EXPECT_EQ(signal(4, 0, true), Reading<bool>(false)) << "counted, but nothing was read";
  EXPECT_EQ(signal(4, 0, false), Reading<bool>(true))
      << "the predecessor's 0 bytes may mean that it could not look";
  EXPECT_EQ(signal(0, 0, false), Reading<bool>(false));
  EXPECT_FALSE(signal(nullptr, nullptr, true).available());
}

TEST(SweepSignals, WritesCountInAnyDirection) {
  json row = SweepPointJson("B2", 1, 10);
  EXPECT_FALSE(WriteSignal(One(row)).available()) << "legacy 0 bytes are unknown";
  EXPECT_FALSE(WriteSignal(One(row, true)).available()) << "nobody read device-to-disk offloads";
  row["mechanism"]["kvbm_offload_blocks_d2d_delta_replay_plus_replay2"] = 0;
  EXPECT_EQ(WriteSignal(One(row, true)), Reading<bool>(false));
  row["mechanism"]["kvbm_offload_blocks_d2d_delta_replay_plus_replay2"] = 3;
  EXPECT_EQ(WriteSignal(One(row, true)), Reading<bool>(true));
  EXPECT_EQ(WriteSignal(One(row)), Reading<bool>(true));
}

TEST(SweepSignals, TheAttributionSpeaksWhereTheCgroupWasNotSeen) {
  json row = SweepPointJson("B2", 1, 10);
  row["mechanism"]["cgroup_read_bytes_delta_replay_plus_replay2"] = 0;
  row["io_attribution"] = {{"available", true}, {"replay_process_read_bytes", 8192}};
  EXPECT_EQ(*One(row).WorkerReads(), 8192);
  EXPECT_EQ(*One(row, true).WorkerReads(), 0) << "ours means it";
}

TEST(SweepSlo, IsOfTheMetricItIsComparedWith) {
  json baseline = BaselineRowJson(100);
  baseline["replay_ttft_ms"] = {{"p95", 200.0}};
  json summary = SweepJson({SweepPointJson("B2", 1, 50), baseline});
  EXPECT_DOUBLE_EQ(*SloOf(SweepFrom(summary), "ttfc_p95_ms"), 110) << "not 1100, of the latency";
  EXPECT_DOUBLE_EQ(*SloOf(SweepFrom(summary), "ttft_p95_ms"), 220);
  summary["slo_replay_ttfc_p95_ms"] = 99.0;
  summary["slo_ttfc_metric"] = "replay_ttfc_p95_ms";
  EXPECT_EQ(*SloOf(SweepFrom(summary), "ttfc_p95_ms"), 99) << "stated by the sweep";
  EXPECT_DOUBLE_EQ(*SloOf(SweepFrom(summary), "ttft_p95_ms"), 220);
}

TEST(SweepSlo, RestsOnNoBaselineWithErrors) {
  json baseline = BaselineRowJson(100);
  baseline["error_rate"] = 0.1;
  EXPECT_DOUBLE_EQ(
      *SloOf(SweepFrom(SweepJson({SweepPointJson("B2", 1, 50), baseline})), "ttfc_p95_ms"), 55)
      << "the first ok point of B2 at 1 instead";
  const auto none = SloOf(SweepFrom(SweepJson({baseline})), "ttfc_p95_ms");
  EXPECT_THAT(none.reason(), HasSubstr("neither a baseline run without errors"));
}

// The writer and this reader know each other by the documented names alone.
TEST(SweepRows, AreThoseThatOurOwnSweepWrites) {
  Phase60Summary written;
  const auto point = [&](TierMode mode, int concurrency, PointKind kind = PointKind::kSweep) {
    PointSpec spec;
    spec.place = {mode, concurrency};
    spec.kind = kind;
    spec.kind = kind;
    Phase60Row row = MakePhase60Row(test::MakeLeg(mode, 100), spec, written.setup);
    row.status = kind == PointKind::kBaseline ? SweepStatus::kBaselinePreflight : SweepStatus::kOk;
    written.rows.push_back(row);
  };
  point(TierMode::kB2, 1, PointKind::kBaseline);
  point(TierMode::kB1, 4);
  point(TierMode::kB2, 4);
  CompleteSweep(written, "now");
  const Sweep read = SweepFrom(json(written));
  EXPECT_FALSE(read.legacy);
  EXPECT_EQ(read.status, "completed");
  EXPECT_EQ(read.declared_concurrencies, written.setup.concurrencies);
  ASSERT_EQ(read.rows.size(), 3u);
  for (std::size_t i = 0; i < 3; ++i) {
    const SweepRow& row = read.rows[i];
    const Phase60Row& was = written.rows[i];
    EXPECT_EQ(row.point_key, was.point_key);
    EXPECT_EQ(row.status, SweepStatusName(was.status));
    EXPECT_EQ(row.phase, PointKindName(was.kind));
    EXPECT_EQ(*row.replay_ttfc.p95, was.replay_ttfc.p95);
    EXPECT_EQ(*row.replay_ttfc.n, was.replay_ttfc.n);
    EXPECT_EQ(*row.replay_latency.p95, was.replay_latency.p95);
    EXPECT_EQ(*row.error_rate, was.error_rate);
    EXPECT_EQ(*row.counters.matched_tokens, static_cast<double>(*was.mechanism.matched_tokens));
    EXPECT_EQ(*row.counters.onboard_blocks_d2d, static_cast<double>(*was.mechanism.onboard_d2d));
    EXPECT_EQ(*row.WorkerReads(), static_cast<double>(*was.mechanism.process_read));
    EXPECT_EQ(row.b1_disk_tier_verified.available(), was.b1.has_value());
  }
  EXPECT_TRUE(read.rows[0].IsSoundBaseline());
  EXPECT_EQ(RehydrateSignal(read.rows[2]), Reading<bool>(true));
  EXPECT_EQ(RehydrateSignal(read.rows[1]), Reading<bool>(false));
  EXPECT_EQ(SloOf(read, "ttfc_p95_ms"), Reading<double>(*written.first_text.limit_ms));
}

TEST(SweepRun, TakesTheReplayByItsDocumentedName) {
  const auto phase = [](const char* name, double ttfc) {
    return json{{"phase", name},
                {"ttfc_ms", {{"p95", ttfc}}},
                {"ttft_ms", json::object()},
                {"kvbm_metrics_delta",
                 {{"kvbm_matched_tokens_delta", 5.0}, {"onboard_blocks_total_delta", 18.0}}}};
  };
  json summary{{"phase_summaries", {phase("replay_2", 1), phase("replay_A", 2)}}};
  EXPECT_EQ(*SweepRunFrom(summary).replay_ttfc.p95, 2);
  summary["phase_summaries"].push_back(phase("replay", 3));
  const SweepRun run = SweepRunFrom(summary);
  EXPECT_EQ(*run.replay_ttfc.p95, 3);
  EXPECT_FALSE(run.replay_ttft.p95.available()) << "an empty block is no figure";
  EXPECT_EQ(*run.replay.matched_tokens, 5);
  EXPECT_FALSE(run.replay.onboard_blocks_d2d.available()) << "the total is not from disk";
  EXPECT_EQ(*run.replay.onboard_blocks, 18);
  EXPECT_FALSE(SweepRunFrom(json::object()).replay_ttfc.p95.available());
}

}  // namespace
}  // namespace kvtier
