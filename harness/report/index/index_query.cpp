#include "harness/report/index/index_query.hpp"

#include <algorithm>
#include <cctype>
#include <cstring>
#include <set>
#include <string_view>

#include <fmt/format.h>

#include "harness/core/error.hpp"
#include "harness/report/csv.hpp"
#include "harness/report/index/index_rows.hpp"
#include "harness/report/markdown.hpp"

namespace kvtier {
namespace fs = std::filesystem;
using nlohmann::json;
namespace {

constexpr int kStepsPerLook = 100'000;

/// Reading is allowed, and nothing else.
int AllowReadingOnly(void*, int action, const char* first, const char* second, const char*,
                     const char*) {
  switch (action) {
    case SQLITE_SELECT:
    case SQLITE_READ:
    case SQLITE_RECURSIVE:
      return SQLITE_OK;
    case SQLITE_FUNCTION:  // the name is the second text
      return second != nullptr && sqlite3_stricmp(second, "load_extension") == 0 ? SQLITE_DENY
                                                                                 : SQLITE_OK;
    case SQLITE_PRAGMA: {
      const bool describes = first != nullptr && (sqlite3_stricmp(first, "table_info") == 0 ||
                                                  sqlite3_stricmp(first, "table_xinfo") == 0 ||
                                                  sqlite3_stricmp(first, "table_list") == 0);
      return describes ? SQLITE_OK : SQLITE_DENY;
    }
    default:
      return SQLITE_DENY;
  }
}

struct StepBudget {
  std::uint64_t left = 0;
};

int SpendSteps(void* budget) {
  auto& left = static_cast<StepBudget*>(budget)->left;
  if (left < kStepsPerLook) return 1;
  left -= kStepsPerLook;
  return 0;
}

/// Holds a connection to the rules while a query runs.
class QueryGuard {
 public:
  QueryGuard(sqlite3* db, std::uint64_t steps) : db_(db), budget_{steps} {
    // SQLite makes these tables when they are first named, and would be refused to then.
    for (const char* table : {"pragma_table_info", "pragma_table_xinfo", "pragma_table_list"})
      (void)SqlStatement(db_, std::string("SELECT * FROM ") + table);
    sqlite3_set_authorizer(db_, AllowReadingOnly, nullptr);
    sqlite3_progress_handler(db_, kStepsPerLook, SpendSteps, &budget_);
    sqlite3_limit(db_, SQLITE_LIMIT_ATTACHED, 0);
    sqlite3_limit(db_, SQLITE_LIMIT_LENGTH, 64 << 20);
  }
  ~QueryGuard() {
    sqlite3_set_authorizer(db_, nullptr, nullptr);
    sqlite3_progress_handler(db_, 0, nullptr, nullptr);
  }
  QueryGuard(const QueryGuard&) = delete;
  QueryGuard& operator=(const QueryGuard&) = delete;

 private:
  sqlite3* db_;
  StepBudget budget_;
};

json JsonOf(const SqlValue& value) {
  if (const auto* whole = std::get_if<std::int64_t>(&value)) return *whole;
  if (const auto* real = std::get_if<double>(&value)) return *real;
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  return nullptr;
}

std::vector<std::string> DistinctNames(const SqlStatement& statement) {
  std::vector<std::string> names;
  std::set<std::string> taken;
  for (int i = 0; i < statement.columns(); ++i) {
    const std::string name = statement.ColumnName(i);
    std::string free = name;
    for (int k = 2; !taken.insert(free).second; ++k) free = fmt::format("{}_{}", name, k);
    names.push_back(free);
  }
  return names;
}

bool IsBlankSql(const std::string& text) {
  return std::all_of(text.begin(), text.end(),
                     [](unsigned char c) { return std::isspace(c) != 0 || c == ';' || c == 0; });
}

/// Characters that a terminal would act on, made visible; UTF-8 is left alone.
std::string Visible(const std::string& text) {
  std::string out;
  for (const char raw : text) {
    const auto c = static_cast<unsigned char>(raw);
    if (c < 0x20 || c == 0x7f)
      out += fmt::format("\\x{:02x}", c);
    else
      out += raw;
  }
  return out;
}

std::string CellText(const json& value) {
  if (value.is_null()) return "-";
  if (value.is_string()) return Visible(value.get<std::string>());
  return value.dump();
}

}  // namespace

QueryTable QueryIndex(SqlDatabase& db, const std::string& sql, const QueryLimits& limits) {
  const QueryGuard guard(db.handle(), limits.steps);
  std::string rest;
  SqlStatement statement(db.handle(), sql, &rest);
  if (!IsBlankSql(rest)) throw DataError("one statement at a time: there is text behind the first");
  if (!statement.ReadsOnly() || statement.columns() == 0)
    throw DataError("only a SELECT returns rows of the index");
  QueryTable table;
  table.columns = DistinctNames(statement);
  try {
    while (statement.Step()) {
      if (limits.rows != 0 && table.rows.size() == limits.rows) {
        table.truncated = true;
        break;
      }
      json row = json::object();
      for (std::size_t i = 0; i < table.columns.size(); ++i)
        row[table.columns[i]] = JsonOf(statement.Column(static_cast<int>(i)));
      table.rows.push_back(std::move(row));
    }
  } catch (const DataError&) {
    if (sqlite3_errcode(db.handle()) % 256 != SQLITE_INTERRUPT) throw;
    throw DataError(
        fmt::format("the query was stopped after {} steps; narrow it with WHERE", limits.steps));
  }
  return table;
}

QueryTable QueryIndex(const fs::path& file, const std::string& sql, const QueryLimits& limits) {
  if (!fs::is_regular_file(file))
    throw ConfigError(file.string() + ": there is no index yet; write it with `kvtier index`");
  SqlDatabase db(file, SQLITE_OPEN_READONLY);
  bool known = false;
  try {
    SqlStatement version(db.handle(), "SELECT value FROM meta WHERE key='index_schema_version'");
    known = version.Step() && version.Column(0) == SqlValue{std::to_string(kIndexSchemaVersion)};
  } catch (const Error&) {
    // Said below.
  }
  if (!known)
    throw ConfigError(file.string() +
                      ": no index of this version of kvtier; write it anew with `kvtier index`");
  return QueryIndex(db, sql, limits);
}

std::string QueryText(const QueryTable& table) {
  std::vector<std::vector<std::string>> rows;
  for (const json& row : table.rows) {
    std::vector<std::string> cells;
    for (const std::string& column : table.columns) cells.push_back(CellText(row.at(column)));
    rows.push_back(std::move(cells));
  }
  std::vector<std::string> header;
  for (const std::string& column : table.columns) header.push_back(Visible(column));
  return TextTable(header, rows);
}

json QueryJson(const QueryTable& table) {
  return {{"schema_version", kIndexSchemaVersion},
          {"columns", table.columns},
          {"rows", table.rows},
          {"truncated", table.truncated}};
}

std::string QueryCsv(const QueryTable& table) {
  const std::vector<std::string_view> columns(table.columns.begin(), table.columns.end());
  json header = json::object();  // an alias may hold a comma
  for (const std::string& column : table.columns) header[column] = column;
  std::string text = CsvRow(columns, header);
  for (const json& row : table.rows) text += CsvRow(columns, row);
  return text;
}

}  // namespace kvtier
