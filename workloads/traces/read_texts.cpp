// Messages as a client sends them, and our own request manifests: what prompts share follows from
// equal text or equal hashes.
#include <algorithm>
#include <cmath>
#include <unordered_map>

#include <fmt/format.h>

#include "harness/core/rng.hpp"
#include "workloads/traces/trace_reader.hpp"

namespace kvtier {
namespace {

using nlohmann::json;

std::uint64_t ChainedId(std::uint64_t before, std::string_view bytes) {
  return Rng::Stream(before, bytes).Next();
}

/// Role and text of each message, as one text. Content is a text or a list of parts with one.
std::string TextOf(const json& messages, const TracePlace& place) {
  if (!messages.is_array() || messages.empty()) place.Fail("messages must be a list, not empty");
  std::string text;
  for (const json& m : messages) {
    if (!m.is_object() || !m.contains("role") || !m.at("role").is_string() ||
        !m.contains("content"))
      place.Fail("each of messages must have a role and a content");
    text += m.at("role").get_ref<const std::string&>() + "\n";
    const json& content = m.at("content");
    if (content.is_string()) {
      text += content.get_ref<const std::string&>();
    } else if (content.is_array()) {
      for (const json& part : content) {
        if (!part.is_object() || !part.contains("text") || !part.at("text").is_string())
          place.Fail("a part of a content must have a text");
        text += part.at("text").get_ref<const std::string&>();
      }
    } else if (!content.is_null()) {  // of a message that only calls tools
      place.Fail("content must be a text, a list of parts, or null");
    }
    text += "\n";
  }
  return text;
}

class MessagesReader : public TraceReader {
 public:
  explicit MessagesReader(const TraceFileOptions& options)
      : block_tokens_(options.block_tokens), bytes_per_token_(options.bytes_per_token) {
    notes_.emplace_back(fmt::format("lengths are estimated: {} bytes a token", bytes_per_token_));
  }

  void Line(std::string_view line, const TracePlace& place) override {
    const json row = TraceObject(line, place);
    static const std::vector<std::string_view> keys{
        "messages",   "input", "session_id", "timestamp", "pre_gap", "output_length",
        "max_tokens", "model", "tools",      "group_id",  "extra"};
    CheckTraceKeys(row, keys, place);
    if (row.contains("messages") == row.contains("input"))
      place.Fail("either messages or input must be there");
    const std::string text = TextOf(row.at(row.contains("messages") ? "messages" : "input"), place);
    TraceRequest r;
    r.block_tokens = block_tokens_;
    r.input_length =
        static_cast<std::int64_t>(std::ceil(static_cast<double>(text.size()) / bytes_per_token_));
    if (r.input_length > kLongestTraceInput)
      place.Fail(fmt::format("the messages have more than {} tokens", kLongestTraceInput));
    r.output_length =
        TraceLength(row, row.contains("max_tokens") ? "max_tokens" : "output_length", 1, place);
    const auto started =
        static_cast<std::size_t>((r.input_length + block_tokens_ - 1) / block_tokens_);
    const double block_bytes = bytes_per_token_ * block_tokens_;
    for (std::size_t k = 0; k < started; ++k) {
      const auto at = [&](std::size_t i) {
        return std::min(text.size(), static_cast<std::size_t>(
                                         std::llround(block_bytes * static_cast<double>(i))));
      };
      r.hash_ids.push_back(ChainedId(r.hash_ids.empty() ? 0 : r.hash_ids.back(),
                                     std::string_view(text).substr(at(k), at(k + 1) - at(k))));
    }
    if (row.contains("session_id")) r.session_id = TraceName(row, "session_id", place);
    if (row.contains("group_id")) r.tenant = TraceName(row, "group_id", place);
    Time(row, r, place);
    requests_.push_back(std::move(r));
  }

  void End() override { SortByTime(false); }

