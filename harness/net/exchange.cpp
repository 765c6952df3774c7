#include "harness/net/exchange.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "harness/net/openai.hpp"
#include "harness/net/sse.hpp"

namespace kvtier {
namespace {

constexpr std::array<std::pair<Outcome, std::string_view>, 8> kOutcomes{{
    {Outcome::kOk, "ok"},
    {Outcome::kHttpError, "http_error"},
    {Outcome::kStreamError, "stream_error"},
    {Outcome::kIncomplete, "incomplete"},
    {Outcome::kTimeout, "timeout"},
    {Outcome::kEmptyOutput, "empty_output"},
    {Outcome::kConnectError, "connect_error"},
    {Outcome::kCancelled, "cancelled"},
}};

std::string_view TrimBlanks(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  const std::size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

std::string LowerCase(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  }
  return lower;
}

void Fail(CompletionResult& result, Outcome outcome, std::string error) {
  result.outcome = outcome;
  result.error = std::move(error);
}

std::string_view DefaultText(TransportEnd end) {
  switch (end) {
    case TransportEnd::kComplete:
      return "the answer is complete";
    case TransportEnd::kClosed:
      return "the server closed the connection";
    case TransportEnd::kConnectFailed:
      return "no connection";
    case TransportEnd::kTotalTimeout:
      return "no complete answer in time";
    case TransportEnd::kStallTimeout:
      return "the answer stood still";
    case TransportEnd::kCancelled:
      return "the run stopped before the answer was complete";
    case TransportEnd::kNotHttp:
      return "the answer is not HTTP";
  }
  return "";
}

/// The verdict that the transport alone gives to an answer that is not complete.
void FailByTransport(CompletionResult& result, const RawExchange& exchange,
                     std::string_view missing) {
  const std::string why = exchange.transport_error.empty() ? std::string(DefaultText(exchange.end))
                                                           : exchange.transport_error;
  switch (exchange.end) {
    case TransportEnd::kTotalTimeout:
    case TransportEnd::kStallTimeout:
      return Fail(result, Outcome::kTimeout, why);
    case TransportEnd::kCancelled:
      return Fail(result, Outcome::kCancelled, why);
    case TransportEnd::kNotHttp:
      return Fail(result, Outcome::kStreamError, why);
    case TransportEnd::kConnectFailed:
      return Fail(result, Outcome::kConnectError, why);
    case TransportEnd::kClosed:
      if (exchange.reads.empty()) {
        return Fail(result, Outcome::kConnectError, why + " before the first byte of the answer");
      }
      break;
    case TransportEnd::kComplete:
      break;
  }
  Fail(result, Outcome::kIncomplete, fmt::format("the answer ended without {}", missing));
}

/// Reads the events of a stream into the result.
class StreamAnalysis {
 public:
  StreamAnalysis(const RawExchange& exchange, CompletionParser& parser, CompletionResult& result)
      : exchange_(exchange), parser_(parser), result_(result) {}

  void Run() {
    const SseSplitter::Sink sink = [this](const SseEvent& event) { OnEvent(event); };
    std::size_t from = 0;
    const std::string_view body = exchange_.body;
    for (const auto& read : exchange_.reads) {
      read_ = &read;
      text_events_ = 0;
      splitter_.Feed(body.substr(from, read.body_end - from), sink);
      from = read.body_end;
      if (text_events_ > 0) {
        const int counted = std::min<int>(text_events_, std::numeric_limits<std::uint16_t>::max());
        result_.chunks.push_back({read.at, read.bytes, static_cast<std::uint16_t>(counted)});
      }
    }
    if (splitter_.dropped_type() == "error" && result_.stream_error.empty()) {
      result_.stream_error =
          splitter_.last_comment().empty() ? "event: error without data" : splitter_.last_comment();
    }
    Conclude();
  }

 private:
  void OnEvent(const SseEvent& event) {
    const std::string_view data = TrimBlanks(event.data);
    if (data.empty() || result_.stamps.done) return;
    const bool first = !result_.stamps.first_event;
    if (first) {
      result_.stamps.first_event = read_->at;
      result_.first_event_type = event.type == "message" ? "data" : LowerCase(event.type);
    }
    if (data == "[DONE]") {
      result_.stamps.done = read_->at;
      return;
    }
    const auto payload = parser_.Parse(data);
    if (event.type == "error")
      return NoteError(payload && payload->error ? *payload->error : std::string(data));
    // Other named events are annotations (facts of the frontend): they need not be completion
    // chunks.
    if (event.type != "message") return;
    if (!payload) {
      if (bad_event_.empty())
        bad_event_ = fmt::format("an event is not a JSON object: {}", data.substr(0, 80));
      return;
    }
    if (first) result_.first_event_type = std::string(payload->type);
    if (payload->error) return NoteError(*payload->error);
    if (result_.response_id.empty()) result_.response_id = std::string(payload->id);
    if (result_.response_model.empty()) result_.response_model = std::string(payload->model);
    if (payload->usage) {
      result_.usage = payload->usage;
      result_.stamps.usage = read_->at;
    }
    if (!payload->finish_reason.empty())
      result_.finish_reason = std::string(payload->finish_reason);
    if (!payload->text.empty()) {
      result_.text += payload->text;
      if (!result_.stamps.first_text) result_.stamps.first_text = read_->at;
      result_.stamps.last_text = read_->at;
      ++text_events_;
    }
  }

