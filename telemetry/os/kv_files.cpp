#include "telemetry/os/kv_files.hpp"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "harness/core/error.hpp"
#include "telemetry/os/block_device.hpp"
#include "telemetry/os/fields.hpp"
#include "telemetry/os/open_files.hpp"
#include "telemetry/os/page_cache.hpp"
#include "telemetry/os/proc_text.hpp"
#include "telemetry/os/process_io.hpp"

namespace kvtier {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kStatBlockBytes = 512;  // of st_blocks, stat(2)

fs::path Descriptor(const OpenFile& file, const char* folder, const OsRoots& roots) {
  return roots.proc / std::to_string(file.pid) / folder / std::to_string(file.fd);
}

/// Whole disk of a file; `directory` helps where the device number is anonymous (btrfs).
std::string DiskOf(const struct stat& status, const fs::path& directory, const OsRoots& roots) {
  const auto disk = major(status.st_dev) == 0
                        ? DeviceUnder(directory, roots)
                        : WholeDisk(major(status.st_dev), minor(status.st_dev), roots);
  return disk ? disk->name : std::string();
}

void FillSizes(const fs::path& descriptor, const fs::path& directory, const OsRoots& roots,
               KvFile& file, bool& regular) {
  struct stat status {};
  if (::stat(descriptor.c_str(), &status) != 0) {
    const std::string why = IoError::FromErrno("look at", descriptor.string(), errno).what();
    file.size = file.allocated = Reading<Bytes>::Unavailable(why);
    return;
  }
  regular = S_ISREG(status.st_mode);
  file.size = Bytes{static_cast<std::uint64_t>(status.st_size)};
  file.allocated = Bytes{static_cast<std::uint64_t>(status.st_blocks) * kStatBlockBytes};
  file.device = DiskOf(status, directory, roots);
}

/// The programs that count as serving workers: the program (last component of its path) and, where
/// given, its first argument.
struct Program {
  std::string_view first, second;  // second empty: the first is enough
};
constexpr Program kServingWorkers[] = {
    {"kvtier-worker", ""}, {"dynamo.trtllm", ""},        {"dynamo.vllm", ""},  {"trtllm-serve", ""},
    {"vllm", "serve"},     {"sglang.launch_server", ""}, {"llama-server", ""},
};

std::string_view LastComponent(std::string_view path) {
  return path.substr(path.rfind('/') + 1);
}

/// What a scan looks for.
struct Wanted {
  fs::path cache_dir;
  std::string disk;  // empty when the cache directory has no block device
};

bool WritesToDisk(const OpenFile& file, const Wanted& wanted, const OsRoots& roots) {
  if (wanted.disk.empty()) return false;
  const auto text = ReadTrimmed(Descriptor(file, "fdinfo", roots));
  const auto flags = text ? ParseDescriptorFlags(*text) : std::nullopt;
  if (!flags || !IsWritable(*flags)) return false;
  struct stat status {};
  if (::stat(Descriptor(file, "fd", roots).c_str(), &status) != 0 || !S_ISREG(status.st_mode))
    return false;
  return DiskOf(status, file.path, roots) == wanted.disk;
}

/// The path by which a process counts; empty when it does not. Unavailable when its descriptors may
/// not be read. One that ends meanwhile holds nothing.
Reading<std::string> Holds(pid_t pid, const std::vector<std::string>& arguments,
                           const Wanted& wanted, const OsRoots& roots) {
  const pid_t pids[] = {pid};
  const auto files = OpenFilesUnder(pids, "/", roots);
  if (!files) {
    const bool gone = !fs::exists(roots.proc / std::to_string(pid));
    return gone ? Reading<std::string>(std::string())
                : Reading<std::string>::Unavailable(files.reason());
  }
  for (const OpenFile& file : *files) {
    if (IsUnder(file.path, wanted.cache_dir.string())) return file.path;
  }
  if (!IsServingWorker(arguments)) return std::string();
  const auto at = std::find_if(files->begin(), files->end(), [&](const OpenFile& file) {
    return WritesToDisk(file, wanted, roots);
  });
  return at == files->end() ? std::string() : at->path;
}

std::vector<pid_t> AllProcesses(const OsRoots& roots) {
  std::vector<pid_t> pids;
  std::error_code error;
  for (fs::directory_iterator at(roots.proc, error), end; !error && at != end;
       at.increment(error)) {
    if (const auto pid = ParseNumber<pid_t>(at->path().filename().string())) pids.push_back(*pid);
  }
  std::sort(pids.begin(), pids.end());
  return pids;
}

}  // namespace

std::optional<int> ParseDescriptorFlags(std::string_view fdinfo) {
  std::optional<int> flags;
  ForEachLine(fdinfo, [&](std::string_view line) {
    constexpr std::string_view kName = "flags:";
    if (line.starts_with(kName))
      flags = ParseNumber<int>(Fields(line.substr(kName.size())).Next(), 8);
  });
  return flags;
}

