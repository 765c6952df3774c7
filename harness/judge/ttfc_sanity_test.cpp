#include "harness/judge/ttfc_sanity.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/judge/evidence_maker.hpp"
#include "harness/judge/gates.hpp"

namespace kvtier {
namespace {

using test::MakeLeg;
using ::testing::DoubleNear;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Optional;

constexpr MonoNs kSent = 1'000'000'000;

MonoNs After(double ms) {
  return kSent + static_cast<MonoNs>(ms * 1e6);
}

RequestRecord Answer(const TtfcSanityCase& which, double first_ms, double closed_ms) {
  RequestRecord r;
  r.phase = TtfcSanityPhase(which);
  r.planned.params.stream = which.stream;
  r.outcome = Outcome::kOk;
  r.http_status = 200;
  r.stamps.sent_first = kSent;
  r.stamps.first_event = After(first_ms);
  if (which.stream) r.stamps.first_text = After(first_ms);
  r.stamps.closed = After(closed_ms);
  return r;
}

/// Two requests a case. p95 of {a, b} is a + 0.95 (b - a): streams 10 and 20 ms -> 19.5 ms in both
/// lengths; whole answers 20 and 40 -> 39 ms short, 200 and 400 -> 390 ms long.
TtfcSanityEvidence Healthy() {
  TtfcSanityEvidence e;
  e.enabled = e.ran = true;
  e.requests = 2;
  const auto& [short_stream, long_stream, short_whole, long_whole] = kTtfcSanityCases;
  e.records = {Answer(short_stream, 10, 25), Answer(short_stream, 20, 45),
               Answer(long_stream, 10, 250), Answer(long_stream, 20, 450),
               Answer(short_whole, 20, 21),  Answer(short_whole, 40, 41),
               Answer(long_whole, 200, 201), Answer(long_whole, 400, 401)};
  RequestRecord warm_up = Answer(short_stream, 900, 950);  // in no case
  warm_up.phase = kTtfcSanityWarmUp;
  e.records.push_back(warm_up);
  return e;
}

void MoveFirstText(RequestRecord& r, double ms) {
  r.stamps.first_event = After(ms);
  r.stamps.first_text = After(ms);
}

TEST(TtfcSanity, AnHonestServerPasses) {
  const TtfcSanityEvidence e = Healthy();
  const TtfcSanityVerdict v = JudgeTtfcSanity(e);
  EXPECT_TRUE(v.passed);
  EXPECT_THAT(v.reasons, IsEmpty());
  EXPECT_TRUE(v.stream_ttfc_present && v.ttfc_stable && v.unary_ttft_scales);
  EXPECT_THAT(v.p95.stream_short_ttfc, Optional(DoubleNear(19.5, 1e-9)));
  EXPECT_THAT(v.p95.stream_long_ttfc, Optional(DoubleNear(19.5, 1e-9)));
  EXPECT_THAT(v.p95.stream_short_latency, Optional(DoubleNear(44, 1e-9)));
  EXPECT_THAT(v.p95.stream_long_latency, Optional(DoubleNear(440, 1e-9)));
  EXPECT_THAT(v.p95.unary_short_ttft, Optional(DoubleNear(39, 1e-9)));
  EXPECT_THAT(v.p95.unary_long_ttft, Optional(DoubleNear(390, 1e-9)));
  EXPECT_THAT(v.ttfc_ratio, Optional(DoubleNear(1, 1e-9)));
  EXPECT_THAT(v.latency_ratio, Optional(DoubleNear(10, 1e-9))) << "shown, and decides nothing";
  EXPECT_THAT(v.unary_ttft_ratio, Optional(DoubleNear(10, 1e-9)));
  EXPECT_EQ(TtfcSanityStatus(e), "pass");
  EXPECT_EQ(TtfcSanityComplaint(e), "");
}

TEST(TtfcSanity, AStreamThatIsHeldBackGrowsWithItsLength) {
  TtfcSanityEvidence e = Healthy();
  MoveFirstText(e.records[2], 250);
  MoveFirstText(e.records[3], 450);  // p95 440 over 19.5
  const TtfcSanityVerdict v = JudgeTtfcSanity(e);
  EXPECT_FALSE(v.passed);
  EXPECT_THAT(v.reasons, ElementsAre("ttfc_scales_with_output_length"));
  EXPECT_THAT(v.ttfc_ratio, Optional(DoubleNear(440 / 19.5, 1e-9)));
  EXPECT_EQ(TtfcSanityStatus(e), "fail");
  EXPECT_EQ(TtfcSanityComplaint(e), "ttfc_sanity_failed:ttfc_scales_with_output_length");
}

// The documented limits are part of what passes.
TEST(TtfcSanity, TheLimitsThemselvesPass) {
  for (const double beyond : {0.0, 0.01}) {
    TtfcSanityEvidence e = Healthy();
    e.requests = 1;
    const auto& [short_stream, long_stream, short_whole, long_whole] = kTtfcSanityCases;
    e.records = {Answer(short_stream, 100, 101), Answer(long_stream, 135 + beyond, 400),
                 Answer(short_whole, 100, 101), Answer(long_whole, 120 - beyond, 121)};
    const TtfcSanityVerdict v = JudgeTtfcSanity(e);
    EXPECT_EQ(v.ttfc_stable, beyond == 0) << *v.ttfc_ratio;
    EXPECT_EQ(v.unary_ttft_scales, beyond == 0) << *v.unary_ttft_ratio;
    if (beyond > 0) {
      EXPECT_THAT(v.reasons, ElementsAre("ttfc_scales_with_output_length",
                                         "legacy_ttft_not_scaling_with_output_length"));
    }
    e.ttfc_ratio_max = 1.4;
    e.unary_ttft_ratio_min = 1.1;
    EXPECT_TRUE(JudgeTtfcSanity(e).passed);
  }
}

TEST(TtfcSanity, WholeAnswersThatDoNotGrowProveNothing) {
  TtfcSanityEvidence e = Healthy();
  e.records[6] = Answer(kTtfcSanityCases[3], 20, 21);
  e.records[7] = Answer(kTtfcSanityCases[3], 40, 41);
  EXPECT_THAT(JudgeTtfcSanity(e).reasons,
              ElementsAre("legacy_ttft_not_scaling_with_output_length"));
}

TEST(TtfcSanity, WithoutAFirstTextNothingIsSaidOfItsGrowth) {
  TtfcSanityEvidence e = Healthy();
  for (const std::size_t i : {2U, 3U}) e.records[i].stamps.first_text.reset();
  const TtfcSanityVerdict v = JudgeTtfcSanity(e);
  EXPECT_FALSE(v.stream_ttfc_present);
  EXPECT_FALSE(v.ttfc_ratio);
  EXPECT_THAT(v.reasons, ElementsAre("stream_ttfc_missing"));
}

TEST(TtfcSanity, ARatioOverNothingIsNoRatio) {
  TtfcSanityEvidence e = Healthy();
  MoveFirstText(e.records[0], 0);
  MoveFirstText(e.records[1], 0);
  const TtfcSanityVerdict v = JudgeTtfcSanity(e);
  EXPECT_TRUE(v.stream_ttfc_present);
  EXPECT_FALSE(v.ttfc_ratio);
  EXPECT_THAT(v.reasons, ElementsAre("ttfc_scales_with_output_length"));
}

TEST(TtfcSanity, FailedAndMissingRequestsAreErrorsOfTheirForm) {
  TtfcSanityEvidence e = Healthy();
  e.records[0].outcome = Outcome::kTimeout;
  EXPECT_EQ(ErrorsOf(e, kTtfcSanityCases[0]), 1);
  TtfcSanityVerdict v = JudgeTtfcSanity(e);
  EXPECT_THAT(v.reasons, ElementsAre("stream_case_errors_present"));
  EXPECT_THAT(v.p95.stream_short_ttfc, Optional(DoubleNear(20, 1e-9))) << "of ok answers alone";

  e = Healthy();
  e.records.erase(e.records.begin() + 7);  // was never recorded
  v = JudgeTtfcSanity(e);
  EXPECT_THAT(v.reasons, ElementsAre("legacy_case_errors_present"));

  e.records.clear();
  EXPECT_THAT(
      JudgeTtfcSanity(e).reasons,
      ElementsAre("stream_ttfc_missing", "stream_case_errors_present", "legacy_case_errors_present",
                  "legacy_ttft_not_scaling_with_output_length"));
}

TEST(TtfcSanity, WhatEndedTheCasesEarlyIsAFailure) {
  TtfcSanityEvidence e = Healthy();
  e.error = "no descriptors are left";
  EXPECT_THAT(JudgeTtfcSanity(e).reasons, IsEmpty());
  EXPECT_EQ(TtfcSanityStatus(e), "fail");
  EXPECT_EQ(TtfcSanityComplaint(e), "ttfc_sanity_failed: (no descriptors are left)");
}

TEST(TtfcSanity, OffAndNotReachedAreWordsOfTheirOwn) {
  TtfcSanityEvidence e;
  EXPECT_EQ(TtfcSanityStatus(e), "disabled");
  e.enabled = true;
  EXPECT_EQ(TtfcSanityStatus(e), "not_run");
  EXPECT_EQ(TtfcSanityComplaint(e), "");
}

TEST(TtfcSanityGate, ANoteUnlessItIsToFailTheLeg) {
  LegEvidence leg = MakeLeg(TierMode::kB2, 50);
  EXPECT_THAT(CheckTtfcSanity(leg), IsEmpty()) << "nobody asked";
  leg.ttfc_sanity = Healthy();
  EXPECT_THAT(CheckTtfcSanity(leg), IsEmpty());
  MoveFirstText(leg.ttfc_sanity.records[3], 450);
  Findings findings = JudgeLeg(leg);
  ASSERT_TRUE(Has(findings, Reason::kTtfcSanityFailed));
  EXPECT_TRUE(Passes(findings)) << FindingsText(findings);

  leg.ttfc_sanity.fail_on_error = true;
  findings = CheckTtfcSanity(leg);
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].severity, Severity::kInvalidatesRun)
      << "also of a leg that calls itself valid";
  EXPECT_THAT(findings[0].detail, HasSubstr("ttfc_scales_with_output_length"));
  EXPECT_FALSE(Passes(JudgeLeg(leg)));
}

