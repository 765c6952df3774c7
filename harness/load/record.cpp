#include "harness/load/record.hpp"

#include <cmath>
#include <tuple>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "harness/core/error.hpp"

namespace kvtier {
namespace {

using nlohmann::json;

constexpr int kSchemaVersion = 1;

constexpr std::pair<const char*, std::optional<MonoNs> RequestStamps::*> kStampNames[] = {
    {"scheduled", &RequestStamps::scheduled},   {"issued", &RequestStamps::issued},
    {"sent_first", &RequestStamps::sent_first}, {"sent_last", &RequestStamps::sent_last},
    {"header", &RequestStamps::header},         {"first_event", &RequestStamps::first_event},
    {"first_text", &RequestStamps::first_text}, {"last_text", &RequestStamps::last_text},
    {"usage", &RequestStamps::usage},           {"done", &RequestStamps::done},
    {"closed", &RequestStamps::closed},
};

std::optional<double> SpanMs(const std::optional<MonoNs>& from, const std::optional<MonoNs>& to) {
  if (!from || !to) return std::nullopt;
  return NsToMs(*to - *from);
}

/// Milliseconds as the artifacts print them: three decimals, or null.
json MsOrNull(const std::optional<double>& ms) {
  if (!ms) return nullptr;
  return std::round(*ms * 1e3) / 1e3;
}

json TextOrNull(const std::string& text) {
  return text.empty() ? json(nullptr) : json(text);
}

std::size_t CodePoints(std::string_view utf8) {
  std::size_t count = 0;
  for (const char c : utf8) count += (static_cast<unsigned char>(c) & 0xC0u) != 0x80u;
  return count;
}

/// The heuristic of spec/workloads.md section 5.1: runs of word characters, and each other
/// character that is not blank.
std::size_t EstimateTokens(std::string_view utf8) {
  std::size_t count = 0;
  bool in_word = false;
  for (const char raw : utf8) {
    const auto c = static_cast<unsigned char>(raw);
    const bool word = c == '_' || c >= 0x80 || (c >= '0' && c <= '9') ||
                      ((c | 0x20u) >= 'a' && (c | 0x20u) <= 'z');
    const bool blank = c == ' ' || (c >= '\t' && c <= '\r');
    if (word ? !in_word : !blank) ++count;
    in_word = word;
  }
  return count;
}

json ParamsToJson(const GenerationParams& params) {
  json j{{"max_tokens", params.max_tokens},
         {"temperature", params.temperature},
         {"top_p", params.top_p},
         {"stop", params.stop},
         {"stream", params.stream}};
  if (params.seed) j["seed"] = *params.seed;
  return j;
}

json MetadataToJson(const PromptMetadata& metadata) {
  json j{{"workload", metadata.workload}, {"phase_intent", metadata.phase_intent}};
  if (metadata.session_turn_index) j["session_turn_index"] = *metadata.session_turn_index;
  if (metadata.shared_prefix_tokens_est)
    j["shared_prefix_tokens_est"] = *metadata.shared_prefix_tokens_est;
  return j;
}

json UsageToJson(const TokenUsage& usage) {
  json j{{"prompt_tokens", usage.prompt_tokens}, {"completion_tokens", usage.completion_tokens}};
  if (usage.cached_tokens) j["cached_tokens"] = *usage.cached_tokens;
  return j;
}

/// Typed access to one row that names the key in its errors.
class Row {
 public:
  explicit Row(const json& row, std::string where = "") : row_(row), where_(std::move(where)) {
    if (!row_.is_object())
      throw DataError(fmt::format("a row of requests.jsonl: {} is not an object", where_));
  }
  template <class T>
  T Get(const char* key) const {
    if (!row_.contains(key))
      throw DataError(fmt::format("a row of requests.jsonl lacks the key '{}{}'", where_, key));
    return Convert<T>(key);
  }
  /// Absent and null are both empty.
  template <class T>
  std::optional<T> Find(const char* key) const {
    if (!row_.contains(key) || row_.at(key).is_null()) return std::nullopt;
    return Convert<T>(key);
  }
  template <class T>
  T Or(const char* key, T fallback) const {
    return Find<T>(key).value_or(std::move(fallback));
  }
  const json& raw(const char* key) const {
    if (!row_.contains(key))
      throw DataError(fmt::format("a row of requests.jsonl lacks the key '{}{}'", where_, key));
    return row_.at(key);
  }
  bool Has(const char* key) const { return row_.contains(key) && !row_.at(key).is_null(); }

