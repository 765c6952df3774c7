#include <algorithm>
#include <map>

#include "harness/core/error.hpp"
#include "harness/judge/gates.hpp"
#include "harness/judge/knee_table.hpp"
#include "harness/report/bundle.hpp"
#include "harness/report/figures/sweep_curves.hpp"

namespace kvtier {
namespace {

/// ok replay requests over the phase's time, and those within the objective.
std::optional<SweepServed> ServedBy(const LegEvidence& leg, const SweepPlace& place,
                                    const Reading<double>& slo_ms) {
  const PhaseEvidence* phase = HeadlinePhase(leg);
  if (phase == nullptr || !(phase->duration_s > 0)) return std::nullopt;
  double ok = 0, good = 0;
  for (const RequestRecord& record : leg.records) {
    if (record.phase != phase->name || record.outcome != Outcome::kOk) continue;
    ok += 1;
    const auto ttfc = record.TtfcMs();
    if (ttfc && slo_ms.available() && *ttfc <= *slo_ms) good += 1;
  }
  SweepServed s;
  s.mode = place.mode;
  s.concurrency = place.concurrency;
  s.requests_per_s = ok / phase->duration_s;
  s.good_requests_per_s = slo_ms.Map([&](double) { return good / phase->duration_s; });
  return s;
}

}  // namespace

SweepCurvesData SweepCurvesOf(const Sweep& sweep, const std::vector<SweepServed>& served,
                              const FigureContext& context) {
  SweepCurvesData data;
  data.context = context;
  data.slo = SloOf(sweep, "ttfc_p95_ms");
  std::map<TierMode, SweepCurvesData::Mode> modes;
  for (const KneeRow& row : KneeTable(sweep)) {
    if (row.status == "missing") continue;
    SweepCurvesData::Mode& mode = modes[row.mode];
    if (!row.ttfc_p95_ms.available()) continue;
    mode.latency.push_back(
        {static_cast<double>(row.concurrency), *row.ttfc_p95_ms, row.status == "ok", row.status});
  }
  // The knee table is of B1 and B2 alone.
  for (const SweepRow& row : sweep.rows) {
    if (row.mode != TierMode::kB0 || !row.replay_ttfc.p95.available()) continue;
    modes[row.mode].latency.push_back({static_cast<double>(row.concurrency), *row.replay_ttfc.p95,
                                       row.status == "ok", row.status});
  }
  for (const SweepServed& s : served) modes[s.mode].served.push_back(s);
  for (auto& [tier, mode] : modes) {
    mode.name = TierName(tier);
    std::vector<CurvePoint> curve;
    for (const auto& p : mode.latency) {
      if (p.sound) curve.push_back({.concurrency = p.concurrency, .value = p.value});
    }
    mode.crossing = data.slo.available() ? CrossSlo(curve, *data.slo)
                                         : Reading<SloCrossing>::Unavailable(data.slo.reason());
    mode.knee = FindKnee(curve, CurveShape::kConvexIncreasing);
    std::vector<LoadPoint> load;
    for (const SweepServed& s : mode.served)
      load.push_back({static_cast<double>(s.concurrency), s.requests_per_s});
    mode.usl = FitUsl(load);
    data.modes.push_back(mode);
  }
  return data;
}

std::vector<SweepServed> ReadSweepServed(const std::filesystem::path& root,
                                         const Phase60Summary& summary,
                                         const Reading<double>& slo_ttfc_ms) {
  std::vector<SweepServed> out;
  for (const Phase60Row& row : summary.rows) {
    if (row.kind != PointKind::kSweep || row.status != SweepStatus::kOk || row.run_path.empty())
      continue;
    try {
      const std::filesystem::path run_dir = root / row.run_path;
      if (!IsClosed(run_dir)) continue;
      if (const auto s = ServedBy(LoadLeg(run_dir), row.place, slo_ttfc_ms)) out.push_back(*s);
    } catch (const Error&) {
      continue;  // a bundle that is gone or broken: the point has no throughput
    }
  }
  return out;
}

}  // namespace kvtier
