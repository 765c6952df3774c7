#include <fmt/format.h>

#include "harness/core/error.hpp"
#include "harness/core/files.hpp"
#include "harness/report/evidence_json.hpp"
#include "harness/report/phase70_files.hpp"
#include "harness/report/phase70_labels.hpp"

// The manifest of a paired experiment as JSON.
namespace kvtier {
using nlohmann::json;

namespace {

template <class T>
void Get(const json& j, const char* key, T& into) {
  j.at(key).get_to(into);
}

TierMode ParseTier(const json& j, const char* key) {
  const auto tier = FindTier(j.at(key).get<std::string>());
  if (!tier)
    throw DataError(fmt::format("key {} is {}, allowed are B0, B1, B2", key, j.at(key).dump()));
  return *tier;
}

json MetaJson(const Phase70Manifest& m) {
  const auto& s = m.setup;
  json settings = json::object(), origins = json::object(), schedule = json::array();
  for (const auto& v : m.settings) {
    settings[v.key] = v.value;
    origins[v.key] = v.origin;
  }
  for (const auto order : m.schedule) schedule.push_back(OrderLabel(order, s.mode_a, s.mode_b));
  for (const auto& sequence : m.sequences) schedule.push_back(SequenceLabel(sequence, s.Modes()));
  json meta{
      {"ts", s.ts},
      {"created_utc", m.created_utc},
      {"model_profile", m.model_profile},
      {"stack_label", m.stack_label},
      {"mechanism_mode", m.mechanism_mode},
      {"block_bytes", m.block_bytes},
      {"block_tokens", m.block_tokens},
      {"scenario", s.scenario},
      {"pair_count", s.planned_pairs},
      {"mode_a", TierName(s.mode_a)},
      {"mode_b", TierName(s.mode_b)},
      {"replay_concurrency", s.replay_concurrency},
      {"order_strategy", OrderStrategyName(s.order_strategy)},
      {"order_seed", s.order_seed},
      {"schedule", std::move(schedule)},
      {"io_attrib_enabled", s.io_attrib_expected},
      {"io_attrib_interval_s", m.io_attrib_interval_s},
      {"stream_metrics_enabled", s.stream},
      {"stream_timeout_s", m.stream_timeout_s},
      {"stream_record_ttfb", s.stream_record_ttfb},
      {"pair_washout_s", m.pair_washout_s},
      {"pair_washout_sync", m.pair_washout_sync},
      {"pair_washout_drop_caches", m.pair_washout_drop_caches},
      {"skip_preflight", m.skip_preflight},
      {"allow_missing_kvbm_metrics", m.allow_missing_kvbm_metrics},
      {"disable_mechanism_gate", s.disable_mechanism_gate},
      {"decision_grade_require_rehydrate", s.gates.require_rehydrate},
      {"require_ttfc", m.require_ttfc},
      {"gates",
       {{"max_error_rate", s.gates.max_error_rate},
        {"require_matched", s.gates.require_matched},
        {"min_matched_tokens", s.gates.min_matched_tokens},
        {"b1_io_threshold_bytes", s.gates.b1_io_threshold}}},
      {"effect",
       {{"margin_pct", s.effect.margin_pct},
        {"alpha", s.effect.alpha},
        {"t_from_pairs", s.effect.t_from_pairs},
        {"min_pairs", s.effect.min_pairs},
        {"seed", s.effect.seed}}},
      {"methodology",
       {{"design", "pair_local_blocked_matched_pairs"},
        {"counterbalancing", "AB_BA"},
        {"delta_definition", "mode_b_minus_mode_a"},
        {"recommendation",
         "Use an even number of pairs, at least 8; 12 and a half-width within the margin give "
         "grade A."}}},
      {"settings", std::move(settings)},
      {"settings_origin", std::move(origins)},
      {"declaration", DeclarationJson(s)},
      {"declaration_sha256", s.declared_sha256},
      {"notes", m.notes}};
  if (s.gates.filter_protocol)
    meta["filter_protocol"] = FilterProtocolName(*s.gates.filter_protocol);
  if (s.mode_c) {
    meta["mode_c"] = TierName(*s.mode_c);
    meta["methodology"]["design"] = "three_arm_williams_blocks";
    meta["methodology"]["counterbalancing"] = "WILLIAMS";
    meta["methodology"]["recommendation"] =
        "Use a multiple of six blocks, at least 12: with three comparisons six cannot pass Holm.";
  }
  return meta;
}

/// A declaration that says something else than the settings beside it must not look declared.
std::string DeclaredHash(const json& meta, const Phase70Setup& setup) {
  if (!meta.contains("declaration_sha256")) return "";
  const json& declaration = meta.at("declaration");
  return declaration == DeclarationJson(setup) ? meta.at("declaration_sha256").get<std::string>()
                                               : Sha256Hex(declaration.dump());
}

void ReadMeta(const json& meta, Phase70Manifest& m) {
  auto& s = m.setup;
  Get(meta, "ts", s.ts);
  Get(meta, "created_utc", m.created_utc);
  Get(meta, "model_profile", m.model_profile);
  Get(meta, "stack_label", m.stack_label);
  Get(meta, "mechanism_mode", m.mechanism_mode);
  Get(meta, "block_bytes", m.block_bytes);
  Get(meta, "block_tokens", m.block_tokens);
  Get(meta, "scenario", s.scenario);
  Get(meta, "pair_count", s.planned_pairs);
  s.mode_a = ParseTier(meta, "mode_a");
  s.mode_b = ParseTier(meta, "mode_b");
  if (meta.contains("mode_c")) s.mode_c = ParseTier(meta, "mode_c");
  Get(meta, "replay_concurrency", s.replay_concurrency);
  const auto strategy = FindOrderStrategy(meta.at("order_strategy").get<std::string>());
  if (!strategy)
    throw DataError("key order_strategy is " + meta.at("order_strategy").dump() +
                    ", allowed are random, alternating");
  s.order_strategy = *strategy;
  Get(meta, "order_seed", s.order_seed);
  for (const auto& label : meta.at("schedule")) {
    if (s.mode_c) {
      m.sequences.push_back(ParsePairSequence(label.get<std::string>(), s));
    } else {
      m.schedule.push_back(ParsePairOrder(label.get<std::string>(), s));
    }
  }
  if (const auto orders = meta.at("schedule").size();
      orders != static_cast<std::size_t>(s.planned_pairs))
    throw DataError(
        fmt::format("key schedule holds {} orders, pair_count is {}", orders, s.planned_pairs));
  Get(meta, "io_attrib_enabled", s.io_attrib_expected);
  Get(meta, "io_attrib_interval_s", m.io_attrib_interval_s);
  Get(meta, "stream_metrics_enabled", s.stream);
  Get(meta, "stream_timeout_s", m.stream_timeout_s);
  Get(meta, "stream_record_ttfb", s.stream_record_ttfb);
  Get(meta, "pair_washout_s", m.pair_washout_s);
  Get(meta, "pair_washout_sync", m.pair_washout_sync);
  Get(meta, "pair_washout_drop_caches", m.pair_washout_drop_caches);
  Get(meta, "skip_preflight", m.skip_preflight);
  Get(meta, "allow_missing_kvbm_metrics", m.allow_missing_kvbm_metrics);
  Get(meta, "disable_mechanism_gate", s.disable_mechanism_gate);
  Get(meta, "decision_grade_require_rehydrate", s.gates.require_rehydrate);
  Get(meta, "require_ttfc", m.require_ttfc);
  const json& gates = meta.at("gates");
  Get(gates, "max_error_rate", s.gates.max_error_rate);
  Get(gates, "require_matched", s.gates.require_matched);
  Get(gates, "min_matched_tokens", s.gates.min_matched_tokens);
  Get(gates, "b1_io_threshold_bytes", s.gates.b1_io_threshold);
  if (meta.contains("filter_protocol")) {
    const auto name = meta.at("filter_protocol").get<std::string>();
    s.gates.filter_protocol = FindFilterProtocol(name);
    if (!s.gates.filter_protocol)
      throw DataError(
          fmt::format("key filter_protocol is '{}', allowed are mechanism, production", name));
  }
  const json& effect = meta.at("effect");
  Get(effect, "margin_pct", s.effect.margin_pct);
  Get(effect, "alpha", s.effect.alpha);
  Get(effect, "t_from_pairs", s.effect.t_from_pairs);
  Get(effect, "min_pairs", s.effect.min_pairs);
  Get(effect, "seed", s.effect.seed);
  for (const auto& [key, value] : meta.at("settings").items()) {
    m.settings.push_back(
        {.key = key, .value = value, .origin = meta.at("settings_origin").at(key)});
  }
  Get(meta, "notes", m.notes);
  s.declared_sha256 = DeclaredHash(meta, s);
}

}  // namespace

LegOrder ParsePairOrder(const std::string& label, const Phase70Setup& setup) {
  for (const LegOrder order : {LegOrder::kAB, LegOrder::kBA}) {
    if (OrderLabel(order, setup.mode_a, setup.mode_b) == label) return order;
  }
  throw DataError(fmt::format("key pair_order is '{}', expected {} or {}", label,
                              OrderLabel(LegOrder::kAB, setup.mode_a, setup.mode_b),
                              OrderLabel(LegOrder::kBA, setup.mode_a, setup.mode_b)));
}

ArmSequence ParsePairSequence(const std::string& label, const Phase70Setup& setup) {
  for (const ArmSequence& sequence : PlanBlocks(6, OrderStrategy::kAlternating, "")) {
    if (SequenceLabel(sequence, setup.Modes()) == label) return sequence;
  }
  throw DataError(
      fmt::format("key pair_order is '{}', which is no order of the three modes", label));
}

const Phase70Run* Phase70Manifest::FindRun(int pair_id, int pair_leg) const {
  for (const auto& r : runs) {
    if (r.pair_id == pair_id && r.pair_leg == pair_leg) return &r;
  }
  return nullptr;
}

void to_json(json& j, const Phase70Manifest& m) {
  json runs = json::array(), attempts = json::array();
  for (const auto& r : m.runs) {
    runs.push_back({{"pair_id", r.pair_id},
                    {"pair_order", r.pair_order},
                    {"pair_leg", r.pair_leg},
                    {"mode", TierName(r.mode)},
                    {"bundle_id", r.bundle_id},
                    {"run_id", r.run_id},
                    {"run_dir", r.run_dir},
                    {"log_path", r.log_path},
                    {"started_utc", r.started_utc},
                    {"completed_utc", r.completed_utc},
                    {"io_attrib_checked", r.io_attrib_checked},
                    {"io_attrib_checker_rc",
                     r.io_attrib_checker_rc ? json(*r.io_attrib_checker_rc) : json()}});
  }
  for (const auto& a : m.failed_attempts)
    attempts.push_back({{"path", a.path}, {"reason", a.reason}});
  j = {{"schema_version", kBundleSchemaVersion},
       {"meta", MetaJson(m)},
       {"runs", std::move(runs)},
       {"failed_attempts", std::move(attempts)}};
  if (!m.runner_findings.empty()) j["runner_findings"] = m.runner_findings;
}

void from_json(const json& j, Phase70Manifest& m) {
  m = {};
  ReadMeta(j.at("meta"), m);
  for (const auto& r : j.at("runs")) {
    m.runs.push_back({.pair_id = r.at("pair_id"),
                      .pair_order = r.at("pair_order"),
                      .pair_leg = r.at("pair_leg"),
                      .mode = ParseTier(r, "mode"),
                      .bundle_id = r.at("bundle_id"),
                      .run_id = r.at("run_id"),
                      .run_dir = r.at("run_dir"),
                      .log_path = r.at("log_path"),
                      .started_utc = r.at("started_utc"),
                      .completed_utc = r.at("completed_utc"),
                      .io_attrib_checked = r.at("io_attrib_checked"),
                      .io_attrib_checker_rc =
                          r.at("io_attrib_checker_rc").is_null()
                              ? std::nullopt
                              : std::optional<int>(r.at("io_attrib_checker_rc").get<int>())});
  }
  for (const auto& a : j.at("failed_attempts"))
    m.failed_attempts.push_back({.path = a.at("path"), .reason = a.at("reason")});
  if (j.contains("runner_findings")) j.at("runner_findings").get_to(m.runner_findings);
}

void WritePhase70Manifest(const Phase70Paths& paths, const Phase70Manifest& manifest) {
  WriteJsonAtomic(paths.Manifest(), manifest);
}
Phase70Manifest LoadPhase70Manifest(const Phase70Paths& paths) {
  const json j = ReadVersioned(paths.Manifest());
  Phase70Manifest manifest;
  ReadingFrom(paths.Manifest(), [&] { j.get_to(manifest); });
  return manifest;
}

}  // namespace kvtier
