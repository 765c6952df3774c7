#include "harness/report/timeline.hpp"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <fstream>
#include <iterator>
#include <limits>
#include <type_traits>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "harness/core/error.hpp"

namespace kvtier {
namespace {

using nlohmann::json;

// Up to here a double holds every integer, so one that looks whole is written as an integer.
constexpr double kExactIntegers = 9007199254740992.0;  // 2^53
constexpr const char* kNotFinite = "the source said a number that is not finite";

// Keys and most texts are plain; command lines may hold anything, which the library escapes (bytes
// that are no UTF-8 become U+FFFD).
void AppendText(fmt::memory_buffer& out, std::string_view text) {
  const bool plain =
      text.find_first_of("\"\\") == std::string_view::npos &&
      std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
  if (plain) {
    out.push_back('"');
    out.append(text);
    out.push_back('"');
    return;
  }
  const std::string escaped = json(text).dump(-1, ' ', false, json::error_handler_t::replace);
  out.append(escaped);
}

void AppendNumber(fmt::memory_buffer& out, double value) {
  if (std::fabs(value) <= kExactIntegers && std::trunc(value) == value) {
    fmt::format_to(std::back_inserter(out), "{}", static_cast<std::int64_t>(value));
  } else {
    fmt::format_to(std::back_inserter(out), "{}", value);  // shortest text that reads back the same
  }
}

// `,"name":{...}`; nothing when `map` has no entry to write.
template <class Map, class Append>
void AppendMap(fmt::memory_buffer& out, std::string_view name, const Map& map, Append&& append) {
  bool any = false;
  for (const auto& [key, value] : map) {
    if (any) {
      out.push_back(',');
    } else {
      fmt::format_to(std::back_inserter(out), ",\"{}\":{{", name);
    }
    any = true;
    AppendText(out, key);
    out.push_back(':');
    append(out, value);
  }
  if (any) out.push_back('}');
}

json ParseObject(std::string_view line, const char* what) {
  json j;
  try {
    j = json::parse(line);
  } catch (const json::exception& e) {  // a number out of range is no parse_error
    throw DataError(fmt::format("{} is not JSON: {}", what, e.what()));
  }
  if (!j.is_object()) throw DataError(fmt::format("{} is no JSON object", what));
  return j;
}

void RefuseOtherKeys(const json& j, std::initializer_list<std::string_view> known,
                     const char* what) {
  for (const auto& [key, value] : j.items()) {
    if (std::find(known.begin(), known.end(), key) == known.end())
      throw DataError(fmt::format("{} has the unknown key \"{}\"", what, key));
  }
}

const json& Need(const json& j, const char* key, const char* what) {
  const auto found = j.find(key);
  if (found == j.end()) throw DataError(fmt::format("{} lacks the key \"{}\"", what, key));
  return *found;
}

std::int64_t Integer(const json& j, const char* key, const char* what) {
  const json& v = Need(j, key, what);
  const bool fits = v.is_number_unsigned()
                        ? v.get<std::uint64_t>() <=
                              static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())
                        : v.is_number_integer();
  if (!fits) throw DataError(fmt::format("{}: key \"{}\" is no 64-bit integer", what, key));
  return v.get<std::int64_t>();
}

std::string Text(const json& j, const char* key, const char* what) {
  const json& v = Need(j, key, what);
  if (!v.is_string()) throw DataError(fmt::format("{}: key \"{}\" is no text", what, key));
  return v.get<std::string>();
}

template <class T>
void TakeMap(const json& row, const char* name, std::map<std::string, T>& into) {
  const auto found = row.find(name);
  if (found == row.end()) return;
  if (!found->is_object())
    throw DataError(fmt::format("a timeline row: key \"{}\" is no object", name));
  for (const auto& [key, value] : found->items()) {
    const bool right = std::is_same_v<T, double> ? value.is_number() : value.is_string();
    if (!right) {
      throw DataError(fmt::format("a timeline row: {}.\"{}\" is no {}", name, key,
                                  std::is_same_v<T, double> ? "number" : "text"));
    }
    into.emplace(key, value.template get<T>());
  }
}

}  // namespace

