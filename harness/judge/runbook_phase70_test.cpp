#include "harness/judge/runbook_phase70.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace kvtier::runbook {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

json LegSummary(double onboard_d2d, double onboard_h2d, double offload_h2d, double matched) {
  return {{"run_id", "run_B2"},
          {"run_valid", true},
          {"phase_summaries",
           {{{"phase", "populate"}},
            {{"phase", "replay"},
             {"ttfc_ms", {{"p95", 100.0}}},
             {"kvbm_metrics_delta",
              {{"available", true},
               {"kvbm_matched_tokens_delta", matched},
               {"kvbm_onboard_blocks_d2d_delta", onboard_d2d},
               {"kvbm_onboard_blocks_h2d_delta", onboard_h2d},
               {"kvbm_offload_blocks_h2d_delta", offload_h2d},
               {"kvbm_disk_cache_hit_rate_after", 0.25},
               {"onboard_blocks_total_delta", onboard_d2d + onboard_h2d},
               {"offload_blocks_total_delta", offload_h2d}}}}}}};
}

TEST(RunbookGate, WritesAlonePass) {
  const json g = JudgeGate(LegSummary(0, 0, 5, 0), {});
  EXPECT_EQ(g["pass"], true);
  EXPECT_THAT(g["notes"], ElementsAre("matched_tokens_signal_missing_soft"));
}

TEST(RunbookGate, TheHitRateIsAlwaysZeroOnRealArtifacts) {
  const json g = JudgeGate(LegSummary(0, 3, 0, 64), {});
  EXPECT_EQ(g["signals"]["kvbm_disk_cache_hit_rate"], 0.0) << "written under another key";
  EXPECT_EQ(g["pass"], false);
  EXPECT_THAT(g["reason_codes"], ElementsAre("GATE_NO_SSD_MECHANISM_SIGNAL"));
}

TEST(RunbookGate, MatchedTokensAreStrictlyAboveTheirLimitWhereRequired) {
  GateOptions o;
  o.require_matched = true;
  o.min_matched_tokens = 64;
  EXPECT_EQ(JudgeGate(LegSummary(3, 0, 0, 64), o)["pass"], false);
  EXPECT_EQ(JudgeGate(LegSummary(3, 0, 0, 65), o)["pass"], true);
}

TEST(RunbookGate, MissingIsZero) {
  for (const json& broken : {json(), json::array(), json{{"phase_summaries", "none"}},
                             json{{"phase_summaries", {1, "x", {{"phase", "replay"}}}}}}) {
    const json g = JudgeGate(broken, {});
    EXPECT_EQ(g["pass"], false);
    EXPECT_EQ(g["signals"]["kvbm_onboard_blocks_d2d_delta"], 0.0);
  }
}

TEST(RunbookNum, IsANumberOrNothing) {
  EXPECT_EQ(Num(3), 3);
  EXPECT_EQ(Num("2.5"), 2.5);
  EXPECT_EQ(Num(true), 1);
  for (const json& none : {json(), json("nan"), json("inf"), json("NaN"), json("1 ms"), json(""),
                           json::array({1}), json::object()})
    EXPECT_FALSE(Num(none)) << none;
}

TEST(RunbookReplay, IsExactThenAThenByPrefix) {
  const auto phase = [](std::vector<std::string> names) {
    json s{{"phase_summaries", json::array()}};
    for (const auto& n : names) s["phase_summaries"].push_back({{"phase", n}});
    return ReplayPhase(s).value("phase", "");
  };
  EXPECT_EQ(phase({"replay_2", "replay_A", "replay"}), "replay");
  EXPECT_EQ(phase({"replay_2", "replay_A"}), "replay_A");
  EXPECT_EQ(phase({"populate", "replay_2", "replay_3"}), "replay_2");
  EXPECT_EQ(phase({"populate"}), "");
}

// The documented vectors of the order rule.
TEST(RunbookOrder, IsTheDocumentedVectors) {
  const auto metric = [](std::vector<double> ab, std::vector<double> ba) {
    return OrderMetric("m", ab, ba, "B1_B2", "B2_B1");
  };
  EXPECT_EQ(metric({1, 2, 3}, {4, 5, 6})["relative_effect_size"], 3.0);
  EXPECT_EQ(metric({1, 2, 3}, {4, 5, 6})["order_effect_flag"], true);
  EXPECT_EQ(metric({1, 2, 3}, {1.5, 2.5, 3.5})["relative_effect_size"], 0.5);
  EXPECT_EQ(metric({1, 2, 3}, {1.5, 2.5, 3.5})["order_effect_flag"], false);
  EXPECT_EQ(metric({5}, {9})["order_effect_flag"], true);
  EXPECT_EQ(metric({5}, {5.5})["order_effect_flag"], false);
  EXPECT_EQ(metric({2, 2, 2}, {4, 4, 4})["order_effect_flag"], true);
  EXPECT_TRUE(metric({2, 2, 2}, {4, 4, 4})["relative_effect_size"].is_null());
  EXPECT_TRUE(metric({1, 2}, {})["order_effect_flag"].is_null());
}

