#include "telemetry/os/block_device.hpp"

#include <cerrno>
#include <system_error>

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "harness/core/error.hpp"
#include "harness/core/files.hpp"
#include "telemetry/text.hpp"

namespace kvtier {
namespace {

struct Numbers {
  unsigned major_number = 0, minor_number = 0;
};

std::optional<Numbers> ParseNumbers(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto first = ParseNumber<unsigned>(text.substr(0, colon));
  const auto second = ParseNumber<unsigned>(text.substr(colon + 1));
  if (!first || !second) return std::nullopt;
  return Numbers{*first, *second};
}

/// Fields of a mountinfo line after its optional fields: type and source.
struct Mount {
  std::string_view numbers, mount_point, type, source;
};
std::optional<Mount> ParseMount(std::string_view line) {
  const auto words = Words(line);
  for (std::size_t i = 6; i < words.size(); ++i) {
    if (words[i] == "-" && i + 2 < words.size())
      return Mount{words[2], words[4], words[i + 1], words[i + 2]};
  }
  return std::nullopt;
}

std::string ReadMountinfo(const OsRoots& roots) {
  try {
    return ReadFile(roots.proc / "self/mountinfo");
  } catch (const IoError&) {
    return {};
  }
}

}  // namespace

std::string MountSourceOf(std::string_view mountinfo, unsigned major_number,
                          unsigned minor_number) {
  const std::string wanted = fmt::format("{}:{}", major_number, minor_number);
  std::string source;
  ForEachLine(mountinfo, [&](std::string_view line) {
    const auto mount = ParseMount(line);
    if (mount && mount->numbers == wanted && mount->source.starts_with("/dev/"))
      source = mount->source;
  });
  return source;
}

std::string FilesystemTypeOf(const std::filesystem::path& directory, const OsRoots& roots) {
  std::error_code error;
  const std::string path = std::filesystem::weakly_canonical(directory, error).string();
  std::string type;
  std::size_t longest = 0;
  ForEachLine(ReadMountinfo(roots), [&](std::string_view line) {
    const auto mount = ParseMount(line);
    if (!mount) return;
    const std::string_view at = mount->mount_point;
    const bool below = at == "/" || path == at || (path.starts_with(at) && path[at.size()] == '/');
    if (below && at.size() >= longest) {  // a later mount on the same point covers the earlier one
      longest = at.size();
      type = mount->type;
    }
  });
  return type;
}

Reading<BlockDevice> WholeDisk(unsigned major_number, unsigned minor_number, const OsRoots& roots) {
  const auto link = roots.sys / "dev/block" / fmt::format("{}:{}", major_number, minor_number);
  std::error_code error;
  auto node = std::filesystem::canonical(link, error);
  if (error) {
    return Reading<BlockDevice>::Unavailable(fmt::format(
        "device {}:{} is no block device ({})", major_number, minor_number, link.string()));
  }
  if (std::filesystem::exists(node / "partition", error)) node = node.parent_path();
  try {
    const auto numbers = ParseNumbers(ReadFile(node / "dev"));
    if (!numbers)
      return Reading<BlockDevice>::Unavailable(
          fmt::format("{}/dev has no device number", node.string()));
    return BlockDevice{node.filename().string(), numbers->major_number, numbers->minor_number};
  } catch (const IoError& e) {
    return Reading<BlockDevice>::Unavailable(e.what());
  }
}

Reading<BlockDevice> DeviceUnder(const std::filesystem::path& directory, const OsRoots& roots) {
  struct stat status {};
  if (::stat(directory.c_str(), &status) != 0) {
    return Reading<BlockDevice>::Unavailable(
        IoError::FromErrno("look at", directory.string(), errno).what());
  }
  unsigned major_number = major(status.st_dev);
  unsigned minor_number = minor(status.st_dev);
  if (major_number == 0) {
    const std::string source = MountSourceOf(ReadMountinfo(roots), major_number, minor_number);
    if (source.empty() || ::stat(source.c_str(), &status) != 0 || !S_ISBLK(status.st_mode)) {
      return Reading<BlockDevice>::Unavailable(fmt::format("{} is on {}, which has no block device",
                                                           directory.string(),
                                                           FilesystemTypeOf(directory, roots)));
    }
    major_number = major(status.st_rdev);
    minor_number = minor(status.st_rdev);
  }
  return WholeDisk(major_number, minor_number, roots);
}

}  // namespace kvtier
