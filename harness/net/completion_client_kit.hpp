#pragma once
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <functional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "harness/net/completion_client.hpp"
#include "harness/net/http_server.hpp"
#include "harness/net/openai.hpp"

/// For the tests of the completion client: an answer, a run, and servers that misbehave.
namespace kvtier::test {

inline constexpr const char* kAnswer =
    "data: {\"id\":\"c\",\"choices\":[{\"text\":\"hi\",\"index\":0}]}\n\n"
    "data: {\"id\":\"c\",\"choices\":[{\"text\":\"\",\"finish_reason\":\"length\"}]}\n\n"
    "data: [DONE]\n\n";

inline void SendAnswer(Responder& responder) {
  responder.StartStream(200, "text/event-stream");
  responder.Write(kAnswer);
  responder.End();
}

struct Finished {
  std::size_t index = 0, order = 0;
  int slot = 0;
  CompletionResult result;
};

struct RunResult {
  std::vector<Finished> finished;
  ClientSelf self;
};

inline RunResult RunAll(CompletionClient& client, const std::vector<WireRequest>& requests,
                        std::stop_token stop = {}) {
  RunResult run;
  CompletionParser parser;
  run.self = client.Run(
      requests,
      [&](FinishedExchange&& e) {
        run.finished.push_back({e.index, e.order, e.slot, AnalyseExchange(e.raw, parser)});
      },
      stop);
  return run;
}

inline CompletionClient::Options For(const std::string& url, int concurrency = 1) {
  CompletionClient::Options options;
  options.url = Url::Parse(url + "/v1/completions");
  options.concurrency = concurrency;
  return options;
}

inline std::vector<WireRequest> Requests(const CompletionClient::Options& options, std::size_t n,
                                         std::string_view body = "{}") {
  return std::vector<WireRequest>(n, MakeWireRequest(options.url, body, true));
}

inline CompletionResult RunOne(const CompletionClient::Options& options) {
  CompletionClient client(options);
  RunResult run = RunAll(client, Requests(options, 1));
  if (run.finished.size() != 1) throw std::logic_error("one request did not end once");
  return run.finished.front().result;
}

/// A TCP server that says exactly the bytes it was told to, for what an HTTP server would never do.
/// One connection at a time: `serve` gets the socket; the connection closes when it returns.
class RawServer {
 public:
  explicit RawServer(std::function<void(int fd, int connection)> serve) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    sockaddr generic{};
    std::memcpy(&generic, &address, sizeof generic);
    if (::bind(listener_, &generic, length) != 0 || ::listen(listener_, 64) != 0 ||
        ::getsockname(listener_, &generic, &length) != 0)
      throw std::system_error(errno, std::generic_category(), "no socket for a test");
    std::memcpy(&address, &generic, sizeof address);
    port_ = ntohs(address.sin_port);
    thread_ = std::jthread([this, serve = std::move(serve)] {
      for (int n = 0;; ++n) {
        const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
        if (fd < 0) return;
        serve(fd, n);
        ::close(fd);
      }
    });
  }
  ~RawServer() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
  }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }

  /// Reads one request with an empty or small body; false at the end of the connection.
  static bool ReadRequest(int fd) {
    std::string got;
    char buffer[4096];
    while (got.find("\r\n\r\n{}") == std::string::npos) {
      const ssize_t n = ::recv(fd, buffer, sizeof buffer, 0);
      if (n <= 0) return false;
      got.append(buffer, static_cast<std::size_t>(n));
    }
    return true;
  }
  static void Say(int fd, std::string_view bytes) {
    ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  }
  /// Returns when the client has closed.
  static void AwaitClose(int fd) {
    char c = 0;
    while (::recv(fd, &c, 1, 0) > 0) {
    }
  }

 private:
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::jthread thread_;
};

inline std::string Chunked(std::string_view body) {
  char size[32];
  std::snprintf(size, sizeof size, "%zx\r\n", body.size());
  return "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: "
         "chunked\r\n\r\n" +
         std::string(size) + std::string(body) + "\r\n0\r\n\r\n";
}

}  // namespace kvtier::test
