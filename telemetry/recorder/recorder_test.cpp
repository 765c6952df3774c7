#include "telemetry/recorder/recorder.hpp"

#include <atomic>
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/core/error.hpp"
#include "harness/core/files.hpp"
#include "harness/core/temp_dir.hpp"
#include "telemetry/recorder/host_window.hpp"

namespace kvtier {
namespace {

namespace fs = std::filesystem;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr MonoNs kMs = 1'000'000;
constexpr MonoNs kSecond = 1'000 * kMs;

/// A source that says what a test wants and can take its time.
class Scripted : public Source {
 public:
  Scripted(std::string_view name, std::function<void(TimelineRow&)> read)
      : name_(name), read_(std::move(read)) {}
  std::string_view name() const override { return name_; }
  void Read(TimelineRow& row) override { read_(row); }

 private:
  std::string_view name_;
  std::function<void(TimelineRow&)> read_;
};

ScheduledSource Every(int ms, std::string_view name, std::function<void(TimelineRow&)> read) {
  return {std::make_unique<Scripted>(name, std::move(read)), std::chrono::milliseconds(ms)};
}

class RecorderFile : public ::testing::Test {
 protected:
  std::vector<TimelineRow> Rows() const {
    std::vector<TimelineRow> rows;
    ReadTimeline(file_, [&](const TimelineHead&, const TimelineRow& r) { rows.push_back(r); });
    return rows;
  }

