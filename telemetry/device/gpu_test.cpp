#include "telemetry/device/gpu.hpp"

#include <dlfcn.h>
#include <unistd.h>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/core/files.hpp"
#include "harness/core/temp_dir.hpp"
#include "telemetry/device/canned_runner.hpp"

namespace kvtier {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

/// A folder for a made-up /proc and /dev.
class GpuTest : public ::testing::Test {
 protected:
  GpuTest() {
    fs::create_directories(root_ / "proc");
    fs::create_directories(root_ / "dev");
  }
  GpuOptions Options(const std::string& library) {
    return {.library = library,
            .runner = table_.Runner(),
            .roots = {root_ / "proc", root_ / "sys"},
            .dev = root_ / "dev"};
  }
  TempDir root_;
  canned::Table table_;
};

TEST(Throttle, IdleIsNone) {
  EXPECT_THAT(ThrottleWords(0), IsEmpty());
  EXPECT_THAT(ThrottleWords(0x1), IsEmpty());
  EXPECT_THAT(ThrottleWords(0x1 | 0x4 | 0x40), ElementsAre("sw_power_cap", "hw_thermal_slowdown"));
  EXPECT_THAT(ThrottleWords(0x8 | 0x400), ElementsAre("hw_slowdown", "bit_10"));
}

TEST_F(GpuTest, NvmlIsAskedThroughTheLibrary) {
  Gpu gpu(Options(KVTIER_NVML_STUB));
  EXPECT_EQ(gpu.source(), "nvml");
  const auto samples = gpu.Read();
  ASSERT_TRUE(samples.available()) << samples.reason();
  ASSERT_THAT(*samples, SizeIs(2));
  const GpuSample& g = (*samples)[0];
  EXPECT_EQ(g.name, "NVIDIA GB10");
  EXPECT_EQ(*g.power_w, 61.5);
  EXPECT_EQ(*g.sm_mhz, 2418);
  EXPECT_EQ(g.mem_mhz.reason(), "NVML says \"Not Supported\" for the memory clock");
  EXPECT_EQ(*g.celsius, 71);
  EXPECT_DOUBLE_EQ(*g.util_ratio, 0.96);
  EXPECT_EQ(*g.mem_util_ratio, 0);
  EXPECT_THAT(ThrottleWords(*g.throttle_bits), ElementsAre("sw_power_cap"));
  EXPECT_EQ(g.mem_used.reason(), "unified memory: read from meminfo");
  EXPECT_EQ(g.mem_total.reason(), "unified memory: read from meminfo");
  EXPECT_EQ((*samples)[1].index, 1u);
  EXPECT_THAT((*samples)[1].power_w.reason(), HasSubstr("nvmlDeviceGetHandleByIndex_v2(1)"));
  EXPECT_THAT(table_.asked, IsEmpty()) << "nvidia-smi is not needed";
}

TEST_F(GpuTest, TheLibraryIsShutDownAndClosed) {
  ASSERT_EQ(::dlopen(KVTIER_NVML_STUB, RTLD_NOW | RTLD_NOLOAD), nullptr);
  {
    void* own = ::dlopen(KVTIER_NVML_STUB, RTLD_NOW);
    ASSERT_NE(own, nullptr);
    const auto* sessions = static_cast<const int*>(::dlsym(own, "nvml_stub_sessions"));
    ASSERT_NE(sessions, nullptr);
    {
      const Gpu gpu(Options(KVTIER_NVML_STUB));
      EXPECT_EQ(*sessions, 1);
    }
    EXPECT_EQ(*sessions, 0);
    ::dlclose(own);
  }
  EXPECT_EQ(::dlopen(KVTIER_NVML_STUB, RTLD_NOW | RTLD_NOLOAD), nullptr);
}

TEST_F(GpuTest, NvidiaSmiWhereNvmlCannotStart) {
  table_.answers["nvidia-smi --query-gpu=" + SmiQuery() + " --format=csv,noheader,nounits"] =
      canned::Exited(
          0, ReadFile(fs::path(KVTIER_SOURCE_DIR) / "telemetry/device/golden/nvidia-smi.csv"));
  Gpu gpu(Options(KVTIER_NVML_STUB_NO_DRIVER));
  EXPECT_EQ(gpu.source(), "nvidia-smi");
  const auto samples = gpu.Read();
  ASSERT_TRUE(samples.available()) << samples.reason();
  const GpuSample& g = samples->at(0);
  EXPECT_EQ(g.name, "NVIDIA GB10");
  EXPECT_EQ(*g.power_w, 61.5);
  EXPECT_EQ(*g.celsius, 71);
  EXPECT_DOUBLE_EQ(*g.util_ratio, 0.96);
  EXPECT_EQ(*g.throttle_bits, 4u);
  EXPECT_EQ(g.mem_mhz.reason(), "nvidia-smi says [N/A] for the memory clock");
  EXPECT_EQ(g.mem_total.reason(), "unified memory: read from meminfo");
}

TEST_F(GpuTest, AnOlderNvidiaSmiIsAskedInItsWords) {
  const auto query = [](bool old_names) {
    return "nvidia-smi --query-gpu=" + SmiQuery(old_names) + " --format=csv,noheader,nounits";
  };
  table_.answers[query(false)] =
      canned::Exited(2, "Field \"clocks_event_reasons.active\" is not a valid field to query.\n");
  table_.answers[query(true)] = canned::Exited(
      0, "0, 300.12, 1980, 2619, 64, 100, 31, 0x0000000000000000, 70000, 81559, NVIDIA H100, x\n");
  Gpu gpu(Options("libkvtier-no-such-library.so"));
  ASSERT_EQ(gpu.source(), "nvidia-smi");
  const auto samples = gpu.Read();
  ASSERT_TRUE(samples.available()) << samples.reason();
  EXPECT_EQ(samples->at(0).name, "NVIDIA H100, x");
  EXPECT_EQ(*samples->at(0).mem_used, Bytes{70000ull << 20});
  EXPECT_EQ(*samples->at(0).mem_total, Bytes{81559ull << 20});
  EXPECT_THAT(table_.asked, ElementsAre(query(false), query(true), query(true)));
}

TEST_F(GpuTest, NoGpuAndBlindAreToldApart) {
  Gpu none(Options("libkvtier-no-such-library.so"));
  EXPECT_EQ(none.source(), "");
  EXPECT_THAT(none.Read().reason(), AllOf(HasSubstr("no GPU: libkvtier-no-such-library.so"),
                                          HasSubstr("nvidia-smi is not installed")));
  for (int i = 0; i < 3; ++i) (void)none.Read();
  EXPECT_THAT(table_.asked, SizeIs(1)) << "a machine without a GPU starts nothing at each reading";

  fs::create_directories(root_ / "proc/driver/nvidia");
  Gpu blind(Options(KVTIER_NVML_STUB_NO_DRIVER));
  EXPECT_THAT(blind.Read().reason(),
              AllOf(HasSubstr("there is a GPU"), HasSubstr("Driver Not Loaded")));
}

TEST_F(GpuTest, PresenceComesFromTheKernel) {
  const OsRoots roots{root_ / "proc", root_ / "sys"};
  EXPECT_FALSE(GpuPresent(roots, root_ / "dev"));
  WriteFileAtomic(root_ / "dev/nvidia-fs0", "");
  EXPECT_FALSE(GpuPresent(roots, root_ / "dev")) << "GDS without a GPU";
  WriteFileAtomic(root_ / "dev/nvidia0", "");
  EXPECT_TRUE(GpuPresent(roots, root_ / "dev"));
}

TEST(SmiCsv, ShortRowsAndWordsAreNoNumbers) {
  EXPECT_THAT(ParseSmiCsv(""), IsEmpty());
  EXPECT_THAT(ParseSmiCsv("No devices were found\n"), IsEmpty());
  EXPECT_THAT(ParseSmiCsv("0, 1, 2, 3\n"), IsEmpty());
  const auto rows = ParseSmiCsv(
      "0, [Not Supported], nan, -1, [Unknown Error], , 1e300, 4, [Not Supported], 1, X\r\n");
  ASSERT_THAT(rows, SizeIs(1));
  const GpuSample& g = rows[0];
  for (const auto* r :
       {&g.power_w, &g.sm_mhz, &g.mem_mhz, &g.celsius, &g.util_ratio, &g.mem_util_ratio})
    EXPECT_FALSE(r->available());
  EXPECT_FALSE(g.throttle_bits.available());
  EXPECT_FALSE(g.mem_used.available());
  EXPECT_EQ(*g.mem_total, Bytes{1 << 20});
  EXPECT_EQ(g.name, "X");
}

TEST(RealGpu, IsReadOrNamedAsMissing) {
  Gpu gpu;
  const auto samples = gpu.Read();
  if (!samples) GTEST_SKIP() << samples.reason();
  EXPECT_THAT(samples->at(0).name, ::testing::Not(IsEmpty()));
}

}  // namespace
}  // namespace kvtier
