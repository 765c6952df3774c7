#include "telemetry/device/device_metadata.hpp"

#include <unistd.h>

#include <cstdlib>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "harness/core/error.hpp"
#include "harness/core/files.hpp"
#include "harness/report/schema_check.hpp"
#include "telemetry/device/canned_runner.hpp"

namespace kvtier {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const fs::path kGolden = fs::path(KVTIER_SOURCE_DIR) / "telemetry/device/golden";
const fs::path kSchemas = fs::path(KVTIER_SOURCE_DIR) / "docs/schemas";

/// A machine like a Spark: the golden sysfs, its programs by a table, and a cache directory whose
/// file system is on its disk.
class DeviceMetadataTest : public ::testing::Test {
 protected:
  DeviceMetadataTest()
      : root_(fs::canonical(::testing::TempDir()) / fmt::format("devmeta_{}", ::getpid())) {
    fs::remove_all(root_);
    fs::create_directories(root_ / "kv");
    fs::copy(kGolden / "sys", root_ / "sys",
             fs::copy_options::recursive | fs::copy_options::copy_symlinks);
    request_.nvme_device_hint = "/dev/nvme0";
    request_.cache_dir = root_ / "kv/not-yet-there";
    request_.phase_io_device = "nvme0n1";
    request_.roots = {root_ / "proc", root_ / "sys"};
    request_.runner = table_.Runner();
  }
  ~DeviceMetadataTest() override { fs::remove_all(root_); }

  /// The file system of the cache directory is on `node` of the made-up sysfs.
  void PutCacheOn(const fs::path& node) {
    struct stat status {};
    ASSERT_EQ(::stat((root_ / "kv").c_str(), &status), 0);
    fs::create_directories(root_ / "sys/dev/block");
    const auto link =
        root_ / "sys/dev/block" / fmt::format("{}:{}", major(status.st_dev), minor(status.st_dev));
    fs::remove(link);
    fs::create_symlink(node, link);
  }
  void InstallPrograms() {
    PutCacheOn(root_ / "sys/class/block/nvme0n1p2");
    const auto file = [](const char* name) { return canned::Exited(0, ReadFile(kGolden / name)); };
    auto& a = table_.answers;
    a["nvme list --output-format=json"] = file("list.json");
    a["nvme list-subsys --output-format=json"] = file("list-subsys.json");
    a["nvme id-ctrl /dev/nvme0 --output-format=json"] = file("id-ctrl.json");
    a["nvme id-ns /dev/nvme0n1 --output-format=json"] = file("id-ns.json");
    a["nvme smart-log /dev/nvme0 --output-format=json"] = file("smart-log-2x.json");
    a["lspci -D -nn"] = file("lspci-nn.txt");
    a["lspci -vv -s 0004:01:00.0"] = file("lspci-vv.txt");
    a["findmnt -n -o SOURCE --target " + (root_ / "kv").string()] =
        canned::Exited(0, "/dev/nvme0n1p2\n");
    a["lsblk -J -o NAME,KNAME,PATH,MODEL,SERIAL,SIZE,ROTA,TYPE,MOUNTPOINT,FSTYPE,UUID,PARTUUID"] =
        file("lsblk.json");
    a["findmnt -J -o TARGET,SOURCE,FSTYPE,OPTIONS"] = file("findmnt.json");
    a["mount"] = file("mount.txt");
    a["uname -a"] = file("uname.txt");
    a["cat /etc/os-release"] = file("os-release.txt");
    a["nvidia-smi --query-gpu=name,driver_version --format=csv,noheader"] =
        canned::Exited(0, "NVIDIA GB10, 580.95.05\n");
  }
  /// Violations of the three files against their schemas.
  std::vector<std::string> Violations(const DeviceMetadata& m) {
    WriteJsonAtomic(root_ / "device_metadata.json", m.document);
    WriteJsonAtomic(root_ / "nvme_identity.json", m.nvme_identity);
    WriteJsonAtomic(root_ / "nvme_smart.json", m.nvme_smart);
    auto all = CheckFile(root_ / "device_metadata.json", kSchemas / "device_metadata.schema.json");
    for (const char* name : {"nvme_identity.json", "nvme_smart.json"}) {
      for (auto& v : CheckFile(root_ / name, kSchemas / "nvme_capture.schema.json"))
        all.push_back(std::move(v));
    }
    return all;
  }
  /// Without what differs from run to run: time stamps and the temporary folder.
  json Stable(json value) const {
    if (value.is_string()) {
      std::string text = value.get<std::string>();
      for (std::size_t at; (at = text.find(root_.string())) != std::string::npos;)
        text.replace(at, root_.string().size(), "<root>");
      return text;
    }
    if (!value.is_structured()) return value;
    for (auto& [key, child] : value.items()) {
      child = key == "timestamp_utc" || key == "capture_timestamp" ? json("<time>") : Stable(child);
    }
    return value;
  }

