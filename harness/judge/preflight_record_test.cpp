#include "harness/judge/preflight_record.hpp"

#include <map>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "harness/core/error.hpp"

namespace kvtier {
namespace {

using nlohmann::json;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

json Passed() {
  return {{"ok", true},
          {"decision_grade", true},
          {"health_http_status", "200"},
          {"models_http_status", "200"},
          {"metrics_http_status", "200"},
          {"model_count", 1},
          {"kvbm_metrics_ok", true},
          {"kvbm_metrics_missing", json::array()},
          {"reason_codes", json::array()},
          {"parse_target", nullptr},
          {"tier_mode", "B2"},
          {"probes_ok", 2}};
}

struct Stage {
  const char* name;
  json change;
  const char* code;
};
void PrintTo(const Stage& s, std::ostream* out) {
  *out << s.name;
}
class StoredStages : public ::testing::TestWithParam<Stage> {};

// A file that says ok although it saw a failure does not pass.
TEST_P(StoredStages, WhatWasSeenDecidesNotWhatWasConcluded) {
  json j = Passed();
  j.update(GetParam().change);
  const PreflightRecord r = JudgePreflightRecord(j, Ruleset::kKvtier, false);
  EXPECT_THAT(r.reason_codes, ElementsAre(GetParam().code));
  EXPECT_FALSE(r.decision_grade);
  const PreflightRecord by_runbook = JudgePreflightRecord(j, Ruleset::kRunbook, false);
  EXPECT_EQ(by_runbook.Word(), "PASS") << "its own conclusion stands there";
}

INSTANTIATE_TEST_SUITE_P(
    All, StoredStages,
    ::testing::Values(
        Stage{"health", {{"health_http_status", "503"}}, "PREFLIGHT_FRONTEND_UNHEALTHY"},
        Stage{"health_text", {{"parse_target", "health"}}, "PREFLIGHT_PARSE_ERROR"},
        Stage{"models", {{"models_http_status", "000"}}, "PREFLIGHT_NO_MODELS"},
        Stage{"no_model", {{"model_count", 0}}, "PREFLIGHT_NO_MODELS"},
        Stage{"metrics", {{"metrics_http_status", "404"}}, "PREFLIGHT_METRICS_UNAVAILABLE"},
        Stage{"counters",
              {{"kvbm_metrics_missing", {"kvbm_matched_tokens"}}},
              "PREFLIGHT_METRICS_MISSING_COUNTERS"},
        Stage{"probe", {{"probes_ok", 1}}, "PREFLIGHT_PROBE_FAILED"},
        Stage{"b0_metrics_open", {{"tier_mode", "B0"}}, "PREFLIGHT_KVBM_NOT_OFF"}),
    [](const auto& param) { return param.param.name; });

TEST(PreflightRecord, AGoodOneStaysGood) {
  const PreflightRecord r = JudgePreflightRecord(Passed(), Ruleset::kKvtier, false);
  EXPECT_EQ(r.Word(), "PASS");
  EXPECT_EQ(r.ExitCode(), 0);
  EXPECT_THAT(r.notes, IsEmpty());
}

TEST(PreflightRecord, MissingMetricsPassOnlyOnRequestAndNeverForDecisions) {
  json j = Passed();
  j["ok"] = false;
  j["metrics_http_status"] = "000";
  EXPECT_EQ(JudgePreflightRecord(j, Ruleset::kKvtier, false).ExitCode(), 1);
  EXPECT_EQ(JudgePreflightRecord(j, Ruleset::kKvtier, true).Word(), "PASS_NON_DECISION_GRADE");
  j["models_http_status"] = "500";
  EXPECT_EQ(JudgePreflightRecord(j, Ruleset::kKvtier, true).ExitCode(), 1);
}

TEST(PreflightRecord, OneOfThePredecessorSaysThatNobodyTriedACompletion) {
  json j = Passed();
  j.erase("probes_ok");
  j.erase("tier_mode");
  const PreflightRecord r = JudgePreflightRecord(j, Ruleset::kKvtier, false);
  EXPECT_EQ(r.Word(), "PASS");
  EXPECT_THAT(r.notes, Contains(HasSubstr("no completion was tried")));
}

TEST(PreflightRecord, OneThatWasSkippedDoesNotPass) {
  const PreflightRecord r = JudgePreflightRecord(
      {{"ok", true}, {"decision_grade", false}, {"skipped", true}}, Ruleset::kKvtier, false);
  EXPECT_THAT(r.reason_codes, ElementsAre("PREFLIGHT_SKIPPED"));
  EXPECT_EQ(r.ExitCode(), 1);
}

TEST(PreflightRecord, AFaultOutsideTheStagesStays) {
  json j = Passed();
  j["ok"] = j["decision_grade"] = false;
  j["reason_codes"] = {"PREFLIGHT_DISK_SPACE"};
  const PreflightRecord r = JudgePreflightRecord(j, Ruleset::kKvtier, true);
  EXPECT_EQ(r.Word(), "FAIL");
  EXPECT_THAT(r.reason_codes, ElementsAre("PREFLIGHT_DISK_SPACE"));
}

TEST(PreflightRecord, WrongTypesAreNamed) {
  for (const auto& [key, value] : std::map<std::string, json>{{"ok", "yes"},
                                                              {"health_http_status", 200},
                                                              {"model_count", "one"},
                                                              {"kvbm_metrics_missing", 5},
                                                              {"reason_codes", {1, 2}}}) {
    json j = Passed();
    j[key] = value;
    try {
      JudgePreflightRecord(j, Ruleset::kKvtier, false);
      ADD_FAILURE() << key;
    } catch (const DataError& e) {
      EXPECT_THAT(e.what(), HasSubstr(key));
    }
  }
  EXPECT_THROW(JudgePreflightRecord(json::array(), Ruleset::kRunbook, false), DataError);
}

}  // namespace
}  // namespace kvtier
