#pragma once
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>

#include "harness/report/timeline.hpp"

namespace kvtier {

/// Writes timeline.jsonl. Rows wait in memory and go to the disk at marks, or when a MiB has
/// gathered, so that recording does not write to the disk that is being measured. A disk that
/// refuses costs rows, which are counted, never the run.
class TimelineFile {
 public:
  /// Creates or truncates, and writes the head. Throws IoError. An empty path keeps nothing.
  TimelineFile(const std::filesystem::path& path, const TimelineHead& head);

  void Append(const TimelineRow& row);
  void Flush();

  std::uint64_t rows() const { return rows_; }
  std::uint64_t rows_dropped() const { return dropped_; }
  /// Why rows were dropped; empty when none were.
  const std::string& error() const { return error_; }

 private:
  struct Close {
    void operator()(std::FILE* f) const { std::fclose(f); }
  };
  std::filesystem::path path_;
  std::unique_ptr<std::FILE, Close> file_;
  std::string waiting_;
  std::uint64_t rows_waiting_ = 0;
  std::uint64_t rows_ = 0, dropped_ = 0;
  std::string error_;
};

}  // namespace kvtier
