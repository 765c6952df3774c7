#include "harness/report/legacy_phase70.hpp"

#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/core/error.hpp"
#include "harness/report/legacy_record.hpp"
#include "harness/report/legacy_sample.hpp"
#include "harness/report/pilot.hpp"
#include "harness/report/sample_leg.hpp"
#include "harness/report/stored_phase70.hpp"

namespace kvtier {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

LegacyRun MakeRun(const legacy_sample::Leg& leg = {}) {
  const fs::path dir = sample::Scratch("legacy_run");
  legacy_sample::WriteRun(dir, leg);
  return ReadLegacyRun(dir);
}

RequestRecord Record(const json& change) {
  json row = legacy_sample::Request("replay", 3, 80);
  row.update(change);
  return LegacyRecordFrom({&row, "row"});
}

TEST(LegacyRecord, DurationsBecomeStamps) {
  const RequestRecord r = Record(json::object());
  EXPECT_EQ(r.outcome, Outcome::kOk);
  EXPECT_NEAR(*r.TtfcMs(), 80, 1e-6);
  EXPECT_NEAR(*r.E2eMs(), 120, 1e-6);
  EXPECT_NEAR(*r.TtfbMs(), 1.5, 1e-6);
  EXPECT_EQ(*r.stamps.sent_first, 1'770'890'403'000'000'000) << "wall clock of the row";
  EXPECT_FALSE(r.usage) << "its token counts are estimates";
}

struct OutcomeCase {
  const char* name;
  json change;
  Outcome outcome;
};
class LegacyOutcomes : public ::testing::TestWithParam<OutcomeCase> {};

TEST_P(LegacyOutcomes, AreWhatTheyWere) {
  const RequestRecord r = Record(GetParam().change);
  EXPECT_EQ(r.outcome, GetParam().outcome) << OutcomeName(r.outcome);
  EXPECT_EQ(r.TtfcMs().has_value(), r.outcome == Outcome::kOk);
}

INSTANTIATE_TEST_SUITE_P(
    All, LegacyOutcomes,
    ::testing::Values(
        OutcomeCase{"timeout_without_text", {{"error", ""}}, Outcome::kTimeout},
        OutcomeCase{"empty_answer", {{"output_len_chars", 0}}, Outcome::kEmptyOutput},
        OutcomeCase{"redirect", {{"http_status", 302}}, Outcome::kHttpError},
        OutcomeCase{"http_500", {{"http_status", 500}, {"error", "x"}}, Outcome::kHttpError},
        OutcomeCase{"error_frame", {{"stream_error", "boom"}}, Outcome::kStreamError},
        OutcomeCase{
            "no_answer", {{"http_status", 0}, {"error", "refused"}}, Outcome::kConnectError},
        OutcomeCase{"length_unknown", {{"output_len_chars", nullptr}}, Outcome::kIncomplete}),
    [](const auto& param) { return param.param.name; });

TEST(LegacyRecord, AUnaryAnswerHasNoTimeToFirstContent) {
  EXPECT_FALSE(Record({{"stream", false}}).TtfcMs());
  EXPECT_FALSE(Record({{"ttfc_ms", nullptr}}).TtfcMs());
}

TEST(LegacyRecord, TimesAreParsedOrRefusedQuietly) {
  EXPECT_EQ(ParseUtcNs("1970-01-01T00:00:01.5Z"), 1'500'000'000);
  EXPECT_EQ(ParseUtcNs("2026-02-12T10:00:03+00:00"), 1'770'890'403'000'000'000);
  for (const char* bad : {"", "now", "2026-02-31T10:00:00Z", "2026-02-12 10:00:00",
                          "2026-02-12T24:00:00Z", "-026-02-12T10:00:00Z"})
    EXPECT_FALSE(ParseUtcNs(bad)) << bad;
}

TEST(LegacyLeg, CountersOfTheReplayAreRead) {
  const LegEvidence leg = LegacyLegFrom(MakeRun());
  EXPECT_EQ(leg.tier, TierMode::kB2);
  EXPECT_TRUE(leg.run_valid);
  ASSERT_EQ(leg.phases.size(), 2U);
  EXPECT_EQ(*leg.phases[1].tiers.onboard_g3_to_g1_blocks, 1020U);
  EXPECT_EQ(*leg.phases[1].tiers.onboard_g2_to_g1_blocks, 0U) << "its metric was there";
  EXPECT_EQ(leg.phases[1].io.process_read->value, 1020U * 327'680U);
  EXPECT_EQ(leg.records.size(), 120U);
  EXPECT_FALSE(leg.worker.disk_cache_gb.available()) << "it was never read back";
}

TEST(LegacyLeg, AZeroThatNobodyCanVouchForIsUnavailable) {
  LegacyRun run = MakeRun();
  run.metrics_seen["replay"].erase("kvbm_onboard_blocks_h2d");
  run.metrics_seen.erase("populate");
  const LegEvidence leg = LegacyLegFrom(run);
  EXPECT_FALSE(leg.phases[1].tiers.onboard_g2_to_g1_blocks.available());
  EXPECT_TRUE(leg.phases[1].tiers.onboard_g3_to_g1_blocks.available());
  EXPECT_FALSE(leg.phases[0].tiers.matched_tokens.available());
  EXPECT_EQ(*leg.phases[0].tiers.offload_g2_to_g3_blocks, 1020U) << "above zero it was seen";
}

TEST(LegacyLeg, AWorkerThatWasNotSeenReadNothingThatIsKnown) {
  legacy_sample::Leg hidden;
  hidden.worker_seen = false;
  const LegEvidence leg = LegacyLegFrom(MakeRun(hidden));
  EXPECT_FALSE(leg.phases[1].io.WitnessRead().available());
  EXPECT_THAT(leg.phases[1].io.process_read.reason(), HasSubstr("no worker process"));
}

TEST(LegacyLeg, WithoutRequestsThereAreNone) {
  LegacyRun run = MakeRun();
  run.requests.clear();
  EXPECT_THAT(LegacyLegFrom(run).records, IsEmpty());
}

struct Hostile {
  const char* name;
  const char* pointer;  // into the summary
  json value;
  const char* named;
};
class HostileSummaries : public ::testing::TestWithParam<Hostile> {};

TEST_P(HostileSummaries, AreRefusedByTheNameOfTheKey) {
  LegacyRun run = MakeRun();
  run.summary[json::json_pointer(GetParam().pointer)] = GetParam().value;
  try {
    LegacyLegFrom(run);
    FAIL();
  } catch (const DataError& e) {
    EXPECT_THAT(e.what(), HasSubstr(GetParam().named));
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, HostileSummaries,
    ::testing::Values(
        Hostile{"no_tier", "/tier_mode", nullptr, "tier_mode"},
        Hostile{"tier_b9", "/tier_mode", "B9", "tier_mode"},
        Hostile{"run_id_number", "/run_id", 7, "run_id"},
        Hostile{"phases_text", "/phase_summaries", "none", "phase_summaries"},
        Hostile{"phase_number", "/phase_summaries/1", 3, "phase_summaries[1]"},
        Hostile{"nan_text", "/phase_summaries/1/kvbm_metrics_delta/kvbm_matched_tokens_delta",
                "NaN", "kvbm_matched_tokens_delta"},
        Hostile{"negative", "/phase_summaries/1/kvbm_metrics_delta/kvbm_matched_tokens_delta", -1,
                "kvbm_matched_tokens_delta"},
        Hostile{"delta_list", "/phase_summaries/1/kvbm_metrics_delta", json::array({1}),
                "kvbm_metrics_delta"},
        Hostile{"huge", "/phase_summaries/1/io_delta/read_bytes_delta", 1e300, "read_bytes_delta"},
        Hostile{"half_request", "/phase_summaries/1/requests", 1.5, "requests"},
        Hostile{"valid_text", "/run_valid", "yes", "run_valid"},
        Hostile{"storage_list", "/storage", json::array(), "storage"}),
    [](const auto& param) { return param.param.name; });

TEST(LegacyLeg, HostileRequestsAreRefusedByRow) {
  for (const auto& [key, value] : std::map<std::string, json>{{"ttfc_ms", "nan"},
                                                              {"latency_ms", -5},
                                                              {"phase", nullptr},
                                                              {"http_status", 1e9},
                                                              {"error", 5}}) {
    LegacyRun run = MakeRun();
    run.requests[7][key] = value;
    try {
      LegacyLegFrom(run);
      ADD_FAILURE() << key;
    } catch (const DataError& e) {
      EXPECT_THAT(e.what(), HasSubstr("requests.jsonl[7]." + key));
    }
  }
}

TEST(LegacyRun, ATruncatedSummaryAndABareNanAreNamedByFile) {
  const fs::path dir = sample::Scratch("legacy_truncated");
  legacy_sample::WriteRun(dir, {});
  const std::string text = ReadFile(dir / "summary.json");
  for (const std::string& broken :
       {text.substr(0, text.size() / 2), std::string(R"({"a": NaN})"), std::string()}) {
    WriteFileAtomic(dir / "summary.json", broken);
    try {
      ReadLegacyRun(dir);
      ADD_FAILURE() << broken.substr(0, 20);
    } catch (const DataError& e) {
      EXPECT_THAT(e.what(), HasSubstr("summary.json"));
    }
  }
}

TEST(LegacyManifest, KeysThatItLacksKeepTheirDefaults) {
  const Phase70Manifest m = LegacyManifestFrom({{"runs", json::array()}});
  EXPECT_EQ(m.setup.mode_a, TierMode::kB1);
  EXPECT_EQ(m.setup.mode_b, TierMode::kB2);
  EXPECT_EQ(m.setup.scenario, "rehydrate_replay");
  EXPECT_THAT(m.notes, Contains(HasSubstr("first event")));
}

TEST(LegacyManifest, HostileOnesAreRefusedByTheNameOfTheKey) {
  const fs::path root = sample::Scratch("legacy_manifest");
  const json good = legacy_sample::WriteExperiment(root, 1);
  for (const auto& [pointer, named] : std::vector<std::pair<const char*, const char*>>{
           {"/runs/1/pair_order", "runs[1].pair_order"},
           {"/runs/0/mode", "runs[0].mode"},
           {"/runs/0/pair_id", "runs[0].pair_id"},
           {"/meta/mode_b", "meta.mode_b"},
           {"/meta/pair_count", "meta.pair_count"},
           {"/meta", "meta"},
           {"/runs", "runs"}}) {
    json bad = good;
    bad[json::json_pointer(pointer)] = "nan";
    try {
      LegacyManifestFrom(bad);
      ADD_FAILURE() << pointer;
    } catch (const DataError& e) {
      EXPECT_THAT(e.what(), HasSubstr(named));
    }
  }
  json same = good;
  same["meta"]["mode_a"] = "B2";
  EXPECT_THROW(LegacyManifestFrom(same), DataError);
}

TEST(StoredPhase70, AnExperimentOfThePredecessorHasAnEffectOfGradeC) {
  const fs::path root = sample::Scratch("legacy_whole");
  legacy_sample::WriteExperiment(root);
  const StoredPhase70 stored = LoadStoredPhase70(legacy_sample::ManifestFile(root));
  EXPECT_TRUE(stored.legacy);
  ASSERT_EQ(stored.input.legs.size(), 16U)
      << "found below the manifest though it names another place";
  const Verdict v = AnalyzePhase70(stored.input, "t").verdict;
  EXPECT_TRUE(v.run_valid) << FindingsText(v.findings);
  EXPECT_EQ(v.grade, Grade::kC);
  EXPECT_FALSE(v.decision_grade);
  EXPECT_EQ(v.effect.word, EffectWord::kBetter) << FindingsText(v.effect.findings);
  EXPECT_NEAR(LogRatioToPct(v.effect.hl->estimate), -50, 2);
  EXPECT_THAT(v.reason_codes, Contains("LEGACY_SCHEMA"));
  EXPECT_THAT(v.reason_codes, Contains("B1_DISK_TIER_NOT_DISABLED")) << "never read back there";
  EXPECT_THAT(v.reason_codes, Not(Contains("DECLARATION_CHANGED")));
}

TEST(StoredPhase70, ALegThatIsGoneOrBrokenIsAFinding) {
  const fs::path root = sample::Scratch("legacy_gone");
  const json manifest = legacy_sample::WriteExperiment(root, 2);
  const auto folder = [&](std::size_t i) {
    return root / manifest["runs"][i]["bundle_id"].get<std::string>() /
           manifest["runs"][i]["run_id"].get<std::string>();
  };
  fs::remove_all(folder(0));
  WriteFileAtomic(folder(1) / "summary.json", R"({"run_id": )");
  const StoredPhase70 stored = LoadStoredPhase70(legacy_sample::ManifestFile(root));
  EXPECT_EQ(stored.input.legs.size(), 2U);
  EXPECT_THAT(Codes(stored.input.runner_findings),
              ElementsAre("RUN_ERRORS_PRESENT", "RUN_INCOMPLETE"));
  EXPECT_FALSE(AnalyzePhase70(stored.input, "t").verdict.run_valid);
}

TEST(StoredPhase70, ThePreflightOfThePredecessorIsHeeded) {
  const fs::path root = sample::Scratch("legacy_preflight");
  legacy_sample::WriteExperiment(root, 1);
  const fs::path file = root / "phase70_rehydrate_pair_repeats_preflight_20260212T100000Z.json";
  WriteJsonAtomic(file, {{"ok", false}, {"reason_codes", {"PREFLIGHT_NO_MODELS"}}});
  const auto stored = LoadStoredPhase70(legacy_sample::ManifestFile(root));
  EXPECT_EQ(stored.input.preflight.state, PreflightOutcome::State::kFailed);
  EXPECT_THAT(stored.input.preflight.reason_codes, ElementsAre("PREFLIGHT_NO_MODELS"));
  WriteJsonAtomic(file, {{"ok", "yes"}});
  EXPECT_THROW(LoadStoredPhase70(legacy_sample::ManifestFile(root)), DataError);
}

TEST(StoredPhase70, AnotherVersionIsRefusedByFile) {
  const fs::path file = sample::Scratch("legacy_version") / "manifest.json";
  for (const json& j : {json{{"schema_version", 99}}, json::array(), json{{"schema_version", 1}}}) {
    WriteJsonAtomic(file, j);
    try {
      LoadStoredPhase70(file);
      ADD_FAILURE() << j;
    } catch (const DataError& e) {
      EXPECT_THAT(e.what(), HasSubstr(file.string()));
    }
  }
}

TEST(Pilot, OfThePredecessorIsReadFromItsManifest) {
  const fs::path root = sample::Scratch("pilot_legacy");
  legacy_sample::WriteExperiment(root, 6);
  const Pilot pilot = ReadPilot(legacy_sample::ManifestFile(root));
  EXPECT_EQ(pilot.pairs, 6U);
  EXPECT_GT(pilot.sd, 0.005);
  EXPECT_LT(pilot.sd, 0.03);
  EXPECT_FALSE(pilot.same_mode);
  ASSERT_TRUE(pilot.seconds_per_pair);
  EXPECT_NEAR(*pilot.seconds_per_pair, (11 * 60 + 50) / 6.0, 1e-9);
  EXPECT_EQ(pilot.ssd_bytes_per_pair, 1020.0 * 327'680);
}

TEST(Pilot, WhatHoldsNoPairIsRefused) {
  const fs::path root = sample::Scratch("pilot_none");
  legacy_sample::WriteExperiment(root, 1);
  EXPECT_THROW(ReadPilot(legacy_sample::ManifestFile(root)), ConfigError);
  EXPECT_THROW(ReadPilot(root / "missing.json"), ConfigError);
  WriteFileAtomic(root / "x_deltas_y.csv", "pair_id\r\n1\r\n");
  EXPECT_THROW(ReadPilot(root / "x_deltas_y.csv"), ConfigError);
  WriteFileAtomic(root / "broken.json", "{");
  EXPECT_THROW(ReadPilot(root / "broken.json"), DataError);
  WriteJsonAtomic(root / "odd.json", {{"effect", 5}});
  EXPECT_THROW(ReadPilot(root / "odd.json"), DataError);
}

}  // namespace
}  // namespace kvtier
