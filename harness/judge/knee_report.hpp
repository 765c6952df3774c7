#pragma once
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "harness/judge/knee_table.hpp"
#include "harness/stats/isotonic.hpp"
#include "harness/stats/knee.hpp"
#include "harness/stats/usl.hpp"

/// Where each mode of a sweep stops being usable (docs/knee.md): the SLO crossing decides, the
/// other descriptions stand beside it. What cannot be told is unavailable with one sentence.
namespace kvtier {

/// The recommendation calls this much above the best lower concurrency sharp (documented default).
inline constexpr double kKneeDegradation = 0.15;

/// One mode over the ok points of a sweep, or of several joined into one.
struct ModeKnees {
  TierMode mode = TierMode::kB1;
  std::vector<RepeatedPoint> latency;  // ms of each run, by concurrency
  std::vector<LoadPoint> throughput;   // ok requests/s of each run's replay
  /// Its interval: the bootstrap over runs where every point has kMinBootstrapRepeats, Student's t
  /// of every point where each has two, else unavailable.
  Reading<SloCrossing> crossing;
  Reading<Degradation> degradation;             // of the mean latency
  Reading<Knee> latency_knee, throughput_knee;  // Kneedle, a label
  Reading<UslFit> usl;
};

struct KneeReport {
  std::string metric = "ttfc_p95_ms";  // or "ttft_p95_ms" where only that was measured everywhere
  Reading<double> slo_p95_ms;          // of that metric
  std::vector<ModeKnees> modes;        // B1, B2
};

/// Runs that two summaries list count once. Deterministic: the bootstrap's seed is fixed and
/// reported.
KneeReport FindKnees(const Sweep& sweep);

/// Lines for a screen, a statement each.
std::string KneeText(const KneeReport& report);

struct KneeContext {
  std::string created_utc, phase60_ts;
  std::vector<std::string> source_summaries;
};
/// phase60_knee_<ts>.json: the report with the points behind it and the table's rows.
nlohmann::json KneeJson(const KneeReport& report, const std::vector<KneeRow>& table,
                        const KneeContext& context);

}  // namespace kvtier