TEST(TtfcSanityGate, ALegThatSaysItItselfSaysItOnce) {
  LegEvidence leg = MakeLeg(TierMode::kB2, 50);
  leg.ttfc_sanity = Healthy();
  leg.ttfc_sanity.fail_on_error = true;
  MoveFirstText(leg.ttfc_sanity.records[3], 450);
  leg.run_valid = false;
  leg.invalid_reason = "ttfc_sanity_failed";
  leg.invalid_details = {TtfcSanityComplaint(leg.ttfc_sanity)};
  int said = 0;
  for (const Finding& f : JudgeLeg(leg)) {
    if (f.reason != Reason::kTtfcSanityFailed) continue;
    ++said;
    EXPECT_EQ(f.severity, Severity::kInvalidatesRun);
  }
  EXPECT_EQ(said, 1);
}

TEST(TtfcSanityGate, AValidLegInWhichItNeverRanIsNoPass) {
  LegEvidence leg = MakeLeg(TierMode::kB2, 50);
  leg.ttfc_sanity.enabled = true;
  const Findings findings = CheckTtfcSanity(leg);
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_THAT(findings[0].detail, HasSubstr("never ran"));
  leg.run_valid = false;
  leg.invalid_reason = "worker_lost";
  EXPECT_THAT(CheckTtfcSanity(leg), IsEmpty());
}

}  // namespace
}  // namespace kvtier
