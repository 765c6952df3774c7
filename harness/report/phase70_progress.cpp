#include "harness/report/phase70_progress.hpp"

#include <algorithm>
#include <fstream>
#include <map>
#include <regex>

#include <fmt/format.h>

#include "harness/core/error.hpp"
#include "harness/report/bundle.hpp"
#include "harness/report/phase70_files.hpp"

namespace kvtier {
namespace fs = std::filesystem;
namespace {

using Clock = std::chrono::system_clock;
constexpr const char* kLogPrefix = "phase70_pair_logs_";
constexpr const char* kBundlePrefix = "phase70_rehydrate_pair_";
constexpr const char* kFilePrefix = "phase70_rehydrate_pair_repeats_";

double MinutesBetween(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double>(to - from).count() / 60;
}

Clock::time_point WrittenAt(const fs::path& file) {
  std::error_code missing;
  const auto at = fs::last_write_time(file, missing);
  return missing
             ? Clock::time_point{}
             : std::chrono::time_point_cast<Clock::duration>(std::chrono::file_clock::to_sys(at));
}

std::vector<fs::path> Entries(const fs::path& folder) {
  std::vector<fs::path> out;
  std::error_code missing;
  for (const auto& entry : fs::directory_iterator(folder, missing)) out.push_back(entry.path());
  std::sort(out.begin(), out.end());
  return out;
}

/// The <ts> that sorts last among log folders and manifests.
std::string NewestTs(const fs::path& root) {
  std::string newest;
  static const std::regex kManifest("^phase70_rehydrate_pair_repeats_manifest_(.+)\\.json$");
  for (const fs::path& path : Entries(root)) {
    const std::string name = path.filename().string();
    std::smatch match;
    if (name.starts_with(kLogPrefix)) {
      newest = std::max(newest, name.substr(std::string_view(kLogPrefix).size()));
    } else if (std::regex_match(name, match, kManifest)) {
      newest = std::max(newest, match[1].str());
    }
  }
  return newest;
}

/// Run folders of an experiment; attempts that were set aside are none.
std::vector<fs::path> RunDirs(const fs::path& root, const std::string& ts) {
  std::vector<fs::path> out;
  for (const fs::path& bundle : Entries(root)) {
    const std::string name = bundle.filename().string();
    if (!name.starts_with(kBundlePrefix) || name.starts_with(kFilePrefix) ||
        !name.ends_with("_" + ts)) {
      continue;
    }
    for (const fs::path& run : Entries(bundle)) {
      const std::string id = run.filename().string();
      if (id.starts_with("run_") && id.find(".attempt") == std::string::npos &&
          fs::is_directory(run)) {
        out.push_back(run);
      }
    }
  }
  return out;
}

/// 2026-02-12T01:02:03 or with a space, taken as UTC.
std::optional<Clock::time_point> StampOf(const std::string& line) {
  static const std::regex kStamp("(\\d{4})-(\\d\\d)-(\\d\\d)[T ](\\d\\d):(\\d\\d):(\\d\\d)");
  std::smatch m;
  if (!std::regex_search(line, m, kStamp)) return std::nullopt;
  const auto number = [&](std::size_t i) { return std::stoi(m[i].str()); };
  const std::chrono::year_month_day day{std::chrono::year{number(1)},
                                        std::chrono::month{static_cast<unsigned>(number(2))},
                                        std::chrono::day{static_cast<unsigned>(number(3))}};
  if (!day.ok()) return std::nullopt;
  return std::chrono::sys_days{day} + std::chrono::hours{number(4)} +
         std::chrono::minutes{number(5)} + std::chrono::seconds{number(6)};
}

/// The last line that `wanted` takes, from the end of the file; logs of a leg may be long.
template <class Wanted>
std::string LastLine(const fs::path& file, Wanted wanted) {
  constexpr std::streamoff kTail = 256 * 1024;
  std::ifstream in(file, std::ios::binary);
  in.seekg(0, std::ios::end);
  const std::streamoff size = in.tellg();
  in.seekg(std::max<std::streamoff>(0, size - kTail));
  std::string line, last;
  while (std::getline(in, line)) {
    if (wanted(line)) last = line;
  }
  return last;
}

int CountLines(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  int lines = 0;
  for (std::string line; std::getline(in, line) && !in.eof();) ++lines;
  return lines;
}

bool IsCompleted(const fs::path& run) {
  return fs::exists(run / bundle_files::kSummary) && fs::exists(run / bundle_files::kRequests);
}

bool IsB2(const std::string& name) {
  return name.find("_B2_") != std::string::npos;
}

/// From the leg's own verdict, else from the last line about it in its log.
std::string AttributionOf(const fs::path& run, const std::vector<fs::path>& logs) {
  const std::string id = run.filename().string();
  if (!IsB2(id)) return "";
  try {
    if (const auto verdict = LoadIoVerdict(run)) return verdict->pass ? "pass" : "fail";
  } catch (const Error&) {
    // Written by somebody else, or being written: the log may say it.
  }
  static const std::regex kPlace("p\\d+_l\\d");
  std::smatch place;
  if (std::regex_search(id, place, kPlace)) {
    for (const fs::path& log : logs) {
      const std::string name = log.filename().string();
      if (name.find(place.str()) == std::string::npos) continue;
      const std::string line = LastLine(log, [](const std::string& l) {
        return l.find("io-attrib replay:") != std::string::npos;
      });
      if (!line.empty()) return line.substr(line.find("io-attrib replay:"));
    }
  }
  return "no verdict";
}

/// What a running leg writes when something has happened; its recorder writes all the time.
Clock::time_point LastActivity(const fs::path& run, fs::path& file) {
  Clock::time_point newest{};
  std::vector<fs::path> files = Entries(run);
  const std::vector<fs::path> deltas = Entries(run / "phase_deltas");
  files.insert(files.end(), deltas.begin(), deltas.end());
  for (const fs::path& path : files) {
    if (!fs::is_regular_file(path)) continue;
    if (const auto at = WrittenAt(path); at > newest) {
      newest = at;
      file = path;
    }
  }
  return newest;
}

std::optional<ActiveLeg> FindActive(const std::vector<fs::path>& runs,
                                    const std::vector<fs::path>& logs, Clock::time_point now) {
  std::optional<ActiveLeg> active;
  Clock::time_point newest{};
  for (const fs::path& run : runs) {
    if (IsCompleted(run)) continue;
    fs::path file;
    const auto at = LastActivity(run, file);
    if (at <= newest) continue;
    newest = at;
    active = ActiveLeg{run.filename().string(), file, MinutesBetween(at, now), std::nullopt};
    if (fs::exists(run / bundle_files::kRequests))
      active->requests = CountLines(run / bundle_files::kRequests);
  }
  for (const fs::path& log : logs) {
    const auto at = WrittenAt(log);
    if (at <= newest) continue;
    newest = at;
    const auto stamp =
        StampOf(LastLine(log, [](const std::string& l) { return StampOf(l).has_value(); }));
    active = ActiveLeg{log.filename().string(), log, MinutesBetween(stamp.value_or(at), now),
                       std::nullopt};
  }
  return active;
}

void ReadManifest(const Phase70Paths& paths, Phase70Progress& p) {
  try {
    const Phase70Setup setup = LoadPhase70Manifest(paths).setup;
    p.legs_planned = setup.planned_pairs * setup.LegsPerPair();
  } catch (const Error&) {
    // Not written yet, or the predecessor's, which says less.
  }
  try {
    const auto current = LoadPhase70Current(paths.root);
    if (current && current->ts == paths.ts) p.state = current->state;
  } catch (const Error&) {
  }
}

}  // namespace

std::optional<Phase70Progress> ReadPhase70Progress(const fs::path& root, const std::string& ts,
                                                   const ProgressOptions& options) {
  Phase70Progress p;
  p.ts = ts.empty() ? NewestTs(root) : ts;
  if (p.ts.empty()) return std::nullopt;
  const Phase70Paths paths{root, p.ts};
  std::vector<fs::path> logs;
  for (const fs::path& log : Entries(paths.LogFolder())) {
    if (log.extension() == ".log") logs.push_back(log);
  }
  const std::vector<fs::path> runs = RunDirs(root, p.ts);
  if (logs.empty() && runs.empty() && !fs::exists(paths.LogFolder()) &&
      !fs::exists(paths.Manifest())) {
    return std::nullopt;
  }
  ReadManifest(paths, p);
  std::multimap<Clock::time_point, fs::path, std::greater<>> done;
  for (const fs::path& run : runs) {
    if (IsCompleted(run)) done.emplace(WrittenAt(run / bundle_files::kSummary), run);
  }
  p.legs_completed = static_cast<int>(done.size());
  for (const auto& [at, run] : done) {
    if (p.completed.size() == options.max_completed) break;
    p.completed.push_back(
        {run.filename().string(), run, MinutesBetween(at, options.now), AttributionOf(run, logs)});
  }
  if (p.state != "finished" && p.state != "preflight_failed" && !fs::exists(paths.Verdict()))
    p.active = FindActive(runs, logs, options.now);
  p.stalled = p.active && p.active->minutes_silent > options.stall_warn_min;
  return p;
}

std::string RenderPhase70Progress(const Phase70Progress& p, const ProgressOptions& options) {
  std::string out = fmt::format("phase70 {}{}: {}{} legs completed\n", p.ts,
                                p.state.empty() ? "" : " (" + p.state + ")", p.legs_completed,
                                p.legs_planned ? fmt::format(" of {}", *p.legs_planned) : "");
  if (p.active) {
    out += fmt::format("active    {}{}, last sign of life {:.1f} min ago ({})\n", p.active->name,
                       p.active->requests ? fmt::format(", {} requests", *p.active->requests) : "",
                       p.active->minutes_silent, p.active->file.string());
  } else {
    out += "active    none\n";
  }
  if (p.stalled) {
    out += fmt::format(
        "STALL_WARN {} has been silent for {:.0f} min, the limit is {:g}: look at {}\n",
        p.active->name, p.active->minutes_silent, options.stall_warn_min, p.active->file.string());
  }
  for (const CompletedLeg& leg : p.completed) {
    out += fmt::format("completed {} {:.1f} min ago{}\n", leg.run_id, leg.minutes_ago,
                       leg.io_attribution.empty() ? ""
                       : leg.io_attribution.starts_with("io-attrib")
                           ? ", " + leg.io_attribution
                           : ", io-attrib replay: " + leg.io_attribution);
  }
  const auto more = static_cast<std::size_t>(p.legs_completed) - p.completed.size();
  if (more > 0) out += fmt::format("          and {} earlier\n", more);
  return out;
}

}  // namespace kvtier
