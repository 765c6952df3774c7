#pragma once
#include <cstddef>
#include <optional>
#include <string_view>

#include "telemetry/text.hpp"

namespace kvtier {

/// Walks the words of a line, split at runs of blanks and tabs, without allocating: the readers
/// here run ten times a second.
class Fields {
 public:
  explicit Fields(std::string_view line) : rest_(line) {}

  /// The next word; empty at the end of the line.
  std::string_view Next() {
    const std::size_t begin = rest_.find_first_not_of(" \t\n");
    if (begin == std::string_view::npos) {
      rest_ = {};
      return {};
    }
    rest_.remove_prefix(begin);
    const std::string_view word = rest_.substr(0, rest_.find_first_of(" \t\n"));
    rest_.remove_prefix(word.size());
    return word;
  }
  void Skip(int words) {
    for (int i = 0; i < words; ++i) (void)Next();
  }
  /// The next word as a number; empty when there is none or it is something else.
  template <class T>
  std::optional<T> Number() {
    return ParseNumber<T>(Next());
  }

 private:
  std::string_view rest_;
};

}  // namespace kvtier
