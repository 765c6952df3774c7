#include "harness/core/files.hpp"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

#include <fmt/format.h>
#include <openssl/sha.h>

#include "harness/core/error.hpp"

namespace kvtier {
namespace fs = std::filesystem;

std::string ReadFile(const fs::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) throw IoError::FromErrno("read", path.string(), errno);
  std::string bytes;
  char buffer[64 * 1024];
  for (;;) {
    const ssize_t n = ::read(fd, buffer, sizeof buffer);
    if (n == 0) break;
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {  // a folder, a bad sector, a process that ended while its /proc file was read
      const int saved = errno;
      ::close(fd);
      throw IoError::FromErrno("read", path.string(), saved);
    }
    bytes.append(buffer, static_cast<std::size_t>(n));
  }
  ::close(fd);
  return bytes;
}

void WriteFileAtomic(const fs::path& path, std::string_view bytes) {
  if (path.has_parent_path()) fs::create_directories(path.parent_path());
  const fs::path part = path.string() + fmt::format(".part{}", ::getpid());
  const int fd = ::open(part.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) throw IoError::FromErrno("write", part.string(), errno);
  const char* at = bytes.data();
  std::size_t left = bytes.size();
  while (left > 0) {
    const ssize_t n = ::write(fd, at, left);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      const int saved = errno;
      ::close(fd);
      ::unlink(part.c_str());
      throw IoError::FromErrno("write", part.string(), saved);
    }
    at += n;
    left -= static_cast<std::size_t>(n);
  }
  const bool kept = ::fsync(fd) == 0 || errno == EINVAL;  // EINVAL: this file system cannot
  const int saved = errno;
  if (::close(fd) != 0 || !kept) {
    ::unlink(part.c_str());
    throw IoError::FromErrno("write", part.string(), kept ? errno : saved);
  }
  if (::rename(part.c_str(), path.c_str()) != 0) {
    throw IoError::FromErrno("rename onto", path.string(), errno);
  }
}

void WriteJsonAtomic(const fs::path& path, const nlohmann::json& value) {
  WriteFileAtomic(path, value.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
}

nlohmann::json ReadJson(const fs::path& path) {
  const std::string text = ReadFile(path);
  try {
    return nlohmann::json::parse(text);
  } catch (const nlohmann::json::parse_error& e) {
    throw DataError(fmt::format("{} is not JSON: {}", path.string(), e.what()));
  }
}

JsonlWriter::JsonlWriter(const fs::path& path) : path_(path) {
  if (path.has_parent_path()) fs::create_directories(path.parent_path());
  file_.reset(std::fopen(path.c_str(), "we"));
  if (!file_) throw IoError::FromErrno("write", path.string(), errno);
}

void JsonlWriter::Append(const nlohmann::json& row) {
  const std::string line =
      row.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  if (std::fwrite(line.data(), 1, line.size(), file_.get()) != line.size() ||
      std::fflush(file_.get()) != 0) {
    throw IoError::FromErrno("append to", path_.string(), errno);
  }
}

std::vector<nlohmann::json> ReadJsonl(const fs::path& path) {
  const std::string text = ReadFile(path);
  std::vector<nlohmann::json> rows;
  std::size_t at = 0;
  int line_number = 0;
  while (at < text.size()) {
    const std::size_t end = text.find('\n', at);
    const bool torn = end == std::string::npos;
    const std::string_view line(text.data() + at, (torn ? text.size() : end) - at);
    at = torn ? text.size() : end + 1;
    ++line_number;
    if (line.empty()) continue;
    auto row = nlohmann::json::parse(line, nullptr, false);
    if (!row.is_discarded()) {
      rows.push_back(std::move(row));
    } else if (!torn) {
      throw DataError(fmt::format("{} line {} is not JSON", path.string(), line_number));
    }
  }
  return rows;
}

std::string Sha256Hex(std::string_view bytes) {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), digest);
  std::string hex;
  hex.reserve(2 * sizeof digest);
  for (const unsigned char b : digest) hex += fmt::format("{:02x}", b);
  return hex;
}

std::string CanonicalJson(const nlohmann::json& value) {
  // nlohmann keeps object keys sorted and prints the shortest round-trip float with ".0" when
  // integral, as Python does for the magnitudes that request parameters take.
  return value.dump();
}

}  // namespace kvtier
