#include <algorithm>
#include <cctype>
#include <cmath>
#include <set>

#include "harness/judge/reason.hpp"
#include "harness/judge/runbook_json.hpp"

namespace kvtier::runbook {
namespace {

/// Planned pairs, not completed ones.
int PairsOf(const VerdictInput& in, const json& rows) {
  for (const Number& n :
       {Num(Get(Get(in.manifest, "meta"), "pair_count")), Num(Get(in.summary, "pair_count"))}) {
    if (n && *n != 0 && std::abs(*n) < 1e9) return static_cast<int>(*n);
  }
  std::set<std::string> ids;
  for (const json& row : rows) ids.insert(Get(row, "pair_id").dump());
  return static_cast<int>(ids.size());
}

bool OrderDependent(const json& order_check) {
  if (Truthy(Get(Get(order_check, "order_effect_summary"), "order_dependent"))) return true;
  const json& metrics = Get(order_check, "metrics");
  return metrics.is_object() && std::any_of(metrics.begin(), metrics.end(), [](const json& m) {
           return Truthy(Get(m, "order_effect_flag"));
         });
}

/// Of one B2 row; the maximum with the row's totals lets host onboarding in.
json DetailOf(const json& row, const json& run_summary, bool io_expected) {
  Signals s = SignalsOf(run_summary);
  s.matched = std::max(s.matched, Num(Get(row, "kvbm_matched_tokens_delta")).value_or(0));
  s.onboard = std::max(s.onboard, Num(Get(row, "kvbm_onboard_blocks_delta")).value_or(0));
  const Number gib = Num(Get(row, "replay_read_gib"));
  const bool reads = gib.value_or(0) > 0;
  const bool write = s.offload > 0;
  const bool rehydrate = s.onboard > 0 || s.hit > 0 || (io_expected && reads);
  const bool reuse = s.matched > 0;
  return {{"run_id", Get(row, "run_id")},
          {"mode", Get(row, "mode")},
          {"signals",
           {{"matched_tokens", s.matched},
            {"onboard_d2d", s.onboard},
            {"offload_h2d", s.offload},
            {"disk_hit_rate", s.hit}}},
          {"replay_read_gib", OrNull(gib)},
          {"replay_reads_present", reads},
          {"ssd_write_signal", write},
          {"ssd_rehydrate_signal", rehydrate},
          {"ssd_reuse_signal", reuse},
          {"signal_present", write || rehydrate || reuse}};
}

bool AttributionOk(const json& rows) {
  std::size_t asked = 0;
  for (const json& row : rows) {
    if (Get(row, "mode") == "B0") continue;
    ++asked;
    if (Get(row, "io_attrib_pass") != true) return false;
  }
  return asked > 0;
}

bool AllRowsOk(const json& rows) {
  return std::all_of(rows.begin(), rows.end(), [](const json& row) {
    std::string status = Text(Get(row, "status"));
    std::transform(status.begin(), status.end(), status.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return status == "ok" || status == "success" || status == "valid";
  });
}

}  // namespace

json JudgeVerdict(const VerdictInput& in) {
  constexpr int kMinPairs = 6;
  std::set<std::string> codes(in.reason_codes.begin(), in.reason_codes.end());
  const auto add = [&](Reason reason) { codes.emplace(Code(reason)); };
  const bool present = std::all_of(in.artifacts.begin(), in.artifacts.end(),
                                   [](const json& a) { return Get(a, "exists") == true; });
  const json& listed = Get(in.summary, "rows");
  const json rows = listed.is_array() ? listed : json::array();
  const json& errors = Get(in.summary, "errors");
  if (!present || Truthy(errors) || !AllRowsOk(rows)) add(Reason::kRunErrorsPresent);

  const int pairs = PairsOf(in, rows);
  const bool few = pairs < kMinPairs;
  const bool dependent = !few && OrderDependent(in.order_check);
  if (few) add(Reason::kOrderEffectInsufficientPairs);
  if (dependent) add(Reason::kOrderEffectSuspect);

  const json& meta = Get(in.manifest, "meta");
  const auto mode = [&](const char* key, const char* otherwise) {
    for (const json* from : {&meta, &in.summary}) {
      if (const std::string text = Text(Get(*from, key)); !text.empty()) return text;
    }
    return std::string(otherwise);
  };
  const std::string mode_a = mode("mode_a", "B1"), mode_b = mode("mode_b", "B2");
  const bool any_b2 = std::any_of(rows.begin(), rows.end(),
                                  [](const json& row) { return Get(row, "mode") == "B2"; });
  const std::string judged = any_b2 ? "B2" : mode_b;
  json details = json::array();
  bool write = false, rehydrate = false, reuse = false, reads_available = false;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (Get(rows[i], "mode") != judged) continue;
    details.push_back(DetailOf(rows[i], i < in.run_summaries.size() ? in.run_summaries[i] : kNull,
                               in.io_attrib_expected));
    const json& d = details.back();
    write = write || d["ssd_write_signal"] == true;
    rehydrate = rehydrate || d["ssd_rehydrate_signal"] == true;
    reuse = reuse || d["ssd_reuse_signal"] == true;
    reads_available = reads_available || !d["replay_read_gib"].is_null();
  }
  const bool mechanism = write || rehydrate || reuse;
  if (!mechanism) add(Reason::kGateNoSsdMechanismSignal);
  if (write && !rehydrate) add(Reason::kRehydrateSignalAbsentWriteOnly);
  const bool io_ok = in.io_attrib_expected && AttributionOk(rows);
  if (in.io_attrib_expected && !io_ok) add(Reason::kIoAttribMissing);

  const bool run_valid = present && !codes.contains(std::string(Code(Reason::kRunErrorsPresent)));
  const std::string scenario =
      Text(Get(meta, "scenario")).empty() ? "rehydrate_replay" : Text(Get(meta, "scenario"));
  const bool rehydrate_workload = scenario.find("rehydrate") != std::string::npos;
  const bool decision_grade = in.decision_grade_hint && run_valid && mechanism &&
                              (!in.io_attrib_expected || io_ok) && !dependent &&
                              !(rehydrate_workload && in.require_rehydrate && !rehydrate);
  return {{"run_valid", run_valid},
          {"decision_grade", decision_grade},
          {"reason_codes", codes},
          {"meta",
           {{"ts", in.ts},
            {"replay_concurrency", Get(meta, "replay_concurrency")},
            {"pairs", pairs},
            {"modes", {{"mode_a", mode_a}, {"mode_b", mode_b}}}}},
          {"checks",
           {{"artifacts_present", present},
            {"order_effect_suspect", dependent},
            {"order_effect_insufficient_pairs", few},
            {"min_order_effect_pairs", kMinPairs},
            {"io_attrib_expected", in.io_attrib_expected},
            {"io_attrib_ok", io_ok},
            {"io_replay_reads_available", reads_available},
            {"ssd_write_signal_present", write},
            {"ssd_rehydrate_signal_present", rehydrate},
            {"ssd_reuse_signal_present", reuse},
            {"decision_grade_require_rehydrate", in.require_rehydrate},
            {"is_rehydrate_workload", rehydrate_workload},
            {"mechanism_signal_present", mechanism},
            {"mechanism_details", details},
            {"summary_rows", rows.size()},
            {"summary_errors_count", errors.is_array() ? errors.size() : 0}}},
          {"artifacts", in.artifacts}};
}

}  // namespace kvtier::runbook
