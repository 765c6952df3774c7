#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "harness/report/figures/context.hpp"

namespace kvtier {

struct HitCurveData {
  struct Point {
    double capacity = 0;  // in `unit`, above 0
    double share = 0;     // of all block references, 0 to 1
    std::optional<double> filtered_share = std::nullopt;
  };
  struct Tier {
    std::string name = {};  // "G1"
    double capacity = 0;    // in `unit`; 0: not drawn
  };
  FigureContext context = {};
  std::string unit = "blocks";  // of capacities
  std::uint64_t requests = 0, references = 0;
  double ideal_share = 0;
  std::vector<Point> points = {};  // capacities ascend
  std::vector<Tier> tiers = {};
};

/// Hit share against capacity on a logarithmic axis: one LRU cache of that size, the same as the
/// SSD tier behind the stack's upper tiers with the offload filter on, the ideal as a line, and the
/// stack's own sizes as dotted lines.
std::string HitCurveFigure(const HitCurveData& data);

}  // namespace kvtier
