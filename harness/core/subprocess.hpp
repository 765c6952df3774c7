#pragma once
#include <chrono>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <sys/types.h>

namespace kvtier {

struct SpawnOptions {
  std::vector<std::string> argv;
  /// Added to (or replacing in) the environment of the caller. An empty optional removes the
  /// variable.
  std::map<std::string, std::optional<std::string>> env;
  /// stdout and stderr are appended here; empty: inherited.
  std::filesystem::path log;
  /// The child gets SIGKILL when this process dies. False only for `kvtier stack up --detach`.
  bool die_with_parent = true;
};

/// A child in its own process group. Not copyable, not movable; destroying it stops the whole
/// group. Call from a thread that lives as long as the child: PR_SET_PDEATHSIG follows the spawning
/// *thread*.
class Subprocess {
 public:
  /// Throws StackError when the program cannot be started (the exec error is reported, not
  /// guessed).
  explicit Subprocess(SpawnOptions options);
  ~Subprocess();
  Subprocess(const Subprocess&) = delete;
  Subprocess& operator=(const Subprocess&) = delete;

  pid_t pid() const { return pid_; }
  bool Running();
  /// Exit status once it ended: "exited 3", "killed by signal 9"; empty while it runs.
  std::string ExitText();
  std::optional<int> ExitCode();
  /// Waits at most `limit`; true when it ended.
  bool WaitFor(std::chrono::milliseconds limit);
  /// SIGTERM to the group, SIGKILL after `grace`. Returns once the child is reaped, or 5 s after
  /// SIGKILL when the kernel will not let it die (a system call on a dead disk).
  void Stop(std::chrono::milliseconds grace = std::chrono::seconds(5));
  /// Signal to the child alone.
  void Signal(int signal);
  /// The child goes on by itself: nothing of it is stopped or reaped any more. Only for `kvtier
  /// stack up --detach`.
  pid_t Release() { return std::exchange(pid_, -1); }

 private:
  bool Reap(bool block);
  pid_t pid_ = -1;
  std::optional<int> wait_status_;
};

/// The last `lines` lines of a file; empty when unreadable. For error messages.
std::string TailOf(const std::filesystem::path& file, int lines = 15);

}  // namespace kvtier
