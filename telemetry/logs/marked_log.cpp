#include "telemetry/logs/marked_log.hpp"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <span>
#include <system_error>

#include <fmt/format.h>
#include <sys/stat.h>

namespace kvtier {
namespace {

// Enough to tell a line with a time stamp from another one.
constexpr std::uint64_t kBeforeBytes = 128;

std::string ErrnoText(int value) {
  return std::generic_category().message(value);
}

std::string ReadRange(int fd, std::uint64_t from, std::uint64_t length) {
  std::string bytes(length, '\0');
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n =
        ::pread(fd, bytes.data() + done, bytes.size() - done, static_cast<off_t>(from + done));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;  // shorter than it was a moment ago, or an I/O error: keep what there is
    done += static_cast<std::size_t>(n);
  }
  bytes.resize(done);
  return bytes;
}

// [from, to) of an open file.
struct Part {
  int fd = -1;
  std::uint64_t from = 0, to = 0;
  std::uint64_t size() const { return to - from; }
};

// Bytes [from, from + length) of the parts as if they were one file.
std::string ReadAcross(std::span<const Part> parts, std::uint64_t from, std::uint64_t length) {
  std::string bytes;
  for (const Part& part : parts) {
    if (from >= part.size()) {
      from -= part.size();
      continue;
    }
    const std::uint64_t take = std::min(length, part.size() - from);
    bytes += ReadRange(part.fd, part.from + from, take);
    length -= take;
    from = 0;
    if (length == 0) break;
  }
  return bytes;
}

BoundedText ReadBounded(std::span<const Part> parts, const LogLimits& limits) {
  BoundedText text;
  for (const Part& part : parts) text.written += Bytes{part.size()};
  const Bytes kept = limits.head + limits.tail;
  if (text.written <= kept) {
    text.head = ReadAcross(parts, 0, text.written.value);
    return text;
  }
  text.cut = Bytes{text.written.value - kept.value};
  text.head = ReadAcross(parts, 0, limits.head.value);
  text.tail = ReadAcross(parts, text.written.value - limits.tail.value, limits.tail.value);
  return text;
}

// Without waiting: a name may be a FIFO that nobody writes to.
FileHandle OpenForReading(const std::filesystem::path& path) {
  return FileHandle(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
}

}  // namespace

FileHandle::~FileHandle() {
  if (fd_ >= 0) ::close(fd_);
}

std::string BoundedText::Text() const {
  if (cut.value == 0) return head;
  return fmt::format("{}{}[kvtier: {} bytes were cut here]\n{}", head,
                     head.empty() || head.ends_with('\n') ? "" : "\n", cut.value, tail);
}

BoundedText Bound(std::string text, const LogLimits& limits) {
  BoundedText bounded;
  bounded.written = Bytes{text.size()};
  const Bytes kept = limits.head + limits.tail;
  if (bounded.written > kept) {
    bounded.cut = Bytes{bounded.written.value - kept.value};
    bounded.tail = text.substr(text.size() - limits.tail.value);
    text.resize(limits.head.value);
  }
  bounded.head = std::move(text);
  return bounded;
}

MarkedLog MarkedLog::AtEnd(std::filesystem::path path) {
  MarkedLog log(std::move(path));
  struct stat status {};
  log.file_ = OpenForReading(log.path_);
  const bool found = log.file_.open() ? ::fstat(log.file_.get(), &status) == 0
                                      : ::stat(log.path_.c_str(), &status) == 0;
  if (!found || !S_ISREG(status.st_mode)) {
    log.file_ = FileHandle();
    return log;
  }
  log.existed_ = true;
  log.device_ = status.st_dev;
  log.inode_ = status.st_ino;
  log.offset_ = static_cast<std::uint64_t>(status.st_size);
  if (log.file_.open()) {
    const std::uint64_t length = std::min(kBeforeBytes, log.offset_);
    log.before_ = ReadRange(log.file_.get(), log.offset_ - length, length);
  }
  return log;
}

MarkedLog MarkedLog::AtStart(std::filesystem::path path) {
  return MarkedLog(std::move(path));
}

Reading<BoundedText> MarkedLog::ReadSince(const LogLimits& limits) const {
  using Result = Reading<BoundedText>;
  const FileHandle now = OpenForReading(path_);
  const int open_error = errno;
  std::vector<Part> parts;
  std::vector<std::string> notes;
  // Of the marked file: what follows the mark, or all when the mark is gone.
  const auto add_marked = [&](int fd, std::uint64_t size) {
    const std::string before =
        size < offset_ ? std::string() : ReadRange(fd, offset_ - before_.size(), before_.size());
    if (size >= offset_ && before == before_) {
      parts.push_back({fd, offset_, size});
      return;
    }
    notes.push_back(fmt::format(
        "{} was truncated after the leg began, at {} bytes: what it held before that is lost",
        path_.string(), offset_));
    parts.push_back({fd, 0, size});
  };
  struct stat old_status {};
  const bool old_is_there = file_.open() && ::fstat(file_.get(), &old_status) == 0;
  const auto old_size = static_cast<std::uint64_t>(old_status.st_size);

  if (!now.open()) {
    if (open_error != ENOENT) {
      return Result::Unavailable(fmt::format(
          "cannot read {}: {}{}", path_.string(), ErrnoText(open_error),
          open_error == EACCES ? "; run as the user that writes it, or make it readable" : ""));
    }
    if (!old_is_there) {
      return Result::Unavailable(fmt::format("{} does not exist", path_.string()));
    }
    notes.push_back(fmt::format("{} was deleted after the leg began", path_.string()));
    add_marked(file_.get(), old_size);
  } else {
    struct stat status {};
    if (::fstat(now.get(), &status) != 0) {
      return Result::Unavailable(
          fmt::format("cannot read {}: {}", path_.string(), ErrnoText(errno)));
    }
    if (!S_ISREG(status.st_mode)) {
      return Result::Unavailable(fmt::format("{} is no regular file", path_.string()));
    }
    const auto size = static_cast<std::uint64_t>(status.st_size);
    if (!existed_) {
      parts.push_back({now.get(), 0, size});
    } else if (status.st_dev == device_ && status.st_ino == inode_) {
      add_marked(now.get(), size);
    } else {
      notes.push_back(fmt::format(
          "{} was replaced after the leg began: {}; a file between the two is not included",
          path_.string(),
          old_is_there ? "the rest of the old file comes first"
                       : "the rest of the old file could not be read and is missing"));
      if (old_is_there) add_marked(file_.get(), old_size);
      parts.push_back({now.get(), 0, size});
    }
  }
  BoundedText text = ReadBounded(parts, limits);
  text.notes = std::move(notes);
  return text;
}

}  // namespace kvtier
