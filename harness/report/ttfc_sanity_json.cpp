#include "harness/report/ttfc_sanity_json.hpp"

#include <algorithm>

#include "harness/report/deltas.hpp"
#include "harness/report/summary.hpp"

namespace kvtier {
namespace {

using nlohmann::json;

json Rounded(const std::optional<double>& value, int places) {
  return value ? json(RoundTo(*value, places)) : json();
}

/// Tokens of an ok answer as the server counts them, on average; null where it does not.
json AverageTokens(const std::vector<const RequestRecord*>& records) {
  double tokens = 0;
  int counted = 0;
  for (const RequestRecord* r : records) {
    if (r->outcome != Outcome::kOk || !r->usage) continue;
    tokens += static_cast<double>(r->usage->completion_tokens);
    ++counted;
  }
  return counted == 0 ? json() : json(RoundTo(tokens / counted, 3));
}

json CaseJson(const TtfcSanityEvidence& e, std::size_t index) {
  const TtfcSanityCase& which = kTtfcSanityCases.at(index);
  const auto records = RecordsOf(e, which);
  const auto present = [&](std::optional<double> (RequestRecord::*metric)() const) {
    return std::count_if(records.begin(), records.end(),
                         [&](const RequestRecord* r) { return (r->*metric)().has_value(); });
  };
  const std::optional<double>& duration_s = e.duration_s.at(index);
  json summary = StatisticsBlock(records, duration_s.value_or(0));
  if (!duration_s) summary["duration_s"] = nullptr;
  return {{"requests", e.requests},
          {"concurrency", e.concurrency},
          {"max_tokens", which.longer ? e.long_max_tokens : e.short_max_tokens},
          {"stream", which.stream},
          {"summary", std::move(summary)},
          {"error_count", ErrorsOf(e, which)},
          {"ttfc_present_count", present(&RequestRecord::TtfcMs)},
          {"ttft_present_count", present(&RequestRecord::TtftMs)},
          {"ttfb_present_count", present(&RequestRecord::TtfbMs)},
          {"avg_output_tokens_est", AverageTokens(records)}};
}

json VerdictJson(const TtfcSanityEvidence& e, const TtfcSanityVerdict& v) {
  return {
      {"passed", v.passed},
      {"reasons", v.reasons},
      {"thresholds",
       {{"ttfc_ratio_max", e.ttfc_ratio_max}, {"legacy_ttft_ratio_min", e.unary_ttft_ratio_min}}},
      {"checks",
       {{"stream_ttfc_present", v.stream_ttfc_present},
        {"ttfc_stable_across_output_length", v.ttfc_stable},
        {"legacy_ttft_scales_with_output_length", v.unary_ttft_scales}}},
      {"ratios",
       {{"stream_ttfc_p95_long_over_short", Rounded(v.ttfc_ratio, 6)},
        {"stream_latency_p95_long_over_short", Rounded(v.latency_ratio, 6)},
        {"legacy_ttft_p95_long_over_short", Rounded(v.unary_ttft_ratio, 6)}}},
      {"metrics_p95_ms",
       {{"stream_short_ttfc", Rounded(v.p95.stream_short_ttfc, 3)},
        {"stream_long_ttfc", Rounded(v.p95.stream_long_ttfc, 3)},
        {"stream_short_latency", Rounded(v.p95.stream_short_latency, 3)},
        {"stream_long_latency", Rounded(v.p95.stream_long_latency, 3)},
        {"legacy_short_ttft", Rounded(v.p95.unary_short_ttft, 3)},
        {"legacy_long_ttft", Rounded(v.p95.unary_long_ttft, 3)}}}};
}

}  // namespace

json TtfcSanityJson(const TtfcSanityEvidence& e) {
  json j{{"enabled", e.enabled}, {"status", TtfcSanityStatus(e)}, {"ok", nullptr}};
  if (e.enabled) j["fail_on_error"] = e.fail_on_error;
  if (!e.enabled || !e.ran) return j;
  const TtfcSanityVerdict verdict = JudgeTtfcSanity(e);
  j["ok"] = verdict.passed;
  j["requests_per_case"] = e.requests;
  j["concurrency"] = e.concurrency;
  j["short_max_tokens"] = e.short_max_tokens;
  j["long_max_tokens"] = e.long_max_tokens;
  j["prompt_sha256"] = e.prompt_sha256;
  json cases = json::object();
  for (std::size_t i = 0; i < kTtfcSanityCases.size(); ++i)
    cases[kTtfcSanityCases[i].name] = CaseJson(e, i);
  j["cases"] = std::move(cases);
  j["verdict"] = VerdictJson(e, verdict);
  if (!e.error.empty()) j["error"] = e.error;
  if (const std::string complaint = TtfcSanityComplaint(e);
      !complaint.empty() && !e.fail_on_error) {
    j["warning"] = complaint;
  }
  return j;
}

TtfcSanityEvidence TtfcSanityFromJson(const json& block, std::vector<RequestRecord> records) {
  TtfcSanityEvidence e;
  block.at("enabled").get_to(e.enabled);
  if (!e.enabled) return e;
  block.at("fail_on_error").get_to(e.fail_on_error);
  e.ran = block.at("status").get<std::string>() != "not_run";
  if (!e.ran) return e;
  block.at("requests_per_case").get_to(e.requests);
  block.at("concurrency").get_to(e.concurrency);
  block.at("short_max_tokens").get_to(e.short_max_tokens);
  block.at("long_max_tokens").get_to(e.long_max_tokens);
  block.at("prompt_sha256").get_to(e.prompt_sha256);
  const json& thresholds = block.at("verdict").at("thresholds");
  thresholds.at("ttfc_ratio_max").get_to(e.ttfc_ratio_max);
  thresholds.at("legacy_ttft_ratio_min").get_to(e.unary_ttft_ratio_min);
  if (block.contains("error")) block.at("error").get_to(e.error);
  for (std::size_t i = 0; i < kTtfcSanityCases.size(); ++i) {
    const json& seconds =
        block.at("cases").at(kTtfcSanityCases[i].name).at("summary").at("duration_s");
    if (!seconds.is_null()) e.duration_s.at(i) = seconds.get<double>();
  }
  e.records = std::move(records);
  return e;
}

}  // namespace kvtier
