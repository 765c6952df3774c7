#include <fcntl.h>
#include <unistd.h>

#include <filesystem>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/core/subprocess.hpp"
#include "harness/net/http_server.hpp"
#include "telemetry/os/block_device.hpp"
#include "telemetry/os/cgroup.hpp"
#include "telemetry/os/fake_tree.hpp"
#include "telemetry/os/open_files.hpp"
#include "telemetry/os/ports.hpp"
#include "telemetry/os/process_io.hpp"

namespace kvtier {
namespace {

namespace fs = std::filesystem;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class FakeSystem : public ::testing::Test, protected FakeTree {};

TEST_F(FakeSystem, APartitionIsResolvedToItsDisk) {
  Put("sys/devices/pci/nvme0n1/dev", "259:0\n");
  Put("sys/devices/pci/nvme0n1/nvme0n1p2/dev", "259:2\n");
  Put("sys/devices/pci/nvme0n1/nvme0n1p2/partition", "2\n");
  fs::create_directories(root_ / "sys/dev/block");
  fs::create_symlink("../../devices/pci/nvme0n1/nvme0n1p2", root_ / "sys/dev/block/259:2");
  fs::create_symlink("../../devices/pci/nvme0n1", root_ / "sys/dev/block/259:0");
  const BlockDevice disk{"nvme0n1", 259, 0};
  EXPECT_EQ(*WholeDisk(259, 2, roots_), disk);
  EXPECT_EQ(*WholeDisk(259, 0, roots_), disk);
  EXPECT_THAT(WholeDisk(8, 1, roots_).reason(), HasSubstr("8:1 is no block device"));
  EXPECT_FALSE(DeviceUnder(root_ / "gone", roots_).available());
}

TEST_F(FakeSystem, MountsTellTypeAndSource) {
  const std::string mounts = fmt::format(
      "22 1 254:0 / / rw - ext4 /dev/vda rw\n"
      "30 22 0:31 / {0} rw,relatime shared:5 - btrfs /dev/sdb1 rw,subvol=/x\n"
      "31 30 0:44 / {0}/fast rw - tmpfs tmpfs rw\n",
      fs::canonical(root_.path()).string());
  Put("proc/self/mountinfo", mounts);
  EXPECT_EQ(MountSourceOf(mounts, 0, 31), "/dev/sdb1");
  EXPECT_EQ(MountSourceOf(mounts, 0, 44), "") << "tmpfs has no device";
  EXPECT_EQ(FilesystemTypeOf(root_ / "x/y", roots_), "btrfs");
  EXPECT_EQ(FilesystemTypeOf(root_ / "fast/kv", roots_), "tmpfs");
  EXPECT_EQ(FilesystemTypeOf(root_ / "faster", roots_), "btrfs")
      << "components are compared, not characters";
  EXPECT_EQ(FilesystemTypeOf("/usr", roots_), "ext4");
}

TEST(ProcessStat, TheCommandMayHoldAnything) {
  const auto s =
      ParseProcessStat("42 (a b) c) R 7 1 1 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 98765 1 2\n");
  ASSERT_TRUE(s);
  EXPECT_EQ(s->pid, 42);
  EXPECT_EQ(s->command, "a b) c");
  EXPECT_EQ(s->state, 'R');
  EXPECT_EQ(s->parent, 7);
  EXPECT_EQ(s->start_ticks, 98765u);
  for (const char* bad :
       {"", "42", "42 (x", "42 (x) R", "x (y) R 7 1 1 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 1\n"}) {
    EXPECT_FALSE(ParseProcessStat(bad)) << bad;
  }
}

TEST(ProcessIoText, EveryFieldIsNeeded) {
  const auto io =
      ParseProcessIo("rchar: 1\nwchar: 2\nsyscr: 3\nsyscw: 4\nread_bytes: 5\nwrite_bytes: 6\n");
  EXPECT_EQ(io->read_bytes, Bytes{5});
  EXPECT_EQ(io->syscw, 4u);
  EXPECT_THAT(ParseProcessIo("rchar: 1\nwchar: 2\nsyscr: 3\nsyscw: 4\nread_bytes: 5\n").reason(),
              HasSubstr("write_bytes"));
  EXPECT_FALSE(ParseProcessIo("").available()) << "another user's file reads as nothing";
}

TEST_F(FakeSystem, ATreeIsTheProcessAndItsDescendants) {
  PutProcess(100, 1, 1000);
  PutProcess(101, 100, 200);
  PutProcess(102, 101, 30);
  PutProcess(500, 1, 9);
  const std::vector<pid_t> worker{100};
  EXPECT_THAT(ProcessTree(worker, roots_), ElementsAre(100, 101, 102));
  const auto io = ReadTreeIo(worker, roots_);
  ASSERT_TRUE(io.available()) << io.reason();
  ASSERT_EQ(io->size(), 3u);
  EXPECT_EQ((*io)[2].read_bytes, Bytes{30});
  EXPECT_EQ((*io)[0].cmdline, "worker --flag");
  EXPECT_THAT(ReadTreeIo(std::vector<pid_t>{4711}, roots_).reason(), HasSubstr("4711 is gone"));
  EXPECT_FALSE(ReadTreeIo({}, roots_).available());
  fs::remove(root_ / "proc/101/io");
  EXPECT_FALSE(ReadTreeIo(worker, roots_).available())
      << "a part of a tree is no measurement of it";
}

TEST(ProcessEnvironmentText, NamesAndValues) {
  const auto env = ParseEnvironment(std::string_view("A=1\0EMPTY=\0X=a=b\0junk\0", 23));
  EXPECT_EQ(env, (std::map<std::string, std::string>{{"A", "1"}, {"EMPTY", ""}, {"X", "a=b"}}));
}

TEST_F(FakeSystem, CgroupV2AndV1AndNone) {
  const BlockDevice vda{"vda", 254, 0};
  EXPECT_EQ(CgroupPath("4:blkio,memory:/a\n0::/slice/x\n", ""), "/slice/x");
  EXPECT_EQ(CgroupPath("4:memory,blkio:/a\n0::/slice/x\n", "blkio"), "/a");
  EXPECT_EQ(CgroupPath("1:name=systemd:/s\n", ""), "");

  Put("proc/9/cgroup", "0::/slice/x\n");
  EXPECT_THAT(ReadCgroupIo(9, vda, roots_).reason(), HasSubstr("no I/O accounting"));
  Put("sys/fs/cgroup/slice/x/io.stat",
      "8:0 rbytes=999 wbytes=999 rios=1 wios=1 dbytes=0 dios=0\n254:0 rbytes=4096 wbytes=8192 "
      "rios=1 wios=2\n");
  const auto v2 = ReadCgroupIo(9, vda, roots_);
  ASSERT_TRUE(v2.available()) << v2.reason();
  EXPECT_EQ(v2->read, Bytes{4096}) << "of this device only";
  EXPECT_EQ(v2->write, Bytes{8192});
  EXPECT_EQ(v2->source, "cgroup_v2_io_stat");

  Put("proc/10/cgroup", "7:blkio:/job\n");
  Put("sys/fs/cgroup/blkio/job/blkio.throttle.io_service_bytes",
      "254:0 Read 10\n254:0 Write 20\n254:0 Sync 30\n254:0 Total 30\n8:0 Read 5\nTotal 35\n");
  const auto v1 = ReadCgroupIo(10, vda, roots_);
  EXPECT_EQ(v1->read, Bytes{10});
  EXPECT_EQ(v1->write, Bytes{20});
  EXPECT_FALSE(ParseIoStat("254:1 rbytes=1 wbytes=1\n", 254, 0).available());
  EXPECT_FALSE(ParseBlkio("Total 0\n", 254, 0).available())
      << "a root group that accounts nothing is no zero";
  EXPECT_FALSE(ParseIoStat("254:0 rbytes=x wbytes=1\n", 254, 0).available());
}

TEST_F(FakeSystem, AllDevicesOfAControlGroup) {
  Put("proc/9/cgroup", "0::/slice/x\n");
  EXPECT_THAT(ReadCgroupIoTable(9, roots_).reason(), HasSubstr("no I/O accounting"));
  Put("sys/fs/cgroup/slice/x/io.stat", "");
  EXPECT_THAT(ReadCgroupIoTable(9, roots_).reason(), HasSubstr("no figures for any device"));
  Put("sys/fs/cgroup/slice/x/io.stat",
      "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0\n254:0 rbytes=5\n");
  const auto v2 = ReadCgroupIoTable(9, roots_);
  ASSERT_TRUE(v2.available()) << v2.reason();
  ASSERT_EQ(v2->devices.size(), 2u);
  EXPECT_EQ(*v2->devices[0].write, Bytes{2});
  EXPECT_EQ(*v2->devices[0].write_ios, 4u);
  EXPECT_EQ(v2->devices[1].major_number, 254u);
  EXPECT_EQ(*v2->devices[1].read, Bytes{5});
  EXPECT_FALSE(v2->devices[1].write.available()) << "not in the line is not 0";

  Put("proc/10/cgroup", "7:blkio:/job\n");
  Put("sys/fs/cgroup/blkio/job/blkio.throttle.io_service_bytes",
      "254:0 Read 10\n254:0 Write 20\n254:0 Total 30\n8:0 Read 5\nTotal 35\n");
  auto v1 = ReadCgroupIoTable(10, roots_);
  ASSERT_TRUE(v1.available()) << v1.reason();
  EXPECT_EQ(*v1->devices[0].write, Bytes{20});
  EXPECT_FALSE(v1->devices[0].read_ios.available());
  Put("sys/fs/cgroup/blkio/job/blkio.throttle.io_serviced", "254:0 Read 3\n254:0 Write 4\n");
  v1 = ReadCgroupIoTable(10, roots_);
  EXPECT_EQ(*v1->devices[0].read_ios, 3u);
  EXPECT_EQ(v1->source, "cgroup_blkio.throttle.io_service_bytes");
  EXPECT_THAT(ParseBlkioTable("Total 0\n", ""), IsEmpty());
}

TEST(OpenFiles, LinksAndFolders) {
  EXPECT_TRUE(ParseDescriptorLink("/mnt/kv/f (deleted)")->deleted);
  EXPECT_EQ(ParseDescriptorLink("/mnt/kv/f (deleted)")->path, "/mnt/kv/f");
  EXPECT_FALSE(ParseDescriptorLink("socket:[123]"));
  EXPECT_FALSE(ParseDescriptorLink("anon_inode:[io_uring]"));
  EXPECT_TRUE(IsUnder("/mnt/kv/f", "/mnt/kv/"));
  EXPECT_TRUE(IsUnder("/mnt/kv", "/mnt/kv"));
  EXPECT_FALSE(IsUnder("/mnt/kv2/f", "/mnt/kv"));
}

TEST_F(FakeSystem, AnUnlinkedFileOfThisProcessIsFound) {
  fs::create_directories(root_ / "kv");
  const fs::path file = root_ / "kv/cache";
  const int fd = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  ASSERT_GE(fd, 0);
  ::unlink(file.c_str());
  const std::vector<pid_t> self{::getpid()};
  const auto open_now = OpenFilesUnder(self, root_ / "kv");
  ASSERT_TRUE(open_now.available()) << open_now.reason();
  ASSERT_EQ(open_now->size(), 1u);
  EXPECT_TRUE((*open_now)[0].deleted);
  EXPECT_EQ((*open_now)[0].fd, fd);
  ::close(fd);
  EXPECT_THAT(*OpenFilesUnder(self, root_ / "kv"), IsEmpty());
  EXPECT_FALSE(OpenFilesUnder(std::vector<pid_t>{0x7ffffff0}, root_ / "kv").available());
}

TEST(OwnProcess, RealProcReadsAsExpected) {
  Subprocess child({.argv = {"sleep", "30"}, .env = {}, .log = {}});
  const std::vector<pid_t> self{::getpid()};
  EXPECT_THAT(ProcessTree(self), Contains(child.pid()));
  const auto io = ReadTreeIo(self);
  ASSERT_TRUE(io.available()) << io.reason();
  EXPECT_GT(io->front().rchar.value, 0u);
  EXPECT_EQ(ReadProcessStat(child.pid())->parent, ::getpid());
  ASSERT_TRUE(ReadProcessEnvironment(::getpid()).available());
  const auto device = DeviceUnder(::testing::TempDir());
  if (!device) GTEST_SKIP() << device.reason();
  EXPECT_TRUE(ReadDiskCounters(device->name).available());
}

TEST(Ports, TheListenerIsNamed) {
  const char* table =
      "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout "
      "inode\n"
      "   0: 0100007F:1F40 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 "
      "1234 1 0\n"
      "   1: 0100007F:1F40 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 "
      "999 1 0\n";
  EXPECT_THAT(ListenersOf(table, 8000), ElementsAre(1234));
  EXPECT_THAT(ListenersOf(table, 8001), IsEmpty());

  HttpServer server({}, [](const HttpRequest&, std::shared_ptr<Responder>) {});
  const auto owner = FindPortOwner(server.port());
  ASSERT_TRUE(owner);
  EXPECT_EQ(owner->pid, ::getpid());
  EXPECT_THAT(owner->Describe(), HasSubstr(fmt::format("pid {} (", ::getpid())));
  const auto port = server.port();
  server.Stop();
  EXPECT_FALSE(FindPortOwner(port));
}

}  // namespace
}  // namespace kvtier
