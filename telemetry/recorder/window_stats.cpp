#include "telemetry/recorder/window_stats.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace kvtier {

void KeyStats::Add(MonoNs at, double value) {
  if (count == 0) {
    first_at = at;
    first = min = max = value;
  } else {
    area += last * static_cast<double>(at - last_at) / 1e9;
    max_step = std::max(max_step, std::abs(value - last));
    fell = fell || value < last;
    min = std::min(min, value);
    max = std::max(max, value);
  }
  last_at = at;
  last = value;
  ++count;
}

void WindowStats::Add(const TimelineRow& row) {
  SourceStats& source = sources_[row.source];
  for (const auto& [key, value] : row.values) source.keys[key].Add(row.at, value);
  for (const auto& [key, text] : row.labels) source.labels[key] = text;
  for (const auto& [key, reason] : row.unavailable) source.unavailable[key] = reason;
}

const KeyStats* WindowStats::Find(std::string_view source, const std::string& key) const {
  const auto s = sources_.find(source);
  if (s == sources_.end()) return nullptr;
  const auto k = s->second.keys.find(key);
  return k == s->second.keys.end() ? nullptr : &k->second;
}

std::string WindowStats::WhyNot(std::string_view source, const std::string& key) const {
  const auto s = sources_.find(source);
  if (s == sources_.end()) return fmt::format("source {} was not recorded", source);
  for (const std::string& name : {key, std::string()}) {
    const auto reason = s->second.unavailable.find(name);
    if (reason != s->second.unavailable.end()) return reason->second;
  }
  return fmt::format("source {} has no key {}", source, key);
}

Reading<double> WindowStats::Delta(std::string_view source, const std::string& key) const {
  const KeyStats* stats = Find(source, key);
  if (stats == nullptr) return Reading<double>::Unavailable(WhyNot(source, key));
  if (stats->count < 2)
    return Reading<double>::Unavailable(
        fmt::format("{} of source {} was read once in the window", key, source));
  if (stats->fell)
    return Reading<double>::Unavailable(
        fmt::format("counter_reset: {} of source {} went backwards", key, source));
  return stats->last - stats->first;
}

Reading<double> WindowStats::Change(std::string_view source, const std::string& key) const {
  const KeyStats* stats = Find(source, key);
  if (stats == nullptr) return Reading<double>::Unavailable(WhyNot(source, key));
  if (stats->count < 2)
    return Reading<double>::Unavailable(
        fmt::format("{} of source {} was read once in the window", key, source));
  return stats->last - stats->first;
}

std::uint64_t WindowStats::Count(std::string_view source, const std::string& key) const {
  const KeyStats* stats = Find(source, key);
  return stats == nullptr ? 0 : stats->count;
}

Reading<double> WindowStats::Mean(std::string_view source, const std::string& key) const {
  return Of(source, key, [](const KeyStats& s) { return s.Mean(); });
}
Reading<double> WindowStats::Min(std::string_view source, const std::string& key) const {
  return Of(source, key, [](const KeyStats& s) { return s.min; });
}
Reading<double> WindowStats::Max(std::string_view source, const std::string& key) const {
  return Of(source, key, [](const KeyStats& s) { return s.max; });
}
Reading<double> WindowStats::MaxStep(std::string_view source, const std::string& key) const {
  return Of(source, key, [](const KeyStats& s) { return s.max_step; });
}

std::vector<std::string> WindowStats::Keys(std::string_view source) const {
  std::vector<std::string> keys;
  const auto s = sources_.find(source);
  if (s == sources_.end()) return keys;
  for (const auto& [key, stats] : s->second.keys) keys.push_back(key);
  return keys;
}

std::string WindowStats::Label(std::string_view source, const std::string& key) const {
  const auto s = sources_.find(source);
  if (s == sources_.end()) return {};
  const auto label = s->second.labels.find(key);
  return label == s->second.labels.end() ? std::string() : label->second;
}

std::vector<std::string> WindowStats::Blind() const {
  std::vector<std::string> blind;
  for (const auto& [name, source] : sources_) {
    if (source.unavailable.empty()) continue;
    const auto& [key, reason] = *source.unavailable.begin();  // "" (the whole source) sorts first
    const auto more = source.unavailable.size() - 1;
    blind.push_back(fmt::format("{}{}{}: {}{}", name, key.empty() ? "" : " ", key, reason,
                                more == 0 ? "" : fmt::format(" (and {} more)", more)));
  }
  return blind;
}

WindowStats WindowStats::Next() const {
  WindowStats next;
  for (const auto& [name, source] : sources_) next.sources_[name].labels = source.labels;
  return next;
}

}  // namespace kvtier
