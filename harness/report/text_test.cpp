#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/report/csv.hpp"
#include "harness/report/golden.hpp"
#include "harness/report/live_view.hpp"
#include "harness/report/markdown.hpp"
#include "harness/report/report_md.hpp"
#include "harness/report/sample_leg.hpp"
#include "harness/report/summary.hpp"

namespace kvtier {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(Csv, FollowsTheConventionsOfTheArtifacts) {
  constexpr std::array<std::string_view, 6> kColumns{"name", "n", "ms", "ok", "missing", "text"};
  const json rows = {{{"name", "a,b"},
                      {"n", 3},
                      {"ms", 2.0},
                      {"ok", true},
                      {"missing", nullptr},
                      {"text", "say \"x\""},
                      {"extra", 9}},
                     {{"name", "b"}, {"n", -1}, {"ms", 0.1}, {"ok", false}, {"text", ""}}};
  EXPECT_EQ(
      CsvText(kColumns, rows),
      "name,n,ms,ok,missing,text\r\n\"a,b\",3,2.0,True,,\"say \"\"x\"\"\"\r\nb,-1,0.1,False,,\r\n");
  EXPECT_EQ(CsvText(kColumns, json::array()), "name,n,ms,ok,missing,text\r\n");
}

TEST(Markdown, TablesEscapeBars) {
  EXPECT_EQ(MarkdownTable({"a", "b"}, {{"x|y", "1\n2"}}),
            "| a | b |\n|---|---|\n| x\\|y | 1 2 |\n");
  EXPECT_EQ(TextTable({"", "B1"}, {{"TTFC", "10 ms"}, {"x", ""}}),
            "           B1\n  TTFC  10 ms\n  x\n");
}

LiveState Replay() {
  LiveState s;
  s.title = "phase70";
  s.pair = 3;
  s.pairs = 8;
  s.leg = 2;
  s.mode = TierMode::kB2;
  s.phase = "replay";
  s.done = s.ok = 41;
  s.planned = 60;
  s.ttfc_p50_ms = 41.6;
  s.host_blocks = 0;
  s.disk_blocks = 697;
  s.eta_s = 272;
  return s;
}

TEST(LiveView, OneLineHoldsWhatIsKnown) {
  EXPECT_EQ(RenderLive(Replay()),
            "phase70 pair 3/8 leg 2 B2 | replay | 41/60 | TTFC p50 42 ms | blocks host 0, ssd read "
            "697 | ETA 4 min 32 s");
  LiveState start;
  start.title = "phase70";
  start.phase = "preflight";
  EXPECT_EQ(RenderLive(start), "phase70 | preflight");
  LiveState bad = Replay();
  bad.errors = 2;
  bad.ttfc_p50_ms = 4.25;
  EXPECT_THAT(RenderLive(bad), HasSubstr("41/60 (2 FAILED) | TTFC p50 4.2 ms"));
  EXPECT_EQ(RenderLive(Replay(), 20), "phase70 pair 3/8 leg");
}

struct Screen {
  std::string out;
  MonoNs now = 0;
  LiveView View(bool terminal) {
    return LiveView({.terminal = terminal,
                     .width = 0,
                     .now = [this] { return now; },
                     .write = [this](std::string_view s) { out += s; }});
  }
};

TEST(LiveView, ATerminalLineIsRewrittenAtMostOnceASecond) {
  Screen screen;
  LiveView view = screen.View(true);
  LiveState s = Replay();
  view.Update(s);
  const std::string first = RenderLive(s);
  EXPECT_EQ(screen.out, first);
  s.done = 42;
  screen.now = 999'999'999;
  view.Update(s);
  EXPECT_EQ(screen.out, first) << "not yet a second";
  screen.now = 1'000'000'000;
  view.Update(s);
  EXPECT_EQ(screen.out, first + "\r\x1b[K" + RenderLive(s));
  s.phase = "drain";
  view.Update(s);
  EXPECT_THAT(screen.out, HasSubstr("| drain |")) << "a new phase shows at once";
}

TEST(LiveView, ALogGetsOneLineAPhaseAndNoEscapeSequence) {
  Screen screen;
  LiveView view = screen.View(false);
  LiveState s = Replay();
  for (int i = 0; i < 5; ++i) {
    screen.now += 1'000'000'000;
    view.Update(s);
  }
  EXPECT_EQ(screen.out, "");
  s.done = s.ok = 60;
  view.PhaseEnd(s, 12.3);
  view.Line("wrote the verdict");
  EXPECT_EQ(screen.out,
            "phase70 pair 3/8 leg 2 B2 | replay done in 12.3 s | 60 ok, 0 failed | TTFC p50 42 ms "
            "| blocks host 0, ssd read 697 | ETA 4 min 32 s\n"
            "wrote the verdict\n");
  EXPECT_THAT(screen.out, Not(HasSubstr("\x1b")));
}

json SummaryFor(const LegEvidence& leg, const RunConfig& config, const CloseNotes& notes) {
  std::map<std::string, PhaseBoundaries> boundaries;
  for (const auto& p : sample::Leg().phases) boundaries[p.name] = sample::Boundaries(p);
  return BuildSummary({.leg = leg,
                       .config = config,
                       .boundaries = boundaries,
                       .notes = notes,
                       .snapshot_count = 5,
                       .snapshots_with_metrics = 5,
                       .created_utc = "2026-11-22T01:45:20.000+00:00"});
}

TEST(RunReport, IsTheGoldenText) {
  LegEvidence leg = sample::Leg();
  leg.io_attribution = sample::Attribution();
  leg.phases[1].host.other_workers =
      std::vector<OtherWorker>{{.pid = 99, .cmdline = "python serve.py", .path = "/kv/other"}};
  const RunConfig config = sample::Config(leg);
  json summary = SummaryFor(leg, config, {});
  for (auto& [name, s] : summary["overall_summary"].items()) {
    if (s.is_object() && s.contains("interpretation"))
      s["interpretation"] = "(sentence of the signal)";
  }
  const std::string text = RenderRunReport(summary, leg, config);
  EXPECT_EQ(text, Golden("run_report.md", text));
}

TEST(RunReport, AnInvalidRunHasNoOverallFiguresAndItsReasons) {
  LegEvidence leg = sample::Leg();
  leg.run_valid = false;
  leg.invalid_reason = "model_dropped";
  leg.invalid_details = {"/v1/models is empty after replay"};
  leg.phases[1].tiers = {};
  leg.phases[1].drain = {.settled = false, .waited_s = 30, .why = "offloads still move"};
  RunConfig config = sample::Config(leg);
  config.faults = {"disk-error=0.1"};
  CloseNotes notes;
  notes.findings = {MakeFinding(Reason::kWorkerLost, leg.run_id, "replay", "the worker exited 9")};
  const std::string text = RenderRunReport(SummaryFor(leg, config, notes), leg, config);
  EXPECT_THAT(
      text,
      HasSubstr("- Valid: no\n- Reason: `model_dropped`\n  - /v1/models is empty after replay"));
  EXPECT_THAT(text, HasSubstr("Excluded: the run is not valid"));
  EXPECT_THAT(text, HasSubstr("Fault injected on purpose: `disk-error=0.1`"));
  EXPECT_THAT(text, HasSubstr("(replay): the worker exited 9"));
  EXPECT_THAT(text, HasSubstr("replay: did not come to rest within 30.0 s (offloads still move)"));
  EXPECT_THAT(text, HasSubstr("| NA | NA | NA |\n")) << "counters that were not read render as NA";
}

TEST(RunReport, ARunWithoutTheRecorderSaysSoInOneLine) {
  LegEvidence leg = sample::Leg();
  leg.storage = {};
  for (auto& p : leg.phases) {
    p.host = {};
    p.host.during = Reading<HostWindow>::Unavailable("telemetry is off");
  }
  const RunConfig config = sample::Config(leg);
  const std::string text = RenderRunReport(SummaryFor(leg, config, {}), leg, config);
  EXPECT_THAT(text, HasSubstr("## Machine during the run\n\nNot recorded: telemetry is off.\n"));
  EXPECT_THAT(text, Not(HasSubstr("## Storage")));
  EXPECT_THAT(text, Not(HasSubstr("## I/O attribution")));
  EXPECT_THAT(text, HasSubstr("- storage: the disk was not described"));
}

TEST(RunReport, OnePhaseWithoutAWindowIsNaWithItsReason) {
  LegEvidence leg = sample::Leg();
  leg.phases[0].host.during = Reading<HostWindow>::Unavailable("the recorder was late");
  const RunConfig config = sample::Config(leg);
  const std::string text = RenderRunReport(SummaryFor(leg, config, {}), leg, config);
  EXPECT_THAT(text, HasSubstr("| populate | NA | NA |"));
  EXPECT_THAT(text, HasSubstr("- NA in all of populate: the recorder was late\n"));
  EXPECT_THAT(text, HasSubstr("| replay | 3.00 MiB | 0 B | 5.0 % | 2.0 % | 0.25 ms | NA |"));
}

}  // namespace
}  // namespace kvtier
