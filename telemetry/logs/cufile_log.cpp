#include "telemetry/logs/cufile_log.hpp"

#include <algorithm>
#include <deque>
#include <initializer_list>
#include <set>
#include <system_error>

#include <fmt/format.h>

#include "harness/core/files.hpp"
#include "telemetry/text.hpp"

namespace kvtier {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kGrepLines = 200;
constexpr const char* kDefaultFolder = "/var/log/cufile";

std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

bool IsWordPart(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

bool HasWord(std::string_view line, std::string_view word) {
  for (std::size_t at = line.find(word); at != std::string_view::npos;
       at = line.find(word, at + 1)) {
    const std::size_t end = at + word.size();
    if ((at == 0 || !IsWordPart(line[at - 1])) && (end == line.size() || !IsWordPart(line[end])))
      return true;
  }
  return false;
}

bool HasAny(std::string_view text, std::initializer_list<std::string_view> parts) {
  return std::any_of(parts.begin(), parts.end(), [&](std::string_view part) {
    return text.find(part) != std::string_view::npos;
  });
}

// The library's file names: cufile.log and cufile_<pid>_<time>.log.
bool IsCufileLog(const fs::path& file) {
  return file.filename().string().starts_with("cufile") && file.extension() == ".log";
}

// The files of these places that exist now, each once. A folder that is not there is no error: it
// is a place where a log may be.
/// One name for one file. The link <pid>/root is left alone: its text is "/", but it leads into the
/// file system of that process.
fs::path WithoutLinks(const fs::path& file) {
  for (const auto& part : file) {
    if (part == "root" || part == "cwd") return file;
  }
  std::error_code unresolved;
  return fs::weakly_canonical(file, unresolved);
}

std::set<fs::path> FindLogs(const CufilePlaces& places, std::vector<std::string>* unreadable) {
  std::set<fs::path> found;
  for (const auto& folder : places.folders) {
    std::error_code error;
    fs::directory_iterator at(folder, error);
    for (const fs::directory_iterator end; !error && at != end; at.increment(error)) {
      std::error_code gone;
      if (IsCufileLog(at->path()) && at->is_regular_file(gone)) {
        found.insert(WithoutLinks(at->path()));
      }
    }
    if (error && error != std::errc::no_such_file_or_directory && unreadable != nullptr) {
      unreadable->push_back(fmt::format("cannot list {}: {}", folder.string(), error.message()));
    }
  }
  for (const auto& file : places.files) {
    std::error_code error;
    if (fs::exists(file, error)) found.insert(WithoutLinks(file));
  }
  return found;
}

// "cufile.log" of two folders must not become one copy.
std::string FreeName(const fs::path& source, std::set<std::string>& taken) {
  const std::string wanted = SafeFileName(source.filename().string());
  std::string name = wanted;
  for (int n = 2; !taken.insert(name).second; ++n) name = fmt::format("{}_{}", n, wanted);
  return name;
}

void ScanLines(std::string_view text, const std::string& source, CufileCounts& counts,
               std::deque<std::string>& matches) {
  ForEachLine(text, [&](std::string_view line) {
    const CufileLine classes = ClassifyCufileLine(line);
    counts.Add(classes);
    if (!classes.Any()) return;
    matches.push_back(fmt::format("{}: {}", source, PrintableLine(line)));
    if (matches.size() > kGrepLines) matches.pop_front();
  });
}

}  // namespace

CufileLine ClassifyCufileLine(std::string_view line) {
  const std::string lower = Lower(line);
  CufileLine found;
  found.compat = HasAny(lower, {"compat"});
  found.posix = HasAny(lower, {"posix"});
  found.gds = HasWord(line, "GDS");
  found.error = HasWord(line, "ERROR");
  found.warning = HasWord(line, "WARN") || HasWord(line, "WARNING");
  // A line that prints a setting or an answer of no ("GDS supported: 0") tells no path.
  const bool setting = HasAny(lower, {"allow_compat_mode", "force_compat_mode", "use_compat_mode",
                                      ": 0", "= 0", ": false"});
  const bool in_compat =
      HasAny(lower, {"compat mode enabled", "in compat mode", "in compatible mode",
                     "in compatibility mode", "using compat", "compat path"});
  const bool not_compat =
      HasAny(lower, {"not in compat", "not using compat", "mode disabled", "mode is disabled",
                     "mode not allowed", "mode is not allowed"});
  found.posix_path = !setting && !not_compat && (in_compat || (found.compat && found.posix));
  const bool denied =
      HasAny(lower, {"not ", "unsupported", "disabled", "failed", "cannot", "error"});
  found.gds_path =
      found.gds && !found.compat && !found.posix && !setting && !denied &&
      HasAny(lower, {"using", "enabled", "supported", "initialized", "initialised", "active"});
  return found;
}

void CufileCounts::Add(const CufileLine& line) {
  ++lines;
  compat += line.compat ? 1 : 0;
  posix += line.posix ? 1 : 0;
  gds += line.gds ? 1 : 0;
  error += line.error ? 1 : 0;
  warning += line.warning ? 1 : 0;
  posix_path += line.posix_path ? 1 : 0;
  gds_path += line.gds_path ? 1 : 0;
}

std::string CufileConclusion(const CufileCounts& counts, std::size_t files) {
  if (files == 0) {
    return "cannot tell: no cufile*.log was written in this leg; set CUFILE_LOGFILE_PATH and the "
           "logging level in cufile.json";
  }
  if (counts.posix_path > 0 && counts.gds_path > 0) {
    return fmt::format(
        "cannot tell: {} lines speak of the POSIX compat path and {} of the GDS path",
        counts.posix_path, counts.gds_path);
  }
  if (counts.posix_path > 0) {
    return fmt::format("I/O took the POSIX compat path: {} of {} lines say so", counts.posix_path,
                       counts.lines);
  }
  if (counts.gds_path > 0) {
    return fmt::format("I/O took the GDS path: {} of {} lines say so", counts.gds_path,
                       counts.lines);
  }
  return fmt::format(
      "cannot tell: none of {} lines names the path; raise the logging level in cufile.json to "
      "INFO or DEBUG",
      counts.lines);
}

CufilePlaces CufilePlaces::Of(const fs::path& worker_cwd, const std::string& logfile_path) {
  CufilePlaces places;
  places.folders.emplace_back(kDefaultFolder);
  if (!worker_cwd.empty()) places.folders.push_back(worker_cwd);
  if (!logfile_path.empty()) places.files.emplace_back(logfile_path);
  return places;
}

CufilePlaces CufilePlaces::Inside(const fs::path& process, const std::string& logfile_path) {
  const fs::path root = process / "root";
  CufilePlaces places;
  places.folders = {root / fs::path(kDefaultFolder).relative_path(), process / "cwd"};
  if (logfile_path.empty()) return places;
  const fs::path file = logfile_path;
  places.files.push_back(file.is_absolute() ? root / file.relative_path() : process / "cwd" / file);
  return places;
}

CufileCollector CufileCollector::WrittenSince(CufilePlaces places, fs::file_time_type since) {
  CufileCollector collector(CufilePlaces{});
  collector.places_ = std::move(places);
  collector.since_ = since;
  return collector;
}

CufileCollector::CufileCollector(CufilePlaces places, LogLimits limits)
    : places_(std::move(places)), limits_(limits) {
  for (const auto& file : FindLogs(places_, nullptr)) {
    marks_.emplace(file, MarkedLog::AtEnd(file));
  }
}

CufileEvidence CufileCollector::Collect(const fs::path& run_dir, const std::string& place) const {
  CufileEvidence evidence;
  const std::string safe_place = SafeFileName(place);
  std::deque<std::string> matches;
  std::set<std::string> taken;
  for (const auto& file : FindLogs(places_, &evidence.unreadable)) {
    std::error_code gone;
    if (since_ && fs::last_write_time(file, gone) < *since_) continue;
    const auto mark = marks_.find(file);
    const auto text = mark != marks_.end() ? mark->second.ReadSince(limits_)
                                           : MarkedLog::AtStart(file).ReadSince(limits_);
    if (!text) {
      evidence.unreadable.push_back(text.reason());
      continue;
    }
    if (text->written.value == 0) continue;  // of an earlier leg
    CufileCopy copy{file.string(),
                    fmt::format("telemetry/cufile_logs/{}/{}", safe_place, FreeName(file, taken)),
                    text->written, text->cut, text->notes};
    ScanLines(text->head, copy.source, evidence.counts, matches);
    ScanLines(text->tail, copy.source, evidence.counts, matches);
    try {
      WriteFileAtomic(run_dir / copy.path, text->Text());
    } catch (const std::exception& e) {
      evidence.unreadable.emplace_back(e.what());
      copy.path.clear();
    }
    evidence.files.push_back(std::move(copy));
  }
  evidence.conclusion = evidence.files.empty() && !evidence.unreadable.empty()
                            ? "cannot tell: " + evidence.unreadable.front()
                            : CufileConclusion(evidence.counts, evidence.files.size());
  if (evidence.files.empty()) return evidence;
  evidence.grep_path = fmt::format("telemetry/cufile_{}_grep.txt", safe_place);
  std::string grep;
  for (const auto& line : matches) grep += line + "\n";
  try {
    WriteFileAtomic(run_dir / evidence.grep_path, grep);
  } catch (const std::exception& e) {
    evidence.unreadable.emplace_back(e.what());
    evidence.grep_path.clear();
  }
  return evidence;
}

}  // namespace kvtier
