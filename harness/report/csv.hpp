#pragma once
#include <span>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace kvtier {

/// One CSV text in the conventions of the artifacts (Python's csv module): header row, CRLF, null
/// and missing empty, booleans True/False, floats in shortest form with ".0" when whole, quotes
/// where a field needs them. `rows` is an array of objects; a key that is not a column is left out.
std::string CsvText(std::span<const std::string_view> columns, const nlohmann::json& rows);

/// Its parts, for a table that is written row by row.
std::string CsvHeader(std::span<const std::string_view> columns);
std::string CsvRow(std::span<const std::string_view> columns, const nlohmann::json& row);

}  // namespace kvtier
