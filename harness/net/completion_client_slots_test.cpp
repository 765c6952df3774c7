// Connections, slots and the end of a run; what an answer is stands in completion_client_test.cpp.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <stop_token>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "harness/core/error.hpp"
#include "harness/net/completion_client.hpp"
#include "harness/net/completion_client_kit.hpp"
#include "harness/net/http_server.hpp"

namespace kvtier::test {
namespace {

using ::testing::HasSubstr;

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

TEST(CompletionClient, ARequestFollowsAnotherAndOnlyAnEarlierOne) {
  HttpServer server({}, [](const HttpRequest&, std::shared_ptr<Responder> r) { SendAnswer(*r); });
  const auto options = For(server.url(), 3);
  CompletionClient client(options);
  auto requests = Requests(options, 30);
  for (std::size_t i = 3; i < requests.size(); ++i) requests[i].after = i - 3;  // three chains
  const auto run = RunAll(client, requests);
  ASSERT_EQ(run.finished.size(), 30u);
  std::vector<MonoNs> over(30);
  for (const auto& f : run.finished) {
    over[f.index] = *f.result.stamps.closed;
    if (f.index < 3) continue;
    EXPECT_EQ(f.result.stamps.scheduled, over[f.index - 3]) << f.index;
  }
  EXPECT_EQ(run.self.pool_wait_ms.size(), 27u);  // of those that had a due moment
  requests[4].after = 4;
  EXPECT_THROW(RunAll(client, requests), ConfigError);
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
}  // namespace kvtier::test
