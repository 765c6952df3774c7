#include "telemetry/os/network.hpp"

#include <fmt/format.h>

#include "telemetry/os/fields.hpp"
#include "telemetry/os/proc_text.hpp"

namespace kvtier {

Reading<std::vector<InterfaceCounters>> ParseNetDev(std::string_view text) {
  using Result = Reading<std::vector<InterfaceCounters>>;
  // name: bytes packets errs drop fifo frame compressed multicast | the same for transmit
  constexpr std::uint64_t InterfaceCounters::*kColumns[] = {
      &InterfaceCounters::rx_bytes,
      &InterfaceCounters::rx_packets,
      &InterfaceCounters::rx_errors,
      &InterfaceCounters::rx_drops,
      nullptr,
      nullptr,
      nullptr,
      nullptr,
      &InterfaceCounters::tx_bytes,
      &InterfaceCounters::tx_packets,
      &InterfaceCounters::tx_errors,
      &InterfaceCounters::tx_drops,
  };
  std::vector<InterfaceCounters> interfaces;
  std::string problem;
  ForEachLine(text, [&](std::string_view line) {
    const std::size_t colon = line.rfind(':');    // the name of an alias has one too ("eth0:1:")
    if (colon == std::string_view::npos) return;  // the two lines of the head
    InterfaceCounters counters;
    counters.name = Fields(line.substr(0, colon)).Next();
    Fields fields(line.substr(colon + 1));
    for (const auto column : kColumns) {
      const auto value = fields.Number<std::uint64_t>();
      if (!value) {
        problem = fmt::format("the line of {} in /proc/net/dev has no 12 numbers", counters.name);
        return;
      }
      if (column != nullptr) counters.*column = *value;
    }
    interfaces.push_back(std::move(counters));
  });
  if (problem.empty() && interfaces.empty()) problem = "/proc/net/dev names no interface";
  if (!problem.empty()) return Result::Unavailable(problem);
  return interfaces;
}

Reading<std::vector<InterfaceCounters>> ReadNetwork(const OsRoots& roots) {
  return ProcText(roots.proc / "net/dev").Parse(ParseNetDev);
}

}  // namespace kvtier
