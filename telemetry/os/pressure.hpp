#pragma once
#include <cstdint>
#include <string_view>

#include "harness/core/reading.hpp"
#include "telemetry/roots.hpp"

namespace kvtier {

/// Pressure stall information (Documentation/accounting/psi.rst): `total_us` counts the time since
/// boot in which tasks waited, `avg10` is the share of the last 10 s in percent.
struct Stall {
  std::uint64_t total_us = 0;
  double avg10 = 0;
  bool operator==(const Stall&) const = default;
};
/// Of one resource. `some`: at least one task waited; `full`: all that could run did. The CPU has
/// `full` since Linux 5.13.
struct Pressure {
  Stall some;
  Reading<Stall> full;
};
Reading<Pressure> ParsePressure(std::string_view text);
/// `resource`: "cpu", "io" or "memory". A kernel without PSI is unavailable and says how to turn it
/// on.
Reading<Pressure> ReadPressure(std::string_view resource, const OsRoots& roots = {});

inline constexpr std::string_view kPressureResources[] = {"cpu", "io", "memory"};

}  // namespace kvtier
