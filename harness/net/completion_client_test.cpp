#include "harness/net/completion_client.hpp"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <functional>
#include <future>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "harness/core/error.hpp"
#include "harness/net/http_server.hpp"
#include "harness/net/openai.hpp"

namespace kvtier {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;

constexpr const char* kAnswer =
    "data: {\"id\":\"c\",\"choices\":[{\"text\":\"hi\",\"index\":0}]}\n\n"
    "data: {\"id\":\"c\",\"choices\":[{\"text\":\"\",\"finish_reason\":\"length\"}]}\n\n"
    "data: [DONE]\n\n";

void SendAnswer(Responder& responder) {
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

RunResult RunAll(CompletionClient& client, const std::vector<WireRequest>& requests,
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

CompletionClient::Options For(const std::string& url, int concurrency = 1) {
  CompletionClient::Options options;
  options.url = Url::Parse(url + "/v1/completions");
  options.concurrency = concurrency;
  return options;
}

std::vector<WireRequest> Requests(const CompletionClient::Options& options, std::size_t n,
                                  std::string_view body = "{}") {
  return std::vector<WireRequest>(n, MakeWireRequest(options.url, body, true));
}

CompletionResult RunOne(const CompletionClient::Options& options) {
  CompletionClient client(options);
  RunResult run = RunAll(client, Requests(options, 1));
  EXPECT_EQ(run.finished.size(), 1u);
  return run.finished.at(0).result;
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
    EXPECT_EQ(::bind(listener_, &generic, length), 0);
    EXPECT_EQ(::listen(listener_, 64), 0);
    EXPECT_EQ(::getsockname(listener_, &generic, &length), 0);
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

std::string Chunked(std::string_view body) {
  char size[32];
  std::snprintf(size, sizeof size, "%zx\r\n", body.size());
  return "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: "
         "chunked\r\n\r\n" +
         std::string(size) + std::string(body) + "\r\n0\r\n\r\n";
}

TEST(CompletionClient, StampsInTheOrderOfTheWire) {
  HttpServer server({}, [](const HttpRequest&, std::shared_ptr<Responder> r) { SendAnswer(*r); });
  const auto result = RunOne(For(server.url()));
  ASSERT_EQ(result.outcome, Outcome::kOk) << result.error;
  EXPECT_EQ(result.text, "hi");
  const auto& s = result.stamps;
  EXPECT_EQ(s.scheduled, s.issued);
  EXPECT_LE(*s.issued, *s.sent_first);
  EXPECT_LE(*s.sent_first, *s.sent_last);
  EXPECT_LE(*s.sent_first, *s.header);
  EXPECT_LE(*s.header, *s.first_event);
  EXPECT_LE(*s.first_event, *s.first_text);
  EXPECT_LE(*s.first_text, *s.last_text);
  EXPECT_LE(*s.last_text, *s.done);
  EXPECT_LE(*s.done, *s.closed);
}

TEST(CompletionClient, HttpErrorsAndRedirects) {
  for (const int status : {302, 404, 500, 503}) {
    HttpServer server({}, [status](const HttpRequest&, std::shared_ptr<Responder> r) {
      r->SendFull(status, "application/json", R"({"message":"no","code":1})");
    });
    const auto result = RunOne(For(server.url()));
    EXPECT_EQ(result.outcome, Outcome::kHttpError);
    EXPECT_EQ(result.http_status, status);
    EXPECT_THAT(result.error, HasSubstr(": no"));
  }
}

TEST(CompletionClient, CutStreamIsIncomplete) {
  HttpServer server({}, [](const HttpRequest&, std::shared_ptr<Responder> r) {
    r->StartStream(200, "text/event-stream");
    r->Write(std::string_view(kAnswer).substr(0, 70));
    r->Abort();
  });
  EXPECT_EQ(RunOne(For(server.url())).outcome, Outcome::kIncomplete);
}

TEST(CompletionClient, TotalTimeoutWhenNothingComesAndTheServerSeesUsGo) {
  std::promise<void> gone;
  std::shared_ptr<Responder> kept;
  HttpServer server({}, [&](const HttpRequest&, std::shared_ptr<Responder> r) {
    kept = r;
    r->OnClientGone([&] { gone.set_value(); });
  });
  auto options = For(server.url());
  options.total_timeout = milliseconds(40);
  const auto result = RunOne(options);
  EXPECT_EQ(result.outcome, Outcome::kTimeout);
  EXPECT_THAT(result.error, HasSubstr("40 ms"));
  EXPECT_GE(*result.stamps.closed - *result.stamps.sent_first, 40'000'000);
  EXPECT_EQ(gone.get_future().wait_for(std::chrono::seconds(20)), std::future_status::ready);
}

TEST(CompletionClient, TimeoutsWorkWhileStreaming) {
  // One event and then silence: the stall limit. Events without end: the total limit.
  std::shared_ptr<Responder> kept;
  HttpServer stalled({}, [&](const HttpRequest&, std::shared_ptr<Responder> r) {
    kept = r;
    r->StartStream(200, "text/event-stream");
    r->Write(std::string_view(kAnswer).substr(0, 70));
  });
  auto options = For(stalled.url());
  options.stall_timeout = milliseconds(40);
  const auto stall = RunOne(options);
  EXPECT_EQ(stall.outcome, Outcome::kTimeout);
  EXPECT_THAT(stall.error, HasSubstr("stood still for 40 ms"));
  EXPECT_EQ(stall.text, "hi");  // what came is kept

  HttpServer endless({}, [](const HttpRequest&, std::shared_ptr<Responder> r) {
    r->StartStream(200, "text/event-stream");
    std::thread([r] {
      while (!r->ClientGone()) {
        r->Write(": still here\n\n");
        std::this_thread::yield();
      }
    }).detach();
  });
  options = For(endless.url());
  options.total_timeout = milliseconds(60);
  options.stall_timeout = milliseconds(30'000);
  const auto total = RunOne(options);
  EXPECT_EQ(total.outcome, Outcome::kTimeout);
  EXPECT_THAT(total.error, HasSubstr("within 60 ms"));
}

TEST(CompletionClient, StallLimitDoesNotBoundThePrefill) {
  std::promise<void> asked;
  std::shared_ptr<Responder> kept;
  HttpServer server({}, [&](const HttpRequest&, std::shared_ptr<Responder> r) {
    kept = r;
    r->StartStream(200, "text/event-stream");
    asked.set_value();
  });
  auto options = For(server.url());
  options.stall_timeout = milliseconds(10);
  options.total_timeout = milliseconds(60);
  const auto result = RunOne(options);
  EXPECT_THAT(result.error, HasSubstr("within 60 ms"));
}

TEST(CompletionClient, NoServerIsAConnectError) {
  std::string url;
  {
    RawServer gone([](int, int) {});
    url = gone.url();
  }
  auto options = For(url, 2);
  CompletionClient client(options);
  const auto run = RunAll(client, Requests(options, 50));
  ASSERT_EQ(run.finished.size(), 50u);
  for (const auto& f : run.finished) {
    EXPECT_EQ(f.result.outcome, Outcome::kConnectError);
    EXPECT_EQ(f.result.stamps.sent_first, std::nullopt);
    EXPECT_THAT(f.result.error, HasSubstr("cannot connect to 127.0.0.1"));
  }
}

TEST(CompletionClient, ClosedBeforeTheFirstByteIsAConnectErrorAndGarbageIsAStreamError) {
  RawServer closes([](int fd, int) { RawServer::ReadRequest(fd); });
  const auto closed = RunOne(For(closes.url()));
  EXPECT_EQ(closed.outcome, Outcome::kConnectError);
  EXPECT_NE(closed.stamps.sent_first, std::nullopt);

  RawServer babbles([](int fd, int) {
    RawServer::ReadRequest(fd);
    RawServer::Say(fd, "220 mail.example ESMTP\r\n\r\n");
    RawServer::AwaitClose(fd);
  });
  const auto garbage = RunOne(For(babbles.url()));
  EXPECT_EQ(garbage.outcome, Outcome::kStreamError);
  EXPECT_THAT(garbage.error, HasSubstr("220 mail"));
}

TEST(CompletionClient, AnAnswerMayArriveByteByByte) {
  RawServer slow([](int fd, int) {
    if (!RawServer::ReadRequest(fd)) return;
    const std::string answer = Chunked(kAnswer);
    for (const char& c : answer) RawServer::Say(fd, {&c, 1});
    RawServer::AwaitClose(fd);
  });
  const auto result = RunOne(For(slow.url()));
  EXPECT_EQ(result.outcome, Outcome::kOk) << result.error;
  EXPECT_EQ(result.text, "hi");
}

TEST(CompletionClient, BodyThatEndsWithTheConnection) {
  RawServer server([](int fd, int) {
    if (!RawServer::ReadRequest(fd)) return;
    RawServer::Say(
        fd, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + std::string(kAnswer));
  });
  EXPECT_EQ(RunOne(For(server.url())).outcome, Outcome::kOk);
}

TEST(CompletionClient, LargePromptsGoOutWhole) {
  std::atomic<std::size_t> got{0};
  HttpServer server({}, [&](const HttpRequest& request, std::shared_ptr<Responder> r) {
    got = got + static_cast<std::size_t>(std::count(request.body.begin(), request.body.end(), 'p'));
    SendAnswer(*r);
  });
  const auto options = For(server.url(), 3);
  CompletionClient client(options);
  std::vector<WireRequest> requests;
  for (const std::size_t size : {128u << 10, 512u << 10, 1024u << 10}) {
    requests.push_back(MakeWireRequest(options.url, std::string(size, 'p'), true));
  }
  for (const auto& f : RunAll(client, requests).finished)
    EXPECT_EQ(f.result.outcome, Outcome::kOk) << f.result.error;
  EXPECT_EQ(got, (128u << 10) + (512u << 10) + (1024u << 10));
}

TEST(CompletionClient, EarlyAnswerToALargeBodyIsRead) {
  HttpServer::Options small;
  small.max_body_bytes = 1000;
  HttpServer server(small,
                    [](const HttpRequest&, std::shared_ptr<Responder> r) { SendAnswer(*r); });
  const auto options = For(server.url());
  CompletionClient client(options);
  std::vector<WireRequest> requests{MakeWireRequest(options.url, std::string(4 << 20, 'p'), true),
                                    MakeWireRequest(options.url, "{}", true)};
  const auto run = RunAll(client, requests);
  EXPECT_EQ(run.finished.at(0).result.outcome, Outcome::kHttpError)
      << run.finished.at(0).result.error;
  EXPECT_EQ(run.finished.at(0).result.http_status, 413);
  EXPECT_EQ(run.finished.at(1).result.outcome, Outcome::kOk);
}

TEST(CompletionClient, KeepsConnectionsAndOpensThemBefore) {
  std::atomic<int> requests_seen{0};
  HttpServer server({}, [&](const HttpRequest&, std::shared_ptr<Responder> r) {
    ++requests_seen;
    SendAnswer(*r);
  });
  const auto options = For(server.url(), 4);
  CompletionClient client(options);
  EXPECT_EQ(client.open_connections(), 4);
  EXPECT_EQ(requests_seen, 0);
  const auto first = RunAll(client, Requests(options, 30));
  const auto second = RunAll(client, Requests(options, 30));
  EXPECT_EQ(requests_seen, 60);
  EXPECT_EQ(second.self.connect_ms.size(), 4u);  // never another one
  EXPECT_EQ(first.self.send_delay_ms.size(), 30u);
  EXPECT_EQ(first.finished.size() + second.finished.size(), 60u);
}

TEST(CompletionClient, ReconnectsWhenTheServerClosesBetweenRequests) {
  std::mutex mutex;
  std::condition_variable changed;
  int closed = 0;
  RawServer server([&](int fd, int) {  // one answer a connection, without saying Connection: close
    if (RawServer::ReadRequest(fd)) RawServer::Say(fd, Chunked(kAnswer));
    ::shutdown(fd, SHUT_WR);
    {
      const std::lock_guard lock(mutex);
      ++closed;
    }
    changed.notify_one();
    RawServer::AwaitClose(fd);
  });
  const auto options = For(server.url());
  CompletionClient client(options);
  for (int i = 1; i <= 3; ++i) {
    const auto run = RunAll(client, Requests(options, 1));
    EXPECT_EQ(run.finished.at(0).result.outcome, Outcome::kOk) << run.finished.at(0).result.error;
    EXPECT_EQ(run.self.connect_ms.size(), static_cast<std::size_t>(i));
    std::unique_lock lock(mutex);
    ASSERT_TRUE(changed.wait_for(lock, std::chrono::seconds(20), [&] { return closed == i; }));
  }
}

TEST(CompletionClient, HonoursConnectionClose) {
  RawServer server([](int fd, int) {
    if (!RawServer::ReadRequest(fd)) return;
    std::string answer = Chunked(kAnswer);
    answer.insert(answer.find("\r\n") + 2, "Connection: close\r\n");
    RawServer::Say(fd, answer);
  });
  const auto options = For(server.url());
  CompletionClient client(options);
  const auto run = RunAll(client, Requests(options, 5));
  for (const auto& f : run.finished) EXPECT_EQ(f.result.outcome, Outcome::kOk) << f.result.error;
  EXPECT_EQ(run.self.connect_ms.size(), 5u);
}

/// Holds answers back until `width` requests are here at once, and counts what is in flight.
class Gate {
 public:
  explicit Gate(std::size_t width) : width_(width) {}
  void Handle(std::shared_ptr<Responder> responder) {
    std::vector<std::shared_ptr<Responder>> go;
    {
      const std::lock_guard lock(mutex_);
      waiting_.push_back(std::move(responder));
      most_ = std::max(most_, waiting_.size());
      if (waiting_.size() == width_) go.swap(waiting_);
    }
    for (auto& r : go) SendAnswer(*r);
  }
  std::size_t most() {
    const std::lock_guard lock(mutex_);
    return most_;
  }

 private:
  const std::size_t width_;
  std::mutex mutex_;
  std::vector<std::shared_ptr<Responder>> waiting_;
  std::size_t most_ = 0;
};

TEST(CompletionClient, KeepsExactlyTheConcurrency) {
  constexpr int kWidth = 8;
  Gate gate(kWidth);  // it hangs below the concurrency and would see more than it above
  HttpServer server(
      {}, [&](const HttpRequest&, std::shared_ptr<Responder> r) { gate.Handle(std::move(r)); });
  const auto options = For(server.url(), kWidth);
  CompletionClient client(options);
  const auto run = RunAll(client, Requests(options, 10 * kWidth));
  EXPECT_EQ(gate.most(), static_cast<std::size_t>(kWidth));
  EXPECT_EQ(run.self.max_in_flight, kWidth);
  std::vector<std::size_t> orders;
  for (const auto& f : run.finished) {
    EXPECT_EQ(f.result.outcome, Outcome::kOk);
    EXPECT_EQ(f.index, f.order);
    orders.push_back(f.order);
  }
  std::sort(orders.begin(), orders.end());
  for (std::size_t i = 0; i < orders.size(); ++i) EXPECT_EQ(orders[i], i);
}

TEST(CompletionClient, OpenLoopNeverSendsEarlyAndStaysWithinTheSlots) {
  HttpServer server({}, [](const HttpRequest&, std::shared_ptr<Responder> r) { SendAnswer(*r); });
  const auto options = For(server.url(), 2);
  CompletionClient client(options);
  auto requests = Requests(options, 20);
  for (std::size_t i = 0; i < requests.size(); ++i)
    requests[i].send_offset_ns = static_cast<MonoNs>(i) * 3'000'000;
  const auto run = RunAll(client, requests);
  EXPECT_LE(run.self.max_in_flight, 2);
  EXPECT_EQ(run.self.pool_wait_ms.size(), 20u);
  for (const auto& f : run.finished) {
    EXPECT_EQ(f.result.stamps.scheduled, run.self.start + *requests[f.index].send_offset_ns);
    EXPECT_GE(*f.result.stamps.sent_first, *f.result.stamps.scheduled);
  }
}

TEST(CompletionClient, StopCancelsWhatIsInFlightAndSendsNoMore) {
  std::stop_source stop;
  std::mutex mutex;
  std::vector<std::shared_ptr<Responder>> held;
  HttpServer server({}, [&](const HttpRequest&, std::shared_ptr<Responder> r) {
    const std::lock_guard lock(mutex);
    held.push_back(std::move(r));
    if (held.size() == 3) stop.request_stop();
  });
  const auto options = For(server.url(), 3);
  CompletionClient client(options);
  const auto run = RunAll(client, Requests(options, 100), stop.get_token());
  ASSERT_EQ(run.finished.size(), 3u);
  EXPECT_EQ(run.self.issued, 3u);
  for (const auto& f : run.finished) EXPECT_EQ(f.result.outcome, Outcome::kCancelled);
  const auto stopped_before = RunAll(client, Requests(options, 5), stop.get_token());
  EXPECT_TRUE(stopped_before.finished.empty());
}

TEST(CompletionClient, AnExceptionOfTheCallerEndsTheRun) {
  HttpServer server({}, [](const HttpRequest&, std::shared_ptr<Responder> r) { SendAnswer(*r); });
  const auto options = For(server.url(), 2);
  CompletionClient client(options);
  const auto requests = Requests(options, 100'000);
  EXPECT_THROW(client.Run(requests, [](FinishedExchange&&) { throw DataError("disk full"); }),
               DataError);
}

TEST(CompletionClient, TooFewDescriptorsIsOneClearError) {
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  HttpServer server({}, [](const HttpRequest&, std::shared_ptr<Responder>) {});
  rlimit few = before;
  few.rlim_cur = 40;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
  std::string error;
  try {
    CompletionClient client(For(server.url(), 100));
  } catch (const IoError& e) {
    error = e.what();
  }
  setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_THAT(error, HasSubstr("ulimit -n"));
}

}  // namespace
}  // namespace kvtier
