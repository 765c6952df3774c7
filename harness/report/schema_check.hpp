#pragma once
#include <filesystem>
#include <string>
#include <vector>

/// Validates artifacts against docs/schemas (draft-07). A helper for tests; the product does not
/// link it.
namespace kvtier {

/// Violations of one JSON file (or of each row of a .jsonl), as "<file>[:<row>] <where>: <what>".
/// Empty: valid.
std::vector<std::string> CheckFile(const std::filesystem::path& artifact,
                                   const std::filesystem::path& schema);

/// Every artifact below `folder` whose name is known against its schema in `schemas`. A file that
/// no schema knows is a violation too, so that a new artifact cannot go without one.
std::vector<std::string> CheckBundle(const std::filesystem::path& folder,
                                     const std::filesystem::path& schemas);

/// The schema's file name for an artifact's file name ("summary.schema.json"); empty when unknown
/// or not JSON.
std::string SchemaFor(const std::string& artifact_name);

}  // namespace kvtier
