#pragma once
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "harness/judge/evidence.hpp"
#include "telemetry/engine/exposition.hpp"

namespace kvtier {

/// One line of an exporter: a value under a set of labels.
struct Series {
  std::vector<std::pair<std::string, std::string>> labels;
  double value = 0;
};

/// The series of an exporter by sample name, whether they come from its text or from a snapshot in
/// a bundle: adapters read both the same way.
class SeriesSet {
 public:
  /// Histograms only by their _sum and _count. A counter that was declared and has no series yet
  /// (a labelled family before its first event) is one series without labels and of value 0.
  explicit SeriesSet(const Exposition& exposition);
  explicit SeriesSet(const KvbmSnapshot& snapshot);

  /// Null when there is none.
  const std::vector<Series>* Find(std::string_view name) const;
  bool HasPrefix(std::string_view prefix) const;
  const std::map<std::string, std::vector<Series>, std::less<>>& all() const { return by_name_; }

 private:
  std::map<std::string, std::vector<Series>, std::less<>> by_name_;
};

/// `name{k="v",...}` as KvbmSnapshot.metrics keys series that have labels, quotes escaped as in the
/// exposition; the bare name without labels.
std::string SeriesKey(std::string_view name,
                      const std::vector<std::pair<std::string, std::string>>& labels);

}  // namespace kvtier
