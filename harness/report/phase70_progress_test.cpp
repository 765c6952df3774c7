#include "harness/report/phase70_progress.hpp"

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/core/files.hpp"
#include "harness/report/phase70_files.hpp"
#include "harness/report/sample_leg.hpp"

namespace kvtier {
namespace {

namespace fs = std::filesystem;
using std::chrono::minutes;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kProgressTs = "20261122T014510Z";
// 2026-11-22 02:00:00 UTC
const std::chrono::system_clock::time_point kNow{std::chrono::seconds(1'795'312'800)};

void Write(const fs::path& file, const std::string& text, int minutes_ago) {
  fs::create_directories(file.parent_path());
  std::ofstream(file) << text;
  fs::last_write_time(
      file, std::chrono::file_clock::from_sys(
                std::chrono::time_point_cast<std::chrono::seconds>(kNow) - minutes(minutes_ago)));
}

Phase70Progress Read(const fs::path& root, const std::string& ts = "", double stall = 25,
                     std::size_t most = 16) {
  const auto p =
      ReadPhase70Progress(root, ts, {.max_completed = most, .stall_warn_min = stall, .now = kNow});
  EXPECT_TRUE(p.has_value());
  return p.value_or(Phase70Progress());
}

/// Our own layout: one leg done, one running, whose recorder never sleeps.
fs::path Ours(int silent_minutes) {
  const fs::path root = sample::Scratch("p70_progress");
  const Phase70Paths paths{root, kProgressTs};
  Phase70Manifest m;
  m.setup.ts = kProgressTs;
  m.setup.planned_pairs = 8;
  m.schedule.assign(8, LegOrder::kAB);
  WritePhase70Manifest(paths, m);
  const fs::path done = paths.RunDir(TierMode::kB2, 1, 1);
  Write(done / "requests.jsonl", "{}\n", 31);
  Write(done / "summary.json", "{}", 30);
  const fs::path running = paths.RunDir(TierMode::kB1, 1, 2);
  Write(running / "config.json", "{}", silent_minutes + 5);
  Write(running / "requests.jsonl", "{}\n{}\n{}\n", silent_minutes);
  Write(running / "telemetry/timeline.jsonl", "{}\n", 0);
  Write(paths.RunDir(TierMode::kB1, 1, 2).string() + ".attempt1/requests.jsonl", "{}\n", 1);
  return root;
}

TEST(Progress, TheActiveLegIsTheUnfinishedBundle) {
  const Phase70Progress p = Read(Ours(3));
  EXPECT_EQ(p.ts, kProgressTs);
  EXPECT_EQ(p.legs_planned, 16);
  EXPECT_EQ(p.legs_completed, 1);
  ASSERT_TRUE(p.active.has_value());
  EXPECT_EQ(p.active->name, "run_B1_p01_l2_20261122T014510Z");
  EXPECT_EQ(p.active->requests, 3);
  EXPECT_NEAR(p.active->minutes_silent, 3, 0.1);
  EXPECT_FALSE(p.stalled);
  ASSERT_EQ(p.completed.size(), 1u);
  EXPECT_EQ(p.completed[0].io_attribution, "no verdict");
  EXPECT_NEAR(p.completed[0].minutes_ago, 30, 0.1);
}

TEST(Progress, SilenceOverTheLimitIsAStallAlthoughTheRecorderWrites) {
  const Phase70Progress p = Read(Ours(26));
  EXPECT_TRUE(p.stalled);
  EXPECT_THAT(RenderPhase70Progress(p),
              HasSubstr("\nSTALL_WARN run_B1_p01_l2_20261122T014510Z has been silent for 26 min"));
  EXPECT_FALSE(Read(Ours(26), "", 30).stalled);
}

TEST(Progress, AFinishedExperimentHasNoActiveLeg) {
  const fs::path root = Ours(100);
  WritePhase70Current(root, {.ts = kProgressTs,
                             .state = "finished",
                             .pid = 1,
                             .updated_utc = "",
                             .verdict = "",
                             .reason = ""});
  const Phase70Progress p = Read(root);
  EXPECT_FALSE(p.active || p.stalled);
  EXPECT_THAT(RenderPhase70Progress(p), HasSubstr("(finished): 1 of 16 legs completed"));
}

TEST(Progress, ReadsTheLogsOfThePredecessor) {
  const fs::path root = sample::Scratch("p70_progress_old");
  const std::string ts = "20260212T010000Z";
  const fs::path logs = root / ("phase70_pair_logs_" + ts);
  Write(logs / "B1_p01_l1.log", "[2026-11-22 00:10:00] done\n", 110);
  Write(logs / "B2_p01_l2.log",
        "io-attrib replay: PASS first\nio-attrib replay: PASS read 1.5 GiB\n", 100);
  // Its last lines carry no time of their own, so it looks younger than it is.
  Write(logs / "B2_p02_l1.log", "2026-11-22T01:30:00Z populate\nwaiting\n", 1);
  for (const auto& [name, ago] : {std::pair{"B1_p01_l1", 110}, std::pair{"B2_p01_l2", 100}}) {
    const fs::path run = root / fmt::format("phase70_rehydrate_pair_{}_{}", name, ts) /
                         fmt::format("run_{}_{}", name, ts);
    Write(run / "requests.jsonl", "{}\n", ago);
    Write(run / "summary.json", "{}", ago);
  }
  const Phase70Progress p = Read(root);
  EXPECT_EQ(p.ts, ts);
  EXPECT_FALSE(p.legs_planned.has_value());
  ASSERT_TRUE(p.active.has_value());
  EXPECT_EQ(p.active->name, "B2_p02_l1.log");
  EXPECT_NEAR(p.active->minutes_silent, 30, 0.1);
  EXPECT_TRUE(p.stalled);
  ASSERT_EQ(p.completed.size(), 2u);
  EXPECT_EQ(p.completed[0].run_id, "run_B2_p01_l2_" + ts) << "newest first";
  EXPECT_EQ(p.completed[0].io_attribution, "io-attrib replay: PASS read 1.5 GiB");
  EXPECT_EQ(p.completed[1].io_attribution, "") << "B1 reads nothing";
  const Phase70Progress one = Read(root, ts, 25, 1);
  EXPECT_EQ(one.completed.size(), 1u);
  EXPECT_THAT(RenderPhase70Progress(one), HasSubstr("and 1 earlier"));
}

TEST(Progress, TheNewestExperimentUnlessAnotherIsNamed) {
  const fs::path root = Ours(3);
  fs::create_directories(root / "phase70_pair_logs_20270101T000000Z");
  const Phase70Progress p = Read(root);
  EXPECT_EQ(p.ts, "20270101T000000Z");
  EXPECT_FALSE(p.active.has_value());
  EXPECT_EQ(Read(root, kProgressTs).legs_completed, 1);
  EXPECT_FALSE(ReadPhase70Progress(root, "no_such_run").has_value());
  EXPECT_FALSE(ReadPhase70Progress(root / "nowhere", "").has_value());
}

}  // namespace
}  // namespace kvtier
