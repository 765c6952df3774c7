#pragma once
#include <chrono>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "telemetry/device/command_runner.hpp"

namespace kvtier::canned {

/// A program that ended with `exit_code`.
inline CommandResult Exited(int exit_code, std::string out, std::string err = "") {
  CommandResult result;
  result.outcome = CommandResult::Outcome::kExited;
  result.exit_code = exit_code;
  result.out = std::move(out);
  result.err = std::move(err);
  return result;
}
inline CommandResult TimedOut() {
  CommandResult result;
  result.outcome = CommandResult::Outcome::kTimedOut;
  return result;
}

/// Answers by the text of the command; a command that is not in the table is not installed.
struct Table {
  std::map<std::string, CommandResult> answers;
  std::vector<std::string> asked;

  CommandRunner Runner() {
    return [this](const std::vector<std::string>& argv, std::chrono::milliseconds) {
      asked.push_back(CommandText(argv));
      const auto found = answers.find(asked.back());
      if (found != answers.end()) return found->second;
      CommandResult missing;
      missing.outcome = CommandResult::Outcome::kNotFound;
      return missing;
    };
  }
};

}  // namespace kvtier::canned
