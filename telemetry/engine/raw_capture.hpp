#pragma once
#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

/// The exporters' texts as they were, kept beside a run (spec/artifacts.md A14).
namespace kvtier {

/// Names of metrics that the wide inventory looks for (spec/workloads.md section 6).
std::vector<std::string> DefaultInventoryKeywords();

struct RawCaptureOptions {
  std::filesystem::path directory;        // where the files go; exists
  std::optional<std::string> system_url;  // the worker's system server; empty: the stack has none
  std::optional<std::string> kvbm_url;    // the KVBM exporter; empty: KVBM is off
  std::chrono::milliseconds timeout = std::chrono::seconds(5);
  std::vector<std::string> keywords = DefaultInventoryKeywords();  // lower case
};

/// One endpoint's part of a capture.
struct RawEndpoint {
  std::string url;
  bool success = false;
  std::string error;  // empty on success
  std::string file;   // name in the directory
};
struct RawCapture {
  std::string phase;
  std::string suffix;  // pressure, replay, replay_2, ...
  RawEndpoint system, kvbm;
  std::string note;  // why the suffix is not the plain one; else empty
};

/// "pressure" for pressure_B and thrash*, "replay" for replay_A and replay*; empty for a phase
/// after which nothing is captured.
std::string CaptureSuffix(std::string_view phase);

/// After a phase: metrics_system_<suffix>.prom, metrics_kvbm_<suffix>.prom and the legacy copy
/// metrics_<suffix>.prom of the former. An endpoint that cannot be read leaves a stub of comments
/// with the reason. An earlier capture is never overwritten: a second replay goes to `replay_2`,
/// and `note` says so. Then the inventories of both texts: kvbm_metric_inventory.txt (names with
/// kvbm), kvbm_metric_inventory_expanded.txt (with a keyword, or dynamo_component_*kvbm), and, from
/// the first answer of the KVBM exporter and not touched again, kvbm_metric_inventory_from_6880.txt
/// (onboard, offload, matched). Empty when the phase is none to capture after. Throws IoError when
/// the directory cannot be written.
std::optional<RawCapture> CaptureRawMetrics(const RawCaptureOptions& options,
                                            const std::string& phase);

/// A record of summary.json's metrics_snapshot.
void to_json(nlohmann::json& j, const RawCapture& capture);

struct InventoryEntry {
  std::string name;
  std::string sample;  // the first line that begins with it, as written
};
/// The metrics of a text whose name has one of the keywords (compared in lower case) or, if asked,
/// begins with dynamo_component_ and has kvbm behind it; sorted by name. Reads lines, so that a
/// text that is no proper exposition still has an inventory.
std::vector<InventoryEntry> InventoryOf(std::string_view text,
                                        const std::vector<std::string>& keywords,
                                        bool dynamo_component_kvbm = false);
/// "# <title>", "# keywords=...", "# metric_count=N", a blank line; then of each its name,
/// "sample: <line>" and a blank line.
std::string RenderInventory(const std::string& title, const std::vector<std::string>& keywords,
                            const std::vector<InventoryEntry>& entries);

}  // namespace kvtier
