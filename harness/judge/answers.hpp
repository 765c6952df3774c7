#pragma once
#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "harness/judge/evidence.hpp"
#include "harness/judge/reason.hpp"

/// What two legs are compared by, request by request, without their rows: some 90 bytes a distinct
/// request, so that a campaign of any size is judged with the rows of one leg in memory.
namespace kvtier {

/// Two independent 64-bit hashes: equal for equal texts, and for others never within a campaign
/// (n^2 / 2^129 for n requests).
struct Hash128 {
  std::uint64_t a = 0, b = 0;
  auto operator<=>(const Hash128&) const = default;
};
Hash128 HashText(std::string_view text);
/// Requests with the same key must be answered alike: prompt, sampling, extras.
Hash128 RequestKeyOf(const RequestRecord& record);

/// Collects one text a request of a phase and makes one RequestSequence of them.
class SequenceBuilder {
 public:
  void Add(int phase_request_index, std::string text) {
    rows_.emplace_back(phase_request_index, std::move(text));
  }
  RequestSequence Finish() &&;

 private:
  std::vector<std::pair<int, std::string>> rows_;
};
/// Prompts that were sent, by phase; comparable with LegEvidence::planned_prompts.
std::map<std::string, RequestSequence> SentPrompts(const LegEvidence& leg);

/// The first ok answer to each distinct request of a leg, and what was asked in each phase.
struct LegAnswers {
  struct Row {
    Hash128 key;
    Hash128 text;                         // of the text itself, where it was kept
    Hash128 output;                       // of output_sha256, where that was kept
    std::uint32_t text_bytes = 0;         // 0: the text was not kept
    bool has_output = false;              // output_sha256 was kept
    std::int64_t completion_tokens = -1;  // -1: usage was not stated
    std::uint32_t prompt_id = 0;          // where it begins in `prompt_ids`
  };
  std::string run_id, model_id;
  bool gated = false;                           // deterministic stack and temperature 0
  std::vector<Row> rows;                        // by key
  std::string prompt_ids;                       // each ends with a zero byte
  std::map<std::string, RequestSequence> sent;  // prompt, sampling and extras, by phase

  std::string_view PromptId(const Row& row) const { return prompt_ids.c_str() + row.prompt_id; }
};
LegAnswers AnswersOf(const LegEvidence& leg);

}  // namespace kvtier
