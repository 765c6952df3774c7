#include "workloads/traces/trace_file.hpp"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <fstream>
#include <limits>
#include <memory>
#include <unordered_map>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "harness/core/error.hpp"
#include "workloads/traces/stack_distance.hpp"
#include "workloads/traces/trace_reader.hpp"

namespace kvtier {
namespace {

using nlohmann::json;

std::string DetectFormat(std::string_view line, const TracePlace& place) {
  if (line.starts_with("TIMESTAMP,")) return "azure";
  if (line.starts_with("Timestamp,")) return "burstgpt";
  const json row = TraceObject(line, place);
  const auto has = [&row](const char* key) { return row.contains(key); };
  if (has("chat_id")) return "bailian";
  if (has("prompt_sha256")) return "request_manifest";
  if (has("input_length") || has("input_tokens") || has("hash_ids")) return "mooncake";
  if (has("messages") || has("input")) return "messages";
  place.Fail(fmt::format("neither of the formats {} begins like this: give one with --format",
                         fmt::join(TraceFormats(), ", ")));
}

std::unique_ptr<TraceReader> ReaderFor(const std::string& format, const TraceFileOptions& o) {
  if (format == "mooncake") return MakeMooncakeReader(o);
  if (format == "bailian") return MakeBailianReader();
  if (format == "azure") return MakeAzureReader(o);
  if (format == "burstgpt") return MakeBurstGptReader(o);
  if (format == "messages") return MakeMessagesReader(o);
  if (format == "request_manifest") return MakeManifestReader(o);
  throw ConfigError(fmt::format("there is no trace format '{}': known are {}", format,
                                fmt::join(TraceFormats(), ", ")));
}

/// Takes lines in turn; both ways of reading end here.
class Feeder {
 public:
  Feeder(const std::string& name, const TraceFileOptions& options)
      : name_(name),
        options_(options),
        limit_(options.max_requests.value_or(std::numeric_limits<std::size_t>::max())) {
    if (options.block_tokens < 1 || options.block_tokens > 65'536)
      throw ConfigError(
          fmt::format("block-tokens is {}: it must be from 1 to 65536", options.block_tokens));
    if (!(options.bytes_per_token >= 0.1) || options.bytes_per_token > 1000)
      throw ConfigError(fmt::format("bytes-per-token is {}: it must be from 0.1 to 1000",
                                    options.bytes_per_token));
    if (limit_ == 0) throw ConfigError("max-requests is 0: it must be at least 1");
    if (options.format) Begin(*options.format);
  }

  bool full() const { return reader_ != nullptr && reader_->requests().size() >= limit_; }
  void Line(std::string_view line) {
    const TracePlace place{name_, ++line_};
    constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
    if (line_ == 1 && line.starts_with(kByteOrderMark)) line.remove_prefix(kByteOrderMark.size());
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (line.find_first_not_of(" \t") == std::string_view::npos) {
      blank_ = blank_ == 0 ? line_ : blank_;
      return;
    }
    if (blank_ != 0) TracePlace{name_, blank_}.Fail("an empty line within the trace");
    if (reader_ == nullptr) Begin(DetectFormat(line, place));
    reader_->Line(line, place);
  }
  TraceFile Take() {
    if (reader_ != nullptr) reader_->End();
    if (reader_ == nullptr || reader_->requests().empty())
      throw DataError(fmt::format("{}: a trace without requests", name_));
    return {format_, std::move(reader_->requests()), std::move(reader_->notes())};
  }

 private:
  void Begin(const std::string& format) {
    format_ = format;
    reader_ = ReaderFor(format, options_);
  }
  const std::string& name_;
  const TraceFileOptions& options_;
  std::size_t limit_;
  std::size_t line_ = 0, blank_ = 0;
  std::string format_;
  std::unique_ptr<TraceReader> reader_;
};

/// 3000, 5999.5: as short as the value allows.
std::string Milliseconds(double ms) {
  return ms == std::floor(ms) ? fmt::format("{:.0f}", ms) : fmt::format("{}", ms);
}

/// Names from CSV files may be any bytes.
std::string JsonText(const std::string& text) {
  return json(text).dump(-1, ' ', true, json::error_handler_t::replace);
}

}  // namespace

const std::vector<std::string>& TraceFormats() {
  static const std::vector<std::string> formats{"mooncake", "bailian",  "azure",
                                                "burstgpt", "messages", "request_manifest"};
  return formats;
}

TraceFile ParseTraceFile(std::string_view text, const std::string& name,
                         const TraceFileOptions& options) {
  Feeder feeder(name, options);
  while (!text.empty() && !feeder.full()) {
    const std::size_t end = text.find('\n');
    feeder.Line(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return feeder.Take();
}

TraceFile LoadTraceFile(const std::filesystem::path& path, const TraceFileOptions& options) {
  errno = 0;
  std::ifstream file(path);
  if (!file) throw IoError::FromErrno("read trace", path.string(), errno);
  const std::string name = path.string();
  Feeder feeder(name, options);
  for (std::string line; !feeder.full() && std::getline(file, line);) feeder.Line(line);
  if (file.bad()) throw IoError::FromErrno("read trace", path.string(), errno);
  return feeder.Take();
}

std::string TraceText(const std::vector<TraceRequest>& requests, bool sessions) {
  std::string out;
  BlockNumbers numbers;
  std::unordered_map<std::string, std::int64_t> context;  // of sessions so far
  for (const TraceRequest& r : requests) {
    const auto before = sessions ? context.find(r.session_id) : context.end();
    const bool later = !r.session_id.empty() && before != context.end();
    out += later && r.delay_ms ? fmt::format("{{\"delay\": {}", Milliseconds(*r.delay_ms))
                               : fmt::format("{{\"timestamp\": {}", Milliseconds(r.timestamp_ms));
    out += fmt::format(", \"input_length\": {}, \"output_length\": {}",
                       r.input_length - (later ? before->second : 0),
                       std::max<std::int64_t>(r.output_length, 1));
    if (!later) {
      std::vector<BlockId> ids;
      for (const std::uint64_t id : r.hash_ids) ids.push_back(numbers.Of(id));
      out += fmt::format(", \"hash_ids\": [{}]", fmt::join(ids, ", "));
    }
    if (sessions && !r.session_id.empty()) {
      out += ", \"session_id\": " + JsonText(r.session_id);
      context[r.session_id] = r.input_length + r.output_length;
    }
    if (sessions && !r.tenant.empty()) out += ", \"group_id\": " + JsonText(r.tenant);
    out += "}\n";
  }
  return out;
}

}  // namespace kvtier
