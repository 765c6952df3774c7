#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include "telemetry/roots.hpp"

namespace kvtier {

/// Inodes of the sockets that listen on a port, from the text of /proc/net/tcp or tcp6.
std::vector<std::uint64_t> ListenersOf(std::string_view proc_net_tcp, std::uint16_t port);

struct PortOwner {
  pid_t pid = 0;        // 0: somebody listens whose descriptors this user may not read
  std::string command;  // its command line, shortened
  /// "pid 123 (python3 -m http.server)" or "a process of another user".
  std::string Describe() const;
};
/// Who listens on a TCP port of this machine; empty when nobody does.
std::optional<PortOwner> FindPortOwner(std::uint16_t port, const OsRoots& roots = {});

}  // namespace kvtier
