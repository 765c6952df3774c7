#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "harness/net/http.hpp"

namespace kvtier {

struct HttpRequest {
  std::string method;  // "GET", "POST"
  std::string target;  // path and query as sent
  HttpHeaders headers;
  std::string body;
  /// The target without its query.
  std::string_view path() const;
};

/// The answer to one request. Every member may be called from any thread at any time, also after
/// the client or the server are gone: it then does nothing. Bytes given to one Responder leave in
/// the order of the calls. Destroying it without an answer sends a 500; destroying it inside an
/// open stream cuts the stream.
class Responder {
 public:
  class Channel;  // shared with the connection
  explicit Responder(std::shared_ptr<Channel> channel);
  ~Responder();
  Responder(const Responder&) = delete;
  Responder& operator=(const Responder&) = delete;

  /// One complete answer with Content-Length. An empty content_type sends no Content-Type.
  void SendFull(int status, std::string_view content_type, std::string_view body,
                const HttpHeaders& headers = {});
  /// Begins a chunked answer; the head leaves at once.
  void StartStream(int status, std::string_view content_type, const HttpHeaders& headers = {});
  /// One chunk; empty input writes nothing. Chunks that wait for the socket are sent together.
  void Write(std::string_view bytes);
  /// Ends a stream; the connection stays open for the next request when the client allows it.
  void End();
  /// Closes the connection hard (RST) after what was already sent: the client sees a cut answer.
  void Abort();
  /// `callback` runs once, on a server thread, when the client closes before the answer is
  /// complete, or when the server stops; at once, on the calling thread, when that has happened
  /// already. One callback a Responder.
  void OnClientGone(std::function<void()> callback);
  bool ClientGone() const;

 private:
  std::shared_ptr<Channel> channel_;
};

/// A small asynchronous HTTP/1.1 server: keep-alive, pipelining, chunked streams, hundreds of
/// concurrent answers on few threads. Bodies are read whole before the handler runs. Answers by
/// itself: 400 for what is not HTTP, 413 over max_body_bytes, 431 over 64 KiB of header, 500 when
/// the handler throws.
class HttpServer {
 public:
  struct Options {
    std::string host = "127.0.0.1";
    std::uint16_t port = 0;  // 0: the kernel chooses, see port()
    int threads = 1;
    std::size_t max_body_bytes = 64u << 20;
    /// A stream whose client does not read is cut when this much waits for it.
    std::size_t max_unsent_bytes = 64u << 20;
  };
  /// Runs on a server thread and must not block; the Responder may be kept and answered later from
  /// anywhere.
  using Handler = std::function<void(const HttpRequest&, std::shared_ptr<Responder>)>;

  /// Listens and serves from here on. Throws IoError naming host and port.
  HttpServer(const Options& options, Handler handler);
  /// Stop().
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  std::uint16_t port() const;
  /// http://host:port
  std::string url() const;
  /// Closes every connection, joins the threads, tells the waiting OnClientGone callbacks.
  /// Idempotent; not to be called from a handler.
  void Stop();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace kvtier
