#pragma once
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "harness/judge/io_attribution.hpp"

/// io/io_attribution_report.json (spec/artifacts.md A12) from the typed report and back. A figure
/// that was not measured is null, its reason under the same key in `unavailable` beside it.
namespace kvtier {

/// What the report says of its own making.
struct IoAttributionContext {
  std::string capture_timestamp;       // UTC
  std::vector<std::string> artifacts;  // files of the same capture, relative to the run folder
};

nlohmann::json IoAttributionJson(const IoAttributionReport& report,
                                 const IoAttributionContext& context);
/// Strict: throws DataError or a JSON exception naming the key.
IoAttributionReport IoAttributionFromJson(const nlohmann::json& j);

}  // namespace kvtier
