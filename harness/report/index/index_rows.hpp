#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "harness/report/index/bundle_scan.hpp"
#include "harness/report/index/sqlite.hpp"

namespace kvtier {

/// Version of the tables; an index of another version is written anew.
inline constexpr int kIndexSchemaVersion = 1;

/// The tables. docs/index.md describes each column.
std::string_view IndexTables();

/// Rows in the order in which they are inserted.
using IndexRows = std::vector<std::pair<std::string_view, SqlColumns>>;

/// Rows of one run folder. Whatever is wrong with it becomes the row of table runs with state
/// `broken` and the reason, and nothing else. Throws nothing but std::bad_alloc.
IndexRows RowsOfRun(const IndexedPlace& place);
/// The same of a verdict file.
IndexRows RowsOfVerdict(const IndexedPlace& place);

/// Rows of phases, request_aggregates, request_outcomes and findings that a summary.json gives.
/// Lenient, for both writers: a key that is missing or of another type is NULL.
IndexRows RowsOfSummary(const std::string& run_path, const nlohmann::json& summary, bool ours);

}  // namespace kvtier
