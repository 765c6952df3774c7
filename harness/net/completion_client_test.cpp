#include "harness/net/completion_client.hpp"

#include <atomic>
#include <chrono>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include "harness/core/error.hpp"
#include "harness/net/completion_client_kit.hpp"
#include "harness/net/http_server.hpp"

namespace kvtier::test {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;

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

}  // namespace
}  // namespace kvtier::test
