#pragma once
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "harness/net/http_server.hpp"

namespace kvtier {

class HttpConnection;  // in http_server.cpp, the one file that knows how bytes get to the socket

/// What a Responder and its connection share. It keeps the connection alive until the answer is
/// complete, the client is gone or the server stops; then it lets go under the mutex, so a
/// Responder may outlive both.
class Responder::Channel {
 public:
  std::mutex mutex;
  std::shared_ptr<HttpConnection> connection;
  std::string pending;  // framed bytes not yet taken by the connection
  bool flush_posted = false;
  bool head_sent = false;
  bool streaming = false;
  bool ended = false;  // the answer is complete
  bool aborted = false;
  bool gone = false;
  bool keep_alive = true;
  bool head_only = false;  // HEAD: no body bytes
  bool http10 = false;     // no chunked coding: the body ends with the connection
  std::size_t max_unsent = 0;
  std::function<void()> on_gone;

  /// With the mutex held.
  bool Writable() const { return connection != nullptr && !ended && !aborted && !gone; }
  /// With the mutex held: the connection takes `pending` soon.
  void PostFlush();
  /// Without the mutex. Detaches; the waiting callback runs here.
  void ClientIsGone();
};

}  // namespace kvtier
