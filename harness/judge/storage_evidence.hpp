#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "harness/core/reading.hpp"
#include "harness/core/units.hpp"

/// What the SSD says of itself before and after a leg (A1: storage evidence). telemetry/device
/// fills it, harness/report writes and reads it.
namespace kvtier {

/// The disk that holds the KV cache. Texts are empty where nothing says them.
struct StorageIdentity {
  std::string controller;  // "nvme0"; empty when the disk is no NVMe
  std::string device;      // "/dev/nvme0n1", "/dev/vda"
  std::string name_space;  // "/dev/nvme0n1"; empty when the disk is no NVMe
  std::string model, serial, firmware;
  Reading<Bytes> size;
  std::string bdf;        // PCI address, "0000:01:00.0"
  std::string pcie_link;  // "32.0 GT/s PCIe x4 (max 32.0 GT/s PCIe x4)"
};

/// SMART / health log of the disk at one moment (NVMe base specification, log page 02h).
struct SmartReading {
  std::string source;                                          // "nvme smart-log", "smartctl"
  Reading<std::uint64_t> data_units_read, data_units_written;  // of 1000 x 512 B each
  Reading<std::uint64_t> host_read_commands, host_write_commands;
  Reading<double> celsius;
  Reading<double> percentage_used;  // of the vendor's estimate of life; may exceed 100
  Reading<double> available_spare_pct;
  Reading<std::uint64_t> critical_warning;  // bits
  Reading<std::uint64_t> media_errors, error_log_entries, unsafe_shutdowns, power_on_hours;
  Reading<std::uint64_t> warning_temperature_minutes, critical_temperature_minutes;
  Reading<std::uint64_t> thermal_throttle_transitions;  // level 1 and 2 together
};

/// Before and after a leg. Readings are unavailable with the reason where there is no NVMe, no tool
/// or no permission.
struct StorageEvidence {
  StorageIdentity identity;
  Reading<SmartReading> before, after;
  std::uint64_t capture_errors_before = 0, capture_errors_after = 0;
};

}  // namespace kvtier