bool IsDirectIo(int flags) {
  return (flags & O_DIRECT) != 0;
}

bool IsWritable(int flags) {
  return (flags & O_ACCMODE) != O_RDONLY;
}

Reading<std::vector<KvFile>> FindKvFiles(std::span<const pid_t> pids, const fs::path& cache_dir,
                                         const OsRoots& roots) {
  using Result = Reading<std::vector<KvFile>>;
  const auto open_now = OpenFilesUnder(pids, cache_dir, roots);
  if (!open_now) return Result::Unavailable(open_now.reason());
  std::vector<KvFile> files;
  for (const OpenFile& found : *open_now) {
    ProcText info(Descriptor(found, "fdinfo", roots));
    const auto text = info.Read();
    if (info.error() == ENOENT || info.error() == ESRCH) continue;  // closed meanwhile
    const auto flags = text ? ParseDescriptorFlags(*text) : std::nullopt;
    if (!flags) {
      return Result::Unavailable(text ? fmt::format("{} has no flags", info.path().string())
                                      : text.reason());
    }
    KvFile file;
    file.pid = found.pid;
    file.fd = found.fd;
    file.path = found.path;
    file.deleted = found.deleted;
    file.direct_io = IsDirectIo(*flags);
    file.resident = Reading<Bytes>::Unavailable("the page cache was not asked");
    bool regular = true;
    FillSizes(Descriptor(found, "fd", roots), cache_dir, roots, file, regular);
    if (regular) files.push_back(std::move(file));
  }
  return files;
}

void MeasureResident(std::span<KvFile> files, const OsRoots& roots) {
  for (KvFile& file : files) {
    file.resident =
        ResidentBytes(roots.proc / std::to_string(file.pid) / "fd" / std::to_string(file.fd));
  }
}

bool IsServingWorker(std::span<const std::string> arguments) {
  // An interpreter is not the program: the script or the module after it is.
  if (!arguments.empty() && LastComponent(arguments[0]).starts_with("python")) {
    arguments = arguments.subspan(1);
    if (!arguments.empty() && arguments[0] == "-m") arguments = arguments.subspan(1);
  }
  if (arguments.empty()) return false;
  const std::string_view word = LastComponent(arguments[0]);
  return std::any_of(
      std::begin(kServingWorkers), std::end(kServingWorkers), [&](const Program& program) {
        return word == program.first &&
               (program.second.empty() || (arguments.size() > 1 && arguments[1] == program.second));
      });
}

Reading<ForeignScan> ScanForeignHolders(std::span<const pid_t> stack_pids,
                                        const fs::path& cache_dir, const OsRoots& roots) {
  const auto stack = ProcessTree(stack_pids, roots);
  std::error_code error;
  Wanted wanted{fs::weakly_canonical(cache_dir, error), ""};
  if (const auto disk = DeviceUnder(cache_dir, roots)) wanted.disk = disk->name;
  ForeignScan scan;
  std::string why, hidden_worker;
  const pid_t self = SelfPid(roots);
  for (const pid_t pid : AllProcesses(roots)) {
    if (pid == self || std::binary_search(stack.begin(), stack.end(), pid)) continue;
    const auto arguments = ReadArguments(pid, roots);
    const auto path = Holds(pid, arguments, wanted, roots);
    if (arguments.empty() && (!path || path->empty()))
      continue;  // a thread of the kernel, a zombie, or gone
    ++scan.processes;
    if (!path) {
      ++scan.unreadable;
      why = path.reason();
      // Its command line is everybody's to read, its files are not.
      if (hidden_worker.empty() && IsServingWorker(arguments))
        hidden_worker = fmt::format("{} ({})", pid, fmt::join(arguments, " "));
    } else if (!path->empty()) {
      scan.holders.push_back({pid, fmt::format("{}", fmt::join(arguments, " ")), *path});
    }
  }
  if (scan.processes > 0 && scan.unreadable == scan.processes) {
    return Reading<ForeignScan>::Unavailable(
        fmt::format("the descriptors of all {} other processes are hidden from this user ({}); run "
                    "as root to see them",
                    scan.processes, why));
  }
  if (scan.holders.empty() && !hidden_worker.empty()) {
    return Reading<ForeignScan>::Unavailable(
        fmt::format("process {} is a serving worker whose files are hidden from this user; run as "
                    "root to see whether it uses the disk",
                    hidden_worker));
  }
  return scan;
}

Reading<std::vector<OtherWorker>> ForeignHolders(std::span<const pid_t> stack_pids,
                                                 const fs::path& cache_dir, const OsRoots& roots) {
  return ScanForeignHolders(stack_pids, cache_dir, roots).Map([](const ForeignScan& scan) {
    return scan.holders;
  });
}

}  // namespace kvtier
