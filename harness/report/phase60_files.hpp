#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "harness/judge/phase60.hpp"

/// The files of one concurrency sweep in the results root (spec/artifacts.md section D), and the
/// state file by which its test processes agree.
namespace kvtier {

/// Where everything of sweep <ts> lies.
struct Phase60Paths {
  std::filesystem::path root;
  std::string ts;

  std::filesystem::path Summary() const {
    return Of("phase60_rehydrate_concurrency_sweep_summary_minimal", "json");
  }
  std::filesystem::path SummaryCsv() const {
    return Of("phase60_rehydrate_concurrency_sweep_summary_minimal", "csv");
  }
  std::filesystem::path StopVerdict() const {
    return Of("phase60_matrix_stop_verdict_minimal", "json");
  }
  std::filesystem::path Diagnosis() const {
    return Of("phase60_sweep_b2c1_failure_diagnosis", "json");
  }
  std::filesystem::path LogFolder() const { return root / ("phase60_minimal_sweep_logs_" + ts); }
  /// phase60_rehydrate_minimal_preflight_B2_c1_<ts>, ..._sweep_<mode>_c<c>_<ts>, ..._debug_...
  std::string BundleId(const SweepPlace& place, PointKind kind) const;
  /// run_B2_c1_preflight_<ts>, run_<mode>_c<c>_<ts>, run_B2_c1_debug_<ts>
  std::string RunId(const SweepPlace& place, PointKind kind) const;
  std::filesystem::path RunDir(const SweepPlace& place, PointKind kind) const {
    return root / BundleId(place, kind) / RunId(place, kind);
  }

 private:
  std::filesystem::path Of(const char* what, const char* extension) const;
};

/// A finished point as its bundle shows it: what was asked for of its stack (config.json), the
/// rules of a point over its evidence, and the row's documented details from its files. Throws
/// DataError.
struct Phase60Point {
  LegEvidence leg;
  PointVerdict verdict;
};
Phase60Point LoadPhase60Point(const Phase60Paths& paths, const SweepPlace& place, PointKind kind,
                              const Phase60Setup& setup);

/// What config.json says was asked for of the stack of a point.
PointSpec ReadPointSpec(const std::filesystem::path& run_dir, const SweepPlace& place,
                        PointKind kind);

/// Documented parts of a row that come from the files of its run: manifest_hashes and _counts,
/// config_snapshot, nvme_artifacts, device_metadata_post, io_attribution, io_attribution_verdict.
/// What cannot be read is null or {available: false, error}.
nlohmann::json Phase60RowDetails(const std::filesystem::path& run_dir, const LegEvidence& leg,
                                 bool io_attrib);

/// Summary JSON and CSV; the stop verdict of a stopped sweep. One of an earlier stop is removed.
void WritePhase60(const Phase60Paths& paths, const Phase60Summary& summary);
/// Throws DataError naming file and key.
Phase60Summary LoadPhase60Summary(const std::filesystem::path& file);
/// Rows of B0, B1, B2 with the baseline; KVBM counters are blank where the metrics are not ok.
std::string Phase60SummaryCsv(const Phase60Summary& summary);

/// Two runs of B2 at concurrency 1 side by side (spec/artifacts.md D4): one known to be good, one
/// that failed. A side that names no run, or one that is not there, is {available: false, error};
/// so a fresh clone has a diagnosis too. Reads runs of the predecessor as well as ours.
nlohmann::json Phase60Diagnosis(const std::string& known_good_run, const std::string& failed_run,
                                const std::string& now_utc);
void WritePhase60Diagnosis(const Phase60Paths& paths, const std::string& known_good_run,
                           const std::string& failed_run);

/// <root>/current/phase60.json: which sweep the cases look at.
struct Phase60Current {
  std::string ts;
  std::string state;  // running, finished
  std::int64_t pid = 0;
  std::string updated_utc = {};
  std::string summary = {};  // path relative to the root
};
void to_json(nlohmann::json& j, const Phase60Current& c);
void from_json(const nlohmann::json& j, Phase60Current& c);
void WritePhase60Current(const std::filesystem::path& root, const Phase60Current& current);
/// Empty when there is none. Throws DataError naming the file.
std::optional<Phase60Current> LoadPhase60Current(const std::filesystem::path& root);

}  // namespace kvtier
