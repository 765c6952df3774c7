#include "harness/report/index/index_rows.hpp"

namespace kvtier {

std::string_view IndexTables() {
  return R"sql(
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT);
CREATE TABLE runs(
  run_path TEXT PRIMARY KEY, bundle_path TEXT, run_id TEXT, writer TEXT, state TEXT, reason TEXT,
  retired_reason TEXT, created_utc TEXT, started_utc TEXT, ended_utc TEXT, scenario TEXT,
  tier_mode TEXT, backend TEXT, stack_label TEXT, model_id TEXT, run_valid INTEGER,
  invalid_reason TEXT, duration_s REAL, total_requests INTEGER, ok_requests INTEGER,
  error_requests INTEGER, error_rate REAL, kvtier_version TEXT, git_sha TEXT, host_platform TEXT,
  block_device TEXT, fingerprint TEXT NOT NULL);
CREATE TABLE phases(
  run_path TEXT NOT NULL, position INTEGER, phase TEXT, start_utc TEXT, end_utc TEXT,
  concurrency INTEGER, planned_requests INTEGER, in_overall INTEGER, duration_s REAL,
  total_requests INTEGER, ok_requests INTEGER, error_requests INTEGER, error_rate REAL,
  req_per_s REAL, input_tokens_per_s REAL, output_tokens_per_s REAL, steady_input_tokens_per_s REAL,
  steady_output_tokens_per_s REAL, goodput_rps REAL, slo_attainment REAL, matched_tokens INTEGER,
  offload_g1_to_g2_blocks INTEGER, offload_g2_to_g3_blocks INTEGER,
  offload_g1_to_g3_blocks INTEGER, onboard_g2_to_g1_blocks INTEGER,
  onboard_g3_to_g1_blocks INTEGER, process_read_bytes INTEGER, process_write_bytes INTEGER,
  device_read_bytes INTEGER, device_write_bytes INTEGER, drained INTEGER, drain_s REAL,
  client_cpu REAL, client_saturated INTEGER);
CREATE TABLE request_aggregates(
  run_path TEXT NOT NULL, phase TEXT, metric TEXT, n INTEGER, min REAL, p50 REAL, p90 REAL,
  p95 REAL, p99 REAL, max REAL, mean REAL, p50_low REAL, p50_high REAL, p90_low REAL,
  p90_high REAL, p95_low REAL, p95_high REAL, p99_low REAL, p99_high REAL, adjusted_p50 REAL,
  adjusted_p90 REAL, adjusted_p95 REAL, adjusted_p99 REAL);
CREATE TABLE request_outcomes(run_path TEXT NOT NULL, phase TEXT, outcome TEXT, n INTEGER);
CREATE TABLE findings(
  run_path TEXT, verdict_path TEXT, code TEXT, severity TEXT, run_id TEXT, phase TEXT,
  detail TEXT);
CREATE TABLE verdicts(
  verdict_path TEXT PRIMARY KEY, kind TEXT, run_path TEXT, ts TEXT, created_utc TEXT, status TEXT,
  run_valid INTEGER, decision_grade INTEGER, grade TEXT, word TEXT, metric TEXT, effect_pct REAL,
  low_pct REAL, high_pct REAL, pairs INTEGER, mode_a TEXT, mode_b TEXT, concurrency INTEGER,
  reason_codes TEXT, reason TEXT, fingerprint TEXT NOT NULL);
CREATE TABLE settings(run_path TEXT NOT NULL, key TEXT, value TEXT, origin TEXT);
CREATE INDEX phases_of_run ON phases(run_path);
CREATE INDEX aggregates_of_run ON request_aggregates(run_path, phase, metric);
CREATE INDEX outcomes_of_run ON request_outcomes(run_path);
CREATE INDEX findings_of_run ON findings(run_path);
CREATE INDEX findings_of_verdict ON findings(verdict_path);
CREATE INDEX settings_of_run ON settings(run_path);
)sql";
}

}  // namespace kvtier
