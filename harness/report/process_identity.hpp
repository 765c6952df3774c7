#pragma once
#include <cstdint>

namespace kvtier {

/// Who wrote a state file: a pid is reused, a pid with its start time (clock ticks since boot,
/// /proc/<pid>/stat) is not.
struct ProcessIdentity {
  std::int64_t pid = 0;
  std::uint64_t start_ticks = 0;  // 0: unknown

  static ProcessIdentity OfThis();
  /// False when no such process runs; a zombie does not run.
  bool Alive() const;
};

}  // namespace kvtier
