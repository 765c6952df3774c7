#include "harness/report/timeline.hpp"

#include <cmath>
#include <fstream>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "harness/core/error.hpp"
#include "harness/core/files.hpp"
#include "harness/report/sample_leg.hpp"

namespace kvtier {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

TimelineRow FullRow() {
  TimelineRow row;
  row.at = 81237465920;
  row.source = "process";
  row.values = {{"4242.read_bytes", 9007199254740992.0},  // 2^53
                {"4242.cpu_user_s", 0.1},
                {"4242.minor_faults", 0},
                {"tiny", 5e-324},
                {"huge", 1.7976931348623157e308},
                {"negative", -12.5}};
  row.labels = {{"4242", "worker --path \"a\\b\"\t\n\x01 gr\xc3\xbc\xc3\x9f"},
                {"4242.role", "worker"}};
  row.unavailable = {{"", "half of it"}, {"7.read_bytes", "permission denied"}};
  return row;
}

template <class F>
std::string ErrorOf(F&& f) {
  try {
    f();
  } catch (const DataError& e) {
    return e.what();
  }
  return "no DataError";
}

void ExpectSame(const TimelineRow& a, const TimelineRow& b) {
  EXPECT_EQ(a.at, b.at);
  EXPECT_EQ(a.source, b.source);
  EXPECT_EQ(a.mark, b.mark);
  EXPECT_EQ(a.values, b.values);
  EXPECT_EQ(a.labels, b.labels);
  EXPECT_EQ(a.unavailable, b.unavailable);
}

TEST(TimelineRow, ReadsBackAsItWasWrittenAndIsJsonToOthers) {
  const std::string line = TimelineRowLine(FullRow());
  ExpectSame(ParseTimelineRow(line), FullRow());
  const json j = json::parse(line);
  EXPECT_EQ(j.at("values").at("4242.read_bytes"), 9007199254740992LL);
  EXPECT_TRUE(j.at("values").at("4242.read_bytes").is_number_integer());
  EXPECT_EQ(j.at("labels").at("4242"), FullRow().labels.at("4242"));
  TimelineRow mark;
  mark.at = 5;
  mark.source = "mark";
  mark.mark = "before_replay";
  EXPECT_EQ(TimelineRowLine(mark), R"({"t_ns":5,"source":"mark","mark":"before_replay"})")
      << "empty maps are left out";
  ExpectSame(ParseTimelineRow(TimelineRowLine(mark)), mark);
}

TEST(TimelineRow, ANumberThatIsNotFiniteIsUnavailableNotANumber) {
  TimelineRow row = FullRow();
  row.values["gpu0.power_w"] = std::numeric_limits<double>::quiet_NaN();
  row.values["gpu0.celsius"] = std::numeric_limits<double>::infinity();
  const TimelineRow back = ParseTimelineRow(TimelineRowLine(row));
  EXPECT_FALSE(back.values.contains("gpu0.power_w"));
  EXPECT_THAT(back.unavailable.at("gpu0.power_w"), HasSubstr("not finite"));
  EXPECT_TRUE(back.unavailable.contains("gpu0.celsius"));
  EXPECT_EQ(back.values.at("4242.cpu_user_s"), 0.1);
}

TEST(TimelineRow, BytesThatAreNoUtf8DoNotSpoilTheLine) {
  TimelineRow row = FullRow();
  row.labels = {{"7", "a\xff\xfe"}};
  EXPECT_EQ(ParseTimelineRow(TimelineRowLine(row)).labels.at("7"), "a\xef\xbf\xbd\xef\xbf\xbd");
}

struct BadLine {
  const char* line;
  const char* says;
};
class TimelineRowErrors : public ::testing::TestWithParam<BadLine> {};
TEST_P(TimelineRowErrors, NameWhatIsWrong) {
  EXPECT_THAT(ErrorOf([&] { ParseTimelineRow(GetParam().line); }), HasSubstr(GetParam().says));
}
INSTANTIATE_TEST_SUITE_P(
    Lines, TimelineRowErrors,
    ::testing::Values(
        BadLine{"{\"t_ns\":1,", "is not JSON"}, BadLine{"[]", "no JSON object"},
        BadLine{R"({"source":"cpu"})", "lacks the key \"t_ns\""},
        BadLine{R"({"t_ns":1})", "lacks the key \"source\""},
        BadLine{R"({"t_ns":1.5,"source":"cpu"})", "no 64-bit integer"},
        BadLine{R"({"t_ns":18446744073709551615,"source":"cpu"})", "no 64-bit integer"},
        BadLine{R"({"t_ns":1,"source":""})", "names no source"},
        BadLine{R"({"t_ns":1,"source":"cpu","mark":"x"})", "may not have a mark"},
        BadLine{R"({"t_ns":1,"source":"mark"})", "lacks a mark"},
        BadLine{R"({"t_ns":1,"source":"cpu","values":{"a":"1"}})", "values.\"a\" is no number"},
        BadLine{R"({"t_ns":1,"source":"cpu","values":{"a":null}})", "values.\"a\" is no number"},
        BadLine{R"({"t_ns":1,"source":"cpu","values":{"a":1e999}})", "is not JSON"},
        BadLine{R"({"t_ns":1,"source":"cpu","labels":{"a":1}})", "labels.\"a\" is no text"},
        BadLine{R"({"t_ns":1,"source":"cpu","labels":[]})", "\"labels\" is no object"},
        BadLine{R"({"t_ns":1,"source":"cpu","value":{}})", "unknown key \"value\""}));

TimelineHead Head() {
  TimelineHead head;
  head.anchor.mono = 1'000'000'000;
  head.anchor.wall =
      std::chrono::system_clock::time_point(std::chrono::milliseconds(1'763'775'910'159));
  head.sources = {{"cpu", std::chrono::milliseconds(100)},
                  {"gpu", std::chrono::milliseconds(1000)}};
  head.kv_device = "nvme0n1";
  return head;
}

TEST(TimelineHead, ReadsBackAsItWasWritten) {
  const TimelineHead back = ParseTimelineHead(TimelineHeadLine(Head()));
  EXPECT_EQ(back.anchor.mono, Head().anchor.mono);
  EXPECT_EQ(back.anchor.wall, Head().anchor.wall);
  EXPECT_EQ(back.kv_device, "nvme0n1");
  ASSERT_EQ(back.sources.size(), 2U);
  EXPECT_EQ(back.sources[1].name, "gpu");
  EXPECT_EQ(back.sources[1].cadence.count(), 1000);
  EXPECT_EQ(json::parse(TimelineHeadLine(Head())).at("wall_utc"), "2025-11-22T01:45:10.159+00:00");
}

TEST(TimelineHead, AnotherVersionIsRefused) {
  json j = json::parse(TimelineHeadLine(Head()));
  j["schema_version"] = 2;
  EXPECT_THAT(ErrorOf([&] { ParseTimelineHead(j.dump()); }), HasSubstr("schema_version 2"));
}

std::filesystem::path FileOf(const std::string& name, const std::string& text) {
  const auto file = sample::Scratch(name) / "timeline.jsonl";
  WriteFileAtomic(file, text);
  return file;
}

TEST(ReadTimeline, DropsATornLastLineAndNamesABadOneElsewhere) {
  const std::string good = TimelineHeadLine(Head()) + "\n" + TimelineRowLine(FullRow()) + "\n";
  int rows = 0;
  const auto count = [&](const TimelineHead& head, const TimelineRow& row) {
    EXPECT_EQ(head.kv_device, "nvme0n1");
    ExpectSame(row, FullRow());
    ++rows;
  };
  ReadTimeline(FileOf("torn", good + TimelineRowLine(FullRow()).substr(0, 40)), count);
  EXPECT_EQ(rows, 1);
  const auto bad = FileOf("bad", good + "{\"t_ns\":\n" + TimelineRowLine(FullRow()) + "\n");
  const std::string error = ErrorOf([&] { ReadTimeline(bad, count); });
  EXPECT_THAT(error, HasSubstr("timeline.jsonl line 3"));
  EXPECT_THAT(ErrorOf([&] { ReadTimeline(FileOf("empty", ""), count); }), HasSubstr("is empty"));
  EXPECT_THAT(ErrorOf([&] { ReadTimeline(FileOf("no_head", TimelineRowLine(FullRow())), count); }),
              HasSubstr("line 1"));
  EXPECT_THROW(ReadTimeline("/no/such/timeline.jsonl", count), IoError);
}

}  // namespace
}  // namespace kvtier
