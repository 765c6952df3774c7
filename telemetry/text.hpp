#pragma once
#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <vector>

namespace kvtier {

/// Calls `f(line)` for each line, without its newline (and without a carriage return before it).
template <class F>
void ForEachLine(std::string_view text, F&& f) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    std::string_view line = text.substr(at, end - at);
    if (line.ends_with('\r')) line.remove_suffix(1);
    f(line);
    at = end + 1;
  }
}

/// The words of a line, split at runs of blanks and tabs.
inline std::vector<std::string_view> Words(std::string_view line) {
  std::vector<std::string_view> words;
  std::size_t at = 0;
  while ((at = line.find_first_not_of(" \t", at)) != std::string_view::npos) {
    const std::size_t end = line.find_first_of(" \t", at);
    words.push_back(line.substr(at, end - at));
    if (end == std::string_view::npos) break;
    at = end;
  }
  return words;
}

/// The whole word as a number; empty on anything else, also on overflow.
template <class T>
std::optional<T> ParseNumber(std::string_view word, [[maybe_unused]] int base = 10) {
  T value{};
  const char* const last = word.data() + word.size();
  std::from_chars_result result{};
  if constexpr (std::is_floating_point_v<T>) {
    result = std::from_chars(word.data(), last, value);
  } else {
    result = std::from_chars(word.data(), last, value, base);
  }
  if (result.ec != std::errc() || result.ptr != last) return std::nullopt;
  return value;
}

}  // namespace kvtier
