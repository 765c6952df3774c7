#include "telemetry/logs/cufile_log.hpp"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

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
using ::testing::SizeIs;
using ::testing::StartsWith;

// Lines made by hand in the library's documented form (corpus/README.md).
constexpr const char* kCompatLine =
    " 25-11-2026 10:00:00:123 [pid=7 tid=8] NOTICE  cufio:1036 cuFileHandleRegister GDS not "
    "supported or disabled by config, using cuFile posix read/write with compat mode enabled";
constexpr const char* kGdsLine =
    " 25-11-2026 10:00:00:123 [pid=7 tid=8] INFO  cufio:1040 cuFileHandleRegister: GDS enabled";
constexpr const char* kSettingLine =
    " 25-11-2026 10:00:00:001 [pid=7 tid=8] INFO  properties.allow_compat_mode : 1";

TEST(CufileLineClasses, FollowTheDocumentedCases) {
  const auto compat = ClassifyCufileLine(kCompatLine);
  EXPECT_TRUE(compat.compat && compat.posix && compat.gds);
  EXPECT_FALSE(compat.error || compat.warning);
  EXPECT_TRUE(ClassifyCufileLine("x ERROR cufio-drv:1 open failed").error);
  EXPECT_FALSE(ClassifyCufileLine("x error 0 ERRORS").error) << "the level, not the word";
  EXPECT_TRUE(ClassifyCufileLine("x WARN cufio-fs: y").warning);
  EXPECT_TRUE(ClassifyCufileLine("x WARNING y").warning);
  EXPECT_FALSE(ClassifyCufileLine("WARNED").Any());
  EXPECT_FALSE(ClassifyCufileLine("/usr/local/gds/tools").gds) << "a path";
  EXPECT_FALSE(ClassifyCufileLine("NVGDS GDSX").gds) << "not a word of its own";
  EXPECT_TRUE(ClassifyCufileLine("Posix I/O").posix);
  EXPECT_FALSE(ClassifyCufileLine("").Any());
}

TEST(CufileLinePath, ASettingOrADenialNamesNoPath) {
  EXPECT_TRUE(ClassifyCufileLine(kCompatLine).posix_path);
  EXPECT_FALSE(ClassifyCufileLine(kCompatLine).gds_path) << "it says GDS, and means the opposite";
  EXPECT_TRUE(ClassifyCufileLine("NOTICE cufio-drv:720 running in compatible mode").posix_path);
  EXPECT_TRUE(ClassifyCufileLine("WARN nvidia-fs: not found, using compat mode").posix_path);
  EXPECT_TRUE(ClassifyCufileLine(kGdsLine).gds_path);
  EXPECT_FALSE(ClassifyCufileLine(kSettingLine).posix_path);
  EXPECT_FALSE(ClassifyCufileLine("INFO force_compat_mode: true, posix pool").posix_path);
  EXPECT_FALSE(ClassifyCufileLine("INFO GDS is not enabled").gds_path);
  EXPECT_FALSE(ClassifyCufileLine("ERROR GDS driver failed to be initialized").gds_path);
  EXPECT_FALSE(ClassifyCufileLine("INFO GDS release version: 1.13").gds_path);
  EXPECT_FALSE(ClassifyCufileLine("INFO GDS supported: 0").gds_path);
  EXPECT_FALSE(ClassifyCufileLine("WARN posix fallback: compat mode is disabled").posix_path);
}

TEST(CufileConclusionOf, OneSentence) {
  CufileCounts counts;
  EXPECT_THAT(CufileConclusion(counts, 0), StartsWith("cannot tell: no cufile*.log was written"));
  counts.lines = 5;
  EXPECT_THAT(CufileConclusion(counts, 1), StartsWith("cannot tell: none of 5 lines"));
  counts.posix_path = 2;
  EXPECT_EQ(CufileConclusion(counts, 1), "I/O took the POSIX compat path: 2 of 5 lines say so");
  counts.gds_path = 1;
  EXPECT_THAT(CufileConclusion(counts, 1),
              StartsWith("cannot tell: 2 lines speak of the POSIX compat path and 1 of the GDS"));
  counts.posix_path = 0;
  EXPECT_EQ(CufileConclusion(counts, 1), "I/O took the GDS path: 1 of 5 lines say so");
}

