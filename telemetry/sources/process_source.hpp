#pragma once
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <sys/types.h>

#include "telemetry/recorder/source.hpp"
#include "telemetry/roots.hpp"

namespace kvtier {

/// Which processes a run consists of.
struct RunProcesses {
  std::vector<pid_t> workers;  // with their descendants: role "worker"
  std::vector<pid_t> stack;    // the other processes of the stack, with theirs: role "stack"
  pid_t self = 0;              // without its children: role "self"; 0: not recorded
};

/// I/O, CPU and memory of the processes of a run. Descendants are looked up at the beginning, at
/// each mark and every five seconds: walking all of /proc at each tick would be noise of its own.
std::unique_ptr<Source> MakeProcessSource(const RunProcesses& processes, const OsRoots& roots = {});

}  // namespace kvtier
