#include "telemetry/logs/cache_dir_snapshot.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "harness/core/files.hpp"
#include "harness/core/temp_dir.hpp"
#include "telemetry/logs/log_report.hpp"

namespace kvtier {
namespace {

namespace fs = std::filesystem;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr std::chrono::system_clock::time_point kEpoch{};

class CacheDir : public ::testing::Test {
 protected:
  CacheDir() { fs::create_directories(root_ / "kv"); }
  // `seconds`: its modification time, since the epoch.
  void Put(const std::string& name, std::size_t size, std::int64_t seconds) {
    const fs::path path = root_ / "kv" / name;
    fs::create_directories(path.parent_path());
    WriteFileAtomic(path, std::string(size, 'x'));
    const timespec times[2] = {{seconds, 0}, {seconds, 0}};
    ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
  }
  CacheDirSnapshot Take(const CacheDirLimits& limits = {},
                        const Reading<std::vector<KvFile>>& open = std::vector<KvFile>{}) {
    return SnapshotCacheDir(root_ / "run", root_ / "kv", "before_replay", open, limits, kEpoch);
  }
  std::string Text(const CacheDirSnapshot& s) { return ReadFile(root_ / "run" / s.path); }
  std::string Files(const CacheDirSnapshot& s) { return ReadFile(root_ / "run" / s.files_path); }