 private:
  template <class T>
  T Convert(const char* key) const {
    try {
      return row_.at(key).get<T>();
    } catch (const json::exception&) {
      throw DataError(fmt::format("a row of requests.jsonl has an unusable value for '{}{}': {}",
                                  where_, key, row_.at(key).dump().substr(0, 80)));
    }
  }
  const json& row_;
  std::string where_;
};

void ReadPlanned(const Row& row, PlannedRequest& planned) {
  planned.prompt_id = row.Get<std::string>("prompt_id");
  planned.prompt_set = row.Get<std::string>("prompt_set");
  planned.target_tokens = row.Get<int>("prompt_target_tokens");
  planned.prompt_tokens_est = row.Get<int>("prompt_tokens_est");
  planned.identity.prompt_sha256 = row.Get<std::string>("prompt_sha256");
  planned.identity.generation_params_sha256 = row.Get<std::string>("generation_params_sha256");
  planned.identity.request_identity_sha256 = row.Get<std::string>("request_identity_sha256");
  planned.identity.request_payload_sha256 = row.Get<std::string>("request_payload_sha256");
  planned.identity.request_extras_sha256 = row.Or<std::string>("request_extras_sha256", "");
  const Row params(row.raw("generation_params"), "generation_params.");
  planned.params.max_tokens = params.Get<int>("max_tokens");
  planned.params.temperature = params.Get<double>("temperature");
  planned.params.top_p = params.Get<double>("top_p");
  planned.params.stop = params.Get<std::vector<std::string>>("stop");
  planned.params.stream = params.Get<bool>("stream");
  planned.params.seed = params.Find<std::int64_t>("seed");
  if (row.Has("request_extras")) {
    const Row extras(row.raw("request_extras"), "request_extras.");
    planned.extras = {extras.Get<bool>("ignore_eos"), extras.Get<bool>("include_usage")};
  }
  if (row.Has("prompt_metadata")) {
    const Row metadata(row.raw("prompt_metadata"), "prompt_metadata.");
    planned.metadata.workload = metadata.Or<std::string>("workload", "");
    planned.metadata.phase_intent = metadata.Or<std::string>("phase_intent", "");
    planned.metadata.session_turn_index = metadata.Find<int>("session_turn_index");
    planned.metadata.shared_prefix_tokens_est = metadata.Find<int>("shared_prefix_tokens_est");
  }
  planned.prefix_hash = row.Find<std::string>("prefix_hash");
  planned.session_id = row.Find<std::string>("session_id");
  planned.arrival_offset_ns = row.Find<std::int64_t>("arrival_offset_ns");
  planned.after = row.Find<int>("after");
  planned.think_time_ns = row.Find<std::int64_t>("think_time_ns").value_or(0);
}

std::vector<ChunkStamp> ReadChunks(const Row& row) {
  std::vector<ChunkStamp> chunks;
  for (const auto& [at, bytes, text_events] :
       row.Get<std::vector<std::tuple<MonoNs, std::uint32_t, std::uint16_t>>>("chunks")) {
    chunks.push_back({at, bytes, text_events});
  }
  return chunks;
}

}  // namespace

std::optional<double> RequestRecord::TtfcMs() const {
  if (outcome != Outcome::kOk) return std::nullopt;
  return SpanMs(stamps.sent_first, stamps.first_text);
}

std::optional<double> RequestRecord::E2eMs() const {
  if (outcome != Outcome::kOk) return std::nullopt;
  return SpanMs(stamps.sent_first, stamps.last_text);
}

std::optional<double> RequestRecord::TtfcCoMs() const {
  if (outcome != Outcome::kOk) return std::nullopt;
  return SpanMs(stamps.scheduled, stamps.first_text);
}

std::optional<double> RequestRecord::E2eCoMs() const {
  if (outcome != Outcome::kOk) return std::nullopt;
  return SpanMs(stamps.scheduled, stamps.last_text);
}

std::optional<double> RequestRecord::TtfbMs() const {
  if (outcome != Outcome::kOk) return std::nullopt;
  return SpanMs(stamps.sent_first, stamps.header);
}

std::optional<double> RequestRecord::TtftMs() const {
  if (planned.params.stream) return TtfcMs();
  if (outcome != Outcome::kOk) return std::nullopt;
  return SpanMs(stamps.sent_first, stamps.first_event);
}

std::optional<double> RequestRecord::TpotMs() const {
  if (outcome != Outcome::kOk || !usage || usage->completion_tokens < 2) return std::nullopt;
  const auto decode = SpanMs(stamps.first_text, stamps.last_text);
  if (!decode) return std::nullopt;
  return *decode / static_cast<double>(usage->completion_tokens - 1);
}

std::optional<double> RequestRecord::LatencyMs() const {
  return SpanMs(stamps.sent_first, stamps.closed ? stamps.closed : stamps.done);
}

std::optional<double> RequestRecord::SendDelayMs() const {
  return SpanMs(stamps.scheduled, stamps.sent_first);
}

json ToJson(const RequestRecord& record) {
  const PlannedRequest& planned = record.planned;
  json row{
      {"schema_version", kSchemaVersion},
      {"request_index", record.request_index},
      {"phase", record.phase},
      {"phase_request_index", record.phase_request_index},
      {"worker_idx", record.worker_idx},
      {"start_ts", record.start_utc},
      {"end_ts", record.end_utc},
      {"request_start_ts", record.start_utc},
      {"request_end_ts", record.end_utc},
      {"latency_ms", MsOrNull(record.LatencyMs())},
      {"ttft_ms", MsOrNull(record.TtftMs())},
      {"ttfc_ms", MsOrNull(record.TtfcMs())},
      {"ttfb_ms", MsOrNull(record.TtfbMs())},
      {"status_code", record.http_status},
      {"http_status", record.http_status},
      {"request_id", TextOrNull(record.request_id)},
      {"response_id", TextOrNull(record.response_id)},
      {"response_model", TextOrNull(record.response_model)},
      {"prompt_id", planned.prompt_id},
      {"prompt_set", planned.prompt_set},
      {"prompt_target_tokens", planned.target_tokens},
      {"prompt_tokens_est", planned.prompt_tokens_est},
      {"prompt_sha256", planned.identity.prompt_sha256},
      {"generation_params_sha256", planned.identity.generation_params_sha256},
      {"request_identity_sha256", planned.identity.request_identity_sha256},
      {"request_payload_sha256", planned.identity.request_payload_sha256},
      {"request_extras_sha256", planned.identity.request_extras_sha256},
      {"generation_params", ParamsToJson(planned.params)},
      {"request_extras",
       {{"ignore_eos", planned.extras.ignore_eos},
        {"include_usage", planned.extras.include_usage}}},
      {"output_len_chars", CodePoints(record.text)},
      {"output_tokens_est", EstimateTokens(record.text)},
      {"error", TextOrNull(record.error)},
      {"stream", planned.params.stream},
      {"stream_first_event_type", TextOrNull(record.first_event_type)},
      {"stream_error", TextOrNull(record.stream_error)},
      {"response_path", nullptr},
      {"response_header_hints", record.header_hints},
      {"max_tokens_effective", planned.params.max_tokens},
      {"outcome", OutcomeName(record.outcome)},
      {"output_sha256", TextOrNull(record.output_sha256)},
      {"output_text", record.text},
      {"finish_reason", TextOrNull(record.finish_reason)},
      {"usage", record.usage ? UsageToJson(*record.usage) : json(nullptr)},
  };
  if (!planned.metadata.workload.empty()) row["prompt_metadata"] = MetadataToJson(planned.metadata);
  if (planned.prefix_hash) row["prefix_hash"] = *planned.prefix_hash;
  if (planned.session_id) row["session_id"] = *planned.session_id;
  if (planned.metadata.session_turn_index)
    row["session_turn_index"] = *planned.metadata.session_turn_index;
  if (planned.arrival_offset_ns) row["arrival_offset_ns"] = *planned.arrival_offset_ns;
  if (planned.after) {
    row["after"] = *planned.after;
    row["think_time_ns"] = planned.think_time_ns;
  }
  json stamps = json::object();
  for (const auto& [name, member] : kStampNames) {
    if (const auto& at = record.stamps.*member) stamps[name] = *at;
  }
  row["stamps"] = std::move(stamps);
  json chunks = json::array();
  for (const auto& chunk : record.chunks)
    chunks.push_back(json::array({chunk.at, chunk.bytes, chunk.text_events}));
  row["chunks"] = std::move(chunks);
  return row;
}

RequestRecord RecordFromJson(const json& value) {
  const Row row(value);
  if (const int version = row.Get<int>("schema_version"); version != kSchemaVersion) {
    throw DataError(
        fmt::format("a row of requests.jsonl has schema_version {}; this program reads {}", version,
                    kSchemaVersion));
  }
  RequestRecord record;
  record.request_index = row.Get<int>("request_index");
  record.phase = row.Get<std::string>("phase");
  record.phase_request_index = row.Get<int>("phase_request_index");
  record.worker_idx = row.Get<int>("worker_idx");
  record.start_utc = row.Get<std::string>("start_ts");
  record.end_utc = row.Get<std::string>("end_ts");
  record.http_status = row.Get<int>("http_status");
  record.request_id = row.Or<std::string>("request_id", "");
  record.response_id = row.Or<std::string>("response_id", "");
  record.response_model = row.Or<std::string>("response_model", "");
  ReadPlanned(row, record.planned);
  const auto name = row.Get<std::string>("outcome");
  const auto outcome = FindOutcome(name);
  if (!outcome)
    throw DataError(fmt::format("a row of requests.jsonl has the unknown 'outcome' \"{}\"", name));
  record.outcome = *outcome;
  record.error = row.Or<std::string>("error", "");
  record.first_event_type = row.Or<std::string>("stream_first_event_type", "");
  record.stream_error = row.Or<std::string>("stream_error", "");
  record.header_hints = row.Get<std::map<std::string, std::string>>("response_header_hints");
  record.output_sha256 = row.Or<std::string>("output_sha256", "");
  record.text = row.Or<std::string>("output_text", "");
  record.finish_reason = row.Or<std::string>("finish_reason", "");
  if (row.Has("usage")) {
    const Row usage(row.raw("usage"), "usage.");
    record.usage = TokenUsage{usage.Get<std::int64_t>("prompt_tokens"),
                              usage.Get<std::int64_t>("completion_tokens"),
                              usage.Find<std::int64_t>("cached_tokens")};
  }
  const Row stamps(row.raw("stamps"), "stamps.");
  for (const auto& [stamp, member] : kStampNames)
    record.stamps.*member = stamps.Find<MonoNs>(stamp);
  record.chunks = ReadChunks(row);
  return record;
}

}  // namespace kvtier
