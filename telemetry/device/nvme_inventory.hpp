#pragma once
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "harness/core/reading.hpp"
#include "harness/core/units.hpp"
#include "telemetry/device/storage_identity.hpp"

/// What device_metadata takes out of the texts and documents that nvme, lspci and os-release give.
/// Documents are at most 64 deep (ParseJsonOrNull).
namespace kvtier {

/// null for an empty text.
nlohmann::json TextOrNull(const std::string& text);

/// The first of these fields that is a text with something in it, without padding; "" when none is.
std::string TextField(const nlohmann::json& object, std::initializer_list<const char*> names);

/// Entries of `nvme list` that speak of a controller: flat ones by DevicePath (nvme-cli 1.x),
/// nested ones by Controller and NameSpace (2.x).
nlohmann::json NvmeListEntries(const nlohmann::json& list, const NvmeController& controller);

/// PCI address of a controller in `nvme list-subsys`; empty when it is not there.
std::string SubsysBdf(const nlohmann::json& list_subsys, const std::string& controller);

/// PCI addresses of the NVMe controllers in `lspci -D -nn`, in its order.
std::vector<std::string> LspciNvmeBdfs(std::string_view text);

/// {model, serial, firmware_rev, size}: the controller's own word (id-ctrl), then nvme list, then
/// sysfs. `size` is in bytes, from sysfs, else PhysicalSize of nvme list.
nlohmann::json NvmeIdentity(const nlohmann::json& id_ctrl, const nlohmann::json& list_entries,
                            const NvmeController& controller, const Reading<Bytes>& size);

/// Names and values of /etc/os-release, without quotes.
nlohmann::json ParseOsRelease(std::string_view text);

}  // namespace kvtier
