#include "telemetry/device/smart.hpp"

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/core/files.hpp"

namespace kvtier {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

const std::filesystem::path kSmartGolden =
    std::filesystem::path(KVTIER_SOURCE_DIR) / "telemetry/device/golden";

void ExpectGolden(const Reading<SmartReading>& reading, bool with_transitions) {
  ASSERT_TRUE(reading.available()) << reading.reason();
  const SmartReading& r = *reading;
  EXPECT_EQ(*r.data_units_read, 182345678u);
  EXPECT_EQ(*r.data_units_written, 96543210u);
  EXPECT_EQ(*r.host_read_commands, 2345678901u);
  EXPECT_EQ(*r.host_write_commands, 1234567890u);
  EXPECT_EQ(*r.celsius, 44) << "317 K";
  EXPECT_EQ(*r.percentage_used, 2);
  EXPECT_EQ(*r.available_spare_pct, 100);
  EXPECT_EQ(*r.critical_warning, 0u);
  EXPECT_EQ(*r.media_errors, 0u);
  EXPECT_EQ(*r.error_log_entries, 0u);
  EXPECT_EQ(*r.unsafe_shutdowns, 3u);
  EXPECT_EQ(*r.power_on_hours, 1765u);
  EXPECT_EQ(*r.warning_temperature_minutes, 7u);
  EXPECT_EQ(*r.critical_temperature_minutes, 0u);
  if (with_transitions) {
    EXPECT_EQ(*r.thermal_throttle_transitions, 13u);
  } else {
    EXPECT_THAT(r.thermal_throttle_transitions.reason(), HasSubstr("smartctl does not say"));
  }
}

TEST(SmartLog, AllSpellingsSayTheSame) {
  ExpectGolden(SmartFromNvmeJson(ReadJson(kSmartGolden / "smart-log-2x.json")), true);
  ExpectGolden(SmartFromNvmeJson(ReadJson(kSmartGolden / "smart-log-1x.json")), true);
  ExpectGolden(SmartFromNvmeText(ReadFile(kSmartGolden / "smart-log-normal.txt")), true);
  ExpectGolden(SmartFromSmartctl(ReadJson(kSmartGolden / "smartctl.json")), false);
}

TEST(SmartLog, NumbersInEveryDress) {
  const auto units = [](json value) {
    return SmartFromNvmeJson({{"temperature", 300}, {"data_units_read", std::move(value)}})
        ->data_units_read;
  };
  EXPECT_EQ(*units(18446744073709551615u), 18446744073709551615u);
  EXPECT_EQ(*units("18446744073709551615"), 18446744073709551615u) << "exact, not through a double";
  EXPECT_EQ(*units("1,234,567 (632.10 GB)"), 1234567u);
  EXPECT_EQ(*units("1.5e+10"), 15000000000u);
  EXPECT_EQ(*units(1.5e10), 15000000000u);
  for (const json& bad : {json(-1), json("-1"), json(3.4e38), json("n/a"), json(nullptr),
                          json("340282366920938463463374607431768211455"), json::array({1})}) {
    EXPECT_FALSE(units(bad).available()) << bad;
  }
  EXPECT_THAT(units("n/a").reason(), HasSubstr("data_units_read of nvme smart-log"));
}

TEST(SmartLog, VerboseCriticalWarningIsAnObject) {
  const auto r = SmartFromNvmeJson({{"critical_warning", {{"value", 4}, {"available_spare", 0}}}});
  EXPECT_EQ(*r->critical_warning, 4u);
  EXPECT_EQ(*SmartFromNvmeText("critical_warning : 0x4\n")->critical_warning, 4u);
}

TEST(SmartLog, TemperatureInKelvinOrCelsius) {
  EXPECT_EQ(*SmartFromNvmeJson({{"temperature", 311}})->celsius, 38);
  EXPECT_EQ(*SmartFromNvmeJson({{"temperature", 273}})->celsius, 0);
  EXPECT_EQ(*SmartFromNvmeJson({{"temperature", 38}})->celsius, 38) << "a release that converts";
  EXPECT_EQ(*SmartFromNvmeText("temperature : 38 C\n")->celsius, 38);
  EXPECT_THAT(SmartFromNvmeJson({{"temperature", 0}})->celsius.reason(), HasSubstr("0 kelvin"));
}

TEST(SmartLog, WhatIsNoLogIsUnavailable) {
  EXPECT_THAT(SmartFromNvmeJson({{"error", "Permission denied"}}).reason(),
              HasSubstr("no health log"));
  EXPECT_FALSE(SmartFromNvmeJson(nullptr).available());
  EXPECT_FALSE(SmartFromNvmeText("usage: nvme smart-log <device>\n").available());
  EXPECT_THAT(SmartFromSmartctl({{"ata_smart_attributes", json::object()}}).reason(),
              HasSubstr("nvme_smart_health_information_log"));
}

SmartReading Log(std::uint64_t read, std::uint64_t written, double celsius = 40) {
  SmartReading r;
  r.source = "nvme smart-log";
  r.data_units_read = read;
  r.data_units_written = written;
  r.celsius = celsius;
  r.percentage_used = 2.0;
  r.thermal_throttle_transitions = 5;
  r.media_errors = 0;
  return r;
}

TEST(SmartDelta, DataUnitsAreAThousandSectors) {
  auto after = Log(1010, 2001, 38);
  after.thermal_throttle_transitions = 7;
  const auto d = SmartDeltaBetween(Log(1000, 2000, 45), after);
  EXPECT_EQ(*d.read, Bytes{10 * 512000}) << "not 512 (defect D8 of the older runners)";
  EXPECT_EQ(*d.written, Bytes{512000});
  EXPECT_EQ(*d.celsius_change, -7);
  EXPECT_EQ(*d.celsius_before, 45);
  EXPECT_EQ(*d.percentage_used_change, 0);
  EXPECT_EQ(*d.thermal_throttle_transitions, 2u);
  EXPECT_EQ(*d.media_errors, 0u);
  EXPECT_THAT(d.host_read_commands.reason(), HasSubstr("before: not collected"));
}

TEST(SmartDelta, AFallIsNoSmallNumber) {
  const auto d = SmartDeltaBetween(Log(1000, 2000), Log(5, 2002));
  EXPECT_THAT(d.read.reason(), HasSubstr("data_units_read fell from 1000 to 5"));
  EXPECT_EQ(*d.written, Bytes{2 * 512000});
  const auto missing =
      SmartDeltaBetween(Reading<SmartReading>::Unavailable("no nvme-cli"), Log(1, 1));
  EXPECT_EQ(missing.read.reason(), "before: no nvme-cli");
  EXPECT_EQ(missing.celsius_change.reason(), "no nvme-cli");
  EXPECT_EQ(*missing.celsius_after, 40);
}

TEST(Endurance, ImpliedByTheLog) {
  // 100 TB written at 2 %: the disk is good for 5000 TB, 4900 TB are left.
  auto now = Log(0, 195312500);  // x 512000 = 100e12
  const auto e = EstimateEndurance({.now = now,
                                    .written = Bytes{10'000'000'000},
                                    .window_s = 86.4,
                                    .useful_read = Bytes{40'000'000'000},
                                    .rated_tbw = {}});
  EXPECT_DOUBLE_EQ(*e.bytes_per_day, 1e13);
  EXPECT_DOUBLE_EQ(*e.rated_bytes, 5000e12);
  EXPECT_EQ(e.rated_source, "implied by percentage_used");
  EXPECT_DOUBLE_EQ(*e.remaining_bytes, 4900e12);
  EXPECT_DOUBLE_EQ(*e.remaining_days, 490);
  EXPECT_DOUBLE_EQ(*e.written_per_useful_byte, 0.25);
}

TEST(Endurance, ANewDiskNeedsTheDataSheet) {
  auto now = Log(0, 1953125);  // 1e12 bytes
  now.percentage_used = 0.0;
  EnduranceInputs in{
      .now = now, .written = Bytes{0}, .window_s = 60, .useful_read = Bytes{0}, .rated_tbw = {}};
  auto e = EstimateEndurance(in);
  EXPECT_THAT(e.rated_bytes.reason(), HasSubstr("percentage_used is below 1"));
  EXPECT_EQ(e.rated_source, "");
  in.rated_tbw = 2400;
  e = EstimateEndurance(in);
  EXPECT_DOUBLE_EQ(*e.remaining_bytes, 2399e12);
  EXPECT_EQ(e.rated_source, "given");
  EXPECT_EQ(*e.bytes_per_day, 0);
  EXPECT_THAT(e.remaining_days.reason(), HasSubstr("nothing was written"));
  EXPECT_THAT(e.written_per_useful_byte.reason(), HasSubstr("no byte was useful"));
  in.rated_tbw = 0.5;
  EXPECT_EQ(*EstimateEndurance(in).remaining_bytes, 0) << "beyond its rated life, not negative";
}

TEST(Endurance, WhatIsNotKnownStaysUnknown) {
  const auto e = EstimateEndurance({.now = Reading<SmartReading>::Unavailable("no NVMe"),
                                    .written = Reading<Bytes>::Unavailable("no witness"),
                                    .window_s = 0,
                                    .useful_read = Bytes{1},
                                    .rated_tbw = {}});
  EXPECT_EQ(e.bytes_per_day.reason(), "no witness");
  EXPECT_EQ(e.remaining_days.reason(), "no NVMe");
  EXPECT_EQ(e.written_per_useful_byte.reason(), "no witness");
}

}  // namespace
}  // namespace kvtier
