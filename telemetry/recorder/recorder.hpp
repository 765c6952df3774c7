#pragma once
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <future>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "harness/core/clock.hpp"
#include "harness/judge/host_evidence.hpp"
#include "telemetry/recorder/schedule.hpp"
#include "telemetry/recorder/source.hpp"
#include "telemetry/recorder/timeline_file.hpp"
#include "telemetry/recorder/window_stats.hpp"

namespace kvtier {

struct RecorderOptions {
  std::filesystem::path file{};           // timeline.jsonl; empty: windows alone
  std::string kv_device{};                // for the head
  std::function<MonoNs()> now = NowMono;  // tests bring their own
};

/// What lies between two marks.
struct RecordedWindow {
  MonoNs start = 0, end = 0;
  WindowStats stats;
  RecorderHealth health;
};

/// The recorder without its thread: reads what is due, keeps one window, writes rows. Not
/// thread-safe.
class RecorderCore {
 public:
  /// Throws IoError when the file cannot be created.
  RecorderCore(std::vector<ScheduledSource> sources, RecorderOptions options);

  MonoNs NextDue() const { return schedule_.NextDue(); }
  /// Reads every source that is due now.
  void Tick();
  /// Reads every source, closes the window that began at the last mark and begins the next: its
  /// first reading of each source is the last of the window before. Writes to the disk.
  RecordedWindow Mark(const std::string& label);
  /// The same readings and a mark in the timeline, but the window goes on.
  void Note(const std::string& label);
  void Flush() { file_.Flush(); }

 private:
  /// Reads every source, writes its row and the mark, and returns when that was.
  MonoNs ReadAll(const std::string& label, WindowStats* next);
  void ReadSource(std::size_t place);
  void Keep(const TimelineRow& row);
  void KeepOwnRow();
  void CountTicks();

  std::vector<ScheduledSource> sources_;
  RecorderOptions options_;
  std::int64_t shortest_cadence_;  // ns
  Schedule schedule_;
  TimelineFile file_;
  MonoNs own_row_due_ = 0;
  MonoNs window_start_ = 0;
  std::optional<std::int64_t> window_cpu_ns_;  // of the recording thread, at the window's start
  std::uint64_t window_rows_ = 0, window_dropped_ = 0;
  WindowStats window_;
  RecorderHealth health_;  // of the open window
  RecorderHealth total_;   // since the beginning
  double worst_since_row_ms_ = 0;
};

/// One thread that records until it is destroyed. Mark() may be called from any one thread.
class Recorder {
 public:
  /// Throws IoError when the file cannot be created.
  Recorder(std::vector<ScheduledSource> sources, RecorderOptions options);
  ~Recorder();
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;

  /// Waits until the mark is in the timeline (some milliseconds): call it outside of what is timed.
  RecordedWindow Mark(const std::string& label);
  /// A mark that no window ends at.
  void Note(const std::string& label);

 private:
  RecordedWindow Ask(const std::string& label, bool ends_window);
  void Run(const std::stop_token& stop);

  RecorderCore core_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  struct Request {
    std::string label;
    bool ends_window = true;
    std::promise<RecordedWindow> done;
  };
  std::optional<Request> request_;
  std::jthread thread_;  // last: it uses all the above
};

}  // namespace kvtier
