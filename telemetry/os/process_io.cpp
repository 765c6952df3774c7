#include "telemetry/os/process_io.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "harness/core/error.hpp"
#include "harness/core/files.hpp"
#include "telemetry/text.hpp"

namespace kvtier {
namespace {

std::filesystem::path Of(pid_t pid, const char* file, const OsRoots& roots) {
  return roots.proc / std::to_string(pid) / file;
}

std::string CommandLine(pid_t pid, const OsRoots& roots) {
  std::string text;
  try {
    text = ReadFile(Of(pid, "cmdline", roots));
  } catch (const IoError&) {
    return {};
  }
  while (!text.empty() && text.back() == '\0') text.pop_back();
  std::replace(text.begin(), text.end(), '\0', ' ');
  return text;
}

}  // namespace

std::optional<ProcessStat> ParseProcessStat(std::string_view text) {
  // "pid (comm) state ppid ...": comm may hold blanks and parentheses, so the last ')' ends it.
  const std::size_t open = text.find('(');
  const std::size_t close = text.rfind(')');
  if (open == std::string_view::npos || close == std::string_view::npos || close < open || open < 1)
    return std::nullopt;
  const auto head = Words(text.substr(0, open));
  std::string_view tail_text = text.substr(close + 1);
  while (!tail_text.empty() && tail_text.back() == '\n') tail_text.remove_suffix(1);
  const auto tail = Words(tail_text);
  if (head.size() != 1 || tail.size() < 20 || tail[0].size() != 1) return std::nullopt;
  const auto pid = ParseNumber<pid_t>(head[0]);
  const auto parent = ParseNumber<pid_t>(tail[1]);
  const auto start = ParseNumber<std::uint64_t>(tail[19]);  // field 22 of proc(5)
  if (!pid || !parent || !start) return std::nullopt;
  return ProcessStat{*pid, *parent, tail[0][0], *start,
                     std::string(text.substr(open + 1, close - open - 1))};
}

std::optional<ProcessStat> ReadProcessStat(pid_t pid, const OsRoots& roots) {
  try {
    return ParseProcessStat(ReadFile(Of(pid, "stat", roots)));
  } catch (const IoError&) {
    return std::nullopt;
  }
}

Reading<ProcessIo> ParseProcessIo(std::string_view text) {
  std::map<std::string_view, std::uint64_t> values;
  ForEachLine(text, [&](std::string_view line) {
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) return;
    const auto words = Words(line.substr(colon + 1));
    if (words.size() != 1) return;
    if (const auto value = ParseNumber<std::uint64_t>(words[0]))
      values[line.substr(0, colon)] = *value;
  });
  for (const char* name : {"rchar", "wchar", "syscr", "syscw", "read_bytes", "write_bytes"}) {
    if (!values.contains(name))
      return Reading<ProcessIo>::Unavailable(fmt::format("the io file has no {}", name));
  }
  ProcessIo io;
  io.rchar = Bytes{values["rchar"]};
  io.wchar = Bytes{values["wchar"]};
  io.syscr = values["syscr"];
  io.syscw = values["syscw"];
  io.read_bytes = Bytes{values["read_bytes"]};
  io.write_bytes = Bytes{values["write_bytes"]};
  return io;
}

std::vector<pid_t> ProcessTree(std::span<const pid_t> roots_of_tree, const OsRoots& roots) {
  std::multimap<pid_t, pid_t> children;
  std::error_code error;
  for (std::filesystem::directory_iterator at(roots.proc, error), end; !error && at != end;
       at.increment(error)) {
    const auto pid = ParseNumber<pid_t>(at->path().filename().string());
    if (!pid) continue;
    if (const auto stat = ReadProcessStat(*pid, roots)) children.emplace(stat->parent, *pid);
  }
  std::set<pid_t> found;
  std::vector<pid_t> todo(roots_of_tree.begin(), roots_of_tree.end());
  while (!todo.empty()) {
    const pid_t pid = todo.back();
    todo.pop_back();
    if (!found.insert(pid).second) continue;
    const auto [from, to] = children.equal_range(pid);
    for (auto at = from; at != to; ++at) todo.push_back(at->second);
  }
  return {found.begin(), found.end()};
}

Reading<std::vector<ProcessIo>> ReadTreeIo(std::span<const pid_t> pids, const OsRoots& roots) {
  using Result = Reading<std::vector<ProcessIo>>;
  if (pids.empty())
    return Result::Unavailable("the stack does not say which process its worker is");
  std::vector<ProcessIo> all;
  for (const pid_t pid : ProcessTree(pids, roots)) {
    const auto stat = ReadProcessStat(pid, roots);
    const bool asked_for = std::find(pids.begin(), pids.end(), pid) != pids.end();
    if (!stat || stat->state == 'Z' || stat->state == 'X') {
      if (!asked_for)
        continue;  // a descendant ended meanwhile; its parent's counters take its over
      return Result::Unavailable(fmt::format("worker process {} is gone", pid));
    }
    try {
      auto io = ParseProcessIo(ReadFile(Of(pid, "io", roots)));
      if (!io) return Result::Unavailable(fmt::format("process {}: {}", pid, io.reason()));
      ProcessIo row = *io;
      row.pid = pid;
      row.cmdline = CommandLine(pid, roots);
      all.push_back(std::move(row));
    } catch (const IoError& e) {
      return Result::Unavailable(
          fmt::format("{} (it needs the user of the worker, or root)", e.what()));
    }
  }
  return all;
}

std::map<std::string, std::string> ParseEnvironment(std::string_view text) {
  std::map<std::string, std::string> environment;
  while (!text.empty()) {
    const std::string_view entry = text.substr(0, text.find('\0'));
    const std::size_t equals = entry.find('=');
    if (equals != std::string_view::npos) {
      environment.emplace(std::string(entry.substr(0, equals)),
                          std::string(entry.substr(equals + 1)));
    }
    if (entry.size() == text.size()) break;
    text.remove_prefix(entry.size() + 1);
  }
  return environment;
}

Reading<std::map<std::string, std::string>> ReadProcessEnvironment(pid_t pid,
                                                                   const OsRoots& roots) {
  using Result = Reading<std::map<std::string, std::string>>;
  try {
    const auto file = Of(pid, "environ", roots);
    auto environment = ParseEnvironment(ReadFile(file));
    // Another user's file may be opened and then reads as nothing.
    if (environment.empty())
      return Result::Unavailable(fmt::format("{} is empty or not ours to read", file.string()));
    return environment;
  } catch (const IoError& e) {
    return Result::Unavailable(e.what());
  }
}

}  // namespace kvtier
