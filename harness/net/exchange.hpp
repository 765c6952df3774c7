#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/core/clock.hpp"
#include "harness/net/http.hpp"

namespace kvtier {

/// How a request ended: a closed list. Only kOk enters latency figures; the others are counted by
/// kind.
enum class Outcome {
  kOk,
  kHttpError,     // status >= 300
  kStreamError,   // error object or `event: error` inside a 200 answer, or bytes that are not the
                  // protocol
  kIncomplete,    // ended without [DONE] or finish_reason
  kTimeout,       // total or stall limit
  kEmptyOutput,   // finished without any text
  kConnectError,  // no connection, or closed before the first byte of the answer
  kCancelled,     // given up by us (the run stopped)
};
/// "ok", "http_error", ... as in the artifacts.
std::string_view OutcomeName(Outcome outcome);
std::optional<Outcome> FindOutcome(std::string_view name);

/// One read() that carried generated text: stamped right after the read, before any parsing.
struct ChunkStamp {
  MonoNs at = 0;
  std::uint32_t bytes = 0;        // of the read
  std::uint16_t text_events = 0;  // events with non-empty text in it; > 1 means coalesced
  bool operator==(const ChunkStamp&) const = default;
};

/// Raw monotonic stamps; every latency metric is derived from them (method/metrics.md section 4).
/// Empty: never happened.
struct RequestStamps {
  std::optional<MonoNs> scheduled;  // intended send (open loop), else equal to issued
  std::optional<MonoNs> issued;     // popped from the queue
  std::optional<MonoNs>
      sent_first;  // t0: just before the first byte is written on a connected socket
  std::optional<MonoNs> sent_last;    // last request byte accepted by the kernel
  std::optional<MonoNs> header;       // answer header complete
  std::optional<MonoNs> first_event;  // first SSE event of any kind; unary: first body byte
  std::optional<MonoNs>
      first_text;  // first non-empty generated text: TTFC; unary answers have none
  std::optional<MonoNs> last_text;
  std::optional<MonoNs> usage;
  std::optional<MonoNs> done;  // [DONE], or end of a unary body
  std::optional<MonoNs> closed;
  bool operator==(const RequestStamps&) const = default;
};

struct TokenUsage {
  std::int64_t prompt_tokens = 0;
  std::int64_t completion_tokens = 0;
  std::optional<std::int64_t>
      cached_tokens;  // usage.prompt_tokens_details.cached_tokens, absent when not sent
  bool operator==(const TokenUsage&) const = default;
};

/// Why the client let go of a connection or a request.
enum class TransportEnd {
  kComplete,       // the answer ended as HTTP says
  kClosed,         // the server closed or reset first
  kConnectFailed,  // no connection
  kTotalTimeout,
  kStallTimeout,
  kCancelled,
  kNotHttp,  // bytes that are not HTTP/1.1, or over the limit; see transport_error
};

/// What the wire showed of one completion request, stamped but not yet looked into: the hot path
/// only reads, stamps and removes the transfer coding. Analysis comes later, on another thread,
/// from these bytes alone.
struct RawExchange {
  struct Read {
    MonoNs at = 0;             // right after read()
    std::uint32_t bytes = 0;   // of the read, transfer coding included
    std::size_t body_end = 0;  // length of `body` after this read
  };
  bool stream = true;  // what was asked for
  TransportEnd end = TransportEnd::kClosed;
  std::string transport_error;  // for people; empty when complete
  int status = 0;               // 0: no complete header
  HttpHeaders headers;
  std::string body;
  std::vector<Read> reads;
  std::optional<MonoNs> scheduled, issued, sent_first, sent_last, header, closed;
};

/// What a completion request came to.
struct CompletionResult {
  Outcome outcome = Outcome::kCancelled;
  int http_status = 0;
  std::string error;  // one sentence; empty when ok
  RequestStamps stamps;
  std::vector<ChunkStamp> chunks;
  std::string text;
  std::optional<TokenUsage> usage;
  std::string finish_reason;
  std::string first_event_type;  // spec/workloads.md section 11.3
  std::string stream_error;      // message of the first error frame
  std::string response_id;
  std::string response_model;  // that the server says answered; empty when it does not say
};

class CompletionParser;

/// Pure. An answer is ok when its status is 2xx and it has a finish_reason, [DONE] (streams), some
/// text and no error frame; then it is ok even if the connection ended badly afterwards. An event
/// belongs to the read that completed it (its blank line). The usage chunk never moves last_text.
CompletionResult AnalyseExchange(const RawExchange& exchange, CompletionParser& parser);

}  // namespace kvtier
