#include "harness/report/host_evidence_json.hpp"

#include <nlohmann/json.hpp>

#include "harness/report/json_visit.hpp"

namespace kvtier {
namespace {

using nlohmann::json;

template <class T, class Visit>
void WindowFields(T& v, const Visit& visit) {
  visit("duration_s", v.duration_s);
  visit("cpu_busy_ratio", v.cpu_busy_ratio);
  visit("cpu_iowait_ratio", v.cpu_iowait_ratio);
  visit("cpu_steal_ratio", v.cpu_steal_ratio);
  visit("cpu_stack_ratio", v.cpu_stack_ratio);
  visit("cpu_own_ratio", v.cpu_own_ratio);
  visit("cpu_other_ratio", v.cpu_other_ratio);
  visit("device", v.device);
  visit("device_read", v.device_read);
  visit("device_write", v.device_write);
  visit("stack_read", v.stack_read);
  visit("stack_write", v.stack_write);
  visit("own_read", v.own_read);
  visit("own_write", v.own_write);
  visit("other_read", v.other_read);
  visit("other_write", v.other_write);
  visit("read_await_ms", v.read_await_ms);
  visit("write_await_ms", v.write_await_ms);
  visit("queue_depth", v.queue_depth);
  visit("device_busy_ratio", v.device_busy_ratio);
  visit("mem_total", v.mem_total);
  visit("mem_available_min", v.mem_available_min);
  visit("swap_used_max", v.swap_used_max);
  visit("pages_swapped_in", v.pages_swapped_in);
  visit("pages_swapped_out", v.pages_swapped_out);
  visit("major_faults", v.major_faults);
  visit("oom_kills", v.oom_kills);
  visit("cpu_stall_ratio", v.cpu_stall_ratio);
  visit("io_stall_ratio", v.io_stall_ratio);
  visit("memory_stall_ratio", v.memory_stall_ratio);
  visit("zone_celsius_max", v.zone_celsius_max);
  visit("nvme_celsius_max", v.nvme_celsius_max);
  visit("gpu_celsius_max", v.gpu_celsius_max);
  visit("cpu_throttle_events", v.cpu_throttle_events);
  visit("cooling_active", v.cooling_active);
  visit("gpu_throttle_reasons", v.gpu_throttle_reasons);
  visit("clock_step_ms", v.clock_step_ms);
}

template <class T, class Visit>
void OtherFields(T& v, const Visit& visit) {
  visit("pid", v.pid);
  visit("cmdline", v.cmdline);
  visit("path", v.path);
}

template <class T, class Visit>
void RecorderFields(T& v, const Visit& visit) {
  visit("ticks_due", v.ticks_due);
  visit("ticks_missed", v.ticks_missed);
  visit("worst_delay_ms", v.worst_delay_ms);
  visit("cpu_ratio", v.cpu_ratio);
  visit("rows", v.rows);
  visit("rows_dropped", v.rows_dropped);
  visit("blind", v.blind);
}

template <class T, class Visit>
void HostFields(T& v, const Visit& visit) {
  visit("before", v.before);
  visit("during", v.during);
  visit("other_workers", v.other_workers);
  visit("recorder", v.recorder);
}

template <class T, class Visit>
void IdentityFields(T& v, const Visit& visit) {
  visit("controller", v.controller);
  visit("device", v.device);
  visit("name_space", v.name_space);
  visit("model", v.model);
  visit("serial", v.serial);
  visit("firmware", v.firmware);
  visit("size", v.size);
  visit("bdf", v.bdf);
  visit("pcie_link", v.pcie_link);
}

template <class T, class Visit>
void SmartFields(T& v, const Visit& visit) {
  visit("source", v.source);
  visit("data_units_read", v.data_units_read);
  visit("data_units_written", v.data_units_written);
  visit("host_read_commands", v.host_read_commands);
  visit("host_write_commands", v.host_write_commands);
  visit("celsius", v.celsius);
  visit("percentage_used", v.percentage_used);
  visit("available_spare_pct", v.available_spare_pct);
  visit("critical_warning", v.critical_warning);
  visit("media_errors", v.media_errors);
  visit("error_log_entries", v.error_log_entries);
  visit("unsafe_shutdowns", v.unsafe_shutdowns);
  visit("power_on_hours", v.power_on_hours);
  visit("warning_temperature_minutes", v.warning_temperature_minutes);
  visit("critical_temperature_minutes", v.critical_temperature_minutes);
  visit("thermal_throttle_transitions", v.thermal_throttle_transitions);
}

template <class T, class Visit>
void StorageFields(T& v, const Visit& visit) {
  visit("identity", v.identity);
  visit("before", v.before);
  visit("after", v.after);
  visit("capture_errors_before", v.capture_errors_before);
  visit("capture_errors_after", v.capture_errors_after);
}

}  // namespace

void to_json(json& j, const HostWindow& v) {
  WindowFields(v, PutFields(j));
}
void from_json(const json& j, HostWindow& v) {
  WindowFields(v, TakeFields(j));
}
void to_json(json& j, const OtherWorker& v) {
  OtherFields(v, PutFields(j));
}
void from_json(const json& j, OtherWorker& v) {
  OtherFields(v, TakeFields(j));
}
void to_json(json& j, const RecorderHealth& v) {
  RecorderFields(v, PutFields(j));
}
void from_json(const json& j, RecorderHealth& v) {
  RecorderFields(v, TakeFields(j));
}
void to_json(json& j, const HostEvidence& v) {
  HostFields(v, PutFields(j));
}
void from_json(const json& j, HostEvidence& v) {
  HostFields(v, TakeFields(j));
}
void to_json(json& j, const StorageIdentity& v) {
  IdentityFields(v, PutFields(j));
}
void from_json(const json& j, StorageIdentity& v) {
  IdentityFields(v, TakeFields(j));
}
void to_json(json& j, const SmartReading& v) {
  SmartFields(v, PutFields(j));
}
void from_json(const json& j, SmartReading& v) {
  SmartFields(v, TakeFields(j));
}
void to_json(json& j, const StorageEvidence& v) {
  StorageFields(v, PutFields(j));
}
void from_json(const json& j, StorageEvidence& v) {
  StorageFields(v, TakeFields(j));
}

void SetOlder(HostEvidence& v) {
  SetOlder(v.before);
  SetOlder(v.during);
  SetOlder(v.other_workers);
  SetOlder(v.recorder);
}
void SetOlder(StorageEvidence& v) {
  v = {};
  SetOlder(v.identity.size);
  SetOlder(v.before);
  SetOlder(v.after);
}

}  // namespace kvtier
