#include "harness/report/index/bundle_index.hpp"

#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include "harness/core/error.hpp"
#include "harness/report/index/index_query.hpp"
#include "harness/report/index/index_rows.hpp"
#include "harness/report/sample_leg.hpp"
#include "harness/report/sample_schemas.hpp"
#include "harness/report/schema_check.hpp"

// The index of a results root: what it holds is what the bundles hold, and a query cannot change
// it.
namespace kvtier {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class BundleIndexTest : public ::testing::Test {
 protected:
  /// A closed run with one failed request of four, and a finding.
  fs::path WriteRun(const std::string& name) const {
    LegEvidence leg = sample::Leg();
    leg.run_id = fs::path(name).filename().string();
    leg.records[3] = sample::Record("replay", 2, 30, Outcome::kHttpError);
    leg.records[3].request_index = 4;
    RunBundleWriter writer(root_ / name);
    sample::WriteUpToTheEnd(writer, leg);
    CloseNotes notes;
    notes.findings = {
        MakeFinding(Reason::kNoiseBackgroundIo, leg.run_id, "replay", "others read 3 MiB")};
    writer.Close(leg, notes);
    return root_ / name;
  }
  IndexCounts Update(bool whole = false) const {
    return UpdateIndex({.results_root = root_.path(), .whole = whole});
  }
  json Rows(const std::string& sql) const { return QueryIndex(File(), sql).rows; }
  json One(const std::string& sql) const {
    const json rows = Rows(sql);
    EXPECT_EQ(rows.size(), 1U) << sql << '\n' << rows.dump();
    return rows.empty() ? json() : rows[0].begin().value();
  }
  fs::path File() const { return root_ / kIndexName; }
  static std::string Refusal(const std::function<void()>& act) {
    try {
      act();
    } catch (const Error& e) {
      return e.what();
    }
    return "not refused";
  }
  std::string Refused(const std::string& sql) const {
    return Refusal([&] { QueryIndex(File(), sql); });
  }

