#include <algorithm>
#include <map>
#include <optional>

#include <fmt/format.h>

#include "harness/core/error.hpp"
#include "harness/report/bundle.hpp"
#include "harness/report/figures/io_timeline.hpp"
#include "harness/report/figures/pairs.hpp"
#include "harness/report/timeline.hpp"

namespace kvtier {
namespace {

using Step = IoTimelineData::Step;

constexpr double kMiB = 1024.0 * 1024.0;

/// A cumulative counter as it was read, in bytes.
struct Series {
  std::vector<std::pair<MonoNs, double>> readings;

  void Add(MonoNs at, double total) { readings.emplace_back(at, total); }
  /// Rates between `from` and `to`, steps at least `least_s` long; over a reset there is none.
  std::vector<Step> Rates(MonoNs from, MonoNs to, double least_s) const {
    std::vector<Step> steps;
    const auto seconds = [&](MonoNs at) { return static_cast<double>(at - from) / 1e9; };
    const std::pair<MonoNs, double>* before = nullptr;
    for (const auto& reading : readings) {
      if (reading.first < from || reading.first > to) continue;
      if (before == nullptr || reading.second < before->second) {
        before = &reading;
        continue;
      }
      const double span = static_cast<double>(reading.first - before->first) / 1e9;
      if (span <= 0 || span < least_s) continue;
      steps.push_back({seconds(before->first), seconds(reading.first),
                       (reading.second - before->second) / span / kMiB});
      before = &reading;
    }
    return steps;
  }
};

std::optional<double> Find(const TimelineRow& row, const std::string& key) {
  const auto found = row.values.find(key);
  return found == row.values.end() ? std::nullopt : std::optional<double>(found->second);
}

/// What the figure needs of one timeline, row by row.
struct Collector {
  Series disk_read, disk_written, engine_read, engine_written;
  std::vector<std::pair<std::string, std::pair<MonoNs, MonoNs>>> phases;
  std::string engine_reason, disk_reason;

  void Take(const TimelineHead& head, const TimelineRow& row, double block_bytes) {
    if (row.source == "mark") {
      TakeMark(row);
    } else if (row.source == "disk") {
      TakeReason(row, disk_reason);
      if (const auto v = Find(row, head.kv_device + ".read_bytes")) disk_read.Add(row.at, *v);
      if (const auto v = Find(row, head.kv_device + ".write_bytes")) disk_written.Add(row.at, *v);
    } else if (row.source == "engine") {
      TakeReason(row, engine_reason);
      if (const auto v = Find(row, "onboard_g3_to_g1_blocks")) {
        const double staged = Find(row, "onboard_g3_to_g2_blocks").value_or(0);
        engine_read.Add(row.at, (*v + staged) * block_bytes);
      }
      const auto host = Find(row, "offload_g2_to_g3_blocks");
      const auto device = Find(row, "offload_g1_to_g3_blocks");
      if (host && device) engine_written.Add(row.at, (*host + *device) * block_bytes);
    }
  }

 private:
  void TakeMark(const TimelineRow& row) {
    constexpr std::string_view kBefore = "before_", kAfter = "after_";
    if (row.mark.starts_with(kBefore)) {
      phases.push_back({row.mark.substr(kBefore.size()), {row.at, row.at}});
    } else if (row.mark.starts_with(kAfter) && !phases.empty() &&
               phases.back().first == row.mark.substr(kAfter.size())) {
      phases.back().second.second = row.at;
    }
  }
  static void TakeReason(const TimelineRow& row, std::string& reason) {
    const auto whole = row.unavailable.find("");
    if (whole != row.unavailable.end()) reason = whole->second;
  }
};

}  // namespace

IoTimelineData::Leg ReadIoTimeline(const std::filesystem::path& run_dir, const std::string& label,
                                   std::uint64_t block_bytes) {
  IoTimelineData::Leg leg;
  leg.label = label;
  const std::filesystem::path file = run_dir / bundle_files::kTimeline;
  std::error_code ignored;
  if (!std::filesystem::exists(file, ignored)) {
    leg.unavailable = fmt::format("the run holds no {}", bundle_files::kTimeline);
    return leg;
  }
  Collector seen;
  try {
    ReadTimeline(file, [&](const TimelineHead& head, const TimelineRow& row) {
      seen.Take(head, row, static_cast<double>(block_bytes));
    });
  } catch (const Error& e) {
    leg.unavailable = e.what();
    return leg;
  }
  if (seen.phases.empty()) {
    leg.unavailable = "its timeline has no mark of a phase";
    return leg;
  }
  const MonoNs from = seen.phases.front().second.first;
  MonoNs to = from;
  for (const auto& [name, span] : seen.phases) to = std::max(to, span.second);
  if (to <= from) {
    leg.unavailable = "its timeline ends before the first phase does";
    return leg;
  }
  for (const auto& [name, span] : seen.phases) {
    leg.phases.push_back({name, static_cast<double>(span.first - from) / 1e9,
                          static_cast<double>(span.second - from) / 1e9});
  }
  const double least_s = static_cast<double>(to - from) / 1e9 / 300;
  leg.disk_read = seen.disk_read.Rates(from, to, least_s);
  leg.disk_written = seen.disk_written.Rates(from, to, least_s);
  leg.engine_read = seen.engine_read.Rates(from, to, least_s);
  leg.engine_written = seen.engine_written.Rates(from, to, least_s);
  if (leg.disk_read.empty() && leg.disk_written.empty() && leg.engine_read.empty()) {
    leg.unavailable = seen.disk_reason.empty()
                          ? "its timeline has no reading of the disk in a phase"
                          : seen.disk_reason;
  }
  if (leg.engine_read.empty() && leg.engine_written.empty()) {
    leg.engine_unavailable = seen.engine_reason.empty()
                                 ? "the timeline has fewer than two readings of the engine"
                                 : seen.engine_reason;
  }
  if (block_bytes == 0) {
    leg.engine_read.clear();
    leg.engine_written.clear();
    leg.engine_unavailable = "the bytes of a block are not known";
  }
  return leg;
}

IoTimelineData ReadIoTimelinePair(const std::vector<Phase70Leg>& legs,
                                  const Phase70Analysis& analysis, const FigureContext& context) {
  IoTimelineData data;
  data.context = context;
  const auto find = [&](const PairRow* row) -> const Phase70Leg* {
    for (const Phase70Leg& leg : legs) {
      if (row != nullptr && leg.pair_id == row->pair_id && leg.pair_leg == row->pair_leg)
        return &leg;
    }
    return nullptr;
  };
  const std::vector<PairedRows> pairs = PairRowsUp(analysis);
  for (const bool need_valid : {true, false}) {
    for (const PairedRows& pair : pairs) {
      const Phase70Leg *a = find(pair.a), *b = find(pair.b);
      if (a == nullptr || b == nullptr || (need_valid && !pair.complete)) continue;
      for (const Phase70Leg* leg : {a, b}) {
        data.legs.push_back(
            ReadIoTimeline(leg->evidence.run_dir,
                           fmt::format("{}, {}{}", TierName(leg->evidence.tier),
                                       LegLabel(leg->pair_id, leg->pair_leg),
                                       need_valid ? "" : " (of a pair that is not complete)"),
                           leg->evidence.block_bytes));
      }
      return data;
    }
  }
  return data;
}

}  // namespace kvtier
