#include "harness/report/archive_stream.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <map>
#include <set>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <openssl/evp.h>
#include <sys/stat.h>

#include "harness/core/error.hpp"

namespace kvtier {
namespace fs = std::filesystem;
using nlohmann::json;
namespace {

constexpr int kManifestVersion = 1;
constexpr std::size_t kPart = std::size_t{1} << 20;
constexpr std::size_t kMostManifestBytes = std::size_t{256} << 20;

struct FreeEntry {
  void operator()(archive_entry* e) const { archive_entry_free(e); }
};
struct FreeReader {
  void operator()(archive* a) const { archive_read_free(a); }
};
using Reader = std::unique_ptr<archive, FreeReader>;

Reader NewReader() {
  Reader reader(archive_read_new());
  archive_read_support_filter_gzip(reader.get());
  archive_read_support_format_tar(reader.get());
  return reader;
}

std::string WhyOf(archive* a) {
  const char* why = archive_error_string(a);
  return why != nullptr ? why : "no archive";
}

bool IsRelativePlain(const std::string& path) {
  if (path.empty() || path.front() == '/' || path.back() == '/' ||
      path.find('\0') != std::string::npos)
    return false;
  for (std::size_t at = 0; at <= path.size();) {
    const std::size_t end = std::min(path.find('/', at), path.size());
    const std::string_view part(path.data() + at, end - at);
    if (part.empty() || part == "." || part == "..") return false;
    at = end + 1;
  }
  return true;
}

/// One pass over the members, held against the manifest that comes first.
class Checker {
 public:
  Checker(archive* in, ArchiveSink* sink) : in_(in), sink_(sink) {}

  ArchiveManifest Run() {
    if (!NextHeader() || Name() != kArchiveManifestName)
      throw DataError(std::string("its first member is not ") + kArchiveManifestName);
    ReadManifest();
    while (NextHeader()) Member();
    if (!files_.empty()) throw DataError(files_.begin()->first + " is missing");
    if (!folders_.empty()) throw DataError(*folders_.begin() + " is missing");
    return std::move(manifest_);
  }

 private:
  bool NextHeader() {
    const int result = archive_read_next_header(in_, &entry_);
    if (result == ARCHIVE_EOF) return false;
    if (result != ARCHIVE_OK) Broken();
    return true;
  }
  [[noreturn]] void Broken() const { throw DataError(WhyOf(in_)); }

  std::string Name() const {
    const char* name = archive_entry_pathname(entry_);
    if (name == nullptr) throw DataError("a member has no name");
    std::string text = name;
    while (text.size() > 1 && text.back() == '/') text.pop_back();
    return text;
  }

  void ReadManifest() {
    std::string text;
    ReadData([&](std::string_view part) {
      if (text.size() + part.size() > kMostManifestBytes)
        throw DataError("its manifest is too big");
      text += part;
    });
    const json j = json::parse(text, nullptr, false);
    if (j.is_discarded()) throw DataError("its manifest is not JSON");
    j.get_to(manifest_);
    folders_.insert(manifest_.folders.begin(), manifest_.folders.end());
    for (const ArchivedFile& file : manifest_.files) files_.emplace(file.path, &file);
  }

  void Member() {
    const std::string name = Name();
    if (archive_entry_hardlink(entry_) != nullptr || archive_entry_symlink(entry_) != nullptr)
      throw DataError(name + " is a link");
    if (archive_entry_filetype(entry_) == AE_IFDIR) {
      if (folders_.erase(name) == 0) throw DataError(name + " is not in its manifest, or twice");
      if (sink_ != nullptr) sink_->Folder(name);
      return;
    }
    const auto expected = files_.find(name);
    if (archive_entry_filetype(entry_) != AE_IFREG || expected == files_.end())
      throw DataError(name + " is not in its manifest, or twice");
    if (sink_ != nullptr) sink_->Begin(name, archive_entry_mtime(entry_));
    Sha256Stream hash;
    std::uint64_t bytes = 0;
    ReadData([&](std::string_view part) {
      bytes += part.size();
      if (bytes > expected->second->bytes)
        throw DataError(name + " is longer than its manifest says");
      hash.Add(part);
      if (sink_ != nullptr) sink_->Data(part);
    });
    if (bytes != expected->second->bytes || hash.Hex() != expected->second->sha256)
      throw DataError(name + " is not what its manifest says");
    files_.erase(expected);
  }

