#include "telemetry/recorder/timeline_file.hpp"

#include <cerrno>

#include "harness/core/error.hpp"

namespace kvtier {
namespace {

constexpr std::size_t kGather = 1 << 20;

}  // namespace

TimelineFile::TimelineFile(const std::filesystem::path& path, const TimelineHead& head)
    : path_(path) {
  if (path.empty()) return;
  std::error_code error;
  std::filesystem::create_directories(path.parent_path(), error);
  file_.reset(std::fopen(path.c_str(), "we"));
  if (!file_) throw IoError::FromErrno("create", path.string(), errno);
  waiting_ = TimelineHeadLine(head);
  waiting_ += '\n';
}

void TimelineFile::Append(const TimelineRow& row) {
  if (!file_) return;
  waiting_ += TimelineRowLine(row);
  waiting_ += '\n';
  ++rows_waiting_;
  if (waiting_.size() >= kGather) Flush();
}

void TimelineFile::Flush() {
  if (!file_ || waiting_.empty()) return;
  const std::size_t wrote = std::fwrite(waiting_.data(), 1, waiting_.size(), file_.get());
  if (wrote == waiting_.size() && std::fflush(file_.get()) == 0) {
    rows_ += rows_waiting_;
  } else {
    error_ = IoError::FromErrno("write", path_.string(), errno).what();
    dropped_ += rows_waiting_;
    std::clearerr(file_.get());
  }
  waiting_.clear();
  rows_waiting_ = 0;
}

}  // namespace kvtier
