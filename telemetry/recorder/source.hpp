#pragma once
#include <chrono>
#include <memory>
#include <string_view>
#include <vector>

#include "harness/report/timeline.hpp"

namespace kvtier {

/// Something that the recorder reads again and again: /proc/stat, a disk, an endpoint.
class Source {
 public:
  virtual ~Source() = default;
  /// The `source` of its rows; docs/timeline.md lists the keys.
  virtual std::string_view name() const = 0;
  /// Fills values, labels and unavailable of a row. Never throws; must end well within the shortest
  /// cadence of the recorder, whose one thread reads all sources.
  virtual void Read(TimelineRow& row) = 0;
  /// At a mark: what is too dear for every tick may be looked up again (the process tree).
  virtual void Refresh() {}
};

struct ScheduledSource {
  std::unique_ptr<Source> source;
  std::chrono::milliseconds cadence;  // 0: at marks alone
};

}  // namespace kvtier
