#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "harness/core/reading.hpp"
#include "harness/core/units.hpp"
#include "telemetry/logs/marked_log.hpp"

namespace kvtier {

/// The log of one part of a stack.
struct LogSource {
  std::string name;  // "worker", "frontend", "nats": the copy is called <name>.log
  std::filesystem::path path;
};

/// What was copied of one log.
struct LogCopy {
  std::string path;   // of the copy, relative to the run folder: "telemetry/logs/worker.log"
  Bytes written{};    // since the leg began
  Bytes cut{};        // of these left out of the copy, between its head and its tail
  LineCounts counts;  // of the copy
  std::string tail;   // its last lines, printable (invalid UTF-8 replaced)
  std::vector<std::string> notes;  // rotated, truncated, deleted
};

struct CollectedLog {
  std::string name;
  std::string source;     // path of the log itself
  Reading<LogCopy> copy;  // unavailable: missing, no permission, or the copy cannot be written
};

/// Where NATS logs and what its container is called (spec/telemetry.md section 10). The caller
/// applies BENCH_NATS_LOG_FILE and BENCH_NATS_CONTAINER_NAME.
struct NatsPlaces {
  std::filesystem::path log_file = "/tmp/bench-logs/nats.log";
  std::string container = "bench-nats";
  /// Named as the runbook names the copy.
  LogSource Log() const { return {"nats_server", log_file}; }
};

/// Copies what a leg's processes wrote into their logs.
class LogCollector {
 public:
  /// Remembers where each log ends: make it before the leg begins. A log that does not exist yet is
  /// copied whole. Throws ConfigError when two sources have one name, or a name is no file name.
  explicit LogCollector(std::vector<LogSource> sources, LogLimits limits = {},
                        std::size_t tail_lines = 15);

  /// Writes <run_dir>/telemetry/logs/<name>.log for each source that can be read. Reads at most the
  /// limits of each, however large it is. Never throws.
  std::vector<CollectedLog> Collect(const std::filesystem::path& run_dir) const;

 private:
  struct Watched {
    std::string name;
    MarkedLog log;
  };
  std::vector<Watched> logs_;
  LogLimits limits_;
  std::size_t tail_lines_;
};

/// Of a file that may be large: its last `lines` lines, printable, reading no more than the last 64
/// KiB. Unavailable with the reason when it cannot be read.
Reading<std::string> ReadTail(const std::filesystem::path& file, std::size_t lines);

}  // namespace kvtier
