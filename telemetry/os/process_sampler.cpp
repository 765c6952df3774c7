#include "telemetry/os/process_sampler.hpp"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "telemetry/os/cpu_times.hpp"

namespace kvtier {
namespace {

std::filesystem::path Of(pid_t pid, const char* file, const OsRoots& roots) {
  return roots.proc / std::to_string(pid) / file;
}

}  // namespace

ProcessSampler::Process::Process(pid_t number, const OsRoots& roots)
    : pid(number),
      command(ReadCommandLine(number, roots)),
      stat(Of(number, "stat", roots)),
      io(Of(number, "io", roots)) {
  if (const auto now = ReadProcessStat(number, roots)) start_ticks = now->start_ticks;
}

ProcessSampler::ProcessSampler(std::vector<pid_t> roots_of_tree, OsRoots roots)
    : roots_of_tree_(std::move(roots_of_tree)), roots_(std::move(roots)) {
  Refresh();
}

void ProcessSampler::Refresh() {
  const auto known = [&](pid_t pid) {
    return std::find_if(processes_.begin(), processes_.end(),
                        [&](const Process& p) { return p.pid == pid; });
  };
  const auto reused = [&](pid_t pid) {
    const auto process = known(pid);
    if (process == processes_.end() || process->start_ticks == 0) return false;
    const auto stat = ReadProcessStat(pid, roots_);
    return stat && stat->start_ticks != process->start_ticks;
  };
  std::vector<Process> now;
  std::vector<pid_t> ours;
  for (const pid_t pid : roots_of_tree_) {
    // The new owner of the pid of a process that ended is no part of the tree.
    if (!reused(pid))
      ours.push_back(pid);
    else
      now.push_back(std::move(*known(pid)));
  }
  for (const pid_t pid : ProcessTree(ours, roots_)) {
    const auto process = known(pid);
    if (process == processes_.end() || process->start_ticks == 0 || reused(pid))
      now.emplace_back(pid, roots_);
    else
      now.push_back(std::move(*process));
  }
  std::sort(now.begin(), now.end(),
            [](const Process& a, const Process& b) { return a.pid < b.pid; });
  processes_ = std::move(now);
}

std::vector<ProcessSample> ProcessSampler::Sample() {
  static const double ticks_per_second = TicksPerSecond();
  static const auto page_bytes = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  std::vector<ProcessSample> samples;
  samples.reserve(processes_.size());
  for (Process& process : processes_) {
    ProcessSample sample{process.pid, process.command, {}, {}};
    sample.usage = process.stat.Parse([](std::string_view text) {
      return ParseProcessUsage(text, ticks_per_second, page_bytes);
    });
    if (sample.usage && process.start_ticks != sample.usage->start_ticks) {
      if (process.start_ticks == 0)
        process.start_ticks = sample.usage->start_ticks;
      else
        sample.usage = Reading<ProcessUsage>::Unavailable(
            fmt::format("process {} ended and its pid was given to another", process.pid));
    }
    sample.io = sample.usage ? process.io.Parse(ParseProcessIo)
                             : Reading<ProcessIo>::Unavailable(sample.usage.reason());
    sample.io = sample.io.Map([&](ProcessIo io) {
      io.pid = process.pid;
      io.cmdline = process.command;
      return io;
    });
    samples.push_back(std::move(sample));
  }
  return samples;
}

}  // namespace kvtier