  const TempDir root_;
};

TEST_F(BundleIndexTest, HoldsWhatTheBundleHolds) {
  WriteRun("bundle_a/run_a");
  const IndexCounts counts = Update();
  EXPECT_EQ(counts.runs, 1U);
  EXPECT_EQ(counts.broken, 0U);
  const json run = Rows("SELECT * FROM runs").at(0);
  const json summary = ReadJson(root_ / "bundle_a/run_a/summary.json");
  EXPECT_EQ(run.at("run_path"), "bundle_a/run_a");
  EXPECT_EQ(run.at("bundle_path"), "bundle_a");
  EXPECT_EQ(run.at("state"), "closed");
  EXPECT_EQ(run.at("tier_mode"), "B2");
  EXPECT_EQ(run.at("model_id"), "kvtier-ref-nano");
  EXPECT_EQ(run.at("run_valid"), 1);
  EXPECT_EQ(run.at("total_requests"), 4);
  EXPECT_EQ(run.at("error_requests"), 1);
  EXPECT_EQ(run.at("duration_s"), summary.at("overall_summary").at("duration_s"));
  EXPECT_EQ(One("SELECT onboard_g3_to_g1_blocks FROM phases WHERE phase='replay'"), 34);
  EXPECT_EQ(One("SELECT process_read_bytes FROM phases WHERE phase='replay'"), 34 * 8192);
  EXPECT_EQ(One("SELECT p50 FROM request_aggregates WHERE phase='populate' AND metric='ttfc_ms'"),
            55.0);
  EXPECT_EQ(One("SELECT n FROM request_aggregates WHERE phase='replay' AND metric='ttfc_ms'"), 1);
  EXPECT_EQ(One("SELECT n FROM request_outcomes WHERE phase='replay' AND outcome='http_error'"), 1);
  EXPECT_EQ(One("SELECT detail FROM findings"), "others read 3 MiB");
  EXPECT_EQ(One("SELECT value || ' ' || origin FROM settings WHERE key='stack.preset'"),
            "nano default");
}

TEST_F(BundleIndexTest, ReadsAgainOnlyWhatChanged) {
  WriteRun("run_a");
  const fs::path b = WriteRun("run_b");
  EXPECT_EQ(Update().read, 2U);
  EXPECT_EQ(Update().read, 0U);
  json summary = ReadJson(b / "summary.json");
  summary["run_valid"] = false;
  summary["invalid_reason"] = "model_disappeared";
  WriteJsonAtomic(b / "summary.json", summary);
  EXPECT_EQ(Update().read, 1U);
  EXPECT_EQ(One("SELECT invalid_reason FROM runs WHERE run_valid=0"), "model_disappeared");
  EXPECT_EQ(One("SELECT count(*) FROM phases"), 4) << "its old rows are gone";
  EXPECT_EQ(Update(true).read, 2U);
  fs::remove_all(b);
  const IndexCounts after = Update();
  EXPECT_EQ(after.removed, 1U);
  EXPECT_EQ(after.runs, 1U);
  EXPECT_EQ(One("SELECT count(DISTINCT run_path) FROM request_aggregates"), 1);
}

// Blocks that only some loads have; their quantiles are objects.
TEST_F(BundleIndexTest, LatenciesFromTheDueMomentAndGoodput) {
  const fs::path run = WriteRun("run_a");
  json summary = ReadJson(run / "summary.json");
  summary["phase_summaries"][1]["load"] = {
      {"goodput", {{"goodput_rps", 1.5}, {"attainment", 0.75}}},
      {"ttfc_co_ms",
       {{"n", 9}, {"max", 8.0}, {"p50", {{"value", 4.0}, {"low", 3.0}, {"high", 6.0}}}}}};
  WriteJsonAtomic(run / "summary.json", summary);
  Update();
  EXPECT_EQ(One("SELECT goodput_rps FROM phases WHERE phase='replay'"), 1.5);
  const json row = Rows(
                       "SELECT n, p50, p50_low, p95 FROM request_aggregates "
                       "WHERE metric='ttfc_co_ms' AND phase='replay'")
                       .at(0);
  EXPECT_EQ(row, (json{{"n", 9}, {"p50", 4.0}, {"p50_low", 3.0}, {"p95", nullptr}}));
}

// Updated piece by piece or written anew: the same rows.
TEST_F(BundleIndexTest, AnUpdateEqualsARebuild) {
  const fs::path first = WriteRun("run_a");
  Update();
  WriteRun("set/run_b");
  WriteFileAtomic(first / "config.json", "{}");
  Update();
  const auto all = [&] {
    json out;
    for (const char* table : {"runs", "phases", "request_aggregates", "request_outcomes",
                              "findings", "verdicts", "settings"}) {
      std::vector<std::string> lines;
      for (const json& row : Rows(std::string("SELECT * FROM ") + table))
        lines.push_back(row.dump());
      std::sort(lines.begin(), lines.end());
      out[table] = lines;
    }
    return out;
  };
  const json updated = all();
  Update(true);
  EXPECT_EQ(all(), updated);
}

TEST_F(BundleIndexTest, ABrokenBundleIsARowWithItsReason) {
  WriteFileAtomic(WriteRun("run_torn") / "summary.json", "{\"schema_version\": 1, \"run_va");
  WriteFileAtomic(WriteRun("run_future") / "summary.json", "{\"schema_version\": 9}\n");
  fs::remove(WriteRun("run_stateless") / "run_state.json");
  fs::create_directories(root_ / "run_odd");
  WriteFileAtomic(root_ / "run_odd/run_state.json", "[]");
  WriteRun("run_good");
  const IndexCounts counts = Update();
  EXPECT_EQ(counts.runs, 5U);
  EXPECT_EQ(counts.broken, 4U);
  const auto reason = [&](const std::string& run) {
    return One("SELECT reason FROM runs WHERE state='broken' AND run_path='" + run + "'")
        .get<std::string>();
  };
  EXPECT_THAT(reason("run_torn"), HasSubstr("summary.json"));
  EXPECT_THAT(reason("run_future"), AllOf(HasSubstr("summary.json"), HasSubstr("9")));
  EXPECT_THAT(reason("run_stateless"), HasSubstr("run_state.json is missing"));
  EXPECT_THAT(reason("run_odd"), HasSubstr("run_state.json"));
  EXPECT_EQ(One("SELECT count(*) FROM phases WHERE run_path LIKE 'run_torn%'"), 0);
}

TEST_F(BundleIndexTest, KilledRunsRetiredAttemptsAndThePredecessorsRunsAreThere) {
  { RunBundleWriter writer(root_ / "run_a"); }  // aborted by its destructor
  RetireAttempt(root_ / "run_a", "the worker died");
  WriteRun("run_a");
  const json old_config = {{"run_id", "run_old"},
                           {"scenario", "rehydrate_replay"},
                           {"tier_mode", "B2"},
                           {"args", {{"seed", 7}, {"stream", true}, {"base_url", "http://x"}}}};
  const json phase = {{"phase", "replay"},
                      {"total_requests", 3},
                      {"ok_requests", 3},
                      {"error_requests", 0},
                      {"kvbm_metrics_delta", {{"kvbm_onboard_blocks_d2d_delta", 0}}},
                      {"ttfc_ms", {{"p50", 12.5}, {"p95", 20.0}}}};
  const json old_summary = {{"run_valid", true}, {"phase_summaries", json::array({phase})}};
  fs::create_directories(root_ / "bundle/run_old");
  WriteJsonAtomic(root_ / "bundle/run_old/config.json", old_config);
  WriteJsonAtomic(root_ / "bundle/run_old/summary.json", old_summary);
  EXPECT_EQ(Update().runs, 3U);
  EXPECT_EQ(One("SELECT retired_reason FROM runs WHERE state='aborted'"), "the worker died");
  EXPECT_EQ(One("SELECT writer FROM runs WHERE run_id='run_old'"), "predecessor");
  EXPECT_EQ(One("SELECT p50 FROM request_aggregates WHERE run_path='bundle/run_old'"), 12.5);
  EXPECT_EQ(One("SELECT value FROM settings WHERE key='seed'"), "7");
  // Its 0 may be a counter that was never there.
  EXPECT_TRUE(
      One("SELECT onboard_g3_to_g1_blocks FROM phases WHERE run_path='bundle/run_old'").is_null());
}

TEST_F(BundleIndexTest, VerdictsOfExperimentsAndWhatIsWrongWithThem) {
  const json verdict = {
      {"schema_version", 1},
      {"created_utc", "2026-11-22T02:00:00.000+00:00"},
      {"run_valid", true},
      {"decision_grade", true},
      {"grade", "B"},
      {"reason_codes", {"FILTER_DISABLED", "NOISE_GUARD_BLIND"}},
      {"reasons",
       {{{"code", "FILTER_DISABLED"}, {"severity", "note"}, {"run_id", "run_x"}, {"detail", "d"}}}},
      {"meta", {{"ts", "20261122T014510Z"}, {"pairs", 8}, {"modes", {{"mode_a", "B1"}}}}},
      {"effect",
       {{"verdict", "BETTER"},
        {"hl", {{"estimate_pct", -84.0}, {"low_pct", -85.0}, {"high_pct", -83.0}}}}}};
  const std::string prefix = "phase70_rehydrate_pair_repeats_verdict_";
  WriteJsonAtomic(root_ / (prefix + "20261122T014510Z.json"), verdict);
  WriteFileAtomic(root_ / (prefix + "20261122T014511Z.json"), "{");
  const IndexCounts counts = Update();
  EXPECT_EQ(counts.verdicts, 2U);
  EXPECT_EQ(counts.broken, 1U);
  const json row = Rows("SELECT * FROM verdicts WHERE kind='phase70'").at(0);
  EXPECT_EQ(row.at("word"), "BETTER");
  EXPECT_EQ(row.at("effect_pct"), -84.0);
  EXPECT_EQ(row.at("reason_codes"), "FILTER_DISABLED,NOISE_GUARD_BLIND");
  EXPECT_EQ(One("SELECT run_id FROM findings WHERE verdict_path IS NOT NULL"), "run_x");
}

TEST_F(BundleIndexTest, AFileThatIsNoIndexIsWrittenAnew) {
  WriteRun("run_a");
  WriteFileAtomic(File(), "this is no database, but long enough to be looked at as one....\n");
  EXPECT_THAT(Refused("SELECT 1"), HasSubstr("kvtier index"));
  EXPECT_EQ(Update().read, 1U);
  EXPECT_EQ(One("SELECT count(*) FROM runs"), 1);
  std::string bytes = ReadFile(File());
  bytes.replace(bytes.size() / 2, 4096, std::string(4096, '\xff'));
  WriteFileAtomic(File(), bytes);
  EXPECT_EQ(Update().runs, 1U);
  EXPECT_EQ(One("SELECT count(*) FROM phases"), 2);
  fs::remove(File());
  EXPECT_THAT(Refused("SELECT 1"), HasSubstr("kvtier index"));
}

TEST_F(BundleIndexTest, LeavesNothingHalfWritten) {
  WriteRun("run_a");
  EXPECT_THAT(Refusal([&] { UpdateIndex({.results_root = root_ / "gone"}); }),
              HasSubstr("no such folder"));
  EXPECT_THAT(
      Refusal([&] { UpdateIndex({.results_root = root_.path(), .file = root_ / "no/where.db"}); }),
      HasSubstr("where.db"));
  Update();
  root_.Put("index.sqlite.part-999999999", "left by a killed writer");
  Update();
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(root_.path()))
    names.push_back(entry.path().filename().string());
  EXPECT_THAT(names, ::testing::UnorderedElementsAre("run_a", "index.sqlite"));
}

