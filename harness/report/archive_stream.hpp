#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "harness/report/archive.hpp"

struct archive;
struct evp_md_ctx_st;

/// The container of an archive, by libarchive: tar in pax form, compressed with gzip. Everything
/// that comes out of one is checked here, before anybody uses it.
namespace kvtier {

/// SHA-256 of bytes that come in parts.
class Sha256Stream {
 public:
  Sha256Stream();
  void Add(std::string_view bytes);
  /// Lower-case hex; nothing can be added afterwards.
  std::string Hex();

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const;
  };
  std::unique_ptr<evp_md_ctx_st, Free> context_;
};

/// A regular file in parts of 1 MiB. A link is not followed.
class FileReader {
 public:
  /// Throws IoError.
  explicit FileReader(const std::filesystem::path& path);
  ~FileReader();
  FileReader(const FileReader&) = delete;
  FileReader& operator=(const FileReader&) = delete;
  /// Empty at the end; valid until the next call. Throws IoError.
  std::string_view Next();
  /// When it was last written, Unix time.
  std::int64_t MtimeSeconds() const;

 private:
  std::filesystem::path path_;
  int fd_;
  std::vector<char> buffer_;
};

/// All functions throw IoError.
class ArchiveWriter {
 public:
  explicit ArchiveWriter(const std::filesystem::path& path);
  ~ArchiveWriter();
  ArchiveWriter(const ArchiveWriter&) = delete;
  ArchiveWriter& operator=(const ArchiveWriter&) = delete;

  void AddBytes(const std::string& name, std::string_view bytes);
  void AddFolder(const std::string& name);
  /// Throws DataError when `path` is no longer what `expected` says.
  void AddFile(const std::filesystem::path& path, const ArchivedFile& expected);
  /// Everything is on the disk when it returns.
  void Close();

 private:
  void Header(const std::string& name, bool folder, std::uint64_t bytes, std::int64_t mtime_s);
  void Data(std::string_view bytes);
  void Check(long result) const;
  std::filesystem::path path_;
  archive* out_;
};

/// Who takes the members of an archive. Paths are those of its manifest, so relative and plain.
class ArchiveSink {
 public:
  virtual ~ArchiveSink() = default;
  virtual void Folder(const std::string& path) = 0;
  /// Of a file, last written at `mtime_s` (Unix time); the one before is whole.
  virtual void Begin(const std::string& path, std::int64_t mtime_s) = 0;
  virtual void Data(std::string_view bytes) = 0;
};

/// Reads all of an archive and compares it with its manifest; `sink` may be null. A sink has seen
/// members that were not proven yet until this returns. Throws DataError naming the archive.
ArchiveManifest ReadArchive(const std::filesystem::path& path, ArchiveSink* sink);
ArchiveManifest ReadArchiveBytes(std::string_view bytes);

}  // namespace kvtier
