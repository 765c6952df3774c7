#pragma once
#include <cstdint>
#include <string_view>

#include "harness/core/reading.hpp"
#include "harness/core/units.hpp"
#include "telemetry/roots.hpp"

namespace kvtier {

/// Memory of the machine at one moment, from /proc/meminfo (proc(5)); on a unified-memory machine
/// this is the GPU's memory too. A key that this kernel does not have is unavailable.
struct MemoryInfo {
  Reading<Bytes> total, free, available, cached, buffers, dirty, writeback;
  Reading<Bytes> swap_total, swap_free, anon, shmem, slab, mlocked;
};

/// A name of the timeline (docs/timeline.md `memory`), the kernel's and the member.
struct MemoryKey {
  std::string_view key, kernel_key;
  Reading<Bytes> MemoryInfo::*member = nullptr;
};
inline constexpr MemoryKey kMemoryKeys[] = {
    {"mem_total_bytes", "MemTotal", &MemoryInfo::total},
    {"mem_free_bytes", "MemFree", &MemoryInfo::free},
    {"mem_available_bytes", "MemAvailable", &MemoryInfo::available},
    {"cached_bytes", "Cached", &MemoryInfo::cached},
    {"buffers_bytes", "Buffers", &MemoryInfo::buffers},
    {"dirty_bytes", "Dirty", &MemoryInfo::dirty},
    {"writeback_bytes", "Writeback", &MemoryInfo::writeback},
    {"swap_total_bytes", "SwapTotal", &MemoryInfo::swap_total},
    {"swap_free_bytes", "SwapFree", &MemoryInfo::swap_free},
    {"anon_bytes", "AnonPages", &MemoryInfo::anon},
    {"shmem_bytes", "Shmem", &MemoryInfo::shmem},
    {"slab_bytes", "Slab", &MemoryInfo::slab},
    {"mlocked_bytes", "Mlocked", &MemoryInfo::mlocked},
};

/// Unavailable as a whole when the text has no MemTotal.
Reading<MemoryInfo> ParseMeminfo(std::string_view text);
Reading<MemoryInfo> ReadMemory(const OsRoots& roots = {});

/// Counters since boot from /proc/vmstat.
struct VmCounters {
  Reading<std::uint64_t> paged_in_bytes, paged_out_bytes;  // pgpgin, pgpgout, which are in KiB
  Reading<std::uint64_t> pages_swapped_in, pages_swapped_out;
  Reading<std::uint64_t> page_faults, major_faults;
  /// allocstall of all zones: times that an allocation had to free memory by itself.
  Reading<std::uint64_t> direct_reclaims;
  Reading<std::uint64_t> oom_kills;  // Linux 4.13
};

/// A name of the timeline (docs/timeline.md `vmstat`), the kernel's, its unit and the member. A
/// kernel key that ends in * stands for the sum of all that begin so.
struct VmKey {
  std::string_view key, kernel_key;
  std::uint64_t unit = 1;
  Reading<std::uint64_t> VmCounters::*member = nullptr;
};
inline constexpr VmKey kVmKeys[] = {
    {"pgpgin_bytes", "pgpgin", 1024, &VmCounters::paged_in_bytes},
    {"pgpgout_bytes", "pgpgout", 1024, &VmCounters::paged_out_bytes},
    {"pages_swapped_in", "pswpin", 1, &VmCounters::pages_swapped_in},
    {"pages_swapped_out", "pswpout", 1, &VmCounters::pages_swapped_out},
    {"page_faults", "pgfault", 1, &VmCounters::page_faults},
    {"major_faults", "pgmajfault", 1, &VmCounters::major_faults},
    {"direct_reclaims", "allocstall*", 1, &VmCounters::direct_reclaims},
    {"oom_kills", "oom_kill", 1, &VmCounters::oom_kills},
};

/// Unavailable as a whole when the text has none of the keys.
Reading<VmCounters> ParseVmstat(std::string_view text);
Reading<VmCounters> ReadVmCounters(const OsRoots& roots = {});

}  // namespace kvtier
