#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

/// One experiment, or one folder of runs, as a compressed tar that can prove that it is whole: its
/// first member is a manifest with the SHA-256 of every other one.
namespace kvtier {

/// The first member of an archive.
inline constexpr const char* kArchiveManifestName = "kvtier_archive_manifest.json";

struct ArchivedFile {
  std::string path;  // relative, with '/'
  std::uint64_t bytes = 0;
  std::string sha256;  // lower-case hex
};

struct ArchiveManifest {
  std::string created_utc;
  std::string source;                // the <ts>, or the folder's name
  std::vector<std::string> tops;     // names in the folder that was packed, and after a restore
  std::vector<std::string> folders;  // relative; so that empty ones come back
  std::vector<ArchivedFile> files;   // by path

  std::uint64_t Bytes() const;
};
void to_json(nlohmann::json& j, const ArchiveManifest& m);
/// Throws DataError naming the key; also on a path that is absolute, climbs with "..", stands twice
/// or lies in none of `tops`.
void from_json(const nlohmann::json& j, ArchiveManifest& m);

/// What to pack: names in `root`.
struct ArchiveSource {
  std::filesystem::path root;
  std::string label;              // for the archive's name and manifest
  std::vector<std::string> tops;  // sorted, not empty
};
/// Everything in the results root whose name ends in _<ts>, before its extension. Throws
/// ConfigError when there is nothing, or when <ts> is no plain name.
ArchiveSource SourceOfTs(const std::filesystem::path& results_root, const std::string& ts);
/// One run or bundle folder. Throws ConfigError when it is none or its name is not plain.
ArchiveSource SourceOfFolder(const std::filesystem::path& folder);

/// Packs into `archive` (.tar.gz), which appears whole or not at all and replaces nothing. Throws
/// ConfigError when it exists, when a process still writes to a run of the source, or on a link or
/// a special file; IoError; DataError naming a file that changed meanwhile.
ArchiveManifest CreateArchive(const ArchiveSource& source, const std::filesystem::path& archive);

/// Reads all of it. Throws DataError naming archive and member at the first thing that is not as
/// the manifest says: content, size, a member missing, added, twice, a link; or a broken container.
ArchiveManifest VerifyArchive(const std::filesystem::path& archive);
/// The same of bytes in memory.
ArchiveManifest VerifyArchiveBytes(std::string_view bytes);

/// Verifies, unpacks beside the target, compares once more and only then renames into `into`.
/// Throws ConfigError when one of the names exists there; otherwise as VerifyArchive.
ArchiveManifest RestoreArchive(const std::filesystem::path& archive,
                               const std::filesystem::path& into);

/// Verifies the archive and compares it with the source, file by file; only when both are equal the
/// source is removed. Throws DataError naming the difference, with the source untouched.
void RemoveArchivedSource(const ArchiveSource& source, const std::filesystem::path& archive);

}  // namespace kvtier
