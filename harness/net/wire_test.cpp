#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/core/error.hpp"
#include "harness/net/exchange.hpp"
#include "harness/net/http.hpp"
#include "harness/net/openai.hpp"
#include "harness/net/response_reader.hpp"
#include "harness/net/sse.hpp"

namespace kvtier {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// ---- URLs

TEST(Url, ParsesLoopbackNamesAndDottedAddresses) {
  const Url url = Url::Parse("http://localhost:8000/v1/completions?x=1#part");
  EXPECT_EQ(url.host, "127.0.0.1");
  EXPECT_EQ(url.port, 8000);
  EXPECT_EQ(url.target, "/v1/completions?x=1");
  EXPECT_EQ(url.ToString(), "http://127.0.0.1:8000/v1/completions?x=1");
  EXPECT_EQ(url.WithTarget("/metrics").ToString(), "http://127.0.0.1:8000/metrics");
  EXPECT_EQ(Url::Parse("http://10.0.0.7").Authority(), "10.0.0.7:80");
  EXPECT_EQ(Url::Parse("http://10.0.0.7?q").target, "/?q");
}

TEST(Url, RefusesWhatItCannotReach) {
  for (const char* bad :
       {"https://127.0.0.1/", "127.0.0.1:80", "http://example.com/", "http://127.0.0.1:0/",
        "http://127.0.0.1:65536/", "http://127.0.0.1:80x/", "http://[::1]/", "http://127.0.0.1/a b",
        "http://127.0.0.1/a\r\nX: y", ""}) {
    EXPECT_THROW(Url::Parse(bad), ConfigError) << bad;
  }
}

// ---- HTTP answers

struct ReadAnswer {
  ResponseReader reader;
  std::string body;
  std::size_t taken = 0;
};

ReadAnswer ReadInPieces(std::string_view bytes, std::size_t cut) {
  ReadAnswer answer;
  answer.taken += answer.reader.Feed(bytes.substr(0, cut), answer.body);
  if (answer.taken == std::min(cut, bytes.size()))
    answer.taken += answer.reader.Feed(bytes.substr(cut), answer.body);
  return answer;
}

TEST(ResponseReader, ReadsEachFramingCutAnywhere) {
  const std::string chunked =
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A:  b "
      "\r\n\r\n"
      "5;ext=1\r\nhello\r\n00c\r\n, \r\n0\r\n\r\nend\r\n0\r\nTrailer: x\r\n\r\n";
  const std::string length =
      "HTTP/1.1 200 OK\r\ncontent-length: 17\r\nX-A: b\r\n\r\nhello, \r\n0\r\n\r\nend";
  for (const std::string& bytes : {chunked, length}) {
    for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
      ReadAnswer answer = ReadInPieces(bytes, cut);
      ASSERT_EQ(answer.reader.state(), ResponseReader::State::kComplete)
          << cut << answer.reader.why();
      ASSERT_EQ(answer.body, "hello, \r\n0\r\n\r\nend") << cut;
      ASSERT_EQ(answer.reader.status(), 200);
      ASSERT_EQ(FindHeader(answer.reader.headers(), "x-a"), "b");
      ASSERT_TRUE(answer.reader.keep_alive());
      ASSERT_EQ(answer.taken, bytes.size());
    }
  }
}

TEST(ResponseReader, StopsAtTheEndOfTheAnswer) {
  ReadAnswer answer = ReadInPieces("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1", 7);
  EXPECT_EQ(answer.body, "ok");
  EXPECT_EQ(answer.taken, 40u);
}

TEST(ResponseReader, BodyUntilCloseIsCompleteOnlyThen) {
  ReadAnswer answer = ReadInPieces("HTTP/1.0 200 OK\r\n\r\nabc", 19);
  EXPECT_EQ(answer.reader.state(), ResponseReader::State::kBody);
  answer.reader.Finish();
  EXPECT_EQ(answer.reader.state(), ResponseReader::State::kComplete);
  EXPECT_FALSE(answer.reader.keep_alive());

  ReadAnswer cut = ReadInPieces("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc", 5);
  cut.reader.Finish();
  EXPECT_EQ(cut.reader.state(), ResponseReader::State::kBody);
}

