#include "harness/judge/baseline.hpp"

#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/core/error.hpp"

namespace kvtier {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// config.json, analysis/manifest.json and worker_runtime_manifest.json of a run of the predecessor,
// made by hand after the documented schema.
BaselineSources LegacyRun() {
  BaselineSources s;
  s.config = json::parse(R"({
    "run_id": "run_B2_c1", "created_utc": "2026-02-19T21:16:27.000+00:00",
    "scenario": "rehydrate_replay", "model_id": "nvidia/Llama-3.1-8B-Instruct-FP8",
    "tier_mode": "B2",
    "kv_mode": {"mode": "cpu_disk", "cpu_cache_gb": 2.0, "disk_cache_gb": 32.0,
                "diagnostic": {"disable_disk_offload_filter": false}},
    "args": {"kv_cpu_cache_gb": 2, "kv_disk_cache_gb": null,
             "rehydrate_populate_sessions": 16, "rehydrate_thrash_sessions": 96,
             "rehydrate_turns": 2, "rehydrate_prefix_target_tokens": 4096,
             "rehydrate_populate_concurrency": 2, "rehydrate_thrash_concurrency": 2,
             "rehydrate_replay_concurrency": 1, "rehydrate_replay_repeats": 2,
             "rehydrate_gen_tokens": 64, "seed": 20260210, "request_seed": 20260210},
    "phases": [{"name": "populate", "concurrency": 2, "requests": 32, "include_in_overall": true},
               {"name": "thrash", "concurrency": 2, "requests": 192, "include_in_overall": true},
               {"name": "replay", "concurrency": 1, "requests": 32, "include_in_overall": true}]})");
  s.runtime_env = {{"DYN_KVBM_CPU_CACHE_GB", "2"},
                   {"DYN_KVBM_DISK_CACHE_GB", "32"},
                   {"DYN_KVBM_DISABLE_DISK_OFFLOAD_FILTER", "0"}};
  s.context = {
      {"model_profile", "llama31_8b_fp8"},         {"sweep_replay_concurrencies", {4, 1, 2}},
      {"baseline_replay_concurrency", 1},          {"pressure_populate_concurrency", 2},
      {"pressure_thrash_concurrency", 2},          {"include_b0", false},
      {"run_order_per_concurrency", {"B2", "B1"}}, {"b1_disk_cache_gb", 0},
      {"b1_read_bytes_threshold", 1048576},        {"b1_disk_hit_rate_threshold", 1e-6}};
  return s;
}

// The three golden hashes were computed with Python's json and hashlib from the same documents:
//   sha256(json.dumps(normalised, sort_keys=True, separators=(",", ":"), ensure_ascii=True))
// with normalised floats being float(f"{x:.12g}").
TEST(BaselineHash, EqualsTheOneComputedOutside) {
  const json manifest = SemanticManifest(LegacyRun());
  EXPECT_EQ(SemanticHash(manifest, Ruleset::kRunbook),
            "94de62cc810fdd8d69116003aab11b590a64bd7de76f3fc7394208f2a009503a");
  EXPECT_EQ(SemanticHash(manifest, Ruleset::kKvtier),
            "d1582c1bc3726b63ad93296864a9a4c16cd6088614685ee934b0089f50316144");
}

TEST(BaselineHash, EscapesAndRoundsAsPythonDoes) {
  const json odd = json::parse(R"({"b": [null, 0.30000000000000004, 1e-7, 100.0, -0.0,
      123456789.0123456], "a": "\u00fcmlaut \u2028 \u007f \"q\" \\ \n \ud83d\ude00", "z": null,
      "x_path": "/p", "ts": 1, "paths": [1], "n": 12, "deep": {"cache_dir": "d", "k": true}})");
  EXPECT_EQ(NormaliseManifest(odd, Ruleset::kRunbook).dump(-1, ' ', true),
            R"({"a":"\u00fcmlaut \u2028 \u007f \"q\" \\ \n \ud83d\ude00",)"
            R"("b":[0.3,1e-07,100.0,-0.0,123456789.012],"deep":{"k":true},"n":12})");
  EXPECT_EQ(SemanticHash(odd, Ruleset::kRunbook),
            "07634a22b0a2d10467d6c480b3c8602a4804667f019fac648dfe662ec0755dcd");
}