class CufileLogs : public ::testing::Test {
 protected:
  CufileLogs() {
    fs::create_directories(root_ / "var");
    fs::create_directories(root_ / "cwd");
  }
  void Append(const fs::path& name, std::string_view text) {
    std::ofstream(root_ / name, std::ios::app | std::ios::binary) << text << '\n';
  }
  CufilePlaces Places() { return {{root_ / "var", root_ / "cwd"}, {root_ / "named.log"}}; }
  TempDir root_;
};

TEST_F(CufileLogs, OnlyThisLegDecides) {
  Append("var/cufile.log", kGdsLine);
  const CufileCollector collector(Places());
  Append("var/cufile.log", kSettingLine);
  Append("var/cufile.log", kCompatLine);
  Append("var/cufile.log", "x DEBUG nothing of interest");
  Append("var/other.log", kGdsLine);
  const auto evidence = collector.Collect(root_ / "run", "host");
  EXPECT_EQ(evidence.conclusion, "I/O took the POSIX compat path: 1 of 3 lines say so");
  ASSERT_THAT(evidence.files, SizeIs(1));
  EXPECT_EQ(evidence.files[0].path, "telemetry/cufile_logs/host/cufile.log");
  EXPECT_EQ(ReadFile(root_ / "run/telemetry/cufile_logs/host/cufile.log"),
            fmt::format("{}\n{}\nx DEBUG nothing of interest\n", kSettingLine, kCompatLine));
  CufileCounts expected;
  expected.lines = 3;
  expected.compat = 2;
  expected.posix = expected.gds = expected.posix_path = 1;
  EXPECT_EQ(evidence.counts, expected);
  const std::string source = fs::canonical(root_ / "var/cufile.log").string();
  EXPECT_EQ(ReadFile(root_ / "run/telemetry/cufile_host_grep.txt"),
            fmt::format("{0}: {1}\n{0}: {2}\n", source, kSettingLine, kCompatLine));
  EXPECT_THAT(evidence.unreadable, IsEmpty());
  LogsEvidence all;
  all.cufile = {evidence};
  const auto block = LogsBlock(all)["cufile"][0];
  EXPECT_EQ(block["compat_lines"], 2);
  EXPECT_EQ(block["files"][0]["source"], source);
  EXPECT_EQ(block["conclusion"], evidence.conclusion);
}

TEST_F(CufileLogs, EveryPlaceIsLookedAtAndNamesDoNotCollide) {
  const CufileCollector collector(Places());
  Append("var/cufile.log", kGdsLine);
  Append("cwd/cufile.log", kGdsLine);
  Append("cwd/cufile_77_2026.log", kGdsLine);
  Append("named.log", kGdsLine);
  const auto evidence = collector.Collect(root_ / "run", "container_dyn");
  EXPECT_EQ(evidence.conclusion, "I/O took the GDS path: 4 of 4 lines say so");
  std::vector<std::string> paths;
  for (const auto& f : evidence.files) paths.push_back(f.path);
  const std::string base = "telemetry/cufile_logs/container_dyn/";
  EXPECT_THAT(paths, ElementsAre(base + "cufile.log", base + "cufile_77_2026.log",
                                 base + "named.log", base + "2_cufile.log"));
  EXPECT_EQ(evidence.grep_path, "telemetry/cufile_container_dyn_grep.txt");
}

