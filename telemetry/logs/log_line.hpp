#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace kvtier {

enum class LogLevel { kOther, kWarning, kError };

/// How bad a line of a log says it is. The first level word of the line decides, so "INFO retrying
/// after ERROR 5" is no error. A level word is one of ERROR ERR FATAL FTL CRITICAL PANIC, WARNING
/// WARN WRN, INFO INF NOTICE DEBUG DBG TRACE TRC that stands
///   - in capitals as a word of its own (Python, Rust tracing, Java), terminal colours aside,
///   - in any case within brackets, where one letter is enough ("[error]", "[ERR]", "[E]": spdlog,
///     NATS, TensorRT-LLM),
///   - in any case before a colon among the first three words ("<time> worker error: text": ours),
///   - in any case as the value of `level` (logfmt, JSON lines).
/// A glog head ("E1125 10:00:01.123") and a line that begins "Traceback (most recent call last)"
/// count too. Any bytes give an answer.
LogLevel ClassifyLogLine(std::string_view line);

struct LineCounts {
  std::uint64_t lines = 0;  // the last one counts without a newline too
  std::uint64_t errors = 0, warnings = 0;
  LineCounts operator+(const LineCounts& o) const {
    return {lines + o.lines, errors + o.errors, warnings + o.warnings};
  }
  bool operator==(const LineCounts&) const = default;
};
LineCounts CountLines(std::string_view text);

/// The end of `text`, at most `lines` lines, without a part of a line before them.
std::string_view LastLines(std::string_view text, std::size_t lines);

/// Fit for a terminal, XML and JSON: UTF-8 is kept, bytes that are none become U+FFFD, terminal
/// colours vanish, other control characters become '?', and a line over `max_line` bytes is cut
/// with "...". Newlines and tabs stay.
std::string PrintableText(std::string_view text, std::size_t max_line = 2000);
/// The same for what must stay one line, such as a path: newlines become '?' too.
std::string PrintableLine(std::string_view text, std::size_t max_line = 4096);

/// `text` with everything but letters, digits, '.', '_' and '-' replaced by '_': safe as a part of
/// a file name. Empty, "." and ".." become "_".
std::string SafeFileName(std::string_view text);

}  // namespace kvtier
