#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include "harness/core/reading.hpp"
#include "harness/judge/evidence.hpp"
#include "harness/judge/host_evidence.hpp"
#include "telemetry/roots.hpp"

namespace kvtier {

/// The flags of open(2) in the text of /proc/<pid>/fdinfo/<fd>, which are octal; empty when
/// missing.
std::optional<int> ParseDescriptorFlags(std::string_view fdinfo);
/// Whether the flags have O_DIRECT, whose value differs between x86-64 and arm64: this build's.
bool IsDirectIo(int flags);
/// Whether they allow writing.
bool IsWritable(int flags);

/// Regular files below `cache_dir` that these processes hold open, unlinked ones too, with size,
/// allocation and the whole disk that holds them; `resident` stays unavailable until
/// MeasureResident. Unavailable when a process is gone or its descriptors may not be read (it needs
/// the same user, or root).
Reading<std::vector<KvFile>> FindKvFiles(std::span<const pid_t> pids,
                                         const std::filesystem::path& cache_dir,
                                         const OsRoots& roots = {});
/// Fills in `resident` of each file: how much of it is in the page cache.
void MeasureResident(std::span<KvFile> files, const OsRoots& roots = {});

/// Whether a command line is that of a serving worker that we know: kvtier-worker, Dynamo's,
/// TensorRT-LLM, vLLM, SGLang, llama.cpp.
bool IsServingWorker(std::span<const std::string> arguments);

/// What a look at the processes that are no part of the stack found.
struct ForeignScan {
  std::vector<OtherWorker> holders;  // one row a process, by pid
  std::uint64_t processes = 0;   // looked at: neither of the stack, nor this one, nor the kernel's
  std::uint64_t unreadable = 0;  // of these, whose descriptors may not be read (other users)
};
/// A foreign process counts when it holds a file below `cache_dir` open, or when it is a known
/// serving worker and has a regular file open for writing on the disk that holds `cache_dir`. The
/// stack is `stack_pids` and their descendants. Unavailable when no foreign process could be looked
/// at though there are some, or when the only suspect is a serving worker that hides its files.
Reading<ForeignScan> ScanForeignHolders(std::span<const pid_t> stack_pids,
                                        const std::filesystem::path& cache_dir,
                                        const OsRoots& roots = {});
/// Its holders alone.
Reading<std::vector<OtherWorker>> ForeignHolders(std::span<const pid_t> stack_pids,
                                                 const std::filesystem::path& cache_dir,
                                                 const OsRoots& roots = {});

}  // namespace kvtier