  template <class Take>
  void ReadData(Take take) {
    while (true) {
      const la_ssize_t n = archive_read_data(in_, buffer_.data(), buffer_.size());
      if (n == 0) return;
      if (n < 0) Broken();
      take(std::string_view(buffer_.data(), static_cast<std::size_t>(n)));
    }
  }

  archive* in_;
  ArchiveSink* sink_;
  archive_entry* entry_ = nullptr;
  std::vector<char> buffer_ = std::vector<char>(kPart);
  ArchiveManifest manifest_;
  std::set<std::string> folders_;
  std::map<std::string, const ArchivedFile*> files_;
};

}  // namespace

std::uint64_t ArchiveManifest::Bytes() const {
  std::uint64_t sum = 0;
  for (const ArchivedFile& file : files) sum += file.bytes;
  return sum;
}

void to_json(json& j, const ArchiveManifest& m) {
  json files = json::array();
  for (const ArchivedFile& file : m.files)
    files.push_back({{"path", file.path}, {"bytes", file.bytes}, {"sha256", file.sha256}});
  j = {{"schema_version", kManifestVersion},
       {"created_utc", m.created_utc},
       {"source", m.source},
       {"tops", m.tops},
       {"folders", m.folders},
       {"files", std::move(files)}};
}

void from_json(const json& j, ArchiveManifest& m) {
  try {
    if (j.at("schema_version") != kManifestVersion)
      throw DataError("key schema_version of its manifest: expected 1");
    j.at("created_utc").get_to(m.created_utc);
    j.at("source").get_to(m.source);
    j.at("tops").get_to(m.tops);
    j.at("folders").get_to(m.folders);
    m.files.clear();
    for (const json& f : j.at("files"))
      m.files.push_back({f.at("path").get<std::string>(), f.at("bytes").get<std::uint64_t>(),
                         f.at("sha256").get<std::string>()});
  } catch (const json::exception& e) {
    throw DataError(fmt::format("its manifest is not what it should be: {}", e.what()));
  }
  std::set<std::string> seen, tops(m.tops.begin(), m.tops.end());
  const auto check = [&](const std::string& path) {
    if (!IsRelativePlain(path) || !tops.contains(path.substr(0, path.find('/'))) ||
        path == kArchiveManifestName || !seen.insert(path).second)
      throw DataError("its manifest names a path that leaves the archive, or one twice");
  };
  for (const std::string& path : m.folders) check(path);
  for (const ArchivedFile& file : m.files) check(file.path);
  std::set<std::string> held;
  for (const std::string& path : seen) held.insert(path.substr(0, path.find('/')));
  if (held != tops) throw DataError("its manifest lists a top that it does not hold");
}

void Sha256Stream::Free::operator()(evp_md_ctx_st* context) const {
  EVP_MD_CTX_free(context);
}

Sha256Stream::Sha256Stream() : context_(EVP_MD_CTX_new()) {
  if (!context_ || EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) != 1)
    throw Error("OpenSSL offers no SHA-256");
}

void Sha256Stream::Add(std::string_view bytes) {
  EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size());
}

std::string Sha256Stream::Hex() {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_DigestFinal_ex(context_.get(), digest, &size);
  std::string hex;
  for (unsigned int i = 0; i < size; ++i) hex += fmt::format("{:02x}", digest[i]);
  return hex;
}

FileReader::FileReader(const fs::path& path)
    : path_(path),
      fd_(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)),
      buffer_(kPart) {
  if (fd_ < 0) throw IoError::FromErrno("read", path.string(), errno);
}
FileReader::~FileReader() {
  ::close(fd_);
}

std::string_view FileReader::Next() {
  ssize_t n = 0;
  do {
    n = ::read(fd_, buffer_.data(), buffer_.size());
  } while (n < 0 && errno == EINTR);
  if (n < 0) throw IoError::FromErrno("read", path_.string(), errno);
  return {buffer_.data(), static_cast<std::size_t>(n)};
}

