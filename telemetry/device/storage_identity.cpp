#include "telemetry/device/storage_identity.hpp"

#include <algorithm>
#include <optional>
#include <system_error>

#include <fmt/format.h>

#include "harness/core/error.hpp"
#include "harness/core/files.hpp"
#include "telemetry/device/command_runner.hpp"
#include "telemetry/device/pcie.hpp"
#include "telemetry/text.hpp"

namespace kvtier {
namespace fs = std::filesystem;
namespace {

std::vector<std::string> NamesIn(const fs::path& directory) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator it(directory, error), end; !error && it != end; it.increment(error)) {
    names.push_back(it->path().filename().string());
  }
  std::sort(names.begin(), names.end(), [](const std::string& a, const std::string& b) {
    return a.size() != b.size() ? a.size() < b.size() : a < b;  // nvme2 before nvme10
  });
  return names;
}

/// N of "<prefix>N"; empty for anything else.
std::optional<unsigned> NumberAfter(std::string_view name, std::string_view prefix) {
  if (!name.starts_with(prefix)) return std::nullopt;
  return ParseNumber<unsigned>(name.substr(prefix.size()));
}

/// "nvme0n1" for "nvme0n1" and for "nvme0c1n1", the hidden path of a multipath namespace.
std::string NamespaceName(const std::string& name) {
  if (!name.starts_with("nvme")) return "";
  const std::size_t n = name.rfind('n');
  if (n == 0 || !ParseNumber<unsigned>(std::string_view(name).substr(n + 1))) return "";
  const std::string head = name.substr(0, name.find('c'));
  const std::string parent = head.size() < n ? head : name.substr(0, n);
  return NumberAfter(parent, "nvme") ? parent + name.substr(n) : "";
}

std::string FirstNamespace(const fs::path& controller) {
  for (const auto& name : NamesIn(controller)) {
    std::string found = NamespaceName(name);
    if (!found.empty()) return found;
  }
  return "";
}

}  // namespace

std::string ReadSysText(const fs::path& file) {
  std::error_code error;
  if (!fs::is_regular_file(file, error)) return "";
  try {
    return Snippet(ReadFile(file), 4096);
  } catch (const std::exception&) {  // a file of sysfs may open and then refuse to be read
    return "";
  }
}

std::vector<NvmeController> ListNvmeControllers(const OsRoots& roots) {
  std::vector<NvmeController> controllers;
  for (const auto& name : NamesIn(roots.sys / "class/nvme")) {
    if (!NumberAfter(name, "nvme")) continue;
    const fs::path node = roots.sys / "class/nvme" / name;
    std::error_code error;
    const fs::path real = fs::canonical(node, error);
    NvmeController c{.controller = name,
                     .device = "/dev/" + name,
                     .name_space = "",
                     .bdf = FindBdf(ReadSysText(node / "address")),
                     .model = ReadSysText(node / "model"),
                     .serial = ReadSysText(node / "serial"),
                     .firmware = ReadSysText(node / "firmware_rev")};
    if (c.bdf.empty() && !error) c.bdf = FindBdf(real.string());
    const std::string first = FirstNamespace(node);
    if (!first.empty()) c.name_space = "/dev/" + first;
    controllers.push_back(std::move(c));
  }
  return controllers;
}

std::string ControllerOfDisk(const std::string& disk, const OsRoots& roots) {
  if (!disk.starts_with("nvme")) return "";
  std::error_code error;
  const fs::path parent = fs::canonical(roots.sys / "block" / disk / "device", error);
  if (error) return "";
  std::string name = parent.filename().string();
  if (NumberAfter(name, "nvme")) return name;
  for (auto& path : NamesIn(parent)) {  // a subsystem holds links to its paths
    if (NumberAfter(path, "nvme")) return path;
  }
  return "";
}

std::string DiskOfNode(std::string_view node, const OsRoots& roots) {
  const std::size_t slash = node.rfind('/');
  const std::string name(slash == std::string_view::npos ? node : node.substr(slash + 1));
  if (name.empty() || name == "." || name == "..") return "";
  std::error_code error;
  const fs::path real = fs::canonical(roots.sys / "class/block" / name, error);
  if (error) return "";
  return fs::exists(real / "partition", error) ? real.parent_path().filename().string()
                                               : real.filename().string();
}

std::string PhysicalDisk(const std::string& disk, const OsRoots& roots) {
  std::string at = disk;
  for (int depth = 0; depth < 8; ++depth) {
    const auto below = NamesIn(roots.sys / "block" / at / "slaves");
    const std::string next = below.size() == 1 ? DiskOfNode(below.front(), roots) : "";
    if (next.empty()) break;
    at = next;
  }
  return at;
}

Reading<Bytes> ReadDiskSize(const std::string& disk, const OsRoots& roots) {
  const fs::path file = roots.sys / "block" / disk / "size";
  const auto sectors = ParseNumber<std::uint64_t>(ReadSysText(file));
  if (!sectors)
    return Reading<Bytes>::Unavailable(fmt::format("{} holds no number", file.string()));
  return Bytes{*sectors * 512};
}

StorageIdentity ReadStorageIdentity(const std::string& disk, const OsRoots& roots) {
  StorageIdentity identity;
  if (disk.empty()) {
    identity.size = Reading<Bytes>::Unavailable("the disk is not known");
    return identity;
  }
  const fs::path node = roots.sys / "block" / disk;
  identity.device = "/dev/" + disk;
  identity.size = ReadDiskSize(disk, roots);
  identity.controller = ControllerOfDisk(disk, roots);
  const fs::path owner = identity.controller.empty()
                             ? node / "device"
                             : roots.sys / "class/nvme" / identity.controller;
  identity.model = ReadSysText(owner / "model");
  identity.serial = ReadSysText(owner / "serial");
  if (identity.serial.empty()) identity.serial = ReadSysText(node / "serial");  // virtio
  identity.firmware = ReadSysText(owner / "firmware_rev");
  if (identity.firmware.empty()) identity.firmware = ReadSysText(owner / "rev");  // SCSI, SATA
  if (!identity.controller.empty()) {
    identity.name_space = identity.device;
    identity.bdf = FindBdf(ReadSysText(owner / "address"));
  }
  std::error_code error;
  const fs::path real = fs::canonical(owner, error);
  if (identity.bdf.empty() && !error) identity.bdf = FindBdf(real.string());
  identity.pcie_link = PcieLinkText(ReadPcieLink(identity.bdf, roots));
  return identity;
}

std::string DiskKind(const std::string& disk, const OsRoots& roots) {
  if (!ControllerOfDisk(disk, roots).empty()) return "NVMe";
  const fs::path node = roots.sys / "block" / disk;
  std::error_code error;
  const std::string path = fs::canonical(node, error).string();
  if (path.find("/virtio") != std::string::npos) return "virtio disk";
  if (path.find("/devices/virtual/") != std::string::npos) return "mapped device";
  return ReadSysText(node / "queue/rotational") == "1" ? "rotating disk" : "solid-state disk";
}

}  // namespace kvtier
