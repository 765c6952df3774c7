#include "telemetry/device/smart_json.hpp"

namespace kvtier {

void to_json(nlohmann::json& j, const SmartDelta& d) {
  j = {{"read_bytes", d.read},
       {"written_bytes", d.written},
       {"host_read_commands", d.host_read_commands},
       {"host_write_commands", d.host_write_commands},
       {"celsius_before", d.celsius_before},
       {"celsius_after", d.celsius_after},
       {"celsius_change", d.celsius_change},
       {"percentage_used_change", d.percentage_used_change},
       {"thermal_throttle_transitions", d.thermal_throttle_transitions},
       {"warning_temperature_minutes", d.warning_temperature_minutes},
       {"critical_temperature_minutes", d.critical_temperature_minutes},
       {"media_errors", d.media_errors},
       {"error_log_entries", d.error_log_entries},
       {"unsafe_shutdowns", d.unsafe_shutdowns}};
}

void to_json(nlohmann::json& j, const EnduranceEstimate& e) {
  j = {{"bytes_per_day", e.bytes_per_day},
       {"rated_bytes", e.rated_bytes},
       {"rated_source", e.rated_source.empty() ? nlohmann::json() : nlohmann::json(e.rated_source)},
       {"remaining_bytes", e.remaining_bytes},
       {"remaining_days", e.remaining_days},
       {"written_per_useful_byte", e.written_per_useful_byte}};
}

}  // namespace kvtier
