#include "telemetry/logs/log_line.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>

#include "telemetry/text.hpp"

namespace kvtier {
namespace {

constexpr char kEscape = '\x1b';

// ASCII only: what std::isalpha says depends on the locale.
constexpr bool IsLower(char c) {
  return c >= 'a' && c <= 'z';
}
constexpr bool IsUpper(char c) {
  return c >= 'A' && c <= 'Z';
}
constexpr bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}
// What a word is made of: "ValueError", "error_count" and "ERROR2" are words of their own.
constexpr bool IsWordPart(char c) {
  return IsLower(c) || IsUpper(c) || IsDigit(c) || c == '_';
}

std::optional<LogLevel> LevelOf(std::string_view word, bool letters_count) {
  constexpr std::size_t kLongest = 8;  // CRITICAL
  if (word.empty() || word.size() > kLongest) return std::nullopt;
  std::string upper(word);
  for (char& c : upper) {
    if (IsLower(c)) c = static_cast<char>(c - 'a' + 'A');
  }
  using enum LogLevel;
  constexpr std::array<std::pair<std::string_view, LogLevel>, 16> kWords{{{"ERROR", kError},
                                                                          {"ERR", kError},
                                                                          {"FATAL", kError},
                                                                          {"FTL", kError},
                                                                          {"CRITICAL", kError},
                                                                          {"PANIC", kError},
                                                                          {"WARNING", kWarning},
                                                                          {"WARN", kWarning},
                                                                          {"WRN", kWarning},
                                                                          {"INFO", kOther},
                                                                          {"INF", kOther},
                                                                          {"NOTICE", kOther},
                                                                          {"DEBUG", kOther},
                                                                          {"DBG", kOther},
                                                                          {"TRACE", kOther},
                                                                          {"TRC", kOther}}};
  constexpr std::array<std::pair<std::string_view, LogLevel>, 7> kLetters{{{"E", kError},
                                                                           {"F", kError},
                                                                           {"C", kError},
                                                                           {"W", kWarning},
                                                                           {"I", kOther},
                                                                           {"D", kOther},
                                                                           {"T", kOther}}};
  for (const auto& [name, level] : kWords) {
    if (upper == name) return level;
  }
  if (letters_count) {
    for (const auto& [name, level] : kLetters) {
      if (upper == name) return level;
    }
  }
  return std::nullopt;
}

// The length of a terminal's control sequence at `at` (ESC [ parameters letter), else 0.
std::size_t ControlSequence(std::string_view text, std::size_t at) {
  if (text[at] != kEscape || at + 1 >= text.size() || text[at + 1] != '[') return 0;
  std::size_t end = at + 2;
  while (end < text.size() && (IsDigit(text[end]) || text[end] == ';')) ++end;
  return end < text.size() ? end + 1 - at : text.size() - at;
}

// Is what stands before `at` the key of a level: `level=`, `"level":`, blanks and quotes aside?
bool FollowsLevelKey(std::string_view line, std::size_t at) {
  std::string_view before = line.substr(0, at);
  const auto drop = [&](std::string_view characters) {
    while (!before.empty() && characters.find(before.back()) != std::string_view::npos) {
      before.remove_suffix(1);
    }
  };
  drop("\" ");
  if (before.empty() || (before.back() != '=' && before.back() != ':')) return false;
  before.remove_suffix(1);
  drop("\" ");
  for (const std::string_view key : {"level", "lvl", "severity"}) {
    if (before.ends_with(key) &&
        (before.size() == key.size() || !IsWordPart(before[before.size() - key.size() - 1]))) {
      return true;
    }
  }
  return false;
}

std::optional<LogLevel> GlogLevel(std::string_view line) {
  if (line.size() < 6 || line[5] != ' ' ||
      !std::all_of(line.begin() + 1, line.begin() + 5, IsDigit))
    return std::nullopt;
  return std::string_view("IWEF").find(line[0]) == std::string_view::npos
             ? std::nullopt
             : LevelOf(line.substr(0, 1), true);
}

// The number of bytes of the UTF-8 character at `at`; 0 when these bytes are none (RFC 3629).
std::size_t CharacterLength(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  const unsigned first = byte(at);
  if (first < 0x80) return 1;
  const std::size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(at + i) & 0xC0U) != 0x80) return 0;
  }
  const unsigned second = byte(at + 1);
  const bool overlong_or_surrogate =
      (first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F) ||
      (first == 0xF0 && second < 0x90) || (first == 0xF4 && second > 0x8F);
  return overlong_or_surrogate ? 0 : length;
}