TEST(ResponseReader, SaysWhatIsWrong) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"SSH-2.0-OpenSSH\r\n\r\n", "SSH-2.0"},
      {"HTTP/1.1 20 OK\r\n\r\n", "status line"},
      {"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "header line"},
      {"HTTP/1.1 200 OK\r\nContent-Length: 5x\r\n\r\n", "Content-Length"},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "gzip"},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", "no size"},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc", "longer than its size"},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffff\r\n",
       "beyond all bounds"},
      {"HTTP/1.1 200 OK\r\nX: " + std::string(70'000, 'a'), "64 KiB"},
  };
  for (const auto& [bytes, why] : cases) {
    const ReadAnswer answer = ReadInPieces(bytes, bytes.size());
    EXPECT_EQ(answer.reader.state(), ResponseReader::State::kBroken) << bytes.substr(0, 60);
    EXPECT_THAT(answer.reader.why(), HasSubstr(why));
  }
}

// ---- server-sent events

std::vector<std::string> Events(std::string_view bytes, std::size_t cut) {
  std::vector<std::string> events;
  SseSplitter splitter;
  const SseSplitter::Sink sink = [&](const SseEvent& e) {
    events.push_back(std::string(e.type) + "|" + std::string(e.data) + "|" + std::string(e.id));
  };
  splitter.Feed(bytes.substr(0, cut), sink);
  splitter.Feed(bytes.substr(std::min(cut, bytes.size())), sink);
  return events;
}

TEST(SseSplitter, FollowsTheStandardCutAnywhere) {
  const std::string lf =
      "\xEF\xBB\xBF: keep-alive\n\n"
      "data: one\n\n"
      "event: usage\ndata:two\ndata\ndata:  three\nid: 7\n\n"
      "unknown: field\nretry: 10\ndata: \xE2\x82\xAC\n\n"
      "event: dropped\n\n"
      "data\n\n"
      "data: last\nid\n\n"
      "data: never finished\n";
  const auto expected = ElementsAre("message|one|", "usage|two\n\n three|7",
                                    "message|\xE2\x82\xAC|7", "message||7", "message|last|");
  std::string crlf, cr;
  for (const char c : lf) {
    crlf += c == '\n' ? "\r\n" : std::string(1, c);
    cr += c == '\n' ? '\r' : c;
  }
  for (const std::string& stream : {lf, crlf, cr}) {
    for (std::size_t cut = 0; cut <= stream.size(); ++cut)
      ASSERT_THAT(Events(stream, cut), expected) << cut;
  }
}

TEST(SseSplitter, RemembersAnEventWithoutDataAndItsComment) {
  SseSplitter splitter;
  splitter.Feed("event: error\n: engine died\n\n", [](const SseEvent&) { FAIL(); });
  EXPECT_EQ(splitter.dropped_type(), "error");
  EXPECT_EQ(splitter.last_comment(), "engine died");
}

// ---- the completions API

TEST(OpenAi, BodyHasTheDocumentedFieldsInOrder) {
  GenerationParams params;
  params.max_tokens = 16;
  EXPECT_EQ(
      BuildCompletionBody("m", "h\u00e9 \"x\"\n", {}, params, {}),
      R"({"model":"m","prompt":"hé \"x\"\n","max_tokens":16,"temperature":0.0,"top_p":1.0,"stream":true,)"
      R"("stop":["<|eot_id|>"],"stream_options":{"include_usage":true}})");
  params.stop.clear();
  params.seed = 7;
  params.stream = false;
  params.temperature = 0.2;
  const std::vector<std::uint32_t> ids{1, 2, 300};
  EXPECT_EQ(
      BuildCompletionBody("m", "[1,2,300]", ids, params,
                          {.ignore_eos = true, .include_usage = true}),
      R"({"model":"m","prompt":[1,2,300],"max_tokens":16,"temperature":0.2,"top_p":1.0,"stream":false,)"
      R"("seed":7,"ignore_eos":true})");
  EXPECT_THROW(BuildCompletionBody("m", "\xFF", {}, params, {}), DataError);
}

TEST(OpenAi, ParsesChunksAndUsage) {
  CompletionParser parser;
  const auto chunk =
      parser.Parse(R"({"id":"c1","choices":[{"text":"a\ud83d\ude00\"","index":0}],"usage":null})");
  ASSERT_TRUE(chunk);
  EXPECT_EQ(chunk->text, "a\xF0\x9F\x98\x80\"");
  EXPECT_EQ(chunk->id, "c1");
  EXPECT_EQ(chunk->type, "token");
  EXPECT_FALSE(chunk->usage);
  EXPECT_FALSE(chunk->error);
  const auto usage = parser.Parse(
      R"({"choices":[],"object":"text_completion","usage":{"prompt_tokens":5,"completion_tokens":3,)"
      R"("prompt_tokens_details":{"cached_tokens":4}}})");
  ASSERT_TRUE(usage && usage->usage);
  EXPECT_EQ(*usage->usage, (TokenUsage{5, 3, 4}));
  EXPECT_EQ(usage->type, "text_completion");
  const auto without =
      parser.Parse(R"({"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":3}})");
  EXPECT_EQ(without->usage->cached_tokens, std::nullopt);
}

