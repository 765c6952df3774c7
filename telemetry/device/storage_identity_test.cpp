#include "telemetry/device/storage_identity.hpp"

#include <unistd.h>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/core/files.hpp"
#include "harness/core/temp_dir.hpp"
#include "telemetry/device/pcie.hpp"
#include "telemetry/os/block_device.hpp"

namespace kvtier {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const fs::path kIdentityGolden = fs::path(KVTIER_SOURCE_DIR) / "telemetry/device/golden";
const OsRoots kSpark{kIdentityGolden / "proc", kIdentityGolden / "sys"};

/// A folder for a made-up /sys.
class SysTree : public ::testing::Test {
 protected:
  void Put(const std::string& file, std::string_view text) {
    fs::create_directories((root_ / "sys" / file).parent_path());
    WriteFileAtomic(root_ / "sys" / file, text);
  }
  void Link(const std::string& from, const std::string& to) {
    fs::create_directories((root_ / "sys" / from).parent_path());
    fs::create_symlink(root_ / "sys" / to, root_ / "sys" / from);
  }
  TempDir root_;
  OsRoots roots_{root_ / "proc", root_ / "sys"};
};

TEST(SparkTree, ControllerDiskAndLink) {
  const auto controllers = ListNvmeControllers(kSpark);
  ASSERT_THAT(controllers, SizeIs(1));
  EXPECT_EQ(controllers[0].controller, "nvme0");
  EXPECT_EQ(controllers[0].device, "/dev/nvme0");
  EXPECT_EQ(controllers[0].name_space, "/dev/nvme0n1");
  EXPECT_EQ(controllers[0].bdf, "0004:01:00.0");
  EXPECT_EQ(controllers[0].model, "SAMSUNG MZALC4T0HBL1-00B07") << "without its padding";
  EXPECT_EQ(ControllerOfDisk("nvme0n1", kSpark), "nvme0");
  EXPECT_EQ(DiskOfNode("/dev/nvme0n1p2", kSpark), "nvme0n1");
  EXPECT_EQ(DiskOfNode("/dev/nvme0n1", kSpark), "nvme0n1");
  EXPECT_EQ(DiskOfNode("/dev/sdq", kSpark), "");
  EXPECT_EQ(DiskKind("nvme0n1", kSpark), "NVMe");

  const auto identity = ReadStorageIdentity("nvme0n1", kSpark);
  EXPECT_EQ(identity.controller, "nvme0");
  EXPECT_EQ(identity.device, "/dev/nvme0n1");
  EXPECT_EQ(identity.serial, "S7YKNX0Y123456");
  EXPECT_EQ(identity.firmware, "HXC70W1Q");
  EXPECT_EQ(*identity.size, Bytes{8001573552ull * 512});
  EXPECT_EQ(identity.pcie_link, "16.0 GT/s PCIe x4 (max 32.0 GT/s PCIe x4)");
}

TEST_F(SysTree, AVirtioDiskHasNoControllerAndMayHaveNoModel) {
  Put("devices/pci0000:00/0000:00:02.0/virtio1/block/vda/size", "536870912\n");
  Put("devices/pci0000:00/0000:00:02.0/virtio1/block/vda/queue/rotational", "1\n");
  Put("devices/pci0000:00/0000:00:02.0/virtio1/vendor", "0x1af4\n");
  Link("devices/pci0000:00/0000:00:02.0/virtio1/block/vda/device",
       "devices/pci0000:00/0000:00:02.0/virtio1");
  Link("block/vda", "devices/pci0000:00/0000:00:02.0/virtio1/block/vda");
  const auto identity = ReadStorageIdentity("vda", roots_);
  EXPECT_EQ(identity.controller, "");
  EXPECT_EQ(identity.name_space, "");
  EXPECT_EQ(identity.device, "/dev/vda");
  EXPECT_EQ(identity.model, "");
  EXPECT_EQ(*identity.size, Bytes{256ull << 30});
  EXPECT_EQ(identity.bdf, "0000:00:02.0");
  EXPECT_EQ(identity.pcie_link, "") << "a virtual device has no link";
  EXPECT_EQ(DiskKind("vda", roots_), "virtio disk") << "its rotational flag says nothing";
  EXPECT_THAT(ListNvmeControllers(roots_), IsEmpty());
}

TEST_F(SysTree, ASataDiskGivesModelAndFirmware) {
  const std::string host = "devices/pci0000:00/0000:00:17.0/ata1/host0/target0:0:0/0:0:0:0";
  Put(host + "/model", "Samsung SSD 870 \n");
  Put(host + "/rev", "2B6Q\n");
  Put(host + "/block/sda/size", "1000\n");
  Put(host + "/block/sda/queue/rotational", "0\n");
  Link(host + "/block/sda/device", host);
  Link("block/sda", host + "/block/sda");
  const auto identity = ReadStorageIdentity("sda", roots_);
  EXPECT_EQ(identity.model, "Samsung SSD 870");
  EXPECT_EQ(identity.firmware, "2B6Q");
  EXPECT_EQ(identity.bdf, "0000:00:17.0");
  EXPECT_EQ(DiskKind("sda", roots_), "solid-state disk");
}

TEST_F(SysTree, AMultipathNamespaceFindsItsController) {
  // Controller 3 is path 0 of subsystem 1: the numbers need not agree.
  Put("devices/pci/0000:05:00.0/nvme/nvme3/model", "M\n");
  Put("devices/pci/0000:05:00.0/nvme/nvme3/nvme1c3n1/size", "8\n");
  Put("devices/virtual/nvme-subsystem/nvme-subsys1/nvme1n1/size", "8\n");
  Link("devices/virtual/nvme-subsystem/nvme-subsys1/nvme3", "devices/pci/0000:05:00.0/nvme/nvme3");
  Link("devices/virtual/nvme-subsystem/nvme-subsys1/nvme1n1/device",
       "devices/virtual/nvme-subsystem/nvme-subsys1");
  Link("block/nvme1n1", "devices/virtual/nvme-subsystem/nvme-subsys1/nvme1n1");
  Link("class/nvme/nvme3", "devices/pci/0000:05:00.0/nvme/nvme3");
  EXPECT_EQ(ControllerOfDisk("nvme1n1", roots_), "nvme3");
  const auto controllers = ListNvmeControllers(roots_);
  ASSERT_THAT(controllers, SizeIs(1));
  EXPECT_EQ(controllers[0].name_space, "/dev/nvme1n1");
  EXPECT_EQ(controllers[0].bdf, "0000:05:00.0") << "from the path, without an address file";
  EXPECT_EQ(ReadStorageIdentity("nvme1n1", roots_).model, "M");
}

TEST_F(SysTree, AMappedDeviceIsFollowedWhileItIsOneDisk) {
  Put("devices/x/sda/sda3/partition", "3\n");
  Put("devices/x/sda/size", "8\n");
  Put("devices/virtual/block/dm-0/size", "4\n");
  Link("devices/virtual/block/dm-0/slaves/sda3", "devices/x/sda/sda3");
  Link("block/dm-0", "devices/virtual/block/dm-0");
  Link("block/sda", "devices/x/sda");
  Link("class/block/sda3", "devices/x/sda/sda3");
  EXPECT_EQ(PhysicalDisk("dm-0", roots_), "sda");
  EXPECT_EQ(PhysicalDisk("sda", roots_), "sda");
  Link("devices/virtual/block/dm-0/slaves/sdb1", "devices/x/sda/sda3");
  EXPECT_EQ(PhysicalDisk("dm-0", roots_), "dm-0") << "two disks are no disk";
  EXPECT_EQ(DiskKind("dm-0", roots_), "mapped device");
}

TEST_F(SysTree, ControllersAreSortedByNumber) {
  for (const char* n : {"nvme10", "nvme2", "nvme-fabrics"})
    Put(fmt::format("class/nvme/{}/model", n), "x\n");
  const auto controllers = ListNvmeControllers(roots_);
  ASSERT_THAT(controllers, SizeIs(2));
  EXPECT_EQ(controllers[0].controller, "nvme2");
  EXPECT_EQ(controllers[0].name_space, "");
}

TEST_F(SysTree, AnUnknownDiskIsUnavailableNotZero) {
  EXPECT_THAT(ReadStorageIdentity("vdz", roots_).size.reason(), HasSubstr("block/vdz/size"));
  EXPECT_FALSE(ReadStorageIdentity("", roots_).size.available());
}

TEST(PcieLinks, Texts) {
  EXPECT_EQ(PcieLinkText({"16GT/s", "x4", "32GT/s", "x4"}), "16GT/s x4 (max 32GT/s x4)");
  EXPECT_EQ(PcieLinkText({"16GT/s", "x4", "", ""}), "16GT/s x4");
  EXPECT_EQ(PcieLinkText({"", "", "32GT/s", "x4"}), "max 32GT/s x4");
  EXPECT_EQ(PcieLinkText({}), "");
  EXPECT_EQ(ParseLspciLink(ReadFile(kIdentityGolden / "lspci-vv.txt")),
            (PcieLink{"16GT/s", "x4", "32GT/s", "x4"}));
  EXPECT_TRUE(ParseLspciLink("LnkCap2: Supported Link Speeds: 2.5-32GT/s\n").empty());
}

TEST_F(SysTree, ALinkThatIsDownSaysNothing) {
  Put("bus/pci/devices/0000:01:00.0/current_link_speed", "Unknown\n");
  Put("bus/pci/devices/0000:01:00.0/current_link_width", "0\n");
  Put("bus/pci/devices/0000:01:00.0/max_link_speed", "8.0 GT/s PCIe\n");
  Put("bus/pci/devices/0000:01:00.0/max_link_width", "2\n");
  EXPECT_EQ(PcieLinkText(ReadPcieLink("0000:01:00.0", roots_)), "max 8.0 GT/s PCIe x2");
  EXPECT_TRUE(ReadPcieLink("", roots_).empty());
}

TEST(Bdf, TheLastAddressInAPath) {
  EXPECT_EQ(FindBdf("/sys/devices/pci0000:00/0000:00:01.0/0000:01:00.0/nvme/nvme0"),
            "0000:01:00.0");
  EXPECT_EQ(FindBdf("traddr=0004:01:00.0"), "0004:01:00.0");
  EXPECT_EQ(FindBdf("0000:01:00.9"), "");
  EXPECT_EQ(FindBdf("tcp"), "");
}

TEST(OwnDisk, HasASize) {
  const auto device = DeviceUnder(::testing::TempDir());
  if (!device) GTEST_SKIP() << device.reason();
  const auto identity = ReadStorageIdentity(device->name);
  ASSERT_TRUE(identity.size.available()) << identity.size.reason();
  EXPECT_GT(identity.size->value, 0u);
}

}  // namespace
}  // namespace kvtier
