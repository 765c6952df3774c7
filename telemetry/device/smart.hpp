#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "harness/core/reading.hpp"
#include "harness/core/units.hpp"
#include "harness/judge/storage_evidence.hpp"

/// The SMART / health log of an NVMe disk (NVM Express base specification 2.0, section 5.16.1.3,
/// log page 02h), what happened between two of them, and what that means for the life of the disk.
namespace kvtier {

/// Bytes of one data unit: "this value is reported in thousands (i.e., a value of 1 corresponds to
/// 1,000 units of 512 bytes written) and is rounded up". So every figure in bytes is right to
/// within one unit.
inline constexpr std::uint64_t kSmartDataUnitBytes = 512'000;

/// `nvme smart-log` as JSON, in the spellings of nvme-cli 1.x and 2.x; the temperature there is in
/// kelvin. Numbers may be integers, floats or texts (the log's are of 128 bit). A field that is not
/// there is unavailable; a document without any of them is unavailable as a whole.
Reading<SmartReading> SmartFromNvmeJson(const nlohmann::json& log);
/// The normal output of `nvme smart-log`: "data_units_read : 1,234 (632.12 MB)".
Reading<SmartReading> SmartFromNvmeText(std::string_view text);
/// `smartctl -a -j`: nvme_smart_health_information_log, in degrees Celsius. smartctl does not print
/// the thermal management transitions.
Reading<SmartReading> SmartFromSmartctl(const nlohmann::json& document);

/// after - before. Unavailable with the reason where a side is, or where a counter fell: another
/// disk, or a log that was reset, never a small number.
struct SmartDelta {
  Reading<Bytes> read, written;  // by the host, all its processes; x 512000, to within 512000
  Reading<std::uint64_t> host_read_commands, host_write_commands;
  Reading<double> celsius_before, celsius_after, celsius_change;  // a gauge: may fall
  Reading<double> percentage_used_change;                         // in whole points of the log
  Reading<std::uint64_t> thermal_throttle_transitions;
  Reading<std::uint64_t> warning_temperature_minutes, critical_temperature_minutes;
  Reading<std::uint64_t> media_errors, error_log_entries, unsafe_shutdowns;
};
SmartDelta SmartDeltaBetween(const Reading<SmartReading>& before,
                             const Reading<SmartReading>& after);

struct EnduranceInputs {
  Reading<SmartReading> now;        // at the end of the window
  Reading<Bytes> written;           // to the device in the window: SmartDelta or the block layer
  double window_s = 0;              // its length
  Reading<Bytes> useful_read;       // by the engine, from the SSD tier: blocks x bytes a block
  std::optional<double> rated_tbw;  // of the data sheet, in 10^12 bytes
};

/// What the window's writing means for the disk. No rule decides on it.
struct EnduranceEstimate {
  /// written x 86400 / window_s
  Reading<double> bytes_per_day;
  /// All that may be written in the disk's life: rated_tbw x 10^12; else implied by the log,
  /// data_units_written x 512000 / (percentage_used / 100). The log rounds percentage_used to whole
  /// points, so at p points the implied figure is right to about 1/p of itself; below 1 it is
  /// unavailable.
  Reading<double> rated_bytes;
  std::string rated_source;  // "given", "implied by percentage_used", "" when unavailable
  /// max(0, rated_bytes - data_units_written x 512000). Host bytes on both sides, so the device's
  /// own write amplification cancels out of the implied figure.
  Reading<double> remaining_bytes;
  /// remaining_bytes / bytes_per_day: if the machine did nothing else than the window did.
  Reading<double> remaining_days;
  /// written / useful_read: bytes that the SSD tier cost for each byte that it gave back.
  Reading<double> written_per_useful_byte;
};
EnduranceEstimate EstimateEndurance(const EnduranceInputs& inputs);

}  // namespace kvtier
