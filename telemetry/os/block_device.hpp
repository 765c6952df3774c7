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

/// Counters of a disk since it appeared (Documentation/admin-guide/iostats.rst); bytes are sectors
/// of 512. The kernel keeps the times in 32 bits of milliseconds, so they wrap: a counter that
/// falls wrapped or was reset, which nothing tells apart.
struct DiskCounters {
  std::uint64_t read_ios = 0, write_ios = 0;
  Bytes read{}, write{};
  std::uint64_t read_merges = 0, write_merges = 0;  // requests that joined another one
  std::uint64_t read_ms = 0, write_ms = 0;          // summed over the I/Os, queue included
  std::uint64_t in_flight = 0;                      // now: a gauge
  std::uint64_t busy_ms = 0;                        // with at least one I/O in flight
  std::uint64_t queue_ms = 0;                       // in flight x time
  Reading<std::uint64_t> discard_ios, discard_ms;   // Linux 4.18
  Reading<Bytes> discarded;
  Reading<std::uint64_t> flush_ios, flush_ms;  // Linux 5.5
  bool operator==(const DiskCounters&) const = default;
};
/// The line of `device` in the text of /proc/diskstats.
Reading<DiskCounters> ParseDiskstats(std::string_view text, std::string_view device);
/// The text of /sys/block/<dev>/stat: the same numbers without the device.
Reading<DiskCounters> ParseBlockStat(std::string_view text);
/// /proc/diskstats, else /sys/block/<dev>/stat, else /sys/class/block/<dev>/stat; the reason is
/// that of the first.
Reading<DiskCounters> ReadDiskCounters(std::string_view device, const OsRoots& roots = {});

/// What a disk did between two readings.
struct DiskRates {
  double seconds = 0;
  double reads_per_s = 0, writes_per_s = 0;  // requests that ended
  double read_bytes_per_s = 0, write_bytes_per_s = 0;
  double read_merges_per_s = 0, write_merges_per_s = 0;
  double queue_depth = 0;  // mean I/Os in flight: d queue_ms / d t
  double busy_ratio = 0;   // of wall time; a tick's rounding may take it just above 1
  /// Mean time and size of a request; unavailable where none ended.
  Reading<double> read_await_ms, write_await_ms;
  Reading<double> read_request_bytes, write_request_bytes;
};
/// Formulas of iostat(1) -x. Unavailable when a counter fell ("counter_reset: ...") or no time
/// passed.
Reading<DiskRates> DiskRatesBetween(const DiskCounters& before, const DiskCounters& after,
                                    double seconds);

/// "maj:min" of the mount source for a device number, from the text of /proc/self/mountinfo; empty
/// when none.
std::string MountSourceOf(std::string_view mountinfo, unsigned major_number, unsigned minor_number);

/// File system type that holds `directory` ("tmpfs", "ext4", ...), from /proc/self/mountinfo. Empty
/// when unknown.
std::string FilesystemTypeOf(const std::filesystem::path& directory, const OsRoots& roots = {});

}  // namespace kvtier