TEST(OpenAi, NamesTheFirstEventAsDocumented) {
  CompletionParser parser;
  const auto type = [&](const char* json) { return std::string(parser.Parse(json)->type); };
  EXPECT_EQ(type(R"({"error":"x","choices":[{"text":"a"}]})"), "error");
  EXPECT_EQ(type(R"({"choices":[{"delta":{"content":"a"}}]})"), "delta_content");
  EXPECT_EQ(type(R"({"choices":[{"delta":{"role":"assistant","content":""}}]})"), "delta");
  EXPECT_EQ(type(R"({"choices":[{"text":""}]})"), "token");
  EXPECT_EQ(type(R"({"choices":[{"finish_reason":"stop"}]})"), "finish");
  EXPECT_EQ(type(R"({"object":"list"})"), "list");
  EXPECT_EQ(type(R"({})"), "data");
}

TEST(OpenAi, FindsErrorsInEveryKnownShape) {
  CompletionParser parser;
  EXPECT_EQ(ErrorMessageOf(R"({"error":{"message":"m1","code":500}})", parser), "m1");
  EXPECT_EQ(ErrorMessageOf(R"({"error":"m2"})", parser), "m2");
  EXPECT_EQ(ErrorMessageOf(R"({"message":"m3","type":"Not Found","code":404})", parser), "m3");
  EXPECT_EQ(ErrorMessageOf(R"({"error":{"why":1}})", parser), R"({"why":1})");
  EXPECT_EQ(ErrorMessageOf("<html>", parser), "<html>");
  EXPECT_EQ(
      *parser.Parse(R"({"choices":[{"text":"","finish_reason":{"error":"overflow"}}]})")->error,
      "overflow");
  EXPECT_FALSE(parser.Parse(R"({"error":null,"choices":[]})")->error);
  EXPECT_FALSE(parser.Parse("[1]"));
  EXPECT_FALSE(parser.Parse("{\"a\":"));
  EXPECT_FALSE(parser.Parse("{\"a\":\"\xC3\"}"));
}

// ---- what an answer comes to

constexpr const char* kEmpty = R"(data: {"id":"c","model":"m","choices":[{"text":"","index":0}],"usage":null})"
                               "\n\n";
constexpr const char* kHe = R"(data: {"id":"c","choices":[{"text":"he","index":0}],"usage":null})"
                            "\n\n";
constexpr const char* kLlo =
    R"(data: {"id":"c","choices":[{"text":"ll\u00f6","index":0}],"usage":null})"
    "\n\n";
constexpr const char* kFinish =
    R"(data: {"id":"c","choices":[{"text":"","index":0,"finish_reason":"length"}],"usage":null})"
    "\n\n";
constexpr const char* kUsage =
    R"(data: {"id":"c","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":2}})"
    "\n\n";
constexpr const char* kDone = "data: [DONE]\n\n";

/// One read a piece, stamped 1000, 2000, ...
RawExchange Stream(const std::vector<std::string>& reads,
                   TransportEnd end = TransportEnd::kComplete) {
  RawExchange raw;
  raw.status = 200;
  raw.headers = {{"content-type", "text/event-stream; charset=utf-8"}};
  raw.end = end;
  raw.sent_first = 100;
  for (const auto& bytes : reads) {
    raw.body += bytes;
    const auto at = static_cast<MonoNs>(1000 * (raw.reads.size() + 1));
    raw.reads.push_back({at, static_cast<std::uint32_t>(bytes.size()), raw.body.size()});
  }
  return raw;
}

CompletionResult Analyse(const RawExchange& raw) {
  CompletionParser parser;
  return AnalyseExchange(raw, parser);
}

