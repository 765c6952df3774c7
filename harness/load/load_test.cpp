#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "harness/core/error.hpp"
#include "harness/core/files.hpp"
#include "harness/load/record.hpp"
#include "harness/load/runner.hpp"
#include "harness/net/http_server.hpp"

namespace kvtier {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

RequestRecord Sample() {
  RequestRecord r;
  r.request_index = 12;
  r.phase = "replay";
  r.phase_request_index = 3;
  r.worker_idx = 2;
  r.planned.prompt_id = "p3";
  r.planned.prompt_set = "rehydrate";
  r.planned.target_tokens = 550;
  r.planned.prompt_tokens_est = 551;
  r.planned.params.max_tokens = 8;
  r.planned.params.temperature = 0.2;
  r.planned.params.seed = 7;
  r.planned.extras.ignore_eos = true;
  r.planned.identity = {"a", "b", "c", "d", "e"};
  r.planned.metadata = {"rehydrate_replay", "populate_or_replay", 1, 512};
  r.planned.prefix_hash = "f00d";
  r.planned.session_id = "s3";
  r.planned.arrival_offset_ns = 1'500'000;
  r.planned.after = 4;
  r.planned.think_time_ns = 700'000;
  r.outcome = Outcome::kOk;
  r.http_status = 200;
  r.stamps.scheduled = 9'000'000;
  r.stamps.issued = 9'500'000;
  r.stamps.sent_first = 10'000'000;
  r.stamps.sent_last = 10'100'000;
  r.stamps.header = 11'000'000;
  r.stamps.first_event = 20'000'000;
  r.stamps.first_text = 30'123'456;
  r.stamps.last_text = 100'123'456;
  r.stamps.usage = 101'000'000;
  r.stamps.done = 101'000'000;
  r.stamps.closed = 102'000'000;
  r.chunks = {{30'123'456, 190, 1}, {100'123'456, 380, 2}};
  r.text = "h\xC3\xA9llo, you";
  r.output_sha256 = Sha256Hex(r.text);
  r.usage = TokenUsage{551, 8, 544};
  r.finish_reason = "length";
  r.first_event_type = "token";
  r.request_id = "rid";
  r.response_id = "cmpl-1";
  r.response_model = "small";
  r.header_hints = {{"x-request-id", "rid"}};
  r.start_utc = "2026-11-22T01:45:10.159+00:00";
  r.end_utc = "2026-11-22T01:45:10.251+00:00";
  return r;
}

TEST(RequestRecord, DerivesEveryMetricFromStamps) {
  const RequestRecord r = Sample();
  EXPECT_DOUBLE_EQ(*r.TtfcMs(), 20.123456);
  EXPECT_DOUBLE_EQ(*r.E2eMs(), 90.123456);
  EXPECT_DOUBLE_EQ(*r.TtfbMs(), 1.0);
  EXPECT_DOUBLE_EQ(*r.TpotMs(), 10.0);  // 70 ms over 8 - 1 tokens
  EXPECT_DOUBLE_EQ(*r.LatencyMs(), 92.0);
  EXPECT_DOUBLE_EQ(*r.SendDelayMs(), 1.0);
  EXPECT_DOUBLE_EQ(*r.TtfcCoMs(), *r.TtfcMs() + 1.0);
  EXPECT_DOUBLE_EQ(*r.E2eCoMs(), *r.E2eMs() + 1.0);
}

TEST(RequestRecord, OnlyOkRequestsHaveLatencyFigures) {
  RequestRecord r = Sample();
  r.outcome = Outcome::kIncomplete;
  EXPECT_FALSE(r.TtfcMs() || r.E2eMs() || r.TtfbMs() || r.TpotMs() || r.TtfcCoMs() || r.E2eCoMs());
  EXPECT_TRUE(r.LatencyMs());  // how long it took to fail
  r = Sample();
  r.usage->completion_tokens = 1;
  EXPECT_FALSE(r.TpotMs());
  r.usage.reset();
  EXPECT_FALSE(r.TpotMs());
  r.stamps.first_text.reset();
  EXPECT_FALSE(r.TtfcMs());
}

TEST(RequestRecord, RowHasTheDocumentedKeys) {
  const json row = ToJson(Sample());
  EXPECT_EQ(row.at("latency_ms"), 92.0);
  EXPECT_EQ(row.at("ttfc_ms"), 20.123);
  EXPECT_EQ(row.at("ttft_ms"), 20.123);
  EXPECT_EQ(row.at("ttfb_ms"), 1.0);
  EXPECT_EQ(row.at("status_code"), 200);
  EXPECT_EQ(row.at("output_len_chars"), 10);  // code points
  EXPECT_EQ(row.at("output_tokens_est"), 3);  // hello / , / you
  EXPECT_EQ(row.at("max_tokens_effective"), 8);
  EXPECT_EQ(
      row.at("generation_params"),
      json::parse(
          R"({"max_tokens":8,"temperature":0.2,"top_p":1.0,"stop":["<|eot_id|>"],"stream":true,"seed":7})"));
  EXPECT_EQ(row.at("chunks"), json::parse("[[30123456,190,1],[100123456,380,2]]"));
  EXPECT_EQ(row.at("stamps").at("first_text"), 30'123'456);
  EXPECT_EQ(row.at("session_turn_index"), 1);
  EXPECT_TRUE(row.at("error").is_null());
  EXPECT_TRUE(row.at("response_path").is_null());
  EXPECT_FALSE(row.contains("prompt"));
}

TEST(RequestRecord, RoundTripsThroughItsRow) {
  for (const bool failed : {false, true}) {
    RequestRecord r = Sample();
    if (failed) {
      r.outcome = Outcome::kConnectError;
      r.error = "no connection";
      r.stamps = {};
      r.stamps.issued = 5;
      r.chunks.clear();
      r.usage.reset();
      r.planned.prefix_hash.reset();
      r.planned.metadata = {};
      r.planned.params.seed.reset();
    }
    const json row = ToJson(r);
    const RequestRecord back = RecordFromJson(json::parse(row.dump()));
    EXPECT_EQ(ToJson(back), row);
    EXPECT_EQ(back.stamps, r.stamps);
    EXPECT_EQ(back.chunks, r.chunks);
    EXPECT_EQ(back.usage, r.usage);
    EXPECT_EQ(back.outcome, r.outcome);
    EXPECT_EQ(back.text, r.text);
    EXPECT_EQ(back.planned.after, r.planned.after);
    EXPECT_EQ(back.planned.think_time_ns, r.planned.think_time_ns);
  }
}

TEST(RequestRecord, BadRowsNameTheKey) {
  const auto broken = [](const std::function<void(json&)>& change) {
    json row = ToJson(Sample());
    change(row);
    return row;
  };
  const std::vector<std::pair<json, std::string>> cases{
      {broken([](json& j) { j.erase("phase"); }), "'phase'"},
      {broken([](json& j) { j["outcome"] = "fine"; }), "fine"},
      {broken([](json& j) { j["stamps"]["header"] = "soon"; }), "stamps.header"},
      {broken([](json& j) { j["schema_version"] = 9; }), "schema_version 9"},
      {broken([](json& j) {
         j["chunks"] = {{1, 2}};
       }),
       "'chunks'"},
      {broken([](json& j) { j["generation_params"].erase("top_p"); }), "generation_params.top_p"},
      {json::array(), "not an object"},
  };
  for (const auto& [row, key] : cases) {
    EXPECT_THAT([&row = row] { RecordFromJson(row); }, ThrowsMessage<DataError>(HasSubstr(key)));
  }
}

// ---- the runner

/// Answers each request with its own body's prompt length as text, or as `mode` says.
class Answering {
 public:
  Answering()
      : server_({}, [this](const HttpRequest& request, std::shared_ptr<Responder> r) {
          Handle(request, *r);
        }) {}
  RunnerOptions Options() const {
    RunnerOptions options;
    options.url = Url::Parse(server_.url() + "/v1/completions");
    options.model = "m";
    return options;
  }
  std::vector<std::string> Bodies() {
    const std::lock_guard lock(mutex_);
    return bodies_;
  }

