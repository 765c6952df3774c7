#include "harness/report/ttfc_sanity_json.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/judge/gates.hpp"
#include "harness/report/sample_leg.hpp"
#include "harness/report/sample_schemas.hpp"
#include "harness/report/schema_check.hpp"

namespace kvtier {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// Two requests a case: TTFC 20 and 30 ms whatever the length, whole answers 10 times as late when
/// they are long.
TtfcSanityEvidence Check() {
  TtfcSanityEvidence e;
  e.enabled = e.ran = true;
  e.requests = 2;
  e.concurrency = 2;
  e.prompt_sha256 = Sha256Hex("prompt");
  e.duration_s = {0.5, 1.5, 0.25, 2.25};
  RequestRecord warm_up = sample::Record(kTtfcSanityWarmUp, 1, 400);
  e.records.push_back(warm_up);
  for (const TtfcSanityCase& which : kTtfcSanityCases) {
    for (const int i : {1, 2}) {
      const double first_ms = (10 + 10 * i) * (!which.stream && which.longer ? 10 : 1);
      RequestRecord r = sample::Record(TtfcSanityPhase(which), i, first_ms);
      r.request_index = static_cast<int>(e.records.size()) + 1;
      r.planned.params.stream = which.stream;
      r.planned.params.max_tokens = which.longer ? e.long_max_tokens : e.short_max_tokens;
      r.usage->completion_tokens = r.planned.params.max_tokens;
      if (!which.stream) {
        r.stamps.first_text.reset();
        r.stamps.last_text.reset();
        r.stamps.usage.reset();
        r.chunks.clear();
        r.first_event_type.clear();
      }
      e.records.push_back(std::move(r));
    }
  }
  return e;
}

fs::path Write(const std::string& name, const LegEvidence& leg) {
  const fs::path dir = sample::Scratch(name) / "run";
  RunBundleWriter writer(dir);
  sample::WriteUpToTheEnd(writer, leg);
  for (const RequestRecord& r : leg.ttfc_sanity.records) writer.AppendTtfcSanityRecord(r);
  writer.Close(leg);
  return dir;
}

TEST(TtfcSanityJson, HasTheDocumentedKeys) {
  const json j = TtfcSanityJson(Check());
  EXPECT_EQ(j.at("status"), "pass");
  EXPECT_EQ(j.at("ok"), true);
  EXPECT_EQ(j.at("requests_per_case"), 2);
  EXPECT_EQ(j.at("cases").size(), 4U);
  const json& stream = j.at("cases").at("long_stream");
  EXPECT_EQ(stream.at("max_tokens"), 256);
  EXPECT_EQ(stream.at("summary").at("ok_requests"), 2);
  EXPECT_EQ(stream.at("summary").at("duration_s"), 1.5);
  EXPECT_EQ(stream.at("summary").at("ttfc_ms").at("p50"), 25.0);
  EXPECT_EQ(stream.at("ttfc_present_count"), 2);
  EXPECT_EQ(stream.at("avg_output_tokens_est"), 256.0);
  const json& whole = j.at("cases").at("short_legacy_non_stream");
  EXPECT_EQ(whole.at("stream"), false);
  EXPECT_EQ(whole.at("ttfc_present_count"), 0) << "a whole answer has no first text";
  EXPECT_EQ(whole.at("ttft_present_count"), 2);
  EXPECT_EQ(whole.at("summary").at("ttft_ms").at("max"), 30.0);
  const json& verdict = j.at("verdict");
  EXPECT_EQ(verdict.at("thresholds").at("ttfc_ratio_max"), 1.35);
  EXPECT_EQ(verdict.at("ratios").at("stream_ttfc_p95_long_over_short"), 1.0);
  EXPECT_EQ(verdict.at("ratios").at("legacy_ttft_p95_long_over_short"), 10.0);
  EXPECT_EQ(verdict.at("metrics_p95_ms").at("legacy_long_ttft"), 295.0);  // 200 + 0.95 * 100
  EXPECT_FALSE(j.contains("warning"));
}

TEST(TtfcSanityJson, AFailureWarnsUnlessItFailsTheLeg) {
  TtfcSanityEvidence e = Check();
  e.ttfc_ratio_max = 0.5;
  EXPECT_EQ(TtfcSanityJson(e).at("ok"), false);
  EXPECT_EQ(TtfcSanityJson(e).at("warning"), "ttfc_sanity_failed:ttfc_scales_with_output_length");
  e.fail_on_error = true;
  EXPECT_FALSE(TtfcSanityJson(e).contains("warning")) << "the leg says it";
  e.error = "no descriptors";
  EXPECT_EQ(TtfcSanityJson(e).at("error"), "no descriptors");
}

TEST(TtfcSanityJson, WhatIsOffOrWasNotReachedHasNoFigures) {
  EXPECT_EQ(TtfcSanityJson({}), json::parse(R"({"enabled":false,"status":"disabled","ok":null})"));
  TtfcSanityEvidence e;
  e.enabled = e.fail_on_error = true;
  const json j = TtfcSanityJson(e);
  EXPECT_EQ(j,
            json::parse(R"({"enabled":true,"status":"not_run","ok":null,"fail_on_error":true})"));
  const TtfcSanityEvidence back = TtfcSanityFromJson(j, {});
  EXPECT_TRUE(back.enabled && back.fail_on_error);
  EXPECT_FALSE(back.ran);
}

TEST(TtfcSanityBundle, ACaseThatWasNotSentTookNoTimeThatIsKnown) {
  LegEvidence leg = sample::Leg();
  leg.ttfc_sanity = Check();
  leg.ttfc_sanity.error = "connection refused";
  for (const std::size_t i : {1U, 2U, 3U}) {
    leg.ttfc_sanity.duration_s.at(i).reset();
    std::erase_if(leg.ttfc_sanity.records, [i](const RequestRecord& r) {
      return r.phase == TtfcSanityPhase(kTtfcSanityCases.at(i));
    });
  }
  const fs::path dir = Write("ttfc_sanity_cut", leg);
  EXPECT_THAT(CheckBundle(dir, kSchemas), IsEmpty());
  const json cases =
      ReadJson(dir / bundle_files::kSummary).at("ttfc_sanity_validation").at("cases");
  EXPECT_EQ(cases.at("short_stream").at("summary").at("duration_s"), 0.5);
  EXPECT_TRUE(cases.at("long_stream").at("summary").at("duration_s").is_null()) << "not 0";
  const LegEvidence back = LoadLeg(dir);
  EXPECT_EQ(back.ttfc_sanity.duration_s, leg.ttfc_sanity.duration_s);
}

TEST(TtfcSanityBundle, ComesBackAndTouchesNothingElse) {
  const LegEvidence plain = sample::Leg();
  LegEvidence leg = plain;
  leg.ttfc_sanity = Check();
  const fs::path dir = Write("ttfc_sanity", leg);
  EXPECT_THAT(CheckBundle(dir, kSchemas), IsEmpty());
  const LegEvidence back = LoadLeg(dir);
  EXPECT_EQ(TtfcSanityJson(back.ttfc_sanity), TtfcSanityJson(leg.ttfc_sanity));
  ASSERT_EQ(back.ttfc_sanity.records.size(), leg.ttfc_sanity.records.size());
  for (std::size_t i = 0; i < leg.ttfc_sanity.records.size(); ++i)
    EXPECT_EQ(ToJson(back.ttfc_sanity.records[i]), ToJson(leg.ttfc_sanity.records[i]));
  EXPECT_EQ(back.records.size(), plain.records.size());

  const json with = ReadJson(dir / bundle_files::kSummary);
  const json without = ReadJson(Write("no_ttfc_sanity", plain) / bundle_files::kSummary);
  for (const char* key : {"phase_summaries", "overall_summary", "phase_windows", "kvbm_metrics",
                          "request_identity", "io_attribution", "leg"})
    EXPECT_EQ(with.at(key), without.at(key)) << key;
  EXPECT_NE(with.at("ttfc_sanity_validation"), without.at("ttfc_sanity_validation"));
}

// The rows decide, not what the summary made of them.
TEST(TtfcSanityBundle, AVerdictThatTheRowsDoNotSupportIsFound) {
  LegEvidence leg = sample::Leg();
  leg.ttfc_sanity = Check();
  leg.ttfc_sanity.fail_on_error = true;
  for (RequestRecord& r : leg.ttfc_sanity.records) {
    if (r.phase == TtfcSanityPhase(kTtfcSanityCases[1]))
      r.stamps.first_text = *r.stamps.first_text + 900'000'000;
  }
  const fs::path dir = Write("ttfc_sanity_lie", leg);
  json summary = ReadJson(dir / bundle_files::kSummary);
  summary["ttfc_sanity_validation"]["status"] = "pass";
  summary["ttfc_sanity_validation"]["ok"] = true;
  summary["ttfc_sanity_validation"]["verdict"]["passed"] = true;
  WriteJsonAtomic(dir / bundle_files::kSummary, summary);
  const Findings findings = CheckTtfcSanity(LoadLeg(dir));
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].severity, Severity::kInvalidatesRun);
  EXPECT_THAT(findings[0].detail, HasSubstr("ttfc_scales_with_output_length"));
}

}  // namespace
}  // namespace kvtier
