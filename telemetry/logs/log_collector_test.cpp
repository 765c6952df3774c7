#include "telemetry/logs/log_collector.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "harness/core/error.hpp"
#include "harness/core/files.hpp"
#include "harness/core/temp_dir.hpp"
#include "telemetry/logs/log_report.hpp"

namespace kvtier {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

class Logs : public ::testing::Test {
 protected:
  void Append(const fs::path& name, std::string_view text) {
    std::ofstream(root_ / name, std::ios::app | std::ios::binary) << text;
  }
  LogCollector Collector(LogLimits limits = {}) {
    return LogCollector({{"worker", root_ / "worker.log"}}, limits);
  }
  CollectedLog CollectOne(const LogCollector& collector) {
    return collector.Collect(root_ / "run").at(0);
  }
  std::string Copied() { return ReadFile(root_ / "run/telemetry/logs/worker.log"); }

  TempDir root_;
};

TEST_F(Logs, OnlyWhatTheLegWroteIsCopied) {
  Append("worker.log", "INFO of an earlier leg\nERROR of an earlier leg\n");
  const auto collector = Collector();
  Append("worker.log", "INFO up\nERROR disk full\nWARN slow\nlast");
  const auto log = CollectOne(collector);
  ASSERT_TRUE(log.copy) << log.copy.reason();
  EXPECT_EQ(Copied(), "INFO up\nERROR disk full\nWARN slow\nlast");
  EXPECT_EQ(log.copy->path, "telemetry/logs/worker.log");
  EXPECT_EQ(log.source, (root_ / "worker.log").string());
  EXPECT_EQ(log.copy->written, Bytes{38});
  EXPECT_EQ(log.copy->cut, Bytes{0});
  EXPECT_EQ(log.copy->counts, (LineCounts{.lines = 4, .errors = 1, .warnings = 1}));
  EXPECT_EQ(log.copy->tail, "INFO up\nERROR disk full\nWARN slow\nlast");
  EXPECT_THAT(log.copy->notes, IsEmpty());
}

TEST_F(Logs, AQuietLegIsAnEmptyCopyAndNotAMissingOne) {
  Append("worker.log", "before\n");
  const auto log = CollectOne(Collector());
  ASSERT_TRUE(log.copy) << log.copy.reason();
  EXPECT_EQ(log.copy->written, Bytes{0});
  EXPECT_EQ(log.copy->counts, LineCounts{});
  EXPECT_EQ(Copied(), "");
}

TEST_F(Logs, AFileThatComesLaterIsCopiedWhole) {
  const auto collector = Collector();
  EXPECT_THAT(CollectOne(collector).copy.reason(), HasSubstr("worker.log does not exist"));
  Append("worker.log", "all of it\n");
  EXPECT_EQ(CollectOne(collector).copy->written, Bytes{10});
}

TEST_F(Logs, ALongLogKeepsItsHeadAndItsTail) {
  const auto collector = Collector({.head = Bytes{10}, .tail = Bytes{12}});
  Append("worker.log", "first line\n" + std::string(100, 'x') + "\nsecond last\n");
  const auto log = CollectOne(collector);
  EXPECT_EQ(Copied(), "first line\n[kvtier: 102 bytes were cut here]\nsecond last\n");
  EXPECT_EQ(log.copy->written, Bytes{124});
  EXPECT_EQ(log.copy->cut, Bytes{102});
  EXPECT_EQ(log.copy->counts.lines, 2u) << "the marker is no line of the log";
  EXPECT_EQ(log.copy->tail, "second last\n");
}

TEST_F(Logs, TheBoundItselfIsNotCut) {
  const auto collector = Collector({.head = Bytes{3}, .tail = Bytes{4}});
  Append("worker.log", "1234567");
  EXPECT_EQ(CollectOne(collector).copy->cut, Bytes{0});
  Append("worker.log", "8");
  EXPECT_EQ(CollectOne(collector).copy->cut, Bytes{1});
  EXPECT_EQ(Copied(), "123\n[kvtier: 1 bytes were cut here]\n5678");
}

// Reading it whole would take 100 MiB of memory and of the copy.
TEST_F(Logs, AHundredMebibytesAreNotReadWhole) {
  const auto collector = Collector();
  Append("worker.log", "start\n");
  fs::resize_file(root_ / "worker.log", std::uintmax_t{100} << 20);
  Append("worker.log", "\nERROR the end\n");
  const auto log = CollectOne(collector);
  ASSERT_TRUE(log.copy) << log.copy.reason();
  const std::uint64_t written = (std::uint64_t{100} << 20) + 15;
  EXPECT_EQ(log.copy->written, Bytes{written});
  EXPECT_EQ(log.copy->cut, Bytes{written - (9 << 20)});
  EXPECT_THAT(Copied(), StartsWith("start\n"));
  EXPECT_THAT(log.copy->tail, EndsWith("\nERROR the end\n"));
  EXPECT_LE(fs::file_size(root_ / "run/telemetry/logs/worker.log"), (9u << 20) + 100);
}

TEST_F(Logs, ATruncatedLogGivesWhatItHoldsAndSaysSo) {
  Append("worker.log", "a long text of an earlier leg\n");
  const auto collector = Collector();
  fs::resize_file(root_ / "worker.log", 0);
  Append("worker.log", "new\n");
  const auto log = CollectOne(collector);
  EXPECT_EQ(Copied(), "new\n");
  EXPECT_THAT(log.copy->notes, ElementsAre(HasSubstr("was truncated after the leg began")));
}

TEST_F(Logs, ATruncatedLogThatGrewPastTheMarkIsNoticedToo) {
  Append("worker.log", "short, of an earlier leg\n");
  const auto collector = Collector();
  fs::resize_file(root_ / "worker.log", 0);
  Append("worker.log", "this text is longer than what the log held before\n");
  const auto log = CollectOne(collector);
  EXPECT_EQ(Copied(), "this text is longer than what the log held before\n");
  EXPECT_THAT(log.copy->notes, ElementsAre(HasSubstr("truncated")));
}

TEST_F(Logs, ARotatedLogGivesTheRestOfTheOldFileFirst) {
  Append("worker.log", "earlier\n");
  const auto collector = Collector();
  Append("worker.log", "old rest\n");
  fs::rename(root_ / "worker.log", root_ / "worker.log.1");
  Append("worker.log.1", "after the rename\n");
  Append("worker.log", "new file\n");
  const auto log = CollectOne(collector);
  EXPECT_EQ(Copied(), "old rest\nafter the rename\nnew file\n");
  EXPECT_THAT(log.copy->notes, ElementsAre(HasSubstr("was replaced after the leg began")));
  EXPECT_EQ(log.copy->written, Bytes{35});
}

TEST_F(Logs, TheCutRunsAcrossARotation) {
  Append("worker.log", "earlier\n");
  const auto collector = Collector({.head = Bytes{4}, .tail = Bytes{6}});
  Append("worker.log", "old rest\n");
  fs::remove(root_ / "worker.log");
  Append("worker.log", "new\n");
  EXPECT_EQ(CollectOne(collector).copy->cut, Bytes{3});
  EXPECT_EQ(Copied(), "old \n[kvtier: 3 bytes were cut here]\nt\nnew\n");
}

TEST_F(Logs, ADeletedLogIsStillRead) {
  Append("worker.log", "earlier\n");
  const auto collector = Collector();
  Append("worker.log", "last words\n");
  fs::remove(root_ / "worker.log");
  const auto log = CollectOne(collector);
  EXPECT_EQ(Copied(), "last words\n");
  EXPECT_THAT(log.copy->notes, ElementsAre(HasSubstr("was deleted after the leg began")));
}

TEST_F(Logs, WhatIsNoFileIsAReason) {
  fs::create_directories(root_ / "worker.log");
  EXPECT_THAT(CollectOne(Collector()).copy.reason(), HasSubstr("is no regular file"));
  fs::remove(root_ / "worker.log");
  ASSERT_EQ(::mkfifo((root_ / "worker.log").c_str(), 0600), 0);
  EXPECT_THAT(CollectOne(Collector()).copy.reason(), HasSubstr("is no regular file"))
      << "and nobody waits for its writer";
}

TEST_F(Logs, AnUnreadableLogIsAReason) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may read everything";
  Append("worker.log", "secret\n");
  fs::permissions(root_ / "worker.log", fs::perms::none);
  EXPECT_THAT(CollectOne(Collector()).copy.reason(),
              HasSubstr("Permission denied; run as the user"));
}

