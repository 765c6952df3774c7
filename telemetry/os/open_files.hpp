#pragma once
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include "harness/core/reading.hpp"
#include "telemetry/roots.hpp"

namespace kvtier {

struct OpenFile {
  pid_t pid = 0;
  int fd = -1;
  std::string path;      // without the " (deleted)" that the kernel appends
  bool deleted = false;  // unlinked after open, as a KV cache file is
};

/// What the link of a descriptor says; empty for pipes, sockets and anonymous inodes.
std::optional<OpenFile> ParseDescriptorLink(std::string_view link);
/// True for the directory itself and everything below it, by whole path components.
bool IsUnder(std::string_view path, std::string_view directory);

/// Descriptors of these processes below `directory`, deleted files too. Unavailable when a process
/// is gone or its descriptors may not be read.
Reading<std::vector<OpenFile>> OpenFilesUnder(std::span<const pid_t> pids,
                                              const std::filesystem::path& directory,
                                              const OsRoots& roots = {});

}  // namespace kvtier
