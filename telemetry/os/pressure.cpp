#include "telemetry/os/pressure.hpp"

#include <cerrno>
#include <optional>

#include <fmt/format.h>

#include "telemetry/os/fields.hpp"
#include "telemetry/os/proc_text.hpp"

namespace kvtier {
namespace {

/// "some avg10=0.33 avg60=0.63 avg300=1.93 total=144303799", after its first word.
std::optional<Stall> ParseStall(Fields fields) {
  std::optional<double> avg10;
  std::optional<std::uint64_t> total;
  for (std::string_view word = fields.Next(); !word.empty(); word = fields.Next()) {
    if (word.starts_with("avg10=")) avg10 = ParseNumber<double>(word.substr(6));
    if (word.starts_with("total=")) total = ParseNumber<std::uint64_t>(word.substr(6));
  }
  if (!avg10 || !total || !(*avg10 >= 0)) return std::nullopt;
  return Stall{*total, *avg10};
}

}  // namespace

Reading<Pressure> ParsePressure(std::string_view text) {
  std::optional<Stall> some, full;
  ForEachLine(text, [&](std::string_view line) {
    Fields fields(line);
    const std::string_view name = fields.Next();
    if (name == "some") some = ParseStall(fields);
    if (name == "full") full = ParseStall(fields);
  });
  if (!some)
    return Reading<Pressure>::Unavailable("the pressure file has no line `some` with avg10, total");
  return Pressure{*some, full ? Reading<Stall>(*full)
                              : Reading<Stall>::Unavailable(
                                    "the pressure file has no line `full` (cpu: Linux 5.13)")};
}

Reading<Pressure> ReadPressure(std::string_view resource, const OsRoots& roots) {
  ProcText file(roots.proc / "pressure" / resource);
  auto pressure = file.Parse(ParsePressure);
  if (file.error() == ENOENT || file.error() == EOPNOTSUPP) {
    return Reading<Pressure>::Unavailable(
        fmt::format("{}: kernel without PSI; boot with psi=1", file.path().string()));
  }
  return pressure;
}

}  // namespace kvtier
