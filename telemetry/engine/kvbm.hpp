#pragma once
#include <chrono>
#include <span>
#include <string>
#include <string_view>

#include "harness/core/reading.hpp"
#include "harness/judge/evidence.hpp"

/// The only place in the project that spells the exporter's metric names. "h2d" and "d2d" mean
/// other things for offload (host to disk, device to disk) than for onboard (host to device, disk
/// to device).
namespace kvtier {

/// The request header that carries the snapshot label to the exporter; the reference worker's fault
/// `metrics-gone` answers 503 to labels that contain its phase.
inline constexpr std::string_view kScrapeLabelHeader = "x-kvtier-label";

/// GET `url` and keep what starts with kvbm_ or kvtier_ref_. Never throws: a failed scrape is a
/// snapshot with success = false and the error.
KvbmSnapshot ScrapeKvbm(const std::string& url, const std::string& label,
                        std::chrono::milliseconds timeout = std::chrono::seconds(3));
/// The same from a text already fetched. Counters are summed over their label sets; a gauge with
/// more than one label set is left out; kvtier_ref_ samples with labels keep them in the name. A
/// text that is no exposition is a failed snapshot.
KvbmSnapshot KvbmFromText(std::string_view text, const std::string& label);
/// B0: KVBM is off, nothing was asked.
KvbmSnapshot SkippedKvbm(const std::string& label);

/// after - before. Every delta is unavailable, with the reason, when a scrape failed or was
/// skipped, when its own family is absent on either side, or when any kvbm_ counter went backwards
/// (counter_reset). The hit rates are the gauges at the end. reference_extras: after - before of
/// each kvtier_ref_ name that both sides have (for a gauge the change).
TierTraffic TrafficBetween(const KvbmSnapshot& before, const KvbmSnapshot& after);

/// The families without which a preflight says PREFLIGHT_METRICS_MISSING_COUNTERS (spec/rules.md
/// section 12).
std::span<const std::string_view> RequiredKvbmNames();

/// What must stand still before a phase has ended: blocks offloaded so far in all directions, and
/// the transfers that the reference stack still has queued (0 where it does not say).
struct OffloadActivity {
  double blocks = 0;
  double pending = 0;
  bool operator==(const OffloadActivity&) const = default;
};
Reading<OffloadActivity> OffloadActivityOf(const KvbmSnapshot& snapshot);

/// True when no block was ever matched, moved or kept: every kvbm_ counter is 0 and the tiers that
/// the reference stack reports on are empty. Unavailable when the snapshot failed or was skipped.
Reading<bool> IsCold(const KvbmSnapshot& snapshot);

}  // namespace kvtier
