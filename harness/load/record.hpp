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
#include "harness/net/exchange.hpp"

namespace kvtier {

/// What one request saw. One row of requests.jsonl (spec/artifacts.md A5 plus outcome, stamps,
/// chunks, output_sha256).
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
  std::string stream_error;      // message of the first error frame
  std::string request_id;        // x-request-id
  std::string response_id;
  std::string response_model;  // that the server says answered; empty: not said
  std::map<std::string, std::string> header_hints;
  std::string start_utc;
  std::string end_utc;

  /// t_c1 - t0 in ms; empty unless kOk. So are the next three; unary answers have no TTFC and no
  /// TPOT.
  std::optional<double> TtfcMs() const;
  /// last text - t0.
  std::optional<double> E2eMs() const;
  /// header - t0.
  std::optional<double> TtfbMs() const;
  /// The row's ttft_ms: TtfcMs() of a stream, first body byte - t0 of a unary answer; empty unless
  /// kOk.
  std::optional<double> TtftMs() const;
  /// (last text - first text) / (N - 1), N from usage; empty below 2 tokens.
  std::optional<double> TpotMs() const;
  /// sent_first to closed, else to done: the row's latency_ms, for every request that was sent.
  std::optional<double> LatencyMs() const;
  /// As the user saw it, from the moment when the request was due (scheduled) and not from t0: no
  /// shorter because the client, or a slow server before it, sent late. Equal to TtfcMs() and
  /// E2eMs() but for SendDelayMs().
  std::optional<double> TtfcCoMs() const;
  std::optional<double> E2eCoMs() const;
  /// t0 - scheduled: the client's own delay; where a request has a due moment (an offset, a
  /// predecessor) also the wait for a free slot.
  std::optional<double> SendDelayMs() const;
};

nlohmann::json ToJson(const RequestRecord& record);
/// Reads what ToJson wrote (the prompt text itself is not in the row; the generated text is, as
/// output_text). Throws DataError naming the key.
RequestRecord RecordFromJson(const nlohmann::json& row);

/// What the client measured of itself over one phase.
struct ClientLoad {
  double cpu_fraction = 0;       // client thread CPU / wall, of one core
  double send_delay_p99_ms = 0;  // t0 minus the moment when the request was due and a slot was free
  double loop_lag_p99_ms = 0;
  double pool_wait_p99_ms =
      0;  // open loop: how long due requests waited for a slot; the server's doing, not ours
  double connect_p50_ms = 0;
  int reconnects = 0;  // connections made beyond one a slot
  int max_in_flight = 0;
  /// The rule of design.md section 8; needs the TTFC p50 of the phase.
  bool saturated = false;
  std::string saturated_why;
};

}  // namespace kvtier
