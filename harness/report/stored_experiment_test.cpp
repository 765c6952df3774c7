// Experiments on disk, judged again.
#include "harness/report/stored_experiment.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/report/stored_phase70.hpp"

namespace kvtier {
namespace {

using nlohmann::json;
using ::testing::Contains;
using ::testing::Not;

constexpr const char* kTs = "20260101T000000Z";

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
