#include "harness/report/pack/results_pack.hpp"

#include <filesystem>
#include <set>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "harness/core/error.hpp"
#include "harness/core/files.hpp"
#include "harness/report/bundle.hpp"
#include "harness/report/sample_leg.hpp"
#include "harness/report/schema_check.hpp"

namespace kvtier {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

constexpr const char* kTs = "20261122T014510Z";
constexpr const char* kNow = "2026-11-22T02:00:00.000+00:00";

/// An experiment of `pairs` pairs of sample legs on disk, analysed as the run would have.
Phase70Paths WriteExperiment(const std::string& name, int pairs,
                             PreflightOutcome::State preflight = PreflightOutcome::State::kPassed) {
  const Phase70Paths paths{sample::Scratch(name), kTs};
  Phase70Manifest m;
  m.created_utc = kNow;
  m.setup.ts = kTs;
  m.setup.planned_pairs = std::max(1, pairs);
  m.setup.replay_concurrency = 4;
  m.setup.order_seed = "20260212";
  m.model_profile = "reference";
  m.stack_label = "reference stack (preset nano)";
  m.mechanism_mode = true;
  m.block_bytes = 8192;
  m.block_tokens = 32;
  m.schedule = PlanOrder(m.setup.planned_pairs, OrderStrategy::kAlternating, "");
  m.settings = {{"phase70.pairs", "2", "BENCH_PHASE70_PAIRS"}};
  m.setup.declared_sha256 = DeclarationSha256(m.setup);
  for (int pair = 1; pair <= pairs; ++pair) {
    for (int place = 1; place <= 2; ++place) {
      const LegOrder order = m.schedule[static_cast<std::size_t>(pair - 1)];
      const TierMode mode =
          (order == LegOrder::kAB) == (place == 1) ? TierMode::kB1 : TierMode::kB2;
      LegEvidence leg = sample::Leg(mode);
      leg.run_id = paths.RunId(mode, pair, place);
      RunBundleWriter writer(paths.RunDir(mode, pair, place));
      sample::WriteUpToTheEnd(writer, leg);
      writer.Close(leg);
      m.runs.push_back(
          {.pair_id = pair,
           .pair_order = OrderLabel(order, TierMode::kB1, TierMode::kB2),
           .pair_leg = place,
           .mode = mode,
           .bundle_id = paths.BundleId(mode, pair, place),
           .run_id = leg.run_id,
           .run_dir = fs::relative(paths.RunDir(mode, pair, place), paths.root).string(),
           .log_path = "",
           .started_utc = kNow,
           .completed_utc = kNow});
    }
  }
  WritePhase70Manifest(paths, m);
  const bool passed = preflight == PreflightOutcome::State::kPassed;
  json record{{"created_utc", kNow},
              {"ok", passed},
              {"decision_grade", passed},
              {"detail", passed ? "" : "no model"},
              {"reason_codes", json::array()}};
  if (!passed) record["reason_codes"].push_back("PREFLIGHT_NO_MODELS");
  WritePhase70Preflight(paths, record);
  Phase70Analysis analysis = AnalyzePhase70({.setup = m.setup,
                                             .preflight = LoadPhase70Preflight(paths),
                                             .legs = LoadPhase70Legs(paths, m),
                                             .runner_findings = {}},
                                            kNow);
  WritePhase70Analysis(paths, m, analysis);
  return paths;
}

PackOptions Options(const fs::path& out_root = {}) {
  return {.out_root = out_root, .skip_figures = true, .created_utc = kNow};
}

std::set<std::string> FilesBelow(const fs::path& folder) {
  std::set<std::string> names;
  for (const auto& e : fs::recursive_directory_iterator(folder)) {
    if (e.is_regular_file()) names.insert(fs::relative(e.path(), folder).string());
  }
  return names;
}

TEST(ResultsPack, HoldsTheDocumentedFilesWithTheirHashes) {
  const Phase70Paths paths = WriteExperiment("pack_whole", 2);
  const PackResult result = WriteResultsPack(paths, Options());
  EXPECT_EQ(result.folder, paths.root / "publish/phase70_pairs2_c4_20261122T014510Z");
  const auto files = FilesBelow(result.folder);
  EXPECT_EQ(files, (std::set<std::string>{"FIGURES/README.md",
                                          "METHOD.md",
                                          "README.md",
                                          "RESULTS/evidence.csv",
                                          "RESULTS/findings.csv",
                                          "RESULTS/hits.csv",
                                          "RESULTS/noise.csv",
                                          "RESULTS/phases.csv",
                                          "RESULTS/summary.md",
                                          "TECHBRIEF_EVIDENCE.md",
                                          "deltas.csv",
                                          "manifest.json",
                                          "methodology.md",
                                          "order_check.json",
                                          "pack_manifest.json",
                                          "report.html",
                                          "summary.csv",
                                          "summary.json",
                                          "tables/table_main_latency.csv",
                                          "tables/table_mechanism.csv",
                                          "tables/table_order_effect.csv",
                                          "verdict.json"}));
  const auto m = ReadJson(result.folder / "pack_manifest.json").get<PackManifest>();
  EXPECT_EQ(m.files.size() + 1, files.size());
  for (const auto& f : m.files) {
    const std::string bytes = ReadFile(result.folder / f.path);
    EXPECT_EQ(f.sha256, Sha256Hex(bytes)) << f.path;
    EXPECT_EQ(f.bytes, bytes.size()) << f.path;
  }
  for (const auto& [key, f] : m.sources)
    EXPECT_EQ(f.sha256, Sha256Hex(ReadFile(paths.root / f.path))) << key;
  EXPECT_TRUE(m.sources.contains("run_B2_p01_l2_20261122T014510Z/summary.json"));
  EXPECT_EQ(json(m), json(result.manifest));
  EXPECT_EQ(ReadFile(result.folder / "verdict.json"), ReadFile(paths.Verdict()));
  EXPECT_EQ(fs::last_write_time(result.folder / "summary.json"),
            fs::last_write_time(paths.Summary()));
  EXPECT_THAT(m.notes, Contains("figures_skipped_cli=true"));
  EXPECT_FALSE(m.decision_grade);
  EXPECT_THAT(CheckBundle(result.folder, fs::path(KVTIER_SOURCE_DIR) / "docs/schemas"), IsEmpty());
}

TEST(ResultsPack, TheSameArtifactsGiveTheSameBytes) {
  const Phase70Paths paths = WriteExperiment("pack_twice", 2);
  PackOptions options = Options(paths.root / "one");
  options.skip_figures = false;
  const PackResult one = WriteResultsPack(paths, options);
  options.out_root = paths.root / "two";
  const PackResult two = WriteResultsPack(paths, options);
  ASSERT_EQ(FilesBelow(one.folder), FilesBelow(two.folder));
  for (const auto& name : FilesBelow(one.folder)) {
    EXPECT_EQ(ReadFile(one.folder / name), ReadFile(two.folder / name)) << name;
  }
}

TEST(ResultsPack, TheFiguresAreFilesAndStandInThePage) {
  const Phase70Paths paths = WriteExperiment("pack_figures", 2);
  PackOptions options = Options();
  options.skip_figures = false;
  const PackResult result = WriteResultsPack(paths, options);
  const std::string html = ReadFile(result.folder / "report.html");
  for (const char* name : {"paired_slopegraph", "effect_forest", "tier_hits", "phase_bytes"}) {
    const std::string svg = ReadFile(result.folder / "FIGURES" / (std::string(name) + ".svg"));
    EXPECT_THAT(html, HasSubstr(svg.substr(svg.find("<svg")))) << name;
    EXPECT_THAT(html,
                HasSubstr("<figure data-chart=\"" + std::string(name) + "\" class=\"has-still\">"));
  }
  EXPECT_THAT(result.manifest.notes, Contains("figures_generated=true"));
}

TEST(ResultsPack, APackThatStandsThereIsNeverLost) {
  const Phase70Paths paths = WriteExperiment("pack_again", 1);
  const fs::path folder = WriteResultsPack(paths, Options()).folder;
  WriteFileAtomic(folder / "mine.txt", "kept");
  try {
    WriteResultsPack(paths, Options());
    FAIL();
  } catch (const ConfigError& e) {
    EXPECT_THAT(e.what(), AllOf(HasSubstr(folder.string()), HasSubstr("--force")));
  }
  PackOptions options = Options();
  options.replace = true;
  const PackResult second = WriteResultsPack(paths, options);
  EXPECT_EQ(second.folder, folder);
  EXPECT_FALSE(fs::exists(folder / "mine.txt"));
  EXPECT_EQ(second.replaced, fs::path(folder.string() + ".replaced1"));
  EXPECT_EQ(ReadFile(second.replaced / "mine.txt"), "kept");
  EXPECT_EQ(WriteResultsPack(paths, options).replaced, fs::path(folder.string() + ".replaced2"));
}

TEST(ResultsPack, AFailureLeavesNothingBehind) {
  const Phase70Paths paths = WriteExperiment("pack_fails", 1);
  fs::create_directories(paths.root / "publish");
  WriteFileAtomic(paths.Verdict(), "{");
  EXPECT_THROW(WriteResultsPack(paths, Options()), DataError);
  fs::remove(paths.OrderCheck());
  try {
    WriteResultsPack(paths, Options());
    FAIL();
  } catch (const ConfigError& e) {
    EXPECT_THAT(e.what(), HasSubstr(paths.OrderCheck().string()));
  }
  EXPECT_TRUE(fs::is_empty(paths.root / "publish"));
  PackOptions options = Options();
  options.name = "../elsewhere";
  EXPECT_THROW(WriteResultsPack(WriteExperiment("pack_path", 1), options), ConfigError);
}

TEST(ResultsPack, AFailedPreflightHasAPackThatSaysSo) {
  const Phase70Paths paths = WriteExperiment("pack_preflight", 0, PreflightOutcome::State::kFailed);
  const PackResult result = WriteResultsPack(paths, Options());
  EXPECT_THAT(
      ReadFile(result.folder / "README.md"),
      AllOf(StartsWith("**NOT DECISION GRADE (grade X): "), HasSubstr("PREFLIGHT_NO_MODELS")));
  EXPECT_THAT(
      CheckFile(result.folder / "pack_manifest.json",
                fs::path(KVTIER_SOURCE_DIR) / "docs/schemas/results_pack_manifest.schema.json"),
      IsEmpty());
}

TEST(ResultsPack, WhatIsGoneIsNamedAndTheRestIsPacked) {
  const Phase70Paths paths = WriteExperiment("pack_gone", 2);
  fs::remove_all(paths.root / paths.BundleId(TierMode::kB2, 1, 2));
  fs::remove(paths.Verdict());
  const PackResult result = WriteResultsPack(paths, Options());
  const std::string method = ReadFile(result.folder / "METHOD.md");
  EXPECT_THAT(method, HasSubstr("bundle of run_B2_p01_l2_20261122T014510Z: "));
  EXPECT_THAT(method, HasSubstr("the run wrote no verdict"));
  EXPECT_FALSE(fs::exists(result.folder / "verdict.json"));
  EXPECT_THAT(ReadFile(result.folder / "RESULTS/evidence.csv"),
              HasSubstr("b2_read_from_ssd,not observable,"));
}

TEST(FindLatestPhase70, IsTheLastByName) {
  const fs::path root = sample::Scratch("pack_latest");
  try {
    FindLatestPhase70(root);
    FAIL();
  } catch (const ConfigError& e) {
    EXPECT_THAT(e.what(), AllOf(HasSubstr(root.string()), HasSubstr("--results-root")));
  }
  for (const char* ts : {"20260102T000000Z", "20260103T000000Z", "20260101T000000Z"})
    WriteFileAtomic(Phase70Paths{root, ts}.Manifest(), "{}");
  EXPECT_EQ(FindLatestPhase70(root), "20260103T000000Z");
}

}  // namespace
}  // namespace kvtier
