#pragma once
#include <string_view>

/// Texts that report.html carries inside itself; embedded into the program at build time.
namespace kvtier::pack_assets {

extern const std::string_view kChartJs;         // Chart.js of the Debian package libjs-chart.js
extern const std::string_view kChartJsLicense;  // its notice, to be kept with every copy
extern const std::string_view kReportJs;
extern const std::string_view kReportCss;

}  // namespace kvtier::pack_assets
