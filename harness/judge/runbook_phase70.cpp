#include "harness/judge/runbook_phase70.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <numeric>

#include "harness/judge/reason.hpp"
#include "harness/judge/runbook_json.hpp"

namespace kvtier::runbook {
namespace {

constexpr double kGiB = 1024.0 * 1024.0 * 1024.0;

/// The first key that holds a number, else 0.
double FirstOrZero(const json& j, std::initializer_list<const char*> keys) {
  for (const char* key : keys) {
    if (const Number n = Num(Get(j, key))) return *n;
  }
  return 0;
}

constexpr std::array<std::pair<const char*, const char*>, 7> kDeltas{
    {{"delta_replay_ttfc_p95_ms", "replay_ttfc_p95_ms"},
     {"delta_replay_ttfc_p99_ms", "replay_ttfc_p99_ms"},
     {"delta_replay_ttft_p95_ms", "replay_ttft_p95_ms"},
     {"delta_replay_ttft_p99_ms", "replay_ttft_p99_ms"},
     {"delta_replay_read_gib", "replay_read_gib"},
     {"delta_matched_tokens", "kvbm_matched_tokens_delta"},
     {"delta_onboard_blocks", "kvbm_onboard_blocks_delta"}}};

Number ReadGib(const json& replay) {
  const json& io = Get(replay, "io_delta");
  if (const Number bytes = Num(Get(io, "read_bytes_delta"))) return *bytes / kGiB;
  if (const Number mib = Num(Get(io, "read_mib_delta"))) return *mib / 1024;
  return std::nullopt;
}

json PidWarn(const json& io_verdict) {
  const json& checks = Get(io_verdict, "checks");
  if (!checks.is_array()) return {};
  for (const json& check : checks) {
    if (Get(check, "name") == "replay_process_pid_readers_present")
      return Get(check, "status") == "WARN";
  }
  return false;
}

json RowOf(const RunFiles& files, const json& meta) {
  const json& run = files.run;
  const json& summary = files.summary;
  const json replay = ReplayPhase(summary);
  const json& kv = Get(replay, "kvbm_metrics_delta");
  const json& storage = Get(summary, "storage");
  const Number ttfc = Num(Get(Get(replay, "ttfc_ms"), "p95"));
  const Number ttft = Num(Get(Get(replay, "ttft_ms"), "p95"));
  json row;
  for (const char* key : {"pair_id", "pair_order", "pair_leg", "mode", "run_id", "bundle_id"})
    row[key] = Get(run, key);
  row["replay_concurrency"] = Get(meta, "replay_concurrency");
  row["timestamp_utc"] = Get(summary, "created_utc").is_null() ? Get(run, "completed_utc")
                                                               : Get(summary, "created_utc");
  row["status"] = Truthy(Get(summary, "run_valid")) ? "ok" : "invalid";
  row["error_rate"] = OrNull(Num(Get(Get(summary, "overall_summary"), "error_rate")));
  row["stream"] = Truthy(Get(summary, "stream"));
  row["stream_record_ttfb"] = Truthy(Get(summary, "stream_record_ttfb"));
  row["replay_ttfc_p95_ms"] = OrNull(ttfc);
  row["replay_ttfc_p99_ms"] = OrNull(Num(Get(Get(replay, "ttfc_ms"), "p99")));
  row["replay_ttft_p95_ms"] = OrNull(ttft);
  row["replay_ttft_p99_ms"] = OrNull(Num(Get(Get(replay, "ttft_ms"), "p99")));
  row["metric_preferred_replay_p95"] = "replay_ttfc_p95_ms";
  row["metric_used_replay_p95"] = ttfc   ? "replay_ttfc_p95_ms"
                                  : ttft ? "replay_ttft_p95_ms"
                                         : "missing";
  row["replay_read_gib"] = OrNull(ReadGib(replay));
  const json& pass = Get(files.io_verdict, "pass");
  row["io_attrib_pass"] = pass.is_boolean() ? pass : json();
  row["process_evidence_method"] = Get(files.io_verdict, "process_evidence_method");
  row["pid_warn"] = PidWarn(files.io_verdict);
  const Number matched = Num(Get(kv, "kvbm_matched_tokens_delta"));
  row["kvbm_matched_tokens_delta"] =
      OrNull(matched ? matched : Num(Get(kv, "matched_tokens_total_delta")));
  const Number total = Num(Get(kv, "onboard_blocks_total_delta"));  // host and disk together
  row["kvbm_onboard_blocks_delta"] =
      OrNull(total ? total : Num(Get(kv, "kvbm_onboard_blocks_d2d_delta")));
  for (const char* key : {"primary_nvme_model", "primary_nvme_fw", "pcie_link"})
    row[key] = Get(storage, key);
  row["run_path"] = files.folder;
  row["io_attrib_checked"] = Truthy(Get(run, "io_attrib_checked"));
  row["io_attrib_checker_rc"] = OrNull(Num(Get(run, "io_attrib_checker_rc")));
  row["io_attrib_verdict_path"] = files.folder + "/io/io_attrib_verdict.json";
  return row;
}

json PairDeltasOf(const json& rows, const std::string& mode_a, const std::string& mode_b) {
  struct Pair {
    json id, order;
    const json *a = nullptr, *b = nullptr;
  };
  std::vector<Pair> pairs;
  for (const json& row : rows) {
    auto pair = std::find_if(pairs.begin(), pairs.end(),
                             [&](const Pair& p) { return p.id == Get(row, "pair_id"); });
    if (pair == pairs.end())
      pair = pairs.insert(pairs.end(), {Get(row, "pair_id"), Get(row, "pair_order")});
    if (Get(row, "mode") == mode_a) pair->a = &row;
    if (Get(row, "mode") == mode_b) pair->b = &row;
  }
  std::stable_sort(pairs.begin(), pairs.end(), [](const Pair& x, const Pair& y) {
    return Num(x.id).value_or(0) < Num(y.id).value_or(0);
  });
  json out = json::array();
  for (const Pair& p : pairs) {
    json d{{"pair_id", p.id}, {"pair_order", p.order}, {"mode_a", mode_a}, {"mode_b", mode_b}};
    d["mode_a_run_id"] = p.a != nullptr ? Get(*p.a, "run_id") : json();
    d["mode_b_run_id"] = p.b != nullptr ? Get(*p.b, "run_id") : json();
    for (const auto& [delta, key] : kDeltas) {
      const Number a = p.a != nullptr ? Num(Get(*p.a, key)) : std::nullopt;
      const Number b = p.b != nullptr ? Num(Get(*p.b, key)) : std::nullopt;
      d[delta] = a && b ? json(*b - *a) : json();
    }
    out.push_back(std::move(d));
  }
  return out;
}

std::vector<double> Collect(const json& deltas, const char* key, const std::string& order = "") {
  std::vector<double> out;
  for (const json& d : deltas) {
    const Number n = Num(Get(d, key));
    if (n && (order.empty() || Get(d, "pair_order") == order)) out.push_back(*n);
  }
  return out;
}

Number MeanOf(const std::vector<double>& v) {
  if (v.empty()) return std::nullopt;
  return std::accumulate(v.begin(), v.end(), 0.0) / static_cast<double>(v.size());
}
Number SdOf(const std::vector<double>& v) {
  if (v.size() < 2) return std::nullopt;
  const double mean = *MeanOf(v);
  double sum = 0;
  for (const double x : v) sum += (x - mean) * (x - mean);
  return std::sqrt(sum / static_cast<double>(v.size() - 1));
}

}  // namespace

Signals SignalsOf(const json& run_summary) {
  const json replay = ReplayPhase(run_summary);
  const json& kv = Get(replay, "kvbm_metrics_delta");
  Signals s;
  s.matched = FirstOrZero(kv, {"kvbm_matched_tokens_delta", "matched_tokens_total_delta"});
  s.onboard = FirstOrZero(kv, {"kvbm_onboard_blocks_d2d_delta", "onboard_blocks_total_delta"});
  s.offload = FirstOrZero(kv, {"kvbm_offload_blocks_h2d_delta", "offload_blocks_total_delta"});
  // No producer writes these keys: the documented chain always ends at 0 on real artifacts.
  constexpr const char* kRate = "kvbm_disk_cache_hit_rate";
  const Number end = Num(Get(Get(replay, "kvbm_metrics_end"), kRate));
  if (end) {
    s.hit = *end;
  } else if (const Number n = Num(Get(kv, kRate))) {
    s.hit = *n;
  } else if (const Number d = Num(Get(kv, std::string(kRate) + "_delta"))) {
    s.hit = *d;
  }
  return s;
}

Number Num(const json& value) {
  double n = 0;
  if (value.is_boolean()) {
    n = value.get<bool>() ? 1 : 0;
  } else if (value.is_number()) {
    n = value.get<double>();
  } else if (value.is_string()) {
    const std::string& text = value.get_ref<const std::string&>();
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  } else {
    return std::nullopt;
  }
  return std::isfinite(n) ? Number(n) : std::nullopt;
}

json ReplayPhase(const json& run_summary) {
  const json& phases = Get(run_summary, "phase_summaries");
  if (!phases.is_array()) return json::object();
  for (const char* name : {"replay", "replay_A"}) {
    for (const json& phase : phases) {
      if (Get(phase, "phase") == name) return phase;
    }
  }
  for (const json& phase : phases) {
    if (Text(Get(phase, "phase")).starts_with("replay")) return phase;
  }
  return json::object();
}

json JudgeGate(const json& run_summary, const GateOptions& o) {
  const Signals s = SignalsOf(run_summary);
  const bool hard = s.onboard > 0 || s.offload > 0 || s.hit >= o.min_disk_hit_rate;
  const bool soft = s.matched > o.min_matched_tokens;
  const bool pass = hard && (soft || !o.require_matched);
  json codes = json::array(), notes = json::array();
  if (!pass) codes.push_back(Code(Reason::kGateNoSsdMechanismSignal));
  if (hard && !soft) notes.push_back("matched_tokens_signal_missing_soft");
  return {{"pass", pass},
          {"reason_codes", codes},
          {"run_id", Get(run_summary, "run_id")},
          {"thresholds",
           {{"min_disk_hit_rate", o.min_disk_hit_rate},
            {"min_matched_tokens", o.min_matched_tokens},
            {"require_matched", o.require_matched}}},
          {"signals",
           {{"kvbm_matched_tokens_delta", s.matched},
            {"kvbm_onboard_blocks_d2d_delta", s.onboard},
            {"kvbm_offload_blocks_h2d_delta", s.offload},
            {"kvbm_disk_cache_hit_rate", s.hit}}},
          {"hard_signal", hard},
          {"matched_signal", soft},
          {"notes", notes}};
}

json Stats(const std::vector<double>& v) {
  const Number mean = MeanOf(v), sd = SdOf(v);
  Number half, low, high;
  if (sd) {
    half = 1.96 * *sd / std::sqrt(static_cast<double>(v.size()));
    low = *mean - *half;
    high = *mean + *half;
  }
  return {{"n", v.size()},
          {"mean", OrNull(mean)},
          {"stddev", OrNull(sd)},
          {"min", v.empty() ? json() : json(*std::min_element(v.begin(), v.end()))},
          {"max", v.empty() ? json() : json(*std::max_element(v.begin(), v.end()))},
          {"approx_ci95_half_width", OrNull(half)},
          {"approx_ci95_low", OrNull(low)},
          {"approx_ci95_high", OrNull(high)}};
}

json OrderMetric(std::string_view metric, const std::vector<double>& ab,
                 const std::vector<double>& ba, const std::string& ab_label,
                 const std::string& ba_label) {
  std::vector<double> all = ab;
  all.insert(all.end(), ba.begin(), ba.end());
  json m{{"metric", metric},
         {"order_ab_label", ab_label},
         {"order_ba_label", ba_label},
         {"order_ab", Stats(ab)},
         {"order_ba", Stats(ba)},
         {"all_pairs", Stats(all)},
         {"difference_of_means", nullptr},
         {"relative_effect_size", nullptr},
         {"order_effect_flag", nullptr},
         {"order_effect_note", "Insufficient AB/BA data: one order has no pair."}};
  if (ab.empty() || ba.empty()) return m;
  const double difference = *MeanOf(ab) - *MeanOf(ba);
  m["difference_of_means"] = difference;
  const Number sd_ab = SdOf(ab), sd_ba = SdOf(ba);
  const double pooled = sd_ab && sd_ba ? std::sqrt((*sd_ab * *sd_ab + *sd_ba * *sd_ba) / 2) : 0;
  if (pooled > 0) {
    m["relative_effect_size"] = std::abs(difference) / pooled;
    m["order_effect_flag"] = std::abs(difference) / pooled >= 1.0;
    m["order_effect_note"] = "Difference of means over the pooled deviation, flagged from 1.0 on.";
    return m;
  }
  const double threshold = std::max({1.0, SdOf(all).value_or(0), 0.2 * std::abs(*MeanOf(all))});
  m["order_effect_flag"] = std::abs(difference) > threshold;
  m["order_effect_note"] = "No spread inside the orders: compared with a fixed threshold.";
  return m;
}

Analysis Analyze(const json& manifest, const std::vector<RunFiles>& runs, const std::string& mode_a,
                 const std::string& mode_b) {
  Analysis out;
  const json& meta = Get(manifest, "meta");
  for (const RunFiles& files : runs) {
    if (files.error.empty()) {
      out.rows.push_back(RowOf(files, meta));
    } else {
      out.errors.push_back("failed_to_extract_run:" + Text(Get(files.run, "run_id")) + ":" +
                           files.error);
    }
  }
  out.pair_deltas = PairDeltasOf(out.rows, mode_a, mode_b);
  for (const auto& [delta, key] : kDeltas)
    out.delta_rollups[delta] = Stats(Collect(out.pair_deltas, delta));
  const std::string ab = mode_a + "_" + mode_b, ba = mode_b + "_" + mode_a;
  json metrics = json::object();
  bool dependent = false;
  for (const char* name : {kDeltas[0].first, kDeltas[2].first}) {
    metrics[name] = OrderMetric(name, Collect(out.pair_deltas, name, ab),
                                Collect(out.pair_deltas, name, ba), ab, ba);
    dependent = dependent || metrics[name]["order_effect_flag"] == true;
  }
  out.order_check = {
      {"meta", {{"replay_concurrency", Get(meta, "replay_concurrency")}}},
      {"pair_count", out.pair_deltas.size()},
      {"mode_a", mode_a},
      {"mode_b", mode_b},
      {"order_labels", {{"order_ab", ab}, {"order_ba", ba}}},
      {"delta_definition", "mode_b_minus_mode_a"},
      {"note", "Descriptive, by the documented rule; it fires without an order effect too."},
      {"metrics", metrics},
      {"order_effect_summary",
       {{"order_dependent", dependent},
        {"recommendation", dependent ? "Add pairs or lengthen the washout."
                                     : "No order effect by the documented rule."}}},
      {"delta_rollups", out.delta_rollups}};
  return out;
}

json SummaryJson(const json& manifest, const Analysis& analysis, const std::string& mode_a,
                 const std::string& mode_b, const json& artifacts) {
  const json& meta = Get(manifest, "meta");
  return {{"meta", meta},
          {"replay_concurrency", Get(meta, "replay_concurrency")},
          {"mode_a", mode_a},
          {"mode_b", mode_b},
          {"run_count", analysis.rows.size()},
          {"pair_count", analysis.pair_deltas.size()},
          {"rows", analysis.rows},
          {"pair_deltas", analysis.pair_deltas},
          {"delta_rollups", analysis.delta_rollups},
          {"errors", analysis.errors},
          {"artifacts", artifacts}};
}

}  // namespace kvtier::runbook
