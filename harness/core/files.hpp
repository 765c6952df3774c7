#pragma once
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

namespace kvtier {

/// Whole file as bytes. Throws IoError.
std::string ReadFile(const std::filesystem::path& path);
/// Writes beside the target, fsyncs and renames: a reader sees the old file or the new one, never a
/// part. Throws IoError.
void WriteFileAtomic(const std::filesystem::path& path, std::string_view bytes);
/// Indent 2, trailing newline, atomic.
void WriteJsonAtomic(const std::filesystem::path& path, const nlohmann::json& value);
/// Throws IoError when unreadable, DataError naming the file when it is not JSON.
nlohmann::json ReadJson(const std::filesystem::path& path);

/// Appends one compact JSON object a line (keys sorted) and flushes, so that the file is readable
/// while a run goes on.
class JsonlWriter {
 public:
  /// Creates or truncates. Throws IoError.
  explicit JsonlWriter(const std::filesystem::path& path);
  void Append(const nlohmann::json& row);

 private:
  struct Close {
    void operator()(std::FILE* f) const { std::fclose(f); }
  };
  std::filesystem::path path_;
  std::unique_ptr<std::FILE, Close> file_;
};

/// Rows of a JSONL file. A torn last line (a killed writer) is dropped; a bad line elsewhere is a
/// DataError.
std::vector<nlohmann::json> ReadJsonl(const std::filesystem::path& path);

/// Lower-case hex SHA-256.
std::string Sha256Hex(std::string_view bytes);
/// Canonical JSON of spec/workloads.md section 7: sorted keys, "," and ":" without spaces, UTF-8
/// kept, floats as Python prints them (1.0, 0.2).
std::string CanonicalJson(const nlohmann::json& value);

}  // namespace kvtier