TEST(BaselineHash, IsBlindToWhatChangesWithoutMeaning) {
  const std::string before = SemanticHash(SemanticManifest(LegacyRun()));
  BaselineSources s = LegacyRun();
  s.config["run_id"] = "another";
  s.config["created_utc"] = "2027";
  s.config["client_request_parameters"] = {{"temperature", 1.0}};
  EXPECT_EQ(SemanticHash(SemanticManifest(s)), before);
}

TEST(BaselineHash, SeesEachSettingThatMatters) {
  const std::string before = SemanticHash(SemanticManifest(LegacyRun()));
  const std::vector<std::pair<std::string, std::function<void(BaselineSources&)>>> table{
      {"scenario", [](auto& s) { s.config["scenario"] = "reuse_verify"; }},
      {"model", [](auto& s) { s.config["model_id"] = "other"; }},
      {"tier", [](auto& s) { s.config["tier_mode"] = "B1"; }},
      {"disk size", [](auto& s) { s.config["args"]["kv_disk_cache_gb"] = 16; }},
      {"disk size of the worker", [](auto& s) { s.runtime_env["DYN_KVBM_DISK_CACHE_GB"] = "16"; }},
      {"filter of the worker",
       [](auto& s) { s.runtime_env["DYN_KVBM_DISABLE_DISK_OFFLOAD_FILTER"] = "yes"; }},
      {"worker unknown", [](auto& s) { s.runtime_env = nullptr; }},
      {"turns", [](auto& s) { s.config["args"]["rehydrate_turns"] = 3; }},
      {"seed", [](auto& s) { s.config["args"]["seed"] = 1; }},
      {"requests of a phase", [](auto& s) { s.config["phases"][1]["requests"] = 191; }},
      {"enforcement", [](auto& s) { s.context["b1_disk_tier_enforced"] = "no"; }},
      {"metric", [](auto& s) { s.context["metric_preferred"] = "ttft_ms"; }},
      {"attribution", [](auto& s) { s.context["io_attrib_enabled"] = "1"; }},
  };
  for (const auto& [name, change] : table) {
    BaselineSources s = LegacyRun();
    change(s);
    EXPECT_NE(SemanticHash(SemanticManifest(s)), before) << name;
  }
}

TEST(BaselineHash, KnowsTheWorkersSpellingsOfOneSetting) {
  const auto hash = [](const json& filter, const char* disk, Ruleset ruleset) {
    BaselineSources s = LegacyRun();
    s.runtime_env["DYN_KVBM_DISABLE_DISK_OFFLOAD_FILTER"] = filter;
    s.runtime_env["DYN_KVBM_DISK_CACHE_GB"] = disk;
    return SemanticHash(SemanticManifest(s), ruleset);
  };
  const std::string zero = hash("0", "32", Ruleset::kKvtier);
  EXPECT_EQ(hash("false", "32", Ruleset::kKvtier), zero);
  EXPECT_EQ(hash("False ", "32.0", Ruleset::kKvtier), zero);
  EXPECT_EQ(hash(nullptr, "32", Ruleset::kKvtier), zero) << "unset is off";
  EXPECT_NE(hash("1", "32", Ruleset::kKvtier), zero);
  EXPECT_EQ(hash("1", "32", Ruleset::kKvtier), hash("true", "32", Ruleset::kKvtier));
  EXPECT_NE(hash("false", "32", Ruleset::kRunbook), hash("0", "32", Ruleset::kRunbook))
      << "as written";
}

TEST(BaselineHash, IsThatOfTheRunAndNotOfTheSweepsList) {
  BaselineSources s = LegacyRun();
  s.context["sweep_replay_concurrencies"] = {8, 16};
  EXPECT_EQ(SemanticHash(SemanticManifest(s)), SemanticHash(SemanticManifest(LegacyRun())));
  EXPECT_NE(SemanticHash(SemanticManifest(s), Ruleset::kRunbook),
            SemanticHash(SemanticManifest(LegacyRun()), Ruleset::kRunbook))
      << "as written";
}

