#pragma once
#include <nlohmann/json.hpp>

#include "telemetry/device/smart.hpp"

namespace kvtier {

/// `storage.smart_delta` of a summary: a reading is its value or {"unavailable": reason}.
void to_json(nlohmann::json& j, const SmartDelta& d);
/// Its member `endurance`.
void to_json(nlohmann::json& j, const EnduranceEstimate& e);

}  // namespace kvtier
