#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "harness/core/clock.hpp"
#include "harness/core/reading.hpp"
#include "harness/report/timeline.hpp"

namespace kvtier {

/// One key over a window: enough for a counter (first, last) and for a gauge (extremes, mean). Its
/// size does not grow with the window.
struct KeyStats {
  MonoNs first_at = 0, last_at = 0;
  double first = 0, last = 0;
  double min = 0, max = 0;
  double area = 0;      // sum of value x seconds until the next reading
  double max_step = 0;  // largest |change| between two readings
  bool fell = false;    // a counter that falls was reset
  std::uint64_t count = 0;

  void Add(MonoNs at, double value);
  double seconds() const { return static_cast<double>(last_at - first_at) / 1e9; }
  /// Time-weighted; the value itself where there was one reading.
  double Mean() const { return count > 1 && seconds() > 0 ? area / seconds() : last; }
};

/// All sources over one window of the timeline, made row by row, in memory that depends on the
/// number of keys alone.
class WindowStats {
 public:
  void Add(const TimelineRow& row);

  /// last - first of a counter; unavailable when it was read fewer than twice, fell, or could not
  /// be read: then with the reason that the source gave.
  Reading<double> Delta(std::string_view source, const std::string& key) const;
  /// last - first of a gauge, which may fall; unavailable when it was read fewer than twice.
  Reading<double> Change(std::string_view source, const std::string& key) const;
  /// How often a key was read.
  std::uint64_t Count(std::string_view source, const std::string& key) const;
  /// Mean, extremes and the largest step of a gauge.
  Reading<double> Mean(std::string_view source, const std::string& key) const;
  Reading<double> Min(std::string_view source, const std::string& key) const;
  Reading<double> Max(std::string_view source, const std::string& key) const;
  Reading<double> MaxStep(std::string_view source, const std::string& key) const;
  /// Keys of a source that were read at least once.
  std::vector<std::string> Keys(std::string_view source) const;
  /// The last text of a key; empty when none.
  std::string Label(std::string_view source, const std::string& key) const;
  /// One "source: reason" for each source with a row that could not be read, as a whole or in part.
  std::vector<std::string> Blind() const;
  /// Labels go on into the next window: they are sent once.
  WindowStats Next() const;

 private:
  struct SourceStats {
    std::map<std::string, KeyStats> keys;
    std::map<std::string, std::string> labels;
    std::map<std::string, std::string> unavailable;  // key -> last reason
  };
  const KeyStats* Find(std::string_view source, const std::string& key) const;
  std::string WhyNot(std::string_view source, const std::string& key) const;
  template <class F>
  Reading<double> Of(std::string_view source, const std::string& key, F&& f) const {
    const KeyStats* stats = Find(source, key);
    return stats != nullptr ? Reading<double>(f(*stats))
                            : Reading<double>::Unavailable(WhyNot(source, key));
  }
  std::map<std::string, SourceStats, std::less<>> sources_;
};

}  // namespace kvtier
