// Qwen-Bailian usage traces: seconds, 16-token blocks, whole prompts, a chat that names the one it
// goes on from.
#include <unordered_map>

#include <fmt/format.h>

#include "workloads/traces/trace_reader.hpp"

namespace kvtier {
namespace {

using nlohmann::json;

constexpr int kBailianBlock = 16;

class BailianReader : public TraceReader {
 public:
  void Line(std::string_view line, const TracePlace& place) override {
    const json row = TraceObject(line, place);
    static const std::vector<std::string_view> keys{"chat_id",      "parent_chat_id", "timestamp",
                                                    "input_length", "output_length",  "type",
                                                    "turn",         "hash_ids"};
    CheckTraceKeys(row, keys, place);
    TraceRequest r;
    r.block_tokens = kBailianBlock;
    r.timestamp_ms = TraceTimeMs(row, "timestamp", "seconds", place);
    r.input_length = TraceLength(row, "input_length", 1, place);
    r.output_length = TraceLength(row, "output_length", 0, place);
    r.hash_ids = TraceIds(row, "hash_ids", place);
    const auto complete = static_cast<std::uint64_t>(r.input_length / kBailianBlock);
    const auto started =
        static_cast<std::uint64_t>((r.input_length + kBailianBlock - 1) / kBailianBlock);
    if (r.hash_ids.size() != started && r.hash_ids.size() != complete) {
      place.Fail(fmt::format("{} hash_ids for an input of {} tokens: {} blocks of {} are started",
                             r.hash_ids.size(), r.input_length, started, kBailianBlock));
    }
    r.session_id = Root(row, place);
    if (row.contains("type")) r.tenant = TraceName(row, "type", place);
    requests_.push_back(std::move(r));
  }

  void End() override { SortByTime(true); }

 private:
  /// The chat that began the conversation. -1: this one did.
  std::string Root(const json& row, const TracePlace& place) {
    const std::string chat = TraceName(row, "chat_id", place);
    const std::string parent =
        row.contains("parent_chat_id") ? TraceName(row, "parent_chat_id", place) : "-1";
    std::string root = chat;
    if (parent != "-1") {
      const auto known = root_.find(parent);
      root = known == root_.end() ? parent : known->second;  // began before the trace
    }
    if (!root_.emplace(chat, root).second)
      place.Fail(fmt::format("chat_id {} is there a second time", chat));
    return root;
  }
  std::unordered_map<std::string, std::string> root_;  // by chat
};

}  // namespace

std::unique_ptr<TraceReader> MakeBailianReader() {
  return std::make_unique<BailianReader>();
}

}  // namespace kvtier
