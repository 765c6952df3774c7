#include "harness/judge/recommend.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <span>
#include <utility>

#include <fmt/format.h>

#include "harness/stats/quantile.hpp"
#include "harness/stats/summary.hpp"

namespace kvtier {
namespace {

constexpr std::string_view kTtfc = "ttfc_p95_ms";
constexpr std::string_view kTtft = "ttft_p95_ms";

bool Runbook(const RecommendOptions& o) {
  return o.ruleset == Ruleset::kRunbook;
}

int Rank(const std::string& status) {
  if (status == "ok") return 4;
  if (status.starts_with("invalid")) return 3;
  return status == "partial" ? 2 : 1;
}

/// Only points of the sweep itself: no preflight, no debug run.
bool IsSweepPoint(const SweepRow& row) {
  const std::string key = fmt::format("{}_c{}", TierName(row.mode), row.concurrency);
  return (row.phase.empty() || row.phase == "sweep_point") &&
         (row.point_key.empty() || row.point_key == key);
}

/// The best rows of a point in the order of the sweep. Only ok rows of different runs are repeats
/// of each other: a run that two summaries list was still measured once.
std::vector<const SweepRow*> RowsOf(const Sweep& sweep, TierMode mode, int concurrency,
                                    const RecommendOptions& o) {
  std::vector<const SweepRow*> rows;
  for (const SweepRow& row : sweep.rows) {
    if (row.mode != mode || row.concurrency != concurrency || !IsSweepPoint(row)) continue;
    if (!rows.empty() && Rank(row.status) < Rank(rows.back()->status)) continue;
    const bool repeat = !rows.empty() && row.status == "ok" && rows.back()->status == "ok";
    if (!repeat || Runbook(o)) rows.clear();
    std::erase_if(rows, [&row](const SweepRow* known) {
      return !row.run_path.empty() && known->run_path == row.run_path;
    });
    rows.push_back(&row);
  }
  return rows;
}

/// The replay's p95. As written the figure over all phases stands in where the run's replay has
/// none; it is another quantity, so by kvtier nothing does.
Reading<double> MetricOf(const SweepRow& row, std::string_view metric, const RecommendOptions& o) {
  const bool ttfc = metric == kTtfc;
  const Reading<double>& own = (ttfc ? row.replay_ttfc : row.replay_ttft).p95;
  if (own.available() || !row.run) return own;
  const Reading<double>& run = (ttfc ? row.run->replay_ttfc : row.run->replay_ttft).p95;
  if (run.available() || !Runbook(o)) return run;
  return (ttfc ? row.run->overall_ttfc : row.run->overall_ttft).p95;
}

bool AllHave(const std::vector<const SweepRow*>& rows, std::string_view metric,
             const RecommendOptions& o) {
  return std::all_of(rows.begin(), rows.end(),
                     [&](const SweepRow* row) { return MetricOf(*row, metric, o).available(); });
}

/// The metric of a point: the one asked for, else the TTFT. By kvtier both sides use the same one;
/// as written each falls back by itself.
std::string_view Choose(const std::vector<const SweepRow*>& rows, const RecommendOptions& o) {
  if (o.metric == kTtfc && !AllHave(rows, kTtfc, o) && AllHave(rows, kTtft, o)) return kTtft;
  return o.metric == kTtfc ? kTtfc : kTtft;
}

/// True if all are, false if one is not, else unavailable.
Reading<bool> Every(const std::vector<Reading<bool>>& flags) {
  Reading<bool> out = true;
  for (const auto& flag : flags) {
    if (flag.available() && !*flag) return false;
    if (!flag.available()) out = flag;
  }
  return out;
}

/// As written: what the row does not say, or says to be 0, comes from the run's summary, where the
/// totals stand in for the direction; the hit rate and the whole device count as signals.
Reading<bool> RunbookSignal(const SweepRow& row, PointSide& side) {
  const auto fill = [](Reading<double>& into, const Reading<double>& first,
                       const Reading<double>& total) {
    if (into.available() && *into > 0) return;
    into = first.available() ? first : total.available() ? total : into;
    if (!into.available()) into = 0.0;
  };
  if (row.run && !(side.disk_cache_hit_rate.available() && *side.disk_cache_hit_rate > 0)) {
    const SweepCounters& run = row.run->replay;
    fill(side.matched_tokens, run.matched_tokens, run.matched_tokens);
    fill(side.onboard_blocks_d2d, run.onboard_blocks_d2d, run.onboard_blocks);
    fill(side.offload_blocks_h2d, run.offload_blocks_h2d, run.offload_blocks);
  }
  const auto positive = [](const Reading<double>& r) { return r.available() && *r > 0; };
  return positive(side.onboard_blocks_d2d) || positive(side.disk_cache_hit_rate) ||
         (row.io_attribution_available &&
          (positive(row.block_read_bytes) || positive(row.process_read_bytes)));
}

/// The counters of a row whose own are unread come from its run's summary, direction by direction.
SweepRow WithRunCounters(SweepRow row) {
  if (!row.run) return row;
  for (const auto counter : {&SweepCounters::matched_tokens, &SweepCounters::onboard_blocks_d2d,
                             &SweepCounters::offload_blocks_h2d}) {
    if (!(row.counters.*counter).available()) row.counters.*counter = row.run->replay.*counter;
  }
  return row;
}

PointSide SideOf(const std::vector<const SweepRow*>& rows, std::string_view metric,
                 const RecommendOptions& o) {
  PointSide side;
  std::vector<double> values;
  std::vector<Reading<bool>> rehydrate, verified;
  side.error_rate = 0.0;
  for (const SweepRow* given : rows) {
    const SweepRow row = Runbook(o) ? *given : WithRunCounters(*given);
    const Reading<double> value = MetricOf(row, metric, o);
    if (value.available()) {
      values.push_back(*value);
    } else {
      side.metric_p95_ms = value;  // one repeat without it: the point has none
    }
    if (!row.error_rate.available() || !side.error_rate.available()) {
      if (side.error_rate.available()) side.error_rate = row.error_rate;
    } else {
      side.error_rate = std::max(*side.error_rate, *row.error_rate);
    }
    const auto& requests = (metric == kTtfc ? row.replay_ttfc : row.replay_ttft).n;
    if (requests.available())
      side.fewest_requests = std::min(side.fewest_requests.value_or(*requests), *requests);
    side.matched_tokens = row.counters.matched_tokens;
    side.onboard_blocks_d2d = row.counters.onboard_blocks_d2d;
    side.offload_blocks_h2d = row.counters.offload_blocks_h2d;
    side.disk_cache_hit_rate = Runbook(o) ? row.counters.disk_cache_hit_rate : row.DiskHitRate();
    side.block_read_bytes = row.block_read_bytes;
    side.process_read_bytes = Runbook(o) ? row.process_read_bytes : row.WorkerReads();
    rehydrate.push_back(Runbook(o) ? RunbookSignal(row, side) : RehydrateSignal(row));
    verified.push_back(row.b1_disk_tier_verified);
    side.invalid =
        side.invalid || row.marked_invalid || (!row.status.empty() && row.status != "ok");
  }
  if (values.size() == rows.size()) {
    side.repeats = OverRepeats(values);
    side.metric_p95_ms = side.repeats->mean;
  }
  side.metric_used = side.metric_p95_ms.available() ? std::string(metric) : "missing";
  side.rehydrate_signal = Every(rehydrate);
  side.b1_disk_tier_verified = Every(verified);
  return side;
}

/// The SLO of a metric. As written one number, of the end-to-end latency, stands for all.
Reading<double> SloFor(const Sweep& sweep, const RecommendOptions& o, std::string_view metric) {
  if (o.slo_p95_ms && (Runbook(o) || metric == o.metric)) return *o.slo_p95_ms;
  if (Runbook(o)) return sweep.slo_replay_p95_ms;
  return SloOf(sweep, std::string(metric));
}

double Clamp01(double x) {
  return std::clamp(x, 0.0, 1.0);
}
double Round6(double x) {
  return std::round(x * 1e6) / 1e6;
}

void Compare(SweepPoint& p) {
  const double b1 = *p.b1->metric_p95_ms, b2 = *p.b2->metric_p95_ms;
  p.b1_above_slo = p.slo_p95_ms.available() && b1 > *p.slo_p95_ms;
  p.b2_within_slo = p.slo_p95_ms.available() && b2 <= *p.slo_p95_ms;
  const auto gap = [](double slow, double fast) {
    return slow > 0 ? std::max(0.0, (slow - fast) / slow) : 0.0;
  };
  p.tail_gap_ratio = gap(b1, b2);
  const auto &r1 = *p.b1->repeats, &r2 = *p.b2->repeats;
  if (r1.low && r2.low) {
    p.tail_gap_low = gap(*r1.low, *r2.high);
    p.tail_gap_high = gap(*r1.high, *r2.low);
  }
}

/// B1 against its best at lower concurrency, error-free and valid points only.
bool DegradesSharply(const std::vector<SweepPoint>& lower, const PointSide& b1,
                     const RecommendOptions& o) {
  std::optional<double> best;
  for (const SweepPoint& p : lower) {
    if (!p.b1 || p.b1->invalid || !p.b1->metric_p95_ms.available() ||
        !p.b1->error_rate.available() || *p.b1->error_rate > 0 ||
        (!Runbook(o) && p.b1->metric_used != b1.metric_used))
      continue;
    best = std::min(best.value_or(*p.b1->metric_p95_ms), *p.b1->metric_p95_ms);
  }
  return best && *b1.metric_p95_ms >= *best * (1 + o.min_b1_degrade_ratio);
}

std::vector<std::string> RejectionsOf(const SweepPoint& p, const RecommendOptions& o) {
  if (!p.b1 || !p.b2) return {"MISSING_REQUIRED_MODE_ROW"};
  std::vector<std::string> out;
  if (p.b1->invalid || p.b2->invalid) out.push_back("ROW_MARKED_INVALID");
  const Reading<bool>& verified = p.b1->b1_disk_tier_verified;
  if (verified.available() && !*verified) out.push_back("B1_DISK_TIER_NOT_DISABLED");
  const bool measured = p.b1->metric_p95_ms.available() && p.b2->metric_p95_ms.available();
  if (!measured) out.push_back("MISSING_METRIC_P95");
  const auto known = [](const PointSide& s) { return s.error_rate.available(); };
  const auto failed = [](const PointSide& s) {
    return s.error_rate.available() && *s.error_rate > 0;
  };
  if (!known(*p.b1) || !known(*p.b2)) out.push_back("MISSING_ERROR_RATE");
  if (failed(*p.b1) || failed(*p.b2)) out.push_back("NON_ZERO_ERROR_RATE");
  const Reading<bool>& signal = p.b2->rehydrate_signal;
  if (o.require_b2_rehydrate && !(signal.available() && *signal))
    out.push_back("NO_B2_REHYDRATE_SIGNAL");
  if (measured && !p.b1_above_slo && !p.sharp_b1_degrade && p.tail_gap_ratio < o.min_tail_gap_ratio)
    out.push_back("NO_B1_DEGRADATION_OR_SEPARATION");
  return out;
}

double SloFactor(const SweepPoint& p) {
  if (!p.slo_p95_ms.available()) return 0;
  if (p.b1_above_slo && p.b2_within_slo) return 1;
  if (*p.b2->metric_p95_ms >= *p.b1->metric_p95_ms) return 0;
  return p.b1_above_slo ? 0.5 : p.b2_within_slo ? 0.35 : 0;
}

/// 30 % shorter tail is the full mark, 20 % room below the SLO too (spec: rules 10).
void Score(SweepPoint& p, const RecommendOptions& o) {
  const auto weigh = [](double weight, double factor) {
    return Round6(std::max(0.0, weight) * factor);
  };
  const bool rehydrates = p.b2->rehydrate_signal.available() && *p.b2->rehydrate_signal;
  double headroom = 0;
  if (p.slo_p95_ms.available() && *p.slo_p95_ms > 0 && p.b2_within_slo)
    headroom = Clamp01((*p.slo_p95_ms - *p.b2->metric_p95_ms) / *p.slo_p95_ms / 0.20);
  p.parts = {.slo_advantage = weigh(o.weight_slo_advantage, SloFactor(p)),
             .tail_gap = weigh(o.weight_tail_gap, Clamp01(p.tail_gap_ratio / 0.30)),
             .b2_rehydrate = weigh(o.weight_b2_rehydrate, rehydrates ? 1 : 0),
             .headroom_safety = weigh(o.weight_headroom_safety, headroom)};
  p.score = Round6(p.parts.slo_advantage + p.parts.tail_gap + p.parts.b2_rehydrate +
                   p.parts.headroom_safety);
  if (p.b1_above_slo && p.b2_within_slo) {
    p.reasons.push_back("MAX_STABLE_B1_B2_SEPARATION");
  } else if (p.tail_gap_ratio >= o.min_tail_gap_ratio) {
    p.reasons.push_back("TAIL_GAP_ADVANTAGE");
  }
  if (rehydrates) p.reasons.push_back("B2_REHYDRATE_SIGNAL_PRESENT");
  p.reasons.push_back("ZERO_ERROR_RATE");
  if (o.metric == kTtfc && (p.b1->metric_used == kTtft || p.b2->metric_used == kTtft))
    p.reasons.push_back("METRIC_FALLBACK_TTFT_P95");
}

SweepPoint PointAt(const Sweep& sweep, int concurrency, const std::vector<SweepPoint>& lower,
                   const RecommendOptions& o) {
  SweepPoint p;
  p.concurrency = concurrency;
  const auto b1 = RowsOf(sweep, TierMode::kB1, concurrency, o);
  const auto b2 = RowsOf(sweep, TierMode::kB2, concurrency, o);
  std::vector<const SweepRow*> both = b1;
  both.insert(both.end(), b2.begin(), b2.end());
  const std::string_view together = Choose(both, o);
  if (!b1.empty()) p.b1 = SideOf(b1, Runbook(o) ? Choose(b1, o) : together, o);
  if (!b2.empty()) p.b2 = SideOf(b2, Runbook(o) ? Choose(b2, o) : together, o);
  p.slo_p95_ms = SloFor(sweep, o, together);
  if (p.b1 && p.b2 && p.b1->metric_p95_ms.available() && p.b2->metric_p95_ms.available()) {
    Compare(p);
    p.sharp_b1_degrade = DegradesSharply(lower, *p.b1, o);
  }
  p.rejected = RejectionsOf(p, o);
  if (p.accepted()) Score(p, o);
  return p;
}

/// Of the sides that were measured.
template <class F>
std::vector<bool> EachSide(const Recommendation& r, F&& what) {
  std::vector<bool> out;
  for (const SweepPoint& p : r.points) {
    for (const auto* side : {&p.b1, &p.b2}) {
      if (*side && (*side)->metric_p95_ms.available()) out.push_back(what(**side));
    }
  }
  return out;
}

std::vector<std::string> WarningsOf(const Recommendation& r) {
  std::vector<std::string> out;
  const auto any = [](const std::vector<bool>& v) {
    return std::count(v.begin(), v.end(), true) > 0;
  };
  const bool rows =
      std::any_of(r.points.begin(), r.points.end(), [](const auto& p) { return p.b1 || p.b2; });
  if (!rows) out.push_back("no_sweep_rows_found");
  const auto fallback = EachSide(r, [](const PointSide& s) { return s.metric_used == kTtft; });
  if (r.options.metric == kTtfc && any(fallback)) {
    out.push_back("ttfc_missing_fell_back_to_ttft");
    if (std::count(fallback.begin(), fallback.end(), false) == 0)
      out.push_back("ttfc_absent_all_rows_using_ttft");
  }
  if (std::any_of(r.points.begin(), r.points.end(), [](const SweepPoint& p) {
        return p.b1 && !p.b1->b1_disk_tier_verified.available();
      }))
    out.push_back("b1_disk_tier_verification_missing_on_some_rows");
  if (Runbook(r.options)) return out;
  if (!r.slo_p95_ms.available()) out.push_back("slo_unknown_for_this_metric");
  if (any(EachSide(r, [](const PointSide& s) { return s.repeats && s.repeats->n == 1; })))
    out.push_back("some_points_measured_once_no_uncertainty");
  if (any(EachSide(r, [](const PointSide& s) {
        return s.fewest_requests && *s.fewest_requests < MinSamplesForQuantile(0.95);
      })))
    out.push_back("p95_not_resolvable_on_some_rows");
  if (std::any_of(r.points.begin(), r.points.end(), [](const SweepPoint& p) {
        return p.accepted() && p.tail_gap_low && *p.tail_gap_low <= 0;
      }))
    out.push_back("b1_b2_ranges_overlap_at_some_points");
  return out;
}

constexpr std::pair<std::string_view, std::string_view> kBuckets[] = {
    {"NON_ZERO_ERROR_RATE", "rejected_for_errors"},
    {"NO_B2_REHYDRATE_SIGNAL", "rejected_for_no_b2_rehydrate"},
    {"NO_B1_DEGRADATION_OR_SEPARATION", "rejected_for_no_b1_degradation"},
    {"ROW_MARKED_INVALID", "rejected_for_invalid_rows"},
    {"B1_DISK_TIER_NOT_DISABLED", "rejected_for_invalid_rows"},
    {"B1_DISK_TIER_NOT_DISABLED", "rejected_for_b1_disk_tier_not_disabled"},
    {"MISSING_REQUIRED_MODE_ROW", "rejected_for_missing_artifacts"},
    {"MISSING_ERROR_RATE", "rejected_for_missing_artifacts"},
    {"MISSING_METRIC_P95", "rejected_for_missing_metric"},
};

}  // namespace

RepeatFigure OverRepeats(const std::vector<double>& values) {
  const MeanEstimate e = *EstimateMean(values);
  RepeatFigure out{.n = e.n, .mean = e.mean, .min = e.min, .max = e.max, .low = {}, .high = {}};
  if (e.n == 2) {
    out.method = "min_max";
    out.low = e.min;
    out.high = e.max;
  } else if (e.interval) {
    out.method = "student_t_95";
    out.low = e.interval->low;
    out.high = e.interval->high;
  }
  return out;
}

std::vector<const SweepPoint*> Recommendation::Candidates() const& {
  std::vector<const SweepPoint*> out;
  for (const SweepPoint& p : points) {
    if (p.accepted()) out.push_back(&p);
  }
  std::stable_sort(out.begin(), out.end(),
                   [](const SweepPoint* a, const SweepPoint* b) { return a->score > b->score; });
  return out;
}

std::map<std::string, std::vector<int>> Recommendation::RejectionSummary() const {
  std::map<std::string, std::vector<int>> out;
  for (const auto& [code, bucket] : kBuckets) out[std::string(bucket)];
  for (const SweepPoint& p : points) {
    for (const auto& [code, bucket] : kBuckets) {
      auto& list = out[std::string(bucket)];
      if (std::count(p.rejected.begin(), p.rejected.end(), code) > 0 &&
          (list.empty() || list.back() != p.concurrency))
        list.push_back(p.concurrency);
    }
  }
  return out;
}

int Recommendation::ExitCode() const {
  const bool none = std::all_of(points.begin(), points.end(), [](const SweepPoint& p) {
    return std::count(p.rejected.begin(), p.rejected.end(), "MISSING_METRIC_P95") > 0;
  });
  return !points.empty() && none ? 1 : 0;
}

Recommendation Recommend(const Sweep& sweep, const RecommendOptions& options) {
  Recommendation r;
  r.options = options;
  r.slo_p95_ms = SloFor(sweep, options, options.metric);
  for (const int concurrency : sweep.Concurrencies())
    r.points.push_back(PointAt(sweep, concurrency, r.points, options));
  r.warnings = WarningsOf(r);
  return r;
}

}  // namespace kvtier
