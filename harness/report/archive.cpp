#include "harness/report/archive.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>

#include "harness/core/clock.hpp"
#include "harness/core/error.hpp"
#include "harness/core/files.hpp"
#include "harness/report/archive_stream.hpp"
#include "harness/report/hygiene.hpp"
#include "harness/report/process_identity.hpp"

namespace kvtier {
namespace fs = std::filesystem;
namespace {

void RefuseLive(const ArchiveSource& source) {
  for (const std::string& top : source.tops) {
    if (HoldsLiveRun(source.root / top))
      throw ConfigError((source.root / top).string() +
                        ": a process still writes to this run; wait until it has ended");
  }
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(source.root / "current", none)) {
    if (entry.path().extension() != ".json") continue;
    const nlohmann::json j = ReadJson(entry.path());
    if (!j.is_object() || !j.contains("ts") || j["ts"] != source.label) continue;
    if (const auto pid = j.find("pid"); pid != j.end() && pid->is_number_integer() &&
                                        ProcessIdentity{pid->get<std::int64_t>()}.Alive())
      throw ConfigError(fmt::format("{} says that {} runs; wait until it has ended",
                                    entry.path().string(), source.label));
  }
}

std::string HashFile(const fs::path& file, std::uint64_t& bytes) {
  FileReader reader(file);
  Sha256Stream hash;
  bytes = 0;
  for (std::string_view part = reader.Next(); !part.empty(); part = reader.Next()) {
    hash.Add(part);
    bytes += part.size();
  }
  return hash.Hex();
}

/// What lies there now, with hashes.
ArchiveManifest Scan(const ArchiveSource& source) {
  ArchiveManifest m{.created_utc = UtcMillisNow(),
                    .source = source.label,
                    .tops = source.tops,
                    .folders = {},
                    .files = {}};
  const auto take = [&](const fs::path& path) {
    const std::string relative = path.lexically_relative(source.root).generic_string();
    const fs::file_type type = fs::symlink_status(path).type();
    if (type == fs::file_type::directory) {
      m.folders.push_back(relative);
    } else if (type == fs::file_type::regular) {
      ArchivedFile file{.path = relative, .bytes = 0, .sha256 = {}};
      file.sha256 = HashFile(path, file.bytes);
      m.files.push_back(std::move(file));
    } else {
      throw ConfigError(path.string() +
                        " is a link or a special file; an archive holds files and folders only");
    }
  };
  for (const std::string& top : source.tops) {
    take(source.root / top);
    if (fs::symlink_status(source.root / top).type() != fs::file_type::directory) continue;
    for (const auto& entry : fs::recursive_directory_iterator(source.root / top))
      take(entry.path());
  }
  std::sort(m.folders.begin(), m.folders.end());
  std::sort(m.files.begin(), m.files.end(),
            [](const ArchivedFile& a, const ArchivedFile& b) { return a.path < b.path; });
  return m;
}

/// Throws DataError naming the first path at which both differ.
void RequireEqual(const ArchiveManifest& archived, const ArchiveManifest& found) {
  if (archived.folders != found.folders)
    throw DataError("the folders are not those of the archive; nothing was removed");
  for (std::size_t i = 0; i < std::max(archived.files.size(), found.files.size()); ++i) {
    const ArchivedFile* a = i < archived.files.size() ? &archived.files[i] : nullptr;
    const ArchivedFile* b = i < found.files.size() ? &found.files[i] : nullptr;
    if (a != nullptr && b != nullptr && a->path == b->path && a->bytes == b->bytes &&
        a->sha256 == b->sha256)
      continue;
    throw DataError((b != nullptr ? b->path : a->path) +
                    " is not what the archive holds; nothing was removed");
  }
}

void RenameNew(const fs::path& from, const fs::path& to) {
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return;
  if ((errno == EINVAL || errno == ENOSYS) && !fs::exists(fs::symlink_status(to)) &&
      ::rename(from.c_str(), to.c_str()) == 0)
    return;
  throw IoError::FromErrno("move", fmt::format("{} to {}", from.string(), to.string()), errno);
}

/// A folder for work in progress; what is still in it at the end goes away.
class Staging {
 public:
  Staging(const fs::path& parent, const char* what)
      : path_(parent / fmt::format(".kvtier_{}_{}", what, ::getpid())) {
    fs::create_directories(parent);
    if (::mkdir(path_.c_str(), 0755) != 0) throw IoError::FromErrno("make", path_.string(), errno);
  }
  ~Staging() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

/// Writes the members below a folder that nobody else knows.
class Unpacker : public ArchiveSink {
 public:
  explicit Unpacker(const fs::path& into) : into_(into) {}
  void Folder(const std::string& path) override { fs::create_directories(into_ / path); }
  void Begin(const std::string& path, std::int64_t mtime_s) override {
    Close();
    mtime_s_ = mtime_s;
    name_ = into_ / path;
    fs::create_directories(name_.parent_path());
    file_ = std::fopen(name_.c_str(), "wbxe");
    if (file_ == nullptr) throw IoError::FromErrno("write", name_.string(), errno);
  }
  void Data(std::string_view bytes) override {
    if (std::fwrite(bytes.data(), 1, bytes.size(), file_) != bytes.size())
      throw IoError::FromErrno("write", name_.string(), errno);
  }
  void Close() {
    if (file_ == nullptr) return;
    std::FILE* file = std::exchange(file_, nullptr);
    const timespec times[2] = {{mtime_s_, 0}, {mtime_s_, 0}};
    const bool flushed = std::fflush(file) == 0 && ::futimens(::fileno(file), times) == 0 &&
                         ::fsync(::fileno(file)) == 0;
    const int saved = errno;
    std::fclose(file);
    if (!flushed) throw IoError::FromErrno("write", name_.string(), saved);
  }
  ~Unpacker() override {
    if (file_ != nullptr) std::fclose(file_);
  }
  Unpacker(const Unpacker&) = delete;
  Unpacker& operator=(const Unpacker&) = delete;

