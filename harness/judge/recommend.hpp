#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "harness/judge/sweep_rows.hpp"

/// Which concurrency the paired experiment should run at: the point of the sweep where B2 stands
/// and B1 gives way (spec: rules 10, artifacts D7). A recommendation says where to measure; it is
/// no evidence of an effect.
namespace kvtier {

struct RecommendOptions {
  std::string metric = "ttfc_p95_ms";  // or "ttft_p95_ms"; of the replay
  std::optional<double> slo_p95_ms{};  // of that metric
  bool require_b2_rehydrate = true;
  int top_k = 1;  // 1 to 3
  // Weights of the score; one below zero counts as zero.
  double weight_slo_advantage = 0.4, weight_tail_gap = 0.3, weight_b2_rehydrate = 0.2,
         weight_headroom_safety = 0.1;
  double min_b1_degrade_ratio = 0.15;  // against the best B1 point of lower concurrency
  double min_tail_gap_ratio = 0.05;    // (B1 - B2) / B1
  Ruleset ruleset = Ruleset::kKvtier;
};

/// A figure over the repeats of a point. From three repeats on `low` and `high` are Student's 95 %
/// interval of the mean, of two they are the smaller and the larger, of one there are none.
struct RepeatFigure {
  std::size_t n = 0;
  double mean = 0, min = 0, max = 0;
  std::optional<double> low, high;
  std::string method = "single_run";  // "min_max", "student_t_95"
};
/// Throws nothing; `values` is not empty.
RepeatFigure OverRepeats(const std::vector<double>& values);

/// One tier at one concurrency, over its repeats.
struct PointSide {
  Reading<double> metric_p95_ms;  // the mean over the repeats
  std::string metric_used;        // "ttfc_p95_ms", "ttft_p95_ms" or "missing"
  std::optional<RepeatFigure> repeats;
  std::optional<std::uint64_t> fewest_requests;  // behind a repeat; empty where nobody says
  Reading<double> error_rate;                    // the worst of the repeats
  Reading<bool> rehydrate_signal;                // of every repeat
  Reading<bool> b1_disk_tier_verified;
  Reading<double> matched_tokens, onboard_blocks_d2d, offload_blocks_h2d, disk_cache_hit_rate;
  Reading<double> block_read_bytes, process_read_bytes;  // of the last repeat, as the counters
  bool invalid = false;
};

struct ScoreParts {
  double slo_advantage = 0, tail_gap = 0, b2_rehydrate = 0, headroom_safety = 0;
};

/// One concurrency, accepted or not.
struct SweepPoint {
  int concurrency = 0;
  std::optional<PointSide> b1, b2;
  Reading<double> slo_p95_ms;  // of the metric that is compared here
  double tail_gap_ratio = 0;
  std::optional<double> tail_gap_low, tail_gap_high;  // from the repeats of both sides
  bool b1_above_slo = false, b2_within_slo = false, sharp_b1_degrade = false;
  ScoreParts parts;
  double score = 0;
  std::vector<std::string> reasons;   // of an accepted point
  std::vector<std::string> rejected;  // codes; empty: accepted

  bool accepted() const { return rejected.empty(); }
};

struct Recommendation {
  RecommendOptions options;
  Reading<double> slo_p95_ms;      // of options.metric
  std::vector<SweepPoint> points;  // by concurrency
  /// Accepted, best score first; they point into this object.
  std::vector<const SweepPoint*> Candidates() const&;
  std::vector<const SweepPoint*> Candidates() const&& = delete;
  /// Bucket of D7 -> concurrencies.
  std::map<std::string, std::vector<int>> RejectionSummary() const;
  std::vector<std::string> warnings;
  /// 1 when points exist and each lacks the metric, else 0; also 0 with nothing to recommend.
  int ExitCode() const;
};

/// Ok rows of one point from different runs count as its repeats (several summaries may be joined
/// into one sweep); the runbook's ruleset takes the last.
Recommendation Recommend(const Sweep& sweep, const RecommendOptions& options);

/// Where the recommendation came from.
struct RecommendContext {
  std::string created_utc, phase60_ts;
  std::vector<std::string> source_summaries;
};
nlohmann::json RecommendationJson(const Recommendation& r, const RecommendContext& context);

}  // namespace kvtier
