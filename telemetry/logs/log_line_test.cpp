#include "telemetry/logs/log_line.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace kvtier {
namespace {

using enum LogLevel;

struct LineCase {
  const char* line;
  LogLevel level;
};
class ClassifyLine : public ::testing::TestWithParam<LineCase> {};

TEST_P(ClassifyLine, TheFirstLevelWordDecides) {
  EXPECT_EQ(ClassifyLogLine(GetParam().line), GetParam().level) << GetParam().line;
}

INSTANTIATE_TEST_SUITE_P(
    Formats, ClassifyLine,
    ::testing::Values(
        // spdlog as our reference stack prints it, and its default
        LineCase{"2026-11-25T10:00:00.123 worker error: disk full", kError},
        LineCase{"2026-11-25T10:00:00.123 worker warning: slow", kWarning},
        LineCase{"2026-11-25T10:00:00.123 worker info: no error: all well", kOther},
        LineCase{"[2026-11-25 10:00:00.123] [worker] [error] disk full", kError},
        // Rust tracing, with and without terminal colours
        LineCase{"2026-11-25T10:00:00.123456Z  WARN kvbm::offload: Target pool full", kWarning},
        LineCase{"\x1b[2m2026-11-25T10:00:00Z\x1b[0m \x1b[31mERROR\x1b[0m kvbm: gone", kError},
        LineCase{"2026-11-25T10:00:00Z  INFO kvbm: retrying after ERROR 5", kOther},
        // TensorRT-LLM, NATS, glog, Python, logfmt, JSON lines
        LineCase{"[11/25/2026-10:00:00] [TRT-LLM] [E] assertion", kError},
        LineCase{"[11/25/2026-10:00:00] [TRT-LLM] [I] engine ready", kOther},
        LineCase{"[1] 2026/11/25 10:00:00.000001 [ERR] Error trying to connect", kError},
        LineCase{"[1] 2026/11/25 10:00:00.000001 [WRN] slow consumer", kWarning},
        LineCase{"E1125 10:00:00.123456 42 nixl.cpp:7] no backend", kError},
        LineCase{"W1125 10:00:00.123456 42 nixl.cpp:7] slow", kWarning},
        LineCase{"Traceback (most recent call last):", kError},
        LineCase{"CRITICAL:root:gone", kError},
        LineCase{"time=2026-11-25 level=error msg=gone", kError},
        LineCase{R"({"ts":1,"level": "warn","message":"x"})", kWarning},
        LineCase{"error: cannot open the model", kError},
        // none
        LineCase{"", kOther}, LineCase{"0 errors, error_rate 0.0", kOther},
        LineCase{"the error is not a level here", kOther},
        LineCase{"stats for today's run: error: 0", kOther}, LineCase{"ERRORS=0", kOther},
        LineCase{R"({"error": null, "ok": true})", kOther}, LineCase{"\x1b[", kOther},
        LineCase{"E112 short", kOther}));

TEST(CountLines, TheLastLineNeedsNoNewline) {
  EXPECT_EQ(CountLines("INFO a\nERROR b\nWARN c\r\n ERROR d"),
            (LineCounts{.lines = 4, .errors = 2, .warnings = 1}));
  EXPECT_EQ(CountLines(""), LineCounts{});
  EXPECT_EQ(CountLines("\n\n"), (LineCounts{.lines = 2, .errors = 0, .warnings = 0}));
}

TEST(LastLinesOf, WithAndWithoutAFinalNewline) {
  EXPECT_EQ(LastLines("a\nb\nc\n", 2), "b\nc\n");
  EXPECT_EQ(LastLines("a\nb\nc", 2), "b\nc");
  EXPECT_EQ(LastLines("a\nb\n", 5), "a\nb\n");
  EXPECT_EQ(LastLines("\na\n", 1), "a\n");
  EXPECT_EQ(LastLines("\n", 1), "\n");
  EXPECT_EQ(LastLines("a\n\n", 1), "\n") << "an empty line is a line";
  EXPECT_EQ(LastLines("", 3), "");
  EXPECT_EQ(LastLines("a", 0), "");
}

TEST(PrintableTextOf, KeepsUtf8AndReplacesTheRest) {
  EXPECT_EQ(PrintableText("Gr\xC3\xBC\xC3\x9F\x65 \xE2\x82\xAC \xF0\x9F\x98\x80\n"),
            "Gr\xC3\xBC\xC3\x9F\x65 \xE2\x82\xAC \xF0\x9F\x98\x80\n");
  EXPECT_EQ(PrintableText("a\xFF"
                          "b\xC3"),
            "a\xEF\xBF\xBD"
            "b\xEF\xBF\xBD");
  EXPECT_EQ(PrintableText("\xC0\xAF"), "\xEF\xBF\xBD\xEF\xBF\xBD") << "overlong";
  EXPECT_EQ(PrintableText("\xED\xA0\x80"), "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD") << "surrogate";
  EXPECT_EQ(PrintableText("\x1b[31mred\x1b[0m\tx\x01\x7f"), "red\tx??");
  EXPECT_EQ(PrintableText("abcdef\ngh\n", 4), "abcd...\ngh\n");
  EXPECT_NO_THROW((void)nlohmann::json(PrintableText("\x80\xF5\xFF\xE2\x82")).dump());
}

TEST(PrintableLineOf, StaysOneLine) {
  EXPECT_EQ(PrintableLine("kv\n2026 1 /fake"), "kv?2026 1 /fake");
}

TEST(SafeFileNameOf, LeavesNoWayOut) {
  EXPECT_EQ(SafeFileName("before_replay-2.txt"), "before_replay-2.txt");
  EXPECT_EQ(SafeFileName("../../etc/passwd"), ".._.._etc_passwd");
  EXPECT_EQ(SafeFileName(".."), "_");
  EXPECT_EQ(SafeFileName(""), "_");
}

}  // namespace
}  // namespace kvtier
