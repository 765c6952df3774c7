#include <utility>

#include <nlohmann/json.hpp>

#include "harness/judge/json_fields.hpp"
#include "harness/judge/phase70.hpp"

namespace kvtier {
namespace {

using nlohmann::json;

json ModesJson(const Phase70Setup& s) {
  json modes{{"mode_a", TierName(s.mode_a)}, {"mode_b", TierName(s.mode_b)}};
  if (s.mode_c) modes["mode_c"] = TierName(*s.mode_c);
  return modes;
}

json MetaJson(const Phase70Setup& s) {
  json meta{{"ts", s.ts},
            {"replay_concurrency", s.replay_concurrency},
            {"pairs", s.planned_pairs},
            {"modes", ModesJson(s)},
            {"scenario", s.scenario},
            {"order_strategy", OrderStrategyName(s.order_strategy)},
            {"order_seed", s.order_seed},
            {"declaration_sha256", s.declared_sha256},
            {"margin_pct", s.effect.margin_pct},
            {"alpha", s.effect.alpha},
            {"t_from_pairs", s.effect.t_from_pairs},
            {"stream", s.stream},
            {"stream_record_ttfb", s.stream_record_ttfb},
            {"decision_grade_require_rehydrate", s.gates.require_rehydrate},
            {"require_matched", s.gates.require_matched},
            {"min_matched_tokens", s.gates.min_matched_tokens},
            {"max_error_rate", s.gates.max_error_rate},
            {"b1_io_threshold_bytes", s.gates.b1_io_threshold},
            {"disable_mechanism_gate", s.disable_mechanism_gate},
            {"io_attrib_enabled", s.io_attrib_expected}};
  if (s.gates.filter_protocol)
    meta["filter_protocol"] = FilterProtocolName(*s.gates.filter_protocol);
  return meta;
}

Phase70Setup SetupFrom(const json& j) {
  Phase70Setup s;
  s.ts = At<std::string>(j, "ts");
  s.replay_concurrency = At<int>(j, "replay_concurrency");
  s.planned_pairs = At<int>(j, "pairs");
  s.mode_a = TierAt(At(j, "modes"), "mode_a");
  s.mode_b = TierAt(At(j, "modes"), "mode_b");
  if (At(j, "modes").contains("mode_c")) s.mode_c = TierAt(At(j, "modes"), "mode_c");
  s.declared_sha256 = OptionalAt<std::string>(j, "declaration_sha256").value_or("");
  s.scenario = At<std::string>(j, "scenario");
  const auto strategy = FindOrderStrategy(At<std::string>(j, "order_strategy"));
  if (!strategy) throw DataError("the key \"order_strategy\" holds no known strategy");
  s.order_strategy = *strategy;
  s.order_seed = At<std::string>(j, "order_seed");
  s.effect.margin_pct = At<double>(j, "margin_pct");
  s.effect.alpha = At<double>(j, "alpha");
  s.effect.t_from_pairs = At<std::size_t>(j, "t_from_pairs");
  s.stream = At<bool>(j, "stream");
  s.stream_record_ttfb = At<bool>(j, "stream_record_ttfb");
  s.gates.require_rehydrate = At<bool>(j, "decision_grade_require_rehydrate");
  s.gates.require_matched = At<bool>(j, "require_matched");
  s.gates.min_matched_tokens = At<double>(j, "min_matched_tokens");
  s.gates.max_error_rate = At<double>(j, "max_error_rate");
  s.gates.b1_io_threshold = At<Bytes>(j, "b1_io_threshold_bytes");
  s.disable_mechanism_gate = At<bool>(j, "disable_mechanism_gate");
  s.io_attrib_expected = At<bool>(j, "io_attrib_enabled");
  if (const auto protocol = OptionalAt<std::string>(j, "filter_protocol"))
    s.gates.filter_protocol = FindFilterProtocol(*protocol);
  return s;
}

json DetailJson(const MechanismDetail& m) {
  return {{"run_id", m.run_id},
          {"mode", TierName(m.mode)},
          {"signals",
           {{"matched_tokens", OptionalJson(m.matched_tokens)},
            {"onboard_d2d", OptionalJson(m.onboard_d2d)},
            {"offload_h2d", OptionalJson(m.offload_h2d)},
            {"disk_hit_rate", OptionalJson(m.disk_hit_rate)}}},
          {"replay_read_gib", OptionalJson(m.replay_read_gib)},
          {"replay_reads_present", m.replay_reads_present},
          {"ssd_write_signal", m.ssd_write_signal},
          {"ssd_rehydrate_signal", m.ssd_rehydrate_signal},
          {"ssd_reuse_signal", m.ssd_reuse_signal},
          {"signal_present", m.signal_present}};
}

MechanismDetail DetailFrom(const json& j) {
  MechanismDetail m;
  m.run_id = At<std::string>(j, "run_id");
  m.mode = TierAt(j, "mode");
  const json& signals = At(j, "signals");
  m.matched_tokens = OptionalAt<double>(signals, "matched_tokens");
  m.onboard_d2d = OptionalAt<double>(signals, "onboard_d2d");
  m.offload_h2d = OptionalAt<double>(signals, "offload_h2d");
  m.disk_hit_rate = OptionalAt<double>(signals, "disk_hit_rate");
  m.replay_read_gib = OptionalAt<double>(j, "replay_read_gib");
  m.replay_reads_present = At<bool>(j, "replay_reads_present");
  m.ssd_write_signal = At<bool>(j, "ssd_write_signal");
  m.ssd_rehydrate_signal = At<bool>(j, "ssd_rehydrate_signal");
  m.ssd_reuse_signal = At<bool>(j, "ssd_reuse_signal");
  m.signal_present = At<bool>(j, "signal_present");
  return m;
}

/// Flags of `checks`, by their documented or own name.
constexpr std::pair<const char*, bool Verdict::*> kCheckFlags[] = {
    {"order_effect_suspect", &Verdict::order_effect_suspect},
    {"order_effect_insufficient_pairs", &Verdict::order_effect_insufficient_pairs},
    {"io_attrib_expected", &Verdict::io_attrib_expected},
    {"io_attrib_ok", &Verdict::io_attrib_ok},
    {"io_replay_reads_available", &Verdict::io_replay_reads_available},
    {"ssd_write_signal_present", &Verdict::ssd_write_signal_present},
    {"ssd_rehydrate_signal_present", &Verdict::ssd_rehydrate_signal_present},
    {"ssd_reuse_signal_present", &Verdict::ssd_reuse_signal_present},
    {"is_rehydrate_workload", &Verdict::is_rehydrate_workload},
    {"mechanism_signal_present", &Verdict::mechanism_signal_present},
    {"b1_off", &Verdict::b1_off},
    {"answers_equal", &Verdict::answers_equal},
    {"witnesses_agree", &Verdict::witnesses_agree},
    {"mechanism_gate_disabled", &Verdict::mechanism_gate_disabled},
};
constexpr std::pair<const char*, int Verdict::*> kCheckCounts[] = {
    {"pairs_planned", &Verdict::pairs_planned},
    {"pairs_complete", &Verdict::pairs_complete},
    {"soft_fail_legs", &Verdict::soft_fail_legs},
    {"summary_rows", &Verdict::summary_rows},
    {"summary_errors_count", &Verdict::summary_errors_count},
};

json ChecksJson(const Verdict& v) {
  bool present = !v.artifacts.empty();
  for (const auto& [name, ref] : v.artifacts) present = present && ref.exists;
  json checks{{"artifacts_present", present},
              {"min_order_effect_pairs", 6},
              {"decision_grade_require_rehydrate", v.setup.gates.require_rehydrate},
              {"preflight", v.preflight},
              {"declaration_unchanged", v.declaration_unchanged},
              {"ssd_slower_than_recompute", v.ssd_slower_than_recompute},
              {"answers_compared", v.answers_compared},
              {"answers_mismatched", v.answers_mismatched},
              {"mechanism_details", json::array()}};
  for (const auto& [name, member] : kCheckFlags) checks[name] = v.*member;
  for (const auto& [name, member] : kCheckCounts) checks[name] = v.*member;
  for (const MechanismDetail& m : v.mechanism_details)
    checks["mechanism_details"].push_back(DetailJson(m));
  return checks;
}

void ReadChecks(const json& checks, Verdict& v) {
  v.preflight = At<std::string>(checks, "preflight");
  v.declaration_unchanged = OptionalAt<bool>(checks, "declaration_unchanged").value_or(false);
  v.ssd_slower_than_recompute =
      OptionalAt<bool>(checks, "ssd_slower_than_recompute").value_or(false);
  v.answers_compared = At<std::size_t>(checks, "answers_compared");
  v.answers_mismatched = At<std::size_t>(checks, "answers_mismatched");
  for (const auto& [name, member] : kCheckFlags) v.*member = At<bool>(checks, name);
  for (const auto& [name, member] : kCheckCounts) v.*member = At<int>(checks, name);
  v.mechanism_details.clear();
  for (const json& m : At(checks, "mechanism_details"))
    v.mechanism_details.push_back(DetailFrom(m));
}

/// What the closed field list of `effect` has no place for.
json EffectDetailsJson(const Effect& e) {
  json j{{"mde", OptionalJson(e.mde)},
         {"mde_pct", e.mde ? json(LogRatioToPct(*e.mde)) : json()},
         {"hl_low90", OptionalJson(e.hl_low90)},
         {"hl_high90", OptionalJson(e.hl_high90)},
         {"treatment_low90", nullptr},
         {"treatment_high90", nullptr},
         {"period", e.period ? EstimateJson(*e.period) : json()},
         {"carry_over", e.carry_over ? EstimateJson(*e.carry_over) : json()},
         {"sign_flip", nullptr}};
  if (e.treatment90) {
    j["treatment_low90"] = e.treatment90->interval.low;
    j["treatment_high90"] = e.treatment90->interval.high;
  }
  if (e.sign_flip) {
    j["sign_flip"] = {
        {"exact", e.sign_flip->exact}, {"draws", e.sign_flip->draws}, {"seed", e.sign_flip->seed}};
  }
  return j;
}

void ReadEffectDetails(const json& j, Effect& e) {
  e.mde = OptionalAt<double>(j, "mde");
  e.hl_low90 = OptionalAt<double>(j, "hl_low90");
  e.hl_high90 = OptionalAt<double>(j, "hl_high90");
  if (const auto low = OptionalAt<double>(j, "treatment_low90"); low && e.treatment) {
    e.treatment90 = *e.treatment;
    e.treatment90->interval = {*low, At<double>(j, "treatment_high90")};
  }
  // Keys that came later: an older file leaves the period without its interval (KeptInterval).
  for (const auto& [key, estimate] :
       {std::pair{"period", &e.period}, {"carry_over", &e.carry_over}}) {
    if (const auto kept = OptionalAt<json>(j, key)) *estimate = EstimateFrom(*kept);
  }
  if (const json& s = At(j, "sign_flip"); !s.is_null() && e.sign_flip) {
    e.sign_flip->exact = At<bool>(s, "exact");
    e.sign_flip->draws = At<std::uint64_t>(s, "draws");
    e.sign_flip->seed = At<std::uint64_t>(s, "seed");
  }
}

json ArmsJson(const Verdict& v) {
  json arms{{"mode_a", v.arm_a}, {"mode_b", v.arm_b}};
  if (v.arm_c) arms["mode_c"] = *v.arm_c;
  return arms;
}

json ContrastJson(const Contrast& c) {
  return {{"mode_a", TierName(c.mode_a)},
          {"mode_b", TierName(c.mode_b)},
          {"pairs_complete", c.pairs_complete},
          {"holm_p", c.holm_p},
          {"effect", c.effect},
          {"effect_details", EffectDetailsJson(c.effect)}};
}

Contrast ContrastFrom(const json& j) {
  Contrast c;
  c.mode_a = TierAt(j, "mode_a");
  c.mode_b = TierAt(j, "mode_b");
  c.pairs_complete = At<int>(j, "pairs_complete");
  c.holm_p = At<double>(j, "holm_p");
  c.effect = At<Effect>(j, "effect");
  ReadEffectDetails(At(j, "effect_details"), c.effect);
  return c;
}

}  // namespace

void to_json(nlohmann::json& j, const Verdict& v) {
  j = {{"schema_version", 1},         {"created_utc", v.created_utc},
       {"run_valid", v.run_valid},    {"decision_grade", v.decision_grade},
       {"grade", GradeName(v.grade)}, {"reason_codes", v.reason_codes},
       {"reasons", v.findings},       {"meta", MetaJson(v.setup)},
       {"checks", ChecksJson(v)},     {"arms", ArmsJson(v)},
       {"effect", v.effect},          {"effect_details", EffectDetailsJson(v.effect)},
       {"break_even", v.break_even},  {"artifacts", json::object()}};
  j["hits"] = v.hits;
  if (v.filter.protocol) j["filter_protocol"] = v.filter;
  for (const Contrast& c : v.contrasts) j["contrasts"].push_back(ContrastJson(c));
  for (const auto& [name, ref] : v.artifacts)
    j["artifacts"][name] = {{"path", ref.path}, {"exists", ref.exists}};
}

void from_json(const nlohmann::json& j, Verdict& v) {
  RequireSchema(j, "verdict");
  v = Verdict();
  v.created_utc = At<std::string>(j, "created_utc");
  v.run_valid = At<bool>(j, "run_valid");
  v.decision_grade = At<bool>(j, "decision_grade");
  const auto grade = FindGrade(At<std::string>(j, "grade"));
  if (!grade) throw DataError("the key \"grade\" holds none of A, B, C, X");
  v.grade = *grade;
  v.reason_codes = At<std::vector<std::string>>(j, "reason_codes");
  v.findings = At<Findings>(j, "reasons");
  v.setup = SetupFrom(At(j, "meta"));
  ReadChecks(At(j, "checks"), v);
  v.arm_a = At<ArmFigures>(At(j, "arms"), "mode_a");
  v.arm_b = At<ArmFigures>(At(j, "arms"), "mode_b");
  if (At(j, "arms").contains("mode_c")) v.arm_c = At<ArmFigures>(At(j, "arms"), "mode_c");
  // Keys that came later are absent in older verdicts.
  v.hits = OptionalAt<std::vector<HitComparison>>(j, "hits").value_or(std::vector<HitComparison>());
  if (j.contains("filter_protocol")) v.filter = At<FilterVerdict>(j, "filter_protocol");
  if (j.contains("break_even")) v.break_even = At<BreakEven>(j, "break_even");
  if (j.contains("contrasts")) {
    for (const json& c : j["contrasts"]) v.contrasts.push_back(ContrastFrom(c));
  }
  v.effect = At<Effect>(j, "effect");
  ReadEffectDetails(At(j, "effect_details"), v.effect);
  for (const auto& [name, ref] : At(j, "artifacts").items()) {
    v.artifacts[name] = {At<std::string>(ref, "path"), At<bool>(ref, "exists")};
  }
}

nlohmann::json SummaryJson(const Phase70Analysis& analysis, const Phase70Setup& setup,
                           const nlohmann::json& meta,
                           const std::map<std::string, std::string>& artifacts) {
  return {{"schema_version", 1},
          {"meta", meta},
          {"replay_concurrency", setup.replay_concurrency},
          {"mode_a", TierName(setup.mode_a)},
          {"mode_b", TierName(setup.mode_b)},
          {"run_count", analysis.rows.size()},
          {"pair_count", analysis.deltas.size()},
          {"rows", analysis.rows},
          {"pair_deltas", analysis.deltas},
          {"delta_rollups", analysis.rollups},
          {"errors", analysis.errors},
          {"artifacts", artifacts}};
}

}  // namespace kvtier