TEST_F(BundleIndexTest, AQueryCannotWriteOrReachOut) {
  WriteRun("run_a");
  Update();
  const std::string before = ReadFile(File());
  for (const std::string sql :
       {"DELETE FROM runs", "INSERT INTO meta VALUES('a','b')", "UPDATE runs SET state='x'",
        "DROP TABLE runs", "CREATE TABLE t(a)", "CREATE TEMP TABLE t(a)", "VACUUM",
        "ATTACH DATABASE '/tmp/x.db' AS x", "PRAGMA journal_mode=WAL", "PRAGMA writable_schema=ON",
        "SELECT load_extension('/tmp/x.so')", "BEGIN", "SELECT 1; DELETE FROM runs",
        "EXPLAIN DELETE FROM runs", "WITH x AS (SELECT 1) DELETE FROM runs", ""}) {
    EXPECT_THAT(Refused(sql), Not(HasSubstr("not refused"))) << sql;
  }
  EXPECT_EQ(ReadFile(File()), before);
  EXPECT_EQ(One("SELECT count(*) FROM runs"), 1);
  EXPECT_THAT(Refused("SELECT nothing FROM runs"), HasSubstr("nothing"));
  EXPECT_THAT(Refused("SELEKT 1"), HasSubstr("SELEKT"));
}

