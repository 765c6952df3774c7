#include "harness/report/request_rows.hpp"

#include <simdjson.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <limits>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "harness/core/error.hpp"

namespace kvtier {
namespace {

namespace dom = simdjson::dom;

/// Each assignment returns false for a value that RecordFromJson might read in another way.
template <class Int>
bool Set(dom::element value, Int& into) {
  std::int64_t number = 0;
  if (value.get(number) != simdjson::SUCCESS) return false;
  if (number < std::numeric_limits<Int>::min() || number > std::numeric_limits<Int>::max())
    return false;
  into = static_cast<Int>(number);
  return true;
}
bool Set(dom::element value, std::int64_t& into) {
  return value.get(into) == simdjson::SUCCESS;
}
bool Set(dom::element value, double& into) {
  return value.get(into) == simdjson::SUCCESS;
}
bool Set(dom::element value, bool& into) {
  return value.get(into) == simdjson::SUCCESS;
}
bool Set(dom::element value, std::string& into) {
  std::string_view text;
  if (value.get(text) != simdjson::SUCCESS) return false;
  into.assign(text);
  return true;
}
template <class T>
bool Set(dom::element value, std::optional<T>& into) {
  if (value.is_null()) {
    into.reset();
    return true;
  }
  T read{};
  if (!Set(value, read)) return false;
  into = std::move(read);
  return true;
}
/// Null reads as empty.
bool SetOr(dom::element value, std::string& into) {
  if (!value.is_null()) return Set(value, into);
  into.clear();
  return true;
}

/// What a row or one of its objects is made of: a reader a key, and whether it may be missing.
template <class T>
struct Field {
  std::string_view key;
  bool required = true;
  bool (*read)(dom::element value, T& into) = nullptr;
};

/// Reads every field of an object; false where one is wrong or a required one missing. Keys that
/// are not in the table are passed over.
template <class T, std::size_t N>
bool ReadObject(dom::element value, const std::array<Field<T>, N>& table, T& into) {
  static_assert(N <= 64);
  static const auto index = [&] {
    std::unordered_map<std::string_view, std::size_t> by_key;
    for (std::size_t i = 0; i < N; ++i) by_key.emplace(table[i].key, i);
    return by_key;
  }();
  dom::object object;
  if (value.get(object) != simdjson::SUCCESS) return false;
  std::uint64_t seen = 0;
  for (const auto field : object) {
    const auto found = index.find(field.key);
    if (found == index.end()) continue;
    const Field<T>& known = table[found->second];
    seen |= std::uint64_t{1} << found->second;
    if (!known.read(field.value, into)) return false;
  }
  for (std::size_t i = 0; i < N; ++i) {
    if (table[i].required && (seen >> i & 1U) == 0) return false;
  }
  return true;
}

bool SetStop(dom::element value, std::vector<std::string>& into) {
  dom::array texts;
  if (value.get(texts) != simdjson::SUCCESS) return false;
  into.clear();
  for (const dom::element text : texts) {
    if (!Set(text, into.emplace_back())) return false;
  }
  return true;
}

constexpr std::array<Field<GenerationParams>, 6> kParams{{
    {"max_tokens", true, [](dom::element v, auto& p) { return Set(v, p.max_tokens); }},
    {"temperature", true, [](dom::element v, auto& p) { return Set(v, p.temperature); }},
    {"top_p", true, [](dom::element v, auto& p) { return Set(v, p.top_p); }},
    {"stop", true, [](dom::element v, auto& p) { return SetStop(v, p.stop); }},
    {"stream", true, [](dom::element v, auto& p) { return Set(v, p.stream); }},
    {"seed", false, [](dom::element v, auto& p) { return Set(v, p.seed); }},
}};
constexpr std::array<Field<RequestExtras>, 2> kExtras{{
    {"ignore_eos", true, [](dom::element v, auto& e) { return Set(v, e.ignore_eos); }},
    {"include_usage", true, [](dom::element v, auto& e) { return Set(v, e.include_usage); }},
}};
constexpr std::array<Field<PromptMetadata>, 4> kMetadata{{
    {"workload", false, [](dom::element v, auto& m) { return SetOr(v, m.workload); }},
    {"phase_intent", false, [](dom::element v, auto& m) { return SetOr(v, m.phase_intent); }},
    {"session_turn_index", false,
     [](dom::element v, auto& m) { return Set(v, m.session_turn_index); }},
    {"shared_prefix_tokens_est", false,
     [](dom::element v, auto& m) { return Set(v, m.shared_prefix_tokens_est); }},
}};
constexpr std::array<Field<TokenUsage>, 3> kUsage{{
    {"prompt_tokens", true, [](dom::element v, auto& u) { return Set(v, u.prompt_tokens); }},
    {"completion_tokens", true,
     [](dom::element v, auto& u) { return Set(v, u.completion_tokens); }},
    {"cached_tokens", false, [](dom::element v, auto& u) { return Set(v, u.cached_tokens); }},
}};
constexpr std::array<Field<RequestStamps>, 11> kStamps{{
    {"scheduled", false, [](dom::element v, auto& s) { return Set(v, s.scheduled); }},
    {"issued", false, [](dom::element v, auto& s) { return Set(v, s.issued); }},
    {"sent_first", false, [](dom::element v, auto& s) { return Set(v, s.sent_first); }},
    {"sent_last", false, [](dom::element v, auto& s) { return Set(v, s.sent_last); }},
    {"header", false, [](dom::element v, auto& s) { return Set(v, s.header); }},
    {"first_event", false, [](dom::element v, auto& s) { return Set(v, s.first_event); }},
    {"first_text", false, [](dom::element v, auto& s) { return Set(v, s.first_text); }},
    {"last_text", false, [](dom::element v, auto& s) { return Set(v, s.last_text); }},
    {"usage", false, [](dom::element v, auto& s) { return Set(v, s.usage); }},
    {"done", false, [](dom::element v, auto& s) { return Set(v, s.done); }},
    {"closed", false, [](dom::element v, auto& s) { return Set(v, s.closed); }},
}};

bool SetVersion(dom::element value, RequestRecord& /*unused*/) {
  int version = 0;
  return Set(value, version) && version == 1;
}

bool SetOutcome(dom::element value, RequestRecord& r) {
  std::string_view name;
  if (value.get(name) != simdjson::SUCCESS) return false;
  const auto outcome = FindOutcome(name);
  if (outcome) r.outcome = *outcome;
  return outcome.has_value();
}

bool SetHints(dom::element value, RequestRecord& r) {
  dom::object object;
  if (value.get(object) != simdjson::SUCCESS) return false;
  for (const auto field : object) {
    if (!Set(field.value, r.header_hints[std::string(field.key)])) return false;
  }
  return true;
}

bool SetUsage(dom::element value, RequestRecord& r) {
  if (value.is_null()) return true;
  r.usage.emplace();
  return ReadObject(value, kUsage, *r.usage);
}

bool SetChunks(dom::element value, RequestRecord& r) {
  dom::array chunks;
  if (value.get(chunks) != simdjson::SUCCESS) return false;
  r.chunks.reserve(chunks.size());
  for (const dom::element element : chunks) {
    dom::array parts;
    if (element.get(parts) != simdjson::SUCCESS || parts.size() != 3) return false;
    ChunkStamp& chunk = r.chunks.emplace_back();
    auto part = parts.begin();
    if (!Set(*part, chunk.at) || !Set(*++part, chunk.bytes) || !Set(*++part, chunk.text_events))
      return false;
  }
  return true;
}

template <class T, std::size_t N>
bool SetIfAny(dom::element value, const std::array<Field<T>, N>& table, T& into) {
  return value.is_null() || ReadObject(value, table, into);
}

#define KVTIER_VALUE(member) [](dom::element v, RequestRecord& r) { return Set(v, r.member); }
#define KVTIER_OR_NULL(member) [](dom::element v, RequestRecord& r) { return SetOr(v, r.member); }

constexpr std::array<Field<RequestRecord>, 39> kRow{{
    {"schema_version", true, SetVersion},
    {"request_index", true, KVTIER_VALUE(request_index)},
    {"phase", true, KVTIER_VALUE(phase)},
    {"phase_request_index", true, KVTIER_VALUE(phase_request_index)},
    {"worker_idx", true, KVTIER_VALUE(worker_idx)},
    {"start_ts", true, KVTIER_VALUE(start_utc)},
    {"end_ts", true, KVTIER_VALUE(end_utc)},
    {"http_status", true, KVTIER_VALUE(http_status)},
    {"request_id", false, KVTIER_OR_NULL(request_id)},
    {"response_id", false, KVTIER_OR_NULL(response_id)},
    {"response_model", false, KVTIER_OR_NULL(response_model)},
    {"prompt_id", true, KVTIER_VALUE(planned.prompt_id)},
    {"prompt_set", true, KVTIER_VALUE(planned.prompt_set)},
    {"prompt_target_tokens", true, KVTIER_VALUE(planned.target_tokens)},
    {"prompt_tokens_est", true, KVTIER_VALUE(planned.prompt_tokens_est)},
    {"prompt_sha256", true, KVTIER_VALUE(planned.identity.prompt_sha256)},
    {"generation_params_sha256", true, KVTIER_VALUE(planned.identity.generation_params_sha256)},
    {"request_identity_sha256", true, KVTIER_VALUE(planned.identity.request_identity_sha256)},
    {"request_payload_sha256", true, KVTIER_VALUE(planned.identity.request_payload_sha256)},
    {"request_extras_sha256", false, KVTIER_OR_NULL(planned.identity.request_extras_sha256)},
    {"generation_params", true,
     [](dom::element v, RequestRecord& r) { return ReadObject(v, kParams, r.planned.params); }},
    {"request_extras", false,
     [](dom::element v, RequestRecord& r) { return SetIfAny(v, kExtras, r.planned.extras); }},
    {"prompt_metadata", false,
     [](dom::element v, RequestRecord& r) { return SetIfAny(v, kMetadata, r.planned.metadata); }},
    {"prefix_hash", false, KVTIER_VALUE(planned.prefix_hash)},
    {"session_id", false, KVTIER_VALUE(planned.session_id)},
    {"arrival_offset_ns", false, KVTIER_VALUE(planned.arrival_offset_ns)},
    {"after", false, KVTIER_VALUE(planned.after)},
    {"think_time_ns", false, KVTIER_VALUE(planned.think_time_ns)},
    {"outcome", true, SetOutcome},
    {"error", false, KVTIER_OR_NULL(error)},
    {"stream_first_event_type", false, KVTIER_OR_NULL(first_event_type)},
    {"stream_error", false, KVTIER_OR_NULL(stream_error)},
    {"response_header_hints", true, SetHints},
    {"output_sha256", false, KVTIER_OR_NULL(output_sha256)},
    {"output_text", false, KVTIER_OR_NULL(text)},
    {"finish_reason", false, KVTIER_OR_NULL(finish_reason)},
    {"usage", false, SetUsage},
    {"stamps", true,
     [](dom::element v, RequestRecord& r) { return ReadObject(v, kStamps, r.stamps); }},
    {"chunks", true, SetChunks},
}};
#undef KVTIER_VALUE
#undef KVTIER_OR_NULL

/// What no rule looks at takes most of the memory of a long answer.
constexpr auto kRowForRules = [] {
  auto table = kRow;
  for (auto& field : table) {
    for (const std::string_view key :
         {"chunks", "response_header_hints", "request_id", "response_id", "prompt_set", "end_ts",
          "request_identity_sha256", "request_payload_sha256", "prompt_metadata", "session_id",
          "stream_first_event_type"}) {
      if (field.key == key) field.read = [](dom::element, RequestRecord&) { return true; };
    }
  }
  return table;
}();

}  // namespace

struct RequestRowParser::State {
  RowDetail detail = RowDetail::kAll;
  dom::parser parser;
  std::string padded;
};

RequestRowParser::RequestRowParser(RowDetail detail) : state_(std::make_unique<State>()) {
  state_->detail = detail;
}
RequestRowParser::~RequestRowParser() = default;

std::optional<RequestRecord> RequestRowParser::ParseFast(std::string_view line) {
  std::string& padded = state_->padded;
  padded.assign(line);
  padded.append(simdjson::SIMDJSON_PADDING, '\0');
  dom::element row;
  if (state_->parser.parse(padded.data(), line.size(), false).get(row) != simdjson::SUCCESS)
    return std::nullopt;
  std::optional<RequestRecord> record(std::in_place);
  if (!ReadObject(row, state_->detail == RowDetail::kAll ? kRow : kRowForRules, *record))
    record.reset();
  return record;
}

RequestRecord RequestRowParser::Parse(std::string_view line) {
  if (auto record = ParseFast(line)) return *std::move(record);
  const auto row = nlohmann::json::parse(line, nullptr, false);
  if (row.is_discarded()) throw DataError("a row of requests.jsonl is not JSON");
  return RecordFromJson(row);
}

std::size_t ForEachLine(const std::filesystem::path& file,
                        const std::function<void(std::string_view, bool)>& take) {
  struct Close {
    void operator()(std::FILE* f) const { std::fclose(f); }
  };
  const std::unique_ptr<std::FILE, Close> in(std::fopen(file.c_str(), "re"));
  if (!in) throw IoError::FromErrno("read", file.string(), errno);
  std::size_t lines = 0;
  const auto give = [&](std::string_view line, bool whole) {
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) return;
    ++lines;
    take(line, whole);
  };
  std::string rest;  // of a line that began in an earlier piece
  std::string piece(std::size_t{1} << 18U, '\0');
  while (const std::size_t n = std::fread(piece.data(), 1, piece.size(), in.get())) {
    std::string_view left(piece.data(), n);
    for (std::size_t end = left.find('\n'); end != std::string_view::npos; end = left.find('\n')) {
      if (rest.empty()) {
        give(left.substr(0, end), true);
      } else {
        rest.append(left.substr(0, end));
        give(rest, true);
        rest.clear();
      }
      left.remove_prefix(end + 1);
    }
    rest.append(left);
  }
  if (std::ferror(in.get()) != 0) throw IoError::FromErrno("read", file.string(), errno);
  if (!rest.empty()) give(rest, false);
  return lines;
}

void ReadRequestRows(const std::filesystem::path& file, RowDetail detail,
                     const std::function<void(RequestRecord&&)>& take) {
  RequestRowParser parser(detail);
  std::size_t number = 0;
  ForEachLine(file, [&](std::string_view line, bool whole) {
    ++number;
    if (!whole && nlohmann::json::parse(line, nullptr, false).is_discarded()) return;
    try {
      take(parser.Parse(line));
    } catch (const DataError& e) {
      throw DataError(fmt::format("{}: {} (row {})", file.string(), e.what(), number));
    }
  });
}

}  // namespace kvtier
