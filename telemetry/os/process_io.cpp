#include "telemetry/os/process_io.hpp"

#include <algorithm>
#include <cctype>
#include <iterator>
#include <set>
#include <system_error>

#include <fmt/format.h>

#include "harness/core/error.hpp"
#include "harness/core/files.hpp"
#include "telemetry/os/fields.hpp"
#include "telemetry/os/proc_text.hpp"
#include "telemetry/text.hpp"

namespace kvtier {
namespace {

std::filesystem::path Of(pid_t pid, const char* file, const OsRoots& roots) {
  return roots.proc / std::to_string(pid) / file;
}

/// The text after "pid (comm)": comm may hold blanks and parentheses, so the last ')' ends it.
std::string_view AfterCommand(std::string_view stat) {
  const std::size_t close = stat.rfind(')');
  return close == std::string_view::npos ? std::string_view() : stat.substr(close + 1);
}

/// "--api-key", "HF_TOKEN", "--db-password": what such a flag or variable holds is nobody's
/// business, least of all a bundle's.
bool NamesASecret(std::string_view word) {
  std::string lower(word);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) {
    return c == '_' ? '-' : static_cast<char>(std::tolower(c));
  });
  static constexpr std::string_view kEndings[] = {"-token", "-key", "-secret", "-password"};
  return std::any_of(std::begin(kEndings), std::end(kEndings),
                     [&](std::string_view ending) { return lower.ends_with(ending); });
}

/// NAME=value, and the word behind a flag, become *** where the name says so.
void HideSecrets(std::vector<std::string>& arguments) {
  bool hide_this = false;
  for (std::string& argument : arguments) {
    const std::size_t equals = argument.find('=');
    const bool names = NamesASecret(std::string_view(argument).substr(0, equals));
    if (hide_this)
      argument = "***";
    else if (names && equals != std::string::npos)
      argument = argument.substr(0, equals + 1) + "***";
    hide_this = !hide_this && names && equals == std::string::npos && argument.starts_with('-');
  }
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
  ProcText file(Of(pid, "stat", roots));
  const auto text = file.Read();
  return text ? ParseProcessStat(*text) : std::nullopt;
}

Reading<ProcessUsage> ParseProcessUsage(std::string_view text, double ticks_per_second,
                                        std::uint64_t page_bytes) {
  Fields fields(AfterCommand(text));
  const auto next = [&](int skip) {
    fields.Skip(skip);
    return fields.Number<std::uint64_t>();
  };
  // Numbers of proc(5): state is field 3, the first after the command.
  const auto minor_faults = next(7);  // 10
  const auto major_faults = next(1);  // 12
  const auto user = next(1);          // 14
  const auto system = next(0);        // 15
  const auto threads = next(4);       // 20
  const auto start = next(1);         // 22
  const auto rss = next(1);           // 24
  if (!minor_faults || !major_faults || !user || !system || !threads || !start || !rss)
    return Reading<ProcessUsage>::Unavailable("the stat file of the process has no 24 fields");
  return ProcessUsage{*start,
                      static_cast<double>(*user) / ticks_per_second,
                      static_cast<double>(*system) / ticks_per_second,
                      *minor_faults,
                      *major_faults,
                      *threads,
                      Bytes{*rss * page_bytes}};
}

pid_t SelfPid(const OsRoots& roots) {
  std::error_code error;
  const auto link = std::filesystem::read_symlink(roots.proc / "self", error);
  return ParseNumber<pid_t>(link.string()).value_or(0);
}

std::vector<std::string> ReadArguments(pid_t pid, const OsRoots& roots) {
  std::vector<std::string> arguments;
  ProcText file(Of(pid, "cmdline", roots));
  const auto text = file.Read();
  std::string_view rest = text ? *text : std::string_view();
  while (rest.ends_with('\0')) rest.remove_suffix(1);
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\0'), rest.size());
    arguments.emplace_back(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return arguments;
}

std::string ReadCommandLine(pid_t pid, const OsRoots& roots) {
  std::vector<std::string> arguments = ReadArguments(pid, roots);
  HideSecrets(arguments);
  return fmt::format("{}", fmt::join(arguments, " "));
}

Reading<ProcessIo> ParseProcessIo(std::string_view text) {
  constexpr std::string_view kNames[] = {"rchar", "wchar",      "syscr",
                                         "syscw", "read_bytes", "write_bytes"};
  std::optional<std::uint64_t> values[std::size(kNames)];
  ForEachLine(text, [&](std::string_view line) {
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) return;
    for (std::size_t i = 0; i < std::size(kNames); ++i) {
      if (line.substr(0, colon) == kNames[i])
        values[i] = Fields(line.substr(colon + 1)).Number<std::uint64_t>();
    }
  });
  for (std::size_t i = 0; i < std::size(kNames); ++i) {
    if (!values[i])
      return Reading<ProcessIo>::Unavailable(fmt::format("the io file has no {}", kNames[i]));
  }
  ProcessIo io;
  io.rchar = Bytes{*values[0]};
  io.wchar = Bytes{*values[1]};
  io.syscr = *values[2];
  io.syscw = *values[3];
  io.read_bytes = Bytes{*values[4]};
  io.write_bytes = Bytes{*values[5]};
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
      row.cmdline = ReadCommandLine(pid, roots);
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