void AppendPrintable(std::string_view line, std::size_t max_line, std::string& out) {
  const std::size_t begin = out.size();
  for (std::size_t at = 0; at < line.size();) {
    if (out.size() - begin >= max_line) {
      out += "...";
      return;
    }
    if (const std::size_t control = ControlSequence(line, at); control > 0) {
      at += control;
      continue;
    }
    const std::size_t length = CharacterLength(line, at);
    const auto byte = static_cast<unsigned char>(line[at]);
    if (length == 0) {
      out += "\xEF\xBF\xBD";  // U+FFFD
    } else if (length == 1 && (byte < 0x20 || byte == 0x7F) && byte != '\t') {
      out += '?';
    } else {
      out += line.substr(at, length);
    }
    at += std::max<std::size_t>(length, 1);
  }
}

}  // namespace

LogLevel ClassifyLogLine(std::string_view line) {
  if (line.starts_with("Traceback (most recent call last)")) return LogLevel::kError;
  if (const auto glog = GlogLevel(line)) return *glog;
  constexpr int kHeadWords = 3;
  int blanks = 0;  // runs of blanks so far: which blank-separated word this is
  for (std::size_t at = 0; at < line.size();) {
    if (const std::size_t control = ControlSequence(line, at); control > 0) {
      at += control;
      continue;
    }
    if (!IsWordPart(line[at])) {
      if (line[at] == ' ' && at > 0 && line[at - 1] != ' ') ++blanks;
      ++at;
      continue;
    }
    std::size_t end = at + 1;
    while (end < line.size() && IsWordPart(line[end])) ++end;
    const std::string_view word = line.substr(at, end - at);
    const char before = at > 0 ? line[at - 1] : ' ';
    const char after = end < line.size() ? line[end] : ' ';
    const bool bracketed = before == '[' && after == ']';
    const bool capitals = std::all_of(word.begin(), word.end(), IsUpper);
    const bool head = after == ':' && blanks < kHeadWords;
    if (const auto level = LevelOf(word, bracketed);
        level && (bracketed || capitals || head || FollowsLevelKey(line, at))) {
      return *level;
    }
    at = end;
  }
  return LogLevel::kOther;
}

LineCounts CountLines(std::string_view text) {
  LineCounts counts;
  ForEachLine(text, [&](std::string_view line) {
    ++counts.lines;
    const LogLevel level = ClassifyLogLine(line);
    counts.errors += level == LogLevel::kError ? 1 : 0;
    counts.warnings += level == LogLevel::kWarning ? 1 : 0;
  });
  return counts;
}

std::string_view LastLines(std::string_view text, std::size_t lines) {
  if (lines == 0) return {};
  std::size_t at = text.ends_with('\n') ? text.size() - 1 : text.size();
  for (std::size_t n = 0; n < lines; ++n) {
    const std::size_t newline = at == 0 ? std::string_view::npos : text.rfind('\n', at - 1);
    if (newline == std::string_view::npos) return text;
    at = newline;
  }
  return text.substr(at + 1);
}

std::string PrintableText(std::string_view text, std::size_t max_line) {
  std::string out;
  out.reserve(text.size());
  bool first = true;
  ForEachLine(text, [&](std::string_view line) {
    if (!first) out += '\n';
    first = false;
    AppendPrintable(line, max_line, out);
  });
  if (text.ends_with('\n')) out += '\n';
  return out;
}

std::string PrintableLine(std::string_view text, std::size_t max_line) {
  std::string out;
  AppendPrintable(text, max_line, out);
  return out;
}

std::string SafeFileName(std::string_view text) {
  if (text.empty() || text == "." || text == "..") return "_";
  std::string name(text);
  for (char& c : name) {
    if (!IsWordPart(c) && c != '.' && c != '-') c = '_';
  }
  return name;
}

}  // namespace kvtier