  TempDir root_;
};

TEST_F(CacheDir, FilesAreListedByTime) {
  Put("b", 5, 1);
  Put("sub/a", 7, 0);
  const auto s = Take();
  EXPECT_EQ(s.path, "telemetry/kvbm_before_replay_19700101T000000Z.txt");
  EXPECT_EQ(s.files_path, "telemetry/kvbm_before_replay_19700101T000000Z_files.txt");
  EXPECT_EQ(Files(s), fmt::format("1970-01-01T00:00:00.000+00:00 7 {0}/kv/sub/a\n"
                                  "1970-01-01T00:00:01.000+00:00 5 {0}/kv/b\n",
                                  root_.path().string()));
  EXPECT_EQ(s.files, 2u);
  EXPECT_THAT(s.notes, IsEmpty());
  EXPECT_THAT(Text(s), HasSubstr(fmt::format("timestamp_utc=1970-01-01T00:00:00.000+00:00\n"
                                             "cache_dir={}/kv\n--- du -sh ---\n",
                                             root_.path().string())));
  EXPECT_THAT(Text(s), HasSubstr("--- file_count ---\n2\n"));
}

TEST_F(CacheDir, SizesAreBlocksAndCumulative) {
  Put("one/two/three/file", 100'000, 0);
  const auto s = Take();
  struct stat status {};
  std::uint64_t blocks = 0;
  for (const char* name : {"", "one", "one/two", "one/two/three", "one/two/three/file"}) {
    ASSERT_EQ(::stat((root_ / "kv" / name).c_str(), &status), 0);
    blocks += static_cast<std::uint64_t>(status.st_blocks);
  }
  EXPECT_EQ(s.allocated, Bytes{blocks * 512});
  EXPECT_THAT(Text(s),
              HasSubstr(fmt::format("\t{}/kv/one/two\n--- file_count", root_.path().string())))
      << "depth 2 is the deepest that is shown";
}

TEST_F(CacheDir, AHardLinkCountsOnce) {
  Put("a", 100'000, 0);
  const auto alone = Take().allocated;
  fs::create_hard_link(root_ / "kv/a", root_ / "kv/b");
  const auto both = Take();
  EXPECT_EQ(both.allocated, alone);
  EXPECT_EQ(both.files, 2u);
}

TEST_F(CacheDir, TheLimitsAreSaid) {
  for (int i = 0; i < 20; ++i) Put(fmt::format("f{}", i), 1, i);
  const auto cut = Take({.depth = 5, .entries = 10});
  EXPECT_EQ(cut.files, 10u);
  EXPECT_THAT(cut.notes, ElementsAre(HasSubstr("cut after 10 entries")));
  EXPECT_THAT(Text(cut), HasSubstr("# cut after 10 entries"));
  EXPECT_THAT(Take({.depth = 5, .entries = 20}).notes, IsEmpty());

  Put("1/2/3/4/shown", 1, 0);
  Put("1/2/3/4/5/hidden", 1, 0);
  const auto deep = Take();
  EXPECT_THAT(Files(deep), HasSubstr("/1/2/3/4/shown\n"));
  EXPECT_THAT(Files(deep), Not(HasSubstr("hidden")));
  EXPECT_THAT(deep.notes, ElementsAre("folders below depth 5 are not listed"));
}

TEST_F(CacheDir, ALinkIsNotFollowed) {
  fs::create_directories(root_ / "elsewhere");
  WriteFileAtomic(root_ / "elsewhere/secret", "x");
  fs::create_directory_symlink(root_ / "elsewhere", root_ / "kv/link");
  EXPECT_EQ(Take().files, 0u);
}

TEST_F(CacheDir, AFileNameCannotForgeALine) {
  Put("a\n1970-01-01T00:00:00.000+00:00 9 /forged", 1, 0);
  EXPECT_THAT(Files(Take()), Not(HasSubstr("\n1970-01-01T00:00:00.000+00:00 9")));
}

TEST_F(CacheDir, DeletedFilesAreShownFromTheDescriptors) {
  KvFile file;
  file.pid = 42;
  file.fd = 7;
  file.path = "/mnt/nvme/kvbm/dynamo-kvbm-disk-cache-AbCdEf";
  file.deleted = true;
  file.size = Bytes{1000};
  KvFile unknown = file;
  unknown.deleted = false;
  unknown.size = Reading<Bytes>::Unavailable("gone");
  const std::string text = Text(Take({}, std::vector<KvFile>{file, unknown}));
  EXPECT_THAT(text, HasSubstr("--- file_count ---\n0\n"));
  EXPECT_THAT(text, HasSubstr("unlinked after it was opened is not visible above"));
  EXPECT_THAT(text, HasSubstr("pid=42 fd=7 deleted=1 size=1000 /mnt/nvme/kvbm/dynamo-kvbm"));
  EXPECT_THAT(text, HasSubstr("deleted=0 size=unknown"));
  EXPECT_THAT(text, HasSubstr("open_file_count=2\n"));
  EXPECT_THAT(Text(Take({}, Reading<std::vector<KvFile>>::Unavailable("another user"))),
              HasSubstr("open_files_unavailable=another user\n"));
}

TEST_F(CacheDir, AMissingFolderIsSaidAndNotCountedAsEmpty) {
  fs::remove_all(root_ / "kv");
  const auto s = Take();
  EXPECT_TRUE(s.missing);
  EXPECT_THAT(Text(s), HasSubstr("cache_dir_missing=1\n"));
  EXPECT_EQ(s.files_path, "");
  LogsEvidence evidence;
  evidence.cache_dir = {s};
  EXPECT_TRUE(LogsBlock(evidence)["cache_dir"][0]["files"].is_null());
}

TEST_F(CacheDir, AnUnreadableFolderIsSaid) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may read everything";
  Put("closed/file", 1, 0);
  fs::permissions(root_ / "kv/closed", fs::perms::none);
  const auto s = Take();
  fs::permissions(root_ / "kv/closed", fs::perms::owner_all);
  EXPECT_THAT(s.notes, Contains(HasSubstr("cannot list")));
}

TEST_F(CacheDir, WhatCannotBeWrittenIsANote) {
  WriteFileAtomic(root_ / "run", "a file");
  const auto s = Take();
  EXPECT_EQ(s.path, "");
  EXPECT_THAT(s.notes, Not(IsEmpty()));
}

}  // namespace
}  // namespace kvtier
