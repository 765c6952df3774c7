#include "telemetry/os/process_sampler.hpp"

#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/core/subprocess.hpp"
#include "telemetry/os/cgroup.hpp"
#include "telemetry/os/fake_tree.hpp"

namespace kvtier {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
class FakeProcesses : public ::testing::Test, protected FakeTree {};

TEST(ProcessUsageText, FieldsOfProc5) {
  const auto usage = ParseProcessUsage(
      "42 (a b) c) R 7 1 1 0 -1 4194304 11 2 13 4 250 75 7 8 20 0 5 0 98765 1 3 9\n", 100, 4096);
  ASSERT_TRUE(usage.available()) << usage.reason();
  EXPECT_EQ(usage->minor_faults, 11u);
  EXPECT_EQ(usage->major_faults, 13u);
  EXPECT_DOUBLE_EQ(usage->cpu_user_s, 2.5);
  EXPECT_DOUBLE_EQ(usage->cpu_system_s, 0.75);
  EXPECT_EQ(usage->threads, 5u);
  EXPECT_EQ(usage->start_ticks, 98765u);
  EXPECT_EQ(usage->rss, Bytes{3 * 4096});
  EXPECT_THAT(ParseProcessUsage("42 (x) R 7 1\n", 100, 4096).reason(), HasSubstr("no 24 fields"));
  EXPECT_FALSE(ParseProcessUsage("", 100, 4096).available());
}

TEST_F(FakeProcesses, ATreeIsSampledAndRefreshed) {
  PutProcess(100, 1, 1000);
  PutProcess(101, 100, 200);
  ProcessSampler sampler({100}, roots_);
  auto samples = sampler.Sample();
  ASSERT_EQ(samples.size(), 2u);
  EXPECT_EQ(samples[0].command, "worker --flag");
  EXPECT_EQ(samples[1].io->read_bytes, Bytes{200});
  EXPECT_EQ(samples[1].io->pid, 101);
  EXPECT_EQ(samples[0].usage->threads, 4u);
  EXPECT_EQ(samples[0].usage->major_faults, 12u);

  PutProcess(101, 100, 300);
  PutProcess(102, 101, 5);
  samples = sampler.Sample();
  ASSERT_EQ(samples.size(), 2u) << "a new process waits for Refresh";
  EXPECT_EQ(samples[1].io->read_bytes, Bytes{300});
  sampler.Refresh();
  EXPECT_EQ(sampler.Sample().size(), 3u);
}

TEST_F(FakeProcesses, AProcessThatEndedIsUnavailableAndThenForgotten) {
  PutProcess(100, 1, 1000);
  PutProcess(101, 100, 200);
  ProcessSampler sampler({100}, roots_);
  fs::remove_all(root_ / "proc/101");
  const auto samples = sampler.Sample();
  ASSERT_EQ(samples.size(), 2u);
  EXPECT_TRUE(samples[0].usage.available());
  EXPECT_THAT(samples[1].usage.reason(), HasSubstr("101/stat"));
  EXPECT_FALSE(samples[1].io.available());
  sampler.Refresh();
  EXPECT_EQ(sampler.Sample().size(), 1u);
  fs::remove_all(root_ / "proc/100");
  sampler.Refresh();
  ASSERT_EQ(sampler.Sample().size(), 1u) << "what was asked for stays";
  EXPECT_FALSE(sampler.Sample()[0].io.available());
}

TEST_F(FakeProcesses, TheNewOwnerOfAPidIsAnotherProcess) {
  PutProcess(100, 1, 1000, 777);
  ProcessSampler sampler({100}, roots_);
  PutProcess(100, 1, 5, 9999);
  PutProcess(101, 100, 5, 9999);
  for (int i = 0; i < 2; ++i) {
    const auto samples = sampler.Sample();
    ASSERT_EQ(samples.size(), 1u) << "a child of the new owner is none of ours";
    EXPECT_THAT(samples[0].usage.reason(), HasSubstr("given to another"));
    EXPECT_FALSE(samples[0].io.available());
    sampler.Refresh();
  }
}

TEST_F(FakeProcesses, IoOfAnotherUserIsUnavailableByItself) {
  PutProcess(100, 1, 1000);
  fs::remove(root_ / "proc/100/io");
  const auto samples = ProcessSampler({100}, roots_).Sample();
  EXPECT_TRUE(samples[0].usage.available());
  EXPECT_THAT(samples[0].io.reason(), HasSubstr("100/io"));
}

TEST_F(FakeProcesses, ThisProcessIsWhatThatProcCallsSelf) {
  EXPECT_EQ(SelfPid(roots_), 0) << "a recorded tree does not know us";
  Link("proc/self", "4711");
  EXPECT_EQ(SelfPid(roots_), 4711);
  EXPECT_EQ(SelfPid(), ::getpid());
}

TEST(OwnProcess, IsSampledWithItsChild) {
  Subprocess child({.argv = {"sleep", "30"}, .env = {}, .log = {}});
  ProcessSampler sampler({::getpid()});
  const auto samples = sampler.Sample();
  ASSERT_EQ(samples.size(), 2u);
  for (const auto& sample : samples) {
    ASSERT_TRUE(sample.usage.available()) << sample.usage.reason();
    ASSERT_TRUE(sample.io.available()) << sample.io.reason();
  }
  child.Stop();
  for (const auto& sample : sampler.Sample()) {
    EXPECT_EQ(sample.usage.available(), sample.pid == ::getpid()) << sample.pid;
  }
}

TEST(GoldenSpark, TheWorkersTree) {
  const OsRoots spark = GoldenSpark();
  const auto samples = ProcessSampler({4242}, spark).Sample();
  ASSERT_EQ(samples.size(), 2u);
  EXPECT_EQ(samples[0].command, "python3 -m dynamo.trtllm --model-path /models/l70b");
  EXPECT_EQ(samples[0].usage->threads, 182u);
  EXPECT_EQ(samples[0].usage->major_faults, 4321u);
  EXPECT_EQ(samples[0].io->read_bytes, Bytes{30ull << 30});
  EXPECT_EQ(samples[1].pid, 4243);
  const auto group = ReadCgroupIo(4242, {"nvme0n1", 259, 0}, spark);
  ASSERT_TRUE(group.available()) << group.reason();
  EXPECT_EQ(group->write, Bytes{64424521728});
  const auto table = ReadCgroupIoTable(4242, spark);
  ASSERT_TRUE(table.available()) << table.reason();
  ASSERT_EQ(table->devices.size(), 2u);
  EXPECT_EQ(*table->devices[0].read_ios, 3200000u);
  EXPECT_EQ(*table->devices[1].read, Bytes{286720});
}

}  // namespace
}  // namespace kvtier
