#include "harness/report/archive.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <unistd.h>

#include <functional>
#include <map>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>

#include "harness/core/error.hpp"
#include "harness/core/files.hpp"
#include "harness/core/temp_dir.hpp"
#include "harness/report/process_identity.hpp"
#include "harness/report/schema_check.hpp"

namespace kvtier {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr const char* kTs = "20260101T000000Z";
const std::string kBundle = std::string("phase70_rehydrate_pair_B2_p01_l1_") + kTs;

/// Writes any tar, good or bad: what an enemy or a broken disk hands us.
class RawTar {
 public:
  explicit RawTar(const fs::path& path) : out_(archive_write_new()) {
    archive_write_add_filter_gzip(out_);
    archive_write_set_format_pax_restricted(out_);
    EXPECT_EQ(archive_write_open_filename(out_, path.c_str()), ARCHIVE_OK);
  }
  ~RawTar() { archive_write_free(out_); }
  RawTar(const RawTar&) = delete;
  RawTar& operator=(const RawTar&) = delete;

  void Add(const std::string& name, const std::string& bytes, const char* link_to = nullptr) {
    archive_entry* entry = archive_entry_new();
    archive_entry_set_pathname(entry, name.c_str());
    archive_entry_set_filetype(entry, link_to == nullptr ? AE_IFREG : AE_IFLNK);
    if (link_to != nullptr) archive_entry_set_symlink(entry, link_to);
    archive_entry_set_perm(entry, 0644);
    archive_entry_set_size(entry, link_to == nullptr ? static_cast<la_int64_t>(bytes.size()) : 0);
    EXPECT_EQ(archive_write_header(out_, entry), ARCHIVE_OK);
    archive_entry_free(entry);
    if (link_to == nullptr) archive_write_data(out_, bytes.data(), bytes.size());
  }

 private:
  archive* out_;
};

json ManifestOf(const std::map<std::string, std::string>& files) {
  ArchiveManifest m{.created_utc = "now", .source = "s", .tops = {"a"}, .folders = {}, .files = {}};
  for (const auto& [path, bytes] : files)
    m.files.push_back({.path = path, .bytes = bytes.size(), .sha256 = Sha256Hex(bytes)});
  return m;
}

class ArchiveTest : public testing::Test {
 protected:
  ArchiveTest() {
    root_.Put(kBundle + "/run_B2/config.json", "{\"run_id\": \"x\"}");
    root_.Put(kBundle + "/run_B2/requests.jsonl", std::string(3'000'000, 'r'));
    root_.Put(kBundle + "/run_B2/empty.log", "");
    fs::create_directories(root_ / kBundle / "run_B2/io");
    root_.Put(std::string("phase70_rehydrate_pair_repeats_verdict_") + kTs + ".json", "{}");
    root_.Put("phase70_pair_logs_20260202T000000Z/leg.log", "of another experiment");
  }
  ArchiveSource Source() const { return SourceOfTs(root_.path(), kTs); }
  fs::path Out() const { return root_ / "archives/a.tar.gz"; }
  std::map<std::string, std::string> Tree(const fs::path& folder) const {
    std::map<std::string, std::string> all;
    for (const auto& entry : fs::recursive_directory_iterator(folder))
      all.emplace(entry.path().lexically_relative(folder).string(),
                  entry.is_regular_file() ? ReadFile(entry.path()) : "a folder");
    return all;
  }
  static std::string ErrorOf(const std::function<void()>& act) {
    try {
      act();
    } catch (const Error& e) {
      return e.what();
    }
    return "";
  }

