#include "telemetry/os/cgroup.hpp"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "telemetry/os/fields.hpp"
#include "telemetry/os/proc_text.hpp"
#include "telemetry/text.hpp"

namespace kvtier {
namespace {

struct Candidate {
  std::filesystem::path file;
  std::string source;
  bool v2 = false;
  std::filesystem::path ios;  // v1 counts I/Os in a file of their own
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
      candidates.push_back({below(base, path) / "io.stat", "cgroup_v2_io_stat", true, {}});
    }
  }
  if (const std::string path = CgroupPath(membership, "blkio"); !path.empty()) {
    const auto group = below(mount / "blkio", path);
    for (const std::string prefix : {"blkio.throttle.", "blkio."}) {
      candidates.push_back({group / (prefix + "io_service_bytes"),
                            fmt::format("cgroup_{}io_service_bytes", prefix), false,
                            group / (prefix + "io_serviced")});
    }
  }
  return candidates;
}

struct Found {
  Candidate file;
  std::string text;
};
Reading<Found> FirstReadable(pid_t pid, const OsRoots& roots) {
  ProcText membership(roots.proc / std::to_string(pid) / "cgroup");
  const auto groups = membership.Read();
  if (!groups) return Reading<Found>::Unavailable(groups.reason());
  for (const Candidate& candidate : Candidates(std::string(*groups), roots)) {
    ProcText file(candidate.file);
    if (const auto text = file.Read()) return Found{candidate, std::string(*text)};
  }
  return Reading<Found>::Unavailable(
      "the worker's control group has no I/O accounting (io or blkio controller off)");
}

/// "254:0" with no figure known yet.
std::optional<CgroupDeviceIo> ParseDevice(std::string_view word) {
  const std::size_t colon = word.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto major_number = ParseNumber<unsigned>(word.substr(0, colon));
  const auto minor_number = ParseNumber<unsigned>(word.substr(colon + 1));
  if (!major_number || !minor_number) return std::nullopt;
  constexpr const char* kNone = "the control group has no such figure for the device";
  return CgroupDeviceIo{*major_number,
                        *minor_number,
                        Reading<Bytes>::Unavailable(kNone),
                        Reading<Bytes>::Unavailable(kNone),
                        Reading<std::uint64_t>::Unavailable(kNone),
                        Reading<std::uint64_t>::Unavailable(kNone)};
}

/// `name` as in io.stat; other names are not kept.
void SetFigure(CgroupDeviceIo& device, std::string_view name, std::uint64_t value) {
  if (name == "rbytes") device.read = Bytes{value};
  if (name == "wbytes") device.write = Bytes{value};
  if (name == "rios") device.read_ios = value;
  if (name == "wios") device.write_ios = value;
}

// A kernel may have the file and account nothing in it (the root group of v1 says "Total 0"
// whatever happens), so no line is not the same as no I/O.
std::string NoLine(const std::string& device) {
  return fmt::format(
      "the control group has no figures for {}: it did no I/O there, or none is accounted", device);
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
  std::string problem = NoLine("device " + wanted);
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
  if (!read || !write) return Reading<CgroupIo>::Unavailable(NoLine("device " + wanted));
  return CgroupIo{Bytes{*read}, Bytes{*write}, "", ""};
}

std::vector<CgroupDeviceIo> ParseIoStatTable(std::string_view text) {
  std::vector<CgroupDeviceIo> devices;
  ForEachLine(text, [&](std::string_view line) {
    Fields fields(line);
    auto device = ParseDevice(fields.Next());
    if (!device) return;
    for (std::string_view word = fields.Next(); !word.empty(); word = fields.Next()) {
      const std::size_t equals = std::min(word.find('='), word.size());
      const auto value = ParseNumber<std::uint64_t>(word.substr(std::min(equals + 1, word.size())));
      if (value) SetFigure(*device, word.substr(0, equals), *value);
    }
    devices.push_back(std::move(*device));
  });
  return devices;
}

std::vector<CgroupDeviceIo> ParseBlkioTable(std::string_view bytes, std::string_view ios) {
  std::vector<CgroupDeviceIo> devices;
  const auto add = [&](std::string_view text, std::string_view read, std::string_view write) {
    ForEachLine(text, [&](std::string_view line) {
      Fields fields(line);  // "254:0 Read 4096"
      auto device = ParseDevice(fields.Next());
      const std::string_view operation = fields.Next();
      const auto value = fields.Number<std::uint64_t>();
      if (!device || !value || (operation != "Read" && operation != "Write")) return;
      auto at = std::find_if(devices.begin(), devices.end(), [&](const CgroupDeviceIo& d) {
        return d.major_number == device->major_number && d.minor_number == device->minor_number;
      });
      if (at == devices.end()) at = devices.insert(devices.end(), std::move(*device));
      SetFigure(*at, operation == "Read" ? read : write, *value);
    });
  };
  add(bytes, "rbytes", "wbytes");
  add(ios, "rios", "wios");
  return devices;
}

Reading<CgroupIo> ReadCgroupIo(pid_t pid, const BlockDevice& device, const OsRoots& roots) {
  const auto found = FirstReadable(pid, roots);
  if (!found) return Reading<CgroupIo>::Unavailable(found.reason());
  auto io = found->file.v2 ? ParseIoStat(found->text, device.major_number, device.minor_number)
                           : ParseBlkio(found->text, device.major_number, device.minor_number);
  return io.Map([&](CgroupIo value) {
    value.source = found->file.source;
    value.path = found->file.file.string();
    return value;
  });
}

Reading<CgroupIoTable> ReadCgroupIoTable(pid_t pid, const OsRoots& roots) {
  const auto found = FirstReadable(pid, roots);
  if (!found) return Reading<CgroupIoTable>::Unavailable(found.reason());
  CgroupIoTable table;
  table.source = found->file.source;
  table.path = found->file.file.string();
  if (found->file.v2) {
    table.devices = ParseIoStatTable(found->text);
  } else {
    ProcText file(found->file.ios);
    const auto ios = file.Read();
    table.devices = ParseBlkioTable(found->text, ios ? *ios : std::string_view());
  }
  if (table.devices.empty()) return Reading<CgroupIoTable>::Unavailable(NoLine("any device"));
  return table;
}

}  // namespace kvtier
