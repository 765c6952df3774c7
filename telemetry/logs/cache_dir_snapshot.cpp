#include "telemetry/logs/cache_dir_snapshot.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <system_error>
#include <tuple>
#include <utility>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include "harness/core/clock.hpp"
#include "harness/core/files.hpp"
#include "telemetry/logs/log_line.hpp"

namespace kvtier {
namespace fs = std::filesystem;
namespace {

constexpr int kDuDepth = 2;
constexpr std::uint64_t kBlock = 512;  // st_blocks, whatever the file system's own is

struct Entry {
  std::chrono::system_clock::time_point mtime;
  Bytes size{};
  std::string path;
};

struct Listing {
  std::vector<Entry> files;
  std::map<fs::path, Bytes> folders;  // down to kDuDepth, cumulative
  Bytes allocated{};
  std::vector<std::string> notes;
};

std::chrono::system_clock::time_point TimeOf(const timespec& t) {
  return std::chrono::system_clock::time_point(
      std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::seconds(t.tv_sec) +
                                                            std::chrono::nanoseconds(t.tv_nsec)));
}

class Walk {
 public:
  Walk(const fs::path& root, const CacheDirLimits& limits) : root_(root), limits_(limits) {}

  Listing Run() {
    Account(root_, 0);
    std::error_code error;
    fs::recursive_directory_iterator at(root_, error);
    if (error) {
      listing_.notes.push_back(fmt::format("cannot list {}: {}", root_.string(), error.message()));
    }
    std::size_t seen = 0;
    for (const fs::recursive_directory_iterator end; !error && at != end;) {
      if (seen++ == limits_.entries) {
        listing_.notes.push_back(fmt::format(
            "cut after {} entries: sizes and counts are lower bounds", limits_.entries));
        break;
      }
      Visit(at);
      at.increment(error);
      if (error) {
        listing_.notes.push_back(
            fmt::format("the listing of {} stopped early: {}", root_.string(), error.message()));
      }
    }
    if (deeper_) {
      listing_.notes.push_back(fmt::format("folders below depth {} are not listed", limits_.depth));
    }
    std::sort(listing_.files.begin(), listing_.files.end(), [](const Entry& a, const Entry& b) {
      return std::tie(a.mtime, a.path) < std::tie(b.mtime, b.path);
    });
    return std::move(listing_);
  }

 private:
  // find's depth: 1 for what lies in the root itself.
  void Visit(fs::recursive_directory_iterator& at) {
    const int depth = at.depth() + 1;
    const fs::path path = at->path();
    const auto status = Account(path, depth);
    if (!status) return;
    if (S_ISDIR(status->st_mode)) {
      if (depth >= limits_.depth) {
        std::error_code error;
        deeper_ = deeper_ || !fs::is_empty(path, error);
        at.disable_recursion_pending();
        return;
      }
      if (std::error_code error;
          fs::directory_iterator(path, error) == fs::directory_iterator() && error) {
        at.disable_recursion_pending();
        listing_.notes.push_back(fmt::format("cannot list {}: {}", path.string(), error.message()));
      }
    } else if (S_ISREG(status->st_mode)) {
      listing_.files.push_back({TimeOf(status->st_mtim),
                                Bytes{static_cast<std::uint64_t>(status->st_size)}, path.string()});
    }
  }

  // Adds the blocks of `path` to every folder above it that is shown. A file with several links
  // counts once, as du does.
  std::optional<struct stat> Account(const fs::path& path, int depth) {
    struct stat status {};
    if (::lstat(path.c_str(), &status) != 0) return std::nullopt;  // gone since it was listed
    if (!S_ISDIR(status.st_mode) && status.st_nlink > 1 &&
        !linked_.insert({status.st_dev, status.st_ino}).second) {
      return status;
    }
    const Bytes allocated{static_cast<std::uint64_t>(status.st_blocks) * kBlock};
    listing_.allocated += allocated;
    fs::path folder = path;
    if (!S_ISDIR(status.st_mode)) {
      folder = path.parent_path();
      --depth;
    }
    for (; depth >= 0; --depth, folder = folder.parent_path()) {
      if (depth <= kDuDepth) listing_.folders[folder] += allocated;
    }
    return status;
  }

