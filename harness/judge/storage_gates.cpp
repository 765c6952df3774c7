#include <algorithm>

#include <fmt/format.h>

#include "harness/judge/gates.hpp"

namespace kvtier {
namespace {

/// "nvme0n1" of "/dev/nvme0n1".
std::string BaseName(const std::string& device) {
  const auto slash = device.rfind('/');
  return slash == std::string::npos ? device : device.substr(slash + 1);
}

/// A volume of device mapper or md: its counters are its own, what is described is the disk below.
bool IsStacked(const std::string& device) {
  return device.starts_with("dm-") || device.starts_with("md");
}

std::string Spelled(const StorageIdentity& s) {
  return fmt::format("{} {} serial {} firmware {}", s.device, s.model, s.serial, s.firmware);
}

/// A log that counts backwards is of another disk than the one before.
constexpr std::pair<const char*, Reading<std::uint64_t> SmartReading::*> kGrowing[] = {
    {"data units read", &SmartReading::data_units_read},
    {"data units written", &SmartReading::data_units_written},
    {"host read commands", &SmartReading::host_read_commands},
    {"host write commands", &SmartReading::host_write_commands},
    {"power-on hours", &SmartReading::power_on_hours},
    {"unsafe shutdowns", &SmartReading::unsafe_shutdowns},
    {"media errors", &SmartReading::media_errors},
};

void AddHealth(const LegEvidence& leg, Findings& out) {
  const StorageEvidence& s = leg.storage;
  const auto warn = [&](const char* when, const Reading<SmartReading>& log) {
    if (!log.available() || !log->critical_warning.available()) return false;
    if (*log->critical_warning == 0) return false;
    out.push_back(MakeFinding(
        Reason::kStorageUnhealthy, leg.run_id, "",
        fmt::format("critical warning {:#x} {} the leg", *log->critical_warning, when)));
    return true;
  };
  if (!warn("after", s.after)) warn("before", s.before);
  // Over the vendor's estimate of life: worth knowing, proof of nothing.
  if (s.before.available() && s.before->percentage_used.available() &&
      *s.before->percentage_used >= 100) {
    out.push_back(MakeFinding(
        Reason::kStorageUnhealthy, leg.run_id, "",
        fmt::format("{:g} % of the disk's estimated life are used", *s.before->percentage_used)));
    out.back().severity = Severity::kNote;
  }
  if (!s.before.available() || !s.after.available()) return;
  std::string backwards;
  for (const auto& [name, member] : kGrowing) {
    const auto& from = (*s.before).*member;
    const auto& to = (*s.after).*member;
    if (!from.available() || !to.available() || *to >= *from) continue;
    backwards +=
        fmt::format("{}{} fell from {} to {}", backwards.empty() ? "" : ", ", name, *from, *to);
  }
  if (!backwards.empty()) {
    out.push_back(
        MakeFinding(Reason::kStorageChanged, leg.run_id, "",
                    "the log after the leg is not that of the disk before it: " + backwards));
  }
  const auto& errors = s.before->media_errors;
  const auto& errors_after = s.after->media_errors;
  if (errors.available() && errors_after.available() && *errors_after > *errors) {
    out.push_back(
        MakeFinding(Reason::kStorageUnhealthy, leg.run_id, "",
                    fmt::format("media errors grew from {} to {}", *errors, *errors_after)));
  }
}

}  // namespace

Findings CheckStorageEvidence(const LegEvidence& leg) {
  const StorageEvidence& s = leg.storage;
  Findings out;
  std::string missing;
  const auto lacks = [&](const std::string& what) {
    missing += (missing.empty() ? "" : "; ") + what;
  };
  if (s.identity.device.empty()) lacks("the disk of the KV cache is unknown");
  // Only an NVMe disk has this log; a virtual disk without one is no gap.
  if (!s.identity.controller.empty()) {
    if (!s.before.available()) lacks("health log before the leg: " + s.before.reason());
    if (!s.after.available()) lacks("health log after the leg: " + s.after.reason());
  }
  if (!missing.empty())
    out.push_back(MakeFinding(Reason::kStorageEvidenceMissing, leg.run_id, "", missing));
  for (const PhaseEvidence& phase : leg.phases) {
    if (s.identity.device.empty() || phase.io.block_device.empty()) continue;
    if (phase.io.block_device == BaseName(s.identity.device) || IsStacked(phase.io.block_device))
      continue;
    out.push_back(
        MakeFinding(Reason::kStorageChanged, leg.run_id, phase.name,
                    fmt::format("the counters are of {}, the disk that was described is {}",
                                phase.io.block_device, Spelled(s.identity))));
  }
  AddHealth(leg, out);
  return out;
}

Findings CheckStorageAcross(const LegEvidence& first, const LegEvidence& leg) {
  const StorageIdentity& a = first.storage.identity;
  const StorageIdentity& b = leg.storage.identity;
  if (a.device.empty() || b.device.empty()) return {};
  if (a.device == b.device && a.model == b.model && a.serial == b.serial &&
      a.firmware == b.firmware) {
    return {};
  }
  return {MakeFinding(Reason::kStorageChanged, leg.run_id, "",
                      fmt::format("{}; {} had {}", Spelled(b), first.run_id, Spelled(a)))};
}

}  // namespace kvtier
