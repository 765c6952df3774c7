#include "telemetry/logs/log_report.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace kvtier {
namespace {

using nlohmann::json;

json CountsJson(const LineCounts& counts) {
  return {{"lines", counts.lines}, {"errors", counts.errors}, {"warnings", counts.warnings}};
}

json LogJson(const CollectedLog& log) {
  json j = {{"name", log.name}, {"source", log.source}};
  if (!log.copy) {
    j["unavailable"] = log.copy.reason();
    return j;
  }
  j.update(CountsJson(log.copy->counts));
  j["path"] = log.copy->path;
  j["written_bytes"] = log.copy->written;
  j["cut_bytes"] = log.copy->cut;
  j["notes"] = log.copy->notes;
  return j;
}

json ContainerJson(const DockerContainer& container) {
  json j = {{"name", container.name}, {"inspect_path", container.inspect_path}};
  if (!container.log) {
    j["unavailable"] = container.log.reason();
    return j;
  }
  j.update(CountsJson(container.log->counts));
  j["path"] = container.log->path;
  j["size_bytes"] = container.log->size;
  j["notes"] = container.log->notes;
  return j;
}

json DockerJson(const DockerEvidence& docker) {
  if (!docker.listed) return {{"unavailable", docker.listed.reason()}};
  json containers = json::array();
  for (const auto& c : docker.containers) containers.push_back(ContainerJson(c));
  return {{"containers", containers}};
}

json CufileJson(const CufileEvidence& cufile) {
  json files = json::array();
  for (const auto& f : cufile.files) {
    files.push_back({{"source", f.source},
                     {"path", f.path},
                     {"written_bytes", f.written},
                     {"cut_bytes", f.cut},
                     {"notes", f.notes}});
  }
  const auto& c = cufile.counts;
  return {{"files", files},
          {"unreadable", cufile.unreadable},
          {"grep_path", cufile.grep_path},
          {"conclusion", cufile.conclusion},
          {"lines", c.lines},
          {"compat_lines", c.compat},
          {"posix_lines", c.posix},
          {"gds_lines", c.gds},
          {"error_lines", c.error},
          {"warning_lines", c.warning}};
}

json SnapshotJson(const CacheDirSnapshot& snapshot) {
  json j = {{"label", snapshot.label},
            {"path", snapshot.path},
            {"files_path", snapshot.files_path},
            {"missing", snapshot.missing},
            {"notes", snapshot.notes}};
  // Of a folder that is not there nothing was counted.
  j["files"] = snapshot.missing ? json() : json(snapshot.files);
  j["allocated_bytes"] = snapshot.missing ? json() : json(snapshot.allocated);
  return j;
}

void AppendTail(std::string& text, const std::string& path, const Reading<std::string>& tail) {
  if (!tail) {
    text += fmt::format("--- {}: {}\n", path, tail.reason());
  } else if (tail->empty()) {
    text += fmt::format("--- {}: empty\n", path);
  } else {
    text += fmt::format("--- {}\n{}{}", path, *tail, tail->ends_with('\n') ? "" : "\n");
  }
}

}  // namespace

json LogsBlock(const LogsEvidence& evidence) {
  json block = {{"logs", json::array()}, {"cufile", json::array()}, {"cache_dir", json::array()}};
  for (const auto& log : evidence.logs) block["logs"].push_back(LogJson(log));
  block["docker"] = evidence.docker ? DockerJson(*evidence.docker) : json();
  for (const auto& cufile : evidence.cufile) block["cufile"].push_back(CufileJson(cufile));
  for (const auto& s : evidence.cache_dir) block["cache_dir"].push_back(SnapshotJson(s));
  return block;
}

std::string TailsText(std::span<const CollectedLog> logs, std::size_t lines) {
  std::string text;
  for (const auto& log : logs) {
    AppendTail(text, log.copy ? log.copy->path : log.source, log.copy.Map([&](const LogCopy& copy) {
      return std::string(LastLines(copy.tail, lines));
    }));
  }
  return text;
}

std::string TailsText(std::span<const std::filesystem::path> logs, std::size_t lines) {
  std::string text;
  for (const auto& path : logs) AppendTail(text, path.string(), ReadTail(path, lines));
  return text;
}

}  // namespace kvtier
