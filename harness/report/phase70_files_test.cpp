#include "harness/report/phase70_files.hpp"

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/core/error.hpp"
#include "harness/report/golden.hpp"
#include "harness/report/phase70_report.hpp"
#include "harness/report/sample_leg.hpp"
#include "harness/report/schema_check.hpp"

namespace kvtier {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr const char* kTs = "20261122T014510Z";

Phase70Manifest Manifest() {
  Phase70Manifest m;
  m.created_utc = kTs;
  m.setup.ts = kTs;
  m.setup.planned_pairs = 2;
  m.setup.replay_concurrency = 4;
  m.setup.order_seed = "20260212";
  m.model_profile = "reference";
  m.stack_label = "reference stack (preset nano)";
  m.mechanism_mode = true;
  m.block_bytes = 8192;
  m.block_tokens = 32;
  m.schedule = {LegOrder::kAB, LegOrder::kBA};
  m.settings = {{"phase70.pairs", "2", "BENCH_PHASE70_PAIRS"}};
  return m;
}

// Two pairs of sample legs in the places of the schedule, as bundles below `root`.
Phase70Manifest WriteLegs(const Phase70Paths& paths) {
  Phase70Manifest m = Manifest();
  for (int pair = 1; pair <= 2; ++pair) {
    for (int place = 1; place <= 2; ++place) {
      const bool first_is_a = pair == 1;
      const TierMode mode = (place == 1) == first_is_a ? TierMode::kB1 : TierMode::kB2;
      LegEvidence leg = sample::Leg(mode);
      leg.run_id = paths.RunId(mode, pair, place);
      const auto dir = paths.RunDir(mode, pair, place);
      RunBundleWriter writer(dir);
      sample::WriteUpToTheEnd(writer, leg);
      writer.Close(leg);
      WashoutEvidence washout;
      washout.after_run_id = pair == 1 && place == 1 ? "" : "the leg before";
      washout.caches_dropped = Reading<bool>::Unavailable("not asked for");
      washout.workers = {"40@100"};
      washout.fresh_worker = true;
      WriteWashout(dir, washout);
      m.runs.push_back({.pair_id = pair,
                        .pair_order = OrderLabel(m.schedule[static_cast<std::size_t>(pair - 1)],
                                                 TierMode::kB1, TierMode::kB2),
                        .pair_leg = place,
                        .mode = mode,
                        .bundle_id = paths.BundleId(mode, pair, place),
                        .run_id = leg.run_id,
                        .run_dir = fs::relative(dir, paths.root).string(),
                        .log_path = "",
                        .started_utc = "2026-11-22T01:45:10.000+00:00",
                        .completed_utc = "2026-11-22T01:45:20.000+00:00"});
    }
  }
  return m;
}

TEST(Phase70Paths, AreTheDocumentedNames) {
  const Phase70Paths p{"results", kTs};
  EXPECT_EQ(p.Verdict(), "results/phase70_rehydrate_pair_repeats_verdict_20261122T014510Z.json");
  EXPECT_EQ(p.SummaryCsv(), "results/phase70_rehydrate_pair_repeats_summary_20261122T014510Z.csv");
  EXPECT_EQ(p.DeltasCsv(), "results/phase70_rehydrate_pair_repeats_deltas_20261122T014510Z.csv");
  EXPECT_EQ(
      p.RunDir(TierMode::kB2, 3, 2),
      "results/phase70_rehydrate_pair_B2_p03_l2_20261122T014510Z/run_B2_p03_l2_20261122T014510Z");
}

TEST(Phase70Files, TheManifestComesBackWhole) {
  const Phase70Paths paths{sample::Scratch("p70_manifest"), kTs};
  Phase70Manifest m = Manifest();
  m.setup.order_strategy = OrderStrategy::kAlternating;
  m.setup.effect.margin_pct = 3;
  m.setup.gates.require_matched = true;
  m.runs.push_back({.pair_id = 1,
                    .pair_order = "B1_B2",
                    .pair_leg = 2,
                    .mode = TierMode::kB2,
                    .bundle_id = "b",
                    .run_id = "r",
                    .run_dir = "b/r",
                    .log_path = "l",
                    .started_utc = "s",
                    .completed_utc = "c",
                    .io_attrib_checked = true,
                    .io_attrib_checker_rc = 2});
  m.failed_attempts = {{"b/r.attempt1", "worker lost"}};
  WritePhase70Manifest(paths, m);
  EXPECT_EQ(json(LoadPhase70Manifest(paths)), json(m));
  EXPECT_NE(m.FindRun(1, 2), nullptr);
  EXPECT_EQ(m.FindRun(2, 1), nullptr);
  EXPECT_THAT(CheckFile(paths.Manifest(),
                        fs::path(KVTIER_SOURCE_DIR) / "docs/schemas/phase70_manifest.schema.json"),
              IsEmpty());
}

TEST(Phase70Files, AnOrderThatIsNoneIsRefusedByFile) {
  const Phase70Paths paths{sample::Scratch("p70_order"), kTs};
  json j = Manifest();
  j["meta"]["schedule"][0] = "B2_B0";
  WriteJsonAtomic(paths.Manifest(), j);
  try {
    LoadPhase70Manifest(paths);
    FAIL();
  } catch (const DataError& e) {
    EXPECT_THAT(e.what(), HasSubstr(paths.Manifest().string()));
    EXPECT_THAT(e.what(), HasSubstr("B2_B0"));
  }
}

TEST(Phase70Files, AnAnalysisIsWrittenReadBackAndHoldsTheSchemas) {
  const Phase70Paths paths{sample::Scratch("p70_whole"), kTs};
  const Phase70Manifest m = WriteLegs(paths);
  WritePhase70Manifest(paths, m);
  WritePhase70Current(
      paths.root,
      {.ts = kTs, .state = "running", .pid = 1, .updated_utc = "", .verdict = "", .reason = ""});
  Phase70Input input;
  input.setup = m.setup;
  input.preflight.state = PreflightOutcome::State::kPassed;
  input.legs = LoadPhase70Legs(paths, m);
  ASSERT_EQ(input.legs.size(), 4U);
  EXPECT_EQ(input.legs[2].order, LegOrder::kBA);
  ASSERT_TRUE(input.legs[2].washout.has_value());
  EXPECT_EQ(input.legs[2].washout->after_run_id, "the leg before");
  EXPECT_TRUE(*input.legs[2].washout->cold_at_start) << "taken from the leg itself";
  Phase70Analysis analysis = AnalyzePhase70(input, "2026-11-22T01:50:00.000+00:00");
  WritePhase70Analysis(paths, m, analysis);
  MechanismGateRecord gate = JudgeEarlyGate(input.legs[1].evidence);
  WritePhase70Gate(paths, gate);
  EXPECT_EQ(LoadPhase70Gate(paths).run_id, gate.run_id);

  EXPECT_THAT(CheckBundle(paths.root, fs::path(KVTIER_SOURCE_DIR) / "docs/schemas"), IsEmpty());
  const Verdict back = LoadPhase70Verdict(paths.Verdict());
  EXPECT_EQ(json(back), json(analysis.verdict));
  EXPECT_TRUE(back.artifacts.at("summary_csv").exists);
  EXPECT_FALSE(back.decision_grade) << "two pairs are too few";
  EXPECT_TRUE(fs::exists(paths.Report()));
  EXPECT_THAT(ReadFile(paths.SummaryCsv()),
              HasSubstr("\r\n1,B1_B2,1,B1,4,run_B1_p01_l1_20261122T014510Z,"));
}

TEST(Phase70Files, ThreeArmsAndAModeAgainstItselfComeBackWhole) {
  const auto schema = fs::path(KVTIER_SOURCE_DIR) / "docs/schemas/phase70_manifest.schema.json";
  const Phase70Paths paths{sample::Scratch("p70_three"), kTs};
  Phase70Manifest m = Manifest();
  m.setup.mode_c = TierMode::kB0;
  m.schedule.clear();
  m.sequences = {{2, 0, 1}, {1, 0, 2}};
  m.setup.declared_sha256 = DeclarationSha256(m.setup);
  WritePhase70Manifest(paths, m);
  const Phase70Manifest back = LoadPhase70Manifest(paths);
  EXPECT_EQ(json(back), json(m));
  EXPECT_EQ(back.sequences, m.sequences);
  EXPECT_EQ(json(m).at("meta").at("schedule")[0], "B0_B1_B2");
  EXPECT_THAT(CheckFile(paths.Manifest(), schema), IsEmpty());

  m = Manifest();
  m.setup.mode_a = m.setup.mode_b = TierMode::kB2;
  WritePhase70Manifest(paths, m);
  EXPECT_EQ(json(m).at("meta").at("schedule")[0], "A_A'");
  EXPECT_EQ(LoadPhase70Manifest(paths).schedule, m.schedule);
  EXPECT_THAT(CheckFile(paths.Manifest(), schema), IsEmpty());
}

TEST(Phase70Files, TheFilterProtocolIsDeclaredAndComesBackWithWhatProvesIt) {
  const Phase70Paths paths{sample::Scratch("p70_filter"), kTs};
  Phase70Manifest m = WriteLegs(paths);
  const std::string before = DeclarationSha256(m.setup);
  m.setup.gates.filter_protocol = FilterProtocol::kProduction;
  m.setup.declared_sha256 = DeclarationSha256(m.setup);
  EXPECT_NE(m.setup.declared_sha256, before) << "the protocol is part of what is declared";
  WritePhase70Manifest(paths, m);
  const Phase70Manifest back = LoadPhase70Manifest(paths);
  EXPECT_EQ(back.setup.gates.filter_protocol, FilterProtocol::kProduction);
  EXPECT_EQ(back.setup.declared_sha256, m.setup.declared_sha256);
  EXPECT_EQ(json(m).at("meta").at("declaration").at("filter_protocol"), "production");

  Phase70Input input;
  input.setup = back.setup;
  input.legs = LoadPhase70Legs(paths, back);
  Phase70Analysis analysis = AnalyzePhase70(input, "2026-11-22T01:50:00.000+00:00");
  WritePhase70Analysis(paths, back, analysis);
  EXPECT_THAT(CheckBundle(paths.root, fs::path(KVTIER_SOURCE_DIR) / "docs/schemas"), IsEmpty());
  const Verdict verdict = LoadPhase70Verdict(paths.Verdict());
  EXPECT_EQ(json(verdict), json(analysis.verdict));
  EXPECT_EQ(verdict.filter.legs.size(), 2U) << "one a B2 leg";
  EXPECT_FALSE(verdict.filter.proven) << "the sample ran with the filter off, in two phases";
  EXPECT_TRUE(Has(verdict.findings, Reason::kFilterStateContradicted));
  EXPECT_THAT(ReadFile(paths.Report()),
              HasSubstr("production mode (filter on, three visits), NOT PROVEN"));

  json planted = ReadJson(paths.Manifest());
  planted["meta"]["filter_protocol"] = "off";
  WriteJsonAtomic(paths.Manifest(), planted);
  EXPECT_THROW(LoadPhase70Manifest(paths), DataError);
}

TEST(Phase70Files, AManifestThatWasEditedAfterwardsIsNotTheDeclaration) {
  const Phase70Paths paths{sample::Scratch("p70_declared"), kTs};
  Phase70Manifest m = Manifest();
  m.setup.declared_sha256 = DeclarationSha256(m.setup);
  const json declared = m;
  const auto unchanged = [&](const json& edited) {
    WriteJsonAtomic(paths.Manifest(), edited);
    const Phase70Setup setup = LoadPhase70Manifest(paths).setup;
    return setup.declared_sha256 == DeclarationSha256(setup);
  };
  EXPECT_TRUE(unchanged(declared));
  json edited = declared;
  edited["meta"]["effect"]["margin_pct"] = 50;
  EXPECT_FALSE(unchanged(edited)) << "the settings";
  edited = declared;
  edited["meta"]["declaration"]["margin_pct"] = 50;
  EXPECT_FALSE(unchanged(edited)) << "the declaration beside them";
  edited["meta"]["effect"]["margin_pct"] = 50;
  EXPECT_FALSE(unchanged(edited)) << "both";
  edited = declared;
  edited["meta"].erase("declaration_sha256");
  EXPECT_FALSE(unchanged(edited)) << "the hash itself";
  edited = declared;
  edited["runs"] = json::array();
  edited["meta"]["notes"] = {"something happened"};
  EXPECT_TRUE(unchanged(edited)) << "what happens while it runs is no declaration";
}

TEST(Phase70Files, LegsAreFoundAfterTheRootMoved) {
  const fs::path base = sample::Scratch("p70_moved");
  const Phase70Paths before{base / "a", kTs};
  Phase70Manifest m = WriteLegs(before);
  for (auto& r : m.runs) r.run_dir = "/elsewhere/" + r.run_dir;
  fs::rename(base / "a", base / "b");
  EXPECT_EQ(LoadPhase70Legs({base / "b", kTs}, m).size(), 4U);
}

TEST(Phase70Files, ThePreflightSaysHowItEnded) {
  const Phase70Paths paths{sample::Scratch("p70_preflight"), kTs};
  using State = PreflightOutcome::State;
  EXPECT_EQ(LoadPhase70Preflight(paths).state, State::kNotRun);
  const auto state_of = [&](const json& j) {
    WritePhase70Preflight(paths, j);
    return LoadPhase70Preflight(paths).state;
  };
  EXPECT_EQ(state_of({{"ok", true}, {"decision_grade", true}, {"reason_codes", json::array()}}),
            State::kPassed);
  EXPECT_EQ(state_of({{"ok", true},
                      {"decision_grade", false},
                      {"reason_codes", {"PREFLIGHT_METRICS_UNAVAILABLE"}}}),
            State::kPassedNotDecisionGrade);
  EXPECT_EQ(state_of({{"ok", false},
                      {"decision_grade", false},
                      {"reason_codes", {"PREFLIGHT_NO_MODELS"}},
                      {"detail", "no model"}}),
            State::kFailed);
  EXPECT_EQ(LoadPhase70Preflight(paths).reason_codes.at(0), "PREFLIGHT_NO_MODELS");
  EXPECT_EQ(LoadPhase70Preflight(paths).detail, "no model");
  EXPECT_EQ(state_of({{"created_utc", "u"},
                      {"ok", true},
                      {"decision_grade", false},
                      {"skipped", true},
                      {"reason_codes", json::array()}}),
            State::kSkipped);
  EXPECT_THAT(CheckFile(paths.Preflight(),
                        fs::path(KVTIER_SOURCE_DIR) / "docs/schemas/phase70_preflight.schema.json"),
              IsEmpty());
}

TEST(Phase70Files, TheCurrentStateComesBackAndABrokenOneIsNamed) {
  const fs::path root = sample::Scratch("p70_current");
  EXPECT_FALSE(LoadPhase70Current(root));
  const Phase70Current c{.ts = kTs,
                         .state = "finished",
                         .pid = 12,
                         .updated_utc = "u",
                         .verdict = "v.json",
                         .reason = ""};
  WritePhase70Current(root, c);
  EXPECT_EQ(json(*LoadPhase70Current(root)), json(c));
  std::ofstream(root / "current/phase70.json") << "{";
  EXPECT_THROW(LoadPhase70Current(root), DataError);
}

TEST(Phase70Csv, ColumnsAndConventions) {
  PairRow r;
  r.pair_id = 1;
  r.pair_order = "B1_B2";
  r.mode = TierMode::kB2;
  r.replay_concurrency = 4;
  r.run_id = "run";
  r.bundle_id = "bundle";
  r.timestamp_utc = "t";
  r.status = "ok";
  r.error_rate = 0.0;
  r.replay_ttfc_p95_ms = r.replay_ttft_p95_ms = 12.5;
  r.metric_preferred_replay_p95 = r.metric_used_replay_p95 = "replay_ttfc_p95_ms";
  r.kvbm_onboard_blocks_delta = 1020.0;
  r.process_evidence_method = "proc_pid_io";
  r.run_path = "a/b";
  EXPECT_EQ(Phase70SummaryCsv({r}),
            "pair_id,pair_order,pair_leg,mode,replay_concurrency,run_id,bundle_id,timestamp_utc,"
            "status,error_rate,stream,"
            "stream_record_ttfb,replay_ttfc_p95_ms,replay_ttfc_p99_ms,replay_ttft_p95_ms,replay_"
            "ttft_p99_ms,"
            "metric_preferred_replay_p95,metric_used_replay_p95,replay_read_gib,io_attrib_pass,"
            "process_evidence_method,"
            "pid_warn,kvbm_matched_tokens_delta,kvbm_onboard_blocks_delta,primary_nvme_model,"
            "primary_nvme_fw,pcie_link,"
            "run_path,io_attrib_checked,io_attrib_checker_rc\r\n"
            "1,B1_B2,1,B2,4,run,bundle,t,ok,0.0,True,False,12.5,,12.5,,replay_ttfc_p95_ms,replay_"
            "ttfc_p95_ms,,,proc_pid_io,,,"
            "1020.0,,,,a/b,False,\r\n");
  PairDelta d;
  d.pair_id = 2;
  d.pair_order = "B2_B1";
  d.mode_a_run_id = "ra";
  d.delta_replay_ttfc_p95_ms = -3.25;
  EXPECT_EQ(Phase70DeltasCsv({d}),
            "pair_id,pair_order,mode_a,mode_b,mode_a_run_id,mode_b_run_id,delta_replay_ttfc_p95_ms,"
            "delta_replay_ttfc_p99_ms,"
            "delta_replay_ttft_p95_ms,delta_replay_ttft_p99_ms,delta_replay_read_gib,delta_matched_"
            "tokens,delta_onboard_blocks\r\n"
            "2,B2_B1,B1,B2,ra,,-3.25,,,,,,\r\n");
}

// A verdict with fixed figures, so that the text does not hang on the statistics.
Phase70Analysis FixedAnalysis() {
  Phase70Analysis a;
  Verdict& v = a.verdict;
  v.setup = Manifest().setup;
  v.setup.planned_pairs = v.pairs_planned = v.pairs_complete = 8;
  v.run_valid = v.decision_grade = v.b1_off = v.answers_equal = v.witnesses_agree =
      v.ssd_rehydrate_signal_present = true;
  v.declaration_unchanged = true;
  v.setup.declared_sha256 = "0123456789abcdef";
  v.summary_rows = 16;
  v.order_effect_insufficient_pairs = false;
  v.grade = Grade::kB;
  v.preflight = "passed";
  v.answers_compared = 960;
  v.arm_a.legs = v.arm_b.legs = 8;
  v.arm_a.ttfc_p50_ms = 250.0;
  v.arm_a.ttfc_p95_ms = 410.5;
  v.arm_a.onboard_disk_blocks = v.arm_a.onboard_host_blocks = v.arm_b.onboard_host_blocks = 0.0;
  v.arm_a.disk_read_bytes = 0.0;
  v.arm_b.ttfc_p50_ms = 60.25;
  v.arm_b.ttfc_p95_ms = 99.0;
  v.arm_b.onboard_disk_blocks = 1020.0;
  v.arm_b.disk_read_bytes = v.arm_b.os_read_bytes = 1020.0 * 327680;
  v.effect.pairs_used = 8;
  v.effect.word = EffectWord::kBetter;
  v.effect.hl = HodgesLehmann{.n = 8,
                              .estimate = -1.4,
                              .interval = {-1.5, -1.3},
                              .level = 0.961,
                              .reaches = true,
                              .rank = 4};
  v.effect.sign_flip.emplace().p = 0.0078125;
  v.effect.treatment =
      TEstimate{.estimate = -1.41, .se = 0.02, .df = 6, .interval = {-1.46, -1.36}, .p = 0.0001};
  v.effect.period =
      TEstimate{.estimate = 0.01, .se = 0.02, .df = 6, .interval = {-0.04, 0.06}, .p = 0.6};
  v.break_even.outcome = BreakEven::Outcome::kWinsAbove;
  v.break_even.sentence = "Computing a token takes 400.0 us: the SSD wins above 120 tokens.";
  v.break_even.predicted_recompute_ms = 245.0;
  v.break_even.measured_recompute_ms = 250.0;
  v.break_even.measured_reload_ms = 60.25;
  v.break_even.reloaded_tokens_per_request = 544.0;
  v.break_even.written_per_useful_byte = 1.25;
  v.hits = {{"run_1", "ssd", 1020, 1020, std::uint64_t{1020}},
            {"run_2", "ssd", 1020, 1020, std::uint64_t{1018}},
            {"run_1", "host", 0, 4, std::uint64_t{0}}};
  PairRow row;
  row.pair_id = 1;
  row.pair_order = "B1_B2";
  row.mode = TierMode::kB1;
  row.status = "ok";
  row.replay_ttfc_p50_ms = 250.0;
  row.replay_ttfc_p95_ms = 410.5;
  row.replay_ok = row.replay_planned = 60;
  a.rows = {row};
  PairDelta d;
  d.pair_id = 1;
  d.pair_order = "B1_B2";
  d.complete = true;
  d.delta_replay_ttfc_p95_ms = -311.5;
  d.log_ratio_replay_ttfc_p95 = -1.4;
  a.deltas = {d};
  return a;
}

TEST(Phase70Report, IsTheGoldenText) {
  Phase70Manifest m = Manifest();
  m.failed_attempts = {{"phase70_x/run.attempt1", "worker lost"}};
  const std::string text = RenderPhase70Report(m, FixedAnalysis(), {"results", kTs});
  EXPECT_EQ(text, Golden("phase70_report.md", text));
  EXPECT_THAT(text, HasSubstr("mechanism mode (disk-offload filter off)"));
}

TEST(Phase70Report, NamesTheModeThatItSpeaksOf) {
  Phase70Analysis a = FixedAnalysis();
  a.verdict.filter.protocol = FilterProtocol::kProduction;
  a.verdict.filter.proven = true;
  a.verdict.filter.legs = {{.run_id = "run_B2_p01_l2",
                            .filter_on = true,
                            .written_first = std::uint64_t{0},
                            .written_second = std::uint64_t{1020},
                            .written_pressure = std::uint64_t{0},
                            .read_last = std::uint64_t{1020},
                            .visit_gap_s = 12.5,
                            .proven = true}};
  Phase70Manifest m = Manifest();
  m.mechanism_mode = false;
  EXPECT_EQ(ModeText(a.verdict, m), "production mode (filter on, three visits)");
  const std::string report = RenderPhase70Report(m, a, {"results", kTs});
  EXPECT_THAT(report, HasSubstr("production mode (filter on, three visits)).**"));
  EXPECT_THAT(report, HasSubstr("- Production mode"));
  EXPECT_THAT(report, HasSubstr("| run_B2_p01_l2 | on | 0 | 1020 | 12.5 s | 0 | 1020 | yes |"));
  EXPECT_THAT(report, HasSubstr("| production mode proven by the counters | yes |"));
  EXPECT_THAT(RenderClosingSummary(a.verdict, m, {}),
              HasSubstr("\nproduction mode (filter on, three visits)\n"));
  a.verdict.filter.proven = false;
  EXPECT_THAT(VerdictSentence(a.verdict, m), HasSubstr("NOT PROVEN by the counters"));
  a.verdict.filter = {};
  EXPECT_EQ(ModeText(a.verdict, m), "") << "a run of before, with its filter on";
}

TEST(Phase70Report, AnSsdThatIsSlowerIsSaidAsPlainlyAsAFasterOne) {
  Phase70Analysis a = FixedAnalysis();
  EXPECT_EQ(SsdResultSentence(a.verdict),
            "Here the SSD tier is faster than recomputing: -75.3 % [-77.7 %, -72.7 %] against B1.");
  a.verdict.effect.word = EffectWord::kWorse;
  a.verdict.effect.hl->estimate = 0.5;
  a.verdict.effect.hl->interval = {0.4, 0.6};
  EXPECT_EQ(SsdResultSentence(a.verdict),
            "Here the SSD tier is slower than recomputing: +64.9 % [+49.2 %, +82.2 %] against B1.");
  a.verdict.arm_a.onboard_host_blocks = 12.0;
  EXPECT_THAT(SsdResultSentence(a.verdict), HasSubstr("(12 of its blocks came from host memory)"));
  a.verdict.break_even.outcome = BreakEven::Outcome::kNeverWins;
  a.verdict.break_even.sentence = "recomputing is faster at every prompt length.";
  for (const std::string& text : {RenderPhase70Report(Manifest(), a, {"results", kTs}),
                                  RenderClosingSummary(a.verdict, Manifest(), {})}) {
    EXPECT_THAT(text, HasSubstr("slower than recomputing"));
    EXPECT_THAT(text, HasSubstr("faster at every prompt length"));
  }
  a.verdict.run_valid = false;
  EXPECT_EQ(SsdResultSentence(a.verdict), "");
  a = FixedAnalysis();
  a.verdict.setup.mode_b = TierMode::kB1;
  a.verdict.setup.mode_a = TierMode::kB0;
  EXPECT_EQ(SsdResultSentence(a.verdict), "") << "no SSD in it";
}

TEST(Phase70Report, AModeAgainstItselfIsANoiseFloor) {
  Phase70Analysis a = FixedAnalysis();
  a.verdict.setup.mode_a = a.verdict.setup.mode_b = TierMode::kB2;
  a.verdict.effect.word = EffectWord::kEquivalent;
  const std::string text = RenderPhase70Report(Manifest(), a, {"results", kTs});
  EXPECT_THAT(text, HasSubstr("Noise floor of B2 against itself, EQUIVALENT"));
  EXPECT_THAT(text, HasSubstr("A' (B2) against A (B2)"));
  EXPECT_THAT(RenderClosingSummary(a.verdict, Manifest(), {}), HasSubstr("the noise floor"));
}

TEST(Phase70Report, ThreeModesHaveThreeColumnsAndAllComparisons) {
  Phase70Analysis a = FixedAnalysis();
  Verdict& v = a.verdict;
  v.setup.mode_c = TierMode::kB0;
  v.arm_c = v.arm_a;
  v.arm_c->ttfc_p95_ms = 500.0;
  v.contrasts = {{.pairs_complete = 8, .holm_p = 0.0234, .effect = v.effect}};
  const std::string text = RenderPhase70Report(Manifest(), a, {"results", kTs});
  EXPECT_THAT(text, HasSubstr("| B1 | B2 | B0 |"));
  EXPECT_THAT(text, HasSubstr("500.00 ms"));
  EXPECT_THAT(text,
              HasSubstr("| B2 against B1 | -75.3 % | [-77.7 %, -72.7 %] | 0.0078 | 0.0234 |"));
}

TEST(EffectText, AnIntervalThatMissesItsLevelSaysSo) {
  Verdict v = FixedAnalysis().verdict;
  EXPECT_EQ(EffectText(v), "-75.3 % [-77.7 %, -72.7 %]");
  v.effect.hl->level = 0.5;
  v.effect.hl->reaches = false;
  EXPECT_EQ(EffectText(v), "-75.3 % [-77.7 %, -72.7 %] (an interval of 50 % only: too few pairs)");
  v.effect.pairs_used = 12;  // from here the t interval decides
  EXPECT_EQ(EffectText(v), "-75.6 % [-76.8 %, -74.3 %]");
}

TEST(ClosingSummary, IsTheGoldenText) {
  const std::string text =
      RenderClosingSummary(FixedAnalysis().verdict, Manifest(),
                           {{"report", "results/r.md"}, {"verdict", "results/v.json"}});
  EXPECT_EQ(text, Golden("closing_summary.txt", text));
}

TEST(ClosingSummary, NothingMeasuredIsSaidWithTheReason) {
  Phase70Manifest m = Manifest();
  m.mechanism_mode = false;
  Phase70Input input;
  input.setup = m.setup;
  input.preflight = {
      PreflightOutcome::State::kFailed, {"PREFLIGHT_NO_MODELS"}, "no model is listed"};
  const Phase70Analysis a = AnalyzePhase70(input, "now");
  const std::string text = RenderClosingSummary(a.verdict, m, {});
  EXPECT_THAT(text, HasSubstr("PREFLIGHT_NO_MODELS"));
  EXPECT_THAT(text, HasSubstr(std::string(Describe(Reason::kPreflightNoModels).remedy)));
  EXPECT_THAT(text, HasSubstr("effect     not computed"));
  EXPECT_THAT(text, HasSubstr("RUN NOT VALID"));
  EXPECT_THAT(text, Not(HasSubstr("mechanism mode")));
  const std::string report = RenderPhase70Report(m, a, {"results", kTs});
  EXPECT_THAT(report,
              HasSubstr("The run is not valid, so nothing is concluded about B2 against B1"));
  EXPECT_THAT(report, HasSubstr("No pair gave a value for both modes"));
}

}  // namespace
}  // namespace kvtier
