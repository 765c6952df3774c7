#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "harness/load/record.hpp"
#include "harness/report/legacy/legacy_export.hpp"
#include "harness/report/run_config.hpp"

/// What legacy_export.cpp is made of; for it alone.
namespace kvtier {

/// The bundle that is exported, and what is said of the export.
struct LegacyJob {
  std::filesystem::path run_dir, out;
  std::string stack;  // "A", "B" or empty
  std::string name;   // <run> of the file names: the run's id with nothing that a path knows
  RunConfig config;
  nlohmann::json summary;  // null: the run was not closed
  std::string no_summary;  // why
  LegacyExport result{};

  void Gap(const std::string& file, const std::string& key, const std::string& reason) {
    result.gaps.push_back({file, key, reason});
  }
  void Written(const std::string& file, std::uint64_t rows) {
    result.files.push_back({file, true, rows, ""});
  }
  void NotWritten(const std::string& file, const std::string& reason) {
    result.files.push_back({file, false, 0, reason});
  }
};

/// Averages over the rows of <run>_telemetry.csv; empty where no row had the value.
struct LegacyAverages {
  std::optional<double> io_wait_pct, queue_size, gpu_util_pct, read_await_ms, reads_per_s;
};

/// `null` with its reason, or the value: one key of a document.
struct LegacyField {
  std::string key;
  nlohmann::json value;
  std::string reason{};  // of a null
};

void ExportMetrics(LegacyJob& job);
void ExportConfigYaml(LegacyJob& job);
/// sysmon, nvme, gpu, dynkv and dynkv_kv of the bundle's telemetry/, keys in the documented order.
void ExportTelemetryRows(LegacyJob& job);
LegacyAverages ExportTelemetryCsv(LegacyJob& job);
void ExportMpstatLog(LegacyJob& job);
void ExportSmartctl(LegacyJob& job);
void ExportManifest(LegacyJob& job);
void ExportSummary(LegacyJob& job, const LegacyAverages& averages);

/// The run's one value of something that phases may differ in; empty where they do.
std::optional<int> CommonConcurrency(const RunConfig& config);
/// First event of any kind after the first byte was sent: what those runners called TTFT.
std::optional<double> FirstEventMs(const RequestRecord& record);
/// Three decimals, or null.
nlohmann::json MsOrNull3(const std::optional<double>& ms);

}  // namespace kvtier
