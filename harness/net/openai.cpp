#include "harness/net/openai.hpp"

#include <simdjson.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "harness/core/error.hpp"

namespace kvtier {
namespace {

namespace dom = simdjson::dom;

/// The string behind a key, or empty when it is absent, null or something else.
std::string_view StringAt(const dom::object& object, std::string_view key) {
  std::string_view text;
  if (object.at_key(key).get(text) != simdjson::SUCCESS) return {};
  return text;
}

std::optional<std::int64_t> IntAt(const dom::object& object, std::string_view key) {
  std::int64_t number = 0;
  if (object.at_key(key).get(number) != simdjson::SUCCESS) return std::nullopt;
  return number;
}

std::optional<TokenUsage> UsageOf(const dom::object& payload) {
  dom::object usage;
  if (payload.at_key("usage").get(usage) != simdjson::SUCCESS) return std::nullopt;
  TokenUsage result;
  result.prompt_tokens = IntAt(usage, "prompt_tokens").value_or(0);
  result.completion_tokens = IntAt(usage, "completion_tokens").value_or(0);
  dom::object details;
  if (usage.at_key("prompt_tokens_details").get(details) == simdjson::SUCCESS) {
    result.cached_tokens = IntAt(details, "cached_tokens");
  }
  return result;
}

/// The message of {"error": ...} in its shapes; empty optional when there is no error there.
std::optional<std::string> ErrorIn(const dom::object& object) {
  dom::element error;
  if (object.at_key("error").get(error) != simdjson::SUCCESS || error.is_null())
    return std::nullopt;
  std::string_view text;
  if (error.get(text) == simdjson::SUCCESS) return std::string(text);
  dom::object details;
  if (error.get(details) == simdjson::SUCCESS && !StringAt(details, "message").empty()) {
    return std::string(StringAt(details, "message"));
  }
  return simdjson::minify(error);
}

void ReadChoice(const dom::object& choice, CompletionPayload& payload) {
  payload.finish_reason = StringAt(choice, "finish_reason");
  dom::object object;
  if (choice.at_key("delta").get(object) == simdjson::SUCCESS) {
    payload.text = StringAt(object, "content");
    payload.type = payload.text.empty() ? "delta" : "delta_content";
  } else {
    std::string_view text;
    if (choice.at_key("text").get(text) == simdjson::SUCCESS) {
      payload.text = text;
      payload.type = "token";
    } else if (!payload.finish_reason.empty()) {
      payload.type = "finish";
    }
  }
  // Dynamo's worker reports an engine failure as finish_reason {"error": "..."}.
  if (choice.at_key("finish_reason").get(object) == simdjson::SUCCESS) {
    payload.error = ErrorIn(object).value_or("finish_reason is an object");
  }
}

}  // namespace

struct CompletionParser::State {
  dom::parser parser;
  std::string padded;
};

CompletionParser::CompletionParser() : state_(std::make_unique<State>()) {}
CompletionParser::~CompletionParser() = default;

std::optional<CompletionPayload> CompletionParser::Parse(std::string_view json) {
  auto& padded = state_->padded;
  padded.assign(json);
  padded.append(simdjson::SIMDJSON_PADDING, '\0');
  dom::object object;
  if (state_->parser.parse(padded.data(), json.size(), false).get(object) != simdjson::SUCCESS)
    return std::nullopt;

  CompletionPayload payload;
  payload.id = StringAt(object, "id");
  payload.model = StringAt(object, "model");
  payload.usage = UsageOf(object);
  payload.type = StringAt(object, "object");
  dom::array choices;
  const bool has_choices = object.at_key("choices").get(choices) == simdjson::SUCCESS;
  dom::object first;
  if (has_choices && choices.size() > 0 && choices.at(0).get(first) == simdjson::SUCCESS)
    ReadChoice(first, payload);
  if (auto error = ErrorIn(object)) {
    payload.error = std::move(error);
  } else if (!has_choices && !StringAt(object, "message").empty() &&
             (object.at_key("code").error() == simdjson::SUCCESS ||
              object.at_key("type").error() == simdjson::SUCCESS)) {
    payload.error = std::string(StringAt(object, "message"));
  }
  if (payload.error) payload.type = "error";
  if (payload.type.empty()) payload.type = "data";
  return payload;
}

std::string ErrorMessageOf(std::string_view body, CompletionParser& parser) {
  if (const auto payload = parser.Parse(body); payload && payload->error) return *payload->error;
  return std::string(body.substr(0, 400));
}

std::string BuildCompletionBody(std::string_view model, std::string_view prompt,
                                std::span<const std::uint32_t> token_ids,
                                const GenerationParams& params, const RequestExtras& extras) {
  nlohmann::ordered_json body;
  body["model"] = model;
  if (token_ids.empty()) {
    body["prompt"] = prompt;
  } else {
    body["prompt"] = std::vector<std::uint32_t>(token_ids.begin(), token_ids.end());
  }
  body["max_tokens"] = params.max_tokens;
  body["temperature"] = params.temperature;
  body["top_p"] = params.top_p;
  body["stream"] = params.stream;
  if (!params.stop.empty()) body["stop"] = params.stop;
  if (params.seed) body["seed"] = *params.seed;
  if (extras.ignore_eos) body["ignore_eos"] = true;
  if (params.stream && extras.include_usage) body["stream_options"]["include_usage"] = true;
  try {
    return body.dump();
  } catch (const nlohmann::json::type_error&) {
    throw DataError(
        fmt::format("a prompt of {} bytes is not UTF-8 and cannot be sent as JSON", prompt.size()));
  }
}

}  // namespace kvtier
