#include "harness/report/junit_merge.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <sstream>

#include <boost/property_tree/ptree.hpp>
#include <boost/property_tree/xml_parser.hpp>
#include <fmt/format.h>

#include "harness/core/error.hpp"
#include "harness/core/files.hpp"

namespace kvtier {
namespace fs = std::filesystem;
namespace pt = boost::property_tree;

namespace {

pt::ptree ReadXml(const fs::path& file) {
  std::istringstream in(ReadFile(file));
  pt::ptree tree;
  try {
    pt::read_xml(in, tree, pt::xml_parser::no_comments);
  } catch (const pt::xml_parser_error& e) {
    throw DataError(
        fmt::format("{} is not XML: {} (line {})", file.string(), e.message(), e.line()));
  }
  return tree;
}

std::string Attribute(const pt::ptree& element, const char* name) {
  return element.get(pt::ptree::path_type(std::string("<xmlattr>|") + name, '|'), std::string());
}

// Calls f(testcase) for every <testcase> at any depth.
template <class Tree, class F>
void ForEachCase(Tree& tree, F&& f) {
  for (auto& [name, child] : tree) {
    if (name == "testcase") {
      f(child);
    } else if (name == "testsuites" || name == "testsuite") {
      ForEachCase(child, f);
    }
  }
}

// Blanks between child elements are layout, which the writer makes anew; text of an element without
// children is content.
void DropLayout(pt::ptree& element) {
  bool has_children = false;
  for (auto& [name, child] : element) {
    if (name == "<xmlattr>") continue;
    has_children = true;
    DropLayout(child);
  }
  if (has_children && element.data().find_first_not_of(" \t\r\n") == std::string::npos)
    element.data().clear();
}

// Text between the properties is layout of the file it came from.
pt::ptree PropertiesOnly(const pt::ptree& properties) {
  pt::ptree out;
  for (const auto& [name, child] : properties) {
    if (name == "property") out.push_back({name, child});
  }
  return out;
}

void InsertProperties(pt::ptree& testcase, const pt::ptree& properties) {
  const auto attributes = testcase.find("<xmlattr>");
  auto at = testcase.begin();
  if (attributes != testcase.not_found()) at = std::next(testcase.to_iterator(attributes));
  testcase.insert(at, {"properties", properties});
}

}  // namespace

JunitMergeResult MergeJunit(const fs::path& ctest_junit, const std::vector<fs::path>& gtest_files,
                            const fs::path& out) {
  pt::ptree merged = ReadXml(ctest_junit);
  if (merged.find("testsuite") == merged.not_found() &&
      merged.find("testsuites") == merged.not_found()) {
    throw DataError(
        fmt::format("{} has no <testsuite>: it is no JUnit file; run ctest with --output-junit",
                    ctest_junit.string()));
  }
  JunitMergeResult result;
  std::map<std::string, pt::ptree> properties;
  std::map<std::string, fs::path> source;
  for (const auto& file : gtest_files) {
    try {
      const pt::ptree tree = ReadXml(file);
      ForEachCase(tree, [&](const pt::ptree& testcase) {
        const auto found = testcase.find("properties");
        if (found == testcase.not_found()) return;
        const std::string name =
            Attribute(testcase, "classname") + "." + Attribute(testcase, "name");
        properties[name] = PropertiesOnly(found->second);
        source[name] = file;
      });
    } catch (const Error& e) {
      result.ignored.push_back(e.what());
    }
  }
  std::set<std::string> used;
  ForEachCase(merged, [&](pt::ptree& testcase) {
    ++result.cases;
    const std::string name = Attribute(testcase, "name");
    const auto found = properties.find(name);
    if (found == properties.end()) return;
    InsertProperties(testcase, found->second);
    used.insert(name);
    ++result.with_properties;
  });
  for (const auto& [name, file] : source) {
    if (!used.contains(name))
      result.ignored.push_back(fmt::format("{}: ctest lists no case {}", file.string(), name));
  }
  std::ostringstream text;
  DropLayout(merged);
  pt::write_xml(text, merged, pt::xml_writer_make_settings<std::string>('\t', 1));
  WriteFileAtomic(out, text.str());
  return result;
}

std::vector<fs::path> FindXmlFiles(const fs::path& folder,
                                   std::optional<fs::file_time_type> not_before) {
  std::vector<fs::path> files;
  if (!fs::is_directory(folder)) return files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file() || entry.path().extension() != ".xml") continue;
    if (not_before && entry.last_write_time() < *not_before) continue;
    files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace kvtier
