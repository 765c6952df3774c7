#include "harness/core/subprocess.hpp"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <thread>

#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "harness/core/clock.hpp"
#include "harness/core/error.hpp"
#include "harness/core/files.hpp"

extern char**
    environ;  // NOLINT(readability-redundant-declaration): POSIX says the program declares it

namespace kvtier {
namespace {

std::vector<std::string> MergedEnvironment(const SpawnOptions& options) {
  std::vector<std::string> merged;
  for (char** e = environ; *e != nullptr; ++e) {
    const std::string entry = *e;
    if (!options.env.contains(entry.substr(0, entry.find('=')))) merged.push_back(entry);
  }
  for (const auto& [name, value] : options.env) {
    if (value) merged.push_back(name + "=" + *value);
  }
  return merged;
}

std::vector<char*> Pointers(std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  for (auto& s : strings) pointers.push_back(s.data());
  pointers.push_back(nullptr);
  return pointers;
}

// Only async-signal-safe calls: the parent may have threads.
[[noreturn]] void ChildMain(char* const* argv, char* const* env, int log_fd, bool die_with_parent,
                            pid_t parent, int error_fd) {
  setpgid(0, 0);
  if (die_with_parent) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(127);  // the parent died before the line above
  }
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  const int null_fd = open("/dev/null", O_RDONLY);
  dup2(null_fd, 0);
  if (log_fd >= 0) {
    dup2(log_fd, 1);
    dup2(log_fd, 2);
  }
  execvpe(argv[0], argv, env);
  const int failure = errno;
  if (write(error_fd, &failure, sizeof failure) < 0) _exit(126);
  _exit(127);
}

}  // namespace

Subprocess::Subprocess(SpawnOptions options) {
  int log_fd = -1;
  if (!options.log.empty()) {
    std::filesystem::create_directories(options.log.parent_path());
    log_fd = ::open(options.log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (log_fd < 0) throw IoError::FromErrno("write", options.log.string(), errno);
  }
  int error_pipe[2];
  if (::pipe2(error_pipe, O_CLOEXEC) != 0) throw IoError::FromErrno("create", "a pipe", errno);
  auto env = MergedEnvironment(options);
  auto argv_pointers = Pointers(options.argv);
  auto env_pointers = Pointers(env);
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ == 0) {
    ChildMain(argv_pointers.data(), env_pointers.data(), log_fd, options.die_with_parent, parent,
              error_pipe[1]);
  }
  const int fork_error = errno;
  ::close(error_pipe[1]);
  if (log_fd >= 0) ::close(log_fd);
  if (pid_ < 0) {
    ::close(error_pipe[0]);
    throw StackError(fmt::format("cannot start {}: {}", options.argv.at(0),
                                 std::generic_category().message(fork_error)));
  }
  ::setpgid(pid_, pid_);
  int failure = 0;
  ssize_t n = 0;
  do {
    n = ::read(error_pipe[0], &failure, sizeof failure);
  } while (n < 0 && errno == EINTR);
  ::close(error_pipe[0]);
  if (n == static_cast<ssize_t>(sizeof failure)) {
    Reap(true);
    throw StackError(fmt::format("cannot start {}: {}", options.argv.at(0),
                                 std::generic_category().message(failure)));
  }
}

namespace {
constexpr std::chrono::seconds kKillGrace(5);
}

Subprocess::~Subprocess() {
  Stop();
}

bool Subprocess::Reap(bool block) {
  if (wait_status_) return true;
  int status = 0;
  pid_t r = 0;
  do {
    r = ::waitpid(pid_, &status, block ? 0 : WNOHANG);
  } while (r < 0 && errno == EINTR);
  if (r == pid_) wait_status_ = status;
  return wait_status_.has_value();
}

bool Subprocess::Running() {
  return !Reap(false);
}

std::optional<int> Subprocess::ExitCode() {
  if (!Reap(false) || !WIFEXITED(*wait_status_)) return std::nullopt;
  return WEXITSTATUS(*wait_status_);
}

std::string Subprocess::ExitText() {
  if (!Reap(false)) return {};
  return WIFEXITED(*wait_status_) ? fmt::format("exited {}", WEXITSTATUS(*wait_status_))
                                  : fmt::format("killed by signal {}", WTERMSIG(*wait_status_));
}

bool Subprocess::WaitFor(std::chrono::milliseconds limit) {
  if (Reap(false)) return true;
  const MonoNs deadline = NowMono() + std::chrono::nanoseconds(limit).count();
  while (NowMono() < deadline) {
    if (Reap(false)) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return Reap(false);
}

void Subprocess::Stop(std::chrono::milliseconds grace) {
  if (pid_ <= 0) return;
  if (!Reap(false)) {
    ::kill(-pid_, SIGTERM);
    WaitFor(grace);
  }
  ::kill(-pid_, SIGKILL);  // grandchildren too, also when the child ended by itself
  // A child that hangs in the kernel (an ioctl on a dead disk) dies when the kernel lets it:
  // waiting for that would hang the run with it.
  WaitFor(kKillGrace);
}

void Subprocess::Signal(int signal) {
  if (!Reap(false)) ::kill(pid_, signal);
}

std::string TailOf(const std::filesystem::path& file, int lines) {
  std::string text;
  try {
    text = ReadFile(file);
  } catch (const IoError&) {
    return {};
  }
  std::size_t at = text.size();
  for (int n = 0; n <= lines && at != std::string::npos && at > 0; ++n)
    at = text.rfind('\n', at - 1);
  return at == std::string::npos || at == 0 ? text : text.substr(at + 1);
}

}  // namespace kvtier
