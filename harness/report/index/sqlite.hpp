#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <sqlite3.h>

/// SQLite with typed errors, for the index alone.
namespace kvtier {

/// A value of a column; monostate is NULL.
using SqlValue = std::variant<std::monostate, std::int64_t, double, std::string>;
/// Columns of one row to write, by name. Names come from code, never from files.
using SqlColumns = std::vector<std::pair<std::string_view, SqlValue>>;

class SqlStatement {
 public:
  /// The first statement of `sql`; `rest` is told what lies behind it. Throws DataError with
  /// SQLite's own words.
  SqlStatement(sqlite3* db, std::string_view sql, std::string* rest = nullptr);
  /// Positions count from 1.
  void Bind(int position, const SqlValue& value);
  /// True while there is a row. Throws DataError, IoError when the disk refuses.
  bool Step();
  void Reset();
  /// Of the current row, from 0; a blob reads as X'..' in hexadecimal.
  SqlValue Column(int column) const;
  int columns() const { return sqlite3_column_count(statement_.get()); }
  std::string ColumnName(int column) const;
  /// False for anything that may write; also for an empty statement.
  bool ReadsOnly() const;

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* s) const { sqlite3_finalize(s); }
  };
  sqlite3* db_;
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

class SqlDatabase {
 public:
  /// `flags` as of sqlite3_open_v2. Throws IoError naming the file.
  SqlDatabase(const std::filesystem::path& file, int flags);
  sqlite3* handle() const { return db_.get(); }
  /// Every statement of a text that returns no rows.
  void Run(const std::string& sql);
  /// One row; statements are kept for the next row of the same shape.
  void Insert(std::string_view table, const SqlColumns& columns);

 private:
  struct CloseDatabase {
    void operator()(sqlite3* db) const { sqlite3_close_v2(db); }
  };
  std::unique_ptr<sqlite3, CloseDatabase> db_;
  std::map<std::string, SqlStatement> inserts_;
};

}  // namespace kvtier
