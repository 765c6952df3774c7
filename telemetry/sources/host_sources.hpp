#pragma once
#include <memory>
#include <string>

#include <sys/types.h>

#include "telemetry/recorder/source.hpp"
#include "telemetry/roots.hpp"

/// The kernel's side of the timeline; docs/timeline.md lists the keys. Each keeps its files open.
namespace kvtier {

/// Times of all cores together at each reading, of each core once a second.
std::unique_ptr<Source> MakeCpuSource(const OsRoots& roots = {});
/// Counters of one whole disk; an empty name is unavailable with `why_unknown`.
std::unique_ptr<Source> MakeDiskSource(const std::string& device, const std::string& why_unknown,
                                       const OsRoots& roots = {});
std::unique_ptr<Source> MakeMemorySource(const OsRoots& roots = {});
std::unique_ptr<Source> MakeVmstatSource(const OsRoots& roots = {});
std::unique_ptr<Source> MakePressureSource(const OsRoots& roots = {});
std::unique_ptr<Source> MakeNetworkSource(const OsRoots& roots = {});
std::unique_ptr<Source> MakeThermalSource(const OsRoots& roots = {});
/// The control group of a process; pid 0: nobody said which.
std::unique_ptr<Source> MakeCgroupSource(pid_t worker, const OsRoots& roots = {});
/// Wall clock minus monotonic clock: constant but for steps and slewing.
std::unique_ptr<Source> MakeClockSource();

}  // namespace kvtier