std::string TimelineHeadLine(const TimelineHead& head) {
  json sources = json::array();
  for (const auto& s : head.sources)
    sources.push_back({{"name", s.name}, {"cadence_ms", s.cadence.count()}});
  const auto wall =
      std::chrono::duration_cast<std::chrono::nanoseconds>(head.anchor.wall.time_since_epoch());
  return json{{"schema_version", kTimelineSchemaVersion},
              {"mono_ns", head.anchor.mono},
              {"wall_unix_ns", wall.count()},
              {"wall_utc", UtcMillis(head.anchor.wall)},
              {"kv_device", head.kv_device},
              {"sources", std::move(sources)}}
      .dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string TimelineRowLine(const TimelineRow& row) {
  // By hand: the recorder writes some fifty rows a second beside the stack under test, and a DOM of
  // a row costs many times its text.
  fmt::memory_buffer out;
  fmt::format_to(std::back_inserter(out), "{{\"t_ns\":{},\"source\":", row.at);
  AppendText(out, row.source);
  if (!row.mark.empty()) {
    out.append(std::string_view(",\"mark\":"));
    AppendText(out, row.mark);
  }
  const auto finite = [](const auto& entry) { return std::isfinite(entry.second); };
  if (std::all_of(row.values.begin(), row.values.end(), finite)) {
    AppendMap(out, "values", row.values, AppendNumber);
    AppendMap(out, "labels", row.labels, AppendText);
    AppendMap(out, "unavailable", row.unavailable, AppendText);
  } else {
    auto values = row.values;
    auto unavailable = row.unavailable;
    for (const auto& [key, value] : row.values) {
      if (std::isfinite(value)) continue;
      values.erase(key);
      unavailable.emplace(key, kNotFinite);
    }
    AppendMap(out, "values", values, AppendNumber);
    AppendMap(out, "labels", row.labels, AppendText);
    AppendMap(out, "unavailable", unavailable, AppendText);
  }
  out.push_back('}');
  return fmt::to_string(out);
}

TimelineHead ParseTimelineHead(std::string_view line) {
  constexpr const char* kWhat = "the head of a timeline";
  const json j = ParseObject(line, kWhat);
  const std::int64_t version = Integer(j, "schema_version", kWhat);
  if (version != kTimelineSchemaVersion) {
    throw DataError(fmt::format("{} has schema_version {}, this program reads version {}", kWhat,
                                version, kTimelineSchemaVersion));
  }
  RefuseOtherKeys(
      j, {"schema_version", "mono_ns", "wall_unix_ns", "wall_utc", "kv_device", "sources"}, kWhat);
  TimelineHead head;
  head.anchor.mono = Integer(j, "mono_ns", kWhat);
  head.anchor.wall = std::chrono::system_clock::time_point(
      std::chrono::duration_cast<std::chrono::system_clock::duration>(
          std::chrono::nanoseconds(Integer(j, "wall_unix_ns", kWhat))));
  Text(j, "wall_utc", kWhat);  // for people; the number decides
  head.kv_device = Text(j, "kv_device", kWhat);
  const json& sources = Need(j, "sources", kWhat);
  if (!sources.is_array()) throw DataError(fmt::format("{}: key \"sources\" is no array", kWhat));
  for (const auto& s : sources) {
    if (!s.is_object()) throw DataError(fmt::format("{}: a source is no object", kWhat));
    RefuseOtherKeys(s, {"name", "cadence_ms"}, "a source in the head of a timeline");
    const std::int64_t cadence = Integer(s, "cadence_ms", kWhat);
    if (cadence < 0) throw DataError(fmt::format("{}: cadence_ms is below 0", kWhat));
    head.sources.push_back({Text(s, "name", kWhat), std::chrono::milliseconds(cadence)});
  }
  return head;
}

TimelineRow ParseTimelineRow(std::string_view line) {
  constexpr const char* kWhat = "a timeline row";
  const json j = ParseObject(line, kWhat);
  RefuseOtherKeys(j, {"t_ns", "source", "mark", "values", "labels", "unavailable"}, kWhat);
  TimelineRow row;
  row.at = Integer(j, "t_ns", kWhat);
  row.source = Text(j, "source", kWhat);
  if (row.source.empty()) throw DataError(fmt::format("{} names no source", kWhat));
  if (j.contains("mark")) row.mark = Text(j, "mark", kWhat);
  if ((row.source == "mark") != !row.mark.empty()) {
    throw DataError(fmt::format("{} of source \"{}\" {} a mark", kWhat, row.source,
                                row.mark.empty() ? "lacks" : "may not have"));
  }
  TakeMap(j, "values", row.values);
  TakeMap(j, "labels", row.labels);
  TakeMap(j, "unavailable", row.unavailable);
  return row;
}

TimelineHead ReadTimeline(
    const std::filesystem::path& file,
    const std::function<void(const TimelineHead& head, const TimelineRow& row)>& take) {
  std::ifstream in(file, std::ios::binary);
  if (!in) throw IoError::FromErrno("read", file.string(), errno);
  TimelineHead head;
  std::string line;
  std::int64_t number = 0;
  while (std::getline(in, line)) {
    const bool torn = in.eof();  // no newline after it: its writer was killed
    ++number;
    if (line.empty()) continue;
    TimelineRow row;
    try {
      if (number == 1) {
        head = ParseTimelineHead(line);
        continue;
      }
      row = ParseTimelineRow(line);
    } catch (const DataError& e) {
      if (torn && number > 1) break;
      throw DataError(fmt::format("{} line {}: {}", file.string(), number, e.what()));
    }
    take(head, row);
  }
  if (in.bad()) throw IoError::FromErrno("read", file.string(), errno);
  if (number == 0) throw DataError(file.string() + " is empty: the recorder wrote no head");
  return head;
}

}  // namespace kvtier
