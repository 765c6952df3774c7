#include "harness/report/csv.hpp"

namespace kvtier {
namespace {

std::string Field(const nlohmann::json& value) {
  if (value.is_null()) return "";
  if (value.is_boolean()) return value.get<bool>() ? "True" : "False";
  std::string text = value.is_string() ? value.get<std::string>() : value.dump();
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + "\"";
}

}  // namespace

std::string CsvHeader(std::span<const std::string_view> columns) {
  std::string out;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (i > 0) out += ',';
    out += columns[i];
  }
  return out + "\r\n";
}

std::string CsvRow(std::span<const std::string_view> columns, const nlohmann::json& row) {
  std::string out;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (i > 0) out += ',';
    const auto value = row.find(std::string(columns[i]));
    if (value != row.end()) out += Field(*value);
  }
  return out + "\r\n";
}

std::string CsvText(std::span<const std::string_view> columns, const nlohmann::json& rows) {
  std::string out = CsvHeader(columns);
  for (const auto& row : rows) out += CsvRow(columns, row);
  return out;
}

}  // namespace kvtier
