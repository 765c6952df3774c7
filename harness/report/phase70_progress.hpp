#pragma once
#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

/// Where a paired experiment stands, read from its files while another process runs it. Nothing is
/// locked or written; a file that is being written right now is skipped.
namespace kvtier {

struct ProgressOptions {
  std::size_t max_completed = 16;
  double stall_warn_min = 25;
  std::chrono::system_clock::time_point now = std::chrono::system_clock::now();
};

/// The leg that runs: the unfinished bundle, else the log, that was written to last.
struct ActiveLeg {
  std::string name;             // run id, or the log's file name in artifacts of the predecessor
  std::filesystem::path file;   // that was written to last
  double minutes_silent = 0;    // since the last timestamped line, else since it was written
  std::optional<int> requests;  // rows of requests.jsonl so far
};

struct CompletedLeg {
  std::string run_id;
  std::filesystem::path run_dir;
  double minutes_ago = 0;
  std::string io_attribution;  // of a B2 leg: "pass", "fail", "no verdict"; else empty
};

struct Phase70Progress {
  std::string ts;
  std::string state;                // as current/phase70.json says; empty: that is another run
  std::optional<int> legs_planned;  // empty until the manifest is written
  int legs_completed = 0;
  std::vector<CompletedLeg> completed;  // newest first, at most max_completed
  std::optional<ActiveLeg> active;
  bool stalled = false;
};

/// Of experiment `ts`, else of the newest under `root`. Empty when there is none.
std::optional<Phase70Progress> ReadPhase70Progress(const std::filesystem::path& root,
                                                   const std::string& ts,
                                                   const ProgressOptions& options = {});

/// For a terminal. A stalled leg has a line that begins with STALL_WARN.
std::string RenderPhase70Progress(const Phase70Progress& progress,
                                  const ProgressOptions& options = {});

}  // namespace kvtier
