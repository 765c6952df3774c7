#include "harness/report/pack/pack_tables.hpp"

#include <array>
#include <string_view>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "harness/judge/agreement.hpp"
#include "harness/report/csv.hpp"

namespace kvtier {
using nlohmann::json;

namespace {

template <class T>
json NullOr(const std::optional<T>& v) {
  return v ? json(*v) : json();
}
template <class T>
json NullOr(const Reading<T>& v) {
  return v.available() ? json(*v) : json();
}

/// A table whose columns are the keys of its first row, in the order of `columns`.
template <std::size_t N>
PackFile Csv(std::string name, const std::array<std::string_view, N>& columns, const json& rows) {
  return {std::move(name), CsvText(columns, rows)};
}

using Column = std::optional<double> PairRow::*;

DeltaStats OverMode(const PackInput& in, TierMode mode, Column column) {
  std::vector<double> values;
  for (const auto& r : in.analysis.rows) {
    if (r.mode == mode && r.status == "ok" && r.*column) values.push_back(*(r.*column));
  }
  return DeltaStatsOf(values);
}

/// mode_b - mode_a over the complete pairs.
DeltaStats OverPairs(const PackInput& in, Column column) {
  std::vector<double> values;
  for (const auto& d : in.analysis.deltas) {
    const PairRow* a = nullptr;
    const PairRow* b = nullptr;
    for (const auto& r : in.analysis.rows) {
      if (r.run_id == d.mode_a_run_id) a = &r;
      if (r.run_id == d.mode_b_run_id) b = &r;
    }
    if (d.complete && a != nullptr && b != nullptr && a->*column && b->*column)
      values.push_back(*(b->*column) - *(a->*column));
  }
  return DeltaStatsOf(values);
}

PackFile MainLatency(const PackInput& in) {
  const auto& s = in.manifest.setup;
  json rows = json::array();
  for (const auto& [what, column] :
       {std::pair<const char*, Column>{"Replay TTFC p50 (ms)", &PairRow::replay_ttfc_p50_ms},
        {"Replay TTFC p95 (ms)", &PairRow::replay_ttfc_p95_ms},
        {"Replay TTFC p99 (ms)", &PairRow::replay_ttfc_p99_ms}}) {
    const DeltaStats a = OverMode(in, s.mode_a, column);
    const DeltaStats b = OverMode(in, s.mode_b, column);
    const DeltaStats d = OverPairs(in, column);
    rows.push_back({{"metric", what},
                    {"mode_a", TierName(s.mode_a)},
                    {"mode_b", TierName(s.mode_b)},
                    {"mode_a_mean_ms", NullOr(a.mean)},
                    {"mode_b_mean_ms", NullOr(b.mean)},
                    {"mode_a_min_ms", NullOr(a.min)},
                    {"mode_a_max_ms", NullOr(a.max)},
                    {"mode_b_min_ms", NullOr(b.min)},
                    {"mode_b_max_ms", NullOr(b.max)},
                    {"delta_mean_ms", NullOr(d.mean)},
                    {"delta_stddev_ms", NullOr(d.stddev)},
                    {"delta_min_ms", NullOr(d.min)},
                    {"delta_max_ms", NullOr(d.max)},
                    {"delta_ci95_low_ms", NullOr(d.low)},
                    {"delta_ci95_high_ms", NullOr(d.high)},
                    {"delta_n_pairs", d.n}});
  }
  constexpr std::array<std::string_view, 16> kColumns{"metric",
                                                      "mode_a",
                                                      "mode_b",
                                                      "mode_a_mean_ms",
                                                      "mode_b_mean_ms",
                                                      "mode_a_min_ms",
                                                      "mode_a_max_ms",
                                                      "mode_b_min_ms",
                                                      "mode_b_max_ms",
                                                      "delta_mean_ms",
                                                      "delta_stddev_ms",
                                                      "delta_min_ms",
                                                      "delta_max_ms",
                                                      "delta_ci95_low_ms",
                                                      "delta_ci95_high_ms",
                                                      "delta_n_pairs"};
  return Csv("tables/table_main_latency.csv", kColumns, rows);
}

PackFile Mechanism(const PackInput& in) {
  json rows = json::array();
  for (const TierMode mode : kAllTierModes) {
    if (!RunsMode(in.manifest.setup, mode)) continue;
    int runs = 0, passed = 0, checked = 0, pid = 0, cgroup = 0, none = 0, other = 0;
    for (const auto& r : in.analysis.rows) {
      if (r.mode != mode) continue;
      ++runs;
      checked += r.io_attrib_pass.has_value();
      passed += r.io_attrib_pass.value_or(false);
      const std::string& method = r.process_evidence_method;
      (method == "pid" || method == "proc_pid_io"    ? pid
       : method == "cgroup" || method == "cgroup_io" ? cgroup
       : method == "none" || method.empty()          ? none
                                                     : other) += 1;
    }
    const DeltaStats read = OverMode(in, mode, &PairRow::replay_read_gib);
    rows.push_back({{"mode", TierName(mode)},
                    {"run_count", runs},
                    {"replay_read_gib_mean", NullOr(read.mean)},
                    {"replay_read_gib_stddev", NullOr(read.stddev)},
                    {"replay_read_gib_min", NullOr(read.min)},
                    {"replay_read_gib_max", NullOr(read.max)},
                    {"io_attrib_pass_rate", checked > 0 ? json(1.0 * passed / checked) : json()},
                    {"io_attrib_pass_count", passed},
                    {"io_attrib_total", checked},
                    {"process_evidence_pid_count", pid},
                    {"process_evidence_cgroup_count", cgroup},
                    {"process_evidence_none_count", none},
                    {"process_evidence_other_count", other}});
  }
  constexpr std::array<std::string_view, 13> kColumns{"mode",
                                                      "run_count",
                                                      "replay_read_gib_mean",
                                                      "replay_read_gib_stddev",
                                                      "replay_read_gib_min",
                                                      "replay_read_gib_max",
                                                      "io_attrib_pass_rate",
                                                      "io_attrib_pass_count",
                                                      "io_attrib_total",
                                                      "process_evidence_pid_count",
                                                      "process_evidence_cgroup_count",
                                                      "process_evidence_none_count",
                                                      "process_evidence_other_count"};
  return Csv("tables/table_mechanism.csv", kColumns, rows);
}

PackFile OrderEffect(const PackInput& in) {
  json rows = json::array();
  for (const auto& [name, m] : in.analysis.order_check.metrics) {
    json row{{"metric", name},
             {"order_ab_label", m.order_ab_label},
             {"order_ba_label", m.order_ba_label},
             {"difference_of_means", NullOr(m.difference_of_means)},
             {"relative_effect_size", NullOr(m.relative_effect_size)},
             {"order_effect_flag", NullOr(m.order_effect_flag)},
             {"order_effect_note", m.order_effect_note}};
    for (const auto& [side, stats] :
         {std::pair{"order_ab", m.order_ab}, {"order_ba", m.order_ba}}) {
      const std::string s = side;
      row[s + "_n"] = stats.n;
      row[s + "_mean"] = NullOr(stats.mean);
      row[s + "_stddev"] = NullOr(stats.stddev);
      row[s + "_min"] = NullOr(stats.min);
      row[s + "_max"] = NullOr(stats.max);
      row[s + "_ci95_low"] = NullOr(stats.low);
      row[s + "_ci95_high"] = NullOr(stats.high);
    }
    rows.push_back(std::move(row));
  }
  constexpr std::array<std::string_view, 21> kColumns{"metric",
                                                      "order_ab_label",
                                                      "order_ba_label",
                                                      "order_ab_n",
                                                      "order_ab_mean",
                                                      "order_ab_stddev",
                                                      "order_ab_min",
                                                      "order_ab_max",
                                                      "order_ab_ci95_low",
                                                      "order_ab_ci95_high",
                                                      "order_ba_n",
                                                      "order_ba_mean",
                                                      "order_ba_stddev",
                                                      "order_ba_min",
                                                      "order_ba_max",
                                                      "order_ba_ci95_low",
                                                      "order_ba_ci95_high",
                                                      "difference_of_means",
                                                      "relative_effect_size",
                                                      "order_effect_flag",
                                                      "order_effect_note"};
  return Csv("tables/table_order_effect.csv", kColumns, rows);
}

PackFile Phases(const PackInput& in) {
  json rows = json::array();
  for (const auto& leg : in.legs) {
    for (const auto& p : leg.evidence.phases)
      rows.push_back({{"pair_id", leg.pair_id},
                      {"pair_leg", leg.pair_leg},
                      {"mode", TierName(leg.evidence.tier)},
                      {"run_id", leg.evidence.run_id},
                      {"phase", p.name},
                      {"duration_s", p.duration_s},
                      {"engine_read_bytes", NullOr(EngineRead(leg.evidence, p))},
                      {"system_read_bytes", NullOr(p.io.WitnessRead())},
                      {"device_read_bytes", NullOr(p.io.device_read)},
                      {"engine_written_bytes", NullOr(EngineWritten(leg.evidence, p))},
                      {"system_written_bytes", NullOr(p.io.WitnessWrite())},
                      {"device_written_bytes", NullOr(p.io.device_write)},
                      {"onboard_host_blocks", NullOr(p.tiers.onboard_g2_to_g1_blocks)},
                      {"onboard_ssd_blocks", NullOr(p.tiers.onboard_g3_to_g1_blocks)},
                      {"matched_tokens", NullOr(p.tiers.matched_tokens)}});
  }
  constexpr std::array<std::string_view, 15> kColumns{"pair_id",
                                                      "pair_leg",
                                                      "mode",
                                                      "run_id",
                                                      "phase",
                                                      "duration_s",
                                                      "engine_read_bytes",
                                                      "system_read_bytes",
                                                      "device_read_bytes",
                                                      "engine_written_bytes",
                                                      "system_written_bytes",
                                                      "device_written_bytes",
                                                      "onboard_host_blocks",
                                                      "onboard_ssd_blocks",
                                                      "matched_tokens"};
  return Csv("RESULTS/phases.csv", kColumns, rows);
}

PackFile Hits(const PackInput& in) {
  json rows = json::array();
  for (const auto& h : in.verdict().hits)
    rows.push_back({{"run_id", h.run_id},
                    {"tier", h.tier},
                    {"expected_low_blocks", h.expected_low},
                    {"expected_high_blocks", h.expected_high},
                    {"actual_blocks", NullOr(h.actual)},
                    {"holds", h.Holds()}});
  constexpr std::array<std::string_view, 6> kColumns{
      "run_id", "tier", "expected_low_blocks", "expected_high_blocks", "actual_blocks", "holds"};
  return Csv("RESULTS/hits.csv", kColumns, rows);
}

PackFile EvidenceTable(const std::vector<ExpectedEvidence>& evidence) {
  json rows = json::array();
  for (const auto& e : evidence)
    rows.push_back({{"id", e.id},
                    {"state", EvidenceStateName(e.state)},
                    {"expected", e.expected},
                    {"witness", e.witness},
                    {"legs_seen", e.legs_seen},
                    {"legs_expected", e.legs_expected},
                    {"figures", e.figures},
                    {"first_absent", fmt::format("{}", fmt::join(e.first_absent, "; "))},
                    {"likely_causes", fmt::format("{}", fmt::join(e.likely_causes, " "))}});
  constexpr std::array<std::string_view, 9> kColumns{"id",      "state",        "expected",
                                                     "witness", "legs_seen",    "legs_expected",
                                                     "figures", "first_absent", "likely_causes"};
  return Csv("RESULTS/evidence.csv", kColumns, rows);
}

PackFile FindingsTable(const PackInput& in) {
  json rows = json::array();
  for (const auto& f : in.verdict().findings)
    rows.push_back({{"code", Code(f.reason)},
                    {"severity", SeverityName(f.severity)},
                    {"run_id", f.run_id},
                    {"phase", f.phase},
                    {"detail", f.detail}});
  constexpr std::array<std::string_view, 5> kColumns{"code", "severity", "run_id", "phase",
                                                     "detail"};
  return Csv("RESULTS/findings.csv", kColumns, rows);
}

PackFile Noise(const PackInput& in) {
  json rows = json::array();
  for (const auto& leg : in.legs) {
    for (const auto& p : leg.evidence.phases) {
      if (!p.host.during.available()) continue;
      const HostWindow& w = *p.host.during;
      rows.push_back({{"run_id", leg.evidence.run_id},
                      {"phase", p.name},
                      {"cpu_other_ratio", NullOr(w.cpu_other_ratio)},
                      {"cpu_steal_ratio", NullOr(w.cpu_steal_ratio)},
                      {"cpu_iowait_ratio", NullOr(w.cpu_iowait_ratio)},
                      {"other_read_bytes", NullOr(w.other_read)},
                      {"other_written_bytes", NullOr(w.other_write)},
                      {"read_await_ms", NullOr(w.read_await_ms)},
                      {"write_await_ms", NullOr(w.write_await_ms)},
                      {"nvme_celsius_max", NullOr(w.nvme_celsius_max)},
                      {"zone_celsius_max", NullOr(w.zone_celsius_max)},
                      {"memory_stall_ratio", NullOr(w.memory_stall_ratio)},
                      {"clock_step_ms", NullOr(w.clock_step_ms)}});
    }
  }
  constexpr std::array<std::string_view, 13> kColumns{"run_id",
                                                      "phase",
                                                      "cpu_other_ratio",
                                                      "cpu_steal_ratio",
                                                      "cpu_iowait_ratio",
                                                      "other_read_bytes",
                                                      "other_written_bytes",
                                                      "read_await_ms",
                                                      "write_await_ms",
                                                      "nvme_celsius_max",
                                                      "zone_celsius_max",
                                                      "memory_stall_ratio",
                                                      "clock_step_ms"};
  return Csv("RESULTS/noise.csv", kColumns, rows);
}

}  // namespace

std::vector<PackFile> DocumentedTables(const PackInput& in) {
  return {MainLatency(in), Mechanism(in), OrderEffect(in)};
}

std::vector<PackFile> ResultTables(const PackInput& in,
                                   const std::vector<ExpectedEvidence>& evidence) {
  return {Phases(in), Hits(in), EvidenceTable(evidence), FindingsTable(in), Noise(in)};
}

}  // namespace kvtier
