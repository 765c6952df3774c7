#include "telemetry/logs/docker_logs.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "harness/core/clock.hpp"
#include "harness/core/files.hpp"
#include "telemetry/text.hpp"

namespace kvtier {
namespace {

constexpr std::chrono::milliseconds kLimit = std::chrono::seconds(10);  // as the predecessor's
constexpr std::size_t kTailLines = 15;

/// One docker: the program, and what runs it.
struct Client {
  const CommandRunner& run;
  const std::string& program;

  CommandResult Ask(std::vector<std::string> words) const {
    words.insert(words.begin(), program);
    return run(words, kLimit);
  }
  std::string Because(const CommandResult& result) const {
    return result.outcome == CommandResult::Outcome::kNotFound
               ? fmt::format("{} is not on the path", program)
               : WhyFailed(result, program);
  }
};

Reading<std::vector<std::string>> ListContainers(const Client& docker) {
  const auto answer = docker.Ask({"ps", "-a", "--format", "{{.Names}}"});
  if (!answer.ok()) return Reading<std::vector<std::string>>::Unavailable(docker.Because(answer));
  std::vector<std::string> names;
  ForEachLine(answer.out, [&](std::string_view line) {
    if (!line.empty()) names.emplace_back(line);
  });
  return names;
}

Reading<DockerLogCopy> CopyLog(const std::filesystem::path& run_dir, const std::string& container,
                               const std::string& since, const Client& docker) {
  using Result = Reading<DockerLogCopy>;
  // The end of a log tells more than its beginning, so a log that is too long is asked for again,
  // shorter.
  CommandResult answer;
  std::string asked;
  for (const char* lines : {"20000", "2000"}) {
    asked = lines;
    answer = docker.Ask({"logs", "--timestamps", "--since", since, "--tail", asked, container});
    if (!answer.truncated) break;
  }
  if (!answer.ok() && !answer.truncated) return Result::Unavailable(docker.Because(answer));
  const std::string text = MergeByTimestamp(answer.out, answer.err);
  DockerLogCopy copy;
  copy.path = fmt::format("telemetry/docker_{}_logs.txt", SafeFileName(container));
  copy.size = Bytes{text.size()};
  copy.counts = CountLines(text);
  copy.tail = PrintableText(LastLines(text, kTailLines));
  if (answer.truncated) {
    copy.notes.push_back(fmt::format(
        "docker logs gave more than can be kept: the last of the {} newest lines are missing",
        asked));
  } else if (copy.counts.lines >= std::stoull(asked)) {
    copy.notes.push_back(fmt::format("only the newest {} lines were asked for", asked));
  }
  try {
    WriteFileAtomic(run_dir / copy.path, text);
  } catch (const std::exception& e) {
    return Result::Unavailable(e.what());
  }
  return copy;
}

Reading<std::string> CopyInspection(const std::filesystem::path& run_dir,
                                    const std::string& container, const Client& docker) {
  using Result = Reading<std::string>;
  const auto answer = docker.Ask({"inspect", container});
  if (!answer.ok()) return Result::Unavailable(docker.Because(answer));
  auto inspection = nlohmann::json::parse(answer.out, nullptr, false);
  if (inspection.is_discarded()) {
    return Result::Unavailable(fmt::format("docker inspect {} did not answer JSON", container));
  }
  HideCredentials(inspection);
  const std::string path = fmt::format("telemetry/docker_{}_inspect.json", SafeFileName(container));
  try {
    WriteJsonAtomic(run_dir / path, inspection);
  } catch (const std::exception& e) {
    return Result::Unavailable(e.what());
  }
  return path;
}

// Lines grouped with their stamp: {stamp, whole line(s)}.
std::vector<std::pair<std::string_view, std::string>> Stamped(std::string_view text) {
  std::vector<std::pair<std::string_view, std::string>> lines;
  ForEachLine(text, [&](std::string_view line) {
    const std::string_view word = line.substr(0, line.find(' '));
    const bool stamp = word.size() >= 20 && word[4] == '-' && word[10] == 'T';
    if (!stamp && !lines.empty()) {
      lines.back().second += fmt::format("{}\n", line);
    } else {
      lines.emplace_back(stamp ? word : std::string_view(), fmt::format("{}\n", line));
    }
  });
  return lines;
}

bool LooksLikeCredential(std::string_view name) {
  std::string upper(name);
  for (char& c : upper) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  constexpr std::array<std::string_view, 6> kParts{"KEY",  "TOKEN", "SECRET",
                                                   "PASS", "CRED",  "AUTH"};
  return std::any_of(kParts.begin(), kParts.end(),
                     [&](std::string_view part) { return upper.find(part) != std::string::npos; });
}

// "postgres://user:word@host/db": a name does not say that there is a password in the value.
bool HasUserInUrl(std::string_view value) {
  const std::size_t scheme = value.find("://");
  if (scheme == std::string_view::npos) return false;
  const std::string_view rest = value.substr(scheme + 3);
  return rest.substr(0, rest.find('/')).find('@') != std::string_view::npos;
}

}  // namespace

std::string MergeByTimestamp(std::string_view a, std::string_view b) {
  auto merged = Stamped(a);
  auto other = Stamped(b);
  std::move(other.begin(), other.end(), std::back_inserter(merged));
  std::stable_sort(merged.begin(), merged.end(),
                   [](const auto& x, const auto& y) { return x.first < y.first; });
  std::string text;
  text.reserve(a.size() + b.size() + 2);
  for (const auto& [stamp, line] : merged) text += line;
  return text;
}

void HideCredentials(nlohmann::json& inspection) {
  if (!inspection.is_array()) return;
  for (auto& container : inspection) {
    const nlohmann::json::json_pointer place("/Config/Env");
    if (!container.is_object() || !container.contains(place)) continue;
    auto& environment = container[place];
    if (!environment.is_array()) continue;
    for (auto& entry : environment) {
      if (!entry.is_string()) continue;
      const auto text = entry.get<std::string>();
      const std::size_t equals = text.find('=');
      if (equals == std::string::npos) continue;
      if (LooksLikeCredential(text.substr(0, equals)) || HasUserInUrl(text.substr(equals + 1))) {
        entry = text.substr(0, equals) + "=(not kept)";
      }
    }
  }
}

DockerEvidence CollectDockerLogs(const std::filesystem::path& run_dir,
                                 const std::vector<std::string>& containers,
                                 std::chrono::system_clock::time_point since,
                                 const CommandRunner& run, const std::string& program) {
  const Client docker{run, program};
  DockerEvidence evidence;
  evidence.listed = ListContainers(docker);
  if (!evidence.listed) return evidence;
  for (const auto& name : containers) {
    DockerContainer container{.name = name, .log = {}, .inspect_path = {}};
    const auto& names = *evidence.listed;
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      const auto why = fmt::format("docker ps -a lists no container '{}'", name);
      container.log = Reading<DockerLogCopy>::Unavailable(why);
      container.inspect_path = Reading<std::string>::Unavailable(why);
    } else {
      container.log = CopyLog(run_dir, name, UtcMillis(since), docker);
      container.inspect_path = CopyInspection(run_dir, name, docker);
    }
    evidence.containers.push_back(std::move(container));
  }
  return evidence;
}

}  // namespace kvtier
