// Experiments on disk, judged again: what their files keep, what is held in memory, and a lie that
// a soft code answers.
#include "harness/report/stored_experiment.hpp"

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/core/error.hpp"
#include "harness/report/sample_schemas.hpp"
#include "harness/report/schema_check.hpp"
#include "harness/report/stored_phase70.hpp"

namespace kvtier {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::Contains;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr const char* kStoredTs = "20260101T000000Z";

TEST(VerdictFile, HoldsTheIntervalsOfPeriodAndCarryOverByItsSchema) {
  const Phase70Paths paths{sample::Scratch("verdict_intervals"), kStoredTs};
  sample::WriteExperiment(paths, test::MakeExperiment(8));
  const Verdict verdict = sample::JudgeExperiment(paths);
  const fs::path schema = kSchemas / "phase70_verdict.schema.json";
  EXPECT_THAT(CheckFile(paths.Verdict(), schema), IsEmpty());
  ASSERT_TRUE(verdict.effect.period);
  EXPECT_TRUE(KeptInterval(*verdict.effect.period).available());

  json file = ReadJson(paths.Verdict());
  ASSERT_TRUE(file["effect_details"]["carry_over"].is_object());
  file["effect_details"]["period"].erase("low");
  WriteJsonAtomic(paths.Verdict(), file);
  EXPECT_THAT(CheckFile(paths.Verdict(), schema), Not(IsEmpty())) << "half an interval is none";
  file["effect_details"].erase("period");
  file["effect_details"].erase("carry_over");
  WriteJsonAtomic(paths.Verdict(), file);
  EXPECT_THAT(CheckFile(paths.Verdict(), schema), IsEmpty()) << "as earlier versions wrote it";
  EXPECT_FALSE(KeptInterval(*LoadPhase70Verdict(paths.Verdict()).effect.period).available());
}

TEST(StoredExperiment, IsJudgedWithTheRowsOfOneLegInMemory) {
  const Phase70Paths paths{sample::Scratch("stored_rows"), kStoredTs};
  sample::WriteExperiment(paths, test::MakeExperiment(6));
  const Verdict live = sample::JudgeExperiment(paths);
  const StoredPhase70 stored = LoadStoredPhase70(paths.Manifest());
  ASSERT_EQ(stored.input.legs.size(), 12U);
  for (const Phase70Leg& leg : stored.input.legs) {
    EXPECT_EQ(leg.evidence.records.capacity(), 0U) << leg.evidence.run_id;
    EXPECT_NE(leg.digest, nullptr);
  }
  json again = AnalyzePhase70(stored.input, live.created_utc).verdict;
  json was = live;
  for (json* j : {&again, &was}) {
    j->erase("artifacts");  // the writer's to say
    (*j)["checks"].erase("artifacts_present");
  }
  EXPECT_EQ(again, was);
}

// The rows are gone when the caller has the input, so what he judges by has to be said before.
TEST(StoredExperiment, IsJudgedByWhatTheCallerAsksFor) {
  const Phase70Paths paths{sample::Scratch("stored_setup"), kStoredTs};
  sample::WriteExperiment(paths, test::MakeExperiment(6));
  const StoredPhase70 stored = LoadStoredPhase70(
      paths.Manifest(), [](Phase70Setup& setup) { setup.io_attrib_expected = true; });
  EXPECT_FALSE(stored.manifest.setup.io_attrib_expected) << "as it was declared";
  const Verdict verdict = AnalyzePhase70(stored.input, kStoredTs).verdict;
  EXPECT_THAT(verdict.reason_codes, Contains("IO_ATTRIB_MISSING"));
  EXPECT_THAT(verdict.reason_codes, Contains("DECLARATION_CHANGED"));
  EXPECT_THAT(verdict.reason_codes, Not(Contains("RUN_INCOMPLETE"))) << "every row was seen";
}

/// Every latency of a leg cut to two thirds, as somebody would who wants it to look faster.
void ShortenLatencies(const fs::path& run_dir) {
  const std::vector<json> rows = ReadJsonl(run_dir / bundle_files::kRequests);
  std::ofstream out(run_dir / bundle_files::kRequests);
  for (json row : rows) {
    json& stamps = row.at("stamps");
    const auto sent = stamps.at("sent_first").get<std::int64_t>();
    for (auto& [name, at] : stamps.items()) {
      const auto was = at.get<std::int64_t>();
      if (was > sent) at = sent + (was - sent) * 2 / 3;
    }
    out << row.dump() << "\n";
  }
}

// Little's law is soft: one leg may have met a client that was held up. More than a quarter of them
// is no accident, and no better grade than C.
TEST(PlantedSoftLie, LatenciesThatWereShortenedBreakLittlesLaw) {
  const Phase70Paths paths{sample::Scratch("shortened"), kStoredTs};
  const Phase70Manifest manifest = sample::WriteExperiment(paths, test::MakeExperiment(8));
  const Verdict good = sample::JudgeExperiment(paths);
  ASSERT_EQ(good.grade, Grade::kB) << FindingsText(good.findings);
  ASSERT_THAT(good.reason_codes, Not(Contains("LITTLES_LAW_BROKEN")));

  std::size_t changed = 0;
  for (const Phase70Run& run : manifest.runs) {
    if (run.mode != TierMode::kB2) continue;
    ShortenLatencies(paths.root / run.run_dir);
    const Verdict v = sample::JudgeExperiment(paths);
    ++changed;
    SCOPED_TRACE(fmt::format("{} of 16 legs changed\n{}", changed, FindingsText(v.findings)));
    EXPECT_TRUE(std::any_of(v.findings.begin(), v.findings.end(), [&](const Finding& f) {
      return f.reason == Reason::kLittlesLawBroken && f.run_id == run.run_id && f.phase == "replay";
    }));
    EXPECT_EQ(v.soft_fail_legs, static_cast<int>(changed));
    EXPECT_EQ(Has(v.findings, Reason::kNoisyLegs), changed > 4);
    EXPECT_EQ(v.grade, changed > 4 ? Grade::kC : Grade::kB);
  }
  EXPECT_EQ(changed, 8U);
}

}  // namespace
}  // namespace kvtier
