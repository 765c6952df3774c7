#include "harness/report/phase70_files.hpp"

#include <array>
#include <string_view>

#include <fmt/format.h>

#include "harness/core/clock.hpp"
#include "harness/core/error.hpp"
#include "harness/core/files.hpp"
#include "harness/report/bundle.hpp"
#include "harness/report/csv.hpp"
#include "harness/report/evidence_json.hpp"
#include "harness/report/phase70_report.hpp"

namespace kvtier {
namespace fs = std::filesystem;
using nlohmann::json;

namespace {

// spec/artifacts.md E2 and E3, in order.
constexpr std::array<std::string_view, 30> kSummaryColumns{"pair_id",
                                                           "pair_order",
                                                           "pair_leg",
                                                           "mode",
                                                           "replay_concurrency",
                                                           "run_id",
                                                           "bundle_id",
                                                           "timestamp_utc",
                                                           "status",
                                                           "error_rate",
                                                           "stream",
                                                           "stream_record_ttfb",
                                                           "replay_ttfc_p95_ms",
                                                           "replay_ttfc_p99_ms",
                                                           "replay_ttft_p95_ms",
                                                           "replay_ttft_p99_ms",
                                                           "metric_preferred_replay_p95",
                                                           "metric_used_replay_p95",
                                                           "replay_read_gib",
                                                           "io_attrib_pass",
                                                           "process_evidence_method",
                                                           "pid_warn",
                                                           "kvbm_matched_tokens_delta",
                                                           "kvbm_onboard_blocks_delta",
                                                           "primary_nvme_model",
                                                           "primary_nvme_fw",
                                                           "pcie_link",
                                                           "run_path",
                                                           "io_attrib_checked",
                                                           "io_attrib_checker_rc"};
constexpr std::array<std::string_view, 13> kDeltaColumns{"pair_id",
                                                         "pair_order",
                                                         "mode_a",
                                                         "mode_b",
                                                         "mode_a_run_id",
                                                         "mode_b_run_id",
                                                         "delta_replay_ttfc_p95_ms",
                                                         "delta_replay_ttfc_p99_ms",
                                                         "delta_replay_ttft_p95_ms",
                                                         "delta_replay_ttft_p99_ms",
                                                         "delta_replay_read_gib",
                                                         "delta_matched_tokens",
                                                         "delta_onboard_blocks"};

constexpr const char* kCurrentFile = "current/phase70.json";
constexpr const char* kWashoutFile = "washout.json";

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

LegOrder ParseOrder(const std::string& label, const Phase70Setup& setup) {
  for (const LegOrder order : {LegOrder::kAB, LegOrder::kBA}) {
    if (OrderLabel(order, setup.mode_a, setup.mode_b) == label) return order;
  }
  throw DataError(fmt::format("key pair_order is '{}', expected {} or {}", label,
                              OrderLabel(LegOrder::kAB, setup.mode_a, setup.mode_b),
                              OrderLabel(LegOrder::kBA, setup.mode_a, setup.mode_b)));
}

ArmSequence ParseSequence(const std::string& label, const Phase70Setup& setup) {
  for (const ArmSequence& sequence : PlanBlocks(6, OrderStrategy::kAlternating, "")) {
    if (SequenceLabel(sequence, setup.Modes()) == label) return sequence;
  }
  throw DataError(
      fmt::format("key pair_order is '{}', which is no order of the three modes", label));
}

template <class T>
T ReadTyped(const fs::path& file) {
  const json j = ReadVersioned(file);
  T value;
  ReadingFrom(file, [&] { j.get_to(value); });
  return value;
}

json Versioned(json j) {
  j["schema_version"] = kBundleSchemaVersion;
  return j;
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
      m.sequences.push_back(ParseSequence(label.get<std::string>(), s));
    } else {
      m.schedule.push_back(ParseOrder(label.get<std::string>(), s));
    }
  }
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

/// Stands for a leg that was finished and whose files are now missing, cut short or changed.
LegEvidence UnreadableLeg(const Phase70Run& run, const fs::path& dir, const std::string& scenario,
                          const std::string& why) {
  LegEvidence leg;
  leg.run_id = run.run_id;
  leg.run_dir = dir.string();
  leg.tier = run.mode;
  leg.scenario = scenario;
  leg.closed = true;
  leg.run_valid = false;
  leg.invalid_reason = "artifact_unreadable";
  leg.invalid_details = {why};
  return leg;
}

}  // namespace

