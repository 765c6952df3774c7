#pragma once
#include <filesystem>
#include <string>

#include "harness/core/files.hpp"

namespace kvtier {

/// A text of golden/, for tests.
inline std::string GoldenText(const std::string& name) {
  return ReadFile(std::filesystem::path(__FILE__).parent_path() / "golden" / name);
}

/// `text` with the one occurrence of `from` replaced; throws where a test's premise is gone.
inline std::string With(std::string text, const std::string& from, const std::string& to) {
  return text.replace(text.find(from), from.size(), to);
}

}  // namespace kvtier
