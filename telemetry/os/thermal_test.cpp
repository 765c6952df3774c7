#include "telemetry/os/thermal.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "telemetry/os/fake_tree.hpp"

namespace kvtier {
namespace {

using ::testing::HasSubstr;
class FakeHeat : public ::testing::Test, protected FakeTree {};

TEST(Millidegrees, OnlyTemperaturesAreTemperatures) {
  EXPECT_DOUBLE_EQ(*ParseMillidegrees("45850\n"), 45.85);
  EXPECT_DOUBLE_EQ(*ParseMillidegrees("-5000"), -5);
  EXPECT_DOUBLE_EQ(*ParseMillidegrees("0\n"), 0) << "cold, and a reading";
  EXPECT_THAT(ParseMillidegrees("-274000\n").reason(), HasSubstr("-274.0 degrees"));
  EXPECT_FALSE(ParseMillidegrees("-273150").available());
  EXPECT_FALSE(ParseMillidegrees("65535000").available());
  EXPECT_THAT(ParseMillidegrees("N/A\n").reason(), HasSubstr("no number"));
  EXPECT_FALSE(ParseMillidegrees("").available());
}

TEST_F(FakeHeat, AMachineWithoutSensorsSaysSo) {
  EXPECT_THAT(ReadThermalZones(roots_).reason(), HasSubstr("no thermal zone below"));
  EXPECT_THAT(ReadCoolingDevices(roots_).reason(), HasSubstr("no cooling device"));
  EXPECT_THAT(ReadHwmonTemperatures(roots_).reason(), HasSubstr("no temperature sensor"));
  EXPECT_THAT(NvmeHwmonFor("nvme0", roots_).reason(), HasSubstr("belongs to nvme0"));
  EXPECT_THAT(ReadCpuClocks(roots_).reason(), HasSubstr("no CPU"));
}

TEST_F(FakeHeat, NumbersSortAsNumbersAndOtherEntriesAreNone) {
  for (const int n : {10, 2, 0}) {
    const std::string zone = "sys/class/thermal/thermal_zone" + std::to_string(n);
    Put(zone + "/temp", std::to_string(n) + "000\n");
    Put(zone + "/type", "acpitz\n");
  }
  Put("sys/class/thermal/thermal_zonex/temp", "1\n");
  const auto zones = ReadThermalZones(roots_);
  ASSERT_TRUE(zones.available()) << zones.reason();
  ASSERT_EQ(zones->size(), 3u);
  EXPECT_EQ((*zones)[2].index, 10u);
  EXPECT_DOUBLE_EQ(*(*zones)[1].celsius, 2);
}

TEST_F(FakeHeat, AZoneThatCannotBeReadIsUnavailableByItself) {
  Put("sys/class/thermal/thermal_zone0/type", "gpu\n");
  const auto zones = ReadThermalZones(roots_);
  EXPECT_EQ((*zones)[0].type, "gpu");
  EXPECT_THAT((*zones)[0].celsius.reason(), HasSubstr("thermal_zone0/temp"));
}

TEST_F(FakeHeat, AnOlderKernelHangsTheHwmonBelowThePciFunction) {
  Put("sys/devices/pci/0000:01:00.0/nvme/nvme3/model", "x\n");
  Put("sys/devices/pci/0000:01:00.0/hwmon/hwmon2/name", "nvme\n");
  Put("sys/devices/pci/0000:01:00.0/hwmon/hwmon2/temp1_input", "40000\n");
  Link("sys/devices/pci/0000:01:00.0/hwmon/hwmon2/device", "../../../0000:01:00.0");
  Link("sys/class/hwmon/hwmon2", "../../devices/pci/0000:01:00.0/hwmon/hwmon2");
  const auto temperatures = NvmeHwmonFor("nvme3", roots_);
  ASSERT_TRUE(temperatures.available()) << temperatures.reason();
  EXPECT_DOUBLE_EQ(*temperatures->front().celsius, 40);
  EXPECT_EQ(temperatures->front().Describe(), "nvme3") << "without a label the chip says it all";
  EXPECT_FALSE(NvmeHwmonFor("nvme0", roots_).available());
}

TEST_F(FakeHeat, CountsOfThrottlingAreX86) {
  Put("sys/devices/system/cpu/cpu1/thermal_throttle/core_throttle_count", "7\n");
  Put("sys/devices/system/cpu/cpu1/cpufreq/scaling_cur_freq", "3900123\n");
  Put("sys/devices/system/cpu/cpu0/online", "1\n");
  Put("sys/devices/system/cpu/cpufreq/boost", "1\n");
  const auto clocks = ReadCpuClocks(roots_);
  ASSERT_TRUE(clocks.available()) << clocks.reason();
  ASSERT_EQ(clocks->size(), 2u) << "cpufreq is no CPU";
  EXPECT_EQ(*(*clocks)[1].throttle_count, 7u);
  EXPECT_DOUBLE_EQ(*(*clocks)[1].mhz, 3900.123);
  EXPECT_THAT((*clocks)[0].throttle_count.reason(), HasSubstr("core_throttle_count"));
  EXPECT_FALSE((*clocks)[0].mhz.available());
  EXPECT_FALSE((*clocks)[1].governor.available());
}

TEST(GoldenSpark, HeatAndClocks) {
  const OsRoots spark = GoldenSpark();
  const auto zones = ReadThermalZones(spark);
  ASSERT_TRUE(zones.available()) << zones.reason();
  ASSERT_EQ(zones->size(), 7u);
  EXPECT_EQ((*zones)[3].type, "acpitz");
  EXPECT_DOUBLE_EQ(*(*zones)[3].celsius, 58.7);
  EXPECT_FALSE((*zones)[4].celsius.available()) << "a disabled zone";

  const auto cooling = ReadCoolingDevices(spark);
  ASSERT_EQ(cooling->size(), 3u);
  EXPECT_EQ((*cooling)[2].type, "Fan");
  EXPECT_EQ(*(*cooling)[2].state, 2u);

  const auto all = ReadHwmonTemperatures(spark);
  ASSERT_EQ(all->size(), 4u);
  EXPECT_EQ((*all)[0].Describe(), "acpitz");
  EXPECT_EQ((*all)[1].Describe(), "nvme0 Composite");
  const auto nvme = NvmeHwmonFor("nvme0", spark);
  ASSERT_TRUE(nvme.available()) << nvme.reason();
  ASSERT_EQ(nvme->size(), 3u);
  EXPECT_EQ((*nvme)[2].label, "Sensor 2");
  EXPECT_EQ((*nvme)[2].hwmon, 1u);
  EXPECT_DOUBLE_EQ(*(*nvme)[2].celsius, 61.85);

  const auto clocks = ReadCpuClocks(spark);
  ASSERT_EQ(clocks->size(), 20u);
  EXPECT_DOUBLE_EQ(*(*clocks)[5].mhz, 3900);
  EXPECT_DOUBLE_EQ(*(*clocks)[10].mhz, 2808);
  EXPECT_EQ(*(*clocks)[0].governor, "performance");
  EXPECT_FALSE((*clocks)[0].throttle_count.available()) << "Arm counts none";
}

}  // namespace
}  // namespace kvtier
