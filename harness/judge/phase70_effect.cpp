#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "harness/core/files.hpp"
#include "harness/judge/phase70_rows.hpp"

// What is compared and what was declared about it: the metrics, the effect of two arms, all
// comparisons of three.
namespace kvtier {
namespace {

/// A metric of both legs of every complete pair that has it.
std::vector<PairValue> ValuesOf(const std::vector<JudgedPair>& pairs,
                                std::optional<double> (*of)(const JudgedLeg&)) {
  std::vector<PairValue> out;
  for (const JudgedPair& pair : pairs) {
    if (!pair.complete) continue;
    const auto a = of(*pair.a);
    const auto b = of(*pair.b);
    if (!a || !b) continue;
    out.push_back({pair.pair_id, pair.order == LegOrder::kAB, *a, *b, pair.a->figures.ttfc_p95->n,
                   pair.b->figures.ttfc_p95->n});
  }
  return out;
}

std::optional<double> TtfcP95(const JudgedLeg& leg) {
  return ValueOf(leg.figures.ttfc_p95);
}
/// A p99 of fewer requests is their slowest, and says nothing (method: 299).
std::optional<double> TtfcP99(const JudgedLeg& leg) {
  const auto& p99 = leg.figures.ttfc_p99;
  return p99 && p99->n >= MinSamplesForQuantile(0.99) ? ValueOf(p99) : std::nullopt;
}

struct SecondaryMetric {
  const char* name;
  const char* better;
  std::optional<double> (*of)(const JudgedLeg&);
};
constexpr SecondaryMetric kSecondary[] = {
    {"replay_ttfc_p50_ms", "lower",
     [](const JudgedLeg& leg) { return ValueOf(leg.figures.ttfc_p50); }},
    {"replay_ttfc_p99_ms", "lower", TtfcP99},
    {"replay_e2e_p95_ms", "lower",
     [](const JudgedLeg& leg) { return ValueOf(leg.figures.e2e_p95); }},
    {"replay_itl_p50_ms", "lower", [](const JudgedLeg& leg) { return ValueOf(leg.tpot_p50); }},
    {"replay_prompt_tokens_per_s", "higher",
     [](const JudgedLeg& leg) { return leg.figures.prompt_tokens_per_s; }},
};

/// A direction stands only where Holm's p over all comparisons holds too.
void ApplyHolm(std::vector<Contrast>& contrasts, double alpha) {
  std::vector<double> p;
  for (const Contrast& c : contrasts) p.push_back(c.effect.sign_flip ? c.effect.sign_flip->p : 1.0);
  const std::vector<double> adjusted = HolmAdjust(p);
  for (std::size_t i = 0; i < contrasts.size(); ++i) {
    Contrast& c = contrasts[i];
    c.holm_p = adjusted[i];
    const bool directed =
        c.effect.word == EffectWord::kBetter || c.effect.word == EffectWord::kWorse;
    if (!directed || c.holm_p <= alpha) continue;
    c.effect.word = EffectWord::kInconclusive;
    c.effect.findings.push_back(MakeFinding(
        Reason::kHolmNotSignificant, "", "",
        fmt::format("{} against {}: p = {:.4f} alone, {:.4f} among {} comparisons",
                    TierName(c.mode_b), TierName(c.mode_a), p[i], c.holm_p, contrasts.size())));
  }
}

}  // namespace

Effect EffectOf(const std::vector<JudgedPair>& pairs, const Phase70Setup& setup,
                bool with_secondary) {
  std::vector<SecondaryInput> secondary;
  for (const SecondaryMetric& metric : kSecondary) {
    if (with_secondary)
      secondary.push_back({metric.name, metric.better, ValuesOf(pairs, metric.of)});
  }
  Effect e = ComputeEffect(ValuesOf(pairs, TtfcP95), 0.95, secondary, setup.effect);
  const bool random = setup.order_strategy == OrderStrategy::kRandom;
  const char* order = setup.mode_c ? random ? "random order in balanced blocks of three legs"
                                            : "Williams's sequences in their own order"
                      : random     ? "random order in balanced blocks of two pairs"
                                   : "alternating order";
  e.protocol = fmt::format("{}; {}", order, e.protocol);
  return e;
}

std::vector<Contrast> ContrastsOf(const Phase70Setup& setup, const std::vector<JudgedLeg>& legs,
                                  const Effect& headline) {
  std::vector<Contrast> out;
  const std::vector<TierMode> modes = setup.Modes();
  for (const auto& [a, b] : {std::pair{0, 1}, std::pair{2, 0}, std::pair{2, 1}}) {
    const std::vector<JudgedPair> pairs = PairUp(setup, legs, a, b);
    Contrast c;
    c.mode_a = modes.at(static_cast<std::size_t>(a));
    c.mode_b = modes.at(static_cast<std::size_t>(b));
    c.pairs_complete = static_cast<int>(
        std::count_if(pairs.begin(), pairs.end(), [](const auto& p) { return p.complete; }));
    c.effect = a == 0 ? headline : EffectOf(pairs, setup, false);
    out.push_back(std::move(c));
  }
  ApplyHolm(out, setup.effect.alpha);
  return out;
}

nlohmann::json DeclarationJson(const Phase70Setup& s) {
  nlohmann::json modes = nlohmann::json::array();
  for (const TierMode mode : s.Modes()) modes.push_back(TierName(mode));
  nlohmann::json secondary = nlohmann::json::array();
  for (const SecondaryMetric& metric : kSecondary) secondary.push_back(metric.name);
  nlohmann::json declaration{{"primary_metric", kPrimaryMetric},
                             {"secondary_metrics", secondary},
                             {"margin_pct", s.effect.margin_pct},
                             {"alpha", s.effect.alpha},
                             {"looks", 1},
                             {"t_from_pairs", s.effect.t_from_pairs},
                             {"min_pairs", s.effect.min_pairs},
                             {"sign_flip_seed", s.effect.seed},
                             {"modes", modes},
                             {"pairs", s.planned_pairs},
                             {"scenario", s.scenario},
                             {"replay_concurrency", s.replay_concurrency},
                             {"order_strategy", OrderStrategyName(s.order_strategy)},
                             {"order_seed", s.order_seed},
                             {"gates",
                              {{"max_error_rate", s.gates.max_error_rate},
                               {"require_rehydrate", s.gates.require_rehydrate},
                               {"require_matched", s.gates.require_matched},
                               {"min_matched_tokens", s.gates.min_matched_tokens},
                               {"b1_io_threshold_bytes", s.gates.b1_io_threshold},
                               {"io_attrib_expected", s.io_attrib_expected},
                               {"mechanism_gate_disabled", s.disable_mechanism_gate}}}};
  // Runs of before declared none; their hash must stay what it was.
  if (s.gates.filter_protocol)
    declaration["filter_protocol"] = FilterProtocolName(*s.gates.filter_protocol);
  return declaration;
}

std::string DeclarationSha256(const Phase70Setup& setup) {
  return Sha256Hex(DeclarationJson(setup).dump());
}

}  // namespace kvtier
