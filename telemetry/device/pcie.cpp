#include "telemetry/device/pcie.hpp"

#include <cctype>

#include <fmt/format.h>

#include "telemetry/device/storage_identity.hpp"
#include "telemetry/text.hpp"

namespace kvtier {
namespace {

std::string Joined(const std::string& speed, const std::string& width) {
  return speed.empty() || width.empty() ? speed + width : speed + " " + width;
}

/// sysfs says "Unknown" and 0 or 255 lanes for a link that is down.
std::string Speed(const std::string& text) {
  return text.starts_with("Unknown") ? "" : text;
}
std::string Width(const std::string& lanes) {
  const auto n = ParseNumber<unsigned>(lanes);
  return n && *n > 0 && *n <= 32 ? fmt::format("x{}", *n) : "";
}

/// The word after `key` in a line of lspci, up to a comma or a blank.
std::string After(std::string_view line, std::string_view key) {
  const std::size_t at = line.find(key);
  if (at == std::string_view::npos) return "";
  line.remove_prefix(at + key.size());
  return std::string(line.substr(0, line.find_first_of(", \t")));
}

bool AllHex(std::string_view text) {
  for (const char c : text) {
    if (std::isxdigit(static_cast<unsigned char>(c)) == 0) return false;
  }
  return true;
}

/// dddd:bb:dd.f
bool IsBdf(std::string_view t) {
  return t.size() == 12 && t[4] == ':' && t[7] == ':' && t[10] == '.' && AllHex(t.substr(0, 4)) &&
         AllHex(t.substr(5, 2)) && AllHex(t.substr(8, 2)) && t[11] >= '0' && t[11] <= '7';
}

}  // namespace

std::string PcieLinkText(const PcieLink& link) {
  std::string now = Joined(link.negotiated_speed, link.negotiated_width);
  const std::string most = Joined(link.max_speed, link.max_width);
  if (most.empty()) return now;
  return now.empty() ? "max " + most : fmt::format("{} (max {})", now, most);
}

PcieLink ReadPcieLink(const std::string& bdf, const OsRoots& roots) {
  if (bdf.empty()) return {};
  const auto device = roots.sys / "bus/pci/devices" / bdf;
  return {Speed(ReadSysText(device / "current_link_speed")),
          Width(ReadSysText(device / "current_link_width")),
          Speed(ReadSysText(device / "max_link_speed")),
          Width(ReadSysText(device / "max_link_width"))};
}

PcieLink ParseLspciLink(std::string_view text) {
  PcieLink link;
  ForEachLine(text, [&](std::string_view line) {
    // LnkCap2 and LnkSta2 speak of other things, hence the colon.
    if (line.find("LnkCap:") != std::string_view::npos) {
      link.max_speed = After(line, "Speed ");
      link.max_width = After(line, "Width ");
    } else if (line.find("LnkSta:") != std::string_view::npos) {
      link.negotiated_speed = After(line, "Speed ");
      link.negotiated_width = After(line, "Width ");
    }
  });
  return link;
}

std::string FindBdf(std::string_view text) {
  constexpr std::size_t kLength = 12;
  for (std::size_t end = text.size(); end >= kLength; --end) {
    const std::string_view candidate = text.substr(end - kLength, kLength);
    if (IsBdf(candidate)) return std::string(candidate);
  }
  return "";
}

}  // namespace kvtier
