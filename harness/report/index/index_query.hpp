#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace kvtier {

class SqlDatabase;

struct QueryLimits {
  std::size_t rows = 1000;              // 0: all
  std::uint64_t steps = 2'000'000'000;  // of SQLite's machine; some ten seconds
};

/// What a query came to. A name that comes twice gets _2, _3, ...
struct QueryTable {
  std::vector<std::string> columns;
  nlohmann::json rows = nlohmann::json::array();  // objects by column
  bool truncated = false;                         // there were more rows than the limit
};

/// Runs one SELECT over an index that is opened read-only. Refused before it runs, with DataError
/// in SQLite's words or ours: anything that writes, ATTACH, PRAGMA other than table_info,
/// table_xinfo and table_list, load_extension, a second statement. Throws DataError when it takes
/// more steps than the limit; ConfigError when the file is missing or no index of this version.
QueryTable QueryIndex(const std::filesystem::path& file, const std::string& sql,
                      const QueryLimits& limits = {});
/// The same over an index in memory.
QueryTable QueryIndex(SqlDatabase& db, const std::string& sql, const QueryLimits& limits = {});

/// For a terminal: padded columns; characters that a terminal would act on become \xNN.
std::string QueryText(const QueryTable& table);
/// {"schema_version","columns","rows","truncated"}: schema index_query.
nlohmann::json QueryJson(const QueryTable& table);
/// Header and rows as the other CSV files (RFC 4180, NULL is empty).
std::string QueryCsv(const QueryTable& table);

}  // namespace kvtier
