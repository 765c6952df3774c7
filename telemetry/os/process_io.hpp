#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include "harness/core/reading.hpp"
#include "harness/judge/evidence.hpp"
#include "telemetry/roots.hpp"

namespace kvtier {

/// The fields of /proc/<pid>/stat that tell who a process is. A pid is reused, a pid with its start
/// time is not.
struct ProcessStat {
  pid_t pid = 0;
  pid_t parent = 0;
  char state = '?';
  std::uint64_t start_ticks = 0;
  std::string command;  // without the parentheses; may itself contain any character
};
std::optional<ProcessStat> ParseProcessStat(std::string_view text);
std::optional<ProcessStat> ReadProcessStat(pid_t pid, const OsRoots& roots = {});

/// What a process has used so far, from the same file.
struct ProcessUsage {
  std::uint64_t start_ticks = 0;
  double cpu_user_s = 0, cpu_system_s = 0;           // all threads, ended ones too
  std::uint64_t minor_faults = 0, major_faults = 0;  // without those of children
  std::uint64_t threads = 0;
  Bytes rss{};  // as the kernel sums it up for this file: may lag by some pages a thread
};
/// Unavailable when the text is short (proc(5), fields 10 to 24 of /proc/<pid>/stat).
Reading<ProcessUsage> ParseProcessUsage(std::string_view text, double ticks_per_second,
                                        std::uint64_t page_bytes);

/// The text of /proc/<pid>/io. read_bytes and write_bytes reached (or will reach) a device, rchar
/// and wchar were asked for by system calls. Unavailable when a field is missing.
Reading<ProcessIo> ParseProcessIo(std::string_view text);

/// This process as that /proc numbers it (a container's own number differs from its host's); 0
/// where it does not know us.
pid_t SelfPid(const OsRoots& roots = {});

/// Arguments of /proc/<pid>/cmdline; none for a kernel thread, a zombie or a process that is gone.
std::vector<std::string> ReadArguments(pid_t pid, const OsRoots& roots = {});
/// The same with blanks between them, for people: what a flag or variable that names a secret holds
/// is "***".
std::string ReadCommandLine(pid_t pid, const OsRoots& roots = {});

/// The given processes and all their descendants that are alive, ascending.
std::vector<pid_t> ProcessTree(std::span<const pid_t> roots_of_tree, const OsRoots& roots = {});

/// I/O of a process tree. Unavailable with the reason when a process of `pids` is gone or
/// /proc/<pid>/io may not be read (it needs the same user): a part of a tree is not a measurement
/// of it.
Reading<std::vector<ProcessIo>> ReadTreeIo(std::span<const pid_t> pids, const OsRoots& roots = {});

/// Names and values of /proc/<pid>/environ, the environment that the process was started with.
Reading<std::map<std::string, std::string>> ReadProcessEnvironment(pid_t pid,
                                                                   const OsRoots& roots = {});
std::map<std::string, std::string> ParseEnvironment(std::string_view nul_separated);

}  // namespace kvtier
