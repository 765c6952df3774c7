#include "telemetry/os/ports.hpp"

#include <algorithm>
#include <set>
#include <system_error>

#include <fmt/format.h>

#include "harness/core/error.hpp"
#include "harness/core/files.hpp"
#include "telemetry/text.hpp"

namespace kvtier {
namespace {

std::string ReadOrEmpty(const std::filesystem::path& path) {
  try {
    return ReadFile(path);
  } catch (const IoError&) {
    return {};
  }
}

bool HoldsSocket(const std::filesystem::path& process, const std::set<std::string>& links) {
  std::error_code error;
  for (std::filesystem::directory_iterator at(process / "fd", error), end; !error && at != end;
       at.increment(error)) {
    std::error_code gone;
    if (links.contains(std::filesystem::read_symlink(at->path(), gone).string())) return true;
  }
  return false;
}

}  // namespace

std::vector<std::uint64_t> ListenersOf(std::string_view proc_net_tcp, std::uint16_t port) {
  constexpr std::string_view kListen = "0A";
  std::vector<std::uint64_t> inodes;
  ForEachLine(proc_net_tcp, [&](std::string_view line) {
    // sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode ...
    const auto words = Words(line);
    if (words.size() < 10 || words[3] != kListen) return;
    const std::size_t colon = words[1].rfind(':');
    if (colon == std::string_view::npos) return;
    const auto number = ParseNumber<std::uint16_t>(words[1].substr(colon + 1), 16);
    const auto inode = ParseNumber<std::uint64_t>(words[9]);
    if (number == port && inode) inodes.push_back(*inode);
  });
  return inodes;
}

std::string PortOwner::Describe() const {
  return pid == 0 ? "a process of another user" : fmt::format("pid {} ({})", pid, command);
}

std::optional<PortOwner> FindPortOwner(std::uint16_t port, const OsRoots& roots) {
  std::set<std::string> links;
  for (const char* table : {"net/tcp", "net/tcp6"}) {
    for (const auto inode : ListenersOf(ReadOrEmpty(roots.proc / table), port)) {
      links.insert(fmt::format("socket:[{}]", inode));
    }
  }
  if (links.empty()) return std::nullopt;
  std::error_code error;
  for (std::filesystem::directory_iterator at(roots.proc, error), end; !error && at != end;
       at.increment(error)) {
    const auto pid = ParseNumber<pid_t>(at->path().filename().string());
    if (!pid || !HoldsSocket(at->path(), links)) continue;
    std::string command = ReadOrEmpty(at->path() / "cmdline");
    while (!command.empty() && command.back() == '\0') command.pop_back();
    std::replace(command.begin(), command.end(), '\0', ' ');
    if (command.size() > 80) command = command.substr(0, 77) + "...";
    return PortOwner{*pid, command};
  }
  return PortOwner{};
}

}  // namespace kvtier
