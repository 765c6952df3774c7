#include "telemetry/os/kv_files.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "telemetry/os/block_device.hpp"
#include "telemetry/os/fake_tree.hpp"
#include "telemetry/os/page_cache.hpp"

namespace kvtier {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
class FakeHolders : public ::testing::Test, protected FakeTree {
 protected:
  void PutDescriptor(int pid, int fd, const std::string& target, int flags) {
    Link(fmt::format("proc/{}/fd/{}", pid, fd), target);
    Put(fmt::format("proc/{}/fdinfo/{}", pid, fd),
        fmt::format("pos:\t0\nflags:\t0{:o}\nmnt_id:\t1\n", flags));
  }
  void PutCommand(int pid, const std::string& nul_separated) {
    Put(fmt::format("proc/{}/cmdline", pid), nul_separated);
    fs::create_directories(root_ / fmt::format("proc/{}/fd", pid));
  }
};

/// A file with 4 MiB of zeros on the temporary folder's file system, removed at the end.
class TemporaryFile {
 public:
  explicit TemporaryFile(int extra_flags = 0) {
    path_ = fs::temp_directory_path() / fmt::format("kvtier_cache_{}", ::getpid());
    WriteFileAtomic(path_, std::string(kSize, 'k'));
    fd_ = ::open(path_.c_str(), O_RDWR | O_CLOEXEC | extra_flags);
  }
  ~TemporaryFile() {
    if (fd_ >= 0) ::close(fd_);
    ::unlink(path_.c_str());
  }
  int fd() const { return fd_; }
  const fs::path& path() const { return path_; }
  static constexpr std::uint64_t kSize = 4 << 20;

