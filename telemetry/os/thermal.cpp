#include "telemetry/os/thermal.hpp"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "telemetry/os/proc_text.hpp"
#include "telemetry/text.hpp"

namespace kvtier {
namespace {

namespace fs = std::filesystem;

constexpr double kLowestCelsius = -100, kHighestCelsius = 250;

struct Entry {
  unsigned index = 0;
  fs::path path;
};

/// The entries <prefix><N> of a folder, ascending; none when it cannot be listed.
std::vector<Entry> Numbered(const fs::path& folder, std::string_view prefix,
                            std::string_view suffix = "") {
  std::vector<Entry> entries;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    const std::string file = at->path().filename().string();
    std::string_view name = file;
    if (name.size() <= prefix.size() + suffix.size() || !name.starts_with(prefix) ||
        !name.ends_with(suffix))
      continue;
    name.remove_prefix(prefix.size());
    name.remove_suffix(suffix.size());
    if (const auto index = ParseNumber<unsigned>(name)) entries.push_back({*index, at->path()});
  }
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return a.index < b.index; });
  return entries;
}

std::string TextOrEmpty(const fs::path& path) {
  const auto text = ReadTrimmed(path);
  return text ? *text : std::string();
}

Reading<std::uint64_t> ReadCount(const fs::path& path) {
  const auto text = ReadTrimmed(path);
  if (!text) return Reading<std::uint64_t>::Unavailable(text.reason());
  const auto number = ParseNumber<std::uint64_t>(*text);
  return number ? Reading<std::uint64_t>(*number)
                : Reading<std::uint64_t>::Unavailable(
                      fmt::format("{} says '{}', which is no number", path.string(), *text));
}

/// "nvme0" for the hwmon of an NVMe controller, else the chip's own name. The hwmon hangs below the
/// controller, in older kernels below its PCI function.
std::string ChipOf(const fs::path& hwmon) {
  std::string chip = TextOrEmpty(hwmon / "name");
  if (chip != "nvme") return chip;
  std::error_code error;
  const fs::path device = fs::canonical(hwmon / "device", error);
  if (error) return chip;
  if (std::string name = device.filename().string(); name.starts_with("nvme")) return name;
  const auto controllers = Numbered(device / "nvme", "nvme");
  return controllers.empty() ? chip : controllers.front().path.filename().string();
}

std::vector<HwmonTemperature> Sensors(const Entry& hwmon) {
  std::vector<HwmonTemperature> sensors;
  const std::string chip = ChipOf(hwmon.path);
  for (const Entry& input : Numbered(hwmon.path, "temp", "_input")) {
    HwmonTemperature sensor;
    sensor.hwmon = hwmon.index;
    sensor.sensor = input.index;
    sensor.chip = chip;
    sensor.label = TextOrEmpty(hwmon.path / fmt::format("temp{}_label", input.index));
    sensor.celsius = ProcText(input.path).Parse(ParseMillidegrees);
    sensors.push_back(std::move(sensor));
  }
  return sensors;
}

/// An empty list says that the machine does not show any.
template <class T>
Reading<std::vector<T>> NoneIsUnavailable(std::vector<T> list, const fs::path& folder,
                                          const char* what) {
  if (!list.empty()) return list;
  return Reading<std::vector<T>>::Unavailable(fmt::format(
      "no {} below {} (a virtual machine or container has none)", what, folder.string()));
}

}  // namespace

Reading<double> ParseMillidegrees(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  const auto number = ParseNumber<std::int64_t>(text);
  if (!number) return Reading<double>::Unavailable("a temperature file holds no number");
  const double celsius = static_cast<double>(*number) / 1000;
  if (celsius < kLowestCelsius || celsius > kHighestCelsius) {
    return Reading<double>::Unavailable(
        fmt::format("the sensor says {:.1f} degrees, which is no temperature", celsius));
  }
  return celsius;
}

Reading<std::vector<ThermalZone>> ReadThermalZones(const OsRoots& roots) {
  const auto folder = roots.sys / "class/thermal";
  std::vector<ThermalZone> zones;
  for (const Entry& zone : Numbered(folder, "thermal_zone")) {
    zones.push_back({zone.index, TextOrEmpty(zone.path / "type"),
                     ProcText(zone.path / "temp").Parse(ParseMillidegrees)});
  }
  return NoneIsUnavailable(std::move(zones), folder, "thermal zone");
}

Reading<std::vector<CoolingDevice>> ReadCoolingDevices(const OsRoots& roots) {
  const auto folder = roots.sys / "class/thermal";
  std::vector<CoolingDevice> devices;
  for (const Entry& device : Numbered(folder, "cooling_device")) {
    devices.push_back(
        {device.index, TextOrEmpty(device.path / "type"), ReadCount(device.path / "cur_state")});
  }
  return NoneIsUnavailable(std::move(devices), folder, "cooling device");
}

Reading<std::vector<HwmonTemperature>> ReadHwmonTemperatures(const OsRoots& roots) {
  const auto folder = roots.sys / "class/hwmon";
  std::vector<HwmonTemperature> all;
  for (const Entry& hwmon : Numbered(folder, "hwmon")) {
    for (auto& sensor : Sensors(hwmon)) all.push_back(std::move(sensor));
  }
  return NoneIsUnavailable(std::move(all), folder, "temperature sensor");
}

Reading<std::vector<HwmonTemperature>> NvmeHwmonFor(std::string_view controller,
                                                    const OsRoots& roots) {
  const auto folder = roots.sys / "class/hwmon";
  for (const Entry& hwmon : Numbered(folder, "hwmon")) {
    if (ChipOf(hwmon.path) != controller) continue;
    auto sensors = Sensors(hwmon);
    if (!sensors.empty()) return sensors;
  }
  return Reading<std::vector<HwmonTemperature>>::Unavailable(
      fmt::format("no hwmon below {} belongs to {} (CONFIG_NVME_HWMON, Linux 5.5)", folder.string(),
                  controller));
}

Reading<std::vector<CpuClock>> ReadCpuClocks(const OsRoots& roots) {
  const auto folder = roots.sys / "devices/system/cpu";
  std::vector<CpuClock> clocks;
  for (const Entry& cpu : Numbered(folder, "cpu")) {
    CpuClock clock;
    clock.core = cpu.index;
    clock.mhz = ReadCount(cpu.path / "cpufreq/scaling_cur_freq").Map([](std::uint64_t khz) {
      return static_cast<double>(khz) / 1000;
    });
    clock.governor = ReadTrimmed(cpu.path / "cpufreq/scaling_governor");
    clock.throttle_count = ReadCount(cpu.path / "thermal_throttle/core_throttle_count");
    clocks.push_back(std::move(clock));
  }
  return NoneIsUnavailable(std::move(clocks), folder, "CPU");
}

}  // namespace kvtier
