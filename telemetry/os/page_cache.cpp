#include "telemetry/os/page_cache.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <vector>

#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "harness/core/error.hpp"

namespace kvtier {
namespace {

// As in linux/mman.h of 6.5; the headers of Debian 12 do not have them. The number is the same on
// x86-64 and arm64.
constexpr long kCachestatCall = 451;
struct CachestatRange {
  std::uint64_t offset = 0, length = 0;  // length 0: to the end of the file
};
struct Cachestat {
  std::uint64_t cached = 0, dirty = 0, writeback = 0, evicted = 0, recently_evicted = 0;
};

constexpr std::uint64_t kWindow = std::uint64_t{1} << 30;   // 256 KiB of answers at 4 KiB a page
constexpr std::uint64_t kLargest = std::uint64_t{1} << 40;  // chosen: some seconds of mincore

std::string Name(int fd) {
  return fmt::format("descriptor {}", fd);
}
Reading<Bytes> Refused(const char* what, int fd, int error) {
  return Reading<Bytes>::Unavailable(IoError::FromErrno(what, Name(fd), error).what());
}

std::uint64_t PageBytes() {
  return static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

/// Pages of one window that are resident; -1 with errno.
std::int64_t ResidentPages(int fd, std::uint64_t offset, std::uint64_t length,
                           std::vector<unsigned char>& pages) {
  void* const at = ::mmap(nullptr, length, PROT_READ, MAP_SHARED, fd, static_cast<off_t>(offset));
  if (at == MAP_FAILED) return -1;
  pages.resize((length + PageBytes() - 1) / PageBytes());
  const int result = ::mincore(at, length, pages.data());
  const int saved = errno;
  ::munmap(at, length);
  errno = saved;
  if (result != 0) return -1;
  return std::count_if(pages.begin(), pages.end(), [](unsigned char p) { return (p & 1) != 0; });
}

/// The kernel's can_do_mincore: others get "all resident" as an answer.
bool MayAsk(int fd, const struct stat& status) {
  if (status.st_uid == ::geteuid()) return true;
  return ::faccessat(AT_FDCWD, fmt::format("/proc/self/fd/{}", fd).c_str(), W_OK, AT_EACCESS) == 0;
}

}  // namespace

Reading<Bytes> ResidentByCachestat(int fd) {
  CachestatRange range;
  Cachestat answer;
  if (::syscall(kCachestatCall, fd, &range, &answer, 0U) != 0)
    return Refused("ask cachestat (Linux 6.5) of", fd, errno);
  return Bytes{answer.cached * PageBytes()};
}

Reading<Bytes> ResidentByMincore(int fd) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) return Refused("look at", fd, errno);
  if (!MayAsk(fd, status)) {
    return Reading<Bytes>::Unavailable(
        "mincore tells only the owner of a file, or who may write it (run as that user or as "
        "root)");
  }
  const auto size = static_cast<std::uint64_t>(status.st_size);
  if (size > kLargest) {
    return Reading<Bytes>::Unavailable(
        fmt::format("a file of {} takes too long to look through with mincore (cachestat, Linux "
                    "6.5, would do)",
                    FormatBytes(Bytes{size})));
  }
  std::uint64_t resident = 0;
  std::vector<unsigned char> pages;
  for (std::uint64_t at = 0; at < size; at += kWindow) {
    const std::int64_t found = ResidentPages(fd, at, std::min(kWindow, size - at), pages);
    if (found < 0) return Refused("look with mincore at", fd, errno);
    resident += static_cast<std::uint64_t>(found);
  }
  return Bytes{resident * PageBytes()};
}

Reading<Bytes> ResidentBytes(int fd) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) return Refused("look at", fd, errno);
  if (!S_ISREG(status.st_mode))
    return Reading<Bytes>::Unavailable(fmt::format("{} is no regular file", Name(fd)));
  const auto by_cachestat = ResidentByCachestat(fd);
  return by_cachestat ? by_cachestat : ResidentByMincore(fd);
}

Reading<Bytes> ResidentBytes(const std::filesystem::path& file) {
  const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0)
    return Reading<Bytes>::Unavailable(IoError::FromErrno("open", file.string(), errno).what());
  const auto resident = ResidentBytes(fd);
  ::close(fd);
  return resident
             ? resident
             : Reading<Bytes>::Unavailable(fmt::format("{}: {}", file.string(), resident.reason()));
}

}  // namespace kvtier
