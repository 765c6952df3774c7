// Experiments on disk, judged again: what their files keep, and what is held in memory.
#include "harness/report/stored_experiment.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/core/error.hpp"
#include "harness/report/schema_check.hpp"
#include "harness/report/stored_phase70.hpp"

namespace kvtier {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::Contains;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr const char* kTs = "20260101T000000Z";
const fs::path kSchemas = fs::path(KVTIER_SOURCE_DIR) / "docs/schemas";

TEST(VerdictFile, HoldsTheIntervalsOfPeriodAndCarryOverByItsSchema) {
  const Phase70Paths paths{sample::Scratch("verdict_intervals"), kTs};
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
  const Phase70Paths paths{sample::Scratch("stored_rows"), kTs};
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
  const Phase70Paths paths{sample::Scratch("stored_setup"), kTs};
  sample::WriteExperiment(paths, test::MakeExperiment(6));
  const StoredPhase70 stored = LoadStoredPhase70(
      paths.Manifest(), [](Phase70Setup& setup) { setup.io_attrib_expected = true; });
  EXPECT_FALSE(stored.manifest.setup.io_attrib_expected) << "as it was declared";
  const Verdict verdict = AnalyzePhase70(stored.input, kTs).verdict;
  EXPECT_THAT(verdict.reason_codes, Contains("IO_ATTRIB_MISSING"));
  EXPECT_THAT(verdict.reason_codes, Contains("DECLARATION_CHANGED"));
  EXPECT_THAT(verdict.reason_codes, Not(Contains("RUN_INCOMPLETE"))) << "every row was seen";
}

}  // namespace
}  // namespace kvtier
