#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "harness/core/reading.hpp"
#include "telemetry/roots.hpp"

namespace kvtier {

/// Counters of one network interface since it came up.
struct InterfaceCounters {
  std::string name;
  std::uint64_t rx_bytes = 0, rx_packets = 0, rx_errors = 0, rx_drops = 0;
  std::uint64_t tx_bytes = 0, tx_packets = 0, tx_errors = 0, tx_drops = 0;
};

/// A name of the timeline (docs/timeline.md `network`) and its member.
struct NetworkKey {
  std::string_view key;
  std::uint64_t InterfaceCounters::*member = nullptr;
};
inline constexpr NetworkKey kNetworkKeys[] = {
    {"rx_bytes", &InterfaceCounters::rx_bytes},     {"tx_bytes", &InterfaceCounters::tx_bytes},
    {"rx_packets", &InterfaceCounters::rx_packets}, {"tx_packets", &InterfaceCounters::tx_packets},
    {"rx_errors", &InterfaceCounters::rx_errors},   {"tx_errors", &InterfaceCounters::tx_errors},
    {"rx_drops", &InterfaceCounters::rx_drops},     {"tx_drops", &InterfaceCounters::tx_drops},
};

/// The text of /proc/net/dev. Unavailable when a line is short or there is no interface.
Reading<std::vector<InterfaceCounters>> ParseNetDev(std::string_view text);
/// The interfaces of this process's network namespace.
Reading<std::vector<InterfaceCounters>> ReadNetwork(const OsRoots& roots = {});

}  // namespace kvtier