TEST_F(BundleIndexTest, AnEndlessQueryIsStopped) {
  WriteRun("run_a");
  Update();
  const std::string endless =
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT sum(i) FROM n";
  EXPECT_THAT(Refusal([&] { QueryIndex(File(), endless, {.steps = 1'000'000}); }),
              HasSubstr("1000000 steps"));
}

TEST_F(BundleIndexTest, ResultsAsTableCsvAndJson) {
  WriteRun("run_a");
  Update();
  const QueryTable table = QueryIndex(
      File(), "SELECT 1 AS a, 2 AS a, 'x,\"y' AS \"b,c\", NULL AS d, char(27) || '[2J' AS e");
  EXPECT_THAT(table.columns, ::testing::ElementsAre("a", "a_2", "b,c", "d", "e"));
  EXPECT_EQ(QueryCsv(table), "a,a_2,\"b,c\",d,e\r\n1,2,\"x,\"\"y\",,\x1b[2J\r\n");
  EXPECT_THAT(QueryText(table), AllOf(HasSubstr("\\x1b[2J"), Not(HasSubstr("\x1b"))));
  const json j = QueryJson(table);
  WriteJsonAtomic(root_ / "answer.json", j);
  EXPECT_THAT(CheckFile(root_ / "answer.json", kSchemas / "index_query.schema.json"),
              ::testing::IsEmpty());
  EXPECT_EQ(j.at("rows").at(0).at("a_2"), 2);
  const QueryTable cut = QueryIndex(File(), "SELECT phase FROM phases", {.rows = 1});
  EXPECT_EQ(cut.rows.size(), 1U);
  EXPECT_TRUE(cut.truncated);
  EXPECT_FALSE(QueryIndex(File(), "SELECT phase FROM phases", {.rows = 2}).truncated);
}

// Whoever reads docs/index.md can rely on it.
TEST_F(BundleIndexTest, TheDocumentNamesEveryColumn) {
  Update();
  const std::string page = ReadFile(fs::path(KVTIER_SOURCE_DIR) / "docs/index.md");
  const json columns = Rows(
      "SELECT m.name AS t, c.name AS c FROM sqlite_master m, pragma_table_info(m.name) c "
      "WHERE m.type='table'");
  EXPECT_GT(columns.size(), 100U);
  for (const json& row : columns) {
    const std::string table = "## `" + row.at("t").get<std::string>() + "`";
    const auto at = page.find(table);
    ASSERT_NE(at, std::string::npos) << table;
    const std::string section = page.substr(at, page.find("\n## ", at + 1) - at);
    EXPECT_THAT(section, HasSubstr("`" + row.at("c").get<std::string>() + "`")) << table;
  }
}

}  // namespace
}  // namespace kvtier
