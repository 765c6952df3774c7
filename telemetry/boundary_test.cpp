#include "telemetry/boundary.hpp"

#include <unistd.h>

#include <deque>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "telemetry/drain.hpp"

namespace kvtier {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;

OsIoSnapshot Snapshot(std::vector<ProcessIo> processes, std::uint64_t device_read = 0) {
  OsIoSnapshot s;
  s.block_device = "vda";
  s.device_read = Bytes{device_read};
  s.device_write = Bytes{0};
  s.cgroup_read = s.cgroup_write = Bytes{0};
  s.processes = std::move(processes);
  return s;
}
ProcessIo Process(int pid, std::uint64_t read, std::uint64_t rchar = 0) {
  ProcessIo p;
  p.pid = pid;
  p.cmdline = "worker";
  p.read_bytes = Bytes{read};
  p.rchar = Bytes{rchar};
  return p;
}

TEST(IoBetween, SumsTheTree) {
  const auto t = IoBetween(Snapshot({Process(1, 100, 7), Process(2, 50)}, 10),
                           Snapshot({Process(1, 400, 9), Process(2, 51)}, 5010));
  EXPECT_EQ(*t.process_read, Bytes{301});
  EXPECT_EQ(*t.process_rchar, Bytes{2});
  EXPECT_EQ(*t.device_read, Bytes{5000});
  EXPECT_EQ(*t.WitnessRead(), Bytes{301});
  EXPECT_FALSE(t.counter_reset);
}

TEST(IoBetween, ANewOrVanishedProcessIsNotThisPhasesTraffic) {
  const auto fresh =
      IoBetween(Snapshot({Process(1, 100)}), Snapshot({Process(1, 100), Process(2, 1 << 30)}));
  ASSERT_FALSE(fresh.process_read.available()) << "a new process's lifetime total is not a delta";
  EXPECT_THAT(fresh.process_read.reason(), HasSubstr("process 2 (worker) started"));
  EXPECT_EQ(*fresh.WitnessRead(), Bytes{0}) << "the control group stands in";
  const auto gone =
      IoBetween(Snapshot({Process(1, 100), Process(2, 5)}), Snapshot({Process(1, 100)}));
  EXPECT_THAT(gone.process_write.reason(), HasSubstr("process 2 (worker) vanished"));
}

TEST(IoBetween, BackwardsIsAResetAndNeverNegative) {
  const auto t = IoBetween(Snapshot({Process(1, 100)}, 50), Snapshot({Process(1, 40)}, 60));
  EXPECT_TRUE(t.counter_reset);
  EXPECT_FALSE(t.process_read.available());
  EXPECT_EQ(*t.device_read, Bytes{10}) << "the other counters stand";
}

TEST(IoBetween, UnavailableStaysUnavailable) {
  OsIoSnapshot blind = Snapshot({});
  blind.processes = Reading<std::vector<ProcessIo>>::Unavailable("another user");
  blind.cgroup_read = Reading<Bytes>::Unavailable("no controller");
  const auto t = IoBetween(blind, Snapshot({Process(1, 1)}));
  EXPECT_EQ(t.process_read.reason(), "another user");
  EXPECT_EQ(t.WitnessRead().reason(), "no controller");
  OsIoSnapshot moved = Snapshot({Process(1, 1)});
  moved.block_device = "sda";
  EXPECT_THAT(IoBetween(Snapshot({Process(1, 1)}), moved).device_read.reason(),
              HasSubstr("from 'vda' to 'sda'"));
}

TEST(TakeBoundary, OwnProcessInB0) {
  BoundarySources sources;
  sources.worker_pids = {::getpid()};
  sources.cache_dir = ::testing::TempDir();
  const Boundary b = TakeBoundary(sources, "run_start");
  EXPECT_TRUE(b.kvbm.skipped);
  EXPECT_EQ(b.os.label, "run_start");
  ASSERT_TRUE(b.os.processes.available()) << b.os.processes.reason();
  EXPECT_EQ(b.os.processes->front().pid, ::getpid());
  sources.kvbm_metrics_url = "http://127.0.0.1:1/metrics";
  EXPECT_FALSE(TakeBoundary(sources, "x").kvbm.success);
  EXPECT_FALSE(TakeBoundary({}, "x").os.processes.available());
}

/// Plays readings back; time passes only in sleeps.
struct Script {
  std::deque<Activity> readings;
  MonoNs now = 0;
  DrainResult Run(DrainOptions options = {}) {
    return WaitUntilStill(
        [this] {
          const Activity a = readings.front();
          if (readings.size() > 1) readings.pop_front();
          return a;
        },
        options,
        {[this] { return now; },
         [this](milliseconds d) { now += std::chrono::nanoseconds(d).count(); }});
  }
};
Activity Engine(double blocks, double pending, std::uint64_t io) {
  return {Reading<OffloadActivity>(OffloadActivity{blocks, pending}), Bytes{io}};
}

TEST(Drain, TwoEqualReadsSettle) {
  Script s{{Engine(10, 0, 100), Engine(10, 0, 100)}};
  const auto r = s.Run();
  EXPECT_TRUE(r.settled);
  EXPECT_EQ(r.why, "");
  EXPECT_DOUBLE_EQ(r.waited_s, 0.25);
}

TEST(Drain, WaitsForCountersThenIoThenPending) {
  Script s{{Engine(10, 0, 100), Engine(12, 0, 100), Engine(12, 0, 180), Engine(12, 3, 180),
            Engine(12, 0, 180)}};
  const auto r = s.Run();
  EXPECT_TRUE(r.settled);
  EXPECT_DOUBLE_EQ(r.waited_s, 1.0);
}

TEST(Drain, NeverStillEndsAtTheLimitAndSaysWhatMoved) {
  Script s;
  for (int i = 0; i < 1000; ++i)
    s.readings.push_back(Engine(10, 0, static_cast<std::uint64_t>(i) << 20));
  const auto r = s.Run();
  EXPECT_FALSE(r.settled);
  EXPECT_LE(r.waited_s, 30.0);
  EXPECT_GE(r.waited_s, 29.0);
  EXPECT_THAT(r.why, HasSubstr("1.00 MiB of I/O"));

  Script pending{{Engine(10, 4, 0)}};
  EXPECT_THAT(pending.Run().why, HasSubstr("4 transfers are pending"));
}

TEST(Drain, AnEngineThatCannotBeReadNeverSettles) {
  Activity blind{Reading<OffloadActivity>::Unavailable("HTTP 503"), Bytes{5}};
  Script s{{blind}};
  const auto r = s.Run();
  EXPECT_FALSE(r.settled);
  EXPECT_THAT(r.why, HasSubstr("HTTP 503"));
  EXPECT_LT(r.waited_s, 1.0) << "three blind reads are enough";
  Script recovers{{blind, Engine(1, 0, 5), Engine(1, 0, 5)}};
  EXPECT_TRUE(recovers.Run().settled);
}

TEST(Drain, OneWitnessIsEnoughWhenItIsTheEngineOrKvbmIsOff) {
  const auto no_io = Reading<Bytes>::Unavailable("another user");
  Script engine_only{{{Reading<OffloadActivity>(OffloadActivity{1, 0}), no_io}}};
  EXPECT_TRUE(engine_only.Run().settled);
  Script b0{{{std::nullopt, Bytes{7}}}};
  EXPECT_TRUE(b0.Run().settled);
  Script nothing{{{std::nullopt, no_io}}};
  EXPECT_FALSE(nothing.Run().settled);
}

}  // namespace
}  // namespace kvtier
