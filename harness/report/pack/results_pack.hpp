#pragma once
#include <filesystem>
#include <string>

#include "harness/report/pack/pack_manifest.hpp"

/// The results pack of one paired experiment: everything that somebody needs to believe it, in one
/// folder (docs/results_pack.md).
namespace kvtier {

struct PackOptions {
  std::filesystem::path out_root = {};  // empty: <results root>/publish
  std::string name = {};                // empty: phase70_pairs<N>_c<replay concurrency>_<ts>
  bool skip_figures = false;            // report.html then has its interactive charts alone
  /// A pack of this name is renamed to <name>.replaced<k> instead of refused.
  bool replace = false;
  std::string created_utc = {};  // stamps the pack; empty: now
};

struct PackResult {
  std::filesystem::path folder;
  PackManifest manifest;
  std::filesystem::path replaced;  // where the pack that stood there is now; empty: none
};

/// Writes into a folder beside it and renames: the pack appears whole or not at all. Equal
/// artifacts and `created_utc` give equal bytes (PNG as far as the converter does). Throws
/// ConfigError for missing input, a pack that stands there already or a name that is a path;
/// DataError for a broken artifact; IoError when the disk refuses.
PackResult WriteResultsPack(const Phase70Paths& paths, const PackOptions& options = {});

}  // namespace kvtier