TEST(AnalyseExchange, StampsEachEventWithItsRead) {
  const auto result =
      Analyse(Stream({": hi\n\n", kEmpty, kHe, std::string(kLlo) + kHe, kFinish, kUsage, kDone}));
  EXPECT_EQ(result.outcome, Outcome::kOk) << result.error;
  EXPECT_EQ(result.text, "hell\xC3\xB6he");
  EXPECT_EQ(result.stamps.first_event, 2000);
  EXPECT_EQ(result.stamps.first_text, 3000);
  EXPECT_EQ(result.stamps.last_text, 4000);  // neither finish nor usage moves it
  EXPECT_EQ(result.stamps.usage, 6000);
  EXPECT_EQ(result.stamps.done, 7000);
  EXPECT_EQ(result.finish_reason, "length");
  EXPECT_EQ(result.first_event_type, "token");
  EXPECT_EQ(result.response_id, "c");
  EXPECT_EQ(result.response_model, "m");
  EXPECT_EQ(*result.usage, (TokenUsage{9, 2, std::nullopt}));
  ASSERT_EQ(result.chunks.size(), 2u);
  EXPECT_EQ(result.chunks[0].text_events, 1);
  EXPECT_EQ(result.chunks[1].text_events, 2);  // coalesced
  EXPECT_EQ(result.chunks[1].at, 4000);
}

TEST(AnalyseExchange, TextIsTheSameWhereverTheStreamIsCut) {
  const std::string body =
      std::string(kHe) + "event: note\ndata: free text\n\n" + kLlo + kFinish + kUsage + kDone;
  const std::size_t first_text_end = std::string(kHe).size();
  for (std::size_t cut = 0; cut <= body.size(); ++cut) {
    const auto result = Analyse(Stream({body.substr(0, cut), body.substr(cut)}));
    ASSERT_EQ(result.outcome, Outcome::kOk) << cut << " " << result.error;
    ASSERT_EQ(result.text, "hell\xC3\xB6");
    ASSERT_EQ(result.stamps.first_text, cut >= first_text_end ? 1000 : 2000) << cut;
  }
}

TEST(AnalyseExchange, RawUtf8CutBetweenReadsIsWhole) {
  const std::string body =
      std::string("data: {\"choices\":[{\"text\":\"\xE2\x82\xAC\"}]}\n\n") + kFinish + kDone;
  const std::size_t inside = body.find('\x82');
  EXPECT_EQ(Analyse(Stream({body.substr(0, inside), body.substr(inside)})).text, "\xE2\x82\xAC");
}

struct Ending {
  const char* name;
  std::vector<std::string> reads;
  TransportEnd end;
  Outcome outcome;
  const char* error;
};

class StreamEnding : public ::testing::TestWithParam<Ending> {};

TEST_P(StreamEnding, IsTyped) {
  const auto result = Analyse(Stream(GetParam().reads, GetParam().end));
  EXPECT_EQ(OutcomeName(result.outcome), OutcomeName(GetParam().outcome));
  EXPECT_THAT(result.error, HasSubstr(GetParam().error));
  EXPECT_EQ(result.error.empty(), result.outcome == Outcome::kOk);
}

constexpr const char* kErrorFrame = "data: {\"error\":{\"message\":\"boom\",\"code\":500}}\n\n";
INSTANTIATE_TEST_SUITE_P(
    Each, StreamEnding,
    ::testing::Values(
        Ending{"ok", {kHe, kFinish, kDone}, TransportEnd::kComplete, Outcome::kOk, ""},
        Ending{"ok_then_reset", {kHe, kFinish, kDone}, TransportEnd::kClosed, Outcome::kOk, ""},
        Ending{"error_frame",
               {kHe, kErrorFrame, kDone},
               TransportEnd::kComplete,
               Outcome::kStreamError,
               "boom"},
        Ending{"error_first", {kErrorFrame}, TransportEnd::kClosed, Outcome::kStreamError, "boom"},
        Ending{"error_event",
               {kHe, "event: error\ndata: bad\n\n", kFinish, kDone},
               TransportEnd::kComplete,
               Outcome::kStreamError,
               "bad"},
        Ending{"error_event_without_data",
               {kHe, "event: error\n: gone\n\n"},
               TransportEnd::kComplete,
               Outcome::kStreamError,
               "gone"},
        Ending{"not_json",
               {kHe, "data: {\"cho\n\n", kFinish, kDone},
               TransportEnd::kComplete,
               Outcome::kStreamError,
               "not a JSON object"},
        Ending{"no_done", {kHe, kFinish}, TransportEnd::kComplete, Outcome::kIncomplete, "[DONE]"},
        Ending{"cut", {kHe}, TransportEnd::kClosed, Outcome::kIncomplete, "[DONE]"},
        Ending{"unfinished_done",
               {kHe, kFinish, "data: [DONE]\n"},
               TransportEnd::kComplete,
               Outcome::kIncomplete,
               "[DONE]"},
        Ending{"no_finish_reason",
               {kHe, kDone},
               TransportEnd::kComplete,
               Outcome::kIncomplete,
               "finish_reason"},
        Ending{"done_first",
               {kDone},
               TransportEnd::kComplete,
               Outcome::kEmptyOutput,
               "without any text"},
        Ending{"empty_text",
               {kEmpty, kFinish, kUsage, kDone},
               TransportEnd::kComplete,
               Outcome::kEmptyOutput,
               "without any text"},
        Ending{"text_after_done",
               {kDone, kHe, kFinish},
               TransportEnd::kComplete,
               Outcome::kEmptyOutput,
               ""},
        Ending{"timeout", {kHe}, TransportEnd::kStallTimeout, Outcome::kTimeout, ""},
        Ending{"cancelled", {kHe}, TransportEnd::kCancelled, Outcome::kCancelled, "stopped"}),
    [](const auto& instance) { return instance.param.name; });

