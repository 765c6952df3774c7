#pragma once
#include <filesystem>

namespace kvtier {

/// Where the kernel's file systems are mounted; a test points them at a folder of its own.
struct OsRoots {
  std::filesystem::path proc = "/proc";
  std::filesystem::path sys = "/sys";
};

}  // namespace kvtier
