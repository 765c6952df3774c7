#include "harness/judge/ttfc_sanity.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "harness/judge/gates.hpp"
#include "harness/stats/quantile.hpp"

namespace kvtier {
namespace {

using CaseMetric = std::optional<double> (RequestRecord::*)() const;

const TtfcSanityCase& kShortStream = kTtfcSanityCases[0];
const TtfcSanityCase& kLongStream = kTtfcSanityCases[1];
const TtfcSanityCase& kShortUnary = kTtfcSanityCases[2];
const TtfcSanityCase& kLongUnary = kTtfcSanityCases[3];

std::optional<double> P95(const TtfcSanityEvidence& evidence, const TtfcSanityCase& which,
                          CaseMetric metric) {
  std::vector<double> sample;
  for (const RequestRecord* r : RecordsOf(evidence, which)) {
    if (r->outcome != Outcome::kOk) continue;
    if (const auto ms = (r->*metric)()) sample.push_back(*ms);
  }
  if (sample.empty()) return std::nullopt;
  std::sort(sample.begin(), sample.end());
  return SortedQuantile(sample, 0.95);
}

std::optional<double> Ratio(const std::optional<double>& longer,
                            const std::optional<double>& shorter) {
  if (!longer || !shorter || *shorter <= 0) return std::nullopt;
  return *longer / *shorter;
}

}  // namespace

std::string TtfcSanityPhase(const TtfcSanityCase& which) {
  return std::string("ttfc_sanity_") + which.name;
}

std::vector<const RequestRecord*> RecordsOf(const TtfcSanityEvidence& evidence,
                                            const TtfcSanityCase& which) {
  const std::string phase = TtfcSanityPhase(which);
  std::vector<const RequestRecord*> out;
  for (const RequestRecord& r : evidence.records) {
    if (r.phase == phase) out.push_back(&r);
  }
  return out;
}

int ErrorsOf(const TtfcSanityEvidence& evidence, const TtfcSanityCase& which) {
  const auto records = RecordsOf(evidence, which);
  const auto ok = std::count_if(records.begin(), records.end(),
                                [](const RequestRecord* r) { return r->outcome == Outcome::kOk; });
  return std::max(evidence.requests, static_cast<int>(records.size())) - static_cast<int>(ok);
}

TtfcSanityVerdict JudgeTtfcSanity(const TtfcSanityEvidence& evidence) {
  TtfcSanityVerdict v;
  v.p95.stream_short_ttfc = P95(evidence, kShortStream, &RequestRecord::TtfcMs);
  v.p95.stream_long_ttfc = P95(evidence, kLongStream, &RequestRecord::TtfcMs);
  v.p95.stream_short_latency = P95(evidence, kShortStream, &RequestRecord::LatencyMs);
  v.p95.stream_long_latency = P95(evidence, kLongStream, &RequestRecord::LatencyMs);
  v.p95.unary_short_ttft = P95(evidence, kShortUnary, &RequestRecord::TtftMs);
  v.p95.unary_long_ttft = P95(evidence, kLongUnary, &RequestRecord::TtftMs);
  v.ttfc_ratio = Ratio(v.p95.stream_long_ttfc, v.p95.stream_short_ttfc);
  v.latency_ratio = Ratio(v.p95.stream_long_latency, v.p95.stream_short_latency);
  v.unary_ttft_ratio = Ratio(v.p95.unary_long_ttft, v.p95.unary_short_ttft);
  v.stream_ttfc_present = v.p95.stream_short_ttfc && v.p95.stream_long_ttfc;
  v.ttfc_stable = v.ttfc_ratio && *v.ttfc_ratio <= evidence.ttfc_ratio_max;
  v.unary_ttft_scales = v.unary_ttft_ratio && *v.unary_ttft_ratio >= evidence.unary_ttft_ratio_min;

  const auto hold = [&](bool held, const char* reason) {
    if (!held) v.reasons.emplace_back(reason);
  };
  hold(v.stream_ttfc_present, "stream_ttfc_missing");
  hold(ErrorsOf(evidence, kShortStream) + ErrorsOf(evidence, kLongStream) == 0,
       "stream_case_errors_present");
  hold(ErrorsOf(evidence, kShortUnary) + ErrorsOf(evidence, kLongUnary) == 0,
       "legacy_case_errors_present");
  hold(!v.stream_ttfc_present || v.ttfc_stable, "ttfc_scales_with_output_length");
  hold(v.unary_ttft_scales, "legacy_ttft_not_scaling_with_output_length");
  v.passed = v.reasons.empty() && evidence.error.empty();
  return v;
}

std::string_view TtfcSanityStatus(const TtfcSanityEvidence& evidence) {
  if (!evidence.enabled) return "disabled";
  if (!evidence.ran) return "not_run";
  return JudgeTtfcSanity(evidence).passed ? "pass" : "fail";
}

std::string TtfcSanityComplaint(const TtfcSanityEvidence& evidence) {
  if (!evidence.enabled || !evidence.ran) return "";
  const TtfcSanityVerdict verdict = JudgeTtfcSanity(evidence);
  if (verdict.passed) return "";
  return fmt::format("ttfc_sanity_failed:{}{}", fmt::join(verdict.reasons, ","),
                     evidence.error.empty() ? "" : " (" + evidence.error + ")");
}

Findings CheckTtfcSanity(const LegEvidence& leg) {
  const TtfcSanityEvidence& check = leg.ttfc_sanity;
  if (!check.enabled) return {};
  std::string detail = TtfcSanityComplaint(check);
  if (!check.ran) {
    if (!leg.run_valid) return {};  // why the leg is invalid is said already
    detail = "the check was asked for and never ran";
  }
  if (detail.empty()) return {};
  const TtfcSanityVerdict verdict = JudgeTtfcSanity(check);
  const auto ratio = [](const std::optional<double>& r) {
    return r ? fmt::format("{:.2f}", *r) : std::string("unknown");
  };
  Finding f = MakeFinding(
      Reason::kTtfcSanityFailed, leg.run_id, "",
      fmt::format("{}; TTFC of long over short answers {} (at most {:g}), first byte of whole "
                  "answers {} (at least {:g})",
                  detail, ratio(verdict.ttfc_ratio), check.ttfc_ratio_max,
                  ratio(verdict.unary_ttft_ratio), check.unary_ttft_ratio_min));
  if (check.fail_on_error) f.severity = Severity::kInvalidatesRun;
  return {f};
}

}  // namespace kvtier
