#include "harness/report/hygiene.hpp"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <map>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>
#include <sys/file.h>
#include <sys/wait.h>

#include "harness/core/error.hpp"
#include "harness/core/files.hpp"
#include "harness/core/temp_dir.hpp"
#include "harness/report/process_identity.hpp"
#include "harness/report/schema_check.hpp"

namespace kvtier {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::IsSupersetOf;
using testing::UnorderedElementsAre;

constexpr const char* kOld = "20260101T000000Z";
constexpr const char* kNew = "20260202T000000Z";

std::string PairFolder(const std::string& ts, int pair = 1) {
  return fmt::format("phase70_rehydrate_pair_B2_p{:02d}_l1_{}", pair, ts);
}
std::string PairFile(const std::string& what, const std::string& ts) {
  return fmt::format("phase70_rehydrate_pair_repeats_{}_{}.json", what, ts);
}

/// A results root with an old and a new experiment, a trial, a run by hand and things of others.
class HygieneTest : public testing::Test {
 protected:
  HygieneTest() {
    for (const char* ts : {kOld, kNew}) {
      for (int pair = 1; pair <= 3; ++pair) PutRun(PairFolder(ts, pair) + "/run_B2");
      for (const char* what :
           {"manifest", "summary", "order_check", "preflight", "gate", "verdict"})
        root_.Put(PairFile(what, ts), "{}");
      root_.Put(fmt::format("phase70_rehydrate_pair_repeats_report_{}.md", ts), "report");
      root_.Put(fmt::format("phase70_pair_logs_{}/leg.log", ts), "log");
      root_.Put(fmt::format("phase60_knee_table_{}.csv", ts), "knee");
      root_.Put(fmt::format("phase60_crossover_recommendation_{}.json", ts), "{}");
      root_.Put(fmt::format("phase60_matrix_stop_verdict_minimal_{}.json", ts), "{}");
    }
    root_.Put("phase60_known_good_baseline_manifest_semantic_hash.json", "{}");
    root_.Put("phase60_baseline_manifest_audit.jsonl", "");
    root_.Put("publish/phase70_pairs8_c4_20260101T000000Z/verdict.json", "{}");
    PutRun("my_smoke_run");
    PutRun("rehydrate_by_hand/run_B1");
    root_.Put("thesis/chapter.tex", "not ours");
    root_.Put("notes_trial.txt", "not ours");
  }

  void PutRun(const fs::path& name) {
    root_.Put(name / "config.json", json{{"run_id", name.string()}}.dump());
    root_.Put(name / "requests.jsonl", name.string());
  }
  void PutState(const fs::path& run, const ProcessIdentity& who, const char* state) {
    root_.Put(
        run / "run_state.json",
        json{{"state", state}, {"pid", who.pid}, {"pid_start_ticks", who.start_ticks}}.dump());
  }

