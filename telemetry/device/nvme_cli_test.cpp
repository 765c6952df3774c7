#include "telemetry/device/nvme_cli.hpp"

#include <signal.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "telemetry/device/canned_runner.hpp"

namespace kvtier {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using Outcome = CommandResult::Outcome;

TEST(CommandRunner, TheTwoOutputsStayApart) {
  const auto r = SystemCommandRunner()({"sh", "-c", "echo out; echo err >&2; exit 3"},
                                       std::chrono::seconds(30));
  ASSERT_EQ(r.outcome, Outcome::kExited) << r.err;
  EXPECT_EQ(r.exit_code, 3);
  EXPECT_EQ(r.out, "out\n");
  EXPECT_EQ(r.err, "err\n");
  EXPECT_FALSE(r.ok());
  EXPECT_EQ(WhyFailed(r, "sh"), "sh exited 3: err");
}

TEST(CommandRunner, NothingOfArgvIsShellText) {
  const auto r = SystemCommandRunner()({"printf", "%s|", "$HOME", "a b", "`id`", "2>x"},
                                       std::chrono::seconds(30));
  EXPECT_EQ(r.out, "$HOME|a b|`id`|2>x|");
}

TEST(CommandRunner, MissingTimedOutAndKilledAreTold) {
  const auto run = SystemCommandRunner();
  const auto missing = run({"kvtier-no-such-program"}, std::chrono::seconds(30));
  EXPECT_EQ(missing.outcome, Outcome::kNotFound);
  EXPECT_EQ(WhyFailed(missing, "nvme"), "nvme is not installed");
  const auto late = run({"sleep", "600"}, std::chrono::milliseconds(20));
  EXPECT_EQ(late.outcome, Outcome::kTimedOut);
  const auto killed = run({"sh", "-c", "kill -9 $$"}, std::chrono::seconds(30));
  EXPECT_EQ(killed.outcome, Outcome::kExited);
  EXPECT_EQ(killed.exit_code, -SIGKILL);
  EXPECT_EQ(run({}, std::chrono::seconds(1)).outcome, Outcome::kNotFound);
}

TEST(CommandRunner, OutputIsBounded) {
  // More than the limit and endless: the kernel ends it at the limit of the file's size.
  const auto r = SystemCommandRunner()({"cat", "/dev/zero"}, std::chrono::seconds(30));
  EXPECT_EQ(r.out.size(), kCommandOutputLimit);
  EXPECT_TRUE(r.truncated);
  EXPECT_FALSE(r.ok());
}

TEST(CommandRunner, AMissingProgramIsAskedForOnce) {
  canned::Table table;
  table.answers["findmnt -J"] = canned::Exited(0, "{}");
  const auto run = RememberMissing(table.Runner());
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(run({"nvme", "list"}, {}).outcome, Outcome::kNotFound);
    EXPECT_TRUE(run({"findmnt", "-J"}, {}).ok());
  }
  EXPECT_THAT(table.asked, ElementsAre("nvme list", "findmnt -J", "findmnt -J", "findmnt -J"));
}

TEST(Snippets, AreTrimmedAndKeepWholeCharacters) {
  EXPECT_EQ(Snippet("  a b \n"), "a b");
  EXPECT_EQ(Snippet(" \n"), "");
  EXPECT_EQ(Snippet("abcd", 2), "ab");
  EXPECT_EQ(Snippet("a\xC2\xB0"
                    "C",
                    2),
            "a");
}

TEST(NvmeLadder, JsonAtTheFirstTry) {
  canned::Table table;
  table.answers["nvme id-ctrl /dev/nvme0 --output-format=json"] =
      canned::Exited(0, R"({"mn": "X"})");
  const auto capture = RunNvme("id-ctrl", "/dev/nvme0", table.Runner());
  EXPECT_TRUE(capture.success);
  EXPECT_TRUE(capture.payload_ok);
  EXPECT_EQ(capture.error, "");
  EXPECT_EQ(capture.json["device_used"], "/dev/nvme0");
  EXPECT_EQ(capture.json["format"], "json");
  EXPECT_EQ(capture.json["payload"], json({{"mn", "X"}}));
  EXPECT_FALSE(capture.json.contains("return_code"));
  EXPECT_THAT(capture.json["attempts"], SizeIs(1));
}

TEST(NvmeLadder, OlderSpellingsThenTheNamespace) {
  canned::Table table;
  const auto refuse = canned::Exited(22, "", "unrecognized option");
  for (const char* flags : {" --output-format=json", " -o json", " --output-format=normal", ""})
    table.answers[std::string("nvme smart-log /dev/nvme3") + flags] = refuse;
  table.answers["nvme smart-log /dev/nvme3n1 --output-format=json"] = refuse;
  table.answers["nvme smart-log /dev/nvme3n1 -o json"] = canned::Exited(0, "not json");
  table.answers["nvme smart-log /dev/nvme3n1 --output-format=normal"] =
      canned::Exited(0, "temperature : 40 C\n");
  const auto capture = RunNvme("smart-log", "/dev/nvme3", table.Runner());
  EXPECT_TRUE(capture.payload_ok);
  EXPECT_EQ(capture.json["device"], "/dev/nvme3");
  EXPECT_EQ(capture.json["device_used"], "/dev/nvme3n1");
  EXPECT_EQ(capture.json["format"], "normal");
  EXPECT_EQ(capture.payload()["raw_stdout"], "temperature : 40 C\n");
  EXPECT_EQ(capture.json["stdout"], "temperature : 40 C\n");
  ASSERT_THAT(capture.json["attempts"], SizeIs(7));
  EXPECT_EQ(capture.json["attempts"][0]["error"], "nvme exited 22: unrecognized option");
  EXPECT_EQ(capture.json["attempts"][0]["return_code"], 22);
  EXPECT_THAT(capture.json["attempts"][5]["parse_error"].get<std::string>(),
              HasSubstr("no JSON object"));
  EXPECT_EQ(capture.json["attempts"][6]["success"], true);
}