std::int64_t FileReader::MtimeSeconds() const {
  struct stat s {};
  if (::fstat(fd_, &s) != 0) throw IoError::FromErrno("look at", path_.string(), errno);
  return s.st_mtime;
}

ArchiveWriter::ArchiveWriter(const fs::path& path) : path_(path), out_(archive_write_new()) {
  archive_write_add_filter_gzip(out_);
  archive_write_set_format_pax_restricted(out_);
  if (archive_write_open_filename(out_, path.c_str()) != ARCHIVE_OK) {
    const IoError error("cannot write " + path.string() + ": " + WhyOf(out_));
    archive_write_free(out_);
    throw error;
  }
}
ArchiveWriter::~ArchiveWriter() {
  if (out_ != nullptr) archive_write_free(out_);
}

void ArchiveWriter::Check(long result) const {
  if (result < 0) throw IoError("cannot write " + path_.string() + ": " + WhyOf(out_));
}

void ArchiveWriter::Header(const std::string& name, bool folder, std::uint64_t bytes,
                           std::int64_t mtime_s) {
  const std::unique_ptr<archive_entry, FreeEntry> entry(archive_entry_new());
  archive_entry_set_pathname(entry.get(), name.c_str());
  archive_entry_set_filetype(entry.get(), folder ? AE_IFDIR : AE_IFREG);
  archive_entry_set_perm(entry.get(), folder ? 0755 : 0644);
  archive_entry_set_size(entry.get(), static_cast<la_int64_t>(bytes));
  archive_entry_set_mtime(entry.get(), mtime_s, 0);
  Check(archive_write_header(out_, entry.get()));
}

void ArchiveWriter::Data(std::string_view bytes) {
  Check(archive_write_data(out_, bytes.data(), bytes.size()));
}

void ArchiveWriter::AddBytes(const std::string& name, std::string_view bytes) {
  Header(name, false, bytes.size(), std::time(nullptr));
  Data(bytes);
}

void ArchiveWriter::AddFolder(const std::string& name) {
  Header(name, true, 0, std::time(nullptr));
}

void ArchiveWriter::AddFile(const fs::path& path, const ArchivedFile& expected) {
  FileReader reader(path);
  Header(expected.path, false, expected.bytes, reader.MtimeSeconds());
  Sha256Stream hash;
  std::uint64_t bytes = 0;
  for (std::string_view part = reader.Next(); !part.empty(); part = reader.Next()) {
    bytes += part.size();
    if (bytes > expected.bytes) break;
    hash.Add(part);
    Data(part);
  }
  if (bytes != expected.bytes || hash.Hex() != expected.sha256)
    throw DataError(path.string() +
                    " changed while it was being archived; try again when nothing "
                    "writes to it");
}

void ArchiveWriter::Close() {
  Check(archive_write_close(out_));
  archive_write_free(std::exchange(out_, nullptr));
  const int fd = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
  const bool synced = fd >= 0 && ::fsync(fd) == 0;
  const int saved = errno;
  if (fd >= 0) ::close(fd);
  if (!synced) throw IoError::FromErrno("write", path_.string(), saved);
}

ArchiveManifest ReadArchive(const fs::path& path, ArchiveSink* sink) {
  const Reader reader = NewReader();
  const FileReader readable(path);  // its error names the file and says why
  if (archive_read_open_filename(reader.get(), path.c_str(), kPart) != ARCHIVE_OK)
    throw DataError(fmt::format("{}: {}", path.string(), WhyOf(reader.get())));
  try {
    return Checker(reader.get(), sink).Run();
  } catch (const DataError& e) {
    throw DataError(fmt::format("{}: {}", path.string(), e.what()));
  }
}

ArchiveManifest ReadArchiveBytes(std::string_view bytes) {
  const Reader reader = NewReader();
  if (archive_read_open_memory(reader.get(), bytes.data(), bytes.size()) != ARCHIVE_OK)
    throw DataError(WhyOf(reader.get()));
  return Checker(reader.get(), nullptr).Run();
}

}  // namespace kvtier
