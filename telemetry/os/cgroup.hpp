#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include "harness/core/reading.hpp"
#include "harness/core/units.hpp"
#include "telemetry/os/block_device.hpp"
#include "telemetry/roots.hpp"

namespace kvtier {

/// Cumulative I/O of a control group on one device.
struct CgroupIo {
  Bytes read{}, write{};
  std::string source;  // "cgroup_v2_io_stat", "cgroup_blkio.throttle.io_service_bytes"
  std::string path;    // of the file that was read
  bool operator==(const CgroupIo&) const = default;
};

/// The control group of a process on `device`: v2 io.stat where the io controller is on, else v1
/// blkio, else unavailable. A group shared with other processes counts theirs too; the path tells.
Reading<CgroupIo> ReadCgroupIo(pid_t pid, const BlockDevice& device, const OsRoots& roots = {});

/// Cumulative I/O of a control group on one of its devices.
struct CgroupDeviceIo {
  unsigned major_number = 0, minor_number = 0;
  Reading<Bytes> read, write;
  Reading<std::uint64_t> read_ios, write_ios;
};
struct CgroupIoTable {
  std::vector<CgroupDeviceIo> devices;  // in the order of the file
  std::string source, path;             // as in CgroupIo
};
/// All devices of the control group of a process. Unavailable as ReadCgroupIo, and when the file
/// has no device.
Reading<CgroupIoTable> ReadCgroupIoTable(pid_t pid, const OsRoots& roots = {});
std::vector<CgroupDeviceIo> ParseIoStatTable(std::string_view text);
/// From the texts of blkio's io_service_bytes and io_serviced.
std::vector<CgroupDeviceIo> ParseBlkioTable(std::string_view bytes, std::string_view ios);

/// Path of the group for a controller in the text of /proc/<pid>/cgroup; controller "" is the v2
/// line.
std::string CgroupPath(std::string_view text, std::string_view controller);
/// A device without a line is unavailable: no I/O and no accounting look the same.
Reading<CgroupIo> ParseIoStat(std::string_view text, unsigned major_number, unsigned minor_number);
Reading<CgroupIo> ParseBlkio(std::string_view text, unsigned major_number, unsigned minor_number);

}  // namespace kvtier
