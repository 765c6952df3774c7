#pragma once
#include <filesystem>
#include <string>
#include <string_view>

#include "harness/core/reading.hpp"

namespace kvtier {

/// A file of /proc or /sys that is read again and again: its descriptor stays open and its text
/// goes into one buffer, so that a reading costs one system call and no allocation. A file that
/// vanished (a process that ended, a device that was removed) is unavailable, and is found again
/// when it comes back. Not thread-safe.
class ProcText {
 public:
  /// Opens nothing yet.
  explicit ProcText(std::filesystem::path path) : path_(std::move(path)) {}
  ~ProcText();
  ProcText(ProcText&& other) noexcept;
  ProcText& operator=(ProcText&& other) noexcept;

  /// The whole text as of now, valid until the next call. Unavailable with path and errno text.
  Reading<std::string_view> Read();
  /// Read, then `parse(text)`, which returns a Reading; the reason of a failed read travels on.
  template <class F>
  auto Parse(F&& parse) -> decltype(parse(std::string_view())) {
    const Reading<std::string_view> text = Read();
    return text ? parse(*text) : decltype(parse(std::string_view()))::Unavailable(text.reason());
  }
  /// errno of the last Read; 0 when it succeeded.
  int error() const { return error_; }
  const std::filesystem::path& path() const { return path_; }

 private:
  bool Open();
  void Close();
  /// False with error_ set.
  bool Fill();

  std::filesystem::path path_;
  int fd_ = -1;
  int error_ = 0;
  std::string buffer_;
  std::size_t size_ = 0;
};

/// One reading of a small file without blanks at its end: the value files of /sys.
Reading<std::string> ReadTrimmed(const std::filesystem::path& path);

}  // namespace kvtier