TEST(BaselineManifest, FindsOurSettingsUnderTheirOwnNames) {
  BaselineSources s;
  s.config = {{"schema_version", 1},
              {"scenario", "rehydrate_replay"},
              {"seeds", {{"run", 7}}},
              {"kv_mode", {{"mode", "cpu_disk"}, {"cpu_cache_gb", 0.5}}},
              {"args", {{"scenario.turns", "3"}, {"scenario.gen_tokens", ""}}}};
  const json m = SemanticManifest(s);
  EXPECT_EQ(m.at("workload_shape").at("rehydrate_turns"), 3);
  EXPECT_EQ(m.at("workload_shape").at("seed"), 7);
  EXPECT_EQ(m.at("workload_shape").at("rehydrate_gen_tokens"), nullptr);
  EXPECT_EQ(m.at("kv_mode").at("cpu_cache_gb"), 0.5);
  EXPECT_EQ(m.at("kv_mode").at("disk_cache_gb"), nullptr) << "not said is not 0";
  EXPECT_EQ(m.at("sweep_policy").at("b1_disk_tier_enforced"), true);
  EXPECT_EQ(m.at("gates").at("require_b2_rehydrate"), true);
}

TEST(BaselineManifest, AWrongTypeIsNamedByItsKey) {
  const std::vector<std::pair<std::string, std::function<void(BaselineSources&)>>> table{
      {"rehydrate_turns", [](auto& s) { s.config["args"]["rehydrate_turns"] = "two"; }},
      {"rehydrate_turns", [](auto& s) { s.config["args"]["rehydrate_turns"] = 1.5; }},
      {"kv_disk_cache_gb", [](auto& s) { s.config["args"]["kv_disk_cache_gb"] = true; }},
      {"scenario", [](auto& s) { s.config["scenario"] = 7; }},
      {"phases", [](auto& s) { s.config["phases"] = "all"; }},
      {"sweep_replay_concurrencies",
       [](auto& s) { s.context["sweep_replay_concurrencies"] = "1 2"; }},
      {"DYN_KVBM_DISK_CACHE_GB", [](auto& s) { s.runtime_env["DYN_KVBM_DISK_CACHE_GB"] = 32; }},
  };
  for (const auto& [key, plant] : table) {
    BaselineSources s = LegacyRun();
    plant(s);
    try {
      SemanticManifest(s);
      ADD_FAILURE() << key << " was accepted";
    } catch (const DataError& e) {
      EXPECT_THAT(e.what(), HasSubstr(key));
    }
  }
}

Baseline Of(const std::function<void(BaselineSources&)>& change,
            Ruleset ruleset = Ruleset::kKvtier) {
  BaselineSources s = LegacyRun();
  change(s);
  return MakeBaseline(s, ruleset);
}
Baseline Same() {
  return Of([](BaselineSources&) {});
}
Baseline OtherSeed() {
  return Of([](BaselineSources& s) { s.config["args"]["seed"] = 1; });
}

TEST(BaselineDecision, FollowsTheTable) {
  struct Case {
    bool same, strict, accept;
    BaselineAction action;
    const char *warning, *reason;
    bool demotes, demotes_as_written;
  };
  using enum BaselineAction;
  const char* accepted = "BASELINE_MANIFEST_HASH_ACCEPTED";
  const char* warned = "BASELINE_MANIFEST_HASH_MISMATCH_WARNING";
  const char* stopped = "baseline_manifest_hash_mismatch";
  for (const Case& c : {Case{true, true, true, kMatch, "", "", false, false},
                        Case{false, false, false, kWarn, warned, "", true, true},
                        Case{false, true, false, kStop, "", stopped, true, true},
                        Case{false, false, true, kAccept, accepted, "", false, true},
                        Case{false, true, true, kAccept, accepted, "", false, true}}) {
    for (const Ruleset ruleset : {Ruleset::kKvtier, Ruleset::kRunbook}) {
      const auto d =
          DecideBaseline(Same(), c.same ? Same() : OtherSeed(), c.strict, c.accept, ruleset);
      EXPECT_EQ(d.action, c.action);
      EXPECT_EQ(d.warning_code, c.warning);
      EXPECT_EQ(d.reason, c.reason);
      EXPECT_EQ(d.demotes, ruleset == Ruleset::kRunbook ? c.demotes_as_written : c.demotes)
          << BaselineActionName(d.action) << " " << RulesetName(ruleset);
    }
  }
}

