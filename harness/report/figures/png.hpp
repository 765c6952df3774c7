#pragma once
#include <filesystem>
#include <string>

#include "harness/core/reading.hpp"

namespace kvtier {

/// Where rsvg-convert (Debian package librsvg2-bin) lies on the PATH; unavailable says what to
/// install.
Reading<std::filesystem::path> FindSvgConverter();

/// Renders one SVG file at twice its size; the PNG appears whole or not at all. The result is the
/// PNG's path, or why there is none: the converter's own words.
Reading<std::filesystem::path> RenderPng(const std::filesystem::path& converter,
                                         const std::filesystem::path& svg,
                                         const std::filesystem::path& png);

}  // namespace kvtier