 private:
  void Handle(const HttpRequest& request, Responder& r) {
    {
      const std::lock_guard lock(mutex_);
      bodies_.push_back(request.body);
    }
    const json body = json::parse(request.body);
    const std::string prompt = body.at("prompt").is_string() ? body.at("prompt") : "ids";
    if (prompt.find("fail") != std::string::npos) {
      return r.SendFull(500, "application/json", R"({"message":"broken","code":500})");
    }
    r.StartStream(200, "text/event-stream", {{"X-Request-Id", "id-" + prompt}, {"Server", "s"}});
    r.Write("data: " + json{{"id", "c"}, {"choices", {{{"text", prompt}}}}}.dump() + "\n\n");
    r.Write("data: " + json{{"choices", {{{"text", ""}, {"finish_reason", "stop"}}}}}.dump() +
            "\n\n");
    r.Write("data: [DONE]\n\n");
    r.End();
  }
  std::mutex mutex_;
  std::vector<std::string> bodies_;
  HttpServer server_;
};

PhasePlan Phase(int requests, int concurrency) {
  PhasePlan phase;
  phase.name = "populate";
  phase.concurrency = concurrency;
  for (int i = 0; i < requests; ++i) {
    PlannedRequest request;
    request.prompt_id = "p" + std::to_string(i);
    request.prompt = "prompt " + std::to_string(i);
    phase.requests.push_back(request);
  }
  return phase;
}

TEST(RunPhase, GivesARecordForEachRequest) {
  Answering server;
  PhasePlan phase = Phase(20, 3);
  phase.requests[7].prompt = "fail";
  auto options = server.Options();
  options.first_request_index = 101;
  std::vector<RequestRecord> records;
  PhaseProgress last;
  const PhaseRun run =
      RunPhase(options, phase,
               {.on_record = [&](RequestRecord&& r) { records.push_back(std::move(r)); },
                .on_progress = [&](const PhaseProgress& p) { last = p; }});
  ASSERT_EQ(records.size(), 20u);
  EXPECT_EQ(run.issued, 20);
  EXPECT_FALSE(run.stopped);
  EXPECT_EQ(run.client.max_in_flight, 3);
  EXPECT_EQ(run.client.reconnects, 0);
  EXPECT_EQ(last.planned, 20);
  EXPECT_EQ(last.done, 20);
  EXPECT_EQ(last.ok, 19);
  EXPECT_EQ(last.in_flight, 0);
  for (const auto& r : records) {
    const std::string prompt =
        phase.requests[static_cast<std::size_t>(r.phase_request_index - 1)].prompt;
    EXPECT_EQ(r.request_index, 100 + r.phase_request_index);
    EXPECT_EQ(r.phase, "populate");
    EXPECT_THAT(r.worker_idx, ::testing::AllOf(::testing::Ge(1), ::testing::Le(3)));
    EXPECT_EQ(r.start_utc.size(), 29u);
    EXPECT_GE(*r.stamps.sent_first, run.start);
    EXPECT_LE(*r.stamps.closed, run.end);
    if (prompt == "fail") {
      EXPECT_EQ(r.outcome, Outcome::kHttpError);
      EXPECT_EQ(r.error, "HTTP 500: broken");
    } else {
      EXPECT_EQ(r.text, prompt);
      EXPECT_EQ(r.output_sha256, Sha256Hex(prompt));
      EXPECT_EQ(r.request_id, "id-" + prompt);
      EXPECT_EQ(r.header_hints,
                (std::map<std::string, std::string>{{"x-request-id", "id-" + prompt}}));
      EXPECT_TRUE(r.TtfcMs());
    }
  }
}

TEST(RunPhase, SendsTheSameBytesTwice) {
  Answering server;
  PhasePlan phase = Phase(10, 1);
  phase.requests[3].token_ids = {1, 2, 3};
  RunPhase(server.Options(), phase, {});
  RunPhase(server.Options(), phase, {});
  const auto bodies = server.Bodies();
  ASSERT_EQ(bodies.size(), 20u);
  for (std::size_t i = 0; i < 10; ++i) EXPECT_EQ(bodies[i], bodies[i + 10]);
  EXPECT_THAT(bodies[3], HasSubstr(R"("prompt":[1,2,3])"));
}

TEST(RunPhase, OpenLoopFollowsTheArrivals) {
  Answering server;
  PhasePlan phase = Phase(6, 2);
  for (std::size_t i = 0; i < 6; ++i)
    phase.requests[i].arrival_offset_ns = static_cast<std::int64_t>(5 - i) * 2'000'000;
  std::vector<RequestRecord> records;
  const PhaseRun run =
      RunPhase(server.Options(), phase,
               {.on_record = [&](RequestRecord&& r) { records.push_back(std::move(r)); },
                .on_progress = {}});
  for (const auto& r : records) {
    EXPECT_EQ(r.request_index, 7 - r.phase_request_index);  // sent in the order of arrival
    EXPECT_EQ(*r.stamps.scheduled, run.start + *r.planned.arrival_offset_ns);
    EXPECT_GE(*r.SendDelayMs(), 0);
  }
  phase.requests[2].arrival_offset_ns.reset();
  EXPECT_THAT([&] { RunPhase(server.Options(), phase, {}); },
              ThrowsMessage<ConfigError>(HasSubstr("5 of 6")));
}

TEST(RunPhase, EmptyPhaseAndBadConcurrency) {
  Answering server;
  EXPECT_EQ(RunPhase(server.Options(), Phase(0, 2), {}).issued, 0);
  EXPECT_THROW(RunPhase(server.Options(), Phase(1, 0), {}), ConfigError);
}

TEST(RunPhase, SaysThatItWasStopped) {
  Answering server;
  std::stop_source stop;
  const PhaseRun run =
      RunPhase(server.Options(), Phase(1000, 2),
               {.on_record = [&](RequestRecord&&) { stop.request_stop(); }, .on_progress = {}},
               stop.get_token());
  EXPECT_TRUE(run.stopped);
  EXPECT_LT(run.issued, 1000);
}

TEST(JudgeSaturation, AppliesTheSettledRule) {
  const auto judge = [](double cpu, double delay, double lag, std::optional<double> ttfc) {
    ClientLoad load;
    load.cpu_fraction = cpu;
    load.send_delay_p99_ms = delay;
    load.loop_lag_p99_ms = lag;
    JudgeSaturation(load, ttfc);
    return load;
  };
  EXPECT_FALSE(judge(0.8, 5, 5, 100).saturated);
  EXPECT_THAT(judge(0.81, 0, 0, 100).saturated_why, HasSubstr("81 % of a core"));
  EXPECT_THAT(judge(0, 5.1, 0, 100).saturated_why, HasSubstr("send delay"));
  EXPECT_THAT(judge(0, 0, 5.1, 100).saturated_why, HasSubstr("loop lag"));
  EXPECT_FALSE(judge(0, 19.9, 99, 2000).saturated);  // 1 % and 5 % of 2 s
  EXPECT_TRUE(judge(0, 20.1, 0, 2000).saturated);
  EXPECT_TRUE(judge(0, 0, 5.1, std::nullopt).saturated);
}

}  // namespace
}  // namespace kvtier
