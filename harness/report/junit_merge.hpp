#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace kvtier {

struct JunitMergeResult {
  int cases = 0;
  int with_properties = 0;
  std::vector<std::string> ignored;  // "<file>: <why>": torn files, cases that ctest does not list
};

/// One JUnit file from two kinds: ctest's (complete: crashes, time-outs and skips, but no
/// properties) and the XML files that GoogleTest cases wrote (properties: verdict, grade, reason
/// codes, effect; nothing after a crash). Each testcase of `ctest_junit` gets the <properties> of
/// the gtest testcase of the same name, "<Suite>.<Case>" with parameters. Writes `out` atomically.
/// Throws IoError or DataError naming the file when ctest's own cannot be used.
JunitMergeResult MergeJunit(const std::filesystem::path& ctest_junit,
                            const std::vector<std::filesystem::path>& gtest_files,
                            const std::filesystem::path& out);

/// All .xml files below a folder, sorted; none when the folder is missing. GoogleTest leaves the
/// file of an earlier run where a case crashed: pass when this run began to leave those out.
std::vector<std::filesystem::path> FindXmlFiles(
    const std::filesystem::path& folder,
    std::optional<std::filesystem::file_time_type> not_before = std::nullopt);

}  // namespace kvtier
