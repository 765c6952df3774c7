#include "harness/report/index/index_rows.hpp"

#include <array>
#include <limits>

#include <nlohmann/json.hpp>

#include "harness/core/error.hpp"
#include "harness/core/files.hpp"
#include "harness/report/bundle.hpp"
#include "harness/report/evidence_json.hpp"
#include "harness/report/legacy_phase70.hpp"

namespace kvtier {
namespace fs = std::filesystem;
using nlohmann::json;
namespace {

/// What lies at a path of keys; null where a key is missing or its holder is no object.
const json& At(const json& j, std::initializer_list<const char*> keys) {
  static const json kNothing;
  const json* here = &j;
  for (const char* key : keys) {
    if (!here->is_object()) return kNothing;
    const auto found = here->find(key);
    if (found == here->end()) return kNothing;
    here = &*found;
  }
  return *here;
}

/// Objects and arrays are no values of a column; {"unavailable"} is one of them, and reads as NULL.
SqlValue ValueOf(const json& j) {
  switch (j.type()) {
    case json::value_t::boolean:
      return std::int64_t{j.get<bool>() ? 1 : 0};
    case json::value_t::number_integer:
      return j.get<std::int64_t>();
    case json::value_t::number_unsigned: {
      const auto n = j.get<std::uint64_t>();
      if (n > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
        return static_cast<double>(n);
      return static_cast<std::int64_t>(n);
    }
    case json::value_t::number_float:
      return j.get<double>();
    case json::value_t::string:
      return j.get<std::string>();
    default:
      return std::monostate{};
  }
}

SqlValue ValueAt(const json& j, std::initializer_list<const char*> keys) {
  return ValueOf(At(j, keys));
}

SqlValue TextOr(const std::string& text) {
  return text.empty() ? SqlValue{} : SqlValue{text};
}

std::string ParentOf(const std::string& name) {
  const auto slash = name.rfind('/');
  return slash == std::string::npos ? "" : name.substr(0, slash);
}

/// Latencies from the moment when a request was due, where requests have one: quantiles are
/// objects.
void AddDueAggregates(const std::string& run_path, const SqlValue& phase, const json& block,
                      IndexRows& rows) {
  for (const char* metric : {"ttfc_co_ms", "e2e_co_ms"}) {
    const json& figures = At(block, {"load", metric});
    if (!figures.is_object() || figures.empty()) continue;
    SqlColumns row{{"run_path", run_path}, {"phase", phase}, {"metric", metric}};
    for (const char* key : {"n", "max", "mean"}) row.emplace_back(key, ValueAt(figures, {key}));
    constexpr std::array<std::array<const char*, 3>, 3> kDueQuantiles{
        {{"p50", "p50_low", "p50_high"},
         {"p95", "p95_low", "p95_high"},
         {"p99", "p99_low", "p99_high"}}};
    for (const auto& [q, low, high] : kDueQuantiles) {
      row.emplace_back(q, ValueAt(figures, {q, "value"}));
      row.emplace_back(low, ValueAt(figures, {q, "low"}));
      row.emplace_back(high, ValueAt(figures, {q, "high"}));
    }
    rows.emplace_back("request_aggregates", std::move(row));
  }
}

/// n and quantiles of every latency that the block holds, whatever it is called.
void AddAggregates(const std::string& run_path, const SqlValue& phase, const json& block,
                   IndexRows& rows) {
  for (const auto& [metric, figures] : block.items()) {
    if (!metric.ends_with("_ms") || !figures.is_object() || figures.empty()) continue;
    SqlColumns row{{"run_path", run_path}, {"phase", phase}, {"metric", metric}};
    for (const char* key : {"n", "min", "p50", "p90", "p95", "p99", "max", "mean"})
      row.emplace_back(key, ValueAt(figures, {key}));
    constexpr std::array<std::array<const char*, 4>, 4> kQuantiles{
        {{"p50", "p50_low", "p50_high", "adjusted_p50"},
         {"p90", "p90_low", "p90_high", "adjusted_p90"},
         {"p95", "p95_low", "p95_high", "adjusted_p95"},
         {"p99", "p99_low", "p99_high", "adjusted_p99"}}};
    for (const auto& [q, low, high, adjusted] : kQuantiles) {
      row.emplace_back(low, ValueAt(block, {"quantiles", metric.c_str(), q, "low"}));
      row.emplace_back(high, ValueAt(block, {"quantiles", metric.c_str(), q, "high"}));
      row.emplace_back(adjusted, ValueAt(block, {"error_adjusted", metric.c_str(), q}));
    }
    rows.emplace_back("request_aggregates", std::move(row));
  }
  AddDueAggregates(run_path, phase, block, rows);
  const json& outcomes = At(block, {"outcomes"});
  if (!outcomes.is_object()) return;
  for (const auto& [outcome, n] : outcomes.items())
    rows.emplace_back(
        "request_outcomes",
        SqlColumns{
            {"run_path", run_path}, {"phase", phase}, {"outcome", outcome}, {"n", ValueOf(n)}});
}

/// The predecessor's deltas say 0 for what it never saw, so nothing is taken from them.
void AddMechanism(const json& phase, bool ours, SqlColumns& row) {
  constexpr std::array kTiers{"matched_tokens",          "offload_g1_to_g2_blocks",
                              "offload_g2_to_g3_blocks", "offload_g1_to_g3_blocks",
                              "onboard_g2_to_g1_blocks", "onboard_g3_to_g1_blocks"};
  if (!ours) return;
  for (const char* key : kTiers) row.emplace_back(key, ValueAt(phase, {"tier_traffic", key}));
  row.emplace_back("process_read_bytes", ValueAt(phase, {"io_traffic", "process_read"}));
  row.emplace_back("process_write_bytes", ValueAt(phase, {"io_traffic", "process_write"}));
  row.emplace_back("device_read_bytes", ValueAt(phase, {"io_traffic", "device_read"}));
  row.emplace_back("device_write_bytes", ValueAt(phase, {"io_traffic", "device_write"}));
  row.emplace_back("drained", ValueAt(phase, {"drain", "settled"}));
  row.emplace_back("drain_s", ValueAt(phase, {"drain", "waited_s"}));
  row.emplace_back("client_cpu", ValueAt(phase, {"client_load", "cpu_fraction"}));
  row.emplace_back("client_saturated", ValueAt(phase, {"client_load", "saturated"}));
}

void AddFindings(const char* where, const std::string& path, const json& findings,
                 IndexRows& rows) {
  if (!findings.is_array()) return;
  for (const json& f : findings)
    rows.emplace_back("findings", SqlColumns{{where, path},
                                             {"code", ValueAt(f, {"code"})},
                                             {"severity", ValueAt(f, {"severity"})},
                                             {"run_id", ValueAt(f, {"run_id"})},
                                             {"phase", ValueAt(f, {"phase"})},
                                             {"detail", ValueAt(f, {"detail"})}});
}

void AddSettings(const std::string& run_path, const json& config, IndexRows& rows) {
  const json& values = At(config, {"args"});
  if (!values.is_object()) return;
  for (const auto& [key, value] : values.items()) {
    SqlValue text = value.is_string() ? ValueOf(value) : SqlValue{};
    if (!value.is_string() && !value.is_null())
      text = value.dump(-1, ' ', false, json::error_handler_t::replace);
    rows.emplace_back("settings",
                      SqlColumns{{"run_path", run_path},
                                 {"key", key},
                                 {"value", std::move(text)},
                                 {"origin", ValueAt(config, {"args_origin", key.c_str()})}});
  }
}

/// The run as a whole, without what brackets its rows.
void AddConfig(const json& config, SqlColumns& row) {
  for (const char* key : {"run_id", "created_utc", "scenario", "tier_mode", "backend",
                          "stack_label", "model_id", "block_device"})
    row.emplace_back(key, ValueAt(config, {key}));
  row.emplace_back("kvtier_version", ValueAt(config, {"versions", "kvtier"}));
  row.emplace_back("git_sha", ValueAt(config, {"versions", "git_sha"}));
  row.emplace_back("host_platform", ValueAt(config, {"host", "platform"}));
}

void AddTotals(const json& summary, SqlColumns& row) {
  row.emplace_back("run_valid", ValueAt(summary, {"run_valid"}));
  row.emplace_back("invalid_reason", ValueAt(summary, {"invalid_reason"}));
  row.emplace_back("duration_s", ValueAt(summary, {"overall_summary", "duration_s"}));
  row.emplace_back("error_rate", ValueAt(summary, {"overall_summary", "error_rate"}));
  // An invalid run has no overall figures; its requests count all the same.
  const json& phases = At(summary, {"phase_summaries"});
  if (!phases.is_array() || phases.empty()) return;
  for (const char* key : {"total_requests", "ok_requests", "error_requests"}) {
    std::int64_t sum = 0;
    bool whole = true;
    for (const json& p : phases) {
      const SqlValue v = ValueAt(p, {key});
      const auto* n = std::get_if<std::int64_t>(&v);
      whole = whole && n != nullptr && !__builtin_add_overflow(sum, *n, &sum);
    }
    if (whole) row.emplace_back(key, sum);
  }
}

void AddIoVerdict(const std::string& run_path, const fs::path& run_dir, IndexRows& rows) {
  const auto verdict = LoadIoVerdict(run_dir);
  if (!verdict) return;
  rows.emplace_back("verdicts",
                    SqlColumns{{"verdict_path", run_path + "/" + bundle_files::kIoVerdict},
                               {"kind", "io_attribution"},
                               {"run_path", run_path},
                               {"status", verdict->pass ? "pass" : "fail"},
                               {"fingerprint", ""}});
}

SqlValue RetiredReason(const fs::path& run_dir) {
  const fs::path file = run_dir / "attempt.json";
  if (!fs::exists(file)) return {};
  return ValueAt(ReadVersioned(file), {"reason"});
}

/// Of a run that kvtier wrote. Throws Error.
IndexRows RowsOfOurs(const IndexedPlace& place) {
  const auto state = LoadRunState(place.path);
  if (!state) throw DataError(std::string(bundle_files::kState) + " is missing");
  IndexRows rows;
  SqlColumns run{{"run_path", place.name},
                 {"bundle_path", ParentOf(place.name)},
                 {"writer", "kvtier"},
                 {"state", state->state},
                 {"reason", TextOr(state->reason)},
                 {"retired_reason", RetiredReason(place.path)},
                 {"started_utc", TextOr(state->started_utc)},
                 {"ended_utc", TextOr(state->ended_utc)},
                 {"fingerprint", place.fingerprint}};
  if (fs::exists(place.path / bundle_files::kConfig)) {
    const json config = LoadRunConfig(place.path);  // refused as a whole when a key is wrong
    AddConfig(config, run);
    AddSettings(place.name, config, rows);
  }
  if (state->state == "closed") {
    const json summary = ReadVersioned(place.path / bundle_files::kSummary);
    AddTotals(summary, run);
    const IndexRows parts = RowsOfSummary(place.name, summary, true);
    rows.insert(rows.end(), parts.begin(), parts.end());
  }
  AddIoVerdict(place.name, place.path, rows);
  rows.emplace(rows.begin(), "runs", std::move(run));
  return rows;
}

IndexRows RowsOfPredecessor(const IndexedPlace& place) {
  const json config = ReadJson(place.path / bundle_files::kConfig);
  if (!IsLegacyArtifact(config))
    throw DataError(std::string(bundle_files::kState) +
                    " is missing, and config.json is not the predecessor's");
  const fs::path file = place.path / bundle_files::kSummary;
  const bool closed = fs::exists(file);
  const json summary = closed ? ReadJson(file) : json();
  IndexRows rows;
  SqlColumns run{{"run_path", place.name},
                 {"bundle_path", ParentOf(place.name)},
                 {"writer", "predecessor"},
                 {"state", closed ? "closed" : "aborted"},
                 {"reason", closed ? SqlValue{} : SqlValue{"summary.json is missing"}},
                 {"fingerprint", place.fingerprint}};
  AddConfig(config, run);
  AddSettings(place.name, config, rows);
  AddTotals(summary, run);
  const IndexRows parts = RowsOfSummary(place.name, summary, false);
  rows.insert(rows.end(), parts.begin(), parts.end());
  rows.emplace(rows.begin(), "runs", std::move(run));
  return rows;
}

void AddPhase70(const json& v, SqlColumns& row) {
  row.emplace_back("kind", "phase70");
  row.emplace_back("ts", ValueAt(v, {"meta", "ts"}));
  row.emplace_back("run_valid", ValueAt(v, {"run_valid"}));
  row.emplace_back("grade", ValueAt(v, {"grade"}));
  row.emplace_back("word", ValueAt(v, {"effect", "verdict"}));
  row.emplace_back("metric", ValueAt(v, {"effect", "primary_metric"}));
  row.emplace_back("pairs", ValueAt(v, {"meta", "pairs"}));
  row.emplace_back("mode_a", ValueAt(v, {"meta", "modes", "mode_a"}));
  row.emplace_back("mode_b", ValueAt(v, {"meta", "modes", "mode_b"}));
  row.emplace_back("concurrency", ValueAt(v, {"meta", "replay_concurrency"}));
  const char* method = At(v, {"effect", "hl"}).is_object() ? "hl" : "treatment";
  row.emplace_back("effect_pct", ValueAt(v, {"effect", method, "estimate_pct"}));
  row.emplace_back("low_pct", ValueAt(v, {"effect", method, "low_pct"}));
  row.emplace_back("high_pct", ValueAt(v, {"effect", method, "high_pct"}));
}

void AddPhase60(const json& v, SqlColumns& row) {
  row.emplace_back("kind", "phase60");
  row.emplace_back("ts", ValueAt(v, {"meta", "ts"}));
  row.emplace_back("status", ValueAt(v, {"status"}));
  row.emplace_back("reason", ValueAt(v, {"stop_detail"}));
}

std::string JoinedCodes(const json& codes) {
  std::string text;
  if (!codes.is_array()) return text;
  for (const json& code : codes) {
    if (code.is_string()) text += (text.empty() ? "" : ",") + code.get<std::string>();
  }
  return text;
}

}  // namespace

IndexRows RowsOfSummary(const std::string& run_path, const json& summary, bool ours) {
  IndexRows rows;
  const json& phases = At(summary, {"phase_summaries"});
  std::int64_t position = 0;
  if (phases.is_array()) {
    for (const json& p : phases) {
      if (!p.is_object()) continue;
      SqlColumns row{
          {"run_path", run_path},
          {"position", ++position},
          {"phase", ValueAt(p, {"phase"})},
          {"start_utc", ValueAt(p, {"phase_start_ts"})},
          {"end_utc", ValueAt(p, {"phase_end_ts"})},
          {"planned_requests", ValueAt(p, {"requests"})},
          {"in_overall", ValueAt(p, {"include_in_overall"})},
          {"input_tokens_per_s", ValueAt(p, {"input_tokens_per_s_est"})},
          {"output_tokens_per_s", ValueAt(p, {"output_tokens_per_s_est"})},
          {"steady_input_tokens_per_s", ValueAt(p, {"steady_window", "input_tokens_per_s"})},
          {"steady_output_tokens_per_s", ValueAt(p, {"steady_window", "output_tokens_per_s"})},
          {"goodput_rps", ValueAt(p, {"load", "goodput", "goodput_rps"})},
          {"slo_attainment", ValueAt(p, {"load", "goodput", "attainment"})}};
      for (const char* key : {"concurrency", "duration_s", "total_requests", "ok_requests",
                              "error_requests", "error_rate", "req_per_s"})
        row.emplace_back(key, ValueAt(p, {key}));
      AddMechanism(p, ours, row);
      rows.emplace_back("phases", std::move(row));
      AddAggregates(run_path, ValueAt(p, {"phase"}), p, rows);
    }
  }
  if (const json& overall = At(summary, {"overall_summary"}); overall.is_object())
    AddAggregates(run_path, "overall", overall, rows);
  AddFindings("run_path", run_path, At(summary, {"findings"}), rows);
  return rows;
}

IndexRows RowsOfRun(const IndexedPlace& place) {
  try {
    return fs::exists(place.path / bundle_files::kState) ? RowsOfOurs(place)
                                                         : RowsOfPredecessor(place);
  } catch (const std::exception& e) {  // Error, or JSON of the right version and the wrong shape
    return {{"runs", SqlColumns{{"run_path", place.name},
                                {"bundle_path", ParentOf(place.name)},
                                {"state", "broken"},
                                {"reason", e.what()},
                                {"fingerprint", place.fingerprint}}}};
  }
}

IndexRows RowsOfVerdict(const IndexedPlace& place) {
  SqlColumns row{{"verdict_path", place.name}, {"fingerprint", place.fingerprint}};
  IndexRows rows;
  try {
    const json v = ReadJson(place.path);
    if (!v.is_object()) throw DataError(place.path.string() + " is no JSON object");
    if (!IsLegacyArtifact(v)) (void)ReadVersioned(place.path);
    row.emplace_back("created_utc", At(v, {"created_utc"}).is_null()
                                        ? ValueAt(v, {"meta", "created_utc"})
                                        : ValueAt(v, {"created_utc"}));
    row.emplace_back("decision_grade", ValueAt(v, {"decision_grade"}));
    row.emplace_back("reason_codes", TextOr(JoinedCodes(At(v, {"reason_codes"}))));
    if (place.path.filename().string().starts_with("phase70"))
      AddPhase70(v, row);
    else
      AddPhase60(v, row);
    AddFindings("verdict_path", place.name, At(v, {"reasons"}), rows);
  } catch (const Error& e) {
    row = {{"verdict_path", place.name},
           {"kind", "broken"},
           {"reason", e.what()},
           {"fingerprint", place.fingerprint}};
    rows.clear();
  }
  rows.emplace(rows.begin(), "verdicts", std::move(row));
  return rows;
}

}  // namespace kvtier