  TempDir root_;
};

TEST_F(ArchiveTest, WhatBelongsToAnExperimentIsFoundByItsTs) {
  EXPECT_THAT(
      Source().tops,
      ElementsAre(kBundle, std::string("phase70_rehydrate_pair_repeats_verdict_") + kTs + ".json"));
  EXPECT_THROW(SourceOfTs(root_.path(), "20990101T000000Z"), ConfigError);
  EXPECT_THROW(SourceOfTs(root_.path(), "../x"), ConfigError);
  EXPECT_THROW(SourceOfFolder(root_ / "none"), ConfigError);
}

TEST_F(ArchiveTest, ComesBackAsItWas) {
  const fs::path requests = root_ / kBundle / "run_B2/requests.jsonl";
  const timespec long_ago[2] = {{1'700'000'000, 0}, {1'700'000'000, 0}};
  ASSERT_EQ(::utimensat(AT_FDCWD, requests.c_str(), long_ago, 0), 0);
  CreateArchive(Source(), Out());
  const ArchiveManifest manifest = VerifyArchive(Out());
  EXPECT_EQ(manifest.files.size(), 4U);
  const fs::path listed = root_.Put("manifest.json", json(manifest).dump());
  EXPECT_THAT(
      CheckFile(listed, fs::path(KVTIER_SOURCE_DIR) / "docs/schemas/archive_manifest.schema.json"),
      testing::IsEmpty());
  EXPECT_EQ(manifest.Bytes(), 3'000'000U + 15U + 2U);
  EXPECT_LT(fs::file_size(Out()), 100'000U) << "compressed";
  const TempDir elsewhere;
  RestoreArchive(Out(), elsewhere.path());
  EXPECT_EQ(Tree(elsewhere.path() / kBundle), Tree(root_ / kBundle));
  struct stat s {};
  ASSERT_EQ(::stat((elsewhere / kBundle / "run_B2/requests.jsonl").c_str(), &s), 0);
  EXPECT_EQ(s.st_mtime, 1'700'000'000);
  EXPECT_EQ(Tree(elsewhere.path()).size(), Tree(root_ / kBundle).size() + 2) << "nothing else";
}

TEST_F(ArchiveTest, NothingIsReplaced) {
  CreateArchive(Source(), Out());
  EXPECT_THROW(CreateArchive(Source(), Out()), ConfigError);
  EXPECT_THROW(RestoreArchive(Out(), root_.path()), ConfigError);
  EXPECT_THAT(Tree(root_ / "archives"), testing::SizeIs(1)) << "no work in progress is left";
}

TEST_F(ArchiveTest, ADamagedByteIsFound) {
  CreateArchive(Source(), Out());
  const std::string good = ReadFile(Out());
  int found = 0, tried = 0;
  for (std::size_t at = 20; at + 20 < good.size(); at += 1 + good.size() / 64) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 0x10);
    ++tried;
    try {
      // A bit that only changes padding or a time is no damage: then all content was proven equal.
      EXPECT_EQ(json(VerifyArchiveBytes(bad)), json(VerifyArchiveBytes(good)));
    } catch (const DataError&) {
      ++found;
    }
  }
  EXPECT_GT(found, tried / 2) << tried;
  for (const std::size_t length : {std::size_t{0}, std::size_t{9}, good.size() / 2})
    EXPECT_THROW(VerifyArchiveBytes(good.substr(0, length)), DataError) << length;
}

TEST_F(ArchiveTest, MembersAreExactlyThoseOfTheManifest) {
  const std::string manifest = ManifestOf({{"a/1", "one"}, {"a/2", "two"}}).dump();
  const auto verdict = [&](const std::function<void(RawTar&)>& add) {
    const fs::path file = root_ / "raw.tar.gz";
    {
      RawTar tar(file);
      add(tar);
    }
    return ErrorOf([&] { VerifyArchive(file); });
  };
  const auto with = [&](const std::function<void(RawTar&)>& add) {
    return verdict([&](RawTar& tar) {
      tar.Add(kArchiveManifestName, manifest);
      add(tar);
    });
  };
  EXPECT_EQ(with([](RawTar& t) { t.Add("a/1", "one"), t.Add("a/2", "two"); }), "");
  EXPECT_THAT(with([](RawTar& t) { t.Add("a/1", "one"); }), HasSubstr("a/2 is missing"));
  EXPECT_THAT(with([](RawTar& t) { t.Add("a/1", "eno"); }), HasSubstr("a/1 is not what"));
  EXPECT_THAT(with([](RawTar& t) { t.Add("a/1", "one more"); }), HasSubstr("longer"));
  EXPECT_THAT(with([](RawTar& t) { t.Add("a/3", "x"); }), HasSubstr("not in its manifest"));
  EXPECT_THAT(with([](RawTar& t) { t.Add("a/1", "one"), t.Add("a/1", "one"); }),
              HasSubstr("twice"));
  EXPECT_THAT(with([](RawTar& t) { t.Add("a/1", "", "/etc/passwd"); }), HasSubstr("is a link"));
  EXPECT_THAT(with([](RawTar& t) { t.Add("../a/1", "one"); }), HasSubstr("not in its manifest"));
  EXPECT_THAT(verdict([](RawTar& t) { t.Add("a/1", "one"); }), HasSubstr("first member"));
}

TEST_F(ArchiveTest, AManifestCannotLeadOutOfTheArchive) {
  for (const char* path : {"../a", "/a/1", "a/../../x", "a//1", "a/./1", "b/1", "a/", ""}) {
    const json bad = ManifestOf({{path, "x"}});
    EXPECT_THROW(bad.get<ArchiveManifest>(), DataError) << path;
  }
  json bad = ManifestOf({{"a/1", "x"}});
  bad["tops"] = {"a", "never_packed"};
  EXPECT_THROW(bad.get<ArchiveManifest>(), DataError);
  bad["schema_version"] = 2;
  EXPECT_THROW(bad.get<ArchiveManifest>(), DataError);
}

TEST_F(ArchiveTest, ARestoreOfADamagedArchiveLeavesNothing) {
  {
    RawTar tar(root_ / "raw.tar.gz");
    tar.Add(kArchiveManifestName, ManifestOf({{"a/1", "one"}, {"a/2", "two"}}).dump());
    tar.Add("a/1", "one");
    tar.Add("a/2", "owt");
  }
  const TempDir elsewhere;
  EXPECT_THROW(RestoreArchive(root_ / "raw.tar.gz", elsewhere.path()), DataError);
  EXPECT_TRUE(fs::is_empty(elsewhere.path()));
}

TEST_F(ArchiveTest, LinksAndLiveRunsAreRefused) {
  const fs::path state = root_ / kBundle / "run_B2/run_state.json";
  const ProcessIdentity self = ProcessIdentity::OfThis();
  WriteJsonAtomic(state,
                  {{"state", "running"}, {"pid", self.pid}, {"pid_start_ticks", self.start_ticks}});
  EXPECT_THAT(ErrorOf([&] { CreateArchive(Source(), Out()); }), HasSubstr("still writes"));
  fs::remove(state);
  // Between two legs nothing writes, and yet it runs.
  WriteJsonAtomic(root_ / "current/phase70.json", {{"ts", kTs}, {"pid", self.pid}});
  EXPECT_THAT(ErrorOf([&] { CreateArchive(Source(), Out()); }), HasSubstr("phase70.json says"));
  fs::remove_all(root_ / "current");
  fs::create_symlink("/etc/passwd", root_ / kBundle / "link");
  EXPECT_THAT(ErrorOf([&] { CreateArchive(Source(), Out()); }), HasSubstr("is a link"));
  EXPECT_FALSE(fs::exists(Out()));
}

TEST_F(ArchiveTest, TheSourceGoesOnlyWhenAllOfItIsInTheArchive) {
  const ArchiveSource source = Source();
  CreateArchive(source, Out());
  const fs::path late = root_.Put(kBundle + "/run_B2/late.log", "written after the archive");
  EXPECT_THAT(ErrorOf([&] { RemoveArchivedSource(source, Out()); }), HasSubstr("late.log"));
  EXPECT_TRUE(fs::exists(late));
  fs::remove(late);
  root_.Put(kBundle + "/run_B2/config.json", "{\"run_id\": \"y\"}");
  EXPECT_THAT(ErrorOf([&] { RemoveArchivedSource(source, Out()); }), HasSubstr("config.json"));
  root_.Put(kBundle + "/run_B2/config.json", "{\"run_id\": \"x\"}");
  const std::string whole = ReadFile(Out());
  std::ofstream(Out(), std::ios::binary) << whole.substr(0, whole.size() / 2);
  EXPECT_THROW(RemoveArchivedSource(source, Out()), DataError);
  EXPECT_TRUE(fs::exists(root_ / kBundle));
  std::ofstream(Out(), std::ios::binary) << whole;
  RemoveArchivedSource(source, Out());
  EXPECT_THAT(Tree(root_.path()), testing::UnorderedElementsAre(
                                      testing::Key("archives"), testing::Key("archives/a.tar.gz"),
                                      testing::Key("phase70_pair_logs_20260202T000000Z"),
                                      testing::Key("phase70_pair_logs_20260202T000000Z/leg.log")));
  RestoreArchive(Out(), root_.path());
  EXPECT_TRUE(fs::exists(root_ / kBundle / "run_B2/io"));
}

}  // namespace
}  // namespace kvtier
