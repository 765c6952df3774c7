#pragma once
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "harness/core/clock.hpp"
#include "harness/load/plan.hpp"

namespace kvtier {

/// How a request ended: a closed list. Only kOk enters latency figures; the others are counted by kind.
enum class Outcome {
  kOk,
  kHttpError,     // status >= 300
  kStreamError,   // error object or `event: error` inside a 200 answer, or bytes that are not the protocol
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
};

/// Raw monotonic stamps; every latency metric is derived from them (method/metrics.md section 4). Empty: never happened.
struct RequestStamps {
  std::optional<MonoNs> scheduled;    // intended send (open loop), else equal to issued
  std::optional<MonoNs> issued;       // popped from the queue
  std::optional<MonoNs> sent_first;   // t0: just before the first byte is written on a connected socket
  std::optional<MonoNs> sent_last;    // last request byte accepted by the kernel
  std::optional<MonoNs> header;       // answer header complete
  std::optional<MonoNs> first_event;  // first SSE event of any kind
  std::optional<MonoNs> first_text;   // first non-empty generated text: TTFC
  std::optional<MonoNs> last_text;
  std::optional<MonoNs> usage;
  std::optional<MonoNs> done;   // [DONE], or end of a unary body
  std::optional<MonoNs> closed;
};

struct TokenUsage {
  std::int64_t prompt_tokens = 0;
  std::int64_t completion_tokens = 0;
  std::optional<std::int64_t> cached_tokens;  // usage.prompt_tokens_details.cached_tokens, absent when not sent
};

/// What one request saw. One row of requests.jsonl (spec/artifacts.md A5 plus outcome, stamps, chunks, output_sha256).
struct RequestRecord {
  int request_index = 0;  // run-wide issue order from 1
  std::string phase;
  int phase_request_index = 0;  // 1-based position in the phase plan
  int worker_idx = 0;           // slot, from 1
  PlannedRequest planned;       // prompt text is not written out, its hashes are
  Outcome outcome = Outcome::kCancelled;
  int http_status = 0;
  std::string error;
  RequestStamps stamps;
  std::vector<ChunkStamp> chunks;
  std::string text;  // generated
  std::string output_sha256;
  std::optional<TokenUsage> usage;
  std::string finish_reason;
  std::string first_event_type;  // spec/workloads.md section 11.3
  std::string request_id;        // x-request-id
  std::string response_id;
  std::map<std::string, std::string> header_hints;
  std::string start_utc;
  std::string end_utc;

  /// t_c1 - t0 in ms; empty unless kOk.
  std::optional<double> TtfcMs() const;
  /// last text - t0.
  std::optional<double> E2eMs() const;
  /// header - t0.
  std::optional<double> TtfbMs() const;
  /// (last text - first text) / (N - 1), N from usage; empty below 2 tokens.
  std::optional<double> TpotMs() const;
  /// t0 - scheduled: the client's own delay.
  std::optional<double> SendDelayMs() const;
};

nlohmann::json ToJson(const RequestRecord& record);
/// Reads what ToJson wrote (the prompt text itself is not in the row). Throws DataError naming the key.
RequestRecord RecordFromJson(const nlohmann::json& row);

/// What the client measured of itself over one phase.
struct ClientLoad {
  double cpu_fraction = 0;  // client thread CPU / wall, of one core
  double send_delay_p99_ms = 0;
  double loop_lag_p99_ms = 0;
  /// The rule of design.md section 8; needs the TTFC p50 of the phase.
  bool saturated = false;
  std::string saturated_why;
};

}  // namespace kvtier
