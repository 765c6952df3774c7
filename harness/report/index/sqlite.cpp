#include "harness/report/index/sqlite.hpp"

#include <fmt/format.h>

#include "harness/core/error.hpp"

namespace kvtier {
namespace {

[[noreturn]] void RaiseSql(sqlite3* db) {
  const int primary = sqlite3_errcode(db) & 0xff;
  const std::string text = sqlite3_errmsg(db);
  if (primary == SQLITE_FULL || primary == SQLITE_IOERR || primary == SQLITE_CANTOPEN ||
      primary == SQLITE_READONLY)
    throw IoError("the index cannot be written: " + text);
  throw DataError(text);
}

std::string HexOf(const void* blob, int size) {
  std::string text = "X'";
  const auto* bytes = static_cast<const unsigned char*>(blob);
  for (int i = 0; i < size; ++i) text += fmt::format("{:02x}", bytes[i]);
  return text + "'";
}

}  // namespace

SqlStatement::SqlStatement(sqlite3* db, std::string_view sql, std::string* rest) : db_(db) {
  sqlite3_stmt* statement = nullptr;
  const char* tail = nullptr;
  const int rc =
      sqlite3_prepare_v2(db, sql.data(), static_cast<int>(sql.size()), &statement, &tail);
  statement_.reset(statement);
  if (rc != SQLITE_OK) RaiseSql(db);
  if (rest != nullptr) *rest = std::string(sql.substr(static_cast<std::size_t>(tail - sql.data())));
}

void SqlStatement::Bind(int position, const SqlValue& value) {
  sqlite3_stmt* s = statement_.get();
  int rc = SQLITE_OK;
  if (const auto* whole = std::get_if<std::int64_t>(&value)) {
    rc = sqlite3_bind_int64(s, position, *whole);
  } else if (const auto* real = std::get_if<double>(&value)) {
    rc = sqlite3_bind_double(s, position, *real);
  } else if (const auto* text = std::get_if<std::string>(&value)) {
    rc =
        sqlite3_bind_text64(s, position, text->data(), text->size(), SQLITE_TRANSIENT, SQLITE_UTF8);
  } else {
    rc = sqlite3_bind_null(s, position);
  }
  if (rc != SQLITE_OK) RaiseSql(db_);
}

bool SqlStatement::Step() {
  const int rc = sqlite3_step(statement_.get());
  if (rc == SQLITE_ROW) return true;
  if (rc != SQLITE_DONE) RaiseSql(db_);
  return false;
}

void SqlStatement::Reset() {
  sqlite3_reset(statement_.get());
  sqlite3_clear_bindings(statement_.get());
}

SqlValue SqlStatement::Column(int column) const {
  sqlite3_stmt* s = statement_.get();
  switch (sqlite3_column_type(s, column)) {
    case SQLITE_INTEGER:
      return std::int64_t{sqlite3_column_int64(s, column)};
    case SQLITE_FLOAT:
      return sqlite3_column_double(s, column);
    case SQLITE_NULL:
      return std::monostate{};
    case SQLITE_BLOB: {
      const void* blob = sqlite3_column_blob(s, column);
      return HexOf(blob, sqlite3_column_bytes(s, column));
    }
    default: {
      const void* text = sqlite3_column_text(s, column);
      return std::string(static_cast<const char*>(text),
                         static_cast<std::size_t>(sqlite3_column_bytes(s, column)));
    }
  }
}

std::string SqlStatement::ColumnName(int column) const {
  const char* name = sqlite3_column_name(statement_.get(), column);
  return name == nullptr ? "" : name;
}

bool SqlStatement::ReadsOnly() const {
  return statement_ != nullptr && sqlite3_stmt_readonly(statement_.get()) != 0;
}

SqlDatabase::SqlDatabase(const std::filesystem::path& file, int flags) {
  sqlite3* db = nullptr;
  const int rc = sqlite3_open_v2(file.c_str(), &db, flags, nullptr);
  db_.reset(db);
  if (rc != SQLITE_OK)
    throw IoError(fmt::format("cannot open {}: {}", file.string(),
                              db == nullptr ? "no memory" : sqlite3_errmsg(db)));
  sqlite3_extended_result_codes(db, 1);
  // The file may be somebody else's: nothing in it is run or believed beyond its rows.
  sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, nullptr);
}

void SqlDatabase::Run(const std::string& sql) {
  if (sqlite3_exec(db_.get(), sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK)
    RaiseSql(db_.get());
}

void SqlDatabase::Insert(std::string_view table, const SqlColumns& columns) {
  std::string sql = fmt::format("INSERT INTO {}(", table), marks;
  for (const auto& [name, value] : columns) {
    sql += fmt::format("{}{}", marks.empty() ? "" : ",", name);
    marks += marks.empty() ? "?" : ",?";
  }
  sql += ") VALUES(" + marks + ")";
  auto known = inserts_.find(sql);
  if (known == inserts_.end()) known = inserts_.emplace(sql, SqlStatement(db_.get(), sql)).first;
  SqlStatement& insert = known->second;
  int position = 0;
  for (const auto& [name, value] : columns) insert.Bind(++position, value);
  insert.Step();
  insert.Reset();
}

}  // namespace kvtier
