#include "harness/report/pack/chart_data.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "harness/judge/agreement.hpp"
#include "harness/judge/gates.hpp"
#include "harness/report/phase70_report.hpp"

namespace kvtier {
using nlohmann::json;

namespace {

json Finite(double v) {
  return std::isfinite(v) ? json(v) : json();
}
json NullOr(const std::optional<double>& v) {
  return v ? Finite(*v) : json();
}
template <class T>
json NullOr(const Reading<T>& v) {
  return v.available() ? json(*v) : json();
}

std::string LegLabel(int pair, int leg) {
  return fmt::format("p{} l{}", pair, leg);
}

json Pairs(const PackInput& in) {
  json out = json::array();
  for (const auto& d : in.analysis.deltas) {
    json pair{{"pair", d.pair_id},
              {"order", d.pair_order},
              {"ab", d.pair_order == in.analysis.order_check.order_ab_label},
              {"complete", d.complete},
              {"effect", NullOr(d.log_ratio_replay_ttfc_p95)},
              {"a", nullptr},
              {"b", nullptr}};
    for (const auto& r : in.analysis.rows) {
      if (r.run_id == d.mode_a_run_id) pair["a"] = NullOr(r.replay_ttfc_p95_ms);
      if (r.run_id == d.mode_b_run_id) pair["b"] = NullOr(r.replay_ttfc_p95_ms);
    }
    out.push_back(std::move(pair));
  }
  return out;
}

json Pooled(const PackInput& in) {
  const Effect& e = in.verdict().effect;
  json out = json::array();
  const auto deciding = e.Deciding(in.verdict().setup.effect.t_from_pairs);
  const auto add = [&](const std::string& label, double estimate, Interval i) {
    out.push_back({{"label", label},
                   {"estimate", Finite(estimate)},
                   {"low", Finite(i.low)},
                   {"high", Finite(i.high)},
                   {"decides", deciding && deciding->low == i.low && deciding->high == i.high}});
  };
  if (e.hl) add("Hodges-Lehmann", e.hl->estimate, e.hl->interval);
  if (e.treatment) add("Hills-Armitage t", e.treatment->estimate, e.treatment->interval);
  return out;
}

json Secondary(const PackInput& in) {
  json out = json::array();
  for (const auto& m : in.verdict().effect.secondary)
    out.push_back({{"label", m.metric + (m.better == "higher" ? " (higher is better)" : "")},
                   {"estimate", Finite(m.hl.estimate)},
                   {"low", Finite(m.hl.interval.low)},
                   {"high", Finite(m.hl.interval.high)}});
  return out;
}

json Hits(const PackInput& in) {
  std::map<std::string, json> by_tier;
  for (const auto& h : in.verdict().hits) {
    std::string label = h.run_id;
    for (const auto& r : in.analysis.rows) {
      if (r.run_id == h.run_id)
        label = LegLabel(r.pair_id, r.pair_leg) + " " + std::string(TierName(r.mode));
    }
    by_tier[h.tier].push_back({{"label", label},
                               {"low", h.expected_low},
                               {"high", h.expected_high},
                               {"actual", NullOr(h.actual)}});
  }
  json out = json::array();
  for (auto& [tier, legs] : by_tier) out.push_back({{"tier", tier}, {"legs", std::move(legs)}});
  return out;
}

json PhaseBytesJson(const PackInput& in) {
  json phases = json::array();
  std::vector<std::string> names;
  for (const auto& leg : in.legs) {
    for (const auto& p : leg.evidence.phases) {
      if (std::find(names.begin(), names.end(), p.name) == names.end()) names.push_back(p.name);
    }
  }
  for (const auto& name : names) {
    json legs = json::array();
    for (const auto& leg : in.legs) {
      const PhaseEvidence* p = leg.evidence.FindPhase(name);
      if (p == nullptr) continue;
      legs.push_back({{"label", LegLabel(leg.pair_id, leg.pair_leg) + " " +
                                    std::string(TierName(leg.evidence.tier))},
                      {"engine_read", NullOr(EngineRead(leg.evidence, *p))},
                      {"system_read", NullOr(p->io.WitnessRead())},
                      {"engine_written", NullOr(EngineWritten(leg.evidence, *p))},
                      {"system_written", NullOr(p->io.WitnessWrite())}});
    }
    phases.push_back({{"phase", name}, {"legs", std::move(legs)}});
  }
  return phases;
}

/// At most `kPoints` points of the distribution of one arm over all valid legs.
json Ecdf(const PackInput& in) {
  constexpr std::size_t kPoints = 200;
  json out = json::array();
  const auto names = ArmNames(in.manifest.setup);
  const auto modes = in.manifest.setup.Modes();
  if (in.manifest.setup.SameMode()) return out;
  for (std::size_t arm = 0; arm < modes.size(); ++arm) {
    std::vector<double> ttfc;
    for (const auto& leg : in.legs) {
      const PhaseEvidence* replay = HeadlinePhase(leg.evidence);
      if (leg.evidence.tier != modes[arm] || replay == nullptr) continue;
      for (const RequestRecord* r : OkRecords(leg.evidence, replay->name)) {
        if (const auto v = r->TtfcMs(); v && *v > 0) ttfc.push_back(*v);
      }
    }
    if (ttfc.empty()) continue;
    std::sort(ttfc.begin(), ttfc.end());
    const std::size_t step = std::max<std::size_t>(1, ttfc.size() / kPoints);
    json points = json::array();
    for (std::size_t i = 0; i < ttfc.size(); i += step)
      points.push_back({ttfc[i], static_cast<double>(i + 1) / static_cast<double>(ttfc.size())});
    points.push_back({ttfc.back(), 1.0});
    out.push_back({{"arm", names[arm]}, {"n", ttfc.size()}, {"points", std::move(points)}});
  }
  return out;
}

/// The legs as they ran.
json RunOrder(const PackInput& in) {
  std::vector<const PairRow*> rows;
  for (const auto& r : in.analysis.rows) rows.push_back(&r);
  std::stable_sort(rows.begin(), rows.end(), [](const auto* a, const auto* b) {
    return std::pair(a->pair_id, a->pair_leg) < std::pair(b->pair_id, b->pair_leg);
  });
  json out = json::array();
  for (const auto* r : rows)
    out.push_back({{"label", LegLabel(r->pair_id, r->pair_leg)},
                   {"mode", TierName(r->mode)},
                   {"p95", NullOr(r->replay_ttfc_p95_ms)},
                   {"p50", NullOr(r->replay_ttfc_p50_ms)},
                   {"ok", r->status == "ok"}});
  return out;
}

}  // namespace

json ChartData(const PackInput& in) {
  const auto arms = ArmNames(in.manifest.setup);
  return {{"arms", {arms[0], arms[1]}},
          {"metric", in.verdict().effect.primary_metric},
          {"margin", std::log1p(in.verdict().effect.margin_pct / 100)},
          {"margin_pct", in.verdict().effect.margin_pct},
          {"pairs", Pairs(in)},
          {"pooled", Pooled(in)},
          {"secondary", Secondary(in)},
          {"hits", Hits(in)},
          {"bytes", PhaseBytesJson(in)},
          {"ecdf", Ecdf(in)},
          {"run_order", RunOrder(in)}};
}

}  // namespace kvtier
