#include "workloads/trace.hpp"

#include <algorithm>
#include <unordered_set>

#include <nlohmann/json.hpp>

#include "harness/stats/quantile.hpp"

namespace kvtier {
namespace {

using nlohmann::json;

LengthSummary Summarise(std::vector<double> lengths) {
  std::sort(lengths.begin(), lengths.end());
  LengthSummary s;
  for (const double x : lengths) s.mean += x / static_cast<double>(lengths.size());
  s.p50 = SortedQuantile(lengths, 0.5);
  s.p90 = SortedQuantile(lengths, 0.9);
  s.p99 = SortedQuantile(lengths, 0.99);
  s.max = lengths.back();
  return s;
}

}  // namespace

TraceStatistics DescribeTrace(const std::vector<TraceRequest>& trace) {
  TraceStatistics s;
  s.requests = trace.size();
  if (trace.empty()) return s;
  s.duration_s = (trace.back().timestamp_ms - trace.front().timestamp_ms) / 1000;
  std::vector<double> inputs, outputs;
  std::unordered_set<std::uint64_t> seen;
  std::uint64_t hits = 0;
  for (const auto& r : trace) {
    inputs.push_back(static_cast<double>(r.input_length));
    outputs.push_back(static_cast<double>(r.output_length));
    bool prefix_held = true;
    for (const std::uint64_t id : r.hash_ids) {
      prefix_held = prefix_held && seen.contains(id);
      hits += prefix_held ? 1 : 0;
    }
    seen.insert(r.hash_ids.begin(), r.hash_ids.end());
    s.block_references += r.hash_ids.size();
  }
  s.input = Summarise(std::move(inputs));
  s.output = Summarise(std::move(outputs));
  s.distinct_blocks = seen.size();
  if (s.block_references > 0)
    s.ideal_hit_share = static_cast<double>(hits) / static_cast<double>(s.block_references);
  return s;
}

json ToJson(const TraceStatistics& s) {
  const auto lengths = [](const LengthSummary& l) {
    return json{{"mean", l.mean}, {"p50", l.p50}, {"p90", l.p90}, {"p99", l.p99}, {"max", l.max}};
  };
  return {{"requests", s.requests},
          {"duration_s", s.duration_s},
          {"input_length", lengths(s.input)},
          {"output_length", lengths(s.output)},
          {"block_references", s.block_references},
          {"distinct_blocks", s.distinct_blocks},
          {"ideal_hit_share", s.ideal_hit_share}};
}

}  // namespace kvtier
