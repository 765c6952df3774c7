#include "telemetry/engine/kvbm.hpp"

#include <array>
#include <cmath>
#include <optional>

#include <fmt/format.h>

#include "harness/core/clock.hpp"
#include "harness/core/error.hpp"
#include "telemetry/engine/adapter.hpp"
#include "telemetry/engine/exposition.hpp"
#include "telemetry/engine/metrics_endpoint.hpp"

namespace kvtier {
namespace {

constexpr std::array<std::string_view, 5> kRequired{
    "kvbm_matched_tokens", "kvbm_onboard_blocks_d2d", "kvbm_offload_blocks_h2d",
    "kvbm_host_cache_hit_rate", "kvbm_disk_cache_hit_rate"};
constexpr std::string_view kReferencePrefix = "kvtier_ref_";
constexpr std::array<std::string_view, 3> kReferenceUsed{"device_used_blocks", "host_used_blocks",
                                                         "disk_used_blocks"};

KvbmSnapshot Failed(const std::string& label, std::string error) {
  KvbmSnapshot snapshot;
  snapshot.label = label;
  snapshot.timestamp_utc = UtcMillisNow();
  snapshot.error = std::move(error);
  return snapshot;
}

/// Every series of the families that `wanted` names, histograms by sum and count.
template <class Wanted>
void KeepSeries(const SeriesSet& series, const Wanted& wanted,
                std::map<std::string, double>& metrics) {
  for (const auto& [name, all] : series.all()) {
    if (!wanted(name)) continue;
    for (const auto& one : all) {
      if (std::isfinite(one.value)) metrics[SeriesKey(name, one.labels)] = one.value;
    }
  }
}

void KeepKvbmFamily(const Exposition& exposition, const MetricFamily& family,
                    std::map<std::string, double>& metrics) {
  if (!family.name.starts_with("kvbm_")) return;
  const auto value = family.type == MetricType::kGauge ? exposition.Gauge(family.name)
                                                       : exposition.Counter(family.name);
  if (value) metrics[family.name] = *value;
}

void Keep(const Adapter& adapter, const Exposition& exposition, const SeriesSet& series,
          std::map<std::string, double>& metrics) {
  const bool v1 = &adapter == &KvbmV1Adapter();
  if (v1) {
    for (const auto& family : exposition.families) KeepKvbmFamily(exposition, family, metrics);
  }
  KeepSeries(
      series,
      [&](const std::string& name) {
        if (name.starts_with(kReferencePrefix)) return true;
        return adapter.ReaderOf(name) != nullptr && !(v1 && name.starts_with("kvbm_"));
      },
      metrics);
}

/// Empty when the snapshot can be used.
std::string WhyNot(const KvbmSnapshot& snapshot) {
  if (snapshot.skipped) return "kvbm_disabled";
  if (!snapshot.success)
    return fmt::format("snapshot {} failed: {}", snapshot.label, snapshot.error);
  return {};
}

/// What a snapshot reads from: its adapter and its series.
struct Source {
  const KvbmSnapshot& snapshot;
  SeriesSet series;
  const Adapter* adapter;
  explicit Source(const KvbmSnapshot& s) : snapshot(s), series(s), adapter(DetectAdapter(series)) {}
};

bool IsKvbm(const Adapter* adapter) {
  return adapter == &KvbmV1Adapter() || adapter == &KvbmV2Adapter();
}

/// The adapter of both sides; null when they are of different exporters. A v2 exporter that has not
/// moved a block yet shows only the names of v1.
const Adapter* AdapterOfBoth(const Source& before, const Source& after) {
  if (before.adapter == after.adapter) return after.adapter;
  return IsKvbm(before.adapter) && IsKvbm(after.adapter) ? &KvbmV2Adapter() : nullptr;
}

/// Empty, or which counter went backwards or lost a label set.
std::string FindReset(const Adapter& adapter, const Source& before, const Source& after) {
  for (const auto& [name, all] : before.series.all()) {
    const Word* word = adapter.ReaderOf(name);
    if (word == nullptr || word->kind == Word::Kind::kGauge) continue;
    const auto* now = after.series.Find(name);
    if (now == nullptr) continue;  // the family is gone: its own word says so
    for (const auto& was : all) {
      const std::string key = SeriesKey(name, was.labels);
      const auto to = after.snapshot.metrics.find(key);
      if (to != after.snapshot.metrics.end() && to->second < was.value)
        return fmt::format("counter_reset: {} went from {} to {}", key, was.value, to->second);
      if (to == after.snapshot.metrics.end() && was.value != 0)
        return fmt::format("counter_reset: {} was {} and is gone", key, was.value);
    }
  }
  return {};
}

Reading<double> Missing(const std::string& reason, const KvbmSnapshot& snapshot) {
  return Reading<double>::Unavailable(reason.ends_with("is not among the metrics")
                                          ? fmt::format("{} of {}", reason, snapshot.label)
                                          : reason);
}

Reading<double> WordAt(const Adapter& adapter, std::string_view key, const Source& source) {
  const auto value = ReadWord(adapter, key, source.series);
  return value || adapter.Find(key) == nullptr ? value : Missing(value.reason(), source.snapshot);
}

/// The first alternative that is complete at the end decides for both sides, so that the two are
/// of the same metric.
Reading<double> WordDelta(const Adapter& adapter, std::string_view key, const Source& before,
                          const Source& after) {
  const Word* word = adapter.Find(key);
  if (word == nullptr) return Reading<double>::Unavailable(adapter.silence);
  for (const auto& terms : word->alternatives) {
    const auto to = ReadTerms(terms, word->kind, after.series);
    if (!to) continue;
    const auto from = ReadTerms(terms, word->kind, before.series);
    return from ? Reading<double>(*to - *from) : Missing(from.reason(), before.snapshot);
  }
  return WordAt(adapter, key, after);
}

struct Field {
  std::string_view key;
  Reading<std::uint64_t> TierTraffic::*count = nullptr;
  Reading<Bytes> TierTraffic::*bytes = nullptr;
  Reading<double> TierTraffic::*number = nullptr;
};

constexpr std::array kFields{
    Field{"matched_tokens", &TierTraffic::matched_tokens},
    Field{"offload_g1_to_g2_blocks", &TierTraffic::offload_g1_to_g2_blocks},
    Field{"offload_g2_to_g3_blocks", &TierTraffic::offload_g2_to_g3_blocks},
    Field{"offload_g1_to_g3_blocks", &TierTraffic::offload_g1_to_g3_blocks},
    Field{"onboard_g2_to_g1_blocks", &TierTraffic::onboard_g2_to_g1_blocks},
    Field{"onboard_g3_to_g1_blocks", &TierTraffic::onboard_g3_to_g1_blocks},
    Field{"prompt_tokens", &TierTraffic::prompt_tokens},
    Field{"hit_tokens_g1", &TierTraffic::hit_tokens_g1},
    Field{"hit_tokens_g2", &TierTraffic::hit_tokens_g2},
    Field{"hit_tokens_g3", &TierTraffic::hit_tokens_g3},
    Field{"onboard_g3_to_g2_blocks", &TierTraffic::onboard_g3_to_g2_blocks},
    Field{"evicted_blocks", &TierTraffic::evicted_blocks},
    Field{"failed_transfers", &TierTraffic::failed_transfers},
    Field{"offload_to_g2_bytes", nullptr, &TierTraffic::offload_to_g2_bytes},
    Field{"offload_to_g3_bytes", nullptr, &TierTraffic::offload_to_g3_bytes},
    Field{"onboard_from_g2_bytes", nullptr, &TierTraffic::onboard_from_g2_bytes},
    Field{"onboard_from_g3_bytes", nullptr, &TierTraffic::onboard_from_g3_bytes},
    Field{"offload_seconds", nullptr, nullptr, &TierTraffic::offload_seconds},
    Field{"onboard_seconds", nullptr, nullptr, &TierTraffic::onboard_seconds},
};

void Set(TierTraffic& traffic, const Field& field, const Reading<double>& value) {
  if (field.number != nullptr) {
    traffic.*field.number = value;
    return;
  }
  auto whole = Reading<std::uint64_t>::Unavailable(value.reason());
  if (value && *value >= 0 && *value < 0x1p63) {
    whole = static_cast<std::uint64_t>(std::llround(*value));
  } else if (value) {
    whole = Reading<std::uint64_t>::Unavailable(
        fmt::format("{} of {} is beyond what a counter can count", *value, field.key));
  }
  if (field.count != nullptr) traffic.*field.count = whole;
  if (field.bytes != nullptr)
    traffic.*field.bytes = whole.Map([](std::uint64_t n) { return Bytes{n}; });
}

TierTraffic AllUnavailable(const std::string& why) {
  TierTraffic t;
  const auto none = Reading<double>::Unavailable(why);
  for (const auto& field : kFields) Set(t, field, none);
  t.host_hit_rate_after = t.disk_hit_rate_after = none;
  return t;
}

/// A snapshot of KVBM v1 leaves out a gauge of several label sets, so the two cannot be told apart.
Reading<double> RateAt(const Adapter& adapter, std::string_view key, const Source& source) {
  const auto rate = WordAt(adapter, key, source);
  if (rate || &adapter != &KvbmV1Adapter()) return rate;
  return Reading<double>::Unavailable(fmt::format(
      "{}, or has several label sets there, and gauges cannot be added up", rate.reason()));
}

}  // namespace

std::span<const std::string_view> RequiredKvbmNames() {
  return kRequired;
}

KvbmSnapshot KvbmFromText(std::string_view text, const std::string& label) {
  KvbmSnapshot snapshot = Failed(label, "");
  try {
    const Exposition exposition = ParseExposition(text);
    const SeriesSet series(exposition);
    const Adapter* adapter = DetectAdapter(series);
    if (adapter == nullptr) {
      return Failed(label,
                    "the answer has no kvbm_ metric and none of another engine that we read; "
                    "check that the address is the worker's (KVBM: DYN_KVBM_METRICS=1, port 6880)");
    }
    Keep(*adapter, exposition, series, snapshot.metrics);
    if (snapshot.metrics.empty()) {
      return Failed(label, fmt::format("the answer is of {} and has none of the metrics that tell "
                                       "of KV tiers",
                                       adapter->name));
    }
  } catch (const ProtocolError& e) {
    return Failed(label, e.what());
  }
  snapshot.success = true;
  return snapshot;
}

KvbmSnapshot ScrapeKvbm(const std::string& url, const std::string& label,
                        std::chrono::milliseconds timeout) {
  const auto text = FetchMetrics(url, timeout, {{std::string(kScrapeLabelHeader), label}});
  return text ? KvbmFromText(*text, label) : Failed(label, text.reason());
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
  const Source from(before), to(after);
  const Adapter* adapter = AdapterOfBoth(from, to);
  if (adapter == nullptr) {
    const auto name = [](const Source& s) { return s.adapter ? s.adapter->name : "nothing known"; };
    return AllUnavailable(fmt::format("the exporter of {} is {} and that of {} is {}", before.label,
                                      name(from), after.label, name(to)));
  }
  const std::string reset = FindReset(*adapter, from, to);
  TierTraffic t = AllUnavailable(reset);
  t.adapter = adapter->name;
  t.counter_reset = !reset.empty();
  if (t.counter_reset) return t;
  for (const auto& field : kFields) Set(t, field, WordDelta(*adapter, field.key, from, to));
  t.host_hit_rate_after = RateAt(*adapter, "host_hit_rate", to);
  t.disk_hit_rate_after = RateAt(*adapter, "disk_hit_rate", to);
  for (const auto& [name, value] : after.metrics) {
    if (!name.starts_with(kReferencePrefix)) continue;
    const auto was = before.metrics.find(name);
    if (was != before.metrics.end()) t.reference_extras[name] = value - was->second;
  }
  return t;
}

Reading<OffloadActivity> OffloadActivityOf(const KvbmSnapshot& snapshot) {
  using Result = Reading<OffloadActivity>;
  if (std::string why = WhyNot(snapshot); !why.empty()) return Result::Unavailable(why);
  const Source source(snapshot);
  if (source.adapter == nullptr) return Result::Unavailable("no engine that we read wrote it");
  OffloadActivity activity;
  bool any = false;
  std::string missing;
  for (const std::string_view key :
       {"offload_g1_to_g2_blocks", "offload_g2_to_g3_blocks", "offload_g1_to_g3_blocks",
        "offload_to_g2_bytes", "offload_to_g3_bytes"}) {
    // Bytes stand in only where an exporter has no blocks.
    if (key.ends_with("_bytes") && source.adapter->Find("offload_g1_to_g2_blocks")) break;
    const auto value = ReadWord(*source.adapter, key, source.series);
    if (value) activity.blocks += *value;
    any |= value.available();
    if (!value && missing.empty() && source.adapter->Find(key)) missing = value.reason();
  }
  if (!any || (!missing.empty() && source.adapter == &KvbmV1Adapter()))
    return Result::Unavailable(missing.empty() ? source.adapter->silence : missing);
  const auto pending = ReadWord(*source.adapter, "transfers_pending", source.series);
  activity.pending = pending ? *pending : 0;
  return activity;
}

Reading<bool> IsCold(const KvbmSnapshot& snapshot) {
  if (std::string why = WhyNot(snapshot); !why.empty()) return Reading<bool>::Unavailable(why);
  const Source source(snapshot);
  if (source.adapter == nullptr)
    return Reading<bool>::Unavailable("no engine that we read wrote it");
  bool any = false;
  std::string missing;
  for (const auto& word : source.adapter->words) {
    if (!word.activity) continue;
    const auto value = ReadWord(*source.adapter, word.key, source.series);
    any |= value.available();
    if (value && *value != 0) return false;
    if (!value && missing.empty()) missing = value.reason();
  }
  if (!any || (!missing.empty() && source.adapter == &KvbmV1Adapter()))
    return Reading<bool>::Unavailable(missing);
  for (const std::string_view key : kReferenceUsed) {
    const auto used = ReadWord(*source.adapter, key, source.series);
    if (source.adapter == &KvbmV1Adapter() && used && *used != 0) return false;
  }
  return true;
}

}  // namespace kvtier
