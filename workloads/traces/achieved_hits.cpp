#include "workloads/traces/achieved_hits.hpp"

#include <cmath>

namespace kvtier {
namespace {

using nlohmann::json;

/// Device hits are not among the exporter's counters; the reference stack tells them beside.
Reading<std::uint64_t> DeviceHits(const TierTraffic& t) {
  const auto it = t.reference_extras.find("kvtier_ref_device_hit_blocks");
  if (it == t.reference_extras.end() || !(it->second >= 0))
    return Reading<std::uint64_t>::Unavailable("the engine does not count hits on the device");
  return static_cast<std::uint64_t>(std::llround(it->second));
}

AchievedRow RowOf(const ExpectedHits::Range& expected, const Reading<std::uint64_t>& engine) {
  AchievedRow row{expected, engine, {}};
  if (!engine.available()) {
    row.ratio = Reading<AchievedShare>::Unavailable(engine.reason());
  } else if (expected.low == 0) {
    row.ratio = Reading<AchievedShare>::Unavailable(
        expected.high == 0 ? "none is expected" : "perhaps none is expected");
  } else {
    const auto n = static_cast<double>(*engine);
    row.ratio = AchievedShare{n / static_cast<double>(expected.high),
                              n / static_cast<double>(expected.low)};
  }
  return row;
}

Reading<double> OfLru(const LegEvidence& leg, const AchievedHits::Phase& phase,
                      const std::optional<HitCurve>& curve) {
  using R = Reading<double>;
  if (!curve) return R::Unavailable("no curve was computed before the run");
  if (leg.phases.size() != 1) return R::Unavailable("the curve is about several phases together");
  // A tier that does not exist has no counter and no hits.
  const TierPools& stack = curve->stack;
  std::uint64_t hits = 0;
  for (const auto& [row, blocks] :
       {std::pair{&phase.g1, stack.device_blocks}, std::pair{&phase.g2, stack.host_blocks},
        std::pair{&phase.g3, stack.disk_blocks}}) {
    if (blocks == 0) continue;
    if (!row->engine.available()) return R::Unavailable(row->engine.reason());
    hits += *row->engine;
  }
  const LruTierHits& t = stack.disk_offload_filter ? curve->filter_on : curve->filter_off;
  const std::uint64_t ideal = t.g1 + t.g2 + t.g3;
  if (ideal == 0) return R::Unavailable("LRU tiers of these sizes would hit nothing");
  return static_cast<double>(hits) / static_cast<double>(ideal);
}

json RowJson(const AchievedRow& row) {
  return {{"expected", {{"low", row.expected.low}, {"high", row.expected.high}}},
          {"engine", row.engine},
          {"achieved_over_expected", row.ratio.available()
                                         ? json{{"low", row.ratio->low}, {"high", row.ratio->high}}
                                         : json{{"unavailable", row.ratio.reason()}}}};
}

}  // namespace

AchievedHits CompareHits(const LegEvidence& leg, const std::optional<HitCurve>& curve) {
  AchievedHits out;
  for (const PhaseEvidence& p : leg.phases) {
    if (!p.expected) continue;
    AchievedHits::Phase phase;
    phase.g1 = RowOf(p.expected->g1_blocks, DeviceHits(p.tiers));
    phase.g2 = RowOf(p.expected->g2_blocks, p.tiers.onboard_g2_to_g1_blocks);
    phase.g3 = RowOf(p.expected->g3_blocks, p.tiers.onboard_g3_to_g1_blocks);
    phase.written = RowOf(p.expected->offload_g2_to_g3_blocks, p.tiers.offload_g2_to_g3_blocks);
    phase.of_lru = OfLru(leg, phase, curve);
    out.phases.emplace(p.name, std::move(phase));
  }
  return out;
}

json ToJson(const AchievedHits& hits) {
  json phases = json::object();
  for (const auto& [name, p] : hits.phases) {
    phases[name] = {{"g1_blocks", RowJson(p.g1)},
                    {"g2_blocks", RowJson(p.g2)},
                    {"g3_blocks", RowJson(p.g3)},
                    {"offload_g2_to_g3_blocks", RowJson(p.written)},
                    {"hits_over_lru_tiers", p.of_lru}};
  }
  return {{"schema_version", 1}, {"phases", std::move(phases)}};
}

}  // namespace kvtier
