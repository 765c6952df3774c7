#include "telemetry/device/command_runner.hpp"

#include <stdlib.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <memory>
#include <set>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "harness/core/error.hpp"
#include "harness/core/subprocess.hpp"

namespace kvtier {
namespace fs = std::filesystem;
namespace {

std::string SearchPath() {
  const char* path = std::getenv("PATH");  // NOLINT(concurrency-mt-unsafe): nobody sets it
  return fmt::format("{}:/usr/local/sbin:/usr/sbin:/sbin",
                     path == nullptr ? "/usr/bin:/bin" : path);
}

/// The program that a shell would start; empty when there is none.
std::string FindProgram(const std::string& name, std::string_view search_path) {
  if (name.find('/') != std::string::npos) return ::access(name.c_str(), X_OK) == 0 ? name : "";
  for (std::size_t at = 0; at <= search_path.size();) {
    const std::size_t end = std::min(search_path.find(':', at), search_path.size());
    const auto candidate = fs::path(search_path.substr(at, end - at)) / name;
    std::error_code error;
    if (end > at && fs::is_regular_file(candidate, error) &&
        ::access(candidate.c_str(), X_OK) == 0) {
      return candidate.string();
    }
    at = end + 1;
  }
  return "";
}

/// A directory of its own for the two outputs; removed with everything in it.
class ScratchDirectory {
 public:
  ScratchDirectory() {
    std::string name = (fs::temp_directory_path() / "kvtier-cmd-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw IoError::FromErrno("create", name, errno);
    path_ = name;
  }
  ~ScratchDirectory() {
    std::error_code error;
    fs::remove_all(path_, error);
  }
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

std::string ReadBounded(const fs::path& file, bool& truncated) {
  std::ifstream in(file, std::ios::binary);
  std::string text(kCommandOutputLimit, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(in.gcount()));
  truncated = truncated || in.peek() != std::ifstream::traits_type::eof();
  return text;
}

CommandResult RunCommand(const std::vector<std::string>& argv, std::chrono::milliseconds limit) {
  CommandResult result;
  try {
    const std::string path = SearchPath();
    const std::string program = argv.empty() ? "" : FindProgram(argv[0], path);
    if (program.empty()) {
      result.outcome = CommandResult::Outcome::kNotFound;
      return result;
    }
    const ScratchDirectory scratch;
    const fs::path out = scratch.path() / "out", err = scratch.path() / "err";
    // Subprocess has one log; the shell gives stderr a file of its own and bounds what a program
    // that never stops talking can write (in blocks of 512 bytes, one more than we keep). Nothing
    // of argv is read as shell text.
    const std::string script = fmt::format("ulimit -f {}; exec \"$@\" 2>\"$KVTIER_COMMAND_STDERR\"",
                                           kCommandOutputLimit / 512 + 1);
    std::vector<std::string> words = {"/bin/sh", "-c", script, "sh", program};
    words.insert(words.end(), argv.begin() + 1, argv.end());
    Subprocess child(
        {.argv = words,
         .env = {{"PATH", path}, {"LC_ALL", "C"}, {"KVTIER_COMMAND_STDERR", err.string()}},
         .log = out});
    if (child.WaitFor(limit)) {
      result.outcome = CommandResult::Outcome::kExited;
      const auto code = child.ExitCode();
      // "killed by signal N" has no accessor of its own.
      result.exit_code = code ? *code : -std::atoi(child.ExitText().substr(17).c_str());
    } else {
      result.outcome = CommandResult::Outcome::kTimedOut;
      child.Stop(std::chrono::milliseconds(200));
    }
    result.out = ReadBounded(out, result.truncated);
    result.err = ReadBounded(err, result.truncated);
  } catch (const std::exception& e) {
    result.outcome = CommandResult::Outcome::kFailed;
    result.err = e.what();
  }
  return result;
}

}  // namespace

CommandRunner SystemCommandRunner() {
  return RunCommand;
}

CommandRunner RememberMissing(CommandRunner runner) {
  return [runner = std::move(runner), missing = std::make_shared<std::set<std::string>>()](
             const std::vector<std::string>& argv, std::chrono::milliseconds limit) {
    CommandResult result;
    result.outcome = CommandResult::Outcome::kNotFound;
    if (argv.empty() || missing->contains(argv[0])) return result;
    result = runner(argv, limit);
    if (result.outcome == CommandResult::Outcome::kNotFound) missing->insert(argv[0]);
    return result;
  };
}

std::string WhyFailed(const CommandResult& result, std::string_view program) {
  switch (result.outcome) {
    case CommandResult::Outcome::kNotFound:
      return fmt::format("{} is not installed", program);
    case CommandResult::Outcome::kTimedOut:
      return fmt::format("{} did not end within its time limit", program);
    case CommandResult::Outcome::kFailed:
      return fmt::format("{} could not be run: {}", program, Snippet(result.err));
    case CommandResult::Outcome::kExited:
      break;
  }
  if (result.exit_code == 0) return "";
  const std::string said = Snippet(result.err.empty() ? result.out : result.err);
  return fmt::format("{} exited {}{}{}", program, result.exit_code, said.empty() ? "" : ": ", said);
}

std::string CommandText(const std::vector<std::string>& argv) {
  return fmt::format("{}", fmt::join(argv, " "));
}

std::string Snippet(std::string_view text, std::size_t limit) {
  const char* const kBlanks = " \t\r\n";
  const std::size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return "";
  text = text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
  if (text.size() > limit) {
    // Not in the middle of a UTF-8 character.
    while (limit > 0 && (static_cast<unsigned char>(text[limit]) & 0xC0U) == 0x80U) --limit;
    text = text.substr(0, limit);
  }
  return std::string(text);
}

}  // namespace kvtier
