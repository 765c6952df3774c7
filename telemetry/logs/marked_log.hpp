#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <sys/types.h>

#include "harness/core/reading.hpp"
#include "harness/core/units.hpp"
#include "telemetry/logs/log_line.hpp"

namespace kvtier {

/// How much of a log is kept: what is written first (versions, configuration) and what is written
/// last (why it died). Chosen: a worker at level info writes about 1 MiB in its start, and 8 MiB
/// are over an hour of a serving worker's log.
struct LogLimits {
  Bytes head = 1_MiB;
  Bytes tail = 8_MiB;
};

/// The kept parts of a log. Where something was cut, `tail` begins in the middle of a line.
struct BoundedText {
  std::string head, tail;          // all of it is in `head` when nothing was cut
  Bytes written{};                 // by the log's owner, the cut part included
  Bytes cut{};                     // between head and tail; never read
  std::vector<std::string> notes;  // one sentence each: rotated, truncated, still growing

  /// Head, a line "[kvtier: 1234 bytes were cut here]" where some were, tail.
  std::string Text() const;
  /// Of what was kept.
  LineCounts Counts() const { return CountLines(head) + CountLines(tail); }
  /// The last complete part: of the tail, else of the head.
  std::string_view LastLines(std::size_t lines) const {
    return kvtier::LastLines(cut.value > 0 ? tail : head, lines);
  }
};

/// The same bounds for a text that is in memory already.
BoundedText Bound(std::string text, const LogLimits& limits);

/// An open file, closed with it.
class FileHandle {
 public:
  explicit FileHandle(int fd = -1) : fd_(fd) {}
  FileHandle(FileHandle&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileHandle& operator=(FileHandle&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  FileHandle(const FileHandle&) = delete;
  FileHandle& operator=(const FileHandle&) = delete;
  ~FileHandle();
  int get() const { return fd_; }
  bool open() const { return fd_ >= 0; }

 private:
  int fd_;
};

/// A log file and how far it was written at some moment: what follows is what has been written
/// since. The file is held open from then on, so that its rest can still be read when it is rotated
/// away, compressed or deleted. Not for several threads at once.
class MarkedLog {
 public:
  /// The mark is where the file ends now. A file that does not exist yet is marked at its start.
  static MarkedLog AtEnd(std::filesystem::path path);
  /// For a file that is known to be new: everything in it counts.
  static MarkedLog AtStart(std::filesystem::path path);

  const std::filesystem::path& path() const { return path_; }
  /// What was written since the mark, bounded. A file that was replaced gives the rest of the old
  /// one and then the new one; a file that was truncated gives what it holds now; both are said in
  /// the notes. Unavailable when there is no such file, it may not be read or it is no regular
  /// file. Never throws.
  Reading<BoundedText> ReadSince(const LogLimits& limits = {}) const;

 private:
  explicit MarkedLog(std::filesystem::path path) : path_(std::move(path)) {}

  std::filesystem::path path_;
  FileHandle file_;  // not open: there was none, or it could not be read
  bool existed_ = false;
  dev_t device_ = 0;
  ino_t inode_ = 0;
  std::uint64_t offset_ = 0;
  std::string before_;  // the bytes before the mark: a file that was cut and grew again differs
};

}  // namespace kvtier
