#pragma once
#include <cstdint>
#include <filesystem>
#include <string>

#include <nlohmann/json.hpp>

#include "harness/core/reading.hpp"
#include "harness/judge/storage_evidence.hpp"
#include "telemetry/device/command_runner.hpp"
#include "telemetry/roots.hpp"

namespace kvtier {

struct DeviceMetadataRequest {
  std::string stage = "pre";        // "pre" before the first request, "post" after the last
  std::string nvme_device_hint;     // BENCH_NVME_DEVICE, "/dev/nvme0"; may be empty
  std::filesystem::path cache_dir;  // of the KV cache; need not exist yet
  std::string phase_io_device;      // the device whose counters the phases use; may be empty
  OsRoots roots = {};
  CommandRunner runner = SystemCommandRunner();
};

struct DeviceMetadata {
  nlohmann::json document;       // device_metadata_<stage>.json
  nlohmann::json nvme_identity;  // nvme_identity.json: `id-ctrl` of the primary controller
  nlohmann::json nvme_smart;     // nvme_smart_<stage>.json: its `smart-log`
  StorageIdentity identity;      // of the disk that holds the KV cache
  Reading<SmartReading> smart;   // from nvme smart-log, else smartctl
  std::uint64_t capture_errors = 0;
};

/// Everything that this machine says of its disks, once. A failure is an entry of capture_errors,
/// never an exception; a program that is not installed is asked for once. Commands and their time
/// limits (spec of the predecessor): nvme list, list-subsys, lspci, lsblk 12 s; findmnt 8 and 10;
/// mount, nvidia-smi 8; uname, os-release 5; per controller id-ctrl, id-ns, smart-log, smartctl,
/// lspci -vv 10 s.
///
/// The primary controller is that of the disk under `cache_dir`; where that disk is not known (a
/// container's overlay), the hint, else nvme0, else the first. The disk is known and no NVMe: there
/// is no primary controller, and `smart` says so. Unlike the predecessor no controller is made up
/// from the hint: a hint that sysfs does not know is an entry of capture_errors.
DeviceMetadata CaptureDeviceMetadata(const DeviceMetadataRequest& request);

}  // namespace kvtier
