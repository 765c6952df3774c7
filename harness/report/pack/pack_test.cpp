#include <algorithm>
#include <regex>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "harness/core/files.hpp"
#include "harness/report/pack/assets.hpp"
#include "harness/report/pack/chart_data.hpp"
#include "harness/report/pack/pack_documents.hpp"
#include "harness/report/pack/pack_maker.hpp"
#include "harness/report/pack/pack_tables.hpp"
#include "harness/report/pack/report_html.hpp"

namespace kvtier {
namespace {

using test::MakeExperiment;
using test::PackOf;
using ::testing::AllOf;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

std::string Html(const PackInput& in, const std::vector<Figure>& figures = {}) {
  return RenderReportHtml(in, ListEvidence(in), figures, {"manifest.json, 3 bytes, SHA-256 abc"});
}
std::vector<std::string> Documents(const PackInput& in) {
  const auto evidence = ListEvidence(in);
  return {TechbriefEvidenceMd(in, evidence), MethodMd(in, {"a source"}), MethodologyMd(in),
          ResultsMd(in, evidence), PackReadmeMd(in, "")};
}
std::string BodyOf(const std::string& html) {
  return html.substr(html.find("<body>\n") + 7);
}
std::size_t CountOf(const std::string& text, const std::string& what) {
  std::size_t n = 0;
  for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += what.size()) ++n;
  return n;
}
const ExpectedEvidence& Item(const std::vector<ExpectedEvidence>& list, const std::string& id) {
  const auto found =
      std::find_if(list.begin(), list.end(), [&](const auto& e) { return e.id == id; });
  if (found == list.end()) throw std::runtime_error("no item " + id);
  return *found;
}
/// The nth leg of a mode, for a test to plant something in it.
LegEvidence& Leg(Phase70Input& input, TierMode mode, int nth = 0) {
  for (auto& leg : input.legs) {
    if (leg.evidence.tier == mode && nth-- == 0) return leg.evidence;
  }
  throw std::runtime_error("no such leg");
}

TEST(PackFirstLine, SaysThatARunIsNotDecisionGrade) {
  const PackInput in = PackOf(4);
  ASSERT_FALSE(in.verdict().decision_grade);
  EXPECT_THAT(Documents(in), Each(StartsWith("**NOT DECISION GRADE (grade C): TOO_FEW_PAIRS")));
  const std::string html = Html(in);
  EXPECT_THAT(BodyOf(html),
              StartsWith("<p class=\"not-grade\" role=\"alert\">NOT DECISION GRADE (grade C): "
                         "TOO_FEW_PAIRS"));
  EXPECT_THAT(html, HasSubstr("<title>NOT DECISION GRADE: "));
}

TEST(PackFirstLine, IsTheTitleOfADecisionGradeRun) {
  const PackInput in = PackOf(8);
  ASSERT_TRUE(in.verdict().decision_grade) << FindingsText(in.verdict().findings);
  EXPECT_THAT(Documents(in), Each(AllOf(StartsWith("# "), Not(HasSubstr("NOT DECISION GRADE")))));
  EXPECT_THAT(Html(in), Not(HasSubstr("NOT DECISION GRADE")));
  EXPECT_THAT(BodyOf(Html(in)), StartsWith("<section class=\"verdict\" id=\"verdict\">"));
}

TEST(ReportHtml, TheVerdictBoxHoldsWordEffectGradeStackAndFilter) {
  PackInput in = PackOf(8);
  in.analysis.verdict.findings.push_back(
      MakeFinding(Reason::kFilterDisabled, "run_1", "", "the filter was off"));
  in.analysis.verdict.reason_codes = Codes(in.verdict().findings);
  const std::string html = Html(in);
  const std::string box = html.substr(html.find("class=\"verdict\""),
                                      html.find("</section>") - html.find("class=\"verdict\""));
  EXPECT_THAT(box,
              AllOf(HasSubstr(">BETTER</p>"), HasSubstr("%] of replay_ttfc_p95_ms"),
                    HasSubstr("<dt>Decision grade</dt><dd>yes</dd>"),
                    HasSubstr("<dt>Grade</dt><dd>B: "), HasSubstr("reference stack (preset small)"),
                    HasSubstr("<dt>Filter protocol</dt>"), HasSubstr("FILTER_DISABLED")));
}

TEST(ReportHtml, NamesEveryReasonCodeWithItsRemedy) {
  PackInput in = PackOf(8);
  Verdict& v = in.analysis.verdict;
  v.findings.clear();
  for (const auto& info : AllReasons())
    v.findings.push_back(MakeFinding(info.reason, "run_1", "replay", "a detail"));
  v.reason_codes = Codes(v.findings);
  const std::string html = Html(in);
  const std::string brief = TechbriefEvidenceMd(in, ListEvidence(in));
  for (const auto& info : AllReasons()) {
    EXPECT_THAT(html, HasSubstr("<code>" + std::string(info.code) + "</code>"));
    EXPECT_THAT(html, HasSubstr(EscapeHtml(info.remedy)));
    EXPECT_THAT(brief, HasSubstr("| " + std::string(info.code) + " |"));
  }
  const auto entries = ReasonEntries(v);
  ASSERT_EQ(entries.size(), v.reason_codes.size());
  EXPECT_TRUE(std::is_sorted(entries.begin(), entries.end(), [](const auto& a, const auto& b) {
    return a.severity < b.severity;
  })) << "worst first";
}

TEST(ReportHtml, LetsNoTextFromOutsideBecomeMarkup) {
  const std::string evil = "</script><script>alert(1)</script><img src=x onerror='a(\"1\")'>";
  Phase70Input experiment = MakeExperiment(4);
  for (auto& leg : experiment.legs) leg.evidence.run_id += evil;
  PackInput in = PackOf(experiment);
  in.manifest.stack_label = evil;
  in.manifest.model_profile = evil;
  in.manifest.setup.order_seed = in.analysis.verdict.setup.order_seed = evil;
  in.manifest.notes = {evil};
  in.manifest.settings = {{evil, evil, "BENCH_X"}, {"a", "b", evil}};
  in.manifest.failed_attempts = {{evil, evil}};
  in.missing = {evil};
  in.analysis.verdict.findings.push_back(MakeFinding(Reason::kRunErrorsPresent, evil, evil, evil));
  in.analysis.verdict.break_even.sentence = evil;
  in.config.emplace();
  in.config->versions = {{"git_sha", evil}};
  in.config->host = {{"platform", evil}};
  in.config->phases = {{.name = evil}};
  const std::string html = RenderReportHtml(in, ListEvidence(in), {}, {evil});
  EXPECT_EQ(CountOf(html, "<script"), 3U) << "data, library, ours";
  EXPECT_EQ(CountOf(html, "</script>"), 3U);
  EXPECT_THAT(html, Not(HasSubstr("<img")));
  EXPECT_THAT(html, Not(HasSubstr("onerror='a")));
  EXPECT_THAT(html, HasSubstr("&lt;img src=x onerror=&#39;a(&quot;1&quot;)&#39;&gt;"));
  for (const auto& document : Documents(in)) {
    // Only an indented code block may hold it as it is.
    std::istringstream lines(document);
    for (std::string line; std::getline(lines, line);) {
      EXPECT_TRUE(line.find("<script") == std::string::npos || line.starts_with("    ")) << line;
      EXPECT_TRUE(line.find("<img") == std::string::npos || line.starts_with("    ")) << line;
    }
  }
}

TEST(ReportHtml, AsksTheNetworkForNothing) {
  const std::string html =
      Html(PackOf(8), {{"effect_forest", "t", "<?xml version=\"1.0\"?>\n<svg><path/></svg>"}});
  const std::string page = html.substr(0, html.find("<script>"));  // without the library's code
  EXPECT_FALSE(std::regex_search(
      page, std::regex(R"((src|href|action|data|poster)\s*=\s*["']?\s*(https?:|//))")));
  EXPECT_THAT(page, Not(HasSubstr("url(")));
  EXPECT_THAT(page, Not(HasSubstr("@import")));
  EXPECT_THAT(page, Not(HasSubstr("<link")));
  EXPECT_THAT(page, HasSubstr("default-src 'none'"));
  EXPECT_THAT(page, Not(HasSubstr("connect-src")));
  EXPECT_THAT(page, HasSubstr("<div class=\"still\">\n<svg><path/></svg>")) << "without its prolog";
  EXPECT_THAT(html, HasSubstr("Permission is hereby granted, free of charge"));
  EXPECT_THAT(pack_assets::kChartJs, HasSubstr("Chart.js v3"));
  EXPECT_THAT(std::string(pack_assets::kReportJs), Not(HasSubstr("fetch(")));
}

// The policy names each script by its SHA-256, so nothing else may run: decoded here, the other way
// round than it was made.
TEST(ReportHtml, ThePolicyNamesExactlyTheScriptsOfThePage) {
  const std::string html = Html(PackOf(6));
  const auto hex_of = [](const std::string& base64) {
    const std::string alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string bits;
    for (const char c : base64) {
      if (c == '=') break;
      for (int bit = 5; bit >= 0; --bit) bits += (alphabet.find(c) >> bit) & 1 ? '1' : '0';
    }
    std::string hex;
    for (std::size_t i = 0; i + 4 <= bits.size() && hex.size() < 64; i += 4)
      hex += "0123456789abcdef"[std::stoi(bits.substr(i, 4), nullptr, 2)];
    return hex;
  };
  std::vector<std::string> named;
  const std::regex pattern("'sha256-([A-Za-z0-9+/=]+)'");
  for (auto it = std::sregex_iterator(html.begin(), html.begin() + 1000, pattern);
       it != std::sregex_iterator(); ++it)
    named.push_back(hex_of((*it)[1]));
  std::vector<std::string> there;
  for (std::size_t at = 0; (at = html.find("<script>", at)) != std::string::npos;) {
    at += 8;
    there.push_back(Sha256Hex(html.substr(at, html.find("</script>", at) - at)));
  }
  EXPECT_EQ(there.size(), 2U);
  EXPECT_EQ(named, there);
}

TEST(ReportHtml, IsTheSameForTheSameInput) {
  EXPECT_EQ(Html(PackOf(6)), Html(PackOf(6)));
}

TEST(ReportHtml, ABrokenExperimentStillHasAPage) {
  Phase70Input nothing;
  nothing.setup.planned_pairs = 8;
  nothing.preflight.state = PreflightOutcome::State::kFailed;
  nothing.preflight.reason_codes = {"PREFLIGHT_NO_MODELS"};
  nothing.preflight.detail = "no model was listed";
  const PackInput in = PackOf(nothing);
  const std::string html = Html(in);
  EXPECT_THAT(html, AllOf(HasSubstr("RUN NOT VALID"), HasSubstr("PREFLIGHT_NO_MODELS"),
                          HasSubstr("No leg was measured."), HasSubstr("no effect to report")));
  EXPECT_THAT(Documents(in), Each(StartsWith("**NOT DECISION GRADE (grade X): ")));
  EXPECT_EQ(Item(ListEvidence(in), "preflight_passed").state, EvidenceState::kNotSeen);
  EXPECT_THAT(Item(ListEvidence(in), "preflight_passed").likely_causes,
              ::testing::ElementsAre("no model was listed"));
}

TEST(ReportHtml, ThreeArmsAndAModeAgainstItselfHaveAPage) {
  Phase70Input same = MakeExperiment(6);
  for (auto& leg : same.legs) leg.evidence.tier = TierMode::kB2;
  same.setup.mode_a = same.setup.mode_b = TierMode::kB2;
  EXPECT_THAT(Html(PackOf(same)), HasSubstr("A&#39; (B2) against A (B2)"));
}

TEST(Evidence, OfAGoodExperimentIsSeen) {
  const auto list = ListEvidence(PackOf(8));
  for (const char* id :
       {"b2_wrote_to_ssd", "b2_read_from_ssd", "b2_matched_tokens", "os_saw_writes", "os_saw_reads",
        "b1_no_disk_io", "answers_equal", "requests_ok", "client_fast_enough", "declared_before",
        "order_balanced", "no_order_effect", "washout_proven", "preflight_passed",
        "telemetry_present", "quiet_machine"}) {
    const ExpectedEvidence& e = Item(list, id);
    EXPECT_EQ(e.state, EvidenceState::kSeen)
        << id << ": " << ::testing::PrintToString(e.first_absent);
    EXPECT_THAT(e.likely_causes, IsEmpty()) << id;
  }
  const ExpectedEvidence& read = Item(list, "b2_read_from_ssd");
  EXPECT_EQ(read.legs_seen, 8);
  EXPECT_EQ(read.legs_expected, 8);
  EXPECT_EQ(read.figures, "1020 blocks");
  // The log of the maker's disk stands still; the hit model predicted nothing.
  EXPECT_EQ(Item(list, "smart_moved").state, EvidenceState::kNotSeen);
  EXPECT_EQ(Item(list, "hits_as_predicted").state, EvidenceState::kNotObservable);
}

TEST(Evidence, OneLegWithoutItIsEnough) {
  Phase70Input experiment = MakeExperiment(8);
  LegEvidence& leg = Leg(experiment, TierMode::kB2, 3);
  test::Replay(leg).tiers.onboard_g3_to_g1_blocks = std::uint64_t{0};
  test::Replay(leg).tiers.onboard_g2_to_g1_blocks = std::uint64_t{77};
  const auto list = ListEvidence(PackOf(experiment));
  const ExpectedEvidence& e = Item(list, "b2_read_from_ssd");
  EXPECT_EQ(e.state, EvidenceState::kNotSeen);
  EXPECT_EQ(e.legs_seen, 7);
  EXPECT_EQ(e.figures, "0 blocks to 1020 blocks, by leg");
  ASSERT_EQ(e.first_absent.size(), 1U);
  EXPECT_THAT(e.first_absent[0], StartsWith(leg.run_id));
  EXPECT_THAT(e.likely_causes.at(0), HasSubstr("up to 77 in one leg"));
}

TEST(Evidence, WhatNobodyCouldReadIsNotObservable) {
  Phase70Input experiment = MakeExperiment(6);
  test::Replay(Leg(experiment, TierMode::kB2)).tiers.onboard_g3_to_g1_blocks =
      Reading<std::uint64_t>::Unavailable("the exporter is down");
  const auto list = ListEvidence(PackOf(experiment));
  const ExpectedEvidence& e = Item(list, "b2_read_from_ssd");
  EXPECT_EQ(e.state, EvidenceState::kNotObservable);
  EXPECT_THAT(e.first_absent.at(0), HasSubstr("the exporter is down"));
  EXPECT_EQ(e.legs_seen, 5);
}

TEST(Evidence, ABundleThatIsGoneIsNoEvidence) {
  PackInput in = PackOf(6);
  in.legs.erase(in.legs.begin());
  const auto list = ListEvidence(in);
  EXPECT_EQ(Item(list, "requests_ok").state, EvidenceState::kNotObservable);
  EXPECT_EQ(Item(list, "requests_ok").legs_seen, 11);
  EXPECT_EQ(Item(list, "requests_ok").legs_expected, 12);
}

TEST(Evidence, WitnessesThatContradictAndADiskThatB1UsesAreNotSeen) {
  Phase70Input experiment = MakeExperiment(6);
  test::Replay(Leg(experiment, TierMode::kB2)).io.process_read = Bytes{0};
  test::Replay(Leg(experiment, TierMode::kB1)).io.process_read = 64_MiB;
  const auto list = ListEvidence(PackOf(experiment));
  EXPECT_EQ(Item(list, "os_saw_reads").state, EvidenceState::kNotSeen);
  EXPECT_THAT(Item(list, "os_saw_reads").first_absent.at(0), HasSubstr("COUNTER_WITHOUT_IO"));
  EXPECT_EQ(Item(list, "os_saw_writes").state, EvidenceState::kNotSeen)
      << "a leg with a contradiction vouches for nothing";
  EXPECT_EQ(Item(list, "b1_no_disk_io").state, EvidenceState::kNotSeen);
  EXPECT_EQ(Item(list, "b1_no_disk_io").legs_seen, 5);
}

TEST(Evidence, AnswersThatDifferAreNotSeenAsEqual) {
  Phase70Input experiment = MakeExperiment(6);
  for (auto& r : Leg(experiment, TierMode::kB2).records) {
    if (r.phase == "replay") r.text = "something else";
  }
  const ExpectedEvidence e = Item(ListEvidence(PackOf(experiment)), "answers_equal");
  EXPECT_EQ(e.state, EvidenceState::kNotSeen);
  EXPECT_THAT(e.likely_causes.at(0), HasSubstr("do not trust these latencies"));
}

TEST(Methodology, ItsHeadlineIsWhateverTheDataSay) {
  EXPECT_THAT(MethodologyMd(PackOf(MakeExperiment(8, 0.6))), HasSubstr("faster than recomputing"));
  EXPECT_THAT(MethodologyMd(PackOf(MakeExperiment(8, 1.6))), HasSubstr("slower than recomputing"));
  EXPECT_THAT(MethodologyMd(PackOf(MakeExperiment(8, 1.0))),
              AllOf(HasSubstr("EQUIVALENT"), Not(HasSubstr("near-neutral"))));
}

TEST(Reproduction, NamesWhatWasSetAndQuotesIt) {
  PackInput in = PackOf(6);
  in.manifest.settings = {
      {"phase70.pairs", "6", "BENCH_PHASE70_PAIRS"},
      {"phase70.mode_a", "B1", "BENCH_PHASE70_MODES"},
      {"phase70.mode_b", "B2", "BENCH_PHASE70_MODES"},
      {"stack.disk_offload_filter", "false", "BENCH_DISABLE_DISK_OFFLOAD_FILTER"},
      {"stack.model", "a/b", "MODEL_NAME"},
      {"phase70.ts", "old", "BENCH_PHASE70_TS"},
      {"client.x", "it's; rm -rf /", "KVTIER_X"},
      {"stack.y", "1", "fixtures/profiles/nano.yaml:3"},
      {"measure.q", "2", "--set"},
      {"scenario.replay_concurrency", "4", "campaign old: the sweep recommends 4"},
      {"phase60.ts", "old", "campaign old"},
      {"stack.z", "1", "BENCH_A=1; rm -rf / #"}};
  const std::string commands = ReproductionCommands(in);
  EXPECT_THAT(commands, HasSubstr("KVTIER_PHASE70_PAIRS=6 \\\n"));
  EXPECT_THAT(commands, HasSubstr("KVTIER_PHASE70_MODE_A=B1 \\\n")) << "one variable, two settings";
  EXPECT_THAT(commands, HasSubstr("KVTIER_PHASE70_MODE_B=B2 \\\n"));
  EXPECT_THAT(commands, HasSubstr("KVTIER_STACK_DISK_OFFLOAD_FILTER=false \\\n"))
      << "the variable that disables it holds the opposite";
  EXPECT_THAT(commands, HasSubstr("KVTIER_STACK_MODEL=a/b \\\n"));
  EXPECT_THAT(commands, HasSubstr("KVTIER_CLIENT_X='it'\\''s; rm -rf /' \\\n"));
  EXPECT_THAT(commands, HasSubstr("KVTIER_MEASURE_Q=2 \\\n")) << "flags become variables";
  EXPECT_THAT(commands, HasSubstr("KVTIER_SCENARIO_REPLAY_CONCURRENCY=4 \\\n"));
  EXPECT_THAT(commands, HasSubstr("KVTIER_PROFILE=nano \\\n"))
      << "the file that settings came from";
  EXPECT_THAT(commands, HasSubstr("KVTIER_PHASE70_ORDER_SEED=20260212"));
  EXPECT_THAT(commands, HasSubstr("./kvtier phase70\n"));
  EXPECT_THAT(commands, HasSubstr("./kvtier pack --ts 20260101T000000Z"));
  EXPECT_THAT(commands, Not(HasSubstr("BENCH_A"))) << "an origin is a name or it is left out";
  EXPECT_THAT(commands, Not(HasSubstr("old"))) << "another run, not the same one again";
}

TEST(EffectSection, ShowsTheIntervalsOfPeriodAndCarryOverWhereTheVerdictFileKeepsThem) {
  PackInput in = PackOf(8);
  const auto row = [&](const std::string& what) {
    in.analysis.verdict = nlohmann::json(in.analysis.verdict).get<Verdict>();  // by way of the file
    const Section section = EffectSection(in);
    for (const Block& block : section.blocks) {
      for (const auto& cells : block.rows) {
        if (!cells.empty() && cells[0].starts_with(what)) return cells;
      }
    }
    return std::vector<std::string>(5);
  };
  EXPECT_THAT(row("Period")[2], AllOf(StartsWith("["), HasSubstr(" %, "))) << "low and high";
  EXPECT_THAT(row("Carry-over")[2], StartsWith("["));
  EXPECT_EQ(row("Carry-over")[3], "95.0 %");

  // Read from a file of an earlier version: an estimate and its p, no more.
  TEstimate bare;
  bare.estimate = 0.01;
  bare.p = 0.6;
  in.analysis.verdict.effect.period = bare;
  const Section older = EffectSection(in);
  EXPECT_THAT(BlocksMarkdown(older.blocks),
              HasSubstr("NA: the verdict file is of an earlier version"));
  EXPECT_THAT(BlocksMarkdown(older.blocks), HasSubstr("| +1.0 % | NA: "));
}

TEST(DocumentedTables, HoldTheColumnsOfThePredecessor) {
  const auto tables = DocumentedTables(PackOf(8));
  ASSERT_EQ(tables.size(), 3U);
  EXPECT_EQ(tables[0].name, "tables/table_main_latency.csv");
  EXPECT_THAT(
      tables[0].bytes,
      StartsWith(
          "metric,mode_a,mode_b,mode_a_mean_ms,mode_b_mean_ms,mode_a_min_ms,mode_a_max_ms,"
          "mode_b_min_ms,mode_b_max_ms,delta_mean_ms,delta_stddev_ms,delta_min_ms,delta_max_ms,"
          "delta_ci95_low_ms,delta_ci95_high_ms,delta_n_pairs\r\nReplay TTFC p50 (ms),B1,B2,"));
  EXPECT_EQ(CountOf(tables[0].bytes, "\r\n"), 4U);
  EXPECT_THAT(
      tables[1].bytes,
      StartsWith(
          "mode,run_count,replay_read_gib_mean,replay_read_gib_stddev,replay_read_gib_min,"
          "replay_read_gib_max,io_attrib_pass_rate,io_attrib_pass_count,io_attrib_total,"
          "process_evidence_pid_count,process_evidence_cgroup_count,process_evidence_none_count,"
          "process_evidence_other_count\r\nB1,8,0.0,"));
  EXPECT_THAT(tables[1].bytes, HasSubstr("\r\nB2,8,0.311279296875,0.0,"));
  EXPECT_THAT(tables[2].bytes, StartsWith("metric,order_ab_label,order_ba_label,order_ab_n,"));
}

TEST(DocumentedTables, CountOnlyValidLegsAndCompletePairs) {
  Phase70Input experiment = MakeExperiment(6);
  Leg(experiment, TierMode::kB1).closed = false;
  const auto tables = DocumentedTables(PackOf(experiment));
  EXPECT_THAT(tables[0].bytes, HasSubstr(",5\r\n")) << "delta_n_pairs of six pairs with one broken";
}

TEST(ChartData, HasAPointForEveryPairLegAndTier) {
  const auto data = ChartData(PackOf(8));
  EXPECT_EQ(data.at("pairs").size(), 8U);
  EXPECT_EQ(data.at("pooled").size(), 2U);
  EXPECT_TRUE(data.at("pooled")[0].at("decides"));
  EXPECT_FALSE(data.at("pooled")[1].at("decides"));
  EXPECT_EQ(data.at("run_order").size(), 16U);
  ASSERT_EQ(data.at("ecdf").size(), 2U);
  EXPECT_EQ(data.at("ecdf")[0].at("n"), 480);
  EXPECT_LE(data.at("ecdf")[0].at("points").size(), 260U);
  ASSERT_EQ(data.at("bytes").size(), 3U);
  EXPECT_EQ(data.at("bytes")[2].at("phase"), "replay");
  EXPECT_EQ(data.at("bytes")[2].at("legs").size(), 16U);
}

TEST(ScriptSafeJson, CannotEndItsScript) {
  const std::string text = ScriptSafeJson(R"({"a":"</script><!--"})"
                                          "\xE2\x80\xA8");
  EXPECT_EQ(text, R"({"a":"\u003c/script>\u003c!--"}\u2028)");
}

TEST(Markdown, CodeCannotBeLeftAndTextStaysOnItsLine) {
  EXPECT_EQ(BlocksMarkdown({Code("a\n```\n# b")}), "    a\n    ```\n    # b\n\n");
  EXPECT_EQ(BlocksMarkdown({Text("a\n# b<c>")}), "a # b&lt;c>\n\n");
}

}  // namespace
}  // namespace kvtier
