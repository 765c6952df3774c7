#pragma once
#include <nlohmann/json_fwd.hpp>

#include "harness/report/pack/pack_input.hpp"

namespace kvtier {

/// What the interactive charts of report.html draw (report.js reads it). Log-ratios are of natural
/// logarithms, times in ms, sizes in bytes; null: not measured.
nlohmann::json ChartData(const PackInput& input);

}  // namespace kvtier