  void NoteError(const std::string& message) {
    if (result_.stream_error.empty())
      result_.stream_error = message.empty() ? "error without a message" : message;
  }

  void Conclude() {
    if (!result_.stream_error.empty())
      return Fail(result_, Outcome::kStreamError, result_.stream_error);
    if (!bad_event_.empty()) return Fail(result_, Outcome::kStreamError, bad_event_);
    if (!result_.stamps.done) return FailByTransport(result_, exchange_, "[DONE]");
    if (result_.text.empty())
      return Fail(result_, Outcome::kEmptyOutput, "the answer finished without any text");
    if (result_.finish_reason.empty())
      return FailByTransport(result_, exchange_, "a finish_reason");
    result_.outcome = Outcome::kOk;
  }

  const RawExchange& exchange_;
  CompletionParser& parser_;
  CompletionResult& result_;
  SseSplitter splitter_;
  const RawExchange::Read* read_ = nullptr;
  int text_events_ = 0;
  std::string bad_event_;
};

void AnalyseUnary(const RawExchange& exchange, CompletionParser& parser, CompletionResult& result) {
  for (const auto& read : exchange.reads) {
    if (read.body_end > 0) {
      result.stamps.first_event = read.at;
      break;
    }
  }
  if (exchange.end != TransportEnd::kComplete)
    return FailByTransport(result, exchange, "the end of its body");
  if (!exchange.reads.empty()) result.stamps.done = exchange.reads.back().at;
  const auto payload = parser.Parse(exchange.body);
  if (!payload) {
    return Fail(result, Outcome::kStreamError,
                fmt::format("the answer is not a JSON object: {}", exchange.body.substr(0, 80)));
  }
  result.first_event_type = std::string(payload->type);
  if (payload->error) {
    result.stream_error = *payload->error;
    return Fail(result, Outcome::kStreamError, *payload->error);
  }
  if (exchange.stream)
    return Fail(result, Outcome::kStreamError, "asked for a stream and got one JSON body");
  result.text = std::string(payload->text);
  result.finish_reason = std::string(payload->finish_reason);
  result.response_id = std::string(payload->id);
  result.response_model = std::string(payload->model);
  result.usage = payload->usage;
  if (payload->usage) result.stamps.usage = result.stamps.done;
  if (result.text.empty())
    return Fail(result, Outcome::kEmptyOutput, "the answer finished without any text");
  result.stamps.last_text = result.stamps.done;
  if (result.finish_reason.empty()) return FailByTransport(result, exchange, "a finish_reason");
  result.outcome = Outcome::kOk;
}

}  // namespace

std::string_view OutcomeName(Outcome outcome) {
  for (const auto& [value, name] : kOutcomes) {
    if (value == outcome) return name;
  }
  return "unknown";
}

std::optional<Outcome> FindOutcome(std::string_view name) {
  for (const auto& [value, known] : kOutcomes) {
    if (known == name) return value;
  }
  return std::nullopt;
}

CompletionResult AnalyseExchange(const RawExchange& exchange, CompletionParser& parser) {
  CompletionResult result;
  result.http_status = exchange.status;
  result.stamps.scheduled = exchange.scheduled;
  result.stamps.issued = exchange.issued;
  result.stamps.sent_first = exchange.sent_first;
  result.stamps.sent_last = exchange.sent_last;
  result.stamps.header = exchange.header;
  result.stamps.closed = exchange.closed;
  if (exchange.status == 0) {
    FailByTransport(result, exchange, "a complete header");
  } else if (exchange.status < 200 || exchange.status >= 300) {
    Fail(result, Outcome::kHttpError,
         fmt::format("HTTP {}: {}", exchange.status, ErrorMessageOf(exchange.body, parser)));
  } else {
    const std::string_view type = FindHeader(exchange.headers, "Content-Type");
    const bool is_json =
        EqualsIgnoreCase(TrimBlanks(type.substr(0, type.find(';'))), "application/json");
    if (exchange.stream && !is_json) {
      StreamAnalysis(exchange, parser, result).Run();
    } else {
      AnalyseUnary(exchange, parser, result);
    }
  }
  return result;
}

}  // namespace kvtier
