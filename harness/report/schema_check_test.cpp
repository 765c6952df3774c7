#include "harness/report/schema_check.hpp"

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "harness/core/files.hpp"
#include "harness/core/temp_dir.hpp"
#include "harness/judge/knee_report.hpp"
#include "harness/judge/recommend.hpp"
#include "harness/judge/sweep_maker.hpp"
#include "harness/report/sample_schemas.hpp"
#include "harness/report/sweep_reader.hpp"

namespace kvtier {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

const std::string kStamp = "20260219T211627Z";

class ResultsRoot : public ::testing::Test {
 protected:
  void Write(const std::string& name, const json& value) {
    fs::create_directories((root_ / name).parent_path());
    WriteFileAtomic(root_ / name, value.dump() + "\n");
  }
  /// What no schema knows.
  std::vector<std::string> Unknown() {
    std::vector<std::string> out;
    for (const std::string& v : CheckBundle(root_, kSchemas)) {
      if (v.ends_with("no schema knows this file")) out.push_back(v);
    }
    return out;
  }

  const TempDir folder_;
  const fs::path root_ = folder_.path();
};

/// Five sweeps of B1 and B2 over six concurrencies; B2 bends. Each run says its replay's rate.
Sweep Repeated() {
  std::vector<json> rows{test::BaselineRowJson(100)};
  const std::vector<double> p95{100, 101, 103, 107, 130, 260};
  for (int sweep = 0; sweep < 5; ++sweep) {
    for (std::size_t i = 0; i < p95.size(); ++i) {
      rows.push_back(test::SweepPointJson("B1", 1 << i, 2 * p95[i] + sweep));
      rows.push_back(test::SweepPointJson("B2", 1 << i, p95[i] + sweep));
    }
  }
  Sweep out = SweepFrom(test::SweepJson(rows));
  for (SweepRow& row : out.rows) {
    const double n = row.concurrency;
    row.run = SweepRun{};
    row.run->replay_ok_per_s = 10 * n / (1 + 0.05 * (n - 1) + 0.002 * n * (n - 1));
  }
  return out;
}

TEST_F(ResultsRoot, WhatTheOfflineCommandsWriteFitsItsSchema) {
  const Sweep full = Repeated();
  Sweep bare = full;  // one point, no rate: everything is refused with a reason
  bare.rows.resize(2);
  bare.rows.back().run.reset();
  const std::vector<std::pair<std::string, Sweep>> sweeps{{kStamp, full},
                                                          {"20260219T211628Z", bare}};
  for (const auto& [ts, sweep] : sweeps) {
    Write("phase60_knee_" + ts + ".json",
          KneeJson(FindKnees(sweep), KneeTable(sweep), {"now", ts, {"summary.json"}}));
    Write("phase60_crossover_recommendation_" + ts + ".json",
          RecommendationJson(Recommend(sweep, {}),
                             {.created_utc = "now", .phase60_ts = ts, .source_summaries = {"s"}}));
  }
  EXPECT_THAT(CheckBundle(root_, kSchemas), IsEmpty());
  json knee = ReadJson(root_ / ("phase60_knee_" + kStamp + ".json"));
  knee["modes"][0]["slo_crossing"]["interval"]["method"] = "a guess";
  Write("phase60_knee_" + kStamp + ".json", knee);
  EXPECT_THAT(CheckBundle(root_, kSchemas), Not(IsEmpty()));
}

TEST_F(ResultsRoot, EveryJsonFileOfARootIsKnown) {
  const std::string probe = "phase56_x/", thrash = "phase58_x/";
  for (const std::string& name :
       {std::string("phase60_known_good_baseline_manifest_semantic_hash.json"),
        std::string("phase60_baseline_manifest_audit.jsonl"), std::string("current/phase60.json"),
        std::string("current/phase70.json"), "phase60_knee_" + kStamp + ".json",
        "phase60_crossover_recommendation_" + kStamp + ".json",
        "phase60_rehydrate_concurrency_sweep_summary_minimal_" + kStamp + ".json",
        "phase60_matrix_stop_verdict_minimal_" + kStamp + ".json",
        "phase60_sweep_b2c1_failure_diagnosis_" + kStamp + ".json",
        "phase70_rehydrate_pair_repeats_verdict_" + kStamp + ".json",
        probe + "analysis/quick_summary.json", probe + "analysis/manifest.json",
        probe + "analysis/worker_runtime_manifest.json", thrash + "analysis/trials.jsonl",
        thrash + "analysis/quick_summary.json", thrash + "analysis/metrics_diff_summary.json"})
    Write(name, json::object());
  EXPECT_THAT(Unknown(), IsEmpty());
  Write("phase60_something_new_" + kStamp + ".json", json::object());
  Write(probe + "analysis/something_new.json", json::object());
  EXPECT_THAT(Unknown(), SizeIs(2));
}

TEST_F(ResultsRoot, OneNameInTwoFoldersIsTwoArtifacts) {
  // The same empty object lacks other keys in each place.
  const auto lacks = [&](const fs::path& folder, const std::string& name) {
    std::vector<std::string> out;
    for (const std::string& v : CheckBundle(root_ / folder, kSchemas)) {
      if (v.starts_with(name)) out.push_back(v);
    }
    EXPECT_THAT(out, Not(IsEmpty())) << folder << ' ' << name;
    return out;
  };
  for (const char* folder : {"phase56_x/analysis/", "phase58_x/analysis/", "run_x/"}) {
    Write(folder + std::string("quick_summary.json"), json::object());
    Write(folder + std::string("manifest.json"), json::object());
  }
  Write("phase58_x/analysis/trials.jsonl", json::object());
  EXPECT_NE(lacks("phase56_x", "quick_summary.json"), lacks("phase58_x", "quick_summary.json"));
  EXPECT_NE(lacks("phase56_x", "manifest.json"), lacks("run_x", "manifest.json"));
  EXPECT_THAT(Unknown(), SizeIs(1)) << "a quick summary outside of analysis/";
}

TEST(SchemaFor, EverySchemaThatIsNamedIsThere) {
  for (const char* name :
       {"phase60_knee_x.json", "phase60_crossover_recommendation_x.json",
        "phase60_known_good_baseline_manifest_semantic_hash.json",
        "phase60_baseline_manifest_audit.jsonl", "manifest.json", "summary.json"}) {
    EXPECT_TRUE(fs::is_regular_file(kSchemas / SchemaFor(name))) << name;
  }
  EXPECT_EQ(SchemaFor("notes.txt"), "");
}

}  // namespace
}  // namespace kvtier
