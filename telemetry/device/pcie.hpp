#pragma once
#include <string>
#include <string_view>

#include "telemetry/roots.hpp"

namespace kvtier {

/// The link of a PCI device as negotiated, and the most that it could be: "32.0 GT/s PCIe", "x4".
/// A text is empty where nothing says it.
struct PcieLink {
  std::string negotiated_speed, negotiated_width, max_speed, max_width;
  bool operator==(const PcieLink&) const = default;
  bool empty() const { return *this == PcieLink{}; }
};

/// "32.0 GT/s PCIe x4 (max 32.0 GT/s PCIe x4)", without what is not known, "max ..." when only the
/// maximum is; empty when nothing is.
std::string PcieLinkText(const PcieLink& link);

/// current_link_* and max_link_* below /sys/bus/pci/devices/<bdf>; needs no privilege. Empty for a
/// device that has no link (a virtual one) or is not there.
PcieLink ReadPcieLink(const std::string& bdf, const OsRoots& roots = {});
/// LnkCap (maximum) and LnkSta (negotiated) of `lspci -vv`. Without privilege lspci prints neither.
PcieLink ParseLspciLink(std::string_view text);

/// The last PCI address ("0000:01:00.0") in a sysfs path or an Address field; empty when none.
std::string FindBdf(std::string_view text);

}  // namespace kvtier
