#include "harness/report/index/bundle_scan.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <sys/stat.h>

#include "harness/core/error.hpp"
#include "harness/report/bundle.hpp"

namespace kvtier {
namespace fs = std::filesystem;
namespace {

constexpr int kDeepest = 8;
constexpr const char* kAttempt = "attempt.json";

bool IsFile(const fs::path& path) {
  std::error_code refused;
  return fs::symlink_status(path, refused).type() == fs::file_type::regular;
}

/// run_state.json is ours; the predecessor's run has config.json with the plan beside it, which no
/// results pack and no probe's analysis has.
bool HoldsRun(const fs::path& folder) {
  return IsFile(folder / bundle_files::kState) ||
         (IsFile(folder / bundle_files::kConfig) &&
          (IsFile(folder / bundle_files::kSummary) || IsFile(folder / bundle_files::kRequests)));
}

bool IsVerdict(const std::string& name) {
  return name.ends_with(".json") &&
         (name.starts_with("phase70_rehydrate_pair_repeats_verdict_") ||
          name.starts_with("phase60_rehydrate_concurrency_sweep_summary_minimal_"));
}

std::string FileMark(const fs::path& file) {
  struct stat s {};
  if (::lstat(file.c_str(), &s) != 0) return {};
  return fmt::format("{}:{}:{}:{}.{:09};", file.filename().string(), s.st_ino, s.st_size,
                     s.st_mtim.tv_sec, s.st_mtim.tv_nsec);
}

std::string RunMark(const fs::path& folder) {
  std::string mark;
  for (const char* name : {bundle_files::kState, bundle_files::kConfig, bundle_files::kSummary,
                           bundle_files::kIoVerdict, kAttempt})
    mark += FileMark(folder / name);
  return mark;
}

class IndexScan {
 public:
  explicit IndexScan(fs::path root) : root_(std::move(root)) {}

  std::vector<IndexedPlace> All() {
    Walk(root_, 0);
    std::sort(places_.begin(), places_.end(),
              [](const IndexedPlace& a, const IndexedPlace& b) { return a.name < b.name; });
    return std::move(places_);
  }

 private:
  std::string NameOf(const fs::path& path) const {
    return path == root_ ? "." : path.lexically_relative(root_).generic_string();
  }

  void Walk(const fs::path& folder, int depth) {
    if (HoldsRun(folder)) {
      places_.push_back({IndexedPlace::Kind::kRun, folder, NameOf(folder), RunMark(folder)});
      return;  // nothing inside of a run is a run
    }
    std::error_code refused;
    for (fs::directory_iterator at(folder, refused), end; !refused && at != end;
         at.increment(refused)) {
      const fs::path path = at->path();
      const std::string name = path.filename().string();
      std::error_code gone;
      const auto type = fs::symlink_status(path, gone).type();
      if (type == fs::file_type::directory && !name.starts_with(".") && depth < kDeepest)
        Walk(path, depth + 1);
      else if (type == fs::file_type::regular && IsVerdict(name))
        places_.push_back({IndexedPlace::Kind::kVerdict, path, NameOf(path), FileMark(path)});
    }
  }

  fs::path root_;
  std::vector<IndexedPlace> places_;
};

}  // namespace

std::vector<IndexedPlace> FindIndexedPlaces(const fs::path& results_root) {
  if (!fs::is_directory(results_root))
    throw ConfigError(results_root.string() +
                      ": no such folder; name the results root with --results-root");
  return IndexScan(results_root.lexically_normal()).All();
}

}  // namespace kvtier
