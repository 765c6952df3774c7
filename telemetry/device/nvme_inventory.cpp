#include "telemetry/device/nvme_inventory.hpp"

#include <filesystem>
#include <utility>

#include "telemetry/device/command_runner.hpp"
#include "telemetry/device/pcie.hpp"
#include "telemetry/text.hpp"

namespace kvtier {
namespace fs = std::filesystem;
using nlohmann::json;
namespace {

/// Calls `f` for every object in a document, outer ones first.
template <class F>
void ForEachObject(const json& value, F&& f) {
  if (value.is_object()) f(value);
  if (value.is_structured()) {
    for (const auto& child : value) ForEachObject(child, f);
  }
}

}  // namespace

json TextOrNull(const std::string& text) {
  return text.empty() ? json(nullptr) : json(text);
}

std::string TextField(const json& object, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    if (!object.is_object() || !object.contains(name) || !object[name].is_string()) continue;
    std::string text = Snippet(object[name].get<std::string>());
    if (!text.empty()) return text;
  }
  return "";
}

json NvmeListEntries(const json& list, const NvmeController& c) {
  json entries = json::array();
  const std::string space = fs::path(c.name_space).filename().string();
  ForEachObject(list, [&](const json& object) {
    const std::string path = TextField(object, {"DevicePath"});
    const bool mine = (!path.empty() && (path == c.device || path == c.name_space)) ||
                      TextField(object, {"Controller"}) == c.controller ||
                      (!space.empty() && TextField(object, {"NameSpace"}) == space);
    if (mine) entries.push_back(object);
  });
  return entries;
}

std::string SubsysBdf(const json& list_subsys, const std::string& controller) {
  std::string bdf;
  ForEachObject(list_subsys, [&](const json& object) {
    if (bdf.empty() && TextField(object, {"Name"}) == controller)
      bdf = FindBdf(TextField(object, {"Address"}));
  });
  return bdf;
}

json NvmeIdentity(const json& id_ctrl, const json& entries, const NvmeController& c,
                  const Reading<Bytes>& size) {
  const auto pick = [&](std::initializer_list<const char*> names, const std::string& sysfs) {
    std::string text = TextField(id_ctrl, names);
    for (const auto& entry : entries) {
      if (text.empty()) text = TextField(entry, names);
    }
    return TextOrNull(text.empty() ? sysfs : text);
  };
  // Bytes of the whole namespace; nvme list is asked only where sysfs is blind (its UsedBytes is no
  // size, and lsblk prints "3.6T").
  json bytes = size ? json(size->value) : json(nullptr);
  for (const auto& entry : entries) {
    if (bytes.is_null() && entry.contains("PhysicalSize") &&
        entry["PhysicalSize"].is_number_unsigned())
      bytes = entry["PhysicalSize"];
  }
  return {{"model", pick({"mn", "model_number", "ModelNumber", "Model"}, c.model)},
          {"serial", pick({"sn", "serial_number", "SerialNumber"}, c.serial)},
          {"firmware_rev", pick({"fr", "firmware_revision", "Firmware"}, c.firmware)},
          {"size", std::move(bytes)}};
}

std::vector<std::string> LspciNvmeBdfs(std::string_view text) {
  std::vector<std::string> addresses;
  ForEachLine(text, [&](std::string_view line) {
    if (line.find("Non-Volatile memory controller") == std::string_view::npos) return;
    std::string bdf = FindBdf(line.substr(0, line.find(' ')));
    if (!bdf.empty()) addresses.push_back(std::move(bdf));
  });
  return addresses;
}

json ParseOsRelease(std::string_view text) {
  json parsed = json::object();
  ForEachLine(text, [&](std::string_view line) {
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos || equals == 0 || line.front() == '#') return;
    std::string_view value = line.substr(equals + 1);
    if (value.size() >= 2 && (value.front() == '"' || value.front() == '\'') &&
        value.back() == value.front())
      value = value.substr(1, value.size() - 2);
    parsed[std::string(line.substr(0, equals))] = std::string(value);
  });
  return parsed;
}

}  // namespace kvtier
