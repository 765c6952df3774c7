#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/core/reading.hpp"
#include "harness/core/units.hpp"
#include "telemetry/logs/marked_log.hpp"

namespace kvtier {

/// What a line of a cuFile log speaks of; a line may be of several classes.
///   compat  contains "compat" in any case ("compat mode", "compatible mode", allow_compat_mode)
///   posix   contains "posix" in any case
///   gds     the word GDS in capitals (in small letters it is a part of paths: /usr/local/gds)
///   error   the word ERROR in capitals, as the library prints its level
///   warning the word WARN or WARNING in capitals
struct CufileLine {
  bool compat = false, posix = false, gds = false, error = false, warning = false;
  bool Any() const { return compat || posix || gds || error || warning; }

  /// Says that a file is read and written through POSIX calls: "... using cuFile posix read/write
  /// with compat mode enabled", "running in compatible mode". A line that only prints a setting
  /// (allow_compat_mode, force_compat_mode, use_compat_mode; ": 0", ": false") or denies the mode
  /// says nothing of the path.
  bool posix_path = false;
  /// Says that the direct path is in use or ready: the word GDS, no denial ("not supported",
  /// "disabled", "unsupported", "failed", "cannot", "not "), no compat, no posix, no setting, and
  /// one of "using", "enabled", "supported", "initialized", "active".
  bool gds_path = false;
};
CufileLine ClassifyCufileLine(std::string_view line);

struct CufileCounts {
  std::uint64_t lines = 0;
  std::uint64_t compat = 0, posix = 0, gds = 0, error = 0, warning = 0;
  std::uint64_t posix_path = 0, gds_path = 0;
  void Add(const CufileLine& line);
  bool operator==(const CufileCounts&) const = default;
};

/// One sentence: "I/O took the POSIX compat path: 12 of 80 lines say so", "I/O took the GDS path:
/// ...", or "cannot tell: ..." with what is missing or contradicts itself.
std::string CufileConclusion(const CufileCounts& counts, std::size_t files);

struct CufileCopy {
  std::string source;
  std::string path;  // relative to the run folder
  Bytes written{}, cut{};
  std::vector<std::string> notes;
};

struct CufileEvidence {
  std::vector<CufileCopy> files;
  std::vector<std::string>
      unreadable;         // one sentence for each folder or file that could not be read
  CufileCounts counts;    // of what was kept of all files
  std::string grep_path;  // cufile_<place>_grep.txt, relative to the run folder
  std::string conclusion;
};

/// Where a cuFile library may log: folders with cufile*.log (cufile.log, or
/// cufile_<pid>_<time>.log) and files named outright.
struct CufilePlaces {
  std::vector<std::filesystem::path> folders;
  std::vector<std::filesystem::path> files;
  /// /var/log/cufile, the working folder of the worker (the library's default), and the value of
  /// CUFILE_LOGFILE_PATH in the worker's environment; either may be empty.
  static CufilePlaces Of(const std::filesystem::path& worker_cwd, const std::string& logfile_path);
  /// The same of a process that runs, as it sees them: <process>/cwd and <process>/root, where
  /// `process` is /proc/<pid>. Reaches into a container without docker.
  static CufilePlaces Inside(const std::filesystem::path& process, const std::string& logfile_path);
};

/// Copies what cuFile logged during a leg and says which path the I/O took.
class CufileCollector {
 public:
  /// Takes whole the logs that were written to since `since`: for places that are known only once
  /// the stack is up. One that earlier legs wrote to as well comes with their lines.
  static CufileCollector WrittenSince(CufilePlaces places, std::filesystem::file_time_type since);
  /// Remembers where the logs that exist already end: make it before the stack comes up, because
  /// the path is logged when a file is registered.
  explicit CufileCollector(CufilePlaces places, LogLimits limits = {});

  /// Writes <run_dir>/telemetry/cufile_logs/<place>/<file> and
  /// <run_dir>/telemetry/cufile_<place>_grep.txt, the last 200 lines of any class, each headed by
  /// its file. `place`: "host", or "container_<name>". Never throws.
  CufileEvidence Collect(const std::filesystem::path& run_dir, const std::string& place) const;

 private:
  CufilePlaces places_;
  LogLimits limits_;
  std::map<std::filesystem::path, MarkedLog> marks_;
  std::optional<std::filesystem::file_time_type> since_;
};

}  // namespace kvtier
