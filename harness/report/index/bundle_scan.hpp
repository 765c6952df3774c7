#pragma once
#include <filesystem>
#include <string>
#include <vector>

namespace kvtier {

/// Something in a results root that the index has rows of.
struct IndexedPlace {
  enum class Kind { kRun, kVerdict };
  Kind kind = Kind::kRun;
  std::filesystem::path path;  // a run's folder, or a verdict's file
  std::string name;            // relative to the results root, with '/'
  /// Name, inode, size and time of each file that its rows come from: as long as it is the same,
  /// so are the rows.
  std::string fingerprint;
};

/// Runs of kvtier and of the predecessor (closed, killed, set aside, archived, broken) and the
/// verdict files of experiments below a results root, by name. Links and folders that begin with a
/// dot are not followed, and nothing lies deeper than eight folders. Throws ConfigError when the
/// root is no folder; what cannot be listed is left out.
std::vector<IndexedPlace> FindIndexedPlaces(const std::filesystem::path& results_root);

}  // namespace kvtier
