#include <algorithm>

#include <fmt/format.h>

#include "harness/core/error.hpp"
#include "workloads/traces/trace_reader.hpp"

namespace kvtier {
namespace {

using nlohmann::json;

constexpr double kLatestTraceMs = 1e11;  // three years

/// Never into the depths of a hostile value.
std::string ValueText(const json& value) {
  constexpr std::size_t kShown = 60;
  if (value.is_structured()) return value.is_array() ? "a list" : "an object";
  const std::string text = value.dump(-1, ' ', true, json::error_handler_t::replace);
  return text.size() <= kShown ? text : text.substr(0, kShown) + "...";
}

}  // namespace

void TracePlace::Fail(const std::string& what) const {
  throw DataError(fmt::format("{}:{}: {}", name, line, what));
}

void TraceReader::SortByTime(bool with_note) {
  const auto earlier = [](const TraceRequest& a, const TraceRequest& b) {
    return a.timestamp_ms < b.timestamp_ms;
  };
  std::size_t out_of_order = 0;
  for (std::size_t i = 1; i < requests_.size(); ++i)
    if (earlier(requests_[i], requests_[i - 1])) ++out_of_order;
  if (out_of_order == 0) return;
  std::stable_sort(requests_.begin(), requests_.end(), earlier);
  if (with_note)
    notes_.push_back(
        fmt::format("{} rows were earlier than the one before them; the trace was "
                    "sorted by time",
                    out_of_order));
}

json TraceObject(std::string_view line, const TracePlace& place) {
  json row = json::parse(line, nullptr, false);
  if (row.is_discarded()) place.Fail("not a JSON object");
  if (!row.is_object()) place.Fail("a request must be a JSON object");
  return row;
}

void CheckTraceKeys(const json& row, const std::vector<std::string_view>& known,
                    const TracePlace& place) {
  for (const auto& [key, unused] : row.items()) {
    if (std::find(known.begin(), known.end(), key) == known.end())
      place.Fail(
          fmt::format("unknown key '{}': known are {}", key.substr(0, 60), fmt::join(known, ", ")));
  }
}

std::int64_t TraceLength(const json& row, const std::string& key, std::int64_t least,
                         const TracePlace& place) {
  if (!row.contains(key)) place.Fail(fmt::format("key {} is missing", key));
  const json& value = row.at(key);
  if (!value.is_number_unsigned() ||
      value.get<std::uint64_t>() < static_cast<std::uint64_t>(least) ||
      value.get<std::uint64_t>() > static_cast<std::uint64_t>(kLongestTraceInput)) {
    place.Fail(fmt::format("{} must be a whole number from {} to {}, not {}", key, least,
                           kLongestTraceInput, ValueText(value)));
  }
  return value.get<std::int64_t>();
}

double TraceTimeMs(const json& row, const std::string& key, const std::string& unit,
                   const TracePlace& place) {
  if (!row.contains(key)) place.Fail(fmt::format("key {} is missing", key));
  const json& value = row.at(key);
  const double factor = unit == "seconds" ? 1000 : 1;
  if (!value.is_number() || !(value.get<double>() >= 0) ||
      value.get<double>() * factor > kLatestTraceMs) {
    place.Fail(fmt::format("{} must be {} from 0 to {:g}", key, unit, kLatestTraceMs / factor));
  }
  return value.get<double>() * factor;
}

std::vector<std::uint64_t> TraceIds(const json& row, const std::string& key,
                                    const TracePlace& place) {
  if (!row.contains(key)) place.Fail(fmt::format("key {} is missing", key));
  const json& ids = row.at(key);
  if (!ids.is_array()) place.Fail(fmt::format("{} must be a list", key));
  std::vector<std::uint64_t> out;
  out.reserve(ids.size());
  for (const json& id : ids) {
    if (!id.is_number_unsigned()) place.Fail(fmt::format("{} must be whole numbers from 0", key));
    out.push_back(id.get<std::uint64_t>());
  }
  return out;
}

std::string TraceName(const json& row, const std::string& key, const TracePlace& place) {
  if (!row.contains(key)) place.Fail(fmt::format("key {} is missing", key));
  const json& value = row.at(key);
  if (value.is_number_integer()) return value.dump();
  if (!value.is_string() || value.get_ref<const std::string&>().empty())
    place.Fail(fmt::format("{} must be a text or a whole number, not {}", key, ValueText(value)));
  return value.get<std::string>();
}

}  // namespace kvtier