  fs::path root_;
  CacheDirLimits limits_;
  Listing listing_;
  std::set<std::pair<dev_t, ino_t>> linked_;
  bool deeper_ = false;
};

std::string OpenFilesText(const Reading<std::vector<KvFile>>& open_files) {
  std::string text =
      "--- open files ---\n"
      "# a file that was unlinked after it was opened is not visible above, only here\n";
  if (!open_files) return text + fmt::format("open_files_unavailable={}\n", open_files.reason());
  for (const auto& f : *open_files) {
    text += fmt::format("pid={} fd={} deleted={} size={} {}\n", f.pid, f.fd, f.deleted ? 1 : 0,
                        f.size ? std::to_string(f.size->value) : "unknown", PrintableLine(f.path));
  }
  return text + fmt::format("open_file_count={}\n", open_files->size());
}

std::string SnapshotText(const fs::path& cache_dir, const Listing& listing,
                         const CacheDirLimits& limits) {
  std::string text = fmt::format("--- du -sh ---\n{}\t{}\n--- du depth=2 ---\n",
                                 FormatBytes(listing.allocated), cache_dir.string());
  for (const auto& [folder, bytes] : listing.folders) {
    text += fmt::format("{}\t{}\n", FormatBytes(bytes), PrintableLine(folder.string()));
  }
  text += fmt::format("--- file_count ---\n{}\n", listing.files.size());
  text += fmt::format("# made without du and find: depth <= {}, at most {} entries\n", limits.depth,
                      limits.entries);
  for (const auto& note : listing.notes) text += fmt::format("# {}\n", note);
  return text;
}

std::string FilesText(const Listing& listing) {
  std::string text;
  for (const auto& f : listing.files) {
    text += fmt::format("{} {} {}\n", UtcMillis(f.mtime), f.size.value, PrintableLine(f.path));
  }
  return text;
}

}  // namespace

CacheDirSnapshot SnapshotCacheDir(const fs::path& run_dir, const fs::path& cache_dir,
                                  const std::string& label,
                                  const Reading<std::vector<KvFile>>& open_files,
                                  const CacheDirLimits& limits,
                                  std::chrono::system_clock::time_point now) {
  CacheDirSnapshot snapshot;
  snapshot.label = label;
  const std::string stem = fmt::format("telemetry/kvbm_{}_{:%Y%m%dT%H%M%SZ}", SafeFileName(label),
                                       fmt::gmtime(std::chrono::system_clock::to_time_t(now)));
  std::string text =
      fmt::format("timestamp_utc={}\ncache_dir={}\n", UtcMillis(now), cache_dir.string());
  try {
    std::error_code error;
    Listing listing;
    snapshot.missing = !fs::is_directory(cache_dir, error);
    if (snapshot.missing) {
      text += "cache_dir_missing=1\n";
    } else {
      listing = Walk(cache_dir, limits).Run();
      text += SnapshotText(cache_dir, listing, limits);
    }
    snapshot.files = listing.files.size();
    snapshot.allocated = listing.allocated;
    snapshot.notes = listing.notes;
    WriteFileAtomic(run_dir / (stem + ".txt"), text + OpenFilesText(open_files));
    snapshot.path = stem + ".txt";
    if (snapshot.missing) return snapshot;
    WriteFileAtomic(run_dir / (stem + "_files.txt"), FilesText(listing));
    snapshot.files_path = stem + "_files.txt";
  } catch (const std::exception& e) {  // IoError, or a folder that cannot be made
    snapshot.notes.emplace_back(e.what());
  }
  return snapshot;
}

}  // namespace kvtier
