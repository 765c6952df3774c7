#include "harness/report/figures/png.hpp"

#include <unistd.h>

#include <cstdlib>

#include <fmt/format.h>

#include "harness/core/error.hpp"
#include "harness/core/subprocess.hpp"

namespace kvtier {
namespace {

namespace fs = std::filesystem;
using Png = Reading<fs::path>;

constexpr std::chrono::seconds kLimit{60};  // a figure takes a tenth of a second

}  // namespace

Png FindSvgConverter() {
  const char* path = std::getenv("PATH");  // NOLINT(concurrency-mt-unsafe): nobody sets it
  std::string_view rest = path == nullptr ? "" : path;
  while (!rest.empty()) {
    const std::size_t end = rest.find(':');
    const fs::path file = fs::path(rest.substr(0, end)) / "rsvg-convert";
    std::error_code ignored;
    if (fs::is_regular_file(file, ignored) && ::access(file.c_str(), X_OK) == 0) return file;
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
  }
  return Png::Unavailable(
      "rsvg-convert is not on the PATH: figures are SVG only; install the Debian package "
      "librsvg2-bin for PNG");
}

Png RenderPng(const fs::path& converter, const fs::path& svg, const fs::path& png) {
  const fs::path part = png.string() + ".part", log = png.string() + ".log";
  std::error_code ignored;
  fs::remove(log, ignored);
  std::string failure;
  try {
    SpawnOptions options;
    options.argv = {converter.string(), "--zoom=2",    "--format=png",
                    "--output",         part.string(), svg.string()};
    options.log = log;
    Subprocess child(options);
    if (!child.WaitFor(kLimit)) {
      failure = fmt::format("did not end within {} s", kLimit.count());
    } else if (child.ExitCode() != 0) {
      failure = fmt::format("{}: {}", child.ExitText(), TailOf(log, 2));
    }
  } catch (const Error& e) {
    failure = e.what();
  }
  fs::remove(log, ignored);
  std::error_code error;
  if (failure.empty()) fs::rename(part, png, error);
  if (error) failure = fmt::format("cannot name {}: {}", png.string(), error.message());
  if (failure.empty()) return png;
  fs::remove(part, ignored);
  while (!failure.empty() && failure.back() == '\n') failure.pop_back();
  return Png::Unavailable(fmt::format("{} is missing: {} {}", png.filename().string(),
                                      converter.filename().string(), failure));
}

}  // namespace kvtier
