#include "telemetry/os/open_files.hpp"

#include <cerrno>
#include <system_error>

#include <fmt/format.h>

#include "telemetry/text.hpp"

namespace kvtier {

std::optional<OpenFile> ParseDescriptorLink(std::string_view link) {
  if (link.empty() || link.front() != '/')
    return std::nullopt;  // "socket:[1]", "pipe:[2]", "anon_inode:[io_uring]"
  constexpr std::string_view kDeleted = " (deleted)";
  OpenFile file;
  file.deleted = link.ends_with(kDeleted);
  if (file.deleted) link.remove_suffix(kDeleted.size());
  file.path = link;
  return file;
}

bool IsUnder(std::string_view path, std::string_view directory) {
  if (directory.empty()) return false;
  while (directory.size() > 1 && directory.back() == '/') directory.remove_suffix(1);
  if (directory == "/") return path.starts_with("/");
  return path == directory || (path.starts_with(directory) && path[directory.size()] == '/');
}

Reading<std::vector<OpenFile>> OpenFilesUnder(std::span<const pid_t> pids,
                                              const std::filesystem::path& directory,
                                              const OsRoots& roots) {
  using Result = Reading<std::vector<OpenFile>>;
  if (pids.empty())
    return Result::Unavailable("the stack does not say which process its worker is");
  std::error_code error;
  const std::string wanted = std::filesystem::weakly_canonical(directory, error).string();
  std::vector<OpenFile> found;
  for (const pid_t pid : pids) {
    const auto folder = roots.proc / std::to_string(pid) / "fd";
    std::filesystem::directory_iterator at(folder, error);
    if (error)
      return Result::Unavailable(
          fmt::format("cannot list {}: {}", folder.string(), error.message()));
    for (const std::filesystem::directory_iterator end; at != end; at.increment(error)) {
      std::error_code gone;  // a descriptor may close between listing and reading
      const auto link = std::filesystem::read_symlink(at->path(), gone);
      if (gone == std::errc::permission_denied) {
        return Result::Unavailable(
            fmt::format("cannot read {}: {}", at->path().string(), gone.message()));
      }
      auto file = ParseDescriptorLink(link.string());
      if (gone || !file || !IsUnder(file->path, wanted)) continue;
      file->pid = pid;
      file->fd = ParseNumber<int>(at->path().filename().string()).value_or(-1);
      found.push_back(std::move(*file));
    }
    if (error)
      return Result::Unavailable(
          fmt::format("cannot list {}: {}", folder.string(), error.message()));
  }
  return found;
}

}  // namespace kvtier
