#include "harness/report/sweep_reader.hpp"

#include <algorithm>
#include <iterator>
#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "harness/core/error.hpp"
#include "harness/core/files.hpp"
#include "harness/report/csv.hpp"

namespace kvtier {
namespace {

namespace fs = std::filesystem;

/// `read` of the file's JSON; what is wrong with it names the file.
template <class F>
auto ReadAs(const fs::path& file, F&& read) {
  const nlohmann::json j = ReadJson(file);
  try {
    return read(j);
  } catch (const DataError& e) {
    throw DataError(fmt::format("{}: {}", file.string(), e.what()));
  }
}

/// Empty when the run is not there.
fs::path RunSummary(const fs::path& root, const std::string& run_path) {
  if (run_path.empty()) return {};
  const fs::path given(run_path);
  const fs::path moved = given.parent_path().filename() / given.filename();
  for (const fs::path& folder : {given, root / given, root / moved}) {
    std::error_code ignored;
    if (fs::is_regular_file(folder / "summary.json", ignored)) return folder / "summary.json";
  }
  return {};
}

bool IsStamp(std::string_view s) {
  const auto digits = [&](std::size_t from, std::size_t n) {
    return std::all_of(s.begin() + static_cast<std::ptrdiff_t>(from),
                       s.begin() + static_cast<std::ptrdiff_t>(from + n),
                       [](char c) { return c >= '0' && c <= '9'; });
  };
  return s.size() == 16 && s[8] == 'T' && s[15] == 'Z' && digits(0, 8) && digits(9, 6);
}

}  // namespace

Sweep LoadSweep(const fs::path& summary_json) {
  Sweep sweep = ReadAs(summary_json, SweepFrom);
  for (SweepRow& row : sweep.rows) {
    const fs::path run = RunSummary(summary_json.parent_path(), row.run_path);
    if (!run.empty()) row.run = ReadAs(run, SweepRunFrom);
  }
  return sweep;
}

Sweep JoinSweeps(std::vector<Sweep> sweeps) {
  Sweep all = std::move(sweeps.front());
  for (auto sweep = std::next(sweeps.begin()); sweep != sweeps.end(); ++sweep) {
    all.legacy = all.legacy || sweep->legacy;
    std::move(sweep->rows.begin(), sweep->rows.end(), std::back_inserter(all.rows));
    all.declared_concurrencies.insert(all.declared_concurrencies.end(),
                                      sweep->declared_concurrencies.begin(),
                                      sweep->declared_concurrencies.end());
  }
  return all;
}

std::string SweepTs(const fs::path& summary_json) {
  const std::string name = summary_json.stem().string();
  for (std::size_t at = 0; at + 16 <= name.size(); ++at) {
    if (IsStamp(std::string_view(name).substr(at, 16))) return name.substr(at, 16);
  }
  return "unknown";
}

fs::path FindSweepSummary(const fs::path& results_root, const std::string& ts) {
  const fs::path exact =
      results_root / fmt::format("phase60_rehydrate_concurrency_sweep_summary_minimal_{}.json", ts);
  if (fs::is_regular_file(exact)) return exact;
  const std::string ending = "_" + ts + ".json";
  std::set<fs::path> sweeps, others;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(results_root, error)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with("phase60") || !name.ends_with(ending) ||
        name.find("summary") == std::string::npos)
      continue;
    (name.find("_concurrency_sweep_summary") != std::string::npos ? sweeps : others)
        .insert(entry.path());
  }
  if (!sweeps.empty()) return *sweeps.begin();
  if (!others.empty()) return *others.begin();
  throw ConfigError(fmt::format(
      "--ts {}: there is no phase60*summary*_{}.json in {}; name the folder with --results-root or "
      "the file with --phase60-summary-json",
      ts, ts, results_root.string()));
}

std::string KneeTableCsv(const std::vector<KneeRow>& rows) {
  return CsvText(kKneeColumns, nlohmann::json(rows));
}

}  // namespace kvtier