std::string Phase70Paths::BundleId(TierMode mode, int pair, int leg) const {
  return fmt::format("phase70_rehydrate_pair_{}_p{:02d}_l{}_{}", TierName(mode), pair, leg, ts);
}
std::string Phase70Paths::RunId(TierMode mode, int pair, int leg) const {
  return fmt::format("run_{}_p{:02d}_l{}_{}", TierName(mode), pair, leg, ts);
}
fs::path Phase70Paths::Of(const char* what, const char* extension) const {
  return root / fmt::format("phase70_rehydrate_pair_repeats_{}_{}.{}", what, ts, extension);
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
  j = Versioned(
      {{"meta", MetaJson(m)}, {"runs", std::move(runs)}, {"failed_attempts", std::move(attempts)}});
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
  return ReadTyped<Phase70Manifest>(paths.Manifest());
}

void WritePhase70Preflight(const Phase70Paths& paths, json preflight) {
  WriteJsonAtomic(paths.Preflight(), Versioned(std::move(preflight)));
}

PreflightOutcome LoadPhase70Preflight(const Phase70Paths& paths) {
  PreflightOutcome outcome;
  if (!fs::exists(paths.Preflight())) return outcome;
  const json j = ReadVersioned(paths.Preflight());
  ReadingFrom(paths.Preflight(), [&] {
    using State = PreflightOutcome::State;
    const bool ok = j.at("ok"), decision_grade = j.at("decision_grade");
    outcome.state = !ok              ? State::kFailed
                    : decision_grade ? State::kPassed
                                     : State::kPassedNotDecisionGrade;
    if (j.value("skipped", false)) outcome.state = State::kSkipped;
    j.at("reason_codes").get_to(outcome.reason_codes);
    outcome.detail = j.value("detail", "");
    outcome.declared_sha256 = j.value("declaration_sha256", "");
  });
  return outcome;
}

void WritePhase70Gate(const Phase70Paths& paths, const MechanismGateRecord& gate) {
  json j = Versioned(gate);
  // The exporter's documentation that the gate rests on, by metric (spec/artifacts.md E7).
  j["references"] = {{"nvidia_kvbm_metrics",
                      {"kvbm_matched_tokens", "kvbm_onboard_blocks_d2d", "kvbm_offload_blocks_h2d",
                       "kvbm_host_cache_hit_rate", "kvbm_disk_cache_hit_rate"}}};
  WriteJsonAtomic(paths.Gate(), j);
}
MechanismGateRecord LoadPhase70Gate(const Phase70Paths& paths) {
  return ReadTyped<MechanismGateRecord>(paths.Gate());
}

void WriteWashout(const fs::path& run_dir, const WashoutEvidence& washout) {
  WriteJsonAtomic(run_dir / kWashoutFile, washout);
}
std::optional<WashoutEvidence> LoadWashout(const fs::path& run_dir) {
  if (!fs::exists(run_dir / kWashoutFile)) return std::nullopt;
  return ReadTyped<WashoutEvidence>(run_dir / kWashoutFile);
}

