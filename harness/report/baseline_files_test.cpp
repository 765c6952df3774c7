#include "harness/report/baseline_files.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "harness/core/error.hpp"
#include "harness/core/files.hpp"
#include "harness/core/temp_dir.hpp"
#include "harness/report/sample_schemas.hpp"
#include "harness/report/schema_check.hpp"

namespace kvtier {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class BaselineFiles : public ::testing::Test {
 protected:
  BaselineFiles() {
    WriteJsonAtomic(run_ / "config.json", {{"scenario", "rehydrate_replay"},
                                           {"tier_mode", "B2"},
                                           {"kv_runtime_env", {{"DYN_KVBM_DISK_CACHE_GB", "99"}}},
                                           {"args", {{"rehydrate_turns", 2}}}});
  }
  /// The run, with this many turns.
  Baseline Of(int turns) const {
    json config = ReadJson(run_ / "config.json");
    config["args"]["rehydrate_turns"] = turns;
    WriteJsonAtomic(run_ / "config.json", config);
    return ComputeBaseline(run_, json::object(), Ruleset::kKvtier);
  }
  const TempDir folder_;
  const fs::path root_ = folder_.path(), run_ = root_ / "bundle/run";
};

TEST_F(BaselineFiles, TheProbeBundleSaysWhatTheWorkerGot) {
  const auto env = [&] {
    return ComputeBaseline(run_, json::object(), Ruleset::kRunbook)
        .semantic_manifest.at("kv_mode")
        .value("runtime_env", json());
  };
  EXPECT_EQ(env(), json::object()) << "the client's own environment is not the worker's";
  WriteJsonAtomic(run_ / "../analysis/worker_runtime_manifest.json",
                  {{"env", {{"DYN_KVBM_DISK_CACHE_GB", "32"}}}});
  EXPECT_EQ(env(), (json{{"DYN_KVBM_DISK_CACHE_GB", "32"}}));
  WriteJsonAtomic(run_ / "../analysis/manifest.json", {{"model_handle", "m"}});
  const Baseline b = ComputeBaseline(run_, json::object(), Ruleset::kKvtier);
  EXPECT_EQ(b.semantic_manifest.at("model_id"), "m");
  EXPECT_THAT(b.manifest_path, HasSubstr("analysis/manifest.json"));
}

TEST_F(BaselineFiles, OurConfigSaysWhatTheWorkerWasStartedWith) {
  json config = ReadJson(run_ / "config.json");
  config["schema_version"] = 1;
  WriteJsonAtomic(run_ / "config.json", config);
  const Baseline b = ComputeBaseline(run_, json::object(), Ruleset::kKvtier);
  EXPECT_EQ(b.semantic_manifest.at("kv_mode").at("runtime_env").at("DYN_KVBM_DISK_CACHE_GB"), 99.0);
  EXPECT_THAT(b.manifest_path, HasSubstr("config.json"));
}

TEST_F(BaselineFiles, AcceptingReplacesTheBaselineAndOnlyAddsToTheLog) {
  const fs::path file = root_ / "baseline.json", log = root_ / "audit.jsonl";
  const Baseline first = Of(2), second = Of(3);
  AcceptBaseline(file, log, {}, first, "first", "2026-11-25T11:00:00.000+00:00", Ruleset::kKvtier);
  const std::string before = ReadFile(log);
  const Baseline stored = ReadBaselineArgument(file.string(), "--known-json");
  EXPECT_EQ(stored.semantic_hash, first.semantic_hash);
  EXPECT_EQ(stored.updated_utc, "2026-11-25T11:00:00.000+00:00");
  const json row = AcceptBaseline(file, log, stored, second, "operator_accept_new_baseline",
                                  "2026-11-25T12:00:00.000+00:00", Ruleset::kKvtier);
  EXPECT_EQ(row.at("changed_fields"), json({"workload_shape.rehydrate_turns"}));
  EXPECT_EQ(row.at("previous_semantic_hash"), first.semantic_hash);
  EXPECT_EQ(ReadJson(file).at("semantic_hash"), second.semantic_hash);
  EXPECT_EQ(ReadJsonl(log).size(), 2u);
  EXPECT_EQ(ReadFile(log).substr(0, before.size()), before);
  EXPECT_THAT(CheckFile(file, kSchemas / "phase60_baseline.schema.json"), IsEmpty());
  EXPECT_THAT(CheckFile(log, kSchemas / "phase60_baseline_audit_row.schema.json"), IsEmpty());
}

TEST_F(BaselineFiles, ALogThatEndsInATornLineIsNotWrittenTo) {
  const fs::path file = root_ / "baseline.json", log = root_ / "audit.jsonl";
  WriteFileAtomic(log, "{\"a\":1}\n{\"b\"");
  EXPECT_THROW(AcceptBaseline(file, log, {}, Of(2), "r", "t", Ruleset::kKvtier), DataError);
  EXPECT_EQ(ReadFile(log), "{\"a\":1}\n{\"b\"");
  EXPECT_FALSE(fs::exists(file)) << "no baseline without its row";
  WriteFileAtomic(log, "{\"a\":1}");
  AcceptBaseline(file, log, {}, Of(2), "r", "t", Ruleset::kKvtier);
  EXPECT_EQ(ReadJsonl(log).size(), 2u) << "a whole line without its end is ended";
}

TEST_F(BaselineFiles, DecisionsKeepTheirSchema) {
  for (const bool accept : {true, false}) {
    const fs::path file = root_ / "decision.json";
    WriteJsonAtomic(file, DecideBaseline(Of(2), Of(3), true, accept));
    EXPECT_THAT(CheckFile(file, kSchemas / "phase60_baseline_decision.schema.json"), IsEmpty());
  }
  const fs::path file = root_ / "match.json";
  WriteJsonAtomic(file, DecideBaseline({}, Of(3), false, false));
  EXPECT_THAT(CheckFile(file, kSchemas / "phase60_baseline_decision.schema.json"), IsEmpty());
}

TEST_F(BaselineFiles, ArgumentsAreFilesOrJson) {
  EXPECT_EQ(ReadJsonArgument(" {\"a\": 1}", "--context-json"), (json{{"a", 1}}));
  EXPECT_EQ(ReadJsonArgument("", "--context-json"), json::object());
  EXPECT_EQ(ReadJsonArgument((run_ / "config.json").string(), "--x").at("tier_mode"), "B2");
  EXPECT_THROW(ReadJsonArgument("{", "--x"), DataError);
  EXPECT_THROW(ReadJsonArgument("no/such/file", "--x"), IoError);
  EXPECT_TRUE(ReadBaselineArgument("{}", "--known-json").semantic_hash.empty()) << "none yet";
  try {
    ReadBaselineArgument("{\"semantic_hash\": 3}", "--known-json");
    ADD_FAILURE() << "accepted";
  } catch (const DataError& e) {
    EXPECT_THAT(e.what(), HasSubstr("--known-json: the key semantic_hash"));
  }
  WriteFileAtomic(run_ / "config.json", R"({"args": {"rehydrate_turns": "two"}})");
  try {
    ComputeBaseline(run_, json::object(), Ruleset::kKvtier);
    ADD_FAILURE() << "accepted";
  } catch (const DataError& e) {
    EXPECT_THAT(e.what(), HasSubstr("config.json"));
    EXPECT_THAT(e.what(), HasSubstr("rehydrate_turns"));
  }
}

}  // namespace
}  // namespace kvtier
