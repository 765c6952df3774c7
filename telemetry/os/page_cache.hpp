#pragma once
#include <filesystem>

#include "harness/core/reading.hpp"
#include "harness/core/units.hpp"

namespace kvtier {

/// Bytes of an open regular file that are in the page cache, in whole pages: cachestat(2) (Linux
/// 6.5), else mincore(2). Reads nothing of the file. Unavailable when the kernel will not tell this
/// user.
Reading<Bytes> ResidentBytes(int fd);
/// The same of a path, opened for reading without O_DIRECT; /proc/<pid>/fd/<n> reaches a file that
/// was unlinked.
Reading<Bytes> ResidentBytes(const std::filesystem::path& file);

/// The two ways. cachestat is unavailable on older kernels. mincore looks through windows of 1 GiB
/// (some ms each), gives up above 1 TiB, and needs to own the file or to be allowed to write it:
/// otherwise the kernel calls every page resident (since Linux 5.2).
Reading<Bytes> ResidentByCachestat(int fd);
Reading<Bytes> ResidentByMincore(int fd);

}  // namespace kvtier
