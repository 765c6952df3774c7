#include "telemetry/os/proc_text.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include <sys/stat.h>

#include "harness/core/error.hpp"

namespace kvtier {
namespace {

constexpr std::size_t kFirstBuffer = 16 << 10;  // chosen: /proc/stat of 20 cores fits
constexpr std::size_t kLargestText = 16 << 20;  // chosen: no file that is read here comes near

}  // namespace

ProcText::~ProcText() {
  Close();
}

ProcText::ProcText(ProcText&& other) noexcept
    : path_(std::move(other.path_)),
      fd_(std::exchange(other.fd_, -1)),
      error_(other.error_),
      buffer_(std::move(other.buffer_)),
      size_(std::exchange(other.size_, 0)) {}

ProcText& ProcText::operator=(ProcText&& other) noexcept {
  if (this == &other) return *this;
  Close();
  path_ = std::move(other.path_);
  fd_ = std::exchange(other.fd_, -1);
  error_ = other.error_;
  buffer_ = std::move(other.buffer_);
  size_ = std::exchange(other.size_, 0);
  return *this;
}

bool ProcText::Open() {
  fd_ = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  error_ = fd_ < 0 ? errno : 0;
  return fd_ >= 0;
}

void ProcText::Close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

bool ProcText::Fill() {
  if (buffer_.size() < kFirstBuffer) buffer_.resize(kFirstBuffer);
  size_ = 0;
  for (;;) {
    if (size_ == buffer_.size()) {
      if (buffer_.size() >= kLargestText) {
        error_ = EFBIG;
        return false;
      }
      buffer_.resize(buffer_.size() * 2);
    }
    const ssize_t n =
        ::pread(fd_, buffer_.data() + size_, buffer_.size() - size_, static_cast<off_t>(size_));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      error_ = errno;
      return false;
    }
    if (n == 0) break;
    size_ += static_cast<std::size_t>(n);
  }
  error_ = 0;
  return true;
}

Reading<std::string_view> ProcText::Read() {
  // A descriptor kept from before may belong to a file that is gone: the kernel answers ESRCH or
  // ENODEV, an ordinary file has lost its last name. The path is then tried once more.
  struct stat status {};
  if (fd_ >= 0 && (::fstat(fd_, &status) != 0 || status.st_nlink == 0)) Close();
  bool read = false;
  if (fd_ >= 0) {
    read = Fill();
    if (!read) Close();
  }
  if (!read && Open()) {
    read = Fill();
    if (!read) Close();
  }
  if (!read)
    return Reading<std::string_view>::Unavailable(
        IoError::FromErrno("read", path_.string(), error_).what());
  return std::string_view(buffer_.data(), size_);
}

Reading<std::string> ReadTrimmed(const std::filesystem::path& path) {
  ProcText file(path);
  return file.Read().Map([](std::string_view text) {
    while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
    return std::string(text);
  });
}

}  // namespace kvtier
