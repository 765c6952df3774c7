#include <cerrno>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "telemetry/os/cpu_times.hpp"
#include "telemetry/os/fake_tree.hpp"
#include "telemetry/os/fields.hpp"
#include "telemetry/os/memory.hpp"
#include "telemetry/os/network.hpp"
#include "telemetry/os/pressure.hpp"
#include "telemetry/os/proc_text.hpp"

namespace kvtier {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
class FakeKernel : public ::testing::Test, protected FakeTree {};

TEST(FieldsOfALine, WordsAndNumbers) {
  Fields fields("  a\t12 x \n");
  EXPECT_EQ(fields.Next(), "a");
  EXPECT_EQ(fields.Number<unsigned>(), 12u);
  EXPECT_EQ(fields.Number<unsigned>(), std::nullopt);
  EXPECT_EQ(fields.Next(), "");
  EXPECT_EQ(fields.Next(), "");
}

TEST_F(FakeKernel, ATextIsReadAgainAndSurvivesItsFile) {
  ProcText text(root_ / "proc/x");
  EXPECT_THAT(text.Read().reason(), HasSubstr("proc/x"));
  EXPECT_EQ(text.error(), ENOENT);
  Put("proc/x", "one");
  EXPECT_EQ(*text.Read(), "one");
  EXPECT_EQ(text.error(), 0);
  Put("proc/x", "three");
  EXPECT_EQ(*text.Read(), "three") << "another file of the same name";
  fs::remove(root_ / "proc/x");
  EXPECT_FALSE(text.Read().available());
  Put("proc/x", "");
  EXPECT_EQ(*text.Read(), "") << "empty is a text";
  const std::string large(100'000, 'z');
  Put("proc/x", large);
  ProcText moved = std::move(text);
  EXPECT_EQ(*moved.Read(), large);
  EXPECT_EQ(*ProcText("/proc/self/stat").Read().Map([](std::string_view t) { return t.empty(); }),
            false);
  EXPECT_FALSE(ProcText(root_.path()).Read().available()) << "a folder is no text";
}

TEST(CpuTimesText, SecondsOfAllAndOfEachCore) {
  const auto times = ParseCpuTimes(
      "cpu  300 20 100 5000 50 4 6 8 70 9\n"
      "cpu0 200 10 60 2400 30 2 3 4 70 9\ncpu3 100 10 40 2600 20 2 3 4 0 0\nintr 5 cpu\n",
      100);
  ASSERT_TRUE(times.available()) << times.reason();
  EXPECT_DOUBLE_EQ(times->all.user, 3) << "guest time is part of user already";
  EXPECT_DOUBLE_EQ(times->all.nice, 0.2);
  EXPECT_DOUBLE_EQ(times->all.system, 1);
  EXPECT_DOUBLE_EQ(times->all.idle, 50);
  EXPECT_DOUBLE_EQ(times->all.iowait, 0.5);
  EXPECT_DOUBLE_EQ(times->all.irq, 0.04);
  EXPECT_DOUBLE_EQ(times->all.softirq, 0.06);
  EXPECT_DOUBLE_EQ(times->all.steal, 0.08);
  EXPECT_DOUBLE_EQ(times->all.Total(), 54.88);
  EXPECT_NEAR(times->all.Busy(), 4.38, 1e-12);
  ASSERT_EQ(times->cores.size(), 2u);
  EXPECT_EQ(times->cores[1].core, 3u) << "cores 1 and 2 are off line";
  EXPECT_DOUBLE_EQ(times->cores[1].times.idle, 26);
}

TEST(CpuTimesText, ShortOrMissingIsUnavailable) {
  EXPECT_THAT(ParseCpuTimes("intr 5\n", 100).reason(), HasSubstr("no line of all CPUs"));
  EXPECT_THAT(ParseCpuTimes("cpu 1 2 3 4 5 6 7\n", 100).reason(), HasSubstr("no 8 numbers"));
  EXPECT_FALSE(ParseCpuTimes("cpu 1 2 3 4 5 6 7 8\ncpu0 1 2 x\n", 100).available());
}

TEST(Meminfo, KibibytesBecomeBytesAndAbsentIsNotZero) {
  const auto info = ParseMeminfo("MemTotal:  100 kB\nMemFree: 7 kB\nDirty: x kB\nSlab: 3\n");
  ASSERT_TRUE(info.available()) << info.reason();
  EXPECT_EQ(*info->total, Bytes{102400});
  EXPECT_EQ(*info->free, Bytes{7168});
  EXPECT_THAT(info->available.reason(), HasSubstr("no MemAvailable"));
  EXPECT_FALSE(info->dirty.available());
  EXPECT_FALSE(info->slab.available()) << "without its unit a number means nothing";
  EXPECT_THAT(ParseMeminfo("MemFree: 7 kB\n").reason(), HasSubstr("no MemTotal"));
}

TEST(Vmstat, ReclaimIsSummedOverZonesAndPagedBytesAreKibibytes) {
  const auto vm = ParseVmstat(
      "pgpgin 3\npgpgout 5\nallocstall_normal 4\nallocstall_movable 6\nallocstallx 1\npgfault 9\n");
  ASSERT_TRUE(vm.available()) << vm.reason();
  EXPECT_EQ(*vm->paged_in_bytes, 3072u);
  EXPECT_EQ(*vm->paged_out_bytes, 5120u);
  EXPECT_EQ(*vm->direct_reclaims, 11u);
  EXPECT_EQ(*vm->page_faults, 9u);
  EXPECT_THAT(vm->oom_kills.reason(), HasSubstr("no oom_kill"));
  EXPECT_EQ(*ParseVmstat("allocstall 8\n")->direct_reclaims, 8u) << "before Linux 4.10";
  EXPECT_FALSE(ParseVmstat("nr_free_pages 1\n").available());
}

TEST(PressureText, SomeAndFull) {
  const auto p = ParsePressure(
      "some avg10=1.25 avg60=0.00 avg300=0.00 total=60\nfull avg10=0.50 avg60=0 avg300=0 "
      "total=7\n");
  ASSERT_TRUE(p.available()) << p.reason();
  EXPECT_EQ(p->some, (Stall{60, 1.25}));
  EXPECT_EQ(*p->full, (Stall{7, 0.5}));
  EXPECT_THAT(ParsePressure("some avg10=1 total=6\n")->full.reason(), HasSubstr("Linux 5.13"));
  EXPECT_FALSE(ParsePressure("full avg10=1 total=6\n").available());
  EXPECT_FALSE(ParsePressure("some avg10=nan total=6\n").available());
  EXPECT_FALSE(ParsePressure("some avg10=1\n").available());
}

TEST_F(FakeKernel, WithoutPsiTheReasonSaysWhatToDo) {
  EXPECT_THAT(ReadPressure("io", roots_).reason(),
              HasSubstr("kernel without PSI; boot with psi=1"));
}

TEST(NetDev, BothDirections) {
  const auto net = ParseNetDev(
      "Inter-|   Receive  |  Transmit\n face |bytes packets errs\n"
      "  eth0:12 2 3 4 0 0 0 0 50 6 7 8 0 0 0 0\n eth0:1: 1 1 1 1 1 1 1 1 2 2 2 2 2 2 2 2\n");
  ASSERT_TRUE(net.available()) << net.reason();
  ASSERT_EQ(net->size(), 2u);
  const auto& eth = (*net)[0];
  EXPECT_EQ(eth.name, "eth0");
  EXPECT_EQ(eth.rx_bytes, 12u);
  EXPECT_EQ(eth.rx_packets, 2u);
  EXPECT_EQ(eth.rx_errors, 3u);
  EXPECT_EQ(eth.rx_drops, 4u);
  EXPECT_EQ(eth.tx_bytes, 50u);
  EXPECT_EQ(eth.tx_packets, 6u);
  EXPECT_EQ(eth.tx_errors, 7u);
  EXPECT_EQ(eth.tx_drops, 8u);
  EXPECT_EQ((*net)[1].name, "eth0:1");
  EXPECT_THAT(ParseNetDev("lo: 1 2\n").reason(), HasSubstr("line of lo"));
  EXPECT_FALSE(ParseNetDev("").available());
}

TEST(GoldenSpark, CountersOfTheMachine) {
  const OsRoots spark = GoldenSpark();
  const auto text = ReadTrimmed(spark.proc / "stat");
  const auto times = ParseCpuTimes(*text, 100);
  ASSERT_TRUE(times.available()) << times.reason();
  ASSERT_EQ(times->cores.size(), 20u);
  EXPECT_DOUBLE_EQ(times->cores[19].times.user, 119.0);
  EXPECT_DOUBLE_EQ(times->all.user, 2190.0) << "20 x 100 s + (0 + ... + 19) x 1 s";

  const auto memory = ReadMemory(spark);
  ASSERT_TRUE(memory.available()) << memory.reason();
  EXPECT_EQ(*memory->total, Bytes{125513728ull * 1024});
  for (const MemoryKey& key : kMemoryKeys) EXPECT_TRUE(((*memory).*key.member).available());
  EXPECT_EQ(*memory->mlocked, Bytes{17ull << 30});
  EXPECT_EQ(*memory->shmem, 128_MiB);
  const auto vm = ReadVmCounters(spark);
  ASSERT_TRUE(vm.available()) << vm.reason();
  EXPECT_EQ(*vm->paged_in_bytes, 50ull << 30);
  EXPECT_EQ(*vm->direct_reclaims, 47u);
  EXPECT_EQ(*vm->pages_swapped_out, 1027u);
  EXPECT_EQ(*vm->oom_kills, 1u);

  EXPECT_EQ(ReadPressure("io", spark)->some, (Stall{240000000, 12.5}));
  EXPECT_EQ(*ReadPressure("memory", spark)->full, (Stall{4100, 0}));
  EXPECT_EQ(ReadPressure("cpu", spark)->some.total_us, 60000000u);
  const auto net = ReadNetwork(spark);
  ASSERT_TRUE(net.available()) << net.reason();
  EXPECT_EQ((*net)[1].name, "enP7s7");
  EXPECT_EQ((*net)[1].rx_bytes, 12ull << 30);
}

TEST(OwnMachine, TheKernelsCountersReadAndDoNotFall) {
  const auto before = ReadCpuTimes(), after = ReadCpuTimes();
  ASSERT_TRUE(before.available()) << before.reason();
  ASSERT_TRUE(after.available()) << after.reason();
  EXPECT_GE(after->all.user, before->all.user);
  EXPECT_FALSE(before->cores.empty());
  const auto memory = ReadMemory();
  ASSERT_TRUE(memory.available()) << memory.reason();
  EXPECT_GT(*memory->total, *memory->free);
  const auto vm = ReadVmCounters();
  ASSERT_TRUE(vm.available()) << vm.reason();
  EXPECT_GT(*vm->page_faults, 0u);
  for (const std::string_view resource : kPressureResources) {
    const auto pressure = ReadPressure(resource);
    EXPECT_TRUE(pressure.available() || pressure.reason().find("PSI") != std::string::npos)
        << pressure.reason();
  }
}

}  // namespace
}  // namespace kvtier
