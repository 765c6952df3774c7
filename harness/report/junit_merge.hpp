#pragma once
#include <filesystem>
#include <string>
#include <vector>

namespace kvtier {

/// One file from two kinds: ctest's JUnit (complete: crashes, time-outs and skips, but no properties) and the XML files
/// that the GoogleTest cases wrote (properties: verdict, grade, reason codes, effect).
struct JunitMergeResult {
  int cases = 0;
  int with_properties = 0;
  std::vector<std::string> ignored;  // gtest files that are stale, torn or match no case, with the reason
};

/// Each testcase of `ctest_junit` gets the <properties> of the gtest testcase of the same name ("<Suite>.<Case>" in
/// either file, parameters included). Files of `gtest_files` that are older than `ctest_junit` began are passed by the
/// caller's choice. Writes `out` atomically. Throws IoError or DataError naming the file when ctest's own is unusable.
JunitMergeResult MergeJunit(const std::filesystem::path& ctest_junit, const std::vector<std::filesystem::path>& gtest_files,
                            const std::filesystem::path& out);

/// All .xml files below a folder, sorted; empty when the folder is missing.
std::vector<std::filesystem::path> FindXmlFiles(const std::filesystem::path& folder);

}  // namespace kvtier
