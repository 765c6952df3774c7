#pragma once
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "harness/core/reading.hpp"
#include "harness/judge/storage_evidence.hpp"
#include "telemetry/roots.hpp"

/// What sysfs says of the disks: no privilege, no program.
namespace kvtier {

/// One controller below /sys/class/nvme. Texts are empty where nothing says them.
struct NvmeController {
  std::string controller;  // "nvme0"
  std::string device;      // "/dev/nvme0"
  std::string name_space;  // "/dev/nvme0n1", the first one; empty when it has none
  std::string bdf;         // "0000:01:00.0"; empty for a controller behind a fabric
  std::string model, serial, firmware;
};

/// Sorted by number (nvme2 before nvme10). Empty where there is no NVMe.
std::vector<NvmeController> ListNvmeControllers(const OsRoots& roots = {});

/// The controller of a whole disk ("nvme0n1" -> "nvme0"), through the links of sysfs, so that a
/// namespace of a multipath subsystem finds its first path. Empty when the disk is no NVMe.
std::string ControllerOfDisk(const std::string& disk, const OsRoots& roots = {});

/// The whole disk of a node below /dev ("/dev/nvme0n1p2" -> "nvme0n1"); empty when unknown.
std::string DiskOfNode(std::string_view node, const OsRoots& roots = {});

/// The disk below a mapped device (LVM, LUKS) while it has exactly one; the name itself otherwise:
/// nothing can be said of one disk for a RAID over several.
std::string PhysicalDisk(const std::string& disk, const OsRoots& roots = {});

/// Identity of a whole disk of any kind, from /sys/block/<disk>. `pcie_link` is what sysfs says.
StorageIdentity ReadStorageIdentity(const std::string& disk, const OsRoots& roots = {});

/// Size of a whole disk, from /sys/block/<disk>/size, which counts 512 bytes whatever the sector.
Reading<Bytes> ReadDiskSize(const std::string& disk, const OsRoots& roots = {});

/// "NVMe", "virtio disk", "rotating disk", "mapped device" or "solid-state disk": for reasons.
std::string DiskKind(const std::string& disk, const OsRoots& roots = {});

/// A small file of sysfs without its padding; empty when it cannot be read.
std::string ReadSysText(const std::filesystem::path& file);

}  // namespace kvtier