std::vector<Phase70Leg> LoadPhase70Legs(const Phase70Paths& paths, const Phase70Manifest& manifest,
                                        LegRows rows) {
  const GateOptions gates = GatesOf(manifest.setup);
  std::vector<Phase70Leg> legs;
  for (const auto& r : manifest.runs) {
    fs::path dir = paths.root / r.run_dir;
    if (!fs::exists(dir)) dir = paths.RunDir(r.mode, r.pair_id, r.pair_leg);
    Phase70Leg leg;
    leg.pair_id = r.pair_id;
    leg.pair_leg = r.pair_leg;
    leg.bundle_id = r.bundle_id;
    leg.timestamp_utc = r.completed_utc;
    if (manifest.setup.mode_c) {
      leg.sequence = ParseSequence(r.pair_order, manifest.setup);
      leg.order = OrderWithin(leg.sequence, 0, 1);
    } else {
      leg.order = ParseOrder(r.pair_order, manifest.setup);
    }
    try {
      leg.evidence = LoadLeg(dir, rows == LegRows::kKeep ? RowDetail::kAll : RowDetail::kForRules);
      leg.washout = LoadWashout(dir);
    } catch (const Error& e) {
      leg.evidence = UnreadableLeg(r, dir, manifest.setup.scenario, e.what());
    }
    if (leg.washout) leg.washout = CompleteWashout(*leg.washout, leg.evidence);
    if (rows == LegRows::kRelease) {
      leg.digest = std::make_shared<const LegDigest>(DigestLeg(leg.evidence, gates));
      std::vector<RequestRecord>().swap(leg.evidence.records);  // its capacity, too
    }
    legs.push_back(std::move(leg));
  }
  return legs;
}

std::string Phase70SummaryCsv(const std::vector<PairRow>& rows) {
  return CsvText(kSummaryColumns, rows);
}
std::string Phase70DeltasCsv(const std::vector<PairDelta>& deltas) {
  return CsvText(kDeltaColumns, deltas);
}

void WritePhase70Analysis(const Phase70Paths& paths, const Phase70Manifest& manifest,
                          Phase70Analysis& analysis) {
  const std::array<std::pair<const char*, fs::path>, 5> files{
      {{"manifest", paths.Manifest()},
       {"summary_json", paths.Summary()},
       {"summary_csv", paths.SummaryCsv()},
       {"pair_delta_csv", paths.DeltasCsv()},
       {"order_check_json", paths.OrderCheck()}}};
  std::map<std::string, std::string> names;
  for (const auto& [name, path] : files) {
    if (std::string_view(name) != "summary_json") names[name] = path.filename().string();
  }
  WriteJsonAtomic(paths.Summary(), Versioned(SummaryJson(analysis, manifest.setup,
                                                         json(manifest).at("meta"), names)));
  WriteFileAtomic(paths.SummaryCsv(), Phase70SummaryCsv(analysis.rows));
  WriteFileAtomic(paths.DeltasCsv(), Phase70DeltasCsv(analysis.deltas));
  WriteJsonAtomic(paths.OrderCheck(), Versioned(analysis.order_check));
  for (const auto& [name, path] : files) {
    analysis.verdict.artifacts[name] = {.path = path.filename().string(),
                                        .exists = fs::exists(path)};
  }
  WriteJsonAtomic(paths.Verdict(), Versioned(analysis.verdict));
  WriteFileAtomic(paths.Report(), RenderPhase70Report(manifest, analysis, paths));
}

Verdict LoadPhase70Verdict(const fs::path& file) {
  return ReadTyped<Verdict>(file);
}

void to_json(json& j, const Phase70Current& c) {
  j = Versioned({{"ts", c.ts},
                 {"state", c.state},
                 {"pid", c.pid},
                 {"updated_utc", c.updated_utc},
                 {"verdict", c.verdict},
                 {"reason", c.reason}});
}
void from_json(const json& j, Phase70Current& c) {
  Get(j, "ts", c.ts);
  Get(j, "state", c.state);
  Get(j, "pid", c.pid);
  Get(j, "updated_utc", c.updated_utc);
  Get(j, "verdict", c.verdict);
  Get(j, "reason", c.reason);
}
void WritePhase70Current(const fs::path& root, const Phase70Current& current) {
  WriteJsonAtomic(root / kCurrentFile, current);
}
std::optional<Phase70Current> LoadPhase70Current(const fs::path& root) {
  if (!fs::exists(root / kCurrentFile)) return std::nullopt;
  return ReadTyped<Phase70Current>(root / kCurrentFile);
}

}  // namespace kvtier