 private:
  fs::path into_, name_;
  std::int64_t mtime_s_ = 0;
  std::FILE* file_ = nullptr;
};

}  // namespace

ArchiveSource SourceOfTs(const fs::path& results_root, const std::string& ts) {
  if (!IsPlainName(ts))
    throw ConfigError("--ts '" + ts + "': expected a <ts> such as 20260219T211627Z");
  if (!fs::is_directory(results_root))
    throw ConfigError(results_root.string() +
                      ": no such folder; name the results root with --results-root");
  ArchiveSource source{.root = fs::canonical(results_root), .label = ts, .tops = {}};
  for (const auto& entry : fs::directory_iterator(source.root)) {
    const std::string name = entry.path().filename().string();
    if (IsPlainName(name) &&
        (name.ends_with("_" + ts) || entry.path().stem().string().ends_with("_" + ts)))
      source.tops.push_back(name);
  }
  if (source.tops.empty())
    throw ConfigError(fmt::format("nothing under {} belongs to {}: its names would end in _{}",
                                  results_root.string(), ts, ts));
  std::sort(source.tops.begin(), source.tops.end());
  return source;
}

ArchiveSource SourceOfFolder(const fs::path& folder) {
  if (fs::symlink_status(folder).type() != fs::file_type::directory)
    throw ConfigError(folder.string() + ": no such folder; name a run or a bundle");
  const fs::path whole = fs::canonical(folder);
  const std::string name = whole.filename().string();
  if (!IsPlainName(name))
    throw ConfigError(whole.string() +
                      ": its name holds more than letters, digits, '.', '_' and '-'");
  return {.root = whole.parent_path(), .label = name, .tops = {name}};
}

ArchiveManifest CreateArchive(const ArchiveSource& source, const fs::path& archive) {
  RefuseLive(source);
  if (fs::exists(fs::symlink_status(archive)))
    throw ConfigError(archive.string() + " exists; name another file with --out");
  const ArchiveManifest manifest = Scan(source);
  const fs::path folder = archive.has_parent_path() ? archive.parent_path() : fs::path(".");
  const Staging staging(folder, "packing");
  const fs::path part = staging.path() / "part";
  {
    ArchiveWriter writer(part);
    writer.AddBytes(kArchiveManifestName, nlohmann::json(manifest).dump(2) + "\n");
    for (const std::string& path : manifest.folders) writer.AddFolder(path);
    for (const ArchivedFile& file : manifest.files) writer.AddFile(source.root / file.path, file);
    writer.Close();
  }
  RenameNew(part, archive);
  return manifest;
}

ArchiveManifest VerifyArchive(const fs::path& archive) {
  return ReadArchive(archive, nullptr);
}

ArchiveManifest VerifyArchiveBytes(std::string_view bytes) {
  return ReadArchiveBytes(bytes);
}

ArchiveManifest RestoreArchive(const fs::path& archive, const fs::path& into) {
  const ArchiveManifest manifest = VerifyArchive(archive);
  for (const std::string& top : manifest.tops) {
    if (fs::exists(fs::symlink_status(into / top)))
      throw ConfigError((into / top).string() + " exists; restore into another folder");
  }
  const Staging staging(into, "restoring");
  Unpacker unpacker(staging.path());
  ReadArchive(archive, &unpacker);
  unpacker.Close();
  for (const std::string& top : manifest.tops) RenameNew(staging.path() / top, into / top);
  return manifest;
}

void RemoveArchivedSource(const ArchiveSource& source, const fs::path& archive) {
  RefuseLive(source);
  RequireEqual(VerifyArchive(archive), Scan(source));
  // Out of sight first, each by one rename: what is removed half is not taken for a run.
  const Staging staging(source.root, "removing");
  for (const std::string& top : source.tops) RenameNew(source.root / top, staging.path() / top);
}

}  // namespace kvtier
