#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace kvtier {

/// How prompts are measured before the server has counted them.
class TokenCounter {
 public:
  /// Exact on the reference stack: one token a byte, each chat mark (<|begin_of_text|>
  /// <|start_header_id|>
  /// <|end_header_id|> <|eot_id|> <|end_of_text|>) one token.
  static TokenCounter ByteLevel();
  /// Runs of word characters plus single other non-space characters (spec/workloads.md
  /// section 5.1). Letters beyond ASCII count as word characters.
  static TokenCounter Heuristic();
  /// A measured number of tokens a byte. Throws ConfigError unless it is positive and finite.
  static TokenCounter Calibrated(double tokens_per_byte);

  int Count(std::string_view text) const;
  bool exact() const { return kind_ == Kind::kByteLevel; }
  /// "byte_level", "heuristic", "calibrated": config.tokenizer of the artifacts.
  std::string_view name() const;

 private:
  enum class Kind { kByteLevel, kHeuristic, kCalibrated };
  explicit TokenCounter(Kind kind, double tokens_per_byte = 0)
      : kind_(kind), tokens_per_byte_(tokens_per_byte) {}
  Kind kind_;
  double tokens_per_byte_;
};

/// The counter that fits what the server said of a probe: `usage.prompt_tokens` for `probe`. The
/// byte-level counter when it agrees exactly (the tokenizer is then known), else tokens a byte.
/// Throws ConfigError for an empty probe or no tokens.
TokenCounter CalibrateFromProbe(std::string_view probe, std::int64_t usage_prompt_tokens);

/// Token ids of the byte-level tokenizer: id = byte value, chat marks 256 to 260 in the order named
/// above.
std::vector<std::uint32_t> TokenIdsByteLevel(std::string_view text);

}  // namespace kvtier
