#include "suites/stack_profile.hpp"

#include <cstdlib>
#include <sstream>

#include <fmt/format.h>

#include "fixtures/backends/dynamo_host.hpp"

namespace kvtier {
namespace {

/// Beside the program, so that a check of the build never mixes with results that somebody
/// measured.
std::filesystem::path QuickResultsRoot() {
  return std::filesystem::read_symlink("/proc/self/exe").parent_path().parent_path() /
         "quick-results";
}

}  // namespace

ProfileRequest RequestFor(const StackProfile& which) {
  ProfileRequest request{
      .profile = which.profile, .flags = {}, .environment = ProcessEnvironment()};
  if (!which.quick) return request;
  std::erase_if(request.environment, [](const auto& v) { return v.first.starts_with("BENCH_"); });
  request.flags.push_back({"results_root", QuickResultsRoot().string(), "quick suite"});
  return request;
}

Profile LoadFor(const StackProfile& which) {
  return LoadProfile(RequestFor(which));
}

bool WordIsExpected(const std::string& word) {
  const char* expected =
      std::getenv("KVTIER_EXPECT");  // NOLINT(concurrency-mt-unsafe): nobody sets variables here
  if (expected == nullptr) return true;
  std::istringstream words{std::string(expected)};
  for (std::string each; std::getline(words, each, ',');) {
    if (each == word) return true;
  }
  return false;
}

std::string WhyNotHere(const StackProfile& which, const Profile& profile) {
  const std::string& origin = profile.Value("backend").origin;
  if (which.stack == "spark" && profile.backend == Backend::kReference)
    return origin + " asks for the reference stack, this case is about a Spark's";
  // A file says what a Spark would run; the user says what this machine is to run.
  if (profile.backend == Backend::kDynamo)
    return WhyNoDynamoHost(origin == "BENCH_BACKEND" || origin == "KVTIER_BACKEND");
  if (profile.backend == Backend::kCommand && profile.command.up.empty()) {
    return fmt::format(
        "profile {} names no script that brings the stack up: set KVTIER_COMMAND_UP and "
        "KVTIER_COMMAND_DOWN",
        profile.name);
  }
  return {};
}

}  // namespace kvtier
