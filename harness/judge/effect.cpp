#include "harness/judge/effect.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "harness/judge/json_fields.hpp"
#include "harness/stats/summary.hpp"

namespace kvtier {
namespace {

using nlohmann::json;

constexpr std::array<std::pair<EffectWord, std::string_view>, 5> kWords{
    {{EffectWord::kBetter, "BETTER"},
     {EffectWord::kWorse, "WORSE"},
     {EffectWord::kEquivalent, "EQUIVALENT"},
     {EffectWord::kNonInferior, "NON_INFERIOR"},
     {EffectWord::kInconclusive, "INCONCLUSIVE"}}};
constexpr std::array<std::pair<Grade, std::string_view>, 4> kGrades{
    {{Grade::kA, "A"}, {Grade::kB, "B"}, {Grade::kC, "C"}, {Grade::kX, "X"}}};

/// Log-ratios of the usable pairs, and the log totals, split by order.
struct LogPairs {
  std::vector<double> all, ab, ba, totals_ab, totals_ba;
};

LogPairs LogsOf(const std::vector<PairValue>& pairs) {
  LogPairs logs;
  for (const PairValue& p : pairs) {
    if (!(p.a > 0) || !(p.b > 0) || !std::isfinite(p.a) || !std::isfinite(p.b)) continue;
    const double ratio = std::log(p.b / p.a);
    const double total = std::log(p.a) + std::log(p.b);
    logs.all.push_back(ratio);
    (p.a_first ? logs.ab : logs.ba).push_back(ratio);
    (p.a_first ? logs.totals_ab : logs.totals_ba).push_back(total);
  }
  return logs;
}

TEstimate PlainT(std::span<const double> d, double level) {
  const auto mean = EstimateMean(d, level);
  TEstimate t;
  t.estimate = mean->mean;
  t.df = static_cast<double>(d.size() - 1);
  t.se = *mean->sd / std::sqrt(static_cast<double>(d.size()));
  t.interval = *mean->interval;
  t.p = t.se > 0 ? StudentTwoSidedP(t.estimate / t.se, t.df) : (t.estimate == 0 ? 1 : 0);
  return t;
}

void AddTAnalysis(const LogPairs& logs, double alpha, Effect& e) {
  const auto cross = AnalyzeCrossOver(logs.ab, logs.ba, logs.totals_ab, logs.totals_ba, 1 - alpha);
  const auto cross90 = AnalyzeCrossOver(logs.ab, logs.ba, {}, {}, 1 - 2 * alpha);
  if (cross && cross90) {
    e.treatment = cross->treatment;
    e.treatment90 = cross90->treatment;
    e.period = cross->period;
    e.carry_over = cross->carry_over;
  } else if (logs.all.size() >= 2) {
    e.treatment = PlainT(logs.all, 1 - alpha);
    e.treatment90 = PlainT(logs.all, 1 - 2 * alpha);
  }
}

EffectWord ExactWord(const Effect& e, double margin) {
  if (!e.hl->reaches || !e.hl_low90) return EffectWord::kInconclusive;
  const EffectWord word = WordFor(e.hl->interval, {*e.hl_low90, *e.hl_high90}, margin);
  const bool directed = word == EffectWord::kBetter || word == EffectWord::kWorse;
  return directed && e.sign_flip->p > e.alpha ? EffectWord::kInconclusive : word;
}

void DecideWord(const EffectOptions& options, double margin, Effect& e) {
  const EffectWord exact = ExactWord(e, margin);
  const EffectWord student = WordFor(e.treatment->interval, e.treatment90->interval, margin);
  const bool t_decides = static_cast<std::size_t>(e.pairs_used) >= options.t_from_pairs;
  e.word = t_decides ? student : exact;
  if (e.word == EffectWord::kInconclusive || exact == student) return;
  e.findings.push_back(
      MakeFinding(Reason::kMethodsDisagree, "", "",
                  fmt::format("Hodges-Lehmann with sign-flip says {}, Student's t says {}",
                              EffectWordName(exact), EffectWordName(student))));
  e.word = EffectWord::kInconclusive;
}

std::string ProtocolText(const EffectOptions& o, const std::optional<SignFlip>& flips) {
  std::string text = fmt::format(
      "pairs fixed before the run, one look; below {} pairs the Hodges-Lehmann interval with the "
      "sign-flip test decides, "
      "from there Student's t of the cross-over; both must give one word",
      o.t_from_pairs);
  if (flips && !flips->exact) {
    text += fmt::format("; sign-flip by {} draws from seed {}", flips->draws, flips->seed);
  }
  return text;
}

/// QUANTILE_NOT_RESOLVABLE for the smallest leg, once.
void CheckResolution(const std::vector<PairValue>& pairs, double quantile, Effect& e) {
  if (quantile <= 0 || pairs.empty()) return;
  const std::size_t needed = MinSamplesForQuantile(quantile);
  std::size_t least = pairs.front().n_a;
  for (const PairValue& p : pairs) least = std::min({least, p.n_a, p.n_b});
  if (least >= needed) return;
  e.findings.push_back(
      MakeFinding(Reason::kQuantileNotResolvable, "", "", NotResolvableText(quantile, least)));
}

std::vector<SecondaryEffect> ComputeSecondary(const std::vector<SecondaryInput>& inputs,
                                              const EffectOptions& options) {
  std::vector<SecondaryEffect> out;
  std::vector<double> p;
  for (const SecondaryInput& input : inputs) {
    const LogPairs logs = LogsOf(input.pairs);
    if (logs.all.empty()) continue;
    SecondaryEffect s;
    s.metric = input.metric;
    s.better = input.better;
    s.pairs_used = static_cast<int>(logs.all.size());
    s.hl = *EstimateHodgesLehmann(logs.all, 1 - options.alpha);
    s.sign_flip_p = SignFlipTest(logs.all, options.seed)->p;
    p.push_back(s.sign_flip_p);
    out.push_back(std::move(s));
  }
  const std::vector<double> adjusted = HolmAdjust(p);
  for (std::size_t i = 0; i < out.size(); ++i) out[i].holm_p = adjusted[i];
  return out;
}

void Twin(json& j, const char* key, double log_ratio) {
  j[key] = log_ratio;
  j[std::string(key) + "_pct"] = LogRatioToPct(log_ratio);
}

json HlJson(const HodgesLehmann& hl) {
  json j;
  Twin(j, "estimate", hl.estimate);
  Twin(j, "low", hl.interval.low);
  Twin(j, "high", hl.interval.high);
  j["level"] = hl.level;
  return j;
}

HodgesLehmann HlFrom(const json& j, int pairs, double alpha) {
  HodgesLehmann hl;
  hl.n = static_cast<std::size_t>(pairs);
  hl.estimate = At<double>(j, "estimate");
  hl.interval = {At<double>(j, "low"), At<double>(j, "high")};
  hl.level = At<double>(j, "level");
  hl.reaches = hl.level >= 1 - alpha;
  return hl;
}

}  // namespace

std::string_view EffectWordName(EffectWord word) {
  return kWords.at(static_cast<std::size_t>(word)).second;
}

std::optional<EffectWord> FindEffectWord(std::string_view name) {
  for (const auto& [word, text] : kWords) {
    if (text == name) return word;
  }
  return std::nullopt;
}

std::string_view GradeName(Grade grade) {
  return kGrades.at(static_cast<std::size_t>(grade)).second;
}

std::optional<Grade> FindGrade(std::string_view name) {
  for (const auto& [grade, text] : kGrades) {
    if (text == name) return grade;
  }
  return std::nullopt;
}

EffectWord WordFor(Interval ci95, Interval ci90, double margin) {
  if (ci95.high < -margin) return EffectWord::kBetter;
  if (ci95.low > margin) return EffectWord::kWorse;
  const Tost tost = TestEquivalence(ci90, margin);
  if (tost.equivalent) return EffectWord::kEquivalent;
  return tost.non_inferior ? EffectWord::kNonInferior : EffectWord::kInconclusive;
}

std::optional<Interval> Effect::Deciding(std::size_t t_from_pairs) const {
  if (static_cast<std::size_t>(pairs_used) >= t_from_pairs) {
    return treatment ? std::optional<Interval>(treatment->interval) : std::nullopt;
  }
  return hl && hl->reaches ? std::optional<Interval>(hl->interval) : std::nullopt;
}

Reading<Interval> KeptInterval(const TEstimate& estimate) {
  // No test is made without a degree of freedom.
  if (estimate.df > 0) return estimate.interval;
  return Reading<Interval>::Unavailable("the verdict file is of an earlier version");
}

Effect ComputeEffect(const std::vector<PairValue>& pairs, double quantile,
                     const std::vector<SecondaryInput>& secondary, const EffectOptions& options) {
  Effect e;
  e.margin_pct = options.margin_pct;
  e.alpha = options.alpha;
  const LogPairs logs = LogsOf(pairs);
  e.pairs_used = static_cast<int>(logs.all.size());
  if (logs.all.empty()) {
    e.protocol = ProtocolText(options, std::nullopt);
    e.findings.push_back(MakeFinding(Reason::kNoEffectComputed, "", "",
                                     "no pair has the primary metric on both sides"));
    return e;
  }
  const double margin = std::log1p(options.margin_pct / 100);
  e.hl = EstimateHodgesLehmann(logs.all, 1 - options.alpha);
  const auto hl90 = EstimateHodgesLehmann(logs.all, 1 - 2 * options.alpha);
  if (hl90->reaches) {
    e.hl_low90 = hl90->interval.low;
    e.hl_high90 = hl90->interval.high;
  }
  e.sign_flip = SignFlipTest(logs.all, options.seed);
  e.protocol = ProtocolText(options, e.sign_flip);
  AddTAnalysis(logs, options.alpha, e);
  const auto spread = EstimateMean(logs.all);
  if (spread->sd) e.mde = MinDetectableEffect(*spread->sd, logs.all.size(), options.alpha);
  const bool t_decides = logs.all.size() >= options.t_from_pairs;
  if (t_decides) {
    e.tost = TestEquivalence(e.treatment90->interval, margin);
  } else if (e.hl_low90) {
    e.tost = TestEquivalence({*e.hl_low90, *e.hl_high90}, margin);
  }
  e.secondary = ComputeSecondary(secondary, options);
  CheckResolution(pairs, quantile, e);
  if (logs.all.size() < options.min_pairs) {
    e.findings.push_back(MakeFinding(Reason::kTooFewPairs, "", "",
                                     fmt::format("{} complete pairs, {} are needed for a decision",
                                                 logs.all.size(), options.min_pairs)));
  }
  if (e.findings.empty()) DecideWord(options, margin, e);
  return e;
}

void to_json(nlohmann::json& j, const Effect& e) {
  j = {{"schema_version", 1},
       {"primary_metric", e.primary_metric},
       {"scale", "log_ratio"},
       {"definition", "ln(mode_b/mode_a)"},
       {"pairs_used", e.pairs_used},
       {"hl", e.hl ? HlJson(*e.hl) : json()},
       {"sign_flip_p", e.sign_flip ? json(e.sign_flip->p) : json()},
       {"treatment", nullptr},
       {"period", nullptr},
       {"tost", nullptr},
       {"margin_pct", e.margin_pct},
       {"alpha", e.alpha},
       {"protocol", e.protocol},
       {"verdict", EffectWordName(e.word)},
       {"grade", GradeName(e.grade)},
       {"reasons", e.reasons},
       {"secondary", json::array()}};
  if (e.treatment) {
    json t;
    Twin(t, "estimate", e.treatment->estimate);
    Twin(t, "low", e.treatment->interval.low);
    Twin(t, "high", e.treatment->interval.high);
    t["p"] = e.treatment->p;
    j["treatment"] = t;
  }
  if (e.period) {
    json p;
    Twin(p, "estimate", e.period->estimate);
    p["p"] = e.period->p;
    j["period"] = p;
  }
  if (e.tost) {
    json t;
    Twin(t, "low", e.tost->interval.low);
    Twin(t, "high", e.tost->interval.high);
    t["equivalent"] = e.tost->equivalent;
    j["tost"] = t;
  }
  for (const SecondaryEffect& s : e.secondary) {
    j["secondary"].push_back({{"metric", s.metric},
                              {"better", s.better},
                              {"pairs_used", s.pairs_used},
                              {"hl", HlJson(s.hl)},
                              {"sign_flip_p", s.sign_flip_p},
                              {"holm_p", s.holm_p}});
  }
}

void from_json(const nlohmann::json& j, Effect& e) {
  RequireSchema(j, "effect");
  e = Effect();
  e.primary_metric = At<std::string>(j, "primary_metric");
  e.pairs_used = At<int>(j, "pairs_used");
  e.margin_pct = At<double>(j, "margin_pct");
  e.alpha = At<double>(j, "alpha");
  e.protocol = At<std::string>(j, "protocol");
  if (!At(j, "hl").is_null()) e.hl = HlFrom(At(j, "hl"), e.pairs_used, e.alpha);
  if (const auto p = OptionalAt<double>(j, "sign_flip_p")) {
    e.sign_flip = SignFlip();
    e.sign_flip->p = *p;
  }
  if (const json& t = At(j, "treatment"); !t.is_null()) {
    e.treatment = TEstimate();
    e.treatment->estimate = At<double>(t, "estimate");
    e.treatment->interval = {At<double>(t, "low"), At<double>(t, "high")};
    e.treatment->p = At<double>(t, "p");
  }
  if (const json& p = At(j, "period"); !p.is_null()) {
    e.period = TEstimate();
    e.period->estimate = At<double>(p, "estimate");
    e.period->p = At<double>(p, "p");
  }
  if (const json& t = At(j, "tost"); !t.is_null()) {
    e.tost = TestEquivalence({At<double>(t, "low"), At<double>(t, "high")},
                             std::log1p(e.margin_pct / 100));
  }
  const auto word = FindEffectWord(At<std::string>(j, "verdict"));
  const auto grade = FindGrade(At<std::string>(j, "grade"));
  if (!word || !grade) throw DataError("the effect holds an unknown verdict or grade");
  e.word = *word;
  e.grade = *grade;
  e.reasons = At<std::vector<std::string>>(j, "reasons");
  for (const json& s : At(j, "secondary")) {
    SecondaryEffect secondary;
    secondary.metric = At<std::string>(s, "metric");
    secondary.better = At<std::string>(s, "better");
    secondary.pairs_used = At<int>(s, "pairs_used");
    secondary.hl = HlFrom(At(s, "hl"), secondary.pairs_used, e.alpha);
    secondary.sign_flip_p = At<double>(s, "sign_flip_p");
    secondary.holm_p = At<double>(s, "holm_p");
    e.secondary.push_back(std::move(secondary));
  }
}

double LogRatioToPct(double x) {
  return 100 * std::expm1(x);
}

}  // namespace kvtier