TEST(NvmeLadder, JsonCountsWhateverTheExitStatus) {
  canned::Table table;
  table.answers["nvme smart-log /dev/nvme0n1 --output-format=json"] =
      canned::Exited(1, R"({"error": "Permission denied"})", "x");
  const auto capture = RunNvme("smart-log", "/dev/nvme0n1", table.Runner());
  EXPECT_TRUE(capture.success);
  EXPECT_FALSE(capture.payload_ok);
  EXPECT_EQ(capture.error, "nvme: Permission denied");
  EXPECT_EQ(capture.json["return_code"], 1);
  EXPECT_EQ(capture.json["attempts"][0]["parsed_with_nonzero_status"], true);
  EXPECT_EQ(CommandCaptureJson(capture)["success"], false);
}

TEST(NvmeLadder, PermissionDeniedInPlainTextIsNoAnswer) {
  canned::Table table;
  table.answers["nvme id-ns /dev/nvme0n1 --output-format=json"] = canned::Exited(1, "");
  table.answers["nvme id-ns /dev/nvme0n1 -o json"] = canned::Exited(1, "");
  table.answers["nvme id-ns /dev/nvme0n1 --output-format=normal"] =
      canned::Exited(0, "", "/dev/nvme0n1: Permission Denied\n");
  const auto capture = RunNvme("id-ns", "/dev/nvme0n1", table.Runner());
  EXPECT_TRUE(capture.success);
  EXPECT_FALSE(capture.payload_ok);
}

TEST(NvmeLadder, AMissingProgramOrATimeOutEndsIt) {
  canned::Table table;
  const auto missing = RunNvme("id-ctrl", "/dev/nvme0", table.Runner());
  EXPECT_FALSE(missing.success);
  EXPECT_TRUE(missing.tool_missing);
  EXPECT_EQ(missing.json["error"], "nvme is not installed");
  EXPECT_EQ(missing.json["format"], nullptr);
  EXPECT_EQ(missing.payload(), nullptr);
  EXPECT_THAT(table.asked, SizeIs(1));

  table.answers["nvme id-ctrl /dev/nvme0 --output-format=json"] = canned::TimedOut();
  const auto late = RunNvme("id-ctrl", "/dev/nvme0", table.Runner());
  EXPECT_THAT(table.asked, SizeIs(2)) << "a device that does not answer is not asked again";
  EXPECT_FALSE(late.tool_missing);
  EXPECT_EQ(late.json["attempts"][0]["return_code"], nullptr);
  EXPECT_THAT(late.error, HasSubstr("time limit"));
}

TEST(NvmeLadder, ListTakesNoDevice) {
  canned::Table table;
  table.answers["nvme list --output-format=json"] = canned::Exited(0, R"({"Devices": []})");
  const auto capture = CommandCaptureJson(RunNvme("list", "", table.Runner()));
  EXPECT_EQ(capture["command"], json({"nvme", "list", "--output-format=json"}));
  EXPECT_EQ(capture["success"], true);
  EXPECT_EQ(capture["return_code"], 0);
  EXPECT_EQ(capture["payload"], json({{"Devices", json::array()}}));
}

TEST(CommandCaptures, TextJsonAndFailure) {
  const auto text = CommandCaptureJson({"mount"}, canned::Exited(0, "a on b\n"), false);
  EXPECT_EQ(text["payload"], "a on b\n");
  EXPECT_EQ(text["error"], nullptr);
  const auto bad = CommandCaptureJson({"lsblk", "-J"}, canned::Exited(0, "torn {"), true);
  EXPECT_EQ(bad["success"], false);
  EXPECT_EQ(bad["raw_stdout"], "torn {");
  EXPECT_EQ(bad["payload"], nullptr);
  // Bit 2 of smartctl's exit status speaks of the disk, not of the answer.
  const auto smartctl =
      CommandCaptureJson({"smartctl", "-a", "-j"}, canned::Exited(4, R"({"x": 1})"), true);
  EXPECT_EQ(smartctl["payload"], json({{"x", 1}}));
  EXPECT_EQ(smartctl["return_code"], 4);
}

TEST(JsonOrNull, RefusesWhatIsNoDocument) {
  EXPECT_EQ(ParseJsonOrNull("[1]"), json({1}));
  for (const std::string& bad : {std::string(""), std::string("12"), std::string("{\"a\":"),
                                 std::string("{} {}"), std::string(100000, '[')}) {
    EXPECT_EQ(ParseJsonOrNull(bad), nullptr) << bad.substr(0, 10);
  }
  EXPECT_EQ(ParseJsonOrNull(std::string(200, '[') + std::string(200, ']')), nullptr);
}

}  // namespace
}  // namespace kvtier
