#pragma once
#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/load/record.hpp"

/// The documented check of the first-token clock (BENCH_*_TTFC_SANITY_*): one prompt is asked for a
/// short and for a long answer, streamed and whole. The first text of a stream must not come later
/// because more follows it; the first byte of a whole answer must, or the lengths were not what was
/// asked for. A server that holds a stream back until it is done fails here and nowhere else.
namespace kvtier {

/// One of the four cases, under its documented key.
struct TtfcSanityCase {
  const char* name;
  bool stream;
  bool longer;
};
/// In the order in which they are sent.
inline constexpr std::array<TtfcSanityCase, 4> kTtfcSanityCases{
    {{"short_stream", true, false},
     {"long_stream", true, true},
     {"short_legacy_non_stream", false, false},
     {"long_legacy_non_stream", false, true}}};
/// Phase of the records of a case: "ttfc_sanity_short_stream".
std::string TtfcSanityPhase(const TtfcSanityCase& which);
/// Phase of the one request before the cases, which is in none of them: it brings the prompt to
/// where all four then find it.
inline constexpr const char* kTtfcSanityWarmUp = "ttfc_sanity_warm_up";

/// What was asked for, and what was seen of it.
struct TtfcSanityEvidence {
  bool enabled = false;
  bool fail_on_error = false;  // a failed check makes the leg invalid
  bool ran = false;            // false: the leg ended before it
  int requests = 8;            // a case
  int concurrency = 1;
  int short_max_tokens = 8;
  int long_max_tokens = 256;
  double ttfc_ratio_max = 1.35;
  double unary_ttft_ratio_min = 1.20;
  std::string prompt_sha256;
  std::string error;  // what ended the cases before their time; empty: nothing
  std::array<std::optional<double>, 4> duration_s{};  // by case; empty: not sent whole
  std::vector<RequestRecord> records;  // of the warm-up and all cases; `phase` says of which
};

/// p95 of the ok answers in ms (type-7), empty without any.
struct TtfcSanityP95 {
  std::optional<double> stream_short_ttfc, stream_long_ttfc;
  std::optional<double> stream_short_latency, stream_long_latency;
  std::optional<double> unary_short_ttft, unary_long_ttft;
};

struct TtfcSanityVerdict {
  bool passed = false;
  std::vector<std::string> reasons;  // documented words, in the documented order; empty when passed
  bool stream_ttfc_present = false;
  bool ttfc_stable = false;        // ratio present and at most its limit
  bool unary_ttft_scales = false;  // ratio present and at least its limit
  /// p95 long over p95 short; empty where one is missing or the short one is not above 0.
  std::optional<double> ttfc_ratio, latency_ratio, unary_ttft_ratio;
  TtfcSanityP95 p95;
};

/// Records of one case.
std::vector<const RequestRecord*> RecordsOf(const TtfcSanityEvidence& evidence,
                                            const TtfcSanityCase& which);
/// Requests of a case that did not end ok, those without a record among them.
int ErrorsOf(const TtfcSanityEvidence& evidence, const TtfcSanityCase& which);

/// Passes when both streamed cases have a TTFC, its ratio is at most ttfc_ratio_max, that of the
/// unary TTFT is at least unary_ttft_ratio_min, no request failed and nothing ended the cases
/// early. Reasons: stream_ttfc_missing, stream_case_errors_present, legacy_case_errors_present,
/// ttfc_scales_with_output_length, legacy_ttft_not_scaling_with_output_length. Latency ratios are
/// shown and decide nothing.
TtfcSanityVerdict JudgeTtfcSanity(const TtfcSanityEvidence& evidence);
/// "disabled", "not_run", "pass" or "fail".
std::string_view TtfcSanityStatus(const TtfcSanityEvidence& evidence);
/// "ttfc_sanity_failed:<reason>,<reason>": the documented detail of an invalid leg, and the warning
/// where it stays valid. Empty when there is nothing to say.
std::string TtfcSanityComplaint(const TtfcSanityEvidence& evidence);

}  // namespace kvtier
