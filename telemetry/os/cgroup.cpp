#include "telemetry/os/cgroup.hpp"

#include <optional>
#include <vector>

#include <fmt/format.h>

#include "harness/core/error.hpp"
#include "harness/core/files.hpp"
#include "telemetry/text.hpp"

namespace kvtier {
namespace {

struct Candidate {
  std::filesystem::path file;
  std::string source;
  bool v2 = false;
};

/// v2 alone, v2 beside v1 ("hybrid"), then v1.
std::vector<Candidate> Candidates(const std::string& membership, const OsRoots& roots) {
  const auto mount = roots.sys / "fs/cgroup";
  std::vector<Candidate> candidates;
  const auto below = [](const std::filesystem::path& base, const std::string& path) {
    return base / std::filesystem::path(path).relative_path();
  };
  if (const std::string path = CgroupPath(membership, ""); !path.empty()) {
    for (const auto& base : {mount, mount / "unified"}) {
      candidates.push_back({below(base, path) / "io.stat", "cgroup_v2_io_stat", true});
    }
  }
  if (const std::string path = CgroupPath(membership, "blkio"); !path.empty()) {
    for (const char* file : {"blkio.throttle.io_service_bytes", "blkio.io_service_bytes"}) {
      candidates.push_back(
          {below(mount / "blkio", path) / file, fmt::format("cgroup_{}", file), false});
    }
  }
  return candidates;
}

// A kernel may have the file and account nothing in it (the root group of v1 says "Total 0"
// whatever happens), so no line is not the same as no I/O.
std::string NoLine(const std::string& device) {
  return fmt::format(
      "the control group has no figures for device {}: it did no I/O there, or none is accounted",
      device);
}

}  // namespace

std::string CgroupPath(std::string_view text, std::string_view controller) {
  std::string path;
  ForEachLine(text, [&](std::string_view line) {
    // "4:blkio,memory:/path"; the v2 line is "0::/path".
    const std::size_t first = line.find(':');
    if (first == std::string_view::npos || !path.empty()) return;
    const std::string_view rest = line.substr(first + 1);
    const std::size_t second = rest.find(':');
    if (second == std::string_view::npos) return;
    const std::string names = fmt::format(",{},", rest.substr(0, second));
    const bool ours = controller.empty()
                          ? names == ",," && line.substr(0, first) == "0"
                          : names.find(fmt::format(",{},", controller)) != std::string::npos;
    if (ours) path = rest.substr(second + 1);
  });
  return path;
}

Reading<CgroupIo> ParseIoStat(std::string_view text, unsigned major_number, unsigned minor_number) {
  const std::string wanted = fmt::format("{}:{}", major_number, minor_number);
  CgroupIo io;
  std::string problem = NoLine(wanted);
  ForEachLine(text, [&](std::string_view line) {
    const auto words = Words(line);
    if (words.empty() || words[0] != wanted) return;
    std::optional<std::uint64_t> read, write;
    for (const std::string_view word : words) {
      if (word.starts_with("rbytes=")) read = ParseNumber<std::uint64_t>(word.substr(7));
      if (word.starts_with("wbytes=")) write = ParseNumber<std::uint64_t>(word.substr(7));
    }
    problem = read && write ? "" : fmt::format("io.stat has no rbytes and wbytes for {}", wanted);
    if (!problem.empty()) return;
    io.read = Bytes{*read};
    io.write = Bytes{*write};
  });
  return problem.empty() ? Reading<CgroupIo>(io) : Reading<CgroupIo>::Unavailable(problem);
}

Reading<CgroupIo> ParseBlkio(std::string_view text, unsigned major_number, unsigned minor_number) {
  const std::string wanted = fmt::format("{}:{}", major_number, minor_number);
  std::optional<std::uint64_t> read, write;
  ForEachLine(text, [&](std::string_view line) {
    const auto words = Words(line);
    if (words.size() != 3 || words[0] != wanted) return;
    if (words[1] == "Read") read = ParseNumber<std::uint64_t>(words[2]);
    if (words[1] == "Write") write = ParseNumber<std::uint64_t>(words[2]);
  });
  if (!read || !write) return Reading<CgroupIo>::Unavailable(NoLine(wanted));
  return CgroupIo{Bytes{*read}, Bytes{*write}, "", ""};
}

Reading<CgroupIo> ReadCgroupIo(pid_t pid, const BlockDevice& device, const OsRoots& roots) {
  std::string membership;
  try {
    membership = ReadFile(roots.proc / std::to_string(pid) / "cgroup");
  } catch (const IoError& e) {
    return Reading<CgroupIo>::Unavailable(e.what());
  }
  for (const Candidate& candidate : Candidates(membership, roots)) {
    std::string text;
    try {
      text = ReadFile(candidate.file);
    } catch (const IoError&) {
      continue;
    }
    auto io = candidate.v2 ? ParseIoStat(text, device.major_number, device.minor_number)
                           : ParseBlkio(text, device.major_number, device.minor_number);
    return io.Map([&](CgroupIo value) {
      value.source = candidate.source;
      value.path = candidate.file.string();
      return value;
    });
  }
  return Reading<CgroupIo>::Unavailable(
      "the worker's control group has no I/O accounting (io or blkio controller off)");
}

}  // namespace kvtier
