#include "harness/judge/knee_report.hpp"

#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "harness/stats/summary.hpp"

namespace kvtier {
namespace {

using nlohmann::json;

constexpr std::uint64_t kBootstrapSeed = 1;

/// The ok rows of a mode, each run once.
std::vector<const SweepRow*> RunsOf(const Sweep& sweep, TierMode mode) {
  std::vector<const SweepRow*> rows;
  std::set<std::string> seen;
  for (const SweepRow& row : sweep.rows) {
    if (row.mode != mode || row.status != "ok" || row.marked_invalid) continue;
    if (!row.phase.empty() && row.phase != "sweep_point") continue;
    if (!row.run_path.empty() && !seen.insert(row.run_path).second) continue;
    rows.push_back(&row);
  }
  return rows;
}

Reading<double> P95(const SweepRow& row, bool ttfc) {
  const Reading<double>& own = (ttfc ? row.replay_ttfc : row.replay_ttft).p95;
  if (own.available() || !row.run) return own;
  return (ttfc ? row.run->replay_ttfc : row.run->replay_ttft).p95;
}

/// One metric for all points of both modes: like is compared with like.
bool TtfcEverywhere(const Sweep& sweep) {
  bool ttfc = true;
  bool ttft = true;
  for (const TierMode mode : {TierMode::kB1, TierMode::kB2}) {
    for (const SweepRow* row : RunsOf(sweep, mode)) {
      ttfc = ttfc && P95(*row, true).available();
      ttft = ttft && P95(*row, false).available();
    }
  }
  return ttfc || !ttft;
}

std::vector<RepeatedPoint> RepeatedLatency(const std::vector<const SweepRow*>& rows, bool ttfc) {
  std::map<int, RepeatedPoint> points;
  for (const SweepRow* row : rows) {
    const Reading<double> p95 = P95(*row, ttfc);
    if (!p95.available()) continue;
    RepeatedPoint& point = points[row->concurrency];
    point.concurrency = row->concurrency;
    point.values.push_back(*p95);
  }
  std::vector<RepeatedPoint> out;
  for (auto& [concurrency, point] : points) out.push_back(std::move(point));
  return out;
}

std::vector<LoadPoint> ThroughputOf(const std::vector<const SweepRow*>& rows) {
  std::vector<LoadPoint> out;
  for (const SweepRow* row : rows) {
    if (row->run && row->run->replay_ok_per_s.available())
      out.push_back({static_cast<double>(row->concurrency), *row->run->replay_ok_per_s});
  }
  std::sort(out.begin(), out.end(),
            [](const LoadPoint& a, const LoadPoint& b) { return a.concurrency < b.concurrency; });
  return out;
}

/// Means over runs; Student's interval from two runs on.
std::vector<CurvePoint> Means(const std::vector<RepeatedPoint>& points) {
  std::vector<CurvePoint> curve;
  for (const RepeatedPoint& point : points) {
    const auto mean = EstimateMean(point.values);
    curve.push_back({.concurrency = point.concurrency,
                     .value = mean->mean,
                     .weight = static_cast<double>(mean->n),
                     .interval = mean->interval});
  }
  return curve;
}

std::vector<RepeatedPoint> Grouped(const std::vector<LoadPoint>& load) {
  std::vector<RepeatedPoint> points;
  for (const LoadPoint& point : load) {
    if (points.empty() || points.back().concurrency != point.concurrency)
      points.push_back({point.concurrency, {}});
    points.back().values.push_back(point.throughput);
  }
  return points;
}

Reading<SloCrossing> CrossingOf(const std::vector<RepeatedPoint>& latency,
                                const Reading<double>& slo) {
  if (!slo.available()) return Reading<SloCrossing>::Unavailable(slo.reason());
  const bool enough = std::all_of(latency.begin(), latency.end(), [](const RepeatedPoint& p) {
    return p.values.size() >= kMinBootstrapRepeats;
  });
  return enough ? BootstrapSloCrossing(latency, *slo, kBootstrapSeed)
                : CrossSlo(Means(latency), *slo);
}

ModeKnees KneesOf(const Sweep& sweep, TierMode mode, bool ttfc, const Reading<double>& slo) {
  const auto rows = RunsOf(sweep, mode);
  ModeKnees m;
  m.mode = mode;
  m.latency = RepeatedLatency(rows, ttfc);
  m.throughput = ThroughputOf(rows);
  m.crossing = CrossingOf(m.latency, slo);
  const std::vector<CurvePoint> curve = Means(m.latency);
  m.degradation = FindDegradation(curve, kKneeDegradation);
  m.latency_knee = FindKnee(curve, CurveShape::kConvexIncreasing);
  if (m.throughput.empty()) {
    const std::string why = "no run of the sweep says its replay's requests a second";
    m.throughput_knee = Reading<Knee>::Unavailable(why);
    m.usl = Reading<UslFit>::Unavailable(why);
    return m;
  }
  m.throughput_knee = FindKnee(Means(Grouped(m.throughput)), CurveShape::kConcaveIncreasing);
  m.usl = FitUsl(m.throughput);
  return m;
}

// ---- for people

std::string IntervalText(const SloCrossing& c) {
  if (!c.interval.available()) return "no interval: " + c.interval.reason();
  const CrossingInterval& i = *c.interval;
  return fmt::format("{:.0f} % interval {} to {}, {}", 100 * i.level, CrossingText(i.low),
                     CrossingText(i.high),
                     i.draws > 0 ? fmt::format("{} draws of a bootstrap over runs", i.draws)
                                 : std::string("from Student's t at each point"));
}

std::string Text(const Reading<SloCrossing>& c) {
  if (!c.available()) return c.reason();
  return fmt::format("{} (objective {:.1f} ms; {})", CrossingText(c->estimate), c->slo,
                     IntervalText(*c));
}

std::string Text(const Reading<Degradation>& d) {
  if (!d.available()) return d.reason();
  if (!d->step) return fmt::format("none up to {:g}", d->largest_tested);
  return fmt::format("at {:g}: {:.1f} ms after {:.1f} ms at {:g}", d->step->concurrency,
                     d->step->value, d->step->best, d->step->best_at);
}

std::string Text(const Reading<Knee>& k) {
  return k.available() ? fmt::format("{:g}", k->concurrency) : k.reason();
}

std::string Text(const Reading<UslFit>& fit) {
  if (!fit.available()) return fit.reason();
  std::string text =
      fmt::format("lambda {:.3g} requests/s, sigma {:.3g}, kappa {:.3g}, R2 {:.3f}; ",
                  fit->lambda.value, fit->sigma.value, fit->kappa.value, fit->r_squared);
  if (!fit->peak.available()) return text + fit->peak.reason();
  const UslPeak& peak = *fit->peak;
  return text +
         fmt::format("peak {:.3g} requests/s at {:.3g} ({:.0f} % interval {:.3g} to {:.3g}){}",
                     peak.throughput, peak.concurrency, 100 * fit->level, peak.interval.low,
                     peak.interval.high, peak.beyond_tested ? ", beyond what was tested" : "");
}

// ---- for programs

template <class T, class F>
json OrReason(const Reading<T>& r, F&& of) {
  return r.available() ? of(*r) : json{{"unavailable", r.reason()}};
}

json PlaceJson(const Crossing& c) {
  const char* where = c.within()                                   ? "within"
                      : c.where == Crossing::Where::kBelowSmallest ? "below_smallest"
                                                                   : "above_largest";
  return {{"where", where}, {"concurrency", c.concurrency}};
}

json SpanJson(const std::optional<Interval>& i) {
  return i ? json{{"low", i->low}, {"high", i->high}} : json();
}

json CrossingJson(const SloCrossing& c) {
  return {{"slo_ms", c.slo},
          {"estimate", PlaceJson(c.estimate)},
          {"bracket", SpanJson(c.bracket)},
          {"concurrencies", c.concurrencies},
          {"fit_ms", c.fit},
          {"interval", OrReason(c.interval, [](const CrossingInterval& i) {
             return json{
                 {"low", PlaceJson(i.low)}, {"high", PlaceJson(i.high)},
                 {"level", i.level},        {"method", i.draws > 0 ? "bootstrap" : "student_t"},
                 {"draws", i.draws},        {"seed", i.seed}};
           })}};
}

json DegradationJson(const Degradation& d) {
  json step;
  if (d.step)
    step = {{"concurrency", d.step->concurrency},
            {"value_ms", d.step->value},
            {"best_ms", d.step->best},
            {"best_at", d.step->best_at}};
  return {{"ratio", d.ratio}, {"largest_tested", d.largest_tested}, {"step", step}};
}

json KneedleJson(const Knee& k) {
  return {{"concurrency", k.concurrency}, {"value", k.value}, {"distance", k.distance}};
}

json UslJson(const UslFit& fit) {
  const auto parameter = [](const UslParameter& p) {
    return json{{"value", p.value}, {"interval", SpanJson(p.interval)}};
  };
  return {{"runs", fit.points},
          {"level", fit.level},
          {"lambda_per_s", parameter(fit.lambda)},
          {"sigma", parameter(fit.sigma)},
          {"kappa", parameter(fit.kappa)},
          {"r_squared", fit.r_squared},
          {"peak", OrReason(fit.peak, [](const UslPeak& p) {
             return json{{"concurrency", p.concurrency},
                         {"throughput_per_s", p.throughput},
                         {"interval", SpanJson(p.interval)},
                         {"beyond_tested", p.beyond_tested}};
           })}};
}

json PointsJson(const std::vector<RepeatedPoint>& points) {
  json out = json::array();
  for (const RepeatedPoint& p : points)
    out.push_back({{"concurrency", p.concurrency}, {"values", p.values}});
  return out;
}

json ModeJson(const ModeKnees& m) {
  return {{"mode", TierName(m.mode)},
          {"latency_ms", PointsJson(m.latency)},
          {"throughput_per_s", PointsJson(Grouped(m.throughput))},
          {"slo_crossing", OrReason(m.crossing, CrossingJson)},
          {"degradation", OrReason(m.degradation, DegradationJson)},
          {"kneedle_latency", OrReason(m.latency_knee, KneedleJson)},
          {"kneedle_throughput", OrReason(m.throughput_knee, KneedleJson)},
          {"usl", OrReason(m.usl, UslJson)}};
}

}  // namespace

KneeReport FindKnees(const Sweep& sweep) {
  KneeReport report;
  const bool ttfc = TtfcEverywhere(sweep);
  report.metric = ttfc ? "ttfc_p95_ms" : "ttft_p95_ms";
  report.slo_p95_ms = SloOf(sweep, report.metric);
  for (const TierMode mode : {TierMode::kB1, TierMode::kB2})
    report.modes.push_back(KneesOf(sweep, mode, ttfc, report.slo_p95_ms));
  return report;
}

std::string KneeText(const KneeReport& report) {
  std::string text;
  for (const ModeKnees& m : report.modes) {
    const std::string_view mode = TierName(m.mode);
    text += fmt::format("{} {} crosses its objective: {}\n", mode, report.metric, Text(m.crossing));
    text += fmt::format("{} degrades by {:.0f} %: {}\n", mode, kKneeDegradation * 100,
                        Text(m.degradation));
    text += fmt::format("{} Kneedle of latency: {}\n", mode, Text(m.latency_knee));
    text += fmt::format("{} Kneedle of throughput: {}\n", mode, Text(m.throughput_knee));
    text += fmt::format("{} scalability law: {}\n", mode, Text(m.usl));
  }
  return text;
}

json KneeJson(const KneeReport& report, const std::vector<KneeRow>& table,
              const KneeContext& context) {
  json modes = json::array();
  for (const ModeKnees& m : report.modes) modes.push_back(ModeJson(m));
  return {{"schema_version", 1},
          {"created_utc", context.created_utc},
          {"phase60_ts", context.phase60_ts},
          {"source_summaries", context.source_summaries},
          {"metric", report.metric},
          {"slo_p95_ms", json(report.slo_p95_ms)},
          {"modes", std::move(modes)},
          {"table", table}};
}

}  // namespace kvtier
