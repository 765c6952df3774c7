#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "harness/net/exchange.hpp"

namespace kvtier {

/// The sampling fields of a completion request, exactly those that the documented identity hashes
/// cover.
struct GenerationParams {
  int max_tokens = 256;
  double temperature = 0.0;
  double top_p = 1.0;
  std::vector<std::string> stop{"<|eot_id|>"};
  bool stream = true;
  std::optional<std::int64_t> seed = std::nullopt;
};

/// Payload fields that the documented hashes do not cover; hashed separately as
/// request_extras_sha256.
struct RequestExtras {
  bool ignore_eos = false;
  bool include_usage = true;  // stream_options.include_usage
};

/// The JSON body of POST /v1/completions: model, prompt, max_tokens, temperature, top_p, stream,
/// then stop (when not empty), seed (when set), ignore_eos (when true), stream_options (streams
/// with include_usage). The prompt is `token_ids` when there are any. Floats as CanonicalJson
/// prints them.
std::string BuildCompletionBody(std::string_view model, std::string_view prompt,
                                std::span<const std::uint32_t> token_ids,
                                const GenerationParams& params, const RequestExtras& extras);

/// One JSON payload of the completions API: a stream chunk, a unary body or an error body.
struct CompletionPayload {
  std::string_view text;  // choices[0].text or choices[0].delta.content, unescaped
  std::string_view finish_reason;
  std::string_view id;
  std::string_view model;  // that the server says answered
  std::optional<TokenUsage> usage;  // null counts as absent
  /// Set when the payload is an error: `error` as object or string, a `finish_reason` object with
  /// `error`, or a top level message with code or type and no choices.
  std::optional<std::string> error;
  /// spec/workloads.md section 11.3, without the explicit SSE event name: error, delta_content,
  /// delta, token, finish, the `object` value, or data.
  std::string_view type;
};

/// Parses payloads. Reuses its memory, so one a thread; views live until the next Parse.
class CompletionParser {
 public:
  CompletionParser();
  ~CompletionParser();
  CompletionParser(const CompletionParser&) = delete;
  CompletionParser& operator=(const CompletionParser&) = delete;
  /// Empty when it is not a JSON object.
  std::optional<CompletionPayload> Parse(std::string_view json);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// The message of an error body in any of the known shapes (`{"error":{"message":..}}`,
/// `{"error":".."}`,
/// `{"message":..,"code":..}`), else the first 400 bytes of the body.
std::string ErrorMessageOf(std::string_view body, CompletionParser& parser);

}  // namespace kvtier