TEST(RunbookStats, IntervalIsTheNormalOne) {
  const json s = Stats({1, 2, 3, 4});
  EXPECT_EQ(s["n"], 4);
  EXPECT_NEAR(s["stddev"].get<double>(), 1.290994, 1e-6);
  EXPECT_NEAR(s["approx_ci95_half_width"].get<double>(), 1.96 * 1.290994 / 2, 1e-5);
  EXPECT_TRUE(Stats({1})["approx_ci95_low"].is_null());
  EXPECT_TRUE(Stats({})["mean"].is_null());
}

struct Experiment {
  json manifest{{"meta",
                 {{"pair_count", 6},
                  {"mode_a", "B1"},
                  {"mode_b", "B2"},
                  {"scenario", "rehydrate_replay"},
                  {"replay_concurrency", 1}}},
                {"runs", json::array()}};
  std::vector<RunFiles> files;

  void Add(int pair, const char* mode, double ttfc, json summary) {
    summary["phase_summaries"][1]["ttfc_ms"]["p95"] = ttfc;
    const std::string order = pair % 2 == 1 ? "B1_B2" : "B2_B1";
    files.push_back({.run = {{"pair_id", pair},
                             {"pair_order", order},
                             {"pair_leg", 1},
                             {"mode", mode},
                             {"run_id", fmt::format("run_{}_{}", mode, pair)},
                             {"bundle_id", "b"}},
                     .folder = "f",
                     .summary = std::move(summary),
                     .io_verdict = nullptr,
                     .error = ""});
  }
  json Verdict(VerdictInput in = {}) {
    const Analysis a = Analyze(manifest, files, "B1", "B2");
    in.manifest = manifest;
    in.summary = SummaryJson(manifest, a, "B1", "B2", {});
    in.order_check = a.order_check;
    in.run_summaries.clear();
    for (const RunFiles& f : files) {
      if (f.error.empty()) in.run_summaries.push_back(f.summary);
    }
    for (const char* name :
         {"manifest", "summary_json", "summary_csv", "pair_delta_csv", "order_check_json"})
      in.artifacts[name] = {{"path", name}, {"exists", true}};
    return JudgeVerdict(in);
  }
};

/// No order effect, half of the requests failed, and the SSD never read.
Experiment HostOnly(int pairs = 6) {
  Experiment e;
  const double noise[] = {0, 1, 2, 0, 1, 2};
  for (int pair = 1; pair <= pairs; ++pair) {
    json b1 = LegSummary(0, 0, 0, 0), b2 = LegSummary(0, 18, 0, 576);
    b1["overall_summary"]["error_rate"] = b2["overall_summary"]["error_rate"] = 0.5;
    e.Add(pair, "B1", 200, std::move(b1));
    e.Add(pair, "B2", 100 + noise[(pair - 1) % 6], std::move(b2));
  }
  return e;
}

TEST(RunbookVerdict, HostOnlyOnboardingAtHalfErrorsIsDecisionGrade) {
  const json v = HostOnly().Verdict();
  EXPECT_EQ(v["run_valid"], true);
  EXPECT_EQ(v["decision_grade"], true);
  EXPECT_THAT(v["reason_codes"], IsEmpty());
  EXPECT_EQ(v["checks"]["ssd_rehydrate_signal_present"], true);
}

TEST(RunbookVerdict, OneLegVouchesForAll) {
  Experiment e = HostOnly();
  for (std::size_t i = 3; i < e.files.size(); i += 2) e.files[i].summary = LegSummary(0, 0, 0, 0);
  EXPECT_EQ(e.Verdict()["decision_grade"], true);
}

TEST(RunbookVerdict, FewPairsAreSaidAndDoNotDemote) {
  Experiment e = HostOnly(1);
  e.manifest["meta"]["pair_count"] = 1;
  const json v = e.Verdict();
  EXPECT_THAT(v["reason_codes"], ElementsAre("ORDER_EFFECT_INSUFFICIENT_PAIRS"));
  EXPECT_EQ(v["decision_grade"], true);
}

TEST(RunbookVerdict, PlannedPairsCountNotCompletedOnes) {
  EXPECT_EQ(HostOnly(1).Verdict()["meta"]["pairs"], 6);
}