  fs::path root_;
  canned::Table table_;
  DeviceMetadataRequest request_;
};

TEST_F(DeviceMetadataTest, ASparkLikeMachineIsTheGolden) {
  InstallPrograms();
  const auto m = CaptureDeviceMetadata(request_);
  EXPECT_THAT(Violations(m), IsEmpty());
  EXPECT_EQ(m.capture_errors, 0u) << m.document["capture_errors"].dump(1);

  const json document = Stable(m.document);
  const fs::path golden = kGolden / "device_metadata_pre.json";
  if (std::getenv("KVTIER_UPDATE_GOLDEN") != nullptr)  // NOLINT(concurrency-mt-unsafe)
    WriteJsonAtomic(golden, document);
  EXPECT_EQ(document, ReadJson(golden)) << json::diff(ReadJson(golden), document).dump(1);

  EXPECT_EQ(m.identity.controller, "nvme0");
  EXPECT_EQ(m.identity.device, "/dev/nvme0n1");
  EXPECT_EQ(m.identity.name_space, "/dev/nvme0n1");
  EXPECT_EQ(m.identity.model, "SAMSUNG MZALC4T0HBL1-00B07");
  EXPECT_EQ(m.identity.serial, "S7YKNX0Y123456");
  EXPECT_EQ(m.identity.firmware, "HXC70W1Q");
  EXPECT_EQ(*m.identity.size, Bytes{4096805658624});
  EXPECT_EQ(m.identity.bdf, "0004:01:00.0");
  EXPECT_EQ(m.identity.pcie_link, "16.0 GT/s PCIe x4 (max 32.0 GT/s PCIe x4)");
  ASSERT_TRUE(m.smart.available()) << m.smart.reason();
  EXPECT_EQ(m.smart->source, "nvme smart-log");
  EXPECT_EQ(*m.smart->celsius, 44);
  EXPECT_EQ(m.nvme_identity["subcommand"], "id-ctrl");
  EXPECT_EQ(m.nvme_smart["subcommand"], "smart-log");
  EXPECT_EQ(m.nvme_smart["payload"]["percent_used"], 2);
  EXPECT_THAT(table_.asked, Each(Not(HasSubstr("smartctl")))) << "the smart-log was enough";
}

TEST_F(DeviceMetadataTest, SmartctlWhereTheSmartLogIsRefused) {
  InstallPrograms();
  for (const char* device : {"/dev/nvme0", "/dev/nvme0n1"}) {
    for (const char* flags : {" --output-format=json", " -o json", " --output-format=normal", ""})
      table_.answers[fmt::format("nvme smart-log {}{}", device, flags)] =
          canned::Exited(1, "", "Permission denied\n");
  }
  table_.answers["smartctl -a -j /dev/nvme0"] =
      canned::Exited(0, ReadFile(kGolden / "smartctl.json"));
  const auto m = CaptureDeviceMetadata(request_);
  EXPECT_THAT(Violations(m), IsEmpty());
  ASSERT_TRUE(m.smart.available()) << m.smart.reason();
  EXPECT_EQ(m.smart->source, "smartctl");
  EXPECT_EQ(*m.smart->data_units_written, 96543210u);
  EXPECT_EQ(m.nvme_smart["success"], false);
  ASSERT_EQ(m.capture_errors, 1u);
  EXPECT_EQ(m.document["capture_errors"][0]["command"], "nvme smart-log /dev/nvme0");
  EXPECT_EQ(m.document["capture_errors"][0]["return_code"], 1);
  EXPECT_THAT(m.document["capture_errors"][0]["stderr_snippet"].get<std::string>(),
              HasSubstr("Permission denied"));
}

TEST_F(DeviceMetadataTest, ARefusedLogSaysWhatWouldHelp) {
  InstallPrograms();
  table_.answers["nvme smart-log /dev/nvme0 --output-format=json"] =
      canned::Exited(1, R"({"error": "Permission denied"})");
  const auto m = CaptureDeviceMetadata(request_);
  EXPECT_THAT(Violations(m), IsEmpty());
  EXPECT_EQ(m.smart.reason(),
            "no SMART of /dev/nvme0: nvme: Permission denied; smartctl is not installed; run as "
            "root: the log needs it");
  EXPECT_EQ(m.nvme_smart["payload_ok"], false);
}

TEST_F(DeviceMetadataTest, WithoutProgramsSysfsStillSaysWhichDisk) {
  PutCacheOn(root_ / "sys/class/block/nvme0n1p2");
  const auto m = CaptureDeviceMetadata(request_);
  EXPECT_THAT(Violations(m), IsEmpty());
  if (m.document["resolved_targets"]["kvbm_source"] == nullptr)
    GTEST_SKIP() << "the temporary folder is on no block device here";
  EXPECT_EQ(m.identity.model, "SAMSUNG MZALC4T0HBL1-00B07");
  EXPECT_EQ(m.document["primary_storage_summary"]["pcie_link"],
            "16.0 GT/s PCIe x4 (max 32.0 GT/s PCIe x4)");
  EXPECT_EQ(m.document["resolved_targets"]["kvbm_source"], "/dev/nvme0n1");
  EXPECT_THAT(m.smart.reason(),
              AllOf(HasSubstr("no SMART of /dev/nvme0"), HasSubstr("nvme is not installed"),
                    HasSubstr("smartctl is not installed"),
                    HasSubstr("install nvme-cli or smartmontools")));
  std::map<std::string, int> asked;
  for (const auto& command : table_.asked) ++asked[command.substr(0, command.find(' '))];
  for (const auto& [program, times] : asked) EXPECT_EQ(times, 1) << program;
  // One entry a missing program; nvidia-smi is none, since no GPU is no fault.
  EXPECT_THAT(m.document["capture_errors"], SizeIs(asked.size() - 1));
}

TEST_F(DeviceMetadataTest, AMachineWithoutNvmeHasNoMadeUpController) {
  fs::remove_all(root_ / "sys");
  const fs::path vda = root_ / "sys/devices/pci0000:00/0000:00:02.0/virtio1/block/vda";
  fs::create_directories(vda);
  WriteFileAtomic(vda / "dev", "254:0\n");
  WriteFileAtomic(vda / "size", "2048\n");
  fs::create_directories(root_ / "sys/block");
  fs::create_symlink(vda, root_ / "sys/block/vda");
  fs::create_directories(root_ / "sys/class/block");
  fs::create_symlink(vda, root_ / "sys/class/block/vda");
  PutCacheOn(vda);
  table_.answers["findmnt -n -o SOURCE --target " + (root_ / "kv").string()] =
      canned::Exited(0, "/dev/vda\n");
  const auto m = CaptureDeviceMetadata(request_);
  EXPECT_THAT(Violations(m), IsEmpty());
  EXPECT_EQ(m.document["primary_nvme_controller"], nullptr);
  EXPECT_THAT(m.document["nvme_devices"], IsEmpty());
  EXPECT_EQ(m.identity.controller, "");
  EXPECT_EQ(m.identity.device, "/dev/vda");
  EXPECT_EQ(*m.identity.size, Bytes{1 << 20});
  EXPECT_EQ(m.document["primary_storage_summary"]["size"], 1 << 20);
  EXPECT_THAT(m.smart.reason(), AllOf(HasSubstr("vda (virtio disk), no NVMe"),
                                      HasSubstr("set the cache directory to an NVMe disk")));
  EXPECT_EQ(m.nvme_smart["error"], m.smart.reason());
  std::vector<std::string> commands;
  for (const auto& e : m.document["capture_errors"]) commands.push_back(e["command"]);
  EXPECT_THAT(commands, Contains("nvme_device_hint"));
}

TEST_F(DeviceMetadataTest, AnUnknownDiskFallsBackToTheHint) {
  request_.cache_dir.clear();
  request_.nvme_device_hint = "/dev/nvme0n1";
  const auto hinted = CaptureDeviceMetadata(request_);
  EXPECT_EQ(hinted.document["primary_nvme_controller"], "nvme0");
  EXPECT_EQ(hinted.identity.device, "/dev/nvme0n1");
  request_.nvme_device_hint = "/dev/nvme7";
  const auto first = CaptureDeviceMetadata(request_);
  EXPECT_EQ(first.document["primary_nvme_controller"], "nvme0");
  EXPECT_THAT(first.document["capture_errors"].dump(), HasSubstr("/dev/nvme7 is no NVMe"));
  fs::remove_all(root_ / "sys");
  const auto none = CaptureDeviceMetadata(request_);
  EXPECT_THAT(Violations(none), IsEmpty());
  EXPECT_THAT(none.smart.reason(), AllOf(HasSubstr("there is no NVMe controller"),
                                         HasSubstr("no cache directory was given")));
  EXPECT_FALSE(none.identity.size.available());
}

TEST_F(DeviceMetadataTest, AnExceptionIsAnEntryNotAnEnd) {
  request_.runner = [](const std::vector<std::string>&,
                       std::chrono::milliseconds) -> CommandResult {
    throw IoError("out of descriptors");
  };
  const auto m = CaptureDeviceMetadata(request_);
  EXPECT_THAT(Violations(m), IsEmpty());
  EXPECT_EQ(m.document["capture_errors"][0]["command"], "collector_internal");
  EXPECT_THAT(m.smart.reason(), HasSubstr("out of descriptors"));
}

TEST(ThisMachine, IsCapturedWithoutThrowing) {
  DeviceMetadataRequest request;
  request.cache_dir = ::testing::TempDir();
  const auto m = CaptureDeviceMetadata(request);
  EXPECT_EQ(m.document["schema_version"], 1);
  EXPECT_EQ(m.smart.available(), m.smart.reason().empty());
  if (!m.smart) GTEST_SKIP() << m.smart.reason();
}

}  // namespace
}  // namespace kvtier
