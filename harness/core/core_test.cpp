#include <signal.h>

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "harness/core/clock.hpp"
#include "harness/core/error.hpp"
#include "harness/core/files.hpp"
#include "harness/core/nearest.hpp"
#include "harness/core/reading.hpp"
#include "harness/core/rng.hpp"
#include "harness/core/subprocess.hpp"
#include "harness/core/units.hpp"

namespace kvtier {
namespace {

namespace fs = std::filesystem;

fs::path Scratch(const std::string& name) {
  const auto dir = fs::temp_directory_path() / ("kvtier_core_test_" + std::to_string(::getpid()));
  fs::create_directories(dir);
  return dir / name;
}

TEST(Reading, DefaultIsUnavailableAndNeverZero) {
  const Reading<int> r;
  EXPECT_FALSE(r.available());
  EXPECT_THROW(static_cast<void>(r.value()), DataError);
}

TEST(Reading, JsonKeepsTheReason) {
  const auto missing = Reading<std::uint64_t>::Unavailable("no cgroup v2");
  const nlohmann::json j = missing;
  EXPECT_EQ(j.dump(), R"({"unavailable":"no cgroup v2"})");
  EXPECT_EQ(j.get<Reading<std::uint64_t>>(), missing);
  EXPECT_EQ(nlohmann::json(Reading<std::uint64_t>(7)).get<Reading<std::uint64_t>>().value(), 7U);
}

TEST(Rng, MatchesThePublishedReferenceOfXoshiro256StarStar) {
  // splitmix64(0) yields these four words (Vigna's reference); they seed the state.
  Rng rng(0);
  EXPECT_EQ(rng.Next(), 11091344671253066420ULL);
}

TEST(Rng, NamedStreamsDiffer) {
  EXPECT_NE(Rng::Stream(1, "populate").Next(), Rng::Stream(1, "thrash").Next());
  EXPECT_NE(Rng::Stream(1, "populate").Next(), Rng::Stream(2, "populate").Next());
  EXPECT_EQ(Rng::Stream(1, "populate").Next(), Rng::Stream(1, "populate").Next());
}

TEST(Rng, BelowStaysBelow) {
  Rng rng(42);
  for (int i = 0; i < 1000; ++i) EXPECT_LT(rng.Below(7), 7U);
}

TEST(Files, AtomicWriteReplacesAndLeavesNoPart) {
  const auto path = Scratch("a.json");
  WriteJsonAtomic(path, {{"x", 1}});
  WriteJsonAtomic(path, {{"x", 2}});
  EXPECT_EQ(ReadJson(path).at("x"), 2);
  for (const auto& entry : fs::directory_iterator(path.parent_path())) {
    EXPECT_EQ(entry.path().string().find(".part"), std::string::npos);
  }
}

TEST(Files, MissingFileNamesThePath) {
  try {
    ReadFile("/nonexistent/file");
    FAIL();
  } catch (const IoError& e) {
    EXPECT_NE(std::string(e.what()).find("/nonexistent/file"), std::string::npos);
  }
}

TEST(Files, AReadThatFailsNamesThePath) {
  try {
    ReadFile("/proc/self");  // opens, and refuses to be read: as a bad sector does
    FAIL();
  } catch (const IoError& e) {
    EXPECT_NE(std::string(e.what()).find("/proc/self"), std::string::npos);
  }
}

TEST(Files, JsonlDropsOnlyATornLastLine) {
  const auto path = Scratch("rows.jsonl");
  std::ofstream(path) << "{\"a\":1}\n{\"a\":2}\n{\"a\":";
  EXPECT_EQ(ReadJsonl(path).size(), 2U);
  std::ofstream(path) << "{\"a\":1}\n{\"a\":\n{\"a\":3}\n";
  EXPECT_THROW(ReadJsonl(path), DataError);
}

TEST(Files, Sha256OfTheSpecVector) {
  EXPECT_EQ(Sha256Hex("hello"), "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
}

TEST(Files, CanonicalJsonPrintsFloatsAsPythonDoes) {
  EXPECT_EQ(CanonicalJson({{"b", 1.0}, {"a", 0.2}, {"s", "h\u00e9"}}),
            "{\"a\":0.2,\"b\":1.0,\"s\":\"h\u00e9\"}");
}

TEST(NearestName, SuggestsACloseNameAndNothingElse) {
  EXPECT_EQ(NearestName("pares", {"pairs", "order_seed"}), "pairs");
  EXPECT_EQ(NearestName("xyzzy", {"pairs", "order_seed"}), "");
}

TEST(Clock, AnchorMapsMonotonicToWall) {
  const auto anchor = ClockAnchor::Now();
  EXPECT_EQ(anchor.ToWall(anchor.mono + 1'000'000'000) - anchor.wall, std::chrono::seconds(1));
  EXPECT_EQ(UtcMillis(std::chrono::system_clock::time_point{}), "1970-01-01T00:00:00.000+00:00");
}

TEST(Units, FormatsForPeople) {
  EXPECT_EQ(FormatBytes(5_MiB), "5.00 MiB");
  EXPECT_EQ(FormatBytes({12}), "12 B");
  EXPECT_EQ(FormatSeconds(200), "3 min 20 s");
}

TEST(Subprocess, ReportsWhyAProgramCouldNotStart) {
  EXPECT_THROW(Subprocess({.argv = {"/no/such/program"}, .env = {}, .log = {}}), StackError);
}

TEST(Subprocess, ReportsExitAndLogsOutput) {
  const auto log = Scratch("child.log");
  Subprocess child(
      {.argv = {"sh", "-c", "echo $KVTIER_X; exit 3"}, .env = {{"KVTIER_X", "seen"}}, .log = log});
  ASSERT_TRUE(child.WaitFor(std::chrono::seconds(20)));
  EXPECT_EQ(child.ExitText(), "exited 3");
  EXPECT_EQ(TailOf(log), "seen\n");
}

TEST(Subprocess, StopTakesTheWholeGroup) {
  const auto log = Scratch("group.log");
  pid_t grandchild = 0;
  {
    Subprocess child({.argv = {"sh", "-c", "sleep 600 & echo $!; wait"}, .env = {}, .log = log});
    while (TailOf(log).find('\n') == std::string::npos) sched_yield();
    grandchild = std::stoi(TailOf(log));
    EXPECT_EQ(::kill(grandchild, 0), 0);
  }
  // It may stay a zombie until init reaps it, and takes a moment to die, but it must not go on.
  const MonoNs deadline = NowMono() + 20'000'000'000;
  std::string state = "R";
  while (state != "Z" && state != "X" && NowMono() < deadline) {
    std::ifstream stat("/proc/" + std::to_string(grandchild) + "/stat");
    std::string pid, name;
    if (!(stat >> pid >> name >> state)) state = "X";
    sched_yield();
  }
  EXPECT_TRUE(state == "Z" || state == "X") << state;
}

}  // namespace
}  // namespace kvtier