TEST(RunbookVerdict, WriteOnlyIsSaid) {
  Experiment e;
  for (int pair = 1; pair <= 6; ++pair) {
    e.Add(pair, "B1", 200, LegSummary(0, 0, 0, 0));
    e.Add(pair, "B2", 100, LegSummary(0, 0, 7, 0));
  }
  EXPECT_THAT(e.Verdict()["reason_codes"], ElementsAre("REHYDRATE_SIGNAL_ABSENT_WRITE_ONLY"));
  EXPECT_EQ(e.Verdict()["decision_grade"], false);
  VerdictInput in;
  in.require_rehydrate = false;
  EXPECT_EQ(e.Verdict(in)["decision_grade"], true);
}

TEST(RunbookVerdict, HintCodesErrorsAndMissingAttributionDemote) {
  VerdictInput hint;
  hint.decision_grade_hint = false;
  EXPECT_EQ(HostOnly().Verdict(hint)["decision_grade"], false);
  VerdictInput code;
  code.reason_codes = {"TTFC_MISSING_STREAM_CAPTURE"};
  EXPECT_EQ(HostOnly().Verdict(code)["decision_grade"], true) << "not by itself";
  VerdictInput io;
  io.io_attrib_expected = true;
  EXPECT_THAT(HostOnly().Verdict(io)["reason_codes"], ElementsAre("IO_ATTRIB_MISSING"));
  Experiment lost = HostOnly();
  lost.files[0].error = "no such file";
  const json v = lost.Verdict();
  EXPECT_THAT(v["reason_codes"], ElementsAre("RUN_ERRORS_PRESENT"));
  EXPECT_EQ(v["run_valid"], false);
  EXPECT_EQ(v["checks"]["summary_errors_count"], 1);
}

TEST(RunbookVerdict, AnOrderEffectDemotesFromSixPairsOn) {
  Experiment e;
  for (int pair = 1; pair <= 6; ++pair) {
    e.Add(pair, "B1", 200, LegSummary(0, 0, 0, 0));
    e.Add(pair, "B2", pair % 2 == 1 ? 100 + pair : 150 + pair, LegSummary(5, 0, 0, 64));
  }
  const json v = e.Verdict();
  EXPECT_THAT(v["reason_codes"], ElementsAre("ORDER_EFFECT_SUSPECT"));
  EXPECT_EQ(v["decision_grade"], false);
}

TEST(RunbookVerdict, HostileArtifactsEndInAVerdict) {
  for (const json& broken : {json(), json::array({1, 2}), json("text"), json(3),
                             json{{"rows", {1, "x", nullptr, {{"mode", 5}}}}, {"errors", 3}},
                             json{{"rows", "none"}, {"meta", 7}, {"metrics", {1, 2}}}}) {
    VerdictInput in;
    in.manifest = in.summary = in.order_check = broken;
    in.artifacts = {{"manifest", {{"path", "m"}, {"exists", false}}}};
    const json v = JudgeVerdict(in);
    EXPECT_EQ(v["run_valid"], false) << broken;
    EXPECT_EQ(v["decision_grade"], false);
  }
}

TEST(RunbookAnalyze, TakesTheTotalFirstAndTheDevicesReads) {
  Experiment e;
  json summary = LegSummary(2, 16, 0, 64);
  summary["phase_summaries"][1]["io_delta"] = {{"read_bytes_delta", 1073741824}};
  e.Add(1, "B2", 100, summary);
  summary["phase_summaries"][1]["io_delta"] = {{"read_mib_delta", 512.0}};
  e.Add(2, "B2", 100, summary);
  const Analysis a = Analyze(e.manifest, e.files, "B1", "B2");
  EXPECT_EQ(a.rows[0]["kvbm_onboard_blocks_delta"], 18.0);
  EXPECT_EQ(a.rows[0]["replay_read_gib"], 1.0);
  EXPECT_EQ(a.rows[1]["replay_read_gib"], 0.5);
  EXPECT_TRUE(a.pair_deltas[0]["delta_replay_ttfc_p95_ms"].is_null()) << "B1 is missing";
}

TEST(RunbookAnalyze, AnInvalidLegStillGivesADelta) {
  Experiment e;
  json bad = LegSummary(5, 0, 0, 64);
  bad["run_valid"] = false;
  e.Add(1, "B1", 200, LegSummary(0, 0, 0, 0));
  e.Add(1, "B2", 150, bad);
  const Analysis a = Analyze(e.manifest, e.files, "B1", "B2");
  EXPECT_EQ(a.rows[1]["status"], "invalid");
  EXPECT_EQ(a.pair_deltas[0]["delta_replay_ttfc_p95_ms"], -50.0);
}

}  // namespace
}  // namespace kvtier::runbook