TEST(BaselineDecision, NamesTheFieldsThatDiffer) {
  const Baseline other = Of([](BaselineSources& s) {
    s.config["args"]["seed"] = 1;
    s.config["phases"][1]["requests"] = 3;
    s.context["sweep_replay_concurrencies"] = {8};
  });
  EXPECT_THAT(DecideBaseline(Same(), other, true, false).diff_fields,
              ElementsAre("phase_layout[1].requests", "workload_shape.seed"));
}

TEST(BaselineDecision, ComparesAStoredBaselineOfThePredecessorLikeWithLike) {
  const auto spelled_false = [](BaselineSources& s) {
    s.runtime_env["DYN_KVBM_DISABLE_DISK_OFFLOAD_FILTER"] = "false";
    s.context["sweep_replay_concurrencies"] = {1};
  };
  Baseline stored = Of(spelled_false, Ruleset::kRunbook);
  EXPECT_NE(stored.semantic_hash, Same().semantic_hash);
  EXPECT_EQ(DecideBaseline(stored, Same(), true, false).action, BaselineAction::kMatch);
  stored.semantic_manifest = nullptr;  // its hash alone
  EXPECT_EQ(DecideBaseline(stored, Same(), true, false).action, BaselineAction::kStop);
  stored.semantic_hash = SemanticHash(Same().semantic_manifest, Ruleset::kRunbook);
  EXPECT_NE(stored.semantic_hash, Same().semantic_hash);
}

TEST(BaselineDecision, NoBaselineYetIsADifference) {
  const BaselineDecision d = DecideBaseline({}, Same(), false, true);
  EXPECT_EQ(d.action, BaselineAction::kAccept);
  const json row = BaselineAuditRow({}, Same(), d, "baseline.json", "first", "now");
  EXPECT_EQ(row.at("previous_semantic_hash"), nullptr);
  EXPECT_EQ(row.at("new_semantic_hash"), Same().semantic_hash);
  EXPECT_EQ(row.at("semantic_manifest_summary").at("sweep_replay_concurrencies"), json({1, 2, 4}));
}

TEST(BaselineDiff, ReachesLeavesAndLengths) {
  const auto diff = [](const char* a, const char* b) {
    return DiffFields(json::parse(a), json::parse(b));
  };
  EXPECT_THAT(diff(R"({"a":{"b":[1,2,{"c":3}]}})", R"({"a":{"b":[1,2,{"c":4}]}})"),
              ElementsAre("a.b[2].c"));
  EXPECT_THAT(diff(R"({"a":[1]})", R"({"a":[1,2]})"), ElementsAre("a[1]"));
  EXPECT_THAT(diff(R"({"a":1})", R"({"b":{"c":1}})"), ElementsAre("a", "b.c"));
  EXPECT_THAT(diff("1", "2"), ElementsAre("<root>"));
  EXPECT_THAT(diff(R"({"a":1})", "[1]"), ElementsAre("<root>"));
  EXPECT_THAT(diff("{}", "null"), ElementsAre("<root>"));
  EXPECT_THAT(diff("{}", "{}"), IsEmpty());
}

TEST(BaselineFile, ComesBackAndReadsThePredecessors) {
  Baseline b = Same();
  b.updated_utc = "now";
  b.source_run_path = "run";
  const json written = b;
  EXPECT_EQ(json(written.get<Baseline>()), written);
  const Baseline old = json{{"updated_utc", "t"}, {"semantic_hash", "abc"}}.get<Baseline>();
  EXPECT_EQ(old.semantic_hash, "abc");
  for (const char* bad : {R"({"updated_utc": "t"})", R"({"semantic_hash": 3})", "[]", "{}",
                          R"({"semantic_hash": "a", "schema_version": 2})",
                          R"({"semantic_hash": "a", "semantic_manifest": 1})"}) {
    EXPECT_THROW(json::parse(bad).get<Baseline>(), DataError) << bad;
  }
}

TEST(LooseBool, TakesTheFourWordsOnly) {
  for (const char* yes : {"1", "true", " YES ", "On"}) EXPECT_TRUE(ParseLooseBool(yes)) << yes;
  for (const char* no : {"", "0", "false", "2", "y", "enabled"}) {
    EXPECT_FALSE(ParseLooseBool(no)) << no;
  }
}

}  // namespace
}  // namespace kvtier
