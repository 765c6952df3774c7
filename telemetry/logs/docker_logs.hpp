#pragma once
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "harness/core/reading.hpp"
#include "harness/core/units.hpp"
#include "telemetry/device/command_runner.hpp"
#include "telemetry/device/docker_program.hpp"
#include "telemetry/logs/log_line.hpp"

namespace kvtier {

/// What docker kept of one container's output.
struct DockerLogCopy {
  std::string path;  // relative to the run folder: "telemetry/docker_<container>_logs.txt"
  Bytes size{};
  LineCounts counts;
  std::string tail;                // last 15 lines, printable
  std::vector<std::string> notes;  // older lines left out
};

struct DockerContainer {
  std::string name;
  Reading<DockerLogCopy> log;
  Reading<std::string> inspect_path;  // relative: "telemetry/docker_<container>_inspect.json"
};

struct DockerEvidence {
  /// Names of all containers, stopped ones too; unavailable where docker is not on the path or its
  /// daemon does not answer.
  Reading<std::vector<std::string>> listed;
  std::vector<DockerContainer> containers;  // those asked for; empty where `listed` is unavailable
};

/// Output since `since` and inspection of each of `containers`, through docker ps, logs and
/// inspect of `program`, 10 s each. Time stamps are docker's; standard output and standard error
/// are merged by them. At most the last 20000 lines (2000 where those are over the runner's limit).
/// Values of environment variables that look like credentials are not written. Never throws.
DockerEvidence CollectDockerLogs(const std::filesystem::path& run_dir,
                                 const std::vector<std::string>& containers,
                                 std::chrono::system_clock::time_point since,
                                 const CommandRunner& run,
                                 const std::string& program = DockerProgram());

/// Two texts of lines that begin with a time stamp of one format, as one in the order of the
/// stamps; equal stamps keep `a` first. A line without a stamp stays behind the one before it.
std::string MergeByTimestamp(std::string_view a, std::string_view b);

/// In the answer of docker inspect: replaces the values of .Config.Env whose name holds KEY, TOKEN,
/// SECRET, PASS or CRED (any case) by "(not kept)".
void HideCredentials(nlohmann::json& inspection);

}  // namespace kvtier