TEST_F(Logs, ACopyThatCannotBeWrittenIsAReason) {
  Append("worker.log", "x\n");
  const auto collector = Collector();
  Append("run", "a file where the run folder should be");
  EXPECT_THAT(CollectOne(collector).copy.reason(), HasSubstr("run"));
}

TEST_F(Logs, BytesThatAreNoTextAreCopiedAsTheyAreAndShownPrintable) {
  const auto collector = Collector();
  Append("worker.log", "ERROR \xFF\xFE\n");
  const auto log = CollectOne(collector);
  EXPECT_EQ(Copied(), "ERROR \xFF\xFE\n");
  EXPECT_EQ(log.copy->tail, "ERROR \xEF\xBF\xBD\xEF\xBF\xBD\n");
  EXPECT_EQ(log.copy->counts.errors, 1u);
  LogsEvidence evidence;
  evidence.logs = {log};
  EXPECT_NO_THROW((void)LogsBlock(evidence).dump());
}

TEST(LogCollectorNames, EachOnceAndFitForAFile) {
  EXPECT_THROW(LogCollector(std::vector<LogSource>{{"a/b", "/x"}}), ConfigError);
  EXPECT_THROW(LogCollector(std::vector<LogSource>{{"", "/x"}}), ConfigError);
  EXPECT_THROW(LogCollector(std::vector<LogSource>{{"a", "/x"}, {"a", "/y"}}), ConfigError);
  EXPECT_EQ(NatsPlaces{}.Log().name, "nats_server");
}

