#include "workloads/tokens.hpp"

#include <array>
#include <cmath>

#include <fmt/format.h>

#include "harness/core/error.hpp"

namespace kvtier {
namespace {

constexpr std::uint32_t kFirstMarkId = 256;
constexpr std::array<std::string_view, 5> kMarks{"<|begin_of_text|>", "<|start_header_id|>",
                                                 "<|end_header_id|>", "<|eot_id|>",
                                                 "<|end_of_text|>"};

/// Index of the mark that `text` begins with, or -1.
int MarkAt(std::string_view text) {
  if (!text.starts_with("<|")) return -1;
  for (std::size_t i = 0; i < kMarks.size(); ++i) {
    if (text.starts_with(kMarks[i])) return static_cast<int>(i);
  }
  return -1;
}

/// Calls `take(id)` for each token of `text`.
template <class Take>
void ForEachToken(std::string_view text, Take&& take) {
  for (std::size_t at = 0; at < text.size();) {
    const int mark = MarkAt(text.substr(at));
    if (mark >= 0) {
      take(kFirstMarkId + static_cast<std::uint32_t>(mark));
      at += kMarks[static_cast<std::size_t>(mark)].size();
    } else {
      take(static_cast<std::uint32_t>(static_cast<unsigned char>(text[at])));
      ++at;
    }
  }
}

bool IsWord(unsigned char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c >= 0x80;
}
bool IsSpace(unsigned char c) {
  return c == ' ' || (c >= '\t' && c <= '\r') || (c >= 0x1c && c <= 0x1f);
}

int HeuristicCount(std::string_view text) {
  int count = 0;
  bool in_word = false;
  for (const char signed_c : text) {
    const auto c = static_cast<unsigned char>(signed_c);
    const bool word = IsWord(c);
    if (word ? !in_word : !IsSpace(c)) ++count;
    in_word = word;
  }
  return count;
}

}  // namespace

TokenCounter TokenCounter::ByteLevel() {
  return TokenCounter(Kind::kByteLevel);
}
TokenCounter TokenCounter::Heuristic() {
  return TokenCounter(Kind::kHeuristic);
}
TokenCounter TokenCounter::Calibrated(double tokens_per_byte) {
  if (!std::isfinite(tokens_per_byte) || tokens_per_byte <= 0) {
    throw ConfigError(fmt::format(
        "tokens per byte must be positive, not {}: measure it with a probe", tokens_per_byte));
  }
  return TokenCounter(Kind::kCalibrated, tokens_per_byte);
}

int TokenCounter::Count(std::string_view text) const {
  if (kind_ == Kind::kHeuristic) return HeuristicCount(text);
  if (kind_ == Kind::kCalibrated)
    return static_cast<int>(std::lround(static_cast<double>(text.size()) * tokens_per_byte_));
  int count = 0;
  ForEachToken(text, [&](std::uint32_t) { ++count; });
  return count;
}

std::string_view TokenCounter::name() const {
  switch (kind_) {
    case Kind::kByteLevel:
      return "byte_level";
    case Kind::kHeuristic:
      return "heuristic";
    case Kind::kCalibrated:
      break;
  }
  return "calibrated";
}

TokenCounter CalibrateFromProbe(std::string_view probe, std::int64_t usage_prompt_tokens) {
  if (probe.empty() || usage_prompt_tokens < 1) {
    throw ConfigError(fmt::format(
        "a calibration probe of {} bytes counted as {} tokens says nothing: send a longer prompt "
        "and read usage.prompt_tokens",
        probe.size(), usage_prompt_tokens));
  }
  if (TokenCounter::ByteLevel().Count(probe) == usage_prompt_tokens)
    return TokenCounter::ByteLevel();
  return TokenCounter::Calibrated(static_cast<double>(usage_prompt_tokens) /
                                  static_cast<double>(probe.size()));
}

std::vector<std::uint32_t> TokenIdsByteLevel(std::string_view text) {
  std::vector<std::uint32_t> ids;
  ids.reserve(text.size());
  ForEachToken(text, [&](std::uint32_t id) { ids.push_back(id); });
  return ids;
}

}  // namespace kvtier
