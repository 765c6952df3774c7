#pragma once
#include <chrono>
#include <span>
#include <string>
#include <string_view>

#include "harness/core/reading.hpp"
#include "harness/judge/evidence.hpp"

/// Snapshots of an engine's counters at boundaries, and what happened between two of them, for
/// every exporter that adapter.hpp knows.
namespace kvtier {

/// The request header that carries the snapshot label to the exporter; the reference worker's fault
/// `metrics-gone` answers 503 to labels that contain its phase.
inline constexpr std::string_view kScrapeLabelHeader = "x-kvtier-label";

/// GET `url` and keep what the exporter's adapter reads. Never throws: a failed scrape is a
/// snapshot with success = false and the error.
KvbmSnapshot ScrapeKvbm(const std::string& url, const std::string& label,
                        std::chrono::milliseconds timeout = std::chrono::seconds(3));
/// The same from a text already fetched. Of KVBM v1 what starts with kvbm_ or kvtier_ref_: counters
/// summed over their label sets, a gauge with more than one label set left out, kvtier_ref_ samples
/// with their labels in the name. Of other exporters, and of v0.5's dynamo_component_ names, what
/// the adapter reads, each label set by itself as `name{k="v"}`. A text that is no exposition, or
/// of no exporter that we know, is a failed snapshot.
KvbmSnapshot KvbmFromText(std::string_view text, const std::string& label);
/// B0: KVBM is off, nothing was asked.
KvbmSnapshot SkippedKvbm(const std::string& label);

/// after - before. Every delta is unavailable, with the reason, when a scrape failed or was
/// skipped, when the exporter changed, when its own family is absent on either side, or when any
/// counter that the adapter reads went backwards or lost a label set (counter_reset). The hit rates
/// are the gauges at the end. reference_extras: after - before of each kvtier_ref_ name that both
/// sides have (for a gauge the change).
TierTraffic TrafficBetween(const KvbmSnapshot& before, const KvbmSnapshot& after);

/// The families without which a preflight says PREFLIGHT_METRICS_MISSING_COUNTERS (spec/rules.md
/// section 12).
std::span<const std::string_view> RequiredKvbmNames();

/// What must stand still before a phase has ended: what was offloaded so far in all directions (in
/// blocks, or in bytes where the exporter has no blocks), and the transfers that are still queued
/// (0 where the exporter does not say).
struct OffloadActivity {
  double blocks = 0;
  double pending = 0;
  bool operator==(const OffloadActivity&) const = default;
};
Reading<OffloadActivity> OffloadActivityOf(const KvbmSnapshot& snapshot);

/// True when no block was ever matched, moved or kept: every counter of that is 0 and the tiers
/// that the reference stack reports on are empty. Unavailable when the snapshot failed or was
/// skipped, when a counter of KVBM v1 is missing, or when another exporter has none of them.
Reading<bool> IsCold(const KvbmSnapshot& snapshot);

}  // namespace kvtier
