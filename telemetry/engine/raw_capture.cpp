#include "telemetry/engine/raw_capture.hpp"

#include <algorithm>
#include <map>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "harness/core/files.hpp"
#include "telemetry/engine/metrics_endpoint.hpp"
#include "telemetry/text.hpp"

namespace kvtier {
namespace {

namespace fs = std::filesystem;

constexpr const char* kInventory = "kvbm_metric_inventory.txt";
constexpr const char* kExpanded = "kvbm_metric_inventory_expanded.txt";
constexpr const char* kFromExporter = "kvbm_metric_inventory_from_6880.txt";

std::string FileOf(const char* endpoint, const std::string& suffix) {
  return fmt::format("metrics_{}_{}.prom", endpoint, suffix);
}

/// The plain suffix, or with the first number under which nothing was captured yet.
std::string FreeSuffix(const fs::path& directory, const std::string& plain) {
  const auto taken = [&](const std::string& suffix) {
    return fs::exists(directory / FileOf("system", suffix)) ||
           fs::exists(directory / FileOf("kvbm", suffix));
  };
  std::string suffix = plain;
  for (int n = 2; taken(suffix); ++n) suffix = fmt::format("{}_{}", plain, n);
  return suffix;
}

/// Comments only, so that a reader of expositions sees no metric. A reason is one line.
std::string Stub(const std::string& phase, bool skipped, std::string reason) {
  std::replace(reason.begin(), reason.end(), '\n', ' ');
  return fmt::format("# snapshot_unavailable phase={}\n{}# {}={}\n", phase,
                     skipped ? "# skipped=true\n" : "", skipped ? "reason" : "error", reason);
}

/// Fetches and writes one endpoint; `text` is what it answered, empty when it did not.
RawEndpoint Capture(const RawCaptureOptions& options, const std::optional<std::string>& url,
                    const std::string& file, const std::string& phase, const char* why_not,
                    std::string& text) {
  RawEndpoint endpoint;
  endpoint.file = file;
  if (!url) {
    endpoint.error = why_not;
    WriteFileAtomic(options.directory / file, Stub(phase, true, why_not));
    return endpoint;
  }
  endpoint.url = *url;
  const auto answer = FetchMetrics(*url, options.timeout);
  endpoint.success = answer.available();
  endpoint.error = answer.reason();
  if (answer) text = *answer;
  WriteFileAtomic(options.directory / file, answer ? *answer : Stub(phase, false, endpoint.error));
  return endpoint;
}

std::string Lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

void WriteInventories(const RawCaptureOptions& options, const std::string& system,
                      const std::string& kvbm) {
  if (system.empty() && kvbm.empty()) return;  // what an earlier capture found stays
  const std::string both = system + "\n" + kvbm;
  const std::vector<std::string> only_kvbm = {"kvbm"};
  WriteFileAtomic(
      options.directory / kInventory,
      RenderInventory("KVBM metric inventory", only_kvbm, InventoryOf(both, only_kvbm)));
  WriteFileAtomic(options.directory / kExpanded,
                  RenderInventory("KVBM metric inventory, expanded", options.keywords,
                                  InventoryOf(both, options.keywords, true)));
  if (kvbm.empty() || fs::exists(options.directory / kFromExporter)) return;
  const std::vector<std::string> moved = {"onboard", "offload", "matched"};
  WriteFileAtomic(
      options.directory / kFromExporter,
      RenderInventory("KVBM metric inventory from 6880", moved, InventoryOf(kvbm, moved)));
}

nlohmann::json EndpointJson(const RawEndpoint& endpoint) {
  using nlohmann::json;
  return {{"url", endpoint.url.empty() ? json() : json(endpoint.url)},
          {"success", endpoint.success},
          {"error", endpoint.error.empty() ? json() : json(endpoint.error)},
          {"file", endpoint.file}};
}

}  // namespace

std::vector<std::string> DefaultInventoryKeywords() {
  return {"kvbm",      "block_manager", "offload", "onboard", "matched",
          "rehydrate", "tier",          "disk",    "host"};
}

std::string CaptureSuffix(std::string_view phase) {
  if (phase == "pressure_B" || phase.starts_with("thrash")) return "pressure";
  if (phase == "replay_A" || phase.starts_with("replay")) return "replay";
  return {};
}

std::optional<RawCapture> CaptureRawMetrics(const RawCaptureOptions& options,
                                            const std::string& phase) {
  const std::string plain = CaptureSuffix(phase);
  if (plain.empty()) return std::nullopt;
  RawCapture capture;
  capture.phase = phase;
  capture.suffix = FreeSuffix(options.directory, plain);
  if (capture.suffix != plain) {
    capture.note = fmt::format("{} is of an earlier phase and was kept; {} is in {}",
                               FileOf("system", plain), phase, FileOf("system", capture.suffix));
  }
  std::string system, kvbm;
  capture.system = Capture(options, options.system_url, FileOf("system", capture.suffix), phase,
                           "the stack does not say where its worker's system metrics are", system);
  capture.kvbm = Capture(options, options.kvbm_url, FileOf("kvbm", capture.suffix), phase,
                         "kvbm_disabled", kvbm);
  WriteFileAtomic(options.directory / fmt::format("metrics_{}.prom", capture.suffix),
                  ReadFile(options.directory / capture.system.file));
  WriteInventories(options, system, kvbm);
  return capture;
}

void to_json(nlohmann::json& j, const RawCapture& capture) {
  j = {{"phase", capture.phase},
       {"suffix", capture.suffix},
       {"system", EndpointJson(capture.system)},
       {"kvbm", EndpointJson(capture.kvbm)}};
  if (!capture.note.empty()) j["note"] = capture.note;
}

std::vector<InventoryEntry> InventoryOf(std::string_view text,
                                        const std::vector<std::string>& keywords,
                                        bool dynamo_component_kvbm) {
  std::map<std::string, std::string> first;
  ForEachLine(text, [&](std::string_view line) {
    const std::size_t begin = line.find_first_not_of(" \t");
    if (begin == std::string_view::npos || line[begin] == '#') return;
    const std::size_t end = line.find_first_of("{ \t", begin);
    const std::string name(line.substr(begin, end - begin));
    if (!name.empty()) first.try_emplace(name, line);
  });
  std::vector<InventoryEntry> entries;
  for (const auto& [name, sample] : first) {
    const std::string lower = Lower(name);
    const std::size_t component = lower.find("dynamo_component_");
    const bool wanted = std::any_of(
        keywords.begin(), keywords.end(),
        [&](const std::string& keyword) { return lower.find(keyword) != std::string::npos; });
    if (wanted || (dynamo_component_kvbm && component != std::string::npos &&
                   lower.find("kvbm", component) != std::string::npos))
      entries.push_back({name, sample});
  }
  return entries;
}

std::string RenderInventory(const std::string& title, const std::vector<std::string>& keywords,
                            const std::vector<InventoryEntry>& entries) {
  std::string text = fmt::format("# {}\n# keywords={}\n# metric_count={}\n\n", title,
                                 fmt::join(keywords, ","), entries.size());
  for (const auto& entry : entries)
    text += fmt::format("{}\nsample: {}\n\n", entry.name, entry.sample);
  return text;
}

}  // namespace kvtier
