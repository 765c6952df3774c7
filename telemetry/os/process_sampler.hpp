#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include <sys/types.h>

#include "harness/core/reading.hpp"
#include "harness/judge/evidence.hpp"
#include "telemetry/os/proc_text.hpp"
#include "telemetry/os/process_io.hpp"
#include "telemetry/roots.hpp"

namespace kvtier {

/// One process at one moment.
struct ProcessSample {
  pid_t pid = 0;
  std::string command;          // its command line
  Reading<ProcessUsage> usage;  // unavailable once the process is gone
  Reading<ProcessIo> io;        // needs the same user as the process, or root
};

/// Reads CPU time, memory and I/O of a process tree again and again: two system calls a process and
/// reading, none for the rest of the machine. Not thread-safe.
class ProcessSampler {
 public:
  /// The processes given and their descendants as of now.
  explicit ProcessSampler(std::vector<pid_t> roots_of_tree, OsRoots roots = {});

  /// Looks for new descendants and forgets those that ended; a process that was asked for stays.
  /// Reads all of /proc: once a second and at marks is enough.
  void Refresh();
  /// All processes known, ascending. One that ended since is in it, unavailable; a pid that was
  /// given to another process counts as ended.
  std::vector<ProcessSample> Sample();

 private:
  struct Process {
    Process(pid_t number, const OsRoots& roots);
    pid_t pid = 0;
    std::uint64_t start_ticks = 0;  // 0: never seen alive
    std::string command;
    ProcText stat, io;
  };
  std::vector<pid_t> roots_of_tree_;
  OsRoots roots_;
  std::vector<Process> processes_;
};

}  // namespace kvtier
