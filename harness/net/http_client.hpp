#pragma once
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "harness/net/http.hpp"

namespace kvtier {

struct HttpResponse {
  int status = 0;
  HttpHeaders headers;
  std::string body;
};

/// Blocking calls for scrapes, probes and control, one connection each. Any status is an answer,
/// redirects are not followed. `timeout` bounds the whole call. Throws IoError when there was no
/// answer (refused, timed out, reset) and ProtocolError when it was not HTTP; both name the URL.
/// Bodies over 256 MiB are a ProtocolError.
HttpResponse HttpGet(const Url& url, std::chrono::milliseconds timeout,
                     const HttpHeaders& headers = {});
/// Content-Type is application/json unless `headers` has one.
HttpResponse HttpPost(const Url& url, std::string_view body, std::chrono::milliseconds timeout,
                      const HttpHeaders& headers = {});

/// What a streaming POST reports, on the thread of its HttpStreamClient. on_end runs exactly once,
/// last, and empty `error` means that the answer was complete. An exception from a callback ends
/// the stream with its text as error.
struct HttpStreamCallbacks {
  std::function<void(int status, const HttpHeaders& headers)> on_headers;
  std::function<void(std::string_view bytes)> on_data;  // body without its transfer coding
  std::function<void(const std::string& error)> on_end;
};

/// One streaming POST in flight. Forgetting the handle does not end it.
class HttpStream {
 public:
  virtual ~HttpStream() = default;
  /// From any thread, also from a callback. Closes the connection, which the peer sees;
  /// on_end("cancelled") follows unless the stream has ended already.
  virtual void Cancel() = 0;
};

/// Runs any number of streaming POSTs on one thread of its own, one connection each.
class HttpStreamClient {
 public:
  HttpStreamClient();
  /// Cancels what is in flight (on_end runs), then joins.
  ~HttpStreamClient();
  HttpStreamClient(const HttpStreamClient&) = delete;
  HttpStreamClient& operator=(const HttpStreamClient&) = delete;

  /// Never throws for network reasons and never blocks: failures arrive at on_end. `idle_timeout`
  /// bounds the wait for the connection and for each next byte; zero: no limit.
  std::shared_ptr<HttpStream> Post(
      const Url& url, std::string body, const HttpHeaders& headers, HttpStreamCallbacks callbacks,
      std::chrono::milliseconds idle_timeout = std::chrono::milliseconds(0));

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace kvtier
