#pragma once
#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace kvtier {

/// What a program of the system answered. Not running is an answer, never an exception.
struct CommandResult {
  enum class Outcome {
    kExited,    // exit_code says how
    kNotFound,  // no such program on the path
    kTimedOut,  // stopped at the time limit
    kFailed     // could not be started or its answer could not be kept; `err` says why
  };
  Outcome outcome = Outcome::kFailed;
  int exit_code = -1;  // only of kExited; -N: ended by signal N
  std::string out, err;
  bool truncated = false;  // it said more than kCommandOutputLimit

  bool ok() const { return outcome == Outcome::kExited && exit_code == 0; }
};

/// Runs argv (argv[0] is looked up on the path) for at most `limit`. A test passes a table of
/// canned answers.
using CommandRunner =
    std::function<CommandResult(const std::vector<std::string>& argv, std::chrono::milliseconds)>;

/// Bytes kept of each of the two outputs. Chosen: a hundred times the longest `lspci -vv`.
inline constexpr std::size_t kCommandOutputLimit = std::size_t{4} << 20;

/// The real one: no shell words are expanded, stdin is empty, LC_ALL is C, and the administrator's
/// directories are added to the path (nvme and smartctl live there, a user's path on Debian does
/// not name them). The child dies with the calling thread and is killed, with its children, at the
/// limit.
CommandRunner SystemCommandRunner();

/// Asks for a program that is not installed once; from then on it is known to be missing. The
/// runner returned is for one thread.
CommandRunner RememberMissing(CommandRunner runner);

/// Why a command did not succeed, in one clause: "nvme is not installed", "exited 1: Permission
/// denied". Empty when it succeeded.
std::string WhyFailed(const CommandResult& result, std::string_view program);
/// argv as one text, for people.
std::string CommandText(const std::vector<std::string>& argv);
/// `text` without white space at both ends, at most `limit` bytes of it; for snippets.
std::string Snippet(std::string_view text, std::size_t limit = 240);

}  // namespace kvtier
