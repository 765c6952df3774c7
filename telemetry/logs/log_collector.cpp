#include "telemetry/logs/log_collector.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "harness/core/error.hpp"
#include "harness/core/files.hpp"

namespace kvtier {
namespace {

constexpr const char* kFolder = "telemetry/logs";

Reading<LogCopy> CopyLog(const std::filesystem::path& run_dir, const std::string& name,
                         const MarkedLog& log, const LogLimits& limits, std::size_t tail_lines) {
  const auto text = log.ReadSince(limits);
  if (!text) return Reading<LogCopy>::Unavailable(text.reason());
  LogCopy copy;
  copy.path = fmt::format("{}/{}.log", kFolder, name);
  try {
    WriteFileAtomic(run_dir / copy.path, text->Text());
  } catch (const std::exception& e) {  // IoError, or filesystem_error of the folder
    return Reading<LogCopy>::Unavailable(e.what());
  }
  copy.written = text->written;
  copy.cut = text->cut;
  copy.counts = text->Counts();
  copy.tail = PrintableText(text->LastLines(tail_lines));
  copy.notes = text->notes;
  return copy;
}

}  // namespace

LogCollector::LogCollector(std::vector<LogSource> sources, LogLimits limits, std::size_t tail_lines)
    : limits_(limits), tail_lines_(tail_lines) {
  for (auto& source : sources) {
    if (source.name != SafeFileName(source.name)) {
      throw ConfigError(fmt::format(
          "the log name '{}' is no file name; use letters, digits, '.', '_' and '-'", source.name));
    }
    if (std::any_of(logs_.begin(), logs_.end(),
                    [&](const Watched& w) { return w.name == source.name; })) {
      throw ConfigError(
          fmt::format("two logs are called '{}'; name each differently", source.name));
    }
    logs_.push_back({std::move(source.name), MarkedLog::AtEnd(std::move(source.path))});
  }
}

std::vector<CollectedLog> LogCollector::Collect(const std::filesystem::path& run_dir) const {
  std::vector<CollectedLog> collected;
  for (const auto& [name, log] : logs_) {
    collected.push_back(
        {name, log.path().string(), CopyLog(run_dir, name, log, limits_, tail_lines_)});
  }
  return collected;
}

Reading<std::string> ReadTail(const std::filesystem::path& file, std::size_t lines) {
  return MarkedLog::AtStart(file)
      .ReadSince({.head = Bytes{0}, .tail = 64_KiB})
      .Map([&](const BoundedText& text) { return PrintableText(text.LastLines(lines)); });
}

}  // namespace kvtier
