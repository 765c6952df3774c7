#pragma once
#include <chrono>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>

#include "harness/load/plan.hpp"
#include "harness/load/record.hpp"
#include "harness/net/http.hpp"

namespace kvtier {

struct RunnerOptions {
  Url url;            // of the completions endpoint, http://127.0.0.1:8000/v1/completions
  std::string model;  // as /v1/models names it
  std::chrono::milliseconds total_timeout{600'000};
  std::chrono::milliseconds stall_timeout{60'000};
  int first_request_index = 1;  // run-wide: one more than the last index of the phase before
  HttpHeaders headers;          // sent with every request
};

struct PhaseProgress {
  int planned = 0;
  int issued = 0;
  int in_flight = 0;
  int done = 0;  // finished, however
  int ok = 0;
};

/// Both run on the thread that called RunPhase, never on the one that reads the sockets.
struct RunnerCallbacks {
  std::function<void(RequestRecord&&)> on_record;  // completion order
  std::function<void(const PhaseProgress&)>
      on_progress;  // after each record and at least every 200 ms
};

struct PhaseRun {
  ClientLoad client;
  MonoNs start = 0;  // first request due
  MonoNs end = 0;    // last request over
  std::string start_utc, end_utc;
  int issued = 0;
  bool stopped = false;  // `stop` was requested before the last request was over
};

/// Sends the requests of one phase and returns when all are over. Closed loop with
/// `phase.concurrency` slots; when every request carries an arrival offset it is an open loop
/// bounded by that concurrency, and `scheduled` is phase start plus offset. A request with `after`
/// is due when that one is over, however it ended, and the think time has passed (or at its own
/// offset, if that is later): then its `scheduled` is this moment, and nobody holds a slot until
/// it. Of several that are due the first of the plan goes first, or the one of the smallest offset.
/// All bodies are serialised and all connections open before the first request is due. Request
/// failures are records; throws ConfigError for a concurrency below 1, a negative time, a request
/// that waits for a later one, or offsets on some only of those that wait for no other; IoError
/// when the operating system refuses sockets.
PhaseRun RunPhase(const RunnerOptions& options, const PhasePlan& phase,
                  const RunnerCallbacks& callbacks, std::stop_token stop = {});

/// The rule CLIENT_SATURATED: client thread over 80 % of a core, send delay p99 over max(5 ms, 1 %
/// of the TTFC p50), or loop lag p99 over max(5 ms, 5 % of it). Fills saturated and saturated_why.
/// Without a TTFC the floor of 5 ms holds.
void JudgeSaturation(ClientLoad& load, std::optional<double> ttfc_p50_ms);

}  // namespace kvtier
