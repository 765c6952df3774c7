#include "workloads/trace.hpp"

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <limits>
#include <unordered_set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "harness/core/error.hpp"
#include "harness/stats/quantile.hpp"

namespace kvtier {
namespace {

using nlohmann::json;

constexpr std::int64_t kLongestInput =
    100'000'000;                    // tokens; beyond it a length is damage, not data
constexpr double kLatestMs = 1e11;  // three years

/// Where an error is, for its sentence.
struct Place {
  const std::string& name;
  std::size_t line;
  [[noreturn]] void Fail(const std::string& what) const {
    throw DataError(fmt::format("{}:{}: {}", name, line, what));
  }
};

std::int64_t LengthAt(const json& row, const char* key, const Place& place) {
  const json& value = row.at(key);
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() < 1 ||
      value.get<std::uint64_t>() > static_cast<std::uint64_t>(kLongestInput)) {
    place.Fail(fmt::format("{} must be a whole number from 1 to {}, not {}", key, kLongestInput,
                           value.dump(-1, ' ', true, json::error_handler_t::replace)));
  }
  return value.get<std::int64_t>();
}

void CheckKeys(const json& row, const Place& place) {
  static constexpr const char* kKeys[] = {"timestamp", "input_length", "output_length", "hash_ids"};
  if (!row.is_object()) place.Fail("a request must be a JSON object");
  for (const char* key : kKeys) {
    if (!row.contains(key)) place.Fail(fmt::format("key {} is missing", key));
  }
  for (const auto& [key, unused] : row.items()) {
    if (std::none_of(std::begin(kKeys), std::end(kKeys),
                     [&](const char* known) { return key == known; })) {
      place.Fail(fmt::format(
          "unknown key '{}': known are timestamp, input_length, output_length, hash_ids", key));
    }
  }
}

TraceRequest RequestFrom(std::string_view line, const Place& place) {
  const json row = json::parse(line, nullptr, false);
  if (row.is_discarded()) place.Fail("not a JSON object");
  CheckKeys(row, place);
  TraceRequest r;
  const json& timestamp = row.at("timestamp");
  if (!timestamp.is_number() || !(timestamp.get<double>() >= 0) ||
      timestamp.get<double>() > kLatestMs) {
    place.Fail("timestamp must be milliseconds from 0 to 1e11");
  }
  r.timestamp_ms = timestamp.get<double>();
  r.input_length = LengthAt(row, "input_length", place);
  r.output_length = LengthAt(row, "output_length", place);
  const json& ids = row.at("hash_ids");
  if (!ids.is_array()) place.Fail("hash_ids must be a list");
  for (const json& id : ids) {
    if (!id.is_number_unsigned()) place.Fail("hash_ids must be whole numbers from 0");
    r.hash_ids.push_back(id.get<std::uint64_t>());
  }
  const auto started =
      static_cast<std::uint64_t>((r.input_length + kTraceBlockTokens - 1) / kTraceBlockTokens);
  if (r.hash_ids.size() != started) {
    place.Fail(fmt::format("{} hash_ids for an input of {} tokens: {} blocks of {} are started",
                           r.hash_ids.size(), r.input_length, started, kTraceBlockTokens));
  }
  return r;
}

/// Takes lines in turn; both ways of reading end here.
class Collector {
 public:
  Collector(const std::string& name, const TraceLoadOptions& options)
      : name_(name),
        limit_(options.max_requests.value_or(std::numeric_limits<std::size_t>::max())) {}

  bool full() const { return trace_.size() >= limit_; }
  void Line(std::string_view line) {
    const Place place{name_, ++line_};
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (line.find_first_not_of(" \t") == std::string_view::npos) {
      blank_ = blank_ == 0 ? line_ : blank_;
      return;
    }
    if (blank_ != 0) Place{name_, blank_}.Fail("an empty line within the trace");
    trace_.push_back(RequestFrom(line, place));
    if (trace_.size() > 1 && trace_.back().timestamp_ms < trace_[trace_.size() - 2].timestamp_ms) {
      place.Fail("timestamps must ascend");
    }
  }
  std::vector<TraceRequest> Take() {
    if (trace_.empty()) throw DataError(fmt::format("{}: a trace without requests", name_));
    return std::move(trace_);
  }

 private:
  const std::string& name_;
  std::size_t limit_;
  std::size_t line_ = 0, blank_ = 0;
  std::vector<TraceRequest> trace_;
};

LengthSummary Summarise(std::vector<double> lengths) {
  std::sort(lengths.begin(), lengths.end());
  LengthSummary s;
  for (const double x : lengths) s.mean += x / static_cast<double>(lengths.size());
  s.p50 = SortedQuantile(lengths, 0.5);
  s.p90 = SortedQuantile(lengths, 0.9);
  s.p99 = SortedQuantile(lengths, 0.99);
  s.max = lengths.back();
  return s;
}

}  // namespace

std::vector<TraceRequest> ParseTrace(std::string_view text, const std::string& name,
                                     const TraceLoadOptions& options) {
  Collector collector(name, options);
  while (!text.empty() && !collector.full()) {
    const std::size_t end = text.find('\n');
    collector.Line(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return collector.Take();
}

std::vector<TraceRequest> LoadTrace(const std::filesystem::path& path,
                                    const TraceLoadOptions& options) {
  errno = 0;
  std::ifstream file(path);
  if (!file) throw IoError::FromErrno("read trace", path.string(), errno);
  const std::string name = path.string();
  Collector collector(name, options);
  for (std::string line; !collector.full() && std::getline(file, line);) collector.Line(line);
  if (file.bad()) throw IoError::FromErrno("read trace", path.string(), errno);
  return collector.Take();
}

TraceStatistics DescribeTrace(const std::vector<TraceRequest>& trace) {
  TraceStatistics s;
  s.requests = trace.size();
  if (trace.empty()) return s;
  s.duration_s = (trace.back().timestamp_ms - trace.front().timestamp_ms) / 1000;
  std::vector<double> inputs, outputs;
  std::unordered_set<std::uint64_t> seen;
  std::uint64_t hits = 0;
  for (const auto& r : trace) {
    inputs.push_back(static_cast<double>(r.input_length));
    outputs.push_back(static_cast<double>(r.output_length));
    bool prefix_held = true;
    for (const std::uint64_t id : r.hash_ids) {
      prefix_held = prefix_held && seen.contains(id);
      hits += prefix_held ? 1 : 0;
    }
    seen.insert(r.hash_ids.begin(), r.hash_ids.end());
    s.block_references += r.hash_ids.size();
  }
  s.input = Summarise(std::move(inputs));
  s.output = Summarise(std::move(outputs));
  s.distinct_blocks = seen.size();
  s.ideal_hit_share = static_cast<double>(hits) / static_cast<double>(s.block_references);
  return s;
}

json ToJson(const TraceStatistics& s) {
  const auto lengths = [](const LengthSummary& l) {
    return json{{"mean", l.mean}, {"p50", l.p50}, {"p90", l.p90}, {"p99", l.p99}, {"max", l.max}};
  };
  return {{"requests", s.requests},
          {"duration_s", s.duration_s},
          {"input_length", lengths(s.input)},
          {"output_length", lengths(s.output)},
          {"block_references", s.block_references},
          {"distinct_blocks", s.distinct_blocks},
          {"ideal_hit_share", s.ideal_hit_share}};
}

}  // namespace kvtier
