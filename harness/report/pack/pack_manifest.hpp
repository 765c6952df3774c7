#pragma once
#include <map>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "harness/report/pack/pack_input.hpp"

namespace kvtier {

/// A file with what it held.
struct HashedFile {
  std::string path;  // relative to the pack, or to the results root
  std::string sha256;
  std::uint64_t bytes = 0;
};

/// pack_manifest.json: the predecessor's fields, and the hashes of everything.
struct PackManifest {
  std::string created_utc, source_ts;
  int pair_count = 0, replay_concurrency = 0;
  std::string mode_a, mode_b;
  bool ssd_write_signal_present = false, ssd_rehydrate_signal_present = false,
       ssd_reuse_signal_present = false;
  // ours
  bool decision_grade = false;
  std::string word, grade;
  std::vector<std::string> reason_codes;
  /// manifest, summary_json, summary_csv, deltas_csv, order_check_json, verdict_json,
  /// preflight_json and, by run, the bundles' summaries; only what exists.
  std::map<std::string, HashedFile> sources;
  std::vector<HashedFile> files;   // of the pack, all but this one, by name
  std::vector<std::string> notes;  // figures_generated=true, figures_skipped_cli=true, ...
};
void to_json(nlohmann::json& j, const PackManifest& m);
/// Throws DataError naming the key.
void from_json(const nlohmann::json& j, PackManifest& m);

}  // namespace kvtier
