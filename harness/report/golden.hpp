#pragma once
#include <cstdlib>
#include <filesystem>
#include <string>

#include "harness/core/files.hpp"

namespace kvtier {

/// The text a golden file holds. With KVTIER_REGENERATE_GOLDEN set the file is written first: look
/// at the diff.
inline std::string Golden(const std::string& name, const std::string& actual) {
  const auto file = std::filesystem::path(KVTIER_SOURCE_DIR) / "harness/report/golden" / name;
  if (std::getenv("KVTIER_REGENERATE_GOLDEN") != nullptr) WriteFileAtomic(file, actual);
  return ReadFile(file);
}

}  // namespace kvtier
