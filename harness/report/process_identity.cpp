#include "harness/report/process_identity.hpp"

#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <sstream>
#include <string>

#include "harness/core/error.hpp"
#include "harness/core/files.hpp"

namespace kvtier {
namespace {

struct Stat {
  char state = '?';
  std::uint64_t start_ticks = 0;
};

std::optional<Stat> ReadStat(std::int64_t pid) {
  std::string text;
  try {
    text = ReadFile("/proc/" + std::to_string(pid) + "/stat");
  } catch (const IoError&) {
    return std::nullopt;
  }
  // The command name may hold blanks and parentheses; the fields count from the last one. Field 3
  // is the state, 22 the start.
  const auto after_name = text.rfind(')');
  if (after_name == std::string::npos) return std::nullopt;
  std::istringstream fields(text.substr(after_name + 1));
  Stat stat;
  fields >> stat.state;
  std::string skipped;
  for (int field = 4; field < 22; ++field) fields >> skipped;
  fields >> stat.start_ticks;
  return fields ? std::optional(stat) : std::nullopt;
}

}  // namespace

ProcessIdentity ProcessIdentity::OfThis() {
  const std::int64_t pid = ::getpid();
  const auto stat = ReadStat(pid);
  return {pid, stat ? stat->start_ticks : 0};
}

bool ProcessIdentity::Alive() const {
  if (pid <= 0) return false;
  const auto stat = ReadStat(pid);
  if (!stat) return ::kill(static_cast<pid_t>(pid), 0) == 0 || errno == EPERM;
  if (stat->state == 'Z' || stat->state == 'X') return false;
  return start_ticks == 0 || stat->start_ticks == start_ticks;
}

}  // namespace kvtier
