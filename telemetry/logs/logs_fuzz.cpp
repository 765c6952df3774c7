#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include <nlohmann/json.hpp>

#include "telemetry/logs/cufile_log.hpp"
#include "telemetry/logs/docker_logs.hpp"
#include "telemetry/logs/log_line.hpp"
#include "telemetry/text.hpp"

/// Everything that looks at bytes which a foreign program logged: any bytes give an answer.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto counts = kvtier::CountLines(text);
  if (counts.errors + counts.warnings > counts.lines) std::abort();
  kvtier::ForEachLine(text, [](std::string_view line) {
    const auto cufile = kvtier::ClassifyCufileLine(line);
    if (cufile.gds_path && cufile.posix_path) std::abort();
  });
  if (kvtier::LastLines(text, 3).size() > size) std::abort();
  // Printable text is JSON text: a report can hold it.
  (void)nlohmann::json(kvtier::PrintableText(text, 80)).dump();
  (void)kvtier::SafeFileName(text);
  (void)kvtier::MergeByTimestamp(text.substr(0, size / 2), text.substr(size / 2));
  auto inspection = nlohmann::json::parse(text, nullptr, false);
  if (!inspection.is_discarded()) kvtier::HideCredentials(inspection);
  return 0;
}
