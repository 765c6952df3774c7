#pragma once
#include <filesystem>

namespace kvtier {

/// The JSON Schemas that ship, for the tests that hold artifacts against them.
inline const std::filesystem::path kSchemas =
    std::filesystem::path(KVTIER_SOURCE_DIR) / "docs/schemas";

}  // namespace kvtier
