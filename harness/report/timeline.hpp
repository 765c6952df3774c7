#pragma once
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "harness/core/clock.hpp"

/// telemetry/timeline.jsonl: everything that the recorder saw, on one monotonic timeline. The first
/// line is the head, each further line one row: a reading of one source, or a mark.
/// docs/timeline.md lists the sources and their keys with units.
namespace kvtier {

inline constexpr int kTimelineSchemaVersion = 1;

/// A source as the recorder was configured.
struct TimelineSource {
  std::string name;                   // "disk"
  std::chrono::milliseconds cadence;  // as asked
};

struct TimelineHead {
  ClockAnchor anchor;                   // both clocks at one moment: row times map to wall time
  std::vector<TimelineSource> sources;  // in reading order
  std::string kv_device;                // "nvme0n1"; empty when unknown
};

/// One reading of one source at one moment, or a mark (source "mark").
struct TimelineRow {
  MonoNs at = 0;
  std::string source{};
  std::string mark{};                                // label, only in mark rows
  std::map<std::string, double> values{};            // key -> value in the unit of docs/timeline.md
  std::map<std::string, std::string> labels{};       // key -> text: a command line, a zone's type
  std::map<std::string, std::string> unavailable{};  // key -> reason; key "" is the whole source
};

/// As written to disk: {"t_ns","source",...}; empty maps are left out.
std::string TimelineHeadLine(const TimelineHead& head);
std::string TimelineRowLine(const TimelineRow& row);
/// Throws DataError.
TimelineHead ParseTimelineHead(std::string_view line);
TimelineRow ParseTimelineRow(std::string_view line);

/// Reads a timeline row by row, so that its length is of no matter to memory. A torn last line (a
/// killed recorder) is dropped; a bad line elsewhere is a DataError that names file and line.
TimelineHead ReadTimeline(
    const std::filesystem::path& file,
    const std::function<void(const TimelineHead& head, const TimelineRow& row)>& take);

}  // namespace kvtier
