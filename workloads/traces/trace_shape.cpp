#include "workloads/traces/trace_shape.hpp"

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "harness/stats/quantile.hpp"
#include "workloads/traces/stack_distance.hpp"

namespace kvtier {
namespace {

struct Moments {
  double mean = 0, variance = 0;
};
Moments MomentsOf(const std::vector<double>& v) {
  Moments m;
  for (const double x : v) m.mean += x / static_cast<double>(v.size());
  for (const double x : v)
    m.variance += (x - m.mean) * (x - m.mean) / static_cast<double>(v.size());
  return m;
}

double QuantileOf(std::vector<double> v, double q) {
  if (v.empty()) return 0;
  std::sort(v.begin(), v.end());
  return SortedQuantile(v, q);
}

void DescribeArrivals(const std::vector<TraceRequest>& trace, TraceShape& s) {
  std::vector<double> times, gaps;
  for (const TraceRequest& r : trace) {
    times.push_back(r.timestamp_ms / 1000);
    if (times.size() > 1) gaps.push_back(times.back() - times[times.size() - 2]);
  }
  if (gaps.size() >= 2) {
    const Moments m = MomentsOf(gaps);
    s.arrival_cv = m.mean > 0 ? std::sqrt(m.variance) / m.mean : 0;
  }
  s.dispersion_1s = DispersionIndex(times, 1);
  s.dispersion_60s = DispersionIndex(times, 60);
}

void DescribeReuse(const std::vector<TraceRequest>& trace, TraceShape& s) {
  BlockNumbers numbers;
  std::vector<double> last_s;       // by block
  std::vector<std::uint32_t> uses;  // by block
  std::vector<double> gaps;
  std::size_t reusing = 0;
  for (const TraceRequest& r : trace) {
    const double now = r.timestamp_ms / 1000;
    std::vector<BlockId> blocks;
    for (const std::uint64_t id : r.hash_ids) blocks.push_back(numbers.Of(id));
    std::size_t run = 0;
    for (; run < blocks.size() && blocks[run] < uses.size(); ++run) {
      if (run > 0) gaps.push_back(now - last_s[blocks[run]]);
    }
    reusing += run > 1 ? 1 : 0;
    last_s.resize(numbers.size(), 0);
    uses.resize(numbers.size(), 0);
    for (const BlockId b : blocks) {
      last_s[b] = now;
      ++uses[b];
    }
  }
  if (trace.empty() || uses.empty()) return;
  s.used_once_share = static_cast<double>(std::count(uses.begin(), uses.end(), 1U)) /
                      static_cast<double>(uses.size());
  s.requests_with_reuse = static_cast<double>(reusing) / static_cast<double>(trace.size());
  s.reuses = gaps.size();
  std::sort(gaps.begin(), gaps.end());
  if (gaps.empty()) return;
  s.reuse_gap_p50_s = SortedQuantile(gaps, 0.5);
  s.reuse_gap_p90_s = SortedQuantile(gaps, 0.9);
}

void DescribeSessions(const std::vector<TraceRequest>& trace, TraceShape& s) {
  std::unordered_map<std::string, double> turns;
  for (const TraceRequest& r : trace) {
    if (!r.session_id.empty()) turns[r.session_id] += 1;
  }
  std::vector<double> counts;
  for (const auto& [session, n] : turns) counts.push_back(n);
  if (counts.empty()) return;
  std::sort(counts.begin(), counts.end());  // a sum in one order everywhere
  s.sessions = counts.size();
  s.turns_mean = MomentsOf(counts).mean;
  s.turns_p95 = QuantileOf(counts, 0.95);
}

}  // namespace

double DispersionIndex(const std::vector<double>& times_s, double window_s) {
  if (times_s.empty()) return 0;
  const double begin = times_s.front();
  const auto windows = static_cast<std::size_t>((times_s.back() - begin) / window_s);
  constexpr std::size_t kMostWindows = 10'000'000;
  if (windows < 2 || windows > kMostWindows) return 0;
  std::vector<double> counts(windows, 0);
  for (const double t : times_s) {
    const auto at = static_cast<std::size_t>((t - begin) / window_s);
    if (at < windows) counts[at] += 1;
  }
  const Moments m = MomentsOf(counts);
  return m.mean > 0 ? m.variance / m.mean : 0;
}

TraceShape ShapeOf(const std::vector<TraceRequest>& trace) {
  TraceShape s;
  DescribeArrivals(trace, s);
  DescribeReuse(trace, s);
  DescribeSessions(trace, s);
  return s;
}

nlohmann::json ToJson(const TraceShape& s) {
  return {{"arrival_cv", s.arrival_cv},
          {"dispersion_1s", s.dispersion_1s},
          {"dispersion_60s", s.dispersion_60s},
          {"used_once_share", s.used_once_share},
          {"requests_with_reuse_share", s.requests_with_reuse},
          {"reuse_gap_p50_s", s.reuse_gap_p50_s},
          {"reuse_gap_p90_s", s.reuse_gap_p90_s},
          {"sessions", s.sessions},
          {"turns_mean", s.turns_mean},
          {"turns_p95", s.turns_p95}};
}

}  // namespace kvtier
