#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include <nlohmann/json.hpp>

#include "workloads/trace.hpp"

namespace kvtier {

/// Statistics of a trace beyond DescribeTrace: how it arrives and how blocks return.
struct TraceShape {
  double arrival_cv = 0;  // of the gaps between requests; 0 below three requests
  /// Variance over mean of the counts in whole windows of 1 s and 60 s; 0 below two windows.
  double dispersion_1s = 0, dispersion_60s = 0;
  double used_once_share = 0;      // of distinct blocks
  double requests_with_reuse = 0;  // share of requests with more than one hit block
  double reuse_gap_p50_s = 0, reuse_gap_p90_s = 0;  // of hit blocks but the first of each prompt
  std::size_t reuses = 0;                           // those
  std::size_t sessions = 0;                         // distinct session ids
  double turns_mean = 0, turns_p95 = 0;             // of sessions
};
TraceShape ShapeOf(const std::vector<TraceRequest>& trace);
nlohmann::json ToJson(const TraceShape& shape);

/// Variance over mean of event counts in whole windows; 0 below two windows.
double DispersionIndex(const std::vector<double>& times_s, double window_s);

}  // namespace kvtier
