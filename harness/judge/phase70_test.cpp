#include "harness/judge/phase70.hpp"

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "harness/core/error.hpp"
#include "harness/judge/evidence_maker.hpp"

namespace kvtier {
namespace {

using test::MakeExperiment;
using test::MakeLeg;
using test::Replay;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr const char* kNow = "2026-01-01T00:00:00.000+00:00";

Verdict Judge(const Phase70Input& input) {
  return AnalyzePhase70(input, kNow).verdict;
}

LegEvidence& FirstLeg(Phase70Input& input, TierMode tier, int nth = 0) {
  for (Phase70Leg& leg : input.legs) {
    if (leg.evidence.tier == tier && nth-- == 0) return leg.evidence;
  }
  throw DataError("no such leg");
}

TEST(Phase70, EightGoodPairsAreGradeB) {
  const Phase70Analysis a = AnalyzePhase70(MakeExperiment(8), kNow);
  const Verdict& v = a.verdict;
  EXPECT_TRUE(v.run_valid) << FindingsText(v.findings);
  EXPECT_TRUE(v.decision_grade);
  EXPECT_EQ(v.grade, Grade::kB);
  EXPECT_EQ(v.effect.word, EffectWord::kBetter);
  EXPECT_NEAR(LogRatioToPct(v.effect.hl->estimate), -40, 2);
  EXPECT_THAT(v.reason_codes, ElementsAre("FILTER_DISABLED"));
  EXPECT_EQ(v.ExitCode(), 0);
  EXPECT_EQ(v.pairs_complete, 8);
  EXPECT_TRUE(v.b1_off && v.answers_equal && v.witnesses_agree && v.ssd_rehydrate_signal_present);
  EXPECT_EQ(v.answers_mismatched, 0u);
  EXPECT_EQ(v.mechanism_details.size(), 8u);
  EXPECT_NEAR(*v.arm_a.ttfc_p50_ms, 100, 3);
  EXPECT_NEAR(*v.arm_b.ttfc_p50_ms, 60, 3);
  EXPECT_EQ(a.rows.size(), 16u);
  EXPECT_EQ(a.deltas.size(), 8u);
  EXPECT_THAT(a.errors, IsEmpty());
  EXPECT_EQ(a.rollups.at("delta_onboard_blocks").n, 8);
  EXPECT_DOUBLE_EQ(*a.rollups.at("delta_onboard_blocks").mean, 1020);
  EXPECT_EQ(v.effect.secondary.size(), 4u);  // p99 needs 299 requests a leg
}

TEST(Phase70, GradesByNumberOfPairs) {
  struct Row {
    int pairs;
    Grade grade;
    bool decision;
    std::vector<std::string> extra;
  };
  for (const Row& row :
       std::vector<Row>{{12, Grade::kA, true, {}},
                        {10, Grade::kB, true, {}},
                        {9, Grade::kC, true, {"ODD_PAIR_COUNT"}},
                        {7, Grade::kC, true, {"ODD_PAIR_COUNT"}},
                        {6, Grade::kC, true, {}},
                        {5, Grade::kC, false, {"TOO_FEW_PAIRS", "ORDER_EFFECT_INSUFFICIENT_PAIRS"}},
                        {1, Grade::kC, false, {"TOO_FEW_PAIRS"}}}) {
    const Verdict v = Judge(MakeExperiment(row.pairs));
    EXPECT_TRUE(v.run_valid) << row.pairs << "\n" << FindingsText(v.findings);
    EXPECT_EQ(v.grade, row.grade) << row.pairs << "\n" << FindingsText(v.findings);
    EXPECT_EQ(v.decision_grade, row.decision) << row.pairs;
    EXPECT_EQ(v.ExitCode(), row.decision ? 0 : 1);
    for (const std::string& code : row.extra)
      EXPECT_THAT(v.reason_codes, Contains(code)) << row.pairs;
  }
}

TEST(Phase70, GradeANeedsANarrowInterval) {
  EXPECT_EQ(Judge(MakeExperiment(12, 0.6, 0.01)).grade, Grade::kA);
  EXPECT_EQ(Judge(MakeExperiment(12, 0.6, 0.20)).grade, Grade::kB);  // half-width about 13 %
}

/// One planted fault and what the verdict must make of it.
struct Case {
  std::string name;
  std::function<void(Phase70Input&)> plant;
  std::string code;
  bool run_valid;
  bool decision_grade;
};

TEST(Phase70, OneLieIsEnough) {
  const auto b1 = [](Phase70Input& in) -> LegEvidence& { return FirstLeg(in, TierMode::kB1, 3); };
  const auto b2 = [](Phase70Input& in) -> LegEvidence& { return FirstLeg(in, TierMode::kB2, 3); };
  const std::vector<Case> cases{
      {"host-only onboarding in one B2 leg of six",
       [&](auto& in) {
         Replay(b2(in)).tiers.onboard_g3_to_g1_blocks = std::uint64_t{0};
         Replay(b2(in)).tiers.onboard_g2_to_g1_blocks = std::uint64_t{18};
       },
       "REHYDRATE_SIGNAL_ABSENT_WRITE_ONLY", true, false},
      {"no SSD traffic at all in one B2 leg",
       [&](auto& in) {
         for (auto& p : b2(in).phases) {
           p.tiers.onboard_g3_to_g1_blocks = p.tiers.offload_g2_to_g3_blocks = std::uint64_t{0};
           p.io.process_read = p.io.process_write = Bytes{0};
         }
       },
       "GATE_NO_SSD_MECHANISM_SIGNAL", true, false},
      {"disk tier on in one B1 leg", [&](auto& in) { b1(in).worker.disk_cache_gb = 32.0; },
       "B1_DISK_TIER_NOT_DISABLED", true, false},
      {"counter without I/O", [&](auto& in) { Replay(b2(in)).io.process_read = Bytes{0}; },
       "COUNTER_WITHOUT_IO", false, false},
      {"background I/O", [&](auto& in) { Replay(b2(in)).io.process_read = 900_MiB; },
       "IO_WITHOUT_COUNTER", true, false},
      {"stale KV", [&](auto& in) { b2(in).records[120].text = "stale"; }, "ANSWER_MISMATCH", false,
       false},
      {"metrics gone", [&](auto& in) { Replay(b2(in)).tiers = TierTraffic(); },
       "METRICS_UNAVAILABLE", true, false},
      {"half of the requests failed",
       [&](auto& in) {
         for (std::size_t i = 0; i < 144; i += 2) b1(in).records[i].outcome = Outcome::kHttpError;
       },
       "RUN_ERRORS_PRESENT", false, false},
      {"one failed request", [&](auto& in) { b1(in).records[70].outcome = Outcome::kTimeout; },
       "REQUEST_ERRORS", true, false},
      {"worker killed",
       [&](auto& in) {
         b2(in).run_valid = false;
         b2(in).invalid_reason = "worker_lost";
       },
       "WORKER_LOST", false, false},
      {"arms of different length",
       [&](auto& in) { b2(in).records[70].usage->completion_tokens = 5; }, "OUTPUT_LENGTH_MISMATCH",
       true, false},
      {"client saturated", [&](auto& in) { Replay(b1(in)).client.saturated = true; },
       "CLIENT_SATURATED", false, false},
      {"not cold", [&](auto& in) { b2(in).worker.cold_at_start = false; }, "COLD_START_NOT_PROVEN",
       true, false},
      {"preflight skipped",
       [](auto& in) { in.preflight.state = PreflightOutcome::State::kSkipped; },
       "PREFLIGHT_SKIPPED", true, false},
      {"preflight not recorded",
       [](auto& in) { in.preflight.state = PreflightOutcome::State::kNotRun; }, "PREFLIGHT_SKIPPED",
       true, false},
      {"preflight with missing counters",
       [](auto& in) {
         in.preflight = {PreflightOutcome::State::kPassedNotDecisionGrade,
                         {"PREFLIGHT_METRICS_MISSING_COUNTERS"},
                         "no hit rates"};
       },
       "PREFLIGHT_METRICS_MISSING_COUNTERS", true, false},
      {"gate disabled", [](auto& in) { in.setup.disable_mechanism_gate = true; }, "GATE_DISABLED",
       true, false},
      {"attribution asked for", [](auto& in) { in.setup.io_attrib_expected = true; },
       "IO_ATTRIB_MISSING", true, false},
      {"a leg never ran", [](auto& in) { in.legs.pop_back(); }, "RUN_INCOMPLETE", false, false},
      {"the runner refused",
       [](auto& in) {
         in.runner_findings.push_back(MakeFinding(Reason::kPressureInsufficient, "", "", "x"));
       },
       "PRESSURE_INSUFFICIENT", false, false},
  };
  for (const Case& c : cases) {
    Phase70Input input = MakeExperiment(6);
    c.plant(input);
    const Verdict v = Judge(input);
    EXPECT_THAT(v.reason_codes, Contains(c.code)) << c.name;
    EXPECT_EQ(v.run_valid, c.run_valid) << c.name << "\n" << FindingsText(v.findings);
    EXPECT_EQ(v.decision_grade, c.decision_grade) << c.name;
    EXPECT_EQ(v.grade, c.run_valid ? Grade::kC : Grade::kX) << c.name;
    EXPECT_EQ(v.ExitCode(), 1) << c.name;
  }
}

TEST(Phase70, InvalidLegCountsInNoDelta) {
  Phase70Input input = MakeExperiment(8);
  LegEvidence& bad = FirstLeg(input, TierMode::kB2, 2);
  bad.run_valid = false;  // it has every figure, and still none of them counts
  const Phase70Analysis a = AnalyzePhase70(input, kNow);
  EXPECT_EQ(a.verdict.pairs_complete, 7);
  EXPECT_EQ(a.verdict.pairs_planned, 8);
  EXPECT_EQ(a.verdict.effect.pairs_used, 7);
  EXPECT_EQ(a.rollups.at("delta_replay_ttfc_p95_ms").n, 7);
  EXPECT_EQ(a.verdict.arm_b.legs, 7);
  int invalid = 0;
  for (const PairRow& row : a.rows) invalid += row.status == "invalid" ? 1 : 0;
  EXPECT_EQ(invalid, 1);
  int empty = 0;
  for (const PairDelta& d : a.deltas) empty += d.delta_replay_ttfc_p95_ms ? 0 : 1;
  EXPECT_EQ(empty, 1);
  EXPECT_THAT(a.errors, Not(IsEmpty()));
}

TEST(Phase70, WriteOnlyIsNeverDecisionGradeUnlessTheKnobSaysSo) {
  Phase70Input input = MakeExperiment(8);
  for (Phase70Leg& leg : input.legs) {
    if (leg.evidence.tier != TierMode::kB2) continue;
    Replay(leg.evidence).tiers.onboard_g3_to_g1_blocks = std::uint64_t{0};
    Replay(leg.evidence).io.process_read = Bytes{0};
  }
  EXPECT_FALSE(Judge(input).decision_grade);
  input.setup.gates.require_rehydrate = false;
  input.setup.declared_sha256 = DeclarationSha256(input.setup);
  const Verdict v = Judge(input);
  EXPECT_TRUE(v.decision_grade) << FindingsText(v.findings);
  EXPECT_THAT(v.reason_codes, Contains("REHYDRATE_SIGNAL_ABSENT_WRITE_ONLY"));
}

TEST(Phase70, OrderEffectLowersTheGradeNotTheDecision) {
  const Verdict v = Judge(MakeExperiment(12, 0.6, 0.01, 3, 1.10));
  EXPECT_TRUE(v.order_effect_suspect);
  EXPECT_TRUE(v.decision_grade) << FindingsText(v.findings);
  EXPECT_EQ(v.grade, Grade::kB);  // A without it
  EXPECT_THAT(v.reason_codes, Contains("ORDER_EFFECT_SUSPECT"));
  EXPECT_NEAR(LogRatioToPct(v.effect.treatment->estimate), -40,
              1.5);  // the balanced estimate is not moved by it
  EXPECT_NEAR(LogRatioToPct(v.effect.period->estimate), 10, 1.5);
  EXPECT_EQ(Judge(MakeExperiment(8, 0.6, 0.01, 3, 1.10)).grade, Grade::kC);
}

TEST(Phase70, NoOrderEffectIsRarelySuspected) {
  int suspect = 0;
  constexpr int kSeeds = 40;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    suspect += Judge(MakeExperiment(6, 1.0, 0.03, seed)).order_effect_suspect ? 1 : 0;
  }
  EXPECT_LE(suspect, 5);  // 2 expected; the predecessor's rule would have fired in 12
}

TEST(Phase70, SameAgainstSameIsNoEffect) {
  int called = 0;
  for (std::uint64_t seed = 1; seed <= 25; ++seed) {
    const EffectWord word = Judge(MakeExperiment(8, 1.0, 0.02, seed)).effect.word;
    called += word == EffectWord::kBetter || word == EffectWord::kWorse ? 1 : 0;
  }
  EXPECT_LE(called, 1);
}

TEST(Phase70, SoftFailsAreToleratedInAQuarterOfTheLegs) {
  const auto noisy = [](std::size_t legs) {
    Phase70Input input = MakeExperiment(8);
    for (std::size_t i = 0; i < legs; ++i)
      input.legs[i].evidence.phases[0].drain = {false, 30, "still moving"};
    return Judge(input);
  };
  EXPECT_EQ(noisy(4).grade, Grade::kB);
  const Verdict v = noisy(5);
  EXPECT_EQ(v.grade, Grade::kC);
  EXPECT_TRUE(v.decision_grade);
  EXPECT_THAT(v.reason_codes, Contains("NOISY_LEGS"));
  EXPECT_EQ(v.soft_fail_legs, 5);
}

TEST(Phase70, NoiseCapsTheGradeAndInvalidatesNothing) {
  const auto noisy = [](std::size_t legs) {
    Phase70Input input = MakeExperiment(8);
    for (std::size_t i = 0; i < legs; ++i) {
      // Three guards in two phases are still one leg.
      for (PhaseEvidence& phase : input.legs[i].evidence.phases) {
        HostWindow w = test::QuietWindow();
        w.other_read = 150_MiB;  // less than the stack itself
        w.cpu_other_ratio = 0.4;
        w.cpu_steal_ratio = 0.2;
        phase.host.during = w;
      }
    }
    return Judge(input);
  };
  EXPECT_EQ(noisy(4).grade, Grade::kB);
  const Verdict v = noisy(5);
  EXPECT_EQ(v.soft_fail_legs, 5);
  EXPECT_EQ(v.grade, Grade::kC);
  EXPECT_TRUE(v.run_valid && v.decision_grade);
  EXPECT_THAT(v.reason_codes, ElementsAre("FILTER_DISABLED", "NOISE_BACKGROUND_CPU",
                                          "NOISE_BACKGROUND_IO", "NOISE_CPU_STEAL", "NOISY_LEGS"));
}

TEST(Phase70, ABundleWithoutTelemetryIsAtMostC) {
  Phase70Input input = MakeExperiment(8);
  for (Phase70Leg& leg : input.legs) {
    for (PhaseEvidence& phase : leg.evidence.phases) phase.host = HostEvidence();
  }
  const Verdict v = Judge(input);
  EXPECT_EQ(v.grade, Grade::kC);
  EXPECT_TRUE(v.decision_grade);
  EXPECT_THAT(v.reason_codes, ElementsAre("FILTER_DISABLED", "NOISY_LEGS", "TELEMETRY_OFF"));
}

TEST(Phase70, AttributionIsNeededInEveryLegWhereItIsExpected) {
  Phase70Input input = MakeExperiment(8);
  input.setup.io_attrib_expected = true;
  input.setup.declared_sha256 = DeclarationSha256(input.setup);
  for (Phase70Leg& leg : input.legs)
    leg.evidence.io_attribution = test::MakeAttribution(leg.evidence);
  Phase70Analysis a = AnalyzePhase70(input, kNow);
  EXPECT_TRUE(a.verdict.io_attrib_ok && a.verdict.decision_grade)
      << FindingsText(a.verdict.findings);
  for (const PairRow& row : a.rows) {
    EXPECT_TRUE(row.io_attrib_checked);
    EXPECT_EQ(row.io_attrib_pass, true);
    EXPECT_EQ(row.io_attrib_checker_rc, 0);
    EXPECT_EQ(row.pid_warn, false);
    EXPECT_EQ(row.process_evidence_method, row.mode == TierMode::kB2 ? "pid" : "none");
    EXPECT_EQ(row.io_attrib_verdict_path, row.run_path + "/io/io_attrib_verdict.json");
    EXPECT_EQ(row.primary_nvme_model, "Model A");
    EXPECT_EQ(row.primary_nvme_fw, "F1");
  }

  // A contradiction has its own code, and the leg does not pass.
  LegEvidence& lying = FirstLeg(input, TierMode::kB2, 2);
  lying.io_attribution->phases[2].process_read = Bytes{0};
  a = AnalyzePhase70(input, kNow);
  EXPECT_FALSE(a.verdict.io_attrib_ok);
  EXPECT_THAT(a.verdict.reason_codes,
              ::testing::IsSupersetOf({"PAGE_CACHE_READS", "IO_ATTRIB_MISSING"}));
  EXPECT_EQ(std::count_if(a.rows.begin(), a.rows.end(),
                          [](const PairRow& r) { return r.io_attrib_checker_rc == 2; }),
            1);

  lying.io_attribution.reset();
  a = AnalyzePhase70(input, kNow);
  EXPECT_FALSE(a.verdict.io_attrib_ok || a.verdict.decision_grade);
  EXPECT_THAT(a.verdict.reason_codes, ElementsAre("FILTER_DISABLED", "IO_ATTRIB_MISSING"));
  EXPECT_THAT(FindingsText(a.verdict.findings),
              HasSubstr("IO_ATTRIB_MISSING [" + lying.run_id + " replay]: io_report_present"));

  // B0 has no KV I/O to attribute; an experiment without another mode has shown nothing.
  Phase70Input only_b0;
  only_b0.setup.io_attrib_expected = true;
  EXPECT_FALSE(Judge(only_b0).io_attrib_ok);
}

TEST(Phase70, AnotherDiskInOneLegIsSaid) {
  Phase70Input input = MakeExperiment(8);
  input.legs[0].evidence.storage.identity = StorageIdentity();  // the next leg is the measure
  input.legs[3].evidence.storage.identity.serial = "S2";
  const Verdict v = Judge(input);
  EXPECT_THAT(v.reason_codes,
              ElementsAre("FILTER_DISABLED", "STORAGE_CHANGED", "STORAGE_EVIDENCE_MISSING"));
  EXPECT_EQ(v.soft_fail_legs, 1);
  EXPECT_EQ(v.grade, Grade::kB);
}

TEST(Phase70, TooFewRequestsRefuseTheWordOnly) {
  Phase70Input input = MakeExperiment(8);
  for (Phase70Leg& leg : input.legs) {
    leg.evidence.records.resize(84 + 32);
    Replay(leg.evidence).planned_requests = 32;
  }
  const Verdict v = Judge(input);
  EXPECT_EQ(v.effect.word, EffectWord::kInconclusive);
  EXPECT_THAT(v.reason_codes, Contains("QUANTILE_NOT_RESOLVABLE"));
  EXPECT_TRUE(v.decision_grade) << FindingsText(v.findings);
}

TEST(Phase70, LegacyArtifactsAreAtMostC) {
  Phase70Input input = MakeExperiment(12);
  input.legacy = true;
  EXPECT_EQ(Judge(input).grade, Grade::kC);
}

TEST(Phase70, AVerdictExistsForEveryEnd) {
  Phase70Input failed;
  failed.setup.planned_pairs = 8;
  failed.preflight = {
      PreflightOutcome::State::kFailed, {"PREFLIGHT_NO_MODELS"}, "no model after 25 s"};
  const Verdict v = Judge(failed);
  EXPECT_FALSE(v.run_valid);
  EXPECT_EQ(v.grade, Grade::kX);
  EXPECT_EQ(v.ExitCode(), 2);
  EXPECT_THAT(v.reason_codes, ElementsAre("NO_EFFECT_COMPUTED", "ORDER_EFFECT_INSUFFICIENT_PAIRS",
                                          "PREFLIGHT_NO_MODELS", "RUN_INCOMPLETE"));
  EXPECT_FALSE(v.effect.Computed());

  failed.preflight.reason_codes = {"PREFLIGHT_OF_ANOTHER_VERSION"};
  EXPECT_THAT(Judge(failed).reason_codes, Contains("RUN_ERRORS_PRESENT"));

  const Verdict nothing = Judge(Phase70Input());
  EXPECT_EQ(nothing.ExitCode(), 2);
  EXPECT_THAT(nothing.reason_codes, Contains("RUN_INCOMPLETE"));

  Phase70Input killed = MakeExperiment(8);
  killed.legs.resize(3);
  killed.legs[2].evidence = LegEvidence();
  killed.legs[2].evidence.run_id = "killed";
  killed.legs[2].evidence.tier = TierMode::kB2;
  const Verdict k = Judge(killed);
  EXPECT_EQ(k.ExitCode(), 1);
  EXPECT_EQ(k.pairs_complete, 1);
  EXPECT_THAT(k.reason_codes, Contains("RUN_INCOMPLETE"));
}

TEST(Phase70, EarlyGateRecordIsTheDocumentedOne) {
  MechanismGateRecord g = JudgeEarlyGate(MakeLeg(TierMode::kB2, 50, "run_b2"));
  EXPECT_TRUE(g.pass);
  EXPECT_TRUE(g.hard_signal && g.matched_signal);
  LegEvidence leg = MakeLeg(TierMode::kB2, 50, "run_b2");
  Replay(leg).tiers.onboard_g3_to_g1_blocks = std::uint64_t{0};
  Replay(leg).tiers.offload_g2_to_g3_blocks = std::uint64_t{40};
  g = JudgeEarlyGate(leg);
  EXPECT_FALSE(g.pass);  // writing during replay passed the predecessor's gate
  EXPECT_THAT(g.reason_codes, ElementsAre("REHYDRATE_SIGNAL_ABSENT_WRITE_ONLY"));
  const nlohmann::json j = g;
  EXPECT_EQ(j.at("signals").at("kvbm_offload_blocks_h2d_delta"), 40);
  EXPECT_EQ(j.at("thresholds").at("min_disk_hit_rate"), 0.01);
  EXPECT_EQ(nlohmann::json(j.get<MechanismGateRecord>()), j);
}

TEST(Phase70, ArtifactsReadBackAsTheyWereWritten) {
  Phase70Input input = MakeExperiment(8);
  FirstLeg(input, TierMode::kB1).worker.disk_cache_gb = 32.0;
  Phase70Analysis a = AnalyzePhase70(input, kNow);
  a.verdict.artifacts["manifest"] = {"results/manifest.json", true};
  const nlohmann::json verdict = a.verdict;
  EXPECT_EQ(nlohmann::json(verdict.get<Verdict>()), verdict);
  const nlohmann::json order = a.order_check;
  EXPECT_EQ(nlohmann::json(order.get<OrderCheck>()), order);
  for (const PairRow& row : a.rows)
    EXPECT_EQ(nlohmann::json(nlohmann::json(row).get<PairRow>()), nlohmann::json(row));
  for (const PairDelta& d : a.deltas)
    EXPECT_EQ(nlohmann::json(nlohmann::json(d).get<PairDelta>()), nlohmann::json(d));
  const nlohmann::json summary =
      SummaryJson(a, input.setup, {{"pair_count", 8}}, {{"manifest", "m.json"}});
  EXPECT_EQ(summary.at("run_count"), 16);
  EXPECT_EQ(summary.at("delta_rollups").size(), 7u);

  // An empty verdict, too: that is the one of a failed preflight.
  const nlohmann::json nothing = Judge(Phase70Input());
  EXPECT_EQ(nlohmann::json(nothing.get<Verdict>()), nothing);
  nlohmann::json broken = verdict;
  broken["checks"].erase("b1_off");
  EXPECT_THROW(broken.get<Verdict>(), DataError);
}

TEST(Phase70, TheVerdictFileKeepsTheIntervalsOfPeriodAndCarryOver) {
  const Verdict v = Judge(MakeExperiment(8, 0.6, 0.01, 1, 1.1));
  ASSERT_TRUE(v.effect.period && v.effect.carry_over);
  nlohmann::json file = v;
  const Effect kept = file.get<Verdict>().effect;
  for (const auto& [was, is] :
       {std::pair{v.effect.period, kept.period}, {v.effect.carry_over, kept.carry_over}}) {
    ASSERT_TRUE(is);
    EXPECT_EQ(is->se, was->se);
    EXPECT_EQ(is->df, 6) << "8 pairs in two orders";
    const Reading<Interval> interval = KeptInterval(*is);
    ASSERT_TRUE(interval.available());
    EXPECT_EQ(interval->low, was->interval.low);
    EXPECT_EQ(interval->high, was->interval.high);
  }

  file["effect_details"].erase("period");  // as earlier versions wrote it
  file["effect_details"].erase("carry_over");
  const Effect older = file.get<Verdict>().effect;
  ASSERT_TRUE(older.period);
  EXPECT_EQ(older.period->estimate, v.effect.period->estimate);
  EXPECT_THAT(KeptInterval(*older.period).reason(), HasSubstr("earlier version"));
  EXPECT_FALSE(older.carry_over);
  file["effect_details"]["period"] = {{"estimate", 1}};
  EXPECT_THROW(file.get<Verdict>(), DataError);
}

TEST(Phase70, VerdictHasTheDocumentedKeys) {
  const nlohmann::json v = Judge(MakeExperiment(8));
  for (const char* key : {"created_utc", "run_valid", "decision_grade", "reason_codes", "meta",
                          "checks", "artifacts"}) {
    EXPECT_TRUE(v.contains(key)) << key;
  }
  for (const char* key :
       {"artifacts_present", "order_effect_suspect", "order_effect_insufficient_pairs",
        "min_order_effect_pairs", "io_attrib_expected", "io_attrib_ok", "io_replay_reads_available",
        "ssd_write_signal_present", "ssd_rehydrate_signal_present", "ssd_reuse_signal_present",
        "decision_grade_require_rehydrate", "is_rehydrate_workload", "mechanism_signal_present",
        "mechanism_details", "summary_rows", "summary_errors_count"}) {
    EXPECT_TRUE(v.at("checks").contains(key)) << key;
  }
  EXPECT_EQ(v.at("checks").at("summary_rows"), 16);
  EXPECT_EQ(v.at("meta").at("modes").at("mode_b"), "B2");
}

}  // namespace
}  // namespace kvtier
