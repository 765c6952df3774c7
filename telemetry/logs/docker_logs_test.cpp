#include "telemetry/logs/docker_logs.hpp"

#include <stdlib.h>
#include <unistd.h>

#include <deque>
#include <filesystem>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "harness/core/files.hpp"
#include "harness/core/temp_dir.hpp"
#include "telemetry/logs/log_report.hpp"

namespace kvtier {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

CommandResult Exited(int code, std::string out, std::string err = "") {
  CommandResult result;
  result.outcome = CommandResult::Outcome::kExited;
  result.exit_code = code;
  result.out = std::move(out);
  result.err = std::move(err);
  return result;
}

/// Canned answers in the order of the calls; what was asked is kept.
class Docker : public ::testing::Test {
 protected:
  DockerEvidence Collect(const std::vector<std::string>& containers) {
    return CollectDockerLogs(
        root_, containers, std::chrono::system_clock::time_point{},
        [this](const std::vector<std::string>& argv, std::chrono::milliseconds limit) {
          EXPECT_GT(limit.count(), 0);
          asked_.push_back(fmt::format("{}", fmt::join(argv, " ")));
          EXPECT_FALSE(answers_.empty()) << asked_.back();
          if (answers_.empty()) return CommandResult{};
          const auto answer = answers_.front();
          answers_.pop_front();
          return answer;
        },
        program_);
  }
  std::string program_ = "docker";
  TempDir temp_;
  fs::path root_ = temp_ / "run";  // not there yet
  std::deque<CommandResult> answers_;
  std::vector<std::string> asked_;
};

TEST_F(Docker, NoDockerIsOneReasonAndNothingElse) {
  CommandResult missing;
  missing.outcome = CommandResult::Outcome::kNotFound;
  answers_ = {missing};
  const auto evidence = Collect({"dyn", "bench-nats"});
  EXPECT_EQ(evidence.listed.reason(), "docker is not on the path");
  EXPECT_THAT(evidence.containers, IsEmpty());
  EXPECT_THAT(asked_, ElementsAre("docker ps -a --format {{.Names}}"));
  EXPECT_FALSE(fs::exists(root_));
}

TEST_F(Docker, TheProgramIsTheOneThatTheBringUpAsks) {
  program_ = "/opt/podman";
  answers_ = {Exited(0, "dyn\n"), Exited(0, "2026-11-25T10:00:00.000000001Z up\n"),
              Exited(0, "[]")};
  EXPECT_TRUE(Collect({"dyn"}).listed);
  ASSERT_EQ(asked_.size(), 3U);
  for (const auto& call : asked_) EXPECT_THAT(call, ::testing::StartsWith("/opt/podman "));
}

TEST(DockerProgramOf, IsWhatTheEnvironmentNames) {
  ::setenv("KVTIER_DOCKER", "/opt/podman", 1);
  EXPECT_EQ(DockerProgram(), "/opt/podman");
  ::setenv("KVTIER_DOCKER", "", 1);
  EXPECT_EQ(DockerProgram(), "docker");
  ::unsetenv("KVTIER_DOCKER");
  EXPECT_EQ(DockerProgram(), "docker");
}

TEST_F(Docker, ADeadDaemonIsAReason) {
  answers_ = {Exited(1, "", "Cannot connect to the Docker daemon at unix:///var/run/docker.sock.")};
  EXPECT_THAT(Collect({"dyn"}).listed.reason(), HasSubstr("Cannot connect to the Docker daemon"));
}

TEST_F(Docker, LogsOfBothStreamsAndTheInspection) {
  answers_ = {
      Exited(0, "dyn\nother\n"),
      Exited(
          0,
          "2026-11-25T10:00:00.000000001Z INFO up\n2026-11-25T10:00:02.000000000Z INFO serving\n",
          "2026-11-25T10:00:01.000000000Z ERROR disk\n"),
      Exited(0, R"([{"Id": "1", "Config": {"Env": ["HF_TOKEN=abc", "PATH=/bin"]}}])")};
  const auto evidence = Collect({"dyn", "bench-nats"});
  EXPECT_THAT(asked_,
              ElementsAre("docker ps -a --format {{.Names}}",
                          "docker logs --timestamps --since 1970-01-01T00:00:00.000+00:00 --tail "
                          "20000 dyn",
                          "docker inspect dyn"));
  ASSERT_EQ(evidence.containers.size(), 2u);
  const auto& dyn = evidence.containers[0];
  ASSERT_TRUE(dyn.log) << dyn.log.reason();
  EXPECT_EQ(dyn.log->path, "telemetry/docker_dyn_logs.txt");
  EXPECT_EQ(ReadFile(root_ / dyn.log->path),
            "2026-11-25T10:00:00.000000001Z INFO up\n2026-11-25T10:00:01.000000000Z ERROR disk\n"
            "2026-11-25T10:00:02.000000000Z INFO serving\n");
  EXPECT_EQ(dyn.log->counts, (LineCounts{.lines = 3, .errors = 1, .warnings = 0}));
  ASSERT_TRUE(dyn.inspect_path) << dyn.inspect_path.reason();
  EXPECT_EQ(*dyn.inspect_path, "telemetry/docker_dyn_inspect.json");
  EXPECT_EQ(ReadJson(root_ / *dyn.inspect_path)[0]["Config"]["Env"],
            (nlohmann::json{"HF_TOKEN=(not kept)", "PATH=/bin"}));
  EXPECT_EQ(evidence.containers[1].log.reason(), "docker ps -a lists no container 'bench-nats'");
  LogsEvidence all;
  all.docker = evidence;
  EXPECT_EQ(LogsBlock(all)["docker"]["containers"][0]["errors"], 1);
}

TEST_F(Docker, ALogThatIsTooLongIsAskedForAgainShorter) {
  auto too_long = Exited(-25, "2026-11-25T10:00:00.000000000Z head\n");
  too_long.truncated = true;
  answers_ = {Exited(0, "dyn\n"), too_long, Exited(0, "2026-11-25T11:00:00.000000000Z end\n"),
              Exited(0, "[]")};
  const auto evidence = Collect({"dyn"});
  EXPECT_THAT(asked_[2], HasSubstr("--tail 2000 dyn"));
  EXPECT_EQ(ReadFile(root_ / "telemetry/docker_dyn_logs.txt"),
            "2026-11-25T11:00:00.000000000Z end\n");

  answers_ = {Exited(0, "dyn\n"), too_long, too_long, Exited(0, "[]")};
  const auto still = Collect({"dyn"});
  ASSERT_TRUE(still.containers[0].log) << still.containers[0].log.reason();
  EXPECT_THAT(still.containers[0].log->notes, ElementsAre(HasSubstr("more than can be kept")));
}

TEST_F(Docker, FailuresAreReasonsOfTheirOwn) {
  CommandResult slow;
  slow.outcome = CommandResult::Outcome::kTimedOut;
  answers_ = {Exited(0, "dyn\n"), slow, Exited(0, "not JSON")};
  const auto evidence = Collect({"dyn"});
  EXPECT_THAT(evidence.containers[0].log.reason(), HasSubstr("time limit"));
  EXPECT_THAT(evidence.containers[0].inspect_path.reason(), HasSubstr("did not answer JSON"));
  EXPECT_FALSE(fs::exists(root_ / "telemetry/docker_dyn_inspect.json"));
}

TEST(MergeByTimestampOf, KeepsWhatHasNoStampWithItsLine) {
  EXPECT_EQ(MergeByTimestamp("2026-11-25T10:00:01.000000000Z a\n  more of a\n",
                             "2026-11-25T10:00:00.000000000Z b"),
            "2026-11-25T10:00:00.000000000Z b\n2026-11-25T10:00:01.000000000Z a\n  more of a\n");
  EXPECT_EQ(MergeByTimestamp("", ""), "");
  EXPECT_EQ(MergeByTimestamp("no stamp\n", ""), "no stamp\n");
}

TEST(HideCredentialsOf, ByWhatAValueLooksLike) {
  auto inspection = nlohmann::json::parse(
      R"([{"Config": {"Env": ["DB=pg://u:word@h/x", "URL=http://h:1/a@b", "BASIC_AUTH=u:p"]}}])");
  HideCredentials(inspection);
  EXPECT_EQ(inspection[0]["Config"]["Env"],
            nlohmann::json::parse(
                R"J(["DB=(not kept)", "URL=http://h:1/a@b", "BASIC_AUTH=(not kept)"])J"));
}

TEST(HideCredentialsOf, ByName) {
  auto inspection = nlohmann::json::parse(
      R"([{"Config": {"Env": ["NGC_API_KEY=1", "db_password=2", "A=KEY", "SECRET", 5]}}, 7, {}])");
  HideCredentials(inspection);
  EXPECT_EQ(inspection[0]["Config"]["Env"],
            nlohmann::json::parse(
                R"J(["NGC_API_KEY=(not kept)", "db_password=(not kept)", "A=KEY", "SECRET", 5])J"));
  auto odd = nlohmann::json::parse(R"([{"Config": []}, {"Config": {"Env": {"a": 1}}}])");
  EXPECT_NO_THROW(HideCredentials(odd));
}

}  // namespace
}  // namespace kvtier
