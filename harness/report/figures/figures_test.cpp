#include <cmath>
#include <cstdlib>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "harness/report/figures/figure_set.hpp"
#include "harness/report/figures/hit_curve.hpp"
#include "harness/report/figures/png.hpp"
#include "harness/report/figures/sample_figures.hpp"
#include "harness/report/figures/svg_checks.hpp"
#include "harness/report/golden.hpp"
#include "harness/report/sample_leg.hpp"

namespace kvtier {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr int kPairCounts[] = {0, 1, 2, 8, 64};

/// Every figure with fixed data of `pairs` pairs.
std::vector<Figure> FixedFigures(int pairs, const std::string& name = {}) {
  SweepCurvesData sweep = SweepCurvesOf(
      pairs == 0 ? Sweep{} : test::MakeSampleSweep(),
      pairs < 2 ? std::vector<SweepServed>{} : test::MakeSampleServed(), test::SampleContext());
  if (!name.empty()) {
    sweep.context = {name, name, true};
    sweep.metric = sweep.unit = name;
    sweep.slo = Reading<double>::Unavailable(name);
    for (auto& mode : sweep.modes) mode.name = name;
  }
  return {{"paired_slopegraph", "", PairedSlopegraph(test::FixedSlopegraph(pairs, name))},
          {"effect_forest", "", EffectForest(test::FixedForest(pairs, name))},
          {"tier_hits", "", TierHits(test::FixedTierHits(pairs, name))},
          {"phase_bytes", "", PhaseBytes(test::FixedPhaseBytes(pairs, name))},
          {"io_timeline", "", IoTimeline(test::FixedTimeline(std::min(pairs, 2), name))},
          {"ttfc_ecdf", "", TtfcEcdf(test::FixedShape(pairs, name))},
          {"ttfc_shift", "", TtfcShift(test::FixedShape(pairs, name))},
          {"sweep_curves", "", SweepCurves(sweep)}};
}

TEST(Figures, AreTheGoldenDocuments) {
  for (const Figure& f : FixedFigures(8))
    EXPECT_EQ(f.svg, Golden("../figures/golden/" + f.name + ".svg", f.svg)) << f.name;
  const std::string empty = PairedSlopegraph(test::FixedSlopegraph(0));
  EXPECT_EQ(empty, Golden("../figures/golden/paired_slopegraph_empty.svg", empty));
}

TEST(Figures, StayInTheirViewBoxForAnyNumberOfPairs) {
  for (const int pairs : kPairCounts) {
    for (const Figure& f : FixedFigures(pairs)) {
      SCOPED_TRACE(fmt::format("{}, {} pairs", f.name, pairs));
      const test::Drawing d = test::ReadDrawing(f.svg);
      EXPECT_THAT(d.problems, IsEmpty());
      EXPECT_TRUE(d.Says("n = "));
      EXPECT_TRUE(d.Says("source: phase70")) << d.AllText();
      EXPECT_TRUE(d.Says(kReferenceStackNote)) << d.AllText();
    }
  }
}

TEST(Figures, OfRealEvidenceStayInTheirViewBoxToo) {
  for (const int pairs : kPairCounts) {
    const test::SampleExperiment e = test::MakeSampleExperiment(pairs);
    const auto figures = Phase70Figures(e.analysis, e.input.legs, test::SampleContext());
    EXPECT_EQ(figures.size(), 7U);
    for (const Figure& f : figures) {
      SCOPED_TRACE(fmt::format("{}, {} pairs", f.name, pairs));
      EXPECT_THAT(test::ReadDrawing(f.svg).problems, IsEmpty());
      EXPECT_FALSE(f.title.empty());
    }
  }
}

TEST(Figures, EscapeEveryNameAndShortenLongOnes) {
  std::string hostile = " <script>alert('x')</script> & \"]]> \x01\xFF";
  for (const std::string& name :
       {hostile, hostile + std::string(400, 'W'), hostile + std::string(400, ' ') + "end"}) {
    for (const int pairs : {0, 2, 8, 64}) {
      for (const Figure& f : FixedFigures(pairs, name)) {
        SCOPED_TRACE(fmt::format("{}, {} pairs", f.name, pairs));
        EXPECT_THAT(f.svg, Not(HasSubstr("<script")));
        const test::Drawing d = test::ReadDrawing(f.svg);
        EXPECT_THAT(d.problems, IsEmpty());
        EXPECT_EQ(d.elements.count("script"), 0U);
      }
    }
  }
}

TEST(Figures, AreEqualForEqualData) {
  const auto once = FixedFigures(8), again = FixedFigures(8);
  for (std::size_t i = 0; i < once.size(); ++i) EXPECT_EQ(once[i].svg, again[i].svg);
}

TEST(Figures, WithoutDataSayWhyTheyAreEmpty) {
  const std::map<std::string, std::string> why{{"paired_slopegraph", "No pair was measured."},
                                               {"effect_forest", "No pair was measured"},
                                               {"tier_hits", "No valid B2 leg has an expectation"},
                                               {"phase_bytes", "No leg was measured."},
                                               {"io_timeline", "No pair has two legs."},
                                               {"ttfc_ecdf", "No pair was measured."},
                                               {"ttfc_shift", "No pair was measured."},
                                               {"sweep_curves", "The sweep has no point."}};
  for (const Figure& f : FixedFigures(0)) {
    const test::Drawing d = test::ReadDrawing(f.svg);
    EXPECT_TRUE(d.Says(why.at(f.name))) << f.name << ": " << d.AllText();
    EXPECT_THAT(d.description, HasSubstr(why.at(f.name))) << f.name;
  }
}

TEST(Figures, LeaveOutTheReferenceNoteElsewhere) {
  SlopegraphData data = test::FixedSlopegraph(2);
  data.context.reference_stack = false;
  EXPECT_FALSE(test::ReadDrawing(PairedSlopegraph(data)).Says("GPU machine"));
}

TEST(Figures, DrawNoNumberThatIsNone) {
  const double nan = std::nan(""), inf = std::numeric_limits<double>::infinity();
  SlopegraphData slope = test::FixedSlopegraph(3);
  slope.pairs[0].a = nan;
  slope.pairs[1].b = inf;
  slope.pairs.push_back({4, true, 0.0, -1.0, true});
  ForestData forest = test::FixedForest(3);
  forest.pairs[0].estimate = nan;
  forest.pooled[0].interval = Interval{-inf, nan};
  TtfcShapeData shape = test::FixedShape(3);
  shape.pairs[0].a = {nan, inf, -1, 0};
  IoTimelineData timeline = test::FixedTimeline(2);
  timeline.legs[0].disk_read[3].rate = nan;
  timeline.legs[0].phases[1].to_s = inf;
  for (const std::string& svg : {PairedSlopegraph(slope), EffectForest(forest), TtfcEcdf(shape),
                                 TtfcShift(shape), IoTimeline(timeline)}) {
    const test::Drawing d = test::ReadDrawing(svg);
    EXPECT_THAT(d.problems, IsEmpty());
    EXPECT_THAT(svg, Not(HasSubstr("nan")));
    EXPECT_THAT(svg, Not(HasSubstr("\"inf")));
  }
}

TEST(Slopegraph, DrawsEveryPairAndJoinsOnlyCompleteOnes) {
  for (const int pairs : {1, 2, 8, 64}) {
    const SlopegraphData data = test::FixedSlopegraph(pairs);
    int joined_ab = 0, joined_ba = 0, with_b = 0;
    for (const auto& p : data.pairs) {
      if (p.complete) ++(p.a_first ? joined_ab : joined_ba);
      with_b += p.b ? 1 : 0;
    }
    const test::Drawing d = test::ReadDrawing(PairedSlopegraph(data));
    const std::string radius = pairs > 24 ? "2.2" : "3.6", width = pairs > 24 ? "0.8" : "1.4";
    EXPECT_EQ(d.Count("circle", "r", radius), pairs);
    EXPECT_EQ(d.Count("rect", "width", pairs > 24 ? "3.96" : "6.48"), with_b);
    const int legend = pairs > 24 ? 0 : 1;
    EXPECT_EQ(d.Count("line", "stroke-dasharray", "5 3"), joined_ba + 1);
    EXPECT_EQ(d.Count("line", "stroke-width", width), joined_ab + joined_ba + 2 * legend);
  }
}

TEST(Slopegraph, TakesTheRowsOfTheSummary) {
  const test::SampleExperiment e = test::MakeSampleExperiment(8);
  const SlopegraphData data = SlopegraphOf(e.analysis, {});
  ASSERT_EQ(data.pairs.size(), 8U);
  int complete = 0;
  for (const auto& p : data.pairs) {
    complete += p.complete ? 1 : 0;
    if (p.complete) {
      EXPECT_GT(*p.a, 2 * *p.b) << p.pair_id;
    }
  }
  EXPECT_EQ(complete, e.analysis.verdict.pairs_complete);
  EXPECT_FALSE(data.pairs[2].complete);  // an invalid leg, still shown
  EXPECT_TRUE(data.pairs[2].a && data.pairs[2].b);
  EXPECT_TRUE(data.pairs[3].a.has_value() != data.pairs[3].b.has_value());
}

TEST(Forest, NamesEveryPairTheSidesAndTheDecidingRow) {
  for (const int pairs : {1, 2, 8, 64}) {
    const test::Drawing d = test::ReadDrawing(EffectForest(test::FixedForest(pairs)));
    for (int i = 1; i <= pairs; ++i) EXPECT_TRUE(d.Says(fmt::format("pair {} (B1_B2)", i)));
    EXPECT_TRUE(d.Says("BETTER: B2 faster") && d.Says("WORSE: B2 slower"));
    EXPECT_TRUE(d.Says("Verdict: BETTER, grade B"));
  }
}

TEST(Forest, TheDecidingRowIsTheEffects) {
  for (const int pairs : {8, 24}) {
    const test::SampleExperiment e = test::MakeSampleExperiment(pairs);
    const ForestData data = ForestOf(e.analysis, {});
    EXPECT_EQ(data.pairs.size(), static_cast<std::size_t>(pairs));
    std::vector<Interval> deciding;
    for (const auto& row : data.pooled) {
      if (row.decides) deciding.push_back(*row.interval);
    }
    ASSERT_EQ(deciding.size(), 1U);
    const auto expected = e.analysis.verdict.effect.Deciding();
    ASSERT_TRUE(expected);
    EXPECT_EQ(deciding[0].low, expected->low);
    EXPECT_EQ(deciding[0].high, expected->high);
  }
  // Two pairs have no 95 % interval, one has none at all.
  for (const int pairs : {1, 2}) {
    const ForestData data = ForestOf(test::MakeSampleExperiment(pairs).analysis, {});
    for (const auto& row : data.pooled) EXPECT_FALSE(row.decides) << row.label;
    EXPECT_EQ(data.pooled.at(0).interval.has_value(), pairs > 1);
    EXPECT_TRUE(test::ReadDrawing(EffectForest(data)).Says("Too few pairs"));
  }
}

TEST(TierHits, AnUnreadCounterIsACrossWithItsReasonAndNoDot) {
  TierHitsData data = test::FixedTierHits(4);
  const test::Drawing d = test::ReadDrawing(TierHits(data));
  EXPECT_TRUE(d.Says("Not read (host, pair 4): the exporter does not say it"));
  EXPECT_TRUE(d.Says("Host tier: 3 of 4 legs as expected; 1 not read"));
  EXPECT_TRUE(d.Says("farthest off: pair 2, 120 blocks too few"));
  EXPECT_EQ(d.elements.at("circle"), 7 + 2);  // seven counts, two in the legend
}

TEST(TierHits, IsOfTheLegsWithAnSsdTier) {
  const TierHitsData data = TierHitsOf(test::MakeSampleExperiment(8).analysis, {});
  ASSERT_EQ(data.tiers.size(), 2U);
  EXPECT_EQ(data.tiers[1].legs.size(), data.tiers[0].legs.size());
  EXPECT_FALSE(data.tiers[1].legs.empty());
  EXPECT_EQ(data.tiers[1].legs[0].expected_high, test::kReplayBlocks);
}

TEST(PhaseBytes, SetsTheWitnessesOfEveryLegSideBySide) {
  const test::SampleExperiment e = test::MakeSampleExperiment(2);
  const PhaseBytesData data = PhaseBytesOf(e.input.legs, {});
  EXPECT_THAT(data.phases, ElementsAre("populate", "thrash", "replay"));
  ASSERT_EQ(data.legs.size(), 4U);
  const test::Drawing d = test::ReadDrawing(PhaseBytes(data));
  // A ring a leg, phase and direction, and one in the legend.
  EXPECT_EQ(d.elements.at("circle"), 4 * 3 * 2 + 1);
  const test::Drawing unread = test::ReadDrawing(PhaseBytes(test::FixedPhaseBytes(3)));
  EXPECT_TRUE(unread.Says("No engine count (pair 3 leg 2, thrash): a counter was reset"));
}

TEST(IoTimelineReader, KeepsTheBytesOfDiskAndEngine) {
  const fs::path dir = sample::Scratch("figures_timeline");
  test::WriteSampleTimeline(dir, true);
  const IoTimelineData::Leg leg = ReadIoTimeline(dir, "B2", test::kBlockBytes);
  EXPECT_EQ(leg.unavailable, "");
  ASSERT_EQ(leg.phases.size(), 3U);
  EXPECT_EQ(leg.phases[2].name, "replay");
  EXPECT_EQ(leg.phases[0].from_s, 0);
  const auto mib = [](const std::vector<IoTimelineData::Step>& steps) {
    double sum = 0;
    for (const auto& s : steps) sum += s.rate * (s.to_s - s.from_s);
    return sum;
  };
  EXPECT_GT(mib(leg.disk_read), 200);
  EXPECT_NEAR(mib(leg.engine_read), mib(leg.disk_read),
              1);  // whole blocks, last reading at the end
  EXPECT_GT(mib(leg.disk_written), 100);
  const auto figure = test::ReadDrawing(IoTimeline({{}, {leg}}));
  EXPECT_THAT(figure.problems, IsEmpty());
}

TEST(IoTimelineReader, SaysWhatIsMissing) {
  const fs::path dir = sample::Scratch("figures_no_timeline");
  EXPECT_THAT(ReadIoTimeline(dir, "B1", 1).unavailable, HasSubstr("holds no telemetry"));
  test::WriteSampleTimeline(dir, true);
  EXPECT_THAT(ReadIoTimeline(dir, "B1", 0).engine_unavailable, HasSubstr("bytes of a block"));
  WriteFileAtomic(dir / bundle_files::kTimeline, "not a timeline\n");
  EXPECT_FALSE(ReadIoTimeline(dir, "B1", 1).unavailable.empty());
  IoTimelineData both;
  both.legs = {ReadIoTimeline(dir, "B1", 1), test::FixedTimeline(1).legs[0]};
  EXPECT_TRUE(test::ReadDrawing(IoTimeline(both)).Says("B1: not drawn:"));
}

TEST(IoTimelineReader, TakesAPairThatCounts) {
  test::SampleExperiment e = test::MakeSampleExperiment(4);
  const fs::path root = sample::Scratch("figures_pair");
  for (Phase70Leg& leg : e.input.legs) {
    leg.evidence.run_dir = (root / leg.evidence.run_id).string();
    test::WriteSampleTimeline(leg.evidence.run_dir, HasDiskTier(leg.evidence.tier));
  }
  const IoTimelineData data = ReadIoTimelinePair(e.input.legs, e.analysis, {});
  ASSERT_EQ(data.legs.size(), 2U);
  EXPECT_THAT(data.legs[0].label, HasSubstr("B1, pair 1"));
  EXPECT_THAT(data.legs[1].label, HasSubstr("B2, pair 1"));
  EXPECT_EQ(data.legs[1].unavailable, "");
}

TEST(TtfcShape, HasAPanelAPairAndOnlyCompletePairsInTheShift) {
  for (const int pairs : {1, 2, 8, 64}) {
    const TtfcShapeData data = test::FixedShape(pairs);
    const test::Drawing ecdf = test::ReadDrawing(TtfcEcdf(data));
    EXPECT_EQ(ecdf.elements.at("polyline"), 2 * pairs);
    const auto complete = std::count_if(data.pairs.begin(), data.pairs.end(),
                                        [](const auto& p) { return p.complete; });
    const test::Drawing shift = test::ReadDrawing(TtfcShift(data));
    EXPECT_EQ(shift.elements.at("polyline"), complete + 1);  // and the median
  }
}

TEST(TtfcShape, IsOfTheHeadlinePhase) {
  const test::SampleExperiment e = test::MakeSampleExperiment(2);
  const TtfcShapeData data = TtfcShapeOf(e.input.legs, e.analysis, {});
  ASSERT_EQ(data.pairs.size(), 2U);
  EXPECT_EQ(data.pairs[0].a.size(), 60U);
  EXPECT_EQ(data.pairs[1].b.size(), 60U);
}

TEST(SweepCurves, KeepPointsThatAreNotOkOutOfTheFit) {
  const SweepCurvesData data =
      SweepCurvesOf(test::MakeSampleSweep(), test::MakeSampleServed(), test::SampleContext());
  ASSERT_EQ(data.modes.size(), 2U);
  const auto& b1 = data.modes[0];
  EXPECT_EQ(b1.latency.size(), 7U);
  ASSERT_TRUE(b1.crossing.available()) << b1.crossing.reason();
  EXPECT_EQ(b1.crossing->concurrencies.size(), 6U);  // 64 was partial
  EXPECT_TRUE(b1.usl.available()) << b1.usl.reason();
  const test::Drawing d = test::ReadDrawing(SweepCurves(data));
  EXPECT_TRUE(d.Says("Objective: 33.0 ms."));
  EXPECT_TRUE(d.Says("B1: meets the objective up to 7.33"));
  EXPECT_TRUE(d.Says("Kneedle at 16"));
  EXPECT_TRUE(test::ReadDrawing(SweepCurves(SweepCurvesOf(test::MakeSampleSweep(), {}, {})))
                  .Says("No throughput"));
}

TEST(SweepServed, CountsWhatMeetsTheObjectiveOfTheBundlesThatAreThere) {
  const fs::path root = sample::Scratch("figures_served");
  const LegEvidence leg = sample::Leg(TierMode::kB2);  // replays of 20 and 30 ms in 2 s
  {
    RunBundleWriter writer(root / "run");
    sample::WriteUpToTheEnd(writer, leg);
    writer.Close(leg);
  }
  Phase60Summary summary;
  Phase60Row row;
  row.place = {TierMode::kB2, 4};
  row.status = SweepStatus::kOk;
  row.run_path = "run";
  summary.rows = {row, row, row};
  summary.rows[1].run_path = "gone";
  summary.rows[2].status = SweepStatus::kPartial;
  const auto served = ReadSweepServed(root, summary, 25.0);
  ASSERT_EQ(served.size(), 1U);
  EXPECT_EQ(served[0].concurrency, 4);
  EXPECT_DOUBLE_EQ(served[0].requests_per_s, 1.0);
  EXPECT_DOUBLE_EQ(*served[0].good_requests_per_s, 0.5);
  const auto blind = ReadSweepServed(root, summary, Reading<double>::Unavailable("no baseline"));
  EXPECT_EQ(blind.at(0).good_requests_per_s.reason(), "no baseline");
}

TEST(Phase60Figures, AreMadeFromTheSummaryAlone) {
  const fs::path file = sample::Scratch("figures_phase60") /
                        "phase60_rehydrate_concurrency_sweep_summary_minimal_20260101T000000Z.json";
  WriteJsonAtomic(
      file,
      test::SweepJson({test::BaselineRowJson(30), test::SweepPointJson("B1", 1, 28),
                       test::SweepPointJson("B2", 1, 30), test::SweepPointJson("B2", 4, 31)}));
  const auto figures = Phase60Figures(file);
  ASSERT_EQ(figures.size(), 1U);
  EXPECT_EQ(figures[0].name, "sweep_curves");
  const test::Drawing d = test::ReadDrawing(figures[0].svg);
  EXPECT_THAT(d.problems, IsEmpty());
  EXPECT_TRUE(d.Says("Phase60 20260101T000000Z; source: phase60_rehydrate"));
  EXPECT_TRUE(d.Says("No throughput"));
  EXPECT_FALSE(d.Says("GPU machine"));  // of the predecessor: nothing says it was the reference
  EXPECT_THROW(Phase60Figures(file.parent_path() / "none.json"), IoError);
}

TEST(FigureContext, KnowsTheReferenceStack) {
  Phase70Manifest manifest;
  manifest.setup.ts = "20260101T000000Z";
  manifest.stack_label = "reference stack (preset small)";
  const Phase70Paths paths{"results", manifest.setup.ts};
  EXPECT_TRUE(ContextOf(manifest, paths).reference_stack);
  EXPECT_EQ(ContextOf(manifest, paths).run, "Phase70 20260101T000000Z");
  EXPECT_THAT(ContextOf(manifest, paths).source, HasSubstr("verdict_20260101T000000Z.json"));
  manifest.stack_label = "dynamo";
  EXPECT_FALSE(ContextOf(manifest, paths).reference_stack);
}

TEST(SameModes, AreToldApartByTheirPlace) {
  test::SampleExperiment e = test::MakeSampleExperiment(2);
  e.input.setup.mode_a = e.input.setup.mode_b = TierMode::kB2;
  for (Phase70Leg& leg : e.input.legs) leg.evidence.tier = TierMode::kB2;
  e.analysis = AnalyzePhase70(e.input, "2026-01-01T00:00:00.000+00:00");
  const SlopegraphData data = SlopegraphOf(e.analysis, {});
  ASSERT_EQ(data.pairs.size(), 2U);
  EXPECT_NE(data.arm_a, data.arm_b);
  for (const auto& p : data.pairs) {
    const Phase70Leg& first = e.input.legs[static_cast<std::size_t>(2 * (p.pair_id - 1))];
    EXPECT_EQ(p.a_first, first.order == LegOrder::kAB);
    EXPECT_GT(*p.a, 2 * *p.b);  // arm A was made slow
  }
}

TEST(HitCurveFigure, DrawsBothCurvesAndTheSizesOfTheTiers) {
  HitCurveData data;
  data.context = test::SampleContext();
  data.requests = 10;
  data.references = 100;
  data.ideal_share = 0.5;
  data.points = {{1, 0.01}, {2, 0.1, 0.05}, {4, 0.3, 0.2}, {8, 0.5, 0.4}};
  data.tiers = {{"G1", 2}, {"G3", 6}, {"far off", 1e9}};
  const test::Drawing d = test::ReadDrawing(HitCurveFigure(data));
  EXPECT_THAT(d.problems, IsEmpty());
  EXPECT_EQ(d.elements.at("polyline"), 2);
  const std::string svg = HitCurveFigure(data);
  EXPECT_THAT(svg, HasSubstr(">G3<"));
  EXPECT_THAT(svg, Not(HasSubstr("far off")));
  EXPECT_THAT(svg, HasSubstr("infinite: 50.0 %"));
  data.points = {{std::nan(""), 0.1}, {0, 0.2}};
  EXPECT_THAT(test::ReadDrawing(HitCurveFigure(data)).problems, IsEmpty());
  EXPECT_THAT(HitCurveFigure(data), HasSubstr("refers to no block"));
}

/// An executable shell script.
fs::path Script(const fs::path& file, const std::string& body) {
  WriteFileAtomic(file, "#!/bin/sh\n" + body + "\n");
  ::chmod(file.c_str(), 0755);
  return file;
}

TEST(Png, AFailureLeavesNoFileAndSaysWhatTheConverterSaid) {
  const fs::path dir = sample::Scratch("figures_png");
  WriteFileAtomic(dir / "a.svg", PairedSlopegraph(test::FixedSlopegraph(2)));
  const fs::path broken = Script(dir / "broken", "echo out of ink >&2; exit 3");
  const auto failed = RenderPng(broken, dir / "a.svg", dir / "a.png");
  EXPECT_FALSE(failed.available());
  EXPECT_THAT(failed.reason(), HasSubstr("out of ink"));
  EXPECT_THAT(failed.reason(), HasSubstr("a.png is missing"));
  EXPECT_FALSE(RenderPng(dir / "nowhere", dir / "a.svg", dir / "a.png").available());
  for (const auto& entry : fs::directory_iterator(dir))
    EXPECT_NE(entry.path().extension(), ".png") << entry.path();
}

TEST(Png, WithoutTheConverterTheFiguresAreSvgWithANote) {
  const fs::path dir = sample::Scratch("figures_no_png");
  const std::string path = std::getenv("PATH");
  ::setenv("PATH", dir.c_str(), 1);
  const FigureFiles files = WriteFigures(dir, FixedFigures(2));
  ::setenv("PATH", path.c_str(), 1);
  EXPECT_EQ(files.written.size(), 8U);
  ASSERT_EQ(files.notes.size(), 1U);
  EXPECT_THAT(files.notes[0], HasSubstr("librsvg2-bin"));
  EXPECT_EQ(ReadFile(dir / "effect_forest.svg"), EffectForest(test::FixedForest(2)));
}

TEST(Png, IsRenderedWhereTheConverterIs) {
  const auto converter = FindSvgConverter();
  if (!converter.available()) GTEST_SKIP() << converter.reason();
  const fs::path dir = sample::Scratch("figures_with_png");
  const FigureFiles files = WriteFigures(dir, FixedFigures(1));
  EXPECT_THAT(files.notes, IsEmpty());
  EXPECT_EQ(files.written.size(), 16U);
  EXPECT_EQ(ReadFile(dir / "ttfc_ecdf.png").substr(1, 3), "PNG");
}

}  // namespace
}  // namespace kvtier
