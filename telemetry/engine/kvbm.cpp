#include "telemetry/engine/kvbm.hpp"

#include <array>
#include <cmath>
#include <vector>

#include <fmt/format.h>

#include "harness/core/clock.hpp"
#include "harness/core/error.hpp"
#include "harness/net/http_client.hpp"
#include "telemetry/engine/exposition.hpp"

namespace kvtier {
namespace {

constexpr std::string_view kMatchedTokens = "kvbm_matched_tokens";
constexpr std::string_view kOffloadDeviceToHost = "kvbm_offload_blocks_d2h";
constexpr std::string_view kOffloadHostToDisk = "kvbm_offload_blocks_h2d";
constexpr std::string_view kOffloadDeviceToDisk = "kvbm_offload_blocks_d2d";
constexpr std::string_view kOnboardHostToDevice = "kvbm_onboard_blocks_h2d";
constexpr std::string_view kOnboardDiskToDevice = "kvbm_onboard_blocks_d2d";
constexpr std::string_view kHostHitRate = "kvbm_host_cache_hit_rate";
constexpr std::string_view kDiskHitRate = "kvbm_disk_cache_hit_rate";

constexpr std::array kCounters{kMatchedTokens,       kOffloadDeviceToHost, kOffloadHostToDisk,
                               kOffloadDeviceToDisk, kOnboardHostToDevice, kOnboardDiskToDevice};
constexpr std::array kRequired{kMatchedTokens, kOnboardDiskToDevice, kOffloadHostToDisk,
                               kHostHitRate, kDiskHitRate};

constexpr std::string_view kReferencePrefix = "kvtier_ref_";
constexpr std::string_view kReferencePending = "kvtier_ref_offloads_pending";
constexpr std::array<std::string_view, 3> kReferenceUsed{
    "kvtier_ref_device_used_blocks", "kvtier_ref_host_used_blocks", "kvtier_ref_disk_used_blocks"};

KvbmSnapshot Failed(const std::string& label, std::string error) {
  KvbmSnapshot snapshot;
  snapshot.label = label;
  snapshot.timestamp_utc = UtcMillisNow();
  snapshot.error = std::move(error);
  return snapshot;
}

std::string NameWithLabels(const MetricSample& sample) {
  if (sample.labels.empty()) return sample.name;
  std::string name = sample.name + "{";
  for (std::size_t i = 0; i < sample.labels.size(); ++i) {
    name += fmt::format("{}{}=\"{}\"", i == 0 ? "" : ",", sample.labels[i].first,
                        sample.labels[i].second);
  }
  return name + "}";
}

void KeepFamily(const Exposition& exposition, const MetricFamily& family,
                std::map<std::string, double>& metrics) {
  if (family.name.starts_with(kReferencePrefix)) {
    for (const auto& sample : family.samples) {
      if (!sample.name.ends_with("_bucket") && std::isfinite(sample.value)) {
        metrics[NameWithLabels(sample)] = sample.value;
      }
    }
  } else if (family.name.starts_with("kvbm_")) {
    const auto value = family.type == MetricType::kGauge ? exposition.Gauge(family.name)
                                                         : exposition.Counter(family.name);
    if (value) metrics[family.name] = *value;
  }
}

std::optional<double> Find(const KvbmSnapshot& snapshot, std::string_view name) {
  const auto at = snapshot.metrics.find(std::string(name));
  if (at == snapshot.metrics.end()) return std::nullopt;
  return at->second;
}

/// Empty when the snapshot can be used.
std::string WhyNot(const KvbmSnapshot& snapshot) {
  if (snapshot.skipped) return "kvbm_disabled";
  if (!snapshot.success)
    return fmt::format("snapshot {} failed: {}", snapshot.label, snapshot.error);
  return {};
}

Reading<std::uint64_t> CounterDelta(const KvbmSnapshot& before, const KvbmSnapshot& after,
                                    std::string_view name) {
  const auto from = Find(before, name);
  const auto to = Find(after, name);
  if (!from || !to) {
    return Reading<std::uint64_t>::Unavailable(
        fmt::format("{} is not among the metrics of {}", name, from ? after.label : before.label));
  }
  return static_cast<std::uint64_t>(std::llround(*to - *from));
}

Reading<double> GaugeAfter(const KvbmSnapshot& after, std::string_view name) {
  const auto value = Find(after, name);
  return value ? Reading<double>(*value)
               : Reading<double>::Unavailable(
                     fmt::format("{} is not among the metrics of {}", name, after.label));
}

/// Empty, or which counter went backwards.
std::string FindReset(const KvbmSnapshot& before, const KvbmSnapshot& after) {
  for (const std::string_view name : kCounters) {
    const auto from = Find(before, name);
    const auto to = Find(after, name);
    if (from && to && *to < *from)
      return fmt::format("counter_reset: {} went from {} to {}", name, *from, *to);
  }
  return {};
}

TierTraffic AllUnavailable(const std::string& why) {
  TierTraffic t;
  const auto none = Reading<std::uint64_t>::Unavailable(why);
  t.matched_tokens = t.offload_g1_to_g2_blocks = t.offload_g2_to_g3_blocks =
      t.offload_g1_to_g3_blocks = none;
  t.onboard_g2_to_g1_blocks = t.onboard_g3_to_g1_blocks = none;
  t.host_hit_rate_after = t.disk_hit_rate_after = Reading<double>::Unavailable(why);
  return t;
}

}  // namespace

std::span<const std::string_view> RequiredKvbmNames() {
  return kRequired;
}

KvbmSnapshot KvbmFromText(std::string_view text, const std::string& label) {
  KvbmSnapshot snapshot = Failed(label, "");
  try {
    const Exposition exposition = ParseExposition(text);
    for (const auto& family : exposition.families) KeepFamily(exposition, family, snapshot.metrics);
  } catch (const ProtocolError& e) {
    return Failed(label, e.what());
  }
  for (const auto& [name, value] : snapshot.metrics) snapshot.success |= name.starts_with("kvbm_");
  if (!snapshot.success) return Failed(label, "the answer has no kvbm_ metric");
  return snapshot;
}

KvbmSnapshot ScrapeKvbm(const std::string& url, const std::string& label,
                        std::chrono::milliseconds timeout) {
  try {
    const auto answer =
        HttpGet(Url::Parse(url), timeout, {{std::string(kScrapeLabelHeader), label}});
    if (answer.status < 200 || answer.status >= 300) {
      return Failed(label, fmt::format("{} answered HTTP {}", url, answer.status));
    }
    return KvbmFromText(answer.body, label);
  } catch (const Error& e) {
    return Failed(label, e.what());
  }
}

KvbmSnapshot SkippedKvbm(const std::string& label) {
  KvbmSnapshot snapshot = Failed(label, "kvbm_disabled");
  snapshot.skipped = true;
  return snapshot;
}

TierTraffic TrafficBetween(const KvbmSnapshot& before, const KvbmSnapshot& after) {
  for (const KvbmSnapshot* side : {&before, &after}) {
    if (std::string why = WhyNot(*side); !why.empty()) return AllUnavailable(why);
  }
  if (std::string reset = FindReset(before, after); !reset.empty()) {
    TierTraffic t = AllUnavailable(reset);
    t.counter_reset = true;
    return t;
  }
  TierTraffic t;
  t.matched_tokens = CounterDelta(before, after, kMatchedTokens);
  t.offload_g1_to_g2_blocks = CounterDelta(before, after, kOffloadDeviceToHost);
  t.offload_g2_to_g3_blocks = CounterDelta(before, after, kOffloadHostToDisk);
  t.offload_g1_to_g3_blocks = CounterDelta(before, after, kOffloadDeviceToDisk);
  t.onboard_g2_to_g1_blocks = CounterDelta(before, after, kOnboardHostToDevice);
  t.onboard_g3_to_g1_blocks = CounterDelta(before, after, kOnboardDiskToDevice);
  t.host_hit_rate_after = GaugeAfter(after, kHostHitRate);
  t.disk_hit_rate_after = GaugeAfter(after, kDiskHitRate);
  for (const auto& [name, value] : after.metrics) {
    if (!name.starts_with(kReferencePrefix)) continue;
    if (const auto from = Find(before, name)) t.reference_extras[name] = value - *from;
  }
  return t;
}

Reading<OffloadActivity> OffloadActivityOf(const KvbmSnapshot& snapshot) {
  if (std::string why = WhyNot(snapshot); !why.empty())
    return Reading<OffloadActivity>::Unavailable(why);
  OffloadActivity activity;
  for (const std::string_view name :
       {kOffloadDeviceToHost, kOffloadHostToDisk, kOffloadDeviceToDisk}) {
    const auto value = Find(snapshot, name);
    if (!value)
      return Reading<OffloadActivity>::Unavailable(
          fmt::format("{} is not among the metrics", name));
    activity.blocks += *value;
  }
  activity.pending = Find(snapshot, kReferencePending).value_or(0);
  return activity;
}

Reading<bool> IsCold(const KvbmSnapshot& snapshot) {
  if (std::string why = WhyNot(snapshot); !why.empty()) return Reading<bool>::Unavailable(why);
  for (const std::string_view name : kCounters) {
    const auto value = Find(snapshot, name);
    if (!value) return Reading<bool>::Unavailable(fmt::format("{} is not among the metrics", name));
    if (*value != 0) return false;
  }
  for (const std::string_view name : kReferenceUsed) {
    if (Find(snapshot, name).value_or(0) != 0) return false;
  }
  return true;
}

}  // namespace kvtier
