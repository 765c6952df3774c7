#include "harness/report/baseline_files.hpp"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "harness/core/error.hpp"
#include "harness/core/files.hpp"

namespace kvtier {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

json ReadObject(const fs::path& file) {
  json j = ReadJson(file);
  if (!j.is_object()) throw DataError(file.string() + " holds no JSON object");
  return j;
}
json ReadIfThere(const fs::path& file) {
  return fs::is_regular_file(file) ? ReadObject(file) : json();
}

json RuntimeEnv(const fs::path& file, const json& config) {
  const json manifest = ReadIfThere(file);
  if (manifest.is_object() && manifest.contains("env")) {
    if (!manifest["env"].is_object()) throw DataError(file.string() + ": the key env is no object");
    return manifest["env"];
  }
  // The predecessor's kv_runtime_env is the client's environment, ours is the worker's.
  return config.contains("schema_version") ? config.value("kv_runtime_env", json()) : json();
}

struct Descriptor {
  int fd = -1;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

/// What must go before a new line: nothing, or the newline that the last one lacks.
std::string MendEnd(const fs::path& file) {
  const std::string text = fs::exists(file) ? ReadFile(file) : "";
  if (text.empty() || text.back() == '\n') return "";
  const std::string last = text.substr(text.rfind('\n') + 1);
  if (json::accept(last)) return "\n";
  throw DataError(
      fmt::format("the last line of {} is torn; look at it and end or remove it", file.string()));
}

/// One write, so that rows of two processes do not mix.
void AppendLine(const fs::path& file, const json& row) {
  if (file.has_parent_path()) fs::create_directories(file.parent_path());
  const std::string line =
      MendEnd(file) + row.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
  const Descriptor out{::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644)};
  if (out.fd < 0) throw IoError::FromErrno("append to", file.string(), errno);
  const ssize_t written = ::write(out.fd, line.data(), line.size());
  if (written != static_cast<ssize_t>(line.size()))
    throw IoError::FromErrno("append to", file.string(), written < 0 ? errno : ENOSPC);
  if (::fsync(out.fd) != 0) throw IoError::FromErrno("sync", file.string(), errno);
}

}  // namespace

Baseline ComputeBaseline(const fs::path& run_dir, const json& context, Ruleset ruleset) {
  const fs::path config_file = run_dir / "config.json";
  const fs::path analysis = run_dir / ".." / "analysis";
  BaselineSources sources;
  sources.config = ReadObject(config_file);
  sources.analysis_manifest = ReadIfThere(analysis / "manifest.json");
  sources.runtime_env = RuntimeEnv(analysis / "worker_runtime_manifest.json", sources.config);
  sources.context = context;
  Baseline b;
  try {
    b = MakeBaseline(sources, ruleset);
  } catch (const DataError& e) {
    throw DataError(
        fmt::format("{} and the context of the sweep: {}", config_file.string(), e.what()));
  }
  b.source_run_path = run_dir.string();
  b.manifest_path =
      (sources.analysis_manifest.is_object() ? analysis / "manifest.json" : config_file)
          .lexically_normal()
          .string();
  return b;
}

json ReadJsonArgument(const std::string& given, const std::string& what) {
  if (given.find_first_not_of(" \t\r\n") == std::string::npos) return json::object();
  if (given[given.find_first_not_of(" \t\r\n")] != '{') return ReadObject(given);
  json j = json::parse(given, nullptr, false);
  if (j.is_discarded()) throw DataError(what + " is not JSON");
  return j;
}

Baseline ReadBaselineArgument(const std::string& given, const std::string& what) {
  const json j = ReadJsonArgument(given, what);
  if (j.empty()) return {};
  try {
    return j.get<Baseline>();
  } catch (const DataError& e) {
    throw DataError(fmt::format("{}: {}", given.front() == '{' ? what : given, e.what()));
  }
}

json AcceptBaseline(const fs::path& baseline_file, const fs::path& audit_jsonl,
                    const Baseline& known, Baseline current, const std::string& reason,
                    const std::string& now_utc, Ruleset ruleset) {
  const BaselineDecision decision = DecideBaseline(known, current, false, true, ruleset);
  json row = BaselineAuditRow(known, current, decision, baseline_file.string(), reason, now_utc);
  AppendLine(audit_jsonl, row);
  current.updated_utc = now_utc;
  WriteJsonAtomic(baseline_file, current);
  return row;
}

}  // namespace kvtier