  const TempDir folder_;
  const fs::path dir_ = folder_.path(), file_ = dir_ / "timeline.jsonl";
};

TEST(Schedule, ReadsEachSourceAtItsOwnCadence) {
  Schedule schedule({std::chrono::milliseconds(100), std::chrono::milliseconds(250)}, 0);
  std::vector<int> begun;
  for (MonoNs now = 0; now <= 500 * kMs; now += 50 * kMs) {
    for (int place = 0; (place = schedule.Begin(now)) >= 0;) begun.push_back(place);
  }
  EXPECT_EQ(std::count(begun.begin(), begun.end(), 0), 6);  // 0, 100, ..., 500
  EXPECT_EQ(std::count(begun.begin(), begun.end(), 1), 3);  // 0, 250, 500
  const auto tally = schedule.Take();
  EXPECT_EQ(tally.due, 9U);
  EXPECT_EQ(tally.missed, 0U);
  EXPECT_EQ(schedule.Take().due, 0U) << "taken once";
}

TEST(Schedule, AStallCostsTicksThatAreCountedAndNotMadeUpFor) {
  Schedule schedule({std::chrono::milliseconds(100)}, 0);
  EXPECT_EQ(schedule.Begin(0), 0);
  // Due at 100, begun at 450: the ticks of 100, 200 and 300 never began within their cadence.
  EXPECT_EQ(schedule.Begin(450 * kMs), 0);
  EXPECT_EQ(schedule.Begin(450 * kMs), -1);
  EXPECT_EQ(schedule.NextDue(), 500 * kMs);
  const auto tally = schedule.Take();
  EXPECT_EQ(tally.due, 5U);
  EXPECT_EQ(tally.missed, 3U);
  EXPECT_EQ(tally.worst_delay, std::chrono::milliseconds(350));
}

TEST(Schedule, ALateTickWithinItsCadenceIsNotMissed) {
  Schedule schedule({std::chrono::milliseconds(100)}, 0);
  EXPECT_EQ(schedule.Begin(99 * kMs), 0);
  EXPECT_EQ(schedule.Take().missed, 0U);
  EXPECT_EQ(schedule.NextDue(), 100 * kMs);
}

TEST(Schedule, ASlowSourceIsAskedLessOftenUntilItIsWellAgain) {
  Schedule schedule({std::chrono::milliseconds(100)}, 0);
  for (int i = 0; i < 10; ++i) schedule.Stretch(0);
  EXPECT_EQ(schedule.Begin(0), 0);
  EXPECT_EQ(schedule.NextDue(), 800 * kMs) << "eight times at most";
  schedule.Well(0);
  EXPECT_EQ(schedule.Begin(800 * kMs), 0);
  EXPECT_EQ(schedule.NextDue(), 900 * kMs);
}

TEST(Schedule, CadenceZeroIsForMarksAlone) {
  Schedule schedule({std::chrono::milliseconds(0)}, 0);
  EXPECT_EQ(schedule.Begin(kSecond), -1);
}

TEST(WindowStats, CountersGaugesAndResets) {
  WindowStats stats;
  const auto add = [&](MonoNs at, double counter, double gauge) {
    stats.Add({.at = at, .source = "s", .values = {{"c", counter}, {"g", gauge}}});
  };
  add(0, 10, 4);
  add(kSecond, 15, 8);      // 4 for one second
  add(3 * kSecond, 30, 1);  // 8 for two
  EXPECT_EQ(*stats.Delta("s", "c"), 20);
  EXPECT_DOUBLE_EQ(*stats.Mean("s", "g"), 20.0 / 3);
  EXPECT_EQ(*stats.Max("s", "g"), 8);
  EXPECT_EQ(*stats.Min("s", "g"), 1);
  EXPECT_EQ(*stats.MaxStep("s", "g"), 7);
  EXPECT_THAT(stats.Delta("s", "g").reason(), HasSubstr("went backwards"));
  EXPECT_THAT(stats.Delta("s", "x").reason(), HasSubstr("no key x"));
  EXPECT_THAT(stats.Delta("other", "x").reason(), HasSubstr("not recorded"));
}

TEST(WindowStats, AReasonTravelsInsteadOfAZero) {
  WindowStats stats;
  stats.Add({.at = 0, .source = "gpu", .unavailable = {{"", "no GPU"}}});
  stats.Add({.at = 0, .source = "disk", .values = {{"a", 1}}, .unavailable = {{"b", "gone"}}});
  EXPECT_EQ(stats.Delta("gpu", "power_w").reason(), "no GPU");
  EXPECT_EQ(stats.Delta("disk", "b").reason(), "gone");
  EXPECT_THAT(stats.Delta("disk", "a").reason(), HasSubstr("read once"));
  EXPECT_THAT(stats.Blind(), ElementsAre("disk b: gone", "gpu: no GPU"));
}

TEST_F(RecorderFile, OneTimelineWithMarksInOrder) {
  MonoNs now = 0;
  double count = 0;
  std::vector<ScheduledSource> sources;
  sources.push_back(Every(100, "fast", [&](TimelineRow& r) { r.values["n"] = ++count; }));
  sources.push_back(Every(500, "slow", [](TimelineRow& r) { r.unavailable[""] = "not here"; }));
  RecorderCore core(std::move(sources),
                    {.file = file_, .kv_device = "nvme0n1", .now = [&] { return now; }});
  core.Mark("before_replay");
  for (; now <= kSecond; now += 100 * kMs) core.Tick();
  const RecordedWindow window = core.Mark("after_replay");
  EXPECT_EQ(window.start, 0);
  EXPECT_EQ(window.end, now);
  // 11 ticks, and the marks before and after.
  EXPECT_EQ(*window.stats.Delta("fast", "n"), 12);
  EXPECT_EQ(window.health.ticks_due, 11U + 3U);
  EXPECT_EQ(window.health.ticks_missed, 0U);
  EXPECT_THAT(window.health.blind, ElementsAre("slow: not here"));

  std::vector<std::string> marks;
  MonoNs last = 0;
  for (const TimelineRow& row : Rows()) {
    if (row.source == "mark") marks.push_back(row.mark);
    EXPECT_GE(row.at, last);
    last = row.at;
  }
  EXPECT_THAT(marks, ElementsAre("before_replay", "after_replay"));
}

TEST_F(RecorderFile, NothingFallsBetweenTwoWindows) {
  MonoNs now = 0;
  double count = 0;
  std::vector<ScheduledSource> sources;
  sources.push_back(Every(100, "s", [&](TimelineRow& r) { r.values["n"] = (count += 5); }));
  RecorderCore core(std::move(sources), {.file = {}, .kv_device = {}, .now = [&] { return now; }});
  core.Mark("a");
  double sum = 0;
  for (int window = 0; window < 3; ++window) {
    now += 300 * kMs;
    core.Tick();
    sum += *core.Mark("b").stats.Delta("s", "n");
  }
  EXPECT_EQ(sum, count - 5) << "from the first mark's reading to the last one's";
}

TEST_F(RecorderFile, ANoteIsAMarkThatNoWindowEndsAt) {
  MonoNs now = 0;
  double count = 0;
  std::vector<ScheduledSource> sources;
  sources.push_back(Every(1000, "s", [&](TimelineRow& r) { r.values["n"] = ++count; }));
  RecorderCore core(std::move(sources),
                    {.file = file_, .kv_device = {}, .now = [&] { return now; }});
  core.Mark("traffic_end_populate");
  now += 300 * kMs;
  core.Note("after_populate");
  now += 100 * kMs;
  const RecordedWindow window = core.Mark("before_replay");
  EXPECT_EQ(window.end - window.start, 400 * kMs);
  EXPECT_EQ(*window.stats.Delta("s", "n"), 2);
  std::vector<std::string> marks;
  for (const TimelineRow& row : Rows()) {
    if (row.source == "mark") marks.push_back(row.mark);
  }
  EXPECT_THAT(marks, ElementsAre("traffic_end_populate", "after_populate", "before_replay"));
}

TEST_F(RecorderFile, AHangingSourceIsSlowedDownAndTheMissedTicksAreCounted) {
  MonoNs now = 0;
  std::vector<ScheduledSource> sources;
  int asked = 0;
  sources.push_back(Every(100, "disk", [](TimelineRow& r) { r.values["n"] = 1; }));
  sources.push_back(Every(1000, "engine", [&](TimelineRow& r) {
    ++asked;
    now += 250 * kMs;  // its endpoint does not answer
    r.unavailable[""] = "timed out";
  }));
  RecorderCore core(std::move(sources), {.file = {}, .kv_device = {}, .now = [&] { return now; }});
  while (now < 10 * kSecond) {
    now = std::max(now, core.NextDue());
    core.Tick();
  }
  const RecordedWindow window = core.Mark("end");
  EXPECT_LE(asked, 5) << "at 0, 1 (2), 3 (4), 7 (8) s and at the mark";
  EXPECT_GT(window.health.ticks_missed, 0U);
  EXPECT_LT(window.health.ticks_missed, window.health.ticks_due / 10);
  EXPECT_GE(window.health.worst_delay_ms, 150);
}

TEST_F(RecorderFile, AFullDiskCostsCountedRowsAndNotTheRun) {
  if (!fs::exists("/dev/full")) GTEST_SKIP() << "this system has no /dev/full";
  fs::create_symlink("/dev/full", file_);
  MonoNs now = 0;
  std::vector<ScheduledSource> sources;
  sources.push_back(Every(100, "s", [](TimelineRow& r) { r.values["n"] = 1; }));
  RecorderCore core(std::move(sources),
                    {.file = file_, .kv_device = {}, .now = [&] { return now; }});
  core.Tick();
  const RecordedWindow window = core.Mark("end");
  EXPECT_GT(window.health.rows_dropped, 0U);
  EXPECT_THAT(window.health.blind, Contains(HasSubstr("No space left")));
}

TEST_F(RecorderFile, AFolderThatCannotBeMadeIsAnErrorThatNamesIt) {
  WriteFileAtomic(dir_ / "a_file", "x");
  EXPECT_THROW(
      {
        try {
          RecorderCore core({}, {.file = dir_ / "a_file" / "timeline.jsonl"});
        } catch (const IoError& e) {
          EXPECT_THAT(e.what(), HasSubstr("a_file"));
          throw;
        }
      },
      IoError);
}

TEST_F(RecorderFile, TheThreadRecordsBetweenMarks) {
  std::atomic<int> ticks = 0;
  std::vector<ScheduledSource> sources;
  sources.push_back(Every(1, "s", [&](TimelineRow& r) { r.values["n"] = ++ticks; }));
  RecordedWindow window;
  {
    Recorder recorder(std::move(sources), {.file = file_});
    recorder.Mark("a");
    const int before = ticks;  // a slow thread has recorded some by then
    while (ticks < before + 20) std::this_thread::yield();
    window = recorder.Mark("b");
  }
  EXPECT_GE(*window.stats.Delta("s", "n"), 18);
  EXPECT_GT(window.health.cpu_ratio, 0);
  EXPECT_GE(Rows().size(), 20U);
}

// ---- host window ------------------------------------------------------------------------------

RecordedWindow OneSecond(const std::vector<std::pair<TimelineRow, TimelineRow>>& rows) {
  RecordedWindow window;
  window.end = kSecond;
  for (auto [first, last] : rows) {
    first.at = 0;
    last.at = kSecond;
    window.stats.Add(first);
    window.stats.Add(last);
  }
  return window;
}

TEST(HostWindow, WhatIsNeitherTheStackNorThisProcessIsOther) {
  const std::map<std::string, std::string> roles{
      {"10.role", "worker"}, {"11.role", "stack"}, {"12.role", "self"}};
  const auto process = [&](double scale) {
    TimelineRow row{.source = "process", .labels = roles};
    for (const char* pid : {"10", "11", "12"}) {
      const std::string p = pid;
      row.values[p + ".read_bytes"] = 1000 * scale;
      row.values[p + ".write_bytes"] = 100 * scale;
      row.values[p + ".cpu_user_s"] = 0.2 * scale;
      row.values[p + ".cpu_system_s"] = 0.05 * scale;
    }
    return row;
  };
  const auto cpu = [](double scale) {
    return TimelineRow{.source = "cpu",
                       .values = {{"all.user_s", 1.0 * scale},
                                  {"all.nice_s", 0},
                                  {"all.system_s", 0.4 * scale},
                                  {"all.idle_s", 2.0 * scale},
                                  {"all.iowait_s", 0.4 * scale},
                                  {"all.irq_s", 0.1 * scale},
                                  {"all.softirq_s", 0.1 * scale},
                                  {"all.steal_s", 0}}};
  };
  const auto disk = [](double scale) {
    return TimelineRow{.source = "disk",
                       .values = {{"vda.read_bytes", 5000 * scale},
                                  {"vda.write_bytes", 250 * scale},
                                  {"vda.read_ios", 10 * scale},
                                  {"vda.read_ms", 30 * scale},
                                  {"vda.write_ios", 0},
                                  {"vda.write_ms", 0},
                                  {"vda.queue_ms", 500 * scale},
                                  {"vda.busy_ms", 250 * scale}}};
  };
  const HostWindow w = MakeHostWindow(
      OneSecond({{process(0), process(1)}, {cpu(0), cpu(1)}, {disk(0), disk(1)}}), "vda");
  EXPECT_NEAR(*w.cpu_busy_ratio, 0.4, 1e-12);  // 1.6 of 4 CPU seconds
  EXPECT_NEAR(*w.cpu_iowait_ratio, 0.1, 1e-12);
  EXPECT_NEAR(*w.cpu_stack_ratio, 0.125, 1e-12);  // 0.5 of 4
  EXPECT_NEAR(*w.cpu_own_ratio, 0.0625, 1e-12);
  EXPECT_NEAR(*w.cpu_other_ratio, 0.4 - 0.1875, 1e-12);
  EXPECT_EQ(*w.other_read, Bytes{2000});
  EXPECT_EQ(*w.other_write, Bytes{0}) << "never negative";
  EXPECT_DOUBLE_EQ(*w.read_await_ms, 3);
  EXPECT_FALSE(w.write_await_ms.available()) << "no write has no await";
  EXPECT_DOUBLE_EQ(*w.queue_depth, 0.5);
  EXPECT_DOUBLE_EQ(*w.device_busy_ratio, 0.25);
}

// A bundle written before the phase reaches the disk during it: no neighbour did that.
TEST(HostWindow, PagesThatWereDirtyBeforeAreNobodysWrites) {
  const auto disk = [](double written) {
    return TimelineRow{.source = "disk",
                       .values = {{"vda.read_bytes", 0}, {"vda.write_bytes", written}}};
  };
  const auto process = [](double) {
    return TimelineRow{.source = "process",
                       .values = {{"10.read_bytes", 0},
                                  {"10.write_bytes", 0},
                                  {"12.read_bytes", 0},
                                  {"12.write_bytes", 0}},
                       .labels = {{"10.role", "worker"}, {"12.role", "self"}}};
  };
  const auto memory = [](double dirty, double writeback) {
    return TimelineRow{.source = "memory",
                       .values = {{"dirty_bytes", dirty}, {"writeback_bytes", writeback}}};
  };
  const HostWindow w = MakeHostWindow(OneSecond({{disk(0), disk(9000)},
                                                 {process(0), process(0)},
                                                 {memory(6000, 2000), memory(500, 500)}}),
                                      "vda");
  EXPECT_EQ(*w.other_write, Bytes{2000}) << "9000 written, of which 7000 were waiting";
}

TEST(HostWindow, WhatWasNotSeenIsUnavailableWithTheSourcesReason) {
  RecordedWindow window;
  window.end = kSecond;
  window.stats.Add({.source = "thermal", .unavailable = {{"", "no /sys/class/thermal"}}});
  window.stats.Add({.source = "gpu", .unavailable = {{"", "no GPU"}}});
  window.stats.Add({.source = "process", .unavailable = {{"", "permission denied"}}});
  const HostWindow w = MakeHostWindow(window, "");
  EXPECT_EQ(w.zone_celsius_max.reason(), "no /sys/class/thermal");
  EXPECT_EQ(w.gpu_throttle_reasons.reason(), "no GPU");
  EXPECT_THAT(w.cpu_busy_ratio.reason(), HasSubstr("cpu was not recorded"));
  EXPECT_EQ(w.stack_read.reason(), "permission denied");
  EXPECT_THAT(w.device_read.reason(), HasSubstr("not known"));
  EXPECT_THAT(w.other_read.reason(), HasSubstr("not known"));
}

TEST(HostWindow, HeatAndClocks) {
  const TimelineRow cool{.source = "thermal",
                         .values = {{"zone0.celsius", 50},
                                    {"zone1.celsius", 61},
                                    {"cooling0.state", 0},
                                    {"cooling1.state", 3},
                                    {"cooling2.state", 10},
                                    {"hwmon2.temp1.celsius", 44},
                                    {"hwmon3.temp1.celsius", 83},
                                    {"hwmon4.temp1.celsius", 84},
                                    {"cpu0.throttle_count", 7}},
                         .labels = {{"cooling0", "Processor"},
                                    {"cooling1", "pwm-fan"},
                                    {"cooling2", "TCC Offset"},
                                    {"hwmon2.temp1", "nvme0 Composite"},
                                    {"hwmon3.temp1", "nvme1 Composite"},
                                    {"hwmon4.temp1", "nvme01"}}};
  TimelineRow hot = cool;
  hot.values["zone0.celsius"] = 91;
  hot.values["cooling0.state"] = 2;
  hot.values["cpu0.throttle_count"] = 9;
  hot.values["hwmon2.temp1.celsius"] = 78;
  const TimelineRow gpu{.source = "gpu",
                        .values = {{"gpu0.celsius", 70},
                                   {"gpu0.throttle_bits", 6},
                                   {"gpu0.throttle.applications_clocks_setting", 1},
                                   {"gpu0.throttle.sw_power_cap", 1},
                                   {"gpu0.throttle.hw_slowdown", 0}}};
  const TimelineRow clock{.source = "clock", .values = {{"wall_minus_mono_s", 1000.0}}};
  TimelineRow stepped = clock;
  stepped.values["wall_minus_mono_s"] = 999.5;
  const HostWindow w =
      MakeHostWindow(OneSecond({{cool, hot}, {gpu, gpu}, {clock, stepped}}), "nvme0n1");
  EXPECT_EQ(*w.zone_celsius_max, 91);
  EXPECT_EQ(*w.nvme_celsius_max, 78) << "of the KV device, not of its neighbour";
  EXPECT_EQ(*w.cpu_throttle_events, 2U);
  EXPECT_EQ(*w.cooling_active, 1U) << "a fan is no throttle, and an offset no event";
  EXPECT_THAT(*w.gpu_throttle_reasons, ElementsAre("sw_power_cap"));
  EXPECT_DOUBLE_EQ(*w.clock_step_ms, 500);
  EXPECT_THAT(MakeHostWindow(OneSecond({{cool, hot}}), "vda").nvme_celsius_max.reason(),
              HasSubstr("no NVMe disk"));
}

}  // namespace
}  // namespace kvtier