TEST(AnalyseExchange, DoneBeforeTextGivesNoTtfc) {
  const auto result = Analyse(Stream({kEmpty, kDone}));
  EXPECT_EQ(result.stamps.first_text, std::nullopt);
  EXPECT_EQ(result.stamps.done, 2000);
  EXPECT_THAT(result.chunks, IsEmpty());
}

TEST(AnalyseExchange, StatusDecidesBeforeTheBody) {
  for (const int status : {301, 404, 500, 529}) {
    RawExchange raw = Stream({R"({"message":"no","type":"t","code":1})"});
    raw.status = status;
    const auto result = Analyse(raw);
    EXPECT_EQ(result.outcome, Outcome::kHttpError);
    EXPECT_EQ(result.error, "HTTP " + std::to_string(status) + ": no");
  }
  RawExchange nothing;
  EXPECT_EQ(Analyse(nothing).outcome, Outcome::kConnectError);
  nothing.reads.push_back({1, 4, 0});  // half a header
  EXPECT_EQ(Analyse(nothing).outcome, Outcome::kIncomplete);
}

TEST(AnalyseExchange, UnaryAnswers) {
  const auto unary = [](const char* body, TransportEnd end = TransportEnd::kComplete) {
    RawExchange raw = Stream({"", body}, end);
    raw.stream = false;
    raw.headers = {{"Content-Type", "application/json"}};
    return Analyse(raw);
  };
  const auto ok = unary(R"({"id":"c","choices":[{"text":"hey","finish_reason":"stop"}],)"
                        R"("usage":{"prompt_tokens":1,"completion_tokens":3}})");
  EXPECT_EQ(ok.outcome, Outcome::kOk) << ok.error;
  EXPECT_EQ(ok.text, "hey");
  EXPECT_EQ(ok.stamps.first_text, std::nullopt);  // one body has no first token
  EXPECT_EQ(ok.stamps.first_event, 2000);
  EXPECT_EQ(ok.stamps.done, 2000);
  EXPECT_EQ(unary(R"({"choices":[{"text":"","finish_reason":"stop"}]})").outcome,
            Outcome::kEmptyOutput);
  EXPECT_EQ(unary(R"({"choices":[{"text":"a"}]})").outcome, Outcome::kIncomplete);
  EXPECT_EQ(unary(R"({"error":"x"})").outcome, Outcome::kStreamError);
  EXPECT_EQ(unary("oops").outcome, Outcome::kStreamError);
  EXPECT_EQ(unary(R"({"choices":[{"te)", TransportEnd::kClosed).outcome, Outcome::kIncomplete);
  // A stream was asked for: one JSON body is no answer to that.
  RawExchange raw = Stream({R"({"choices":[{"text":"a","finish_reason":"stop"}]})"});
  raw.headers = {{"Content-Type", "application/json"}};
  EXPECT_EQ(Analyse(raw).outcome, Outcome::kStreamError);
}

TEST(Outcome, NamesRoundTrip) {
  for (int i = 0; i <= static_cast<int>(Outcome::kCancelled); ++i) {
    EXPECT_EQ(FindOutcome(OutcomeName(static_cast<Outcome>(i))), static_cast<Outcome>(i));
  }
  EXPECT_EQ(FindOutcome("fine"), std::nullopt);
}

}  // namespace
}  // namespace kvtier
