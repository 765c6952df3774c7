// Requests that wait for another: sessions with think time, in closed and open loops.
#include <algorithm>
#include <map>
#include <mutex>
#include <stop_token>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/core/error.hpp"
#include "harness/load/runner.hpp"
#include "harness/net/http_server.hpp"

namespace kvtier {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

constexpr std::int64_t kMs = 1'000'000;

/// Answers at once; a body that holds "fail" with an error.
class SessionServer {
 public:
  SessionServer()
      : server_({}, [](const HttpRequest& request, std::shared_ptr<Responder> r) {
          if (request.body.find("fail") != std::string::npos)
            return r->SendFull(500, "application/json", R"({"message":"broken"})");
          r->StartStream(200, "text/event-stream");
          r->Write("data: {\"choices\":[{\"text\":\"hi\",\"finish_reason\":\"stop\"}]}\n\n");
          r->Write("data: [DONE]\n\n");
          r->End();
        }) {}
  RunnerOptions Options() const {
    RunnerOptions options;
    options.url = Url::Parse(server_.url() + "/v1/completions");
    options.model = "m";
    return options;
  }

 private:
  HttpServer server_;
};

PlannedRequest Turn(std::optional<int> after, std::int64_t think_ns = 0,
                    std::optional<std::int64_t> offset_ns = std::nullopt) {
  PlannedRequest request;
  request.prompt = "turn";
  request.after = after;
  request.think_time_ns = think_ns;
  request.arrival_offset_ns = offset_ns;
  return request;
}

struct SessionRun {
  PhaseRun run;
  std::map<int, RequestRecord> by_place;  // position in the phase, from 0
  std::vector<int> sent;                  // positions in the order of sending
};

SessionRun RunSessions(const RunnerOptions& options, const PhasePlan& phase) {
  SessionRun result;
  std::map<int, int> sent;
  result.run = RunPhase(options, phase,
                        {.on_record =
                             [&](RequestRecord&& r) {
                               sent[r.request_index] = r.phase_request_index - 1;
                               result.by_place[r.phase_request_index - 1] = std::move(r);
                             },
                         .on_progress = {}});
  for (const auto& [order, place] : sent) result.sent.push_back(place);
  return result;
}

/// Every request that waits was due exactly when the rule says, and never sent before.
void ExpectDueMoments(const SessionRun& result, const PhasePlan& phase) {
  ASSERT_EQ(result.by_place.size(), phase.requests.size());
  for (const auto& [place, record] : result.by_place) {
    const auto& planned = phase.requests[static_cast<std::size_t>(place)];
    EXPECT_GE(*record.stamps.sent_first, *record.stamps.scheduled) << place;
    if (!planned.after) continue;
    MonoNs due = *result.by_place.at(*planned.after).stamps.closed + planned.think_time_ns;
    if (planned.arrival_offset_ns)
      due = std::max(due, result.run.start + *planned.arrival_offset_ns);
    EXPECT_EQ(*record.stamps.scheduled, due) << place;
  }
}

TEST(Sessions, ATurnWaitsForTheOneBeforeEvenWhenThatFailed) {
  const SessionServer server;
  PhasePlan phase{.name = "turns", .concurrency = 2, .include_in_overall = true, .requests = {}};
  for (int session = 0; session < 5; ++session) {
    for (int turn = 0; turn < 4; ++turn)
      phase.requests.push_back(
          Turn(turn == 0 ? std::nullopt : std::optional(4 * session + turn - 1), turn * kMs / 2));
  }
  phase.requests[5].prompt = "fail";
  const SessionRun result = RunSessions(server.Options(), phase);
  ExpectDueMoments(result, phase);
  EXPECT_EQ(result.by_place.at(5).outcome, Outcome::kHttpError);
  EXPECT_EQ(result.by_place.at(6).outcome, Outcome::kOk);
  EXPECT_EQ(result.run.issued, 20);
  EXPECT_FALSE(result.run.stopped);
  EXPECT_LE(result.run.client.max_in_flight, 2);
}

TEST(Sessions, OfThoseThatAreDueTheFirstOfThePlanGoesFirst) {
  const SessionServer server;
  // Session by session: with one slot and no think time each is finished before the next begins.
  PhasePlan phase{.name = "deep", .concurrency = 1, .include_in_overall = true, .requests = {}};
  phase.requests = {Turn({}), Turn(0), Turn(1), Turn({}), Turn(3), Turn(0)};
  EXPECT_THAT(RunSessions(server.Options(), phase).sent, ElementsAre(0, 1, 2, 3, 4, 5));
  // Round by round: all first turns, then all second ones, in the order of the plan.
  phase.requests = {Turn({}), Turn({}), Turn({}), Turn(2), Turn(1), Turn(0)};
  EXPECT_THAT(RunSessions(server.Options(), phase).sent, ElementsAre(0, 1, 2, 3, 4, 5));
}

TEST(Sessions, NobodyHoldsTheSlotWhileThinking) {
  const SessionServer server;
  PhasePlan phase{.name = "think", .concurrency = 1, .include_in_overall = true, .requests = {}};
  phase.requests = {Turn({}), Turn({}), Turn({}), Turn(0, 40 * kMs), Turn(1, 20 * kMs)};
  const SessionRun result = RunSessions(server.Options(), phase);
  ExpectDueMoments(result, phase);
  EXPECT_THAT(std::vector<int>(result.sent.begin(), result.sent.begin() + 3), ElementsAre(0, 1, 2));
}

TEST(Sessions, OffsetAndPredecessorTheLaterHolds) {
  const SessionServer server;
  PhasePlan phase{.name = "open", .concurrency = 4, .include_in_overall = true, .requests = {}};
  phase.requests = {
      Turn({}, 0, 6 * kMs),                    // not before 6 ms, and its followers not before it
      Turn(0, 3 * kMs, 0),                     // long due by its offset
      Turn(0, 0, 40 * kMs),                    // by its offset
      Turn({}, 0, 0),       Turn(3, 2 * kMs),  // without one
  };
  const SessionRun result = RunSessions(server.Options(), phase);
  ExpectDueMoments(result, phase);
  EXPECT_EQ(*result.by_place.at(0).stamps.scheduled, result.run.start + 6 * kMs);
  EXPECT_EQ(*result.by_place.at(3).stamps.scheduled, result.run.start);
  EXPECT_EQ(result.sent.front(), 3);
}

TEST(Sessions, ALongChainOverAServerThatIsGoneEnds) {
  RunnerOptions options;
  {
    const SessionServer server;
    options = server.Options();
  }
  PhasePlan phase{.name = "gone", .concurrency = 1, .include_in_overall = true, .requests = {}};
  for (int i = 0; i < 3000; ++i)
    phase.requests.push_back(Turn(i == 0 ? std::nullopt : std::optional(i - 1)));
  const SessionRun result = RunSessions(options, phase);
  EXPECT_EQ(result.by_place.size(), 3000u);
  for (const auto& [place, record] : result.by_place)
    EXPECT_EQ(record.outcome, Outcome::kConnectError);
}

TEST(Sessions, StopDoesNotWaitForAnybodysThinking) {
  const SessionServer server;
  PhasePlan phase{.name = "stop", .concurrency = 1, .include_in_overall = true, .requests = {}};
  phase.requests = {Turn({}), Turn(0, 3'600'000 * kMs)};  // an hour
  std::stop_source stop;
  const PhaseRun run =
      RunPhase(server.Options(), phase,
               {.on_record = [&](RequestRecord&&) { stop.request_stop(); }, .on_progress = {}},
               stop.get_token());
  EXPECT_EQ(run.issued, 1);
  EXPECT_TRUE(run.stopped);
}

TEST(Sessions, WhatCannotBeWaitedForIsSaid) {
  const SessionServer server;
  const auto refuse = [&](std::vector<PlannedRequest> requests, const char* why) {
    PhasePlan phase{.name = "bad", .concurrency = 1, .include_in_overall = true, .requests = {}};
    phase.requests = std::move(requests);
    EXPECT_THAT([&] { RunPhase(server.Options(), phase, {}); },
                ThrowsMessage<ConfigError>(HasSubstr(why)));
  };
  refuse({Turn(1), Turn(0)}, "request 1 of phase bad waits for request 2");  // a cycle
  refuse({Turn({}), Turn(1)}, "waits for request 2");                        // itself
  refuse({Turn({}), Turn(2), Turn({})}, "an earlier one of its phase");      // a later one
  refuse({Turn({}), Turn(-1)}, "waits for request 0");
  refuse({Turn({}), Turn(0, -1)}, "negative think time");
  refuse({Turn({}, 0, -5)}, "negative");
  refuse({Turn({}, 0, 5), Turn({}), Turn(0)}, "1 of 2 requests that wait for no other");
}

}  // namespace
}  // namespace kvtier
