#include "harness/report/runbook_files.hpp"

#include <string_view>

#include "harness/core/error.hpp"
#include "harness/core/files.hpp"
#include "harness/judge/runbook_json.hpp"
#include "harness/report/bundle.hpp"
#include "harness/report/csv.hpp"
#include "harness/report/legacy_phase70.hpp"
#include "harness/report/phase70_files.hpp"

namespace kvtier::runbook {
namespace fs = std::filesystem;

namespace {

/// The documented columns, from the table that the default rules write.
std::vector<std::string_view> Columns(std::string_view header) {
  header = header.substr(0, header.find('\r'));
  std::vector<std::string_view> columns;
  for (std::size_t from = 0; from <= header.size();) {
    const std::size_t comma = std::min(header.find(',', from), header.size());
    columns.push_back(header.substr(from, comma - from));
    from = comma + 1;
  }
  return columns;
}

}  // namespace

std::vector<RunFiles> ReadRuns(const fs::path& root, const json& manifest) {
  const json& runs = Get(manifest, "runs");
  if (!runs.is_array()) throw DataError("the manifest has no list of runs");
  std::vector<RunFiles> out;
  for (const json& run : runs) {
    RunFiles files;
    files.run = run;
    const fs::path folder = FindRunFolder(root, Text(Get(run, "run_dir")),
                                          Text(Get(run, "bundle_id")), Text(Get(run, "run_id")));
    files.folder = folder.string();
    try {
      if (folder.empty()) throw IoError("there is no summary.json in " + Text(Get(run, "run_dir")));
      files.summary = ReadJson(folder / bundle_files::kSummary);
      if (!files.summary.is_object()) throw DataError("summary.json is no object");
      if (fs::exists(folder / bundle_files::kIoVerdict))
        files.io_verdict = ReadJson(folder / bundle_files::kIoVerdict);
    } catch (const Error& e) {
      files.error = e.what();
    }
    out.push_back(std::move(files));
  }
  return out;
}

json ReadRunSummary(const fs::path& root, const json& row) {
  const fs::path folder = FindRunFolder(root, Text(Get(row, "run_path")),
                                        Text(Get(row, "bundle_id")), Text(Get(row, "run_id")));
  if (folder.empty()) return {};
  try {
    return ReadJson(folder / bundle_files::kSummary);
  } catch (const Error&) {
    return {};  // reads as missing, like everything by these rules
  }
}

std::string SummaryCsv(const json& rows) {
  const std::string header = Phase70SummaryCsv({});
  return CsvText(Columns(header), rows);
}

std::string DeltasCsv(const json& pair_deltas) {
  const std::string header = Phase70DeltasCsv({});
  return CsvText(Columns(header), pair_deltas);
}

}  // namespace kvtier::runbook