  HygienePlan Plan(std::vector<std::string> keep = {}, int latest = 1) const {
    return PlanHygiene({.results_root = root_.path(),
                        .keep_latest_ts = latest,
                        .keep_ts = std::move(keep),
                        .archive_tag = "t1"});
  }
  static const HygieneEntry& Of(const HygienePlan& plan, const std::string& name) {
    for (const HygieneEntry& e : plan.entries) {
      if (e.name == name) return e;
    }
    throw DataError(name + " is not in the plan");
  }
  static std::vector<std::string> Moves(const HygienePlan& plan) {
    std::vector<std::string> names;
    for (const HygieneEntry& e : plan.entries) {
      if (e.action != HygieneAction::kKeep) names.push_back(e.name);
    }
    return names;
  }
  /// Content of every file but the journals, by its name without the folders that hygiene adds.
  std::multimap<std::string, std::string> Contents() const {
    std::multimap<std::string, std::string> all;
    for (const auto& entry : fs::recursive_directory_iterator(root_.path())) {
      if (!entry.is_regular_file() ||
          entry.path().string().find("hygiene_journal") != std::string::npos)
        continue;
      std::string name = entry.path().lexically_relative(root_.path()).string();
      for (const std::string prefix : {"archive/t1/", "trials/t1/"}) {
        if (name.starts_with(prefix)) name.erase(0, prefix.size());
      }
      all.emplace(name, ReadFile(entry.path()));
    }
    return all;
  }
  /// Applies the plan in a child; `before` runs there first. Returns how the child ended.
  template <class Before>
  static int ApplyInChild(const HygienePlan& plan, Before before,
                          const std::function<void(const HygieneMove&)>& on_move = {}) {
    const pid_t child = ::fork();
    if (child == 0) {
      int code = 0;
      try {
        before();
        ApplyHygiene(plan, on_move);
      } catch (const IoError&) {
        code = 7;
      } catch (const std::exception& e) {
        std::fprintf(stderr, "the child ended with: %s\n", e.what());
        code = 8;
      }
      ::_exit(code);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return status;
  }

  TempDir root_;
};

TEST_F(HygieneTest, OldExperimentsTrialsAndRunsByHandMoveAndTheRestStays) {
  const HygienePlan plan = Plan();
  EXPECT_THAT(plan.keep_timestamps, ElementsAre(kNew));
  EXPECT_THAT(Moves(plan),
              UnorderedElementsAre(
                  "my_smoke_run", "rehydrate_by_hand", PairFolder(kOld, 1), PairFolder(kOld, 2),
                  PairFolder(kOld, 3), PairFile("manifest", kOld), PairFile("summary", kOld),
                  PairFile("order_check", kOld), PairFile("preflight", kOld),
                  PairFile("gate", kOld), std::string("phase70_pair_logs_") + kOld));
  EXPECT_EQ(Of(plan, PairFolder(kOld)).reason, std::string("modern_old_ts=") + kOld);
  EXPECT_EQ(Of(plan, "my_smoke_run").destination, "trials/t1/my_smoke_run");
  EXPECT_EQ(Of(plan, "my_smoke_run").reason, "trial_keyword");
  EXPECT_EQ(Of(plan, "rehydrate_by_hand").destination, "archive/t1/rehydrate_by_hand");
  EXPECT_EQ(Of(plan, "rehydrate_by_hand").reason, "non_modern");
  EXPECT_EQ(Of(plan, PairFile("gate", kNew)).reason, std::string("modern_ts=") + kNew);
  EXPECT_EQ(Of(plan, PairFile("verdict", kOld)).reason, "verdict");
  EXPECT_EQ(Of(plan, "publish").reason, "protected");
  EXPECT_EQ(Of(plan, "phase60_baseline_manifest_audit.jsonl").reason, "baseline");
  EXPECT_EQ(Of(plan, "notes_trial.txt").reason, "not_recognised");
}

TEST_F(HygieneTest, APlanWritesNothing) {
  const auto before = Contents();
  Plan();
  EXPECT_EQ(Contents(), before);
  EXPECT_FALSE(fs::exists(root_ / "archive"));
  EXPECT_FALSE(fs::exists(root_ / "trials"));
}

TEST_F(HygieneTest, TheDocumentedLines) {
  const std::string text = RenderHygienePlan(Plan());
  EXPECT_THAT(text, HasSubstr(fmt::format("results_root={}\narchive_tag=t1\n"
                                          "keep_timestamps=['{}']\n"
                                          "plan_counts keep=24 trial_moves=1 legacy_moves=10\n",
                                          fs::canonical(root_.path()).string(), kNew)));
  EXPECT_THAT(text, HasSubstr(fmt::format("KEEP {} (modern_ts={})\n", PairFolder(kNew), kNew)));
  EXPECT_THAT(text, HasSubstr("MOVE my_smoke_run -> trials/t1/my_smoke_run (trial_keyword)\n"));
}

TEST_F(HygieneTest, PinnedAndNewestTimestampsStay) {
  EXPECT_THAT(Moves(Plan({kOld})), UnorderedElementsAre("my_smoke_run", "rehydrate_by_hand"));
  EXPECT_THAT(Moves(Plan({}, 2)), UnorderedElementsAre("my_smoke_run", "rehydrate_by_hand"));
  EXPECT_THAT(Moves(Plan({}, 0)), IsSupersetOf({PairFolder(kNew), PairFolder(kOld)}));
}

TEST_F(HygieneTest, ATimestampThatHasNoPlaceInTimeStays) {
  root_.Put("phase70_rehydrate_pair_B2_p01_l1_mine/run_B2/config.json", "{}");
  EXPECT_EQ(Of(Plan(), "phase70_rehydrate_pair_B2_p01_l1_mine").reason, "unordered_ts=mine");
}

TEST_F(HygieneTest, WhatAKeptVerdictOrABaselineNamesStays) {
  root_.Put(PairFile("verdict", kNew),
            json{{"artifacts", {"/elsewhere/results/" + PairFolder(kOld, 2) + "/run_B2"}}}.dump());
  root_.Put("phase60_known_good_baseline_manifest_semantic_hash.json",
            json{{"source_run_path", "results/rehydrate_by_hand/run_B1"}}.dump());
  // An old verdict keeps nothing back, or nothing would ever move.
  root_.Put(PairFile("verdict", kOld), json{PairFolder(kOld, 3)}.dump());
  const HygienePlan plan = Plan();
  EXPECT_EQ(Of(plan, PairFolder(kOld, 2)).reason, "referenced_by=" + PairFile("verdict", kNew));
  EXPECT_EQ(Of(plan, "rehydrate_by_hand").reason,
            "referenced_by=phase60_known_good_baseline_manifest_semantic_hash.json");
  EXPECT_EQ(Of(plan, PairFolder(kOld, 3)).action, HygieneAction::kArchive);
}

TEST_F(HygieneTest, TheExperimentThatCurrentNamesStays) {
  root_.Put("current/phase70.json", json{{"ts", kOld}, {"state", "running"}}.dump());
  const HygienePlan plan = Plan();
  EXPECT_EQ(Of(plan, PairFolder(kOld)).action, HygieneAction::kKeep);
  EXPECT_EQ(Of(plan, "current").reason, "protected");
  root_.Put("current/phase60.json", "{");
  EXPECT_THROW(Plan(), DataError);
}

TEST_F(HygieneTest, WhatALiveProcessWritesToStays) {
  PutState(PairFolder(kOld, 1) + "/run_B2", ProcessIdentity::OfThis(), "running");
  PutState("my_smoke_run", ProcessIdentity::OfThis(), "closed");
  PutState(PairFolder(kOld, 2) + "/run_B2", {::getpid(), 1}, "running");  // another start: reused
  root_.Put(PairFolder(kOld, 3) + "/run_B2/run_state.json", "{");
  const HygienePlan plan = Plan();
  EXPECT_EQ(Of(plan, PairFolder(kOld, 1)).reason, "may_be_running");
  EXPECT_EQ(Of(plan, "my_smoke_run").action, HygieneAction::kTrial);
  EXPECT_EQ(Of(plan, PairFolder(kOld, 2)).action, HygieneAction::kArchive);
  EXPECT_EQ(Of(plan, PairFolder(kOld, 3)).reason, "may_be_running")
      << "a torn state proves nothing";
}

TEST_F(HygieneTest, LinksAndHostileNamesStay) {
  fs::create_directory_symlink(root_ / PairFolder(kNew), root_ / PairFolder(kOld, 9));
  PutRun("..x");
  PutRun("-rf");
  PutRun("two\nlines");
  const HygienePlan plan = Plan();
  EXPECT_EQ(Of(plan, PairFolder(kOld, 9)).reason, "symlink");
  for (const char* name : {"..x", "-rf", "two\nlines"})
    EXPECT_EQ(Of(plan, name).reason, "not_recognised");
  EXPECT_THAT(RenderHygienePlan(plan), HasSubstr("KEEP two\\x0alines (not_recognised)\n"));
}

TEST_F(HygieneTest, TagsAndTimestampsAreNoPaths) {
  for (const char* bad : {"../x", "a/b", "..", "", ".hidden", "-x"}) {
    EXPECT_THROW(PlanHygiene({.results_root = root_.path(), .keep_ts = {}, .archive_tag = bad}),
                 ConfigError)
        << bad;
    EXPECT_THROW(Plan({bad}), ConfigError) << bad;
  }
  EXPECT_THROW(PlanHygiene({.results_root = root_ / "none", .keep_ts = {}, .archive_tag = "t1"}),
               ConfigError);
}

TEST_F(HygieneTest, MovesLoseNothingAndTheSecondTimeThereIsNothingToDo) {
  const auto before = Contents();
  const HygieneResult result = ApplyHygiene(Plan());
  EXPECT_EQ(result.moved.size(), 11U);
  EXPECT_THAT(result.left, IsEmpty());
  EXPECT_EQ(Contents(), before);
  EXPECT_TRUE(fs::exists(root_ / ("archive/t1/" + PairFolder(kOld) + "/run_B2/config.json")));
  EXPECT_TRUE(fs::exists(root_ / "trials/t1/my_smoke_run/config.json"));
  EXPECT_FALSE(InterruptedHygieneTag(root_.path()));
  const auto journal = ReadJson(HygieneJournalFile(root_.path(), "t1")).get<HygieneJournal>();
  EXPECT_EQ(journal.state, "finished");
  EXPECT_THAT(CheckFile(HygieneJournalFile(root_.path(), "t1"),
                        fs::path(KVTIER_SOURCE_DIR) / "docs/schemas/hygiene_journal.schema.json"),
              IsEmpty());
  EXPECT_EQ(journal.moves.size(), 11U);
  EXPECT_THAT(Moves(Plan()), IsEmpty());
}

TEST_F(HygieneTest, ATakenNameGetsANumber) {
  root_.Put("trials/t1/my_smoke_run/older", "");
  root_.Put("trials/t1/my_smoke_run__dup2/older", "");
  HygienePlan plan = Plan();
  EXPECT_EQ(Of(plan, "my_smoke_run").destination, "trials/t1/my_smoke_run__dup3");
  // Taken after the plan was made: neither replaced nor merged.
  root_.Put("trials/t1/my_smoke_run__dup3/newer", "");
  ApplyHygiene(plan);
  EXPECT_FALSE(fs::exists(root_ / "trials/t1/my_smoke_run__dup3/config.json"));
  EXPECT_TRUE(fs::exists(root_ / "trials/t1/my_smoke_run__dup4/config.json") ||
              fs::exists(root_ / "trials/t1/my_smoke_run__dup2/config.json"));
}

TEST_F(HygieneTest, AKilledRunGoesOn) {
  const auto before = Contents();
  const HygienePlan plan = Plan();
  int moves = 0;
  const int status = ApplyInChild(
      plan, [] {},
      [&](const HygieneMove&) {
        if (++moves == 4) ::raise(SIGKILL);
      });
  ASSERT_TRUE(WIFSIGNALED(status));
  ASSERT_EQ(WTERMSIG(status), SIGKILL);
  EXPECT_EQ(Contents(), before) << "a kill loses nothing";
  EXPECT_EQ(InterruptedHygieneTag(root_.path()), "t1");
  const HygienePlan rest = Plan();
  EXPECT_EQ(Moves(rest).size(), 7U);
  const HygieneResult result = ApplyHygiene(rest);
  EXPECT_EQ(result.resumed, 4U);
  EXPECT_EQ(result.moved.size(), 7U);
  EXPECT_EQ(Contents(), before);
  EXPECT_FALSE(InterruptedHygieneTag(root_.path()));
  EXPECT_EQ(ReadJson(HygieneJournalFile(root_.path(), "t1")).get<HygieneJournal>().moves.size(),
            11U);
}

TEST_F(HygieneTest, ARefusedMoveStopsThereAndCanBeTakenUpAgain) {
  const auto before = Contents();
  const HygienePlan plan = Plan();
  const fs::path stubborn = root_ / PairFolder(kOld, 2);
  fs::permissions(stubborn, static_cast<fs::perms>(0555));
  const int status = ApplyInChild(plan, [&] {
    if (::geteuid() != 0) return;
    constexpr uid_t kNobody = 65534;  // root may write everywhere
    if (::chown(root_.path().c_str(), kNobody, kNobody) != 0) ::_exit(9);
    for (const HygieneEntry& e : plan.entries) {
      const fs::path path = root_ / e.name;
      if (path != stubborn && ::lchown(path.c_str(), kNobody, kNobody) != 0) ::_exit(9);
    }
    if (::setresuid(kNobody, kNobody, kNobody) != 0) ::_exit(9);
  });
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 7) << "an IoError";
  EXPECT_TRUE(fs::exists(stubborn));
  EXPECT_TRUE(fs::exists(root_ / ("archive/t1/" + PairFolder(kOld, 1))));
  EXPECT_EQ(InterruptedHygieneTag(root_.path()), "t1");
  fs::permissions(stubborn, fs::perms::owner_all);
  ApplyHygiene(Plan());
  EXPECT_FALSE(fs::exists(stubborn));
  EXPECT_EQ(Contents(), before);
}

TEST_F(HygieneTest, WhatBeganMeanwhileIsLeft) {
  const HygienePlan plan = Plan();
  root_.Put("current/phase70.json", json{{"ts", kOld}}.dump());
  PutState("my_smoke_run", ProcessIdentity::OfThis(), "running");
  fs::remove_all(root_ / "rehydrate_by_hand");
  const HygieneResult result = ApplyHygiene(plan);
  EXPECT_THAT(result.moved, IsEmpty());
  EXPECT_EQ(result.left.size(), 11U);
}

TEST_F(HygieneTest, AnArchiveThatIsALinkOrElsewhereIsRefused) {
  const TempDir elsewhere;
  fs::create_directory_symlink(elsewhere.path(), root_ / "archive");
  const HygienePlan plan = Plan();
  EXPECT_THROW(ApplyHygiene(plan), ConfigError);
  EXPECT_TRUE(fs::is_empty(elsewhere.path()));
  EXPECT_TRUE(fs::exists(root_ / PairFolder(kOld)));
}

TEST_F(HygieneTest, OneAtATime) {
  const int fd = ::open(root_.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  ASSERT_EQ(::flock(fd, LOCK_EX | LOCK_NB), 0);
  EXPECT_THROW(ApplyHygiene(Plan()), ConfigError);
  ::close(fd);
  EXPECT_EQ(ApplyHygiene(Plan()).moved.size(), 11U);
}

TEST_F(HygieneTest, AJournalCannotLeadOutOfTheRoot) {
  const json good = HygieneJournal{"t1", "now", "running", {{"a", "archive/t1/a", "non_modern"}}};
  EXPECT_EQ(good.get<HygieneJournal>().moves.size(), 1U);
  for (const char* to :
       {"archive/../../etc/x", "/etc/x", "archive/t1", "other/t1/a", "archive/t1/../a"}) {
    json bad = good;
    bad["moves"][0]["to"] = to;
    EXPECT_THROW(bad.get<HygieneJournal>(), DataError) << to;
  }
  json bad = good;
  bad["tag"] = "../x";
  EXPECT_THROW(bad.get<HygieneJournal>(), DataError);
  root_.Put("archive/hygiene_journal_t1.json", "[]");
  EXPECT_THROW(InterruptedHygieneTag(root_.path()), DataError);
}

}  // namespace
}  // namespace kvtier
