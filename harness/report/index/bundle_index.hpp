#pragma once
#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>

/// What lies in a results root as one SQLite file: a table of runs, one of their phases, one of the
/// latencies of each phase, and so on (docs/index.md). It holds nothing that is not in the bundles,
/// so it may be removed and written again at any time.
namespace kvtier {

class SqlDatabase;

inline constexpr const char* kIndexName = "index.sqlite";

struct IndexOptions {
  std::filesystem::path results_root;
  /// The file; empty: index.sqlite in the results root.
  std::filesystem::path file{};
  /// Reads every bundle again, also those whose files have not changed.
  bool whole = false;
};

struct IndexCounts {
  std::filesystem::path file;
  std::size_t runs = 0, verdicts = 0;  // rows of each table, broken ones too
  std::size_t read = 0;                // of them read from disk now
  std::size_t broken = 0;              // of them with a reason instead of figures
  std::size_t removed = 0;             // gone from disk since the last time
};

/// Brings the index up to date, or makes it. Readers keep the old file until the new one is whole
/// (one rename), and a killed writer leaves the old one. A file that is no index of this version is
/// written anew. A broken bundle is a row with its reason. Throws ConfigError when the results root
/// is no folder, IoError when the disk refuses.
IndexCounts UpdateIndex(const IndexOptions& options);

/// The same in memory: nothing is written.
std::unique_ptr<SqlDatabase> IndexInMemory(const std::filesystem::path& results_root);

}  // namespace kvtier
