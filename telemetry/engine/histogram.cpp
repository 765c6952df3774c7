#include "telemetry/engine/histogram.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <string>

#include <fmt/format.h>

#include "telemetry/text.hpp"

namespace kvtier {
namespace {

Reading<Histogram> None(std::string reason) {
  return Reading<Histogram>::Unavailable(std::move(reason));
}

std::optional<double> BoundOf(const MetricSample& sample) {
  const std::string* le = sample.Label("le");
  if (le == nullptr) return std::nullopt;
  if (*le == "+Inf" || *le == "inf" || *le == "Inf") return std::numeric_limits<double>::infinity();
  return ParseNumber<double>(*le);
}

/// What tells one histogram of a family from the next: its labels without le.
std::string LabelSet(const MetricSample& sample) {
  std::string key;
  for (const auto& [name, value] : sample.labels) {
    if (name != "le") key += fmt::format("{}={}\n", name, value);
  }
  return key;
}

using Buckets = std::vector<Histogram::Bucket>;

/// Empty when it is a histogram.
std::string Fault(const Buckets& buckets) {
  if (buckets.empty() || !std::isinf(buckets.back().upper)) return "has no +Inf bucket";
  for (std::size_t i = 0; i < buckets.size(); ++i) {
    if (!std::isfinite(buckets[i].count)) return "is not finite";
    if (i > 0 && buckets[i].count < buckets[i - 1].count) return "has counts that fall";
  }
  return {};
}

bool SameBounds(const Buckets& a, const Buckets& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const auto& x, const auto& y) { return x.upper == y.upper; });
}

}  // namespace

Reading<Histogram> HistogramOf(const Exposition& exposition, std::string_view name) {
  const MetricFamily* family = exposition.Find(name);
  if (family == nullptr || family->samples.empty())
    return None(fmt::format("{} is not among the metrics", name));
  if (family->type != MetricType::kHistogram) return None(fmt::format("{} is no histogram", name));
  std::map<std::string, Buckets> sets;
  Histogram total;
  for (const auto& sample : family->samples) {
    if (sample.name.ends_with("_sum")) total.sum += sample.value;
    if (!sample.name.ends_with("_bucket")) continue;
    const auto bound = BoundOf(sample);
    if (!bound || std::isnan(*bound)) return None(fmt::format("a bucket of {} has no bound", name));
    sets[LabelSet(sample)].push_back({*bound, sample.value});
  }
  for (auto& [labels, buckets] : sets) {
    std::sort(buckets.begin(), buckets.end(),
              [](const auto& a, const auto& b) { return a.upper < b.upper; });
    if (std::string fault = Fault(buckets); !fault.empty())
      return None(fmt::format("{} {}", name, fault));
    if (total.buckets.empty()) {
      total.buckets = buckets;
    } else if (SameBounds(total.buckets, buckets)) {
      for (std::size_t i = 0; i < buckets.size(); ++i) total.buckets[i].count += buckets[i].count;
    } else {
      return None(fmt::format(
          "the label sets of {} have other bucket bounds and cannot be added up", name));
    }
  }
  if (total.buckets.empty()) return None(fmt::format("{} has no buckets", name));
  if (!std::isfinite(total.sum)) return None(fmt::format("{} is not finite", name));
  total.count = total.buckets.back().count;
  return total;
}

Reading<Histogram> HistogramBetween(const Reading<Histogram>& before,
                                    const Reading<Histogram>& after) {
  if (!before) return before;
  if (!after) return after;
  if (!SameBounds(before->buckets, after->buckets))
    return None("the bucket bounds changed between the two readings");
  Histogram between = *after;
  between.sum -= before->sum;
  between.count -= before->count;
  for (std::size_t i = 0; i < between.buckets.size(); ++i) {
    between.buckets[i].count -= before->buckets[i].count;
    if (between.buckets[i].count < 0) return None("counter_reset: a bucket went backwards");
  }
  // Each bucket alone may have grown although the process is another one.
  if (!Fault(between.buckets).empty() || between.sum < 0)
    return None("counter_reset: the buckets grew in a way that one process cannot count");
  return between;
}

Reading<double> HistogramQuantile(const Histogram& histogram, double q) {
  const auto none = [](std::string why) { return Reading<double>::Unavailable(std::move(why)); };
  if (!(q > 0 && q <= 1)) return none(fmt::format("{} is no quantile", q));
  const auto& buckets = histogram.buckets;
  if (!Fault(buckets).empty()) return none("the histogram " + Fault(buckets));
  const double observations = buckets.back().count;
  if (!(observations > 0)) return none("nothing was observed");
  const double rank = q * observations;
  const auto at = std::find_if(buckets.begin(), buckets.end(),
                               [&](const auto& bucket) { return bucket.count >= rank; });
  if (at == buckets.end() - 1) {
    return none(buckets.size() == 1
                    ? "the histogram has no bucket but +Inf"
                    : fmt::format("it lies beyond {}, the highest bound of the histogram",
                                  buckets[buckets.size() - 2].upper));
  }
  const bool first = at == buckets.begin();
  if (first && at->upper <= 0) return at->upper;
  const double from = first ? 0 : (at - 1)->upper;
  const double below = first ? 0 : (at - 1)->count;
  return from + (at->upper - from) * (rank - below) / (at->count - below);
}

Reading<double> HistogramMean(const Histogram& histogram) {
  if (!(histogram.count > 0)) return Reading<double>::Unavailable("nothing was observed");
  return histogram.sum / histogram.count;
}

}  // namespace kvtier
