#include "telemetry/engine/series.hpp"

#include <fmt/format.h>

#include "harness/core/error.hpp"

namespace kvtier {
namespace {

std::string Escaped(std::string_view value) {
  std::string out;
  for (const char c : value) {
    if (c == '\\' || c == '"') out += '\\';
    if (c == '\n')
      out += "\\n";
    else
      out += c;
  }
  return out;
}

}  // namespace

std::string SeriesKey(std::string_view name,
                      const std::vector<std::pair<std::string, std::string>>& labels) {
  std::string key(name);
  for (std::size_t i = 0; i < labels.size(); ++i) {
    key +=
        fmt::format("{}{}=\"{}\"", i == 0 ? '{' : ',', labels[i].first, Escaped(labels[i].second));
  }
  return labels.empty() ? key : key + "}";
}

SeriesSet::SeriesSet(const Exposition& exposition) {
  for (const auto& family : exposition.families) {
    if (family.samples.empty() && family.type == MetricType::kCounter)
      by_name_[family.name].push_back({});
    for (const auto& sample : family.samples) {
      if (sample.name.ends_with("_bucket") || sample.name.ends_with("_created")) continue;
      by_name_[sample.name].push_back({sample.labels, sample.value});
    }
  }
}

SeriesSet::SeriesSet(const KvbmSnapshot& snapshot) {
  for (const auto& [key, value] : snapshot.metrics) {
    if (key.find('{') == std::string::npos) {
      by_name_[key].push_back({{}, value});
      continue;
    }
    try {
      const Exposition one = ParseExposition(key + " 0\n");
      if (one.families.empty()) continue;
      const MetricSample& sample = one.families.front().samples.front();
      by_name_[sample.name].push_back({sample.labels, value});
    } catch (const ProtocolError&) {
      // A key that another program wrote: no adapter asks for it.
    }
  }
}

const std::vector<Series>* SeriesSet::Find(std::string_view name) const {
  const auto at = by_name_.find(name);
  return at == by_name_.end() ? nullptr : &at->second;
}

bool SeriesSet::HasPrefix(std::string_view prefix) const {
  const auto at = by_name_.lower_bound(prefix);
  return at != by_name_.end() && at->first.starts_with(prefix);
}

}  // namespace kvtier