TEST_F(CufileLogs, NothingWrittenIsNoConclusion) {
  Append("var/cufile.log", kGdsLine);
  const auto evidence = CufileCollector(Places()).Collect(root_ / "run", "host");
  EXPECT_THAT(evidence.conclusion, StartsWith("cannot tell: no cufile*.log was written"));
  EXPECT_THAT(evidence.files, IsEmpty());
  EXPECT_EQ(evidence.grep_path, "");
  EXPECT_FALSE(fs::exists(root_ / "run/telemetry/cufile_host_grep.txt"));
}

TEST_F(CufileLogs, TheGrepKeepsTheLastTwoHundred) {
  const CufileCollector collector(Places());
  for (int i = 0; i < 250; ++i) Append("var/cufile.log", fmt::format("x WARN number {}", i));
  const auto evidence = collector.Collect(root_ / "run", "host");
  EXPECT_EQ(evidence.counts.warning, 250u);
  const std::string grep = ReadFile(root_ / "run/telemetry/cufile_host_grep.txt");
  EXPECT_EQ(std::count(grep.begin(), grep.end(), '\n'), 200);
  EXPECT_THAT(grep, HasSubstr("x WARN number 50\n"));
  EXPECT_THAT(grep, EndsWith("x WARN number 249\n"));
}

TEST_F(CufileLogs, AnUnreadableLogIsSaid) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may read everything";
  const CufileCollector collector(Places());
  Append("var/cufile.log", kGdsLine);
  fs::permissions(root_ / "var/cufile.log", fs::perms::none);
  const auto evidence = collector.Collect(root_ / "run", "host");
  EXPECT_THAT(evidence.unreadable, ElementsAre(HasSubstr("Permission denied")));
  EXPECT_THAT(evidence.conclusion, StartsWith("cannot tell: cannot read"));
}

TEST_F(CufileLogs, APlaceThatCannotBeListedIsNotAnEmptyOne) {
  Append("file", "x");
  const auto evidence =
      CufileCollector({{root_ / "file", root_ / "none"}, {}}).Collect(root_ / "run", "host");
  EXPECT_THAT(evidence.unreadable, ElementsAre(HasSubstr("file: Not a directory")));
  EXPECT_THAT(evidence.conclusion, StartsWith("cannot tell: cannot list"));
}

// As a worker in a container: its root and its working folder are links of /proc/<pid>.
TEST_F(CufileLogs, AWorkersOwnPlacesAreSeenThroughItsProcess) {
  for (const char* folder : {"root/var/log/cufile", "root/tmp", "cwd"})
    fs::create_directories(root_ / "proc/4242" / folder);
  Append("proc/4242/root/var/log/cufile/cufile.log", kCompatLine);
  Append("proc/4242/cwd/cufile_4242.log", kCompatLine);
  Append("proc/4242/root/tmp/own.log", kGdsLine);
  Append("proc/4242/cwd/cufile_old.log", kGdsLine);
  const auto now = fs::file_time_type::clock::now();
  fs::last_write_time(root_ / "proc/4242/cwd/cufile_old.log", now - std::chrono::hours(1));
  const auto evidence =
      CufileCollector::WrittenSince(CufilePlaces::Inside(root_ / "proc/4242", "/tmp/own.log"),
                                    now - std::chrono::minutes(1))
          .Collect(root_ / "run", "worker");
  EXPECT_THAT(evidence.files, SizeIs(3)) << "not the one of an earlier leg";
  EXPECT_EQ(evidence.counts.posix_path, 2u);
  EXPECT_EQ(evidence.counts.gds_path, 1u);
}

TEST(CufilePlacesOf, TheDocumentedPlaces) {
  const auto places = CufilePlaces::Of("/app", "/tmp/x.log");
  EXPECT_THAT(places.folders, ElementsAre(fs::path("/var/log/cufile"), fs::path("/app")));
  EXPECT_THAT(places.files, ElementsAre(fs::path("/tmp/x.log")));
  EXPECT_THAT(CufilePlaces::Of("", "").folders, SizeIs(1));
}

}  // namespace
}  // namespace kvtier