TEST_F(Logs, ReadTailReadsTheEndOnly) {
  Append("big.log", "start\n");
  fs::resize_file(root_ / "big.log", std::uintmax_t{100} << 20);
  Append("big.log", "\none\ntwo\nthree\n");
  EXPECT_EQ(*ReadTail(root_ / "big.log", 2), "two\nthree\n");
  EXPECT_THAT(ReadTail(root_ / "none.log", 2).reason(), HasSubstr("does not exist"));
}

TEST_F(Logs, TailsAreHeadedByTheirPath) {
  Append("worker.log", "a\nb\nc\n");
  Append("empty.log", "");
  const std::vector<fs::path> paths{root_ / "worker.log", root_ / "empty.log", root_ / "none.log"};
  EXPECT_EQ(TailsText(paths, 2), fmt::format("--- {0}/worker.log\nb\nc\n--- {0}/empty.log: empty\n"
                                             "--- {0}/none.log: {0}/none.log does not exist\n",
                                             root_.path().string()));
  LogCollector collector({{"late", root_ / "late.log"}, {"none", root_ / "none.log"}});
  Append("late.log", "x\ny");
  EXPECT_EQ(TailsText(collector.Collect(root_ / "run"), 1),
            fmt::format("--- telemetry/logs/late.log\ny\n--- {0}/none.log: {0}/none.log does not "
                        "exist\n",
                        root_.path().string()));
}

TEST_F(Logs, TheReportHoldsFiguresOrReasons) {
  LogCollector collector({{"late", root_ / "late.log"}, {"none", root_ / "none.log"}});
  Append("late.log", "ERROR x\n");
  LogsEvidence evidence;
  evidence.logs = collector.Collect(root_ / "run");
  const auto block = LogsBlock(evidence);
  EXPECT_EQ(block["logs"][0], (nlohmann::json{{"name", "late"},
                                              {"source", (root_ / "late.log").string()},
                                              {"path", "telemetry/logs/late.log"},
                                              {"written_bytes", 8},
                                              {"cut_bytes", 0},
                                              {"lines", 1},
                                              {"errors", 1},
                                              {"warnings", 0},
                                              {"notes", nlohmann::json::array()}}));
  EXPECT_FALSE(block["logs"][1].contains("lines")) << "unavailable is not zero";
  EXPECT_THAT(block["logs"][1]["unavailable"], HasSubstr("does not exist"));
  EXPECT_TRUE(block["docker"].is_null()) << "not asked for";
}

}  // namespace
}  // namespace kvtier
