#include <chrono>
#include <condition_variable>
#include <future>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include "harness/core/error.hpp"
#include "harness/net/http_client.hpp"
#include "harness/net/http_server.hpp"

namespace kvtier {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

constexpr milliseconds kPatience{20'000};  // nothing waits this long unless it hangs

HttpServer::Options Quick() {
  return {};
}
Url At(const HttpServer& server, std::string_view target) {
  return Url::Parse(server.url() + std::string(target));
}

/// What a streaming POST reported, with a way to wait for its end.
struct Told {
  std::promise<std::string> end;
  std::promise<int> status;
  std::mutex mutex;
  std::string data;
  HttpStreamCallbacks Callbacks() {
    return {.on_headers = [this](int s, const HttpHeaders&) { status.set_value(s); },
            .on_data =
                [this](std::string_view bytes) {
                  const std::lock_guard lock(mutex);
                  data += bytes;
                },
            .on_end = [this](const std::string& error) { end.set_value(error); }};
  }
  std::string WaitEnd() {
    auto future = end.get_future();
    if (future.wait_for(kPatience) != std::future_status::ready) return "never ended";
    return future.get();
  }
};

TEST(HttpServer, AnswersGetAndPost) {
  HttpServer server(Quick(), [](const HttpRequest& request, std::shared_ptr<Responder> responder) {
    responder->SendFull(request.method == "GET" ? 200 : 201, "text/plain",
                        request.method + " " + std::string(request.path()) + " " +
                            std::string(FindHeader(request.headers, "x-test")) + " " + request.body,
                        {{"X-Request-Id", "42"}});
  });
  const auto got = HttpGet(At(server, "/a/b?c=d"), kPatience, {{"X-Test", "yes"}});
  EXPECT_EQ(got.status, 200);
  EXPECT_EQ(got.body, "GET /a/b yes ");
  EXPECT_EQ(FindHeader(got.headers, "x-request-id"), "42");
  EXPECT_EQ(FindHeader(got.headers, "content-type"), "text/plain");
  const auto posted = HttpPost(At(server, "/p"), "body", kPatience);
  EXPECT_EQ(posted.status, 201);
  EXPECT_EQ(posted.body, "POST /p  body");
}

TEST(HttpServer, CarriesLargeBodiesBothWays) {
  HttpServer server(Quick(), [](const HttpRequest& request, std::shared_ptr<Responder> responder) {
    responder->SendFull(200, "text/plain", request.body);
  });
  const std::string big(3 << 20, 'x');
  EXPECT_EQ(HttpPost(At(server, "/"), big, kPatience).body, big);
}

TEST(HttpServer, RefusesByItself) {
  HttpServer::Options options;
  options.max_body_bytes = 1000;
  HttpServer server(options, [](const HttpRequest& request, std::shared_ptr<Responder>) {
    if (request.path() == "/throw") throw std::runtime_error("inside");
  });
  EXPECT_EQ(HttpPost(At(server, "/"), std::string(2000, 'x'), kPatience).status, 413);
  EXPECT_EQ(HttpGet(At(server, "/"), kPatience, {{"X", std::string(70'000, 'x')}}).status, 431);
  const auto thrown = HttpGet(At(server, "/throw"), kPatience);
  EXPECT_EQ(thrown.status, 500);
  EXPECT_THAT(thrown.body, ::testing::Not(HasSubstr("inside")));
  EXPECT_EQ(HttpGet(At(server, "/dropped"), kPatience).status,
            500);  // the Responder was let go unanswered
}

TEST(HttpServer, TakenPortIsAnErrorThatNamesIt) {
  HttpServer server(Quick(), [](const HttpRequest&, std::shared_ptr<Responder>) {});
  HttpServer::Options same;
  same.port = server.port();
  EXPECT_THAT(
      [&] { HttpServer second(same, [](const HttpRequest&, std::shared_ptr<Responder>) {}); },
      ThrowsMessage<IoError>(HasSubstr(std::to_string(server.port()))));
}

TEST(HttpClient, NamesTheUrlThatFailed) {
  std::uint16_t port = 0;
  {
    HttpServer server(Quick(), [](const HttpRequest&, std::shared_ptr<Responder>) {});
    port = server.port();
  }
  const Url gone = Url::Parse("http://127.0.0.1:" + std::to_string(port) + "/health");
  EXPECT_THAT([&] { HttpGet(gone, kPatience); },
              ThrowsMessage<IoError>(HasSubstr(gone.ToString())));

  std::shared_ptr<Responder> kept;
  std::mutex mutex;
  HttpServer silent(Quick(), [&](const HttpRequest&, std::shared_ptr<Responder> responder) {
    const std::lock_guard lock(mutex);
    kept = std::move(responder);
  });
  EXPECT_THAT([&] { HttpGet(At(silent, "/never"), milliseconds(50)); },
              ThrowsMessage<IoError>(HasSubstr("50 ms")));
}

TEST(HttpServer, StreamsFromAnotherThreadAndRelays) {
  std::vector<std::jthread> writers;
  std::mutex mutex;
  HttpServer worker(Quick(), [&](const HttpRequest& request, std::shared_ptr<Responder> responder) {
    const std::lock_guard lock(mutex);
    writers.emplace_back([responder, count = std::stoi(request.body)] {
      responder->StartStream(200, "text/event-stream");
      for (int i = 0; i < count; ++i) responder->Write("data: " + std::to_string(i) + "\n\n");
      responder->Write("");
      responder->End();
      responder->Write("too late");
    });
  });
  Told told;
  HttpStreamClient client;
  client.Post(At(worker, "/generate"), "500", {}, told.Callbacks());
  EXPECT_EQ(told.WaitEnd(), "");
  EXPECT_EQ(told.status.get_future().get(), 200);
  std::string expected;
  for (int i = 0; i < 500; ++i) expected += "data: " + std::to_string(i) + "\n\n";
  EXPECT_EQ(told.data, expected);
}

TEST(HttpServer, HundredsOfStreamsAtOnce) {
  constexpr int kStreams = 300;
  std::mutex mutex;
  std::condition_variable all_here;
  std::vector<std::shared_ptr<Responder>> open;
  HttpServer::Options options;
  options.threads = 2;
  HttpServer server(options, [&](const HttpRequest&, std::shared_ptr<Responder> responder) {
    responder->StartStream(200, "text/plain");
    const std::lock_guard lock(mutex);
    open.push_back(std::move(responder));
    all_here.notify_one();
  });
  HttpStreamClient client;
  std::vector<Told> told(kStreams);
  for (auto& t : told) client.Post(At(server, "/"), "x", {}, t.Callbacks());
  {
    std::unique_lock lock(mutex);
    ASSERT_TRUE(all_here.wait_for(lock, kPatience, [&] { return open.size() == kStreams; }));
  }
  for (int round = 0; round < 3; ++round) {
    for (auto& responder : open) responder->Write("abc");
  }
  for (auto& responder : open) responder->End();
  for (auto& t : told) {
    EXPECT_EQ(t.WaitEnd(), "");
    EXPECT_EQ(t.data, "abcabcabc");
  }
}

TEST(HttpServer, AbortCutsTheStreamAfterWhatWasSent) {
  HttpServer server(Quick(), [](const HttpRequest&, std::shared_ptr<Responder> responder) {
    responder->StartStream(200, "text/plain");
    responder->Write("part");
    responder->Abort();
  });
  Told told;
  HttpStreamClient client;
  client.Post(At(server, "/"), "", {}, told.Callbacks());
  EXPECT_THAT(told.WaitEnd(), HasSubstr("failed"));
}

TEST(HttpServer, LettingAnOpenStreamGoCutsIt) {
  HttpServer server(Quick(), [](const HttpRequest&, std::shared_ptr<Responder> responder) {
    responder->StartStream(200, "text/plain");
    responder->Write("part");
  });
  Told told;
  HttpStreamClient client;
  client.Post(At(server, "/"), "", {}, told.Callbacks());
  EXPECT_THAT(told.WaitEnd(), HasSubstr("failed"));
}

TEST(HttpServer, SeesTheClientGo) {
  std::promise<void> gone;
  std::shared_ptr<Responder> kept;
  HttpServer server(Quick(), [&](const HttpRequest&, std::shared_ptr<Responder> responder) {
    kept = responder;
    responder->OnClientGone([&] { gone.set_value(); });
    responder->StartStream(200, "text/plain");
  });
  Told told;
  HttpStreamClient client;
  const auto stream = client.Post(At(server, "/"), "", {}, told.Callbacks());
  ASSERT_EQ(told.status.get_future().get(), 200);
  EXPECT_FALSE(kept->ClientGone());
  stream->Cancel();
  EXPECT_EQ(told.WaitEnd(), "cancelled");
  ASSERT_EQ(gone.get_future().wait_for(kPatience), std::future_status::ready);
  EXPECT_TRUE(kept->ClientGone());
  kept->Write("into the void");
  bool at_once = false;
  kept->OnClientGone([&] { at_once = true; });
  EXPECT_TRUE(at_once);
}

TEST(HttpServer, StopTellsOpenStreamsAndRespondersOutliveIt) {
  std::promise<void> arrived;
  int told_gone = 0;
  std::shared_ptr<Responder> kept;
  Told told;
  HttpStreamClient client;
  {
    HttpServer server(Quick(), [&](const HttpRequest&, std::shared_ptr<Responder> responder) {
      kept = responder;
      responder->OnClientGone([&] { ++told_gone; });
      arrived.set_value();
    });
    client.Post(At(server, "/"), "", {}, told.Callbacks());
    arrived.get_future().wait();
  }
  EXPECT_EQ(told_gone, 1);
  EXPECT_TRUE(kept->ClientGone());
  kept->SendFull(200, "text/plain", "nobody");
  EXPECT_THAT(told.WaitEnd(), HasSubstr("failed"));
}

TEST(HttpStreamClient, EndsEveryStreamWhenItGoes) {
  std::shared_ptr<Responder> kept;
  std::promise<void> arrived;
  HttpServer server(Quick(), [&](const HttpRequest&, std::shared_ptr<Responder> responder) {
    kept = std::move(responder);
    arrived.set_value();
  });
  Told told;
  std::shared_ptr<HttpStream> handle;
  {
    HttpStreamClient client;
    handle = client.Post(At(server, "/"), "", {}, told.Callbacks());
    arrived.get_future().wait();
  }
  EXPECT_EQ(told.WaitEnd(), "cancelled");
  handle->Cancel();  // outlives its client
}

TEST(HttpStreamClient, TimesOutOnSilenceAndReportsRefusal) {
  std::shared_ptr<Responder> kept;
  std::uint16_t port = 0;
  HttpStreamClient client;
  {
    HttpServer server(Quick(), [&](const HttpRequest&, std::shared_ptr<Responder> responder) {
      kept = responder;
      responder->StartStream(200, "text/plain");
      responder->Write("first");
    });
    port = server.port();
    Told told;
    client.Post(At(server, "/"), "", {}, told.Callbacks(), milliseconds(40));
    EXPECT_THAT(told.WaitEnd(), HasSubstr("sent nothing for 40 ms"));
    EXPECT_EQ(told.data, "first");
  }
  Told refused;
  client.Post(Url::Parse("http://127.0.0.1:" + std::to_string(port)), "", {}, refused.Callbacks());
  EXPECT_THAT(refused.WaitEnd(), HasSubstr("failed"));
}

}  // namespace
}  // namespace kvtier
