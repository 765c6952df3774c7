#pragma once
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "harness/net/exchange.hpp"

namespace kvtier {

/// A request as it goes over the wire, head and body.
struct WireRequest {
  std::string bytes;
  bool stream = true;
  /// Intended send, from the start of Run(); empty: as soon as a slot is free.
  std::optional<MonoNs> send_offset_ns;
  /// Position in the span, before this one's, of the request that must be over first, however it
  /// ends; then `think_ns` pass. With an offset too, the later moment holds.
  std::optional<std::size_t> after;
  MonoNs think_ns = 0;
};

/// POST head plus `body` for the completions endpoint.
WireRequest MakeWireRequest(const Url& url, std::string_view body, bool stream,
                            const HttpHeaders& headers = {});

/// A finished request, handed from the reading thread.
struct FinishedExchange {
  std::size_t index = 0;  // position in the span given to Run
  std::size_t order = 0;  // issue order from 0
  int slot = 0;           // from 0
  RawExchange raw;
};

/// What the reading thread measured of itself during Run().
struct ClientSelf {
  MonoNs start = 0, end = 0;  // first request due, last request over
  double cpu_s = 0;           // CLOCK_THREAD_CPUTIME_ID of the reading thread
  std::vector<double>
      send_delay_ms;  // a request's t0 minus the moment when it was due and a slot was free
  /// Of each request with a due moment (an offset, a predecessor): how long it then waited for a
  /// free slot.
  std::vector<double> pool_wait_ms;
  std::vector<double> loop_lag_ms;  // lateness of a periodic 10 ms timer
  std::vector<double> connect_ms;   // every connection made, in order
  std::size_t issued = 0;
  int max_in_flight = 0;
};

/// The measuring client. One thread of its own reads N keep-alive connections, one request in
/// flight on each, and does nothing else: epoll, recv, stamp, chunk scan. Whatever looks into the
/// bytes runs on the thread that called Run().
class CompletionClient {
 public:
  struct Options {
    Url url;  // of the completions endpoint
    int concurrency = 1;
    std::chrono::milliseconds total_timeout{
        600'000};  // from t0 to the end of the answer; zero: none
    /// The longest silence after the first body byte; zero: none. The wait for that byte is
    /// prefill, which total_timeout bounds.
    std::chrono::milliseconds stall_timeout{60'000};
    std::chrono::milliseconds connect_timeout{5'000};
    std::size_t max_answer_bytes = 256u << 20;
  };
  /// Opens the connections. One that cannot be opened is tried again when its slot gets a request,
  /// which then may end as connect_error. Throws IoError only when the operating system refuses
  /// sockets (for example too few descriptors).
  explicit CompletionClient(const Options& options);
  ~CompletionClient();
  CompletionClient(const CompletionClient&) = delete;
  CompletionClient& operator=(const CompletionClient&) = delete;

  /// Sends every request, never more than `concurrency` in flight: when a slot is free, the first
  /// of those that are due. A request is due from the start or from its send_offset_ns, and not
  /// before its predecessor's end and think time; offsets of requests without a predecessor must
  /// not fall. Nobody holds a slot while thinking. `on_finished` runs on the calling thread in
  /// completion order. `on_idle`, if given, runs there too, at least every 200 ms. When `stop` is
  /// requested what is in flight ends as cancelled and the rest is not sent. Throws ConfigError
  /// when a request waits for itself or a later one.
  ClientSelf Run(std::span<const WireRequest> requests,
                 const std::function<void(FinishedExchange&&)>& on_finished,
                 std::stop_token stop = {}, const std::function<void()>& on_idle = {});

  /// Requests issued and in flight now, for a live view; from any thread.
  std::size_t issued() const;
  int in_flight() const;
  int open_connections() const;

 private:
  class Loop;
  std::unique_ptr<Loop> loop_;
};

}  // namespace kvtier
