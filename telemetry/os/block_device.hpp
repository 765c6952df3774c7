#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "harness/core/reading.hpp"
#include "harness/core/units.hpp"
#include "telemetry/roots.hpp"

namespace kvtier {

/// The whole disk that holds a file system: the partition is resolved to its parent.
struct BlockDevice {
  std::string name;  // "vda", "nvme0n1", "dm-0"
  unsigned major_number = 0;
  unsigned minor_number = 0;
  bool operator==(const BlockDevice&) const = default;
};

/// The device under a directory: st_dev, then /sys/dev/block/<maj:min>. A file system with an
/// anonymous device number (btrfs) is resolved through the source of its mount. Unavailable for
/// file systems without a block device (tmpfs, nfs, overlay), with the reason.
Reading<BlockDevice> DeviceUnder(const std::filesystem::path& directory, const OsRoots& roots = {});
/// The same from device numbers.
Reading<BlockDevice> WholeDisk(unsigned major_number, unsigned minor_number,
                               const OsRoots& roots = {});

/// One line of /proc/diskstats; bytes are sectors of 512.
struct DiskCounters {
  std::uint64_t read_ios = 0, write_ios = 0;
  Bytes read{}, write{};
  bool operator==(const DiskCounters&) const = default;
};
Reading<DiskCounters> ParseDiskstats(std::string_view text, std::string_view device);
Reading<DiskCounters> ReadDiskCounters(std::string_view device, const OsRoots& roots = {});

/// "maj:min" of the mount source for a device number, from the text of /proc/self/mountinfo; empty
/// when none.
std::string MountSourceOf(std::string_view mountinfo, unsigned major_number, unsigned minor_number);

/// File system type that holds `directory` ("tmpfs", "ext4", ...), from /proc/self/mountinfo. Empty
/// when unknown.
std::string FilesystemTypeOf(const std::filesystem::path& directory, const OsRoots& roots = {});

}  // namespace kvtier
