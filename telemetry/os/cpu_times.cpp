#include "telemetry/os/cpu_times.hpp"

#include <unistd.h>

#include <cstdint>
#include <optional>
#include <string>

#include <fmt/format.h>

#include "telemetry/os/fields.hpp"
#include "telemetry/os/proc_text.hpp"

namespace kvtier {
namespace {

std::optional<CpuSeconds> ParseSeconds(Fields fields, double ticks_per_second) {
  CpuSeconds seconds;
  // kCpuKeys has the order of the line.
  for (const CpuKey& key : kCpuKeys) {
    const auto ticks = fields.Number<std::uint64_t>();
    if (!ticks) return std::nullopt;
    seconds.*key.member = static_cast<double>(*ticks) / ticks_per_second;
  }
  return seconds;
}

}  // namespace

double TicksPerSecond() {
  return static_cast<double>(::sysconf(_SC_CLK_TCK));
}

Reading<CpuTimes> ParseCpuTimes(std::string_view text, double ticks_per_second) {
  CpuTimes times;
  bool found = false;
  std::string problem;
  ForEachLine(text, [&](std::string_view line) {
    if (!line.starts_with("cpu")) return;
    Fields fields(line);
    const std::string_view name = fields.Next();
    const auto core = ParseNumber<unsigned>(name.substr(3));
    if (!core && name != "cpu") return;
    const auto seconds = ParseSeconds(fields, ticks_per_second);
    if (!seconds) {
      problem = fmt::format("the line {} of /proc/stat has no 8 numbers", name);
    } else if (core) {
      times.cores.push_back({*core, *seconds});
    } else {
      times.all = *seconds;
      found = true;
    }
  });
  if (problem.empty() && !found) problem = "/proc/stat has no line of all CPUs";
  if (!problem.empty()) return Reading<CpuTimes>::Unavailable(problem);
  return times;
}

Reading<CpuTimes> ReadCpuTimes(const OsRoots& roots) {
  return ProcText(roots.proc / "stat").Parse([](std::string_view text) {
    return ParseCpuTimes(text, TicksPerSecond());
  });
}

}  // namespace kvtier
