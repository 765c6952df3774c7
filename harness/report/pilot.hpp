#pragma once
#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace kvtier {

/// What an earlier paired experiment says about the next one.
struct Pilot {
  std::filesystem::path source;    // the file that the spread was read from
  bool same_mode = false;          // one mode twice: nothing but noise in it
  std::vector<double> log_ratios;  // of the primary metric, one a complete pair; may be empty
  std::size_t pairs = 0;           // behind `sd`
  double sd = 0;                   // of the log-ratio within a pair
  std::optional<double> seconds_per_pair;    // from the first start to the last end
  std::optional<double> ssd_bytes_per_pair;  // written by the workers of both legs, median
};

/// From a manifest, summary, verdict or deltas file of a paired experiment, ours or the
/// predecessor's. The files beside it are used where the named one does not hold log-ratios: the
/// deltas file holds milliseconds, and a verdict only the detectable effect. Throws ConfigError
/// when no spread can be had from it, DataError naming file and key.
Pilot ReadPilot(const std::filesystem::path& file);

}  // namespace kvtier