 private:
  void Time(const json& row, TraceRequest& r, const TracePlace& place) {
    if (row.contains("timestamp") && row.contains("pre_gap"))
      place.Fail("timestamp and pre_gap say the same: give one");
    double& last = last_ms_[r.session_id];
    if (row.contains("timestamp")) {
      r.timestamp_ms = TraceTimeMs(row, "timestamp", "milliseconds", place);
    } else if (row.contains("pre_gap")) {
      r.delay_ms = TraceTimeMs(row, "pre_gap", "seconds", place);
      r.timestamp_ms = last + *r.delay_ms;
    } else {
      r.timestamp_ms = last;
    }
    last = r.timestamp_ms;
  }
  int block_tokens_;
  double bytes_per_token_;
  std::unordered_map<std::string, double> last_ms_;  // by session
};

class ManifestReader : public TraceReader {
 public:
  explicit ManifestReader(int block_tokens) : block_tokens_(block_tokens) {
    notes_.emplace_back("a request manifest tells no output lengths: 1 is taken");
  }

  void Line(std::string_view line, const TracePlace& place) override {
    const json row = TraceObject(line, place);
    if (row.contains("schema_version") && TraceLength(row, "schema_version", 1, place) != 1)
      place.Fail("schema_version must be 1");
    const std::string phase = TraceName(row, "phase", place);
    const std::string prompt = TraceName(row, "prompt_sha256", place);
    TraceRequest r;
    r.block_tokens = block_tokens_;
    r.input_length = TraceLength(row, "prompt_tokens_est", 1, place);
    r.output_length = 1;
    r.tenant = phase;
    if (row.contains("session_id")) r.session_id = TraceName(row, "session_id", place);
    if (phase != phase_) {
      phase_ = phase;
      begin_ms_ = last_ms_;
    }
    if (row.contains("arrival_offset_ns") && !row.at("arrival_offset_ns").is_null()) {
      const json& offset = row.at("arrival_offset_ns");
      if (!offset.is_number_unsigned() || offset.get<std::uint64_t>() > 1'000'000'000'000'000'000)
        place.Fail("arrival_offset_ns must be a whole number from 0 to 1e18");
      last_ms_ = std::max(last_ms_, begin_ms_ + offset.get<double>() / 1e6);
    }
    r.timestamp_ms = last_ms_;
    Ids(row, prompt, r, place);
    requests_.push_back(std::move(r));
  }

 private:
  /// Blocks within a prefix that the plan names are those of the prefix, the rest the prompt's.
  void Ids(const json& row, const std::string& prompt, TraceRequest& r, const TracePlace& place) {
    std::int64_t shared = 0;
    std::string prefix;
    if (row.contains("prefix_hash") && row.contains("prompt_metadata") &&
        row.at("prompt_metadata").is_object() &&
        row.at("prompt_metadata").contains("shared_prefix_tokens_est")) {
      prefix = TraceName(row, "prefix_hash", place);
      shared = TraceLength(row.at("prompt_metadata"), "shared_prefix_tokens_est", 0, place);
    }
    const std::int64_t started = (r.input_length + block_tokens_ - 1) / block_tokens_;
    for (std::int64_t k = 0; k < started; ++k) {
      const bool of_prefix = (k + 1) * block_tokens_ <= shared;
      r.hash_ids.push_back(
          ChainedId(static_cast<std::uint64_t>(k), of_prefix ? "prefix " + prefix : prompt));
    }
  }
  int block_tokens_;
  std::string phase_;
  double begin_ms_ = 0, last_ms_ = 0;
};

}  // namespace

std::unique_ptr<TraceReader> MakeMessagesReader(const TraceFileOptions& options) {
  return std::make_unique<MessagesReader>(options);
}
std::unique_ptr<TraceReader> MakeManifestReader(const TraceFileOptions& options) {
  return std::make_unique<ManifestReader>(options.block_tokens);
}

}  // namespace kvtier