 private:
  fs::path path_;
  int fd_ = -1;
};

TEST(DescriptorFlags, OctalOfThisBuild) {
  EXPECT_EQ(ParseDescriptorFlags("pos:\t0\nflags:\t0100002\nmnt_id:\t9\n"), 0100002);
  EXPECT_EQ(ParseDescriptorFlags("flags:\t0"), 0);
  EXPECT_EQ(ParseDescriptorFlags("flags:\t9\n"), std::nullopt) << "9 is not octal";
  EXPECT_EQ(ParseDescriptorFlags("pos: 0\n"), std::nullopt);
  EXPECT_TRUE(IsDirectIo(O_RDWR | O_DIRECT));
  EXPECT_FALSE(IsDirectIo(O_RDWR | O_CLOEXEC));
  EXPECT_TRUE(IsWritable(O_WRONLY));
  EXPECT_TRUE(IsWritable(O_RDWR));
  EXPECT_FALSE(IsWritable(O_RDONLY | O_DIRECT));
}

TEST(KvFiles, AnUnlinkedDirectFileOfThisProcess) {
  const fs::path folder = fs::temp_directory_path() / fmt::format("kvtier_kv_{}", ::getpid());
  WriteFileAtomic(folder / "cache", std::string(8192, 'x'));
  const int fd = ::open((folder / "cache").c_str(), O_RDWR | O_DIRECT | O_CLOEXEC);
  const bool direct = fd >= 0;  // tmpfs before Linux 6.6 has no O_DIRECT
  const int used = direct ? fd : ::open((folder / "cache").c_str(), O_RDWR | O_CLOEXEC);
  const int directory = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  ASSERT_GE(used, 0);
  ::unlink((folder / "cache").c_str());
  const std::vector<pid_t> self{::getpid()};
  auto files = FindKvFiles(self, folder);
  ASSERT_TRUE(files.available()) << files.reason();
  ASSERT_EQ(files->size(), 1u) << "the open folder is no KV file";
  std::vector<KvFile> found = *files;
  EXPECT_EQ(found[0].fd, used);
  EXPECT_EQ(found[0].path, (fs::canonical(folder) / "cache").string());
  EXPECT_TRUE(found[0].deleted);
  EXPECT_EQ(found[0].direct_io, direct);
  EXPECT_EQ(*found[0].size, Bytes{8192});
  EXPECT_GE(*found[0].allocated, Bytes{8192});
  if (const auto disk = DeviceUnder(folder)) {
    EXPECT_EQ(found[0].device, disk->name);
  }
  EXPECT_FALSE(found[0].resident.available()) << "not asked for is not 0";
  MeasureResident(found);
  ASSERT_TRUE(found[0].resident.available()) << found[0].resident.reason();
  EXPECT_LE(*found[0].resident, Bytes{65536});
  ::close(used);
  ::close(directory);
  EXPECT_THAT(*FindKvFiles(self, folder), IsEmpty());
  EXPECT_FALSE(FindKvFiles(std::vector<pid_t>{0x7ffffff0}, folder).available());
  fs::remove_all(folder);
}

TEST_F(FakeHolders, WithoutFlagsNothingIsAssumed) {
  Link("proc/7/fd/3", "/kv/x");
  const std::vector<pid_t> pids{7};
  EXPECT_THAT(*FindKvFiles(pids, "/kv", roots_), IsEmpty()) << "closed between the two looks";
  Put("proc/7/fdinfo/3", "pos: 0\n");
  EXPECT_THAT(FindKvFiles(pids, "/kv", roots_).reason(), HasSubstr("fdinfo/3 has no flags"));
}

TEST(ServingWorker, ByTheProgramOfTheCommandLine) {
  const auto is = [](std::vector<std::string> arguments) { return IsServingWorker(arguments); };
  EXPECT_TRUE(is({"/opt/bin/kvtier-worker", "--preset", "nano"}));
  EXPECT_TRUE(is({"python3", "-m", "dynamo.trtllm"}));
  EXPECT_TRUE(is({"python3", "-m", "dynamo.vllm"}));
  EXPECT_TRUE(is({"python3", "/usr/local/bin/trtllm-serve", "model"}));
  EXPECT_TRUE(is({"python3", "/usr/bin/vllm", "serve", "model"}));
  EXPECT_TRUE(is({"python3", "-m", "sglang.launch_server"}));
  EXPECT_TRUE(is({"llama-server"}));
  EXPECT_FALSE(is({"vim", "kvtier-worker.cpp"}));
  EXPECT_FALSE(is({"cmake", "--build", ".", "--target", "kvtier-worker"}))
      << "whoever names a worker is none";
  EXPECT_FALSE(is({"python3", "-m"}));
  EXPECT_FALSE(is({"vllm", "bench"}));
  EXPECT_FALSE(is({"vllm"}));
  EXPECT_FALSE(is({}));
}

TEST_F(FakeHolders, AForeignProcessWithAFileBelowTheCacheDirectoryCounts) {
  PutProcess(100, 1, 0);
  PutProcess(101, 100, 0);
  for (const int pid : {100, 101}) PutDescriptor(pid, 3, "/kv/cache (deleted)", O_RDWR);
  PutCommand(200, std::string("cp\0a\0", 5));
  PutDescriptor(200, 4, "/kv2/x", O_RDWR);
  PutCommand(201, std::string("tail\0-f\0", 8));
  PutDescriptor(201, 5, "/kv/cache (deleted)", O_RDONLY);
  PutCommand(300, "");  // a thread of the kernel
  const std::vector<pid_t> stack{100};
  const auto scan = ScanForeignHolders(stack, "/kv", roots_);
  ASSERT_TRUE(scan.available()) << scan.reason();
  EXPECT_EQ(scan->holders, (std::vector<OtherWorker>{{201, "tail -f", "/kv/cache"}}));
  EXPECT_EQ(scan->processes, 2u);
  EXPECT_EQ(scan->unreadable, 0u);
  EXPECT_EQ(ForeignHolders({}, "/kv", roots_)->size(), 3u) << "nobody is of the stack";
  Link("proc/self", "201");
  EXPECT_THAT(*ForeignHolders(stack, "/kv", roots_), IsEmpty()) << "this process is no stranger";
}

TEST_F(FakeHolders, AKnownWorkerThatWritesToTheDiskCounts) {
  // The real file and the real disk below made-up processes.
  TemporaryFile file;
  const auto disk = DeviceUnder(fs::temp_directory_path());
  if (!disk) GTEST_SKIP() << disk.reason();
  roots_.sys = "/sys";
  fs::create_directories(root_ / "kv");
  PutCommand(200, std::string("llama-server\0", 13));
  PutDescriptor(200, 4, file.path().string(), O_RDONLY);
  const std::vector<pid_t> stack{100};
  EXPECT_THAT(*ForeignHolders(stack, root_ / "kv", roots_), IsEmpty()) << "it only reads";
  PutCommand(201, std::string("python3\0-m\0dynamo.vllm\0", 23));
  PutDescriptor(201, 4, file.path().string(), O_WRONLY);
  PutCommand(202, std::string("rsync\0", 6));
  PutDescriptor(202, 4, file.path().string(), O_WRONLY);
  const auto holders = ForeignHolders(stack, root_ / "kv", roots_);
  ASSERT_TRUE(holders.available()) << holders.reason();
  EXPECT_EQ(*holders,
            (std::vector<OtherWorker>{{201, "python3 -m dynamo.vllm", file.path().string()}}));
}

TEST_F(FakeHolders, HiddenProcessesAreCountedAndAllHiddenIsUnavailable) {
  Put("proc/200/cmdline", std::string("sshd\0", 5));  // its fd folder cannot be listed
  const std::vector<pid_t> stack{100};
  EXPECT_THAT(ScanForeignHolders(stack, "/kv", roots_).reason(),
              HasSubstr("all 1 other processes are hidden"));
  PutCommand(201, std::string("sh\0", 3));
  const auto scan = ScanForeignHolders(stack, "/kv", roots_);
  ASSERT_TRUE(scan.available()) << scan.reason();
  EXPECT_EQ(scan->unreadable, 1u);
  EXPECT_EQ(scan->processes, 2u);
}

TEST_F(FakeHolders, AServingWorkerThatHidesItsFilesIsNotNobody) {
  PutCommand(200, std::string("sh\0", 3));
  Put("proc/201/cmdline", std::string("python3\0-m\0dynamo.trtllm\0", 25));
  const std::vector<pid_t> stack{100};
  EXPECT_THAT(ScanForeignHolders(stack, "/kv", roots_).reason(),
              HasSubstr("process 201 (python3 -m dynamo.trtllm) is a serving worker"));
  PutDescriptor(200, 3, "/kv/blocks", O_RDONLY);
  const auto scan = ScanForeignHolders(stack, "/kv", roots_);
  ASSERT_TRUE(scan.available()) << "one that is seen is enough: " << scan.reason();
  EXPECT_EQ(scan->holders.size(), 1u);
}

TEST(GoldenSpark, KvFilesAndStrangers) {
  const std::vector<pid_t> worker{4242};
  const auto files = FindKvFiles(worker, "/mnt/nvme/kvbm", GoldenSpark());
  ASSERT_TRUE(files.available()) << files.reason();
  ASSERT_EQ(files->size(), 2u);
  const bool first = (*files)[0].fd == 17;
  const KvFile& cache = (*files)[first ? 0 : 1];
  EXPECT_EQ(cache.path, "/mnt/nvme/kvbm/kvbm_disk_cache_4242");
  EXPECT_TRUE(cache.deleted);
  EXPECT_EQ(cache.direct_io, IsDirectIo(02600002)) << "true on arm64";
  EXPECT_FALSE(cache.size.available()) << "the link leads nowhere";
  EXPECT_EQ((*files)[first ? 1 : 0].path, "/mnt/nvme/kvbm/index.json");
  EXPECT_FALSE((*files)[first ? 1 : 0].deleted);

  const std::vector<pid_t> stack{4200, 4242};
  const auto scan = ScanForeignHolders(stack, "/mnt/nvme/kvbm", GoldenSpark());
  ASSERT_TRUE(scan.available()) << scan.reason();
  ASSERT_EQ(scan->holders.size(), 1u);
  EXPECT_EQ(scan->holders[0].pid, 5151);
  EXPECT_EQ(scan->holders[0].path, "/mnt/nvme/kvbm/stolen.bin");
  EXPECT_EQ(scan->processes, 3u) << "init, llama-server, less";
}

TEST(PageCache, FollowsReadsAndDrops) {
  TemporaryFile file;
  ASSERT_GE(file.fd(), 0);
  std::vector<char> buffer(TemporaryFile::kSize);
  ASSERT_EQ(::pread(file.fd(), buffer.data(), buffer.size(), 0),
            static_cast<ssize_t>(buffer.size()));
  const auto full = ResidentBytes(file.fd());
  ASSERT_TRUE(full.available()) << full.reason();
  EXPECT_GE(full->value, TemporaryFile::kSize * 9 / 10) << "nothing else wants the memory";
  EXPECT_LE(full->value, TemporaryFile::kSize);
  ::unlink(file.path().c_str());
  const fs::path descriptor = fmt::format("/proc/{}/fd/{}", ::getpid(), file.fd());
  EXPECT_EQ(ResidentBytes(descriptor), full) << "an unlinked file through its descriptor";

  const auto by_mincore = ResidentByMincore(file.fd());
  ASSERT_TRUE(by_mincore.available()) << by_mincore.reason();
  const auto by_cachestat = ResidentByCachestat(file.fd());
  if (by_cachestat) {
    EXPECT_EQ(*by_cachestat, *by_mincore);
  } else {
    EXPECT_THAT(by_cachestat.reason(), HasSubstr("Linux 6.5"));
  }

  const std::string type = FilesystemTypeOf(fs::temp_directory_path());
  if (type != "ext4" && type != "xfs" && type != "btrfs")
    GTEST_SKIP() << "a file on " << (type.empty() ? "this file system" : type)
                 << " need not leave the page cache when asked to";
  ASSERT_EQ(::fsync(file.fd()), 0);
  ASSERT_EQ(::posix_fadvise(file.fd(), 0, 0, POSIX_FADV_DONTNEED), 0);
  EXPECT_LE(ResidentBytes(file.fd())->value, TemporaryFile::kSize / 10);
  EXPECT_LE(ResidentByMincore(file.fd())->value, TemporaryFile::kSize / 10);
}

TEST(PageCache, WhatIsNoFileIsUnavailable) {
  EXPECT_THAT(ResidentBytes(fs::path("/dev/null")).reason(), HasSubstr("/dev/null: "));
  EXPECT_THAT(ResidentBytes(fs::path("/no/such/file")).reason(), HasSubstr("/no/such/file"));
  EXPECT_FALSE(ResidentBytes(-1).available());
  EXPECT_FALSE(ResidentByCachestat(-1).available());
  EXPECT_FALSE(ResidentByMincore(-1).available());
}

TEST(PageCache, AnEmptyFileHasNothingResident) {
  TemporaryFile file;
  ASSERT_EQ(::ftruncate(file.fd(), 0), 0);
  EXPECT_EQ(*ResidentBytes(file.fd()), Bytes{0});
  EXPECT_EQ(*ResidentByMincore(file.fd()), Bytes{0});
}

}  // namespace
}  // namespace kvtier
