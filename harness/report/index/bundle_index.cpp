#include "harness/report/index/bundle_index.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <map>
#include <optional>

#include <fmt/format.h>

#include "harness/core/clock.hpp"
#include "harness/core/error.hpp"
#include "harness/report/index/index_rows.hpp"

namespace kvtier {
namespace fs = std::filesystem;
namespace {

constexpr const char* kPart = ".part-";

struct KnownPlace {
  std::string fingerprint;
  bool running = false;  // whether its process still lives is in no file
};
using KnownPlaces = std::map<std::string, KnownPlace>;

/// Empty when the file is no index of this version, or damaged.
std::optional<std::unique_ptr<SqlDatabase>> OpenOldIndex(const fs::path& part) {
  try {
    auto db = std::make_unique<SqlDatabase>(part, SQLITE_OPEN_READWRITE);
    SqlStatement version(db->handle(), "SELECT value FROM meta WHERE key='index_schema_version'");
    if (!version.Step() || version.Column(0) != SqlValue{std::to_string(kIndexSchemaVersion)})
      return std::nullopt;
    SqlStatement check(db->handle(), "PRAGMA quick_check(1)");
    if (!check.Step() || check.Column(0) != SqlValue{"ok"}) return std::nullopt;
    return db;
  } catch (const Error&) {
    return std::nullopt;
  }
}

std::unique_ptr<SqlDatabase> NewIndex(const fs::path& file) {
  auto db = std::make_unique<SqlDatabase>(file, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
  db->Run(std::string(IndexTables()));
  return db;
}

std::string TextColumn(const SqlStatement& s, int column) {
  const SqlValue v = s.Column(column);
  const auto* text = std::get_if<std::string>(&v);
  return text == nullptr ? "" : *text;
}

KnownPlaces LoadKnown(SqlDatabase& db) {
  KnownPlaces known;
  SqlStatement all(db.handle(),
                   "SELECT run_path, fingerprint, coalesce(state, '') FROM runs UNION ALL "
                   "SELECT verdict_path, fingerprint, '' FROM verdicts WHERE run_path IS NULL");
  while (all.Step())
    known[TextColumn(all, 0)] = {TextColumn(all, 1), TextColumn(all, 2) == "running"};
  return known;
}

void Forget(SqlDatabase& db, const std::string& name) {
  for (const char* sql :
       {"DELETE FROM runs WHERE run_path=?1", "DELETE FROM phases WHERE run_path=?1",
        "DELETE FROM request_aggregates WHERE run_path=?1",
        "DELETE FROM request_outcomes WHERE run_path=?1",
        "DELETE FROM findings WHERE run_path=?1 OR verdict_path=?1",
        "DELETE FROM settings WHERE run_path=?1",
        "DELETE FROM verdicts WHERE run_path=?1 OR verdict_path=?1"}) {
    SqlStatement s(db.handle(), sql);
    s.Bind(1, name);
    s.Step();
  }
}

std::size_t CountOf(SqlDatabase& db, const char* sql) {
  SqlStatement s(db.handle(), sql);
  if (!s.Step()) return 0;
  const SqlValue v = s.Column(0);
  return static_cast<std::size_t>(std::get<std::int64_t>(v));
}

IndexCounts BringUpToDate(SqlDatabase& db, const fs::path& results_root) {
  IndexCounts counts;
  const auto places = FindIndexedPlaces(results_root);
  db.Run("PRAGMA journal_mode=MEMORY; PRAGMA synchronous=OFF; BEGIN");
  KnownPlaces known = LoadKnown(db);
  for (const IndexedPlace& place : places) {
    const auto old = known.extract(place.name);
    const bool same = old && !old.mapped().running && !place.fingerprint.empty() &&
                      old.mapped().fingerprint == place.fingerprint;
    if (same) continue;
    if (old) Forget(db, place.name);
    ++counts.read;
    const IndexRows rows =
        place.kind == IndexedPlace::Kind::kRun ? RowsOfRun(place) : RowsOfVerdict(place);
    for (const auto& [table, columns] : rows) db.Insert(table, columns);
  }
  for (const auto& [name, place] : known) Forget(db, name);
  counts.removed = known.size();
  db.Run("DELETE FROM meta");
  for (const auto& [key, value] :
       {std::pair<const char*, std::string>{"index_schema_version",
                                            std::to_string(kIndexSchemaVersion)},
        {"results_root", fs::absolute(results_root).lexically_normal().string()},
        {"updated_utc", UtcMillisNow()}})
    db.Insert("meta", {{"key", key}, {"value", value}});
  db.Run("COMMIT");
  counts.runs = CountOf(db, "SELECT count(*) FROM runs");
  counts.verdicts = CountOf(db, "SELECT count(*) FROM verdicts");
  counts.broken = CountOf(db,
                          "SELECT (SELECT count(*) FROM runs WHERE state='broken') + "
                          "(SELECT count(*) FROM verdicts WHERE kind='broken')");
  return counts;
}

/// What writers that are gone left behind.
void RemoveStaleParts(const fs::path& file) {
  const std::string prefix = file.filename().string() + kPart;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(file.parent_path(), ignored)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(prefix)) continue;
    const long pid = std::strtol(name.c_str() + prefix.size(), nullptr, 10);
    if (pid > 0 && ::kill(static_cast<pid_t>(pid), 0) != 0 && errno == ESRCH)
      fs::remove(entry.path(), ignored);
  }
}

void SyncToDisk(const fs::path& file) {
  const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) throw IoError::FromErrno("open", file.string(), errno);
  const int rc = ::fsync(fd);
  const int why = errno;
  ::close(fd);
  if (rc != 0) throw IoError::FromErrno("sync", file.string(), why);
}

}  // namespace

IndexCounts UpdateIndex(const IndexOptions& options) {
  const fs::path file =
      fs::absolute(options.file.empty() ? options.results_root / kIndexName : options.file);
  if (!fs::is_directory(options.results_root))
    throw ConfigError(options.results_root.string() +
                      ": no such folder; name the results root with --results-root");
  RemoveStaleParts(file);
  const fs::path part = file.string() + kPart + std::to_string(::getpid());
  std::error_code error;
  try {
    std::unique_ptr<SqlDatabase> db;
    if (!options.whole && fs::is_regular_file(file)) {
      fs::copy_file(file, part, fs::copy_options::overwrite_existing, error);
      if (!error) db = OpenOldIndex(part).value_or(nullptr);
    }
    if (!db) {
      fs::remove(part, error);
      db = NewIndex(part);
    }
    IndexCounts counts = BringUpToDate(*db, options.results_root);
    db.reset();
    SyncToDisk(part);
    fs::rename(part, file, error);
    if (error) throw IoError::FromErrno("replace", file.string(), error.value());
    counts.file = file;
    return counts;
  } catch (...) {
    fs::remove(part, error);
    throw;
  }
}

std::unique_ptr<SqlDatabase> IndexInMemory(const fs::path& results_root) {
  auto db = NewIndex(":memory:");
  BringUpToDate(*db, results_root);
  return db;
}

}  // namespace kvtier
