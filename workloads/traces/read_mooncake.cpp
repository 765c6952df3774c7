// Mooncake JSONL, and its dialect of sessions: aliases of keys, a delay in place of a timestamp,
// and lengths of later turns that count what the turn adds.
#include <unordered_map>

#include <fmt/format.h>

#include "workloads/traces/session_blocks.hpp"
#include "workloads/traces/trace_reader.hpp"

namespace kvtier {
namespace {

using nlohmann::json;

const std::vector<std::string_view>& MooncakeKeys() {
  static const std::vector<std::string_view> keys{
      "timestamp",     "created_time",  "input_length", "input_tokens",
      "output_length", "output_tokens", "hash_ids",     "session_id",
      "delay",         "delay_ms",      "group_id",     "is_restart",
      "text_input",    "messages",      "tools",        "extra"};
  return keys;
}

/// The one of two names that the row uses; the first where it uses neither.
std::string Alias(const json& row, const char* name, const char* other, const TracePlace& place) {
  if (row.contains(name) && row.contains(other))
    place.Fail(fmt::format("{} and {} are the same key: give one", name, other));
  return row.contains(other) ? other : name;
}

class MooncakeReader : public TraceReader {
 public:
  explicit MooncakeReader(int block_tokens) : block_tokens_(block_tokens) {}

  void Line(std::string_view line, const TracePlace& place) override {
    const json row = TraceObject(line, place);
    CheckTraceKeys(row, MooncakeKeys(), place);
    TraceRequest r;
    r.block_tokens = block_tokens_;
    r.input_length = TraceLength(row, Alias(row, "input_length", "input_tokens", place), 1, place);
    r.output_length =
        TraceLength(row, Alias(row, "output_length", "output_tokens", place), 1, place);
    if (row.contains("session_id")) r.session_id = TraceName(row, "session_id", place);
    if (row.contains("group_id")) r.tenant = TraceName(row, "group_id", place);
    const auto known = sessions_.find(r.session_id);
    if (!r.session_id.empty() && known != sessions_.end()) {
      LaterTurn(row, known->second, r, place);
    } else {
      FirstTurn(row, r, place);
    }
    requests_.push_back(std::move(r));
  }

  void End() override { SortByTime(false); }

 private:
  void FirstTurn(const json& row, TraceRequest& r, const TracePlace& place) {
    if (const auto key = Alias(row, "delay", "delay_ms", place); row.contains(key))
      place.Fail(
          fmt::format("{} has nothing to count from: it is no later turn of a session", key));
    r.timestamp_ms =
        TraceTimeMs(row, Alias(row, "timestamp", "created_time", place), "milliseconds", place);
    r.hash_ids = Ids(row, r, place);
    if (r.session_id.empty()) {
      // A file of sessions may be grouped by them; one without is in the order of time.
      if (r.timestamp_ms < last_ms_) place.Fail("timestamps must ascend");
      last_ms_ = r.timestamp_ms;
    } else {
      sessions_.emplace(r.session_id, SessionBlocks(r.session_id, block_tokens_))
          .first->second.Begin(r);
    }
  }

  void LaterTurn(const json& row, SessionBlocks& session, TraceRequest& r,
                 const TracePlace& place) {
    const std::string time = Alias(row, "timestamp", "created_time", place);
    const std::string delay = Alias(row, "delay", "delay_ms", place);
    if (row.contains(time) == row.contains(delay))
      place.Fail("a later turn of a session has either timestamp or delay");
    if (row.contains(delay)) {
      r.delay_ms = TraceTimeMs(row, delay, "milliseconds", place);
      r.timestamp_ms = session.timestamp_ms() + *r.delay_ms;
    } else {
      r.timestamp_ms = TraceTimeMs(row, time, "milliseconds", place);
      if (r.timestamp_ms < session.timestamp_ms())
        place.Fail("a turn is earlier than the one before it in its session");
    }
    if (row.contains("hash_ids")) Ids(row, r, place);  // of what it adds: its place is unknown
    if (session.context_tokens() + r.input_length > kLongestTraceInput)
      place.Fail(fmt::format("the session's prompt grows beyond {} tokens", kLongestTraceInput));
    session.Continue(r);
  }

  std::vector<std::uint64_t> Ids(const json& row, const TraceRequest& r, const TracePlace& place) {
    auto ids = TraceIds(row, "hash_ids", place);
    const auto started =
        static_cast<std::uint64_t>((r.input_length + block_tokens_ - 1) / block_tokens_);
    if (ids.size() != started) {
      place.Fail(fmt::format("{} hash_ids for an input of {} tokens: {} blocks of {} are started",
                             ids.size(), r.input_length, started, block_tokens_));
    }
    return ids;
  }

  int block_tokens_;
  double last_ms_ = 0;
  std::unordered_map<std::string, SessionBlocks> sessions_;
};

}  // namespace

std::unique_ptr<TraceReader> MakeMooncakeReader(const TraceFileOptions& options) {
  return std::make_unique<MooncakeReader>(options.block_tokens);
}

}  // namespace kvtier
