#include "harness/judge/answers.hpp"

#include <algorithm>
#include <functional>

#include <fmt/format.h>

#include "harness/core/files.hpp"

namespace kvtier {
namespace {

/// FNV-1a (Fowler, Noll, Vo), 64 bits.
std::uint64_t Fnv1a(std::string_view text) {
  std::uint64_t h = 0xcbf29ce484222325U;
  for (const char c : text) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  return h;
}

std::string Spelled(const RequestIdentity& id) {
  return fmt::format("{}\n{}\n{}", id.prompt_sha256, id.generation_params_sha256,
                     id.request_extras_sha256);
}

std::map<std::string, RequestSequence> Sequences(
    const LegEvidence& leg, const std::function<std::string(const RequestRecord&)>& of) {
  std::map<std::string, SequenceBuilder> by_phase;
  for (const RequestRecord& r : leg.records) by_phase[r.phase].Add(r.phase_request_index, of(r));
  std::map<std::string, RequestSequence> out;
  for (auto& [phase, builder] : by_phase) out[phase] = std::move(builder).Finish();
  return out;
}

}  // namespace

Hash128 HashText(std::string_view text) {
  return {Fnv1a(text), std::hash<std::string_view>{}(text)};
}

Hash128 RequestKeyOf(const RequestRecord& record) {
  return HashText(Spelled(record.planned.identity));
}

RequestSequence SequenceBuilder::Finish() && {
  std::sort(rows_.begin(), rows_.end());
  std::string text;
  for (const auto& [index, row] : rows_) text += fmt::format("{} {}\n", index, row);
  return {rows_.size(), Sha256Hex(text)};
}

std::map<std::string, RequestSequence> SentPrompts(const LegEvidence& leg) {
  return Sequences(leg, [](const RequestRecord& r) { return r.planned.identity.prompt_sha256; });
}

LegAnswers AnswersOf(const LegEvidence& leg) {
  LegAnswers out;
  out.run_id = leg.run_id;
  out.model_id = leg.model_id;
  out.gated = leg.deterministic;
  out.sent = Sequences(leg, [](const RequestRecord& r) { return Spelled(r.planned.identity); });
  struct First {
    Hash128 key;
    const RequestRecord* record;
  };
  std::vector<First> found;
  for (const RequestRecord& r : leg.records) {
    out.gated = out.gated && r.planned.params.temperature == 0.0;
    if (r.outcome == Outcome::kOk && !r.planned.identity.prompt_sha256.empty())
      found.push_back({RequestKeyOf(r), &r});
  }
  std::stable_sort(found.begin(), found.end(), [](const First& x, const First& y) {
    return x.key != y.key ? x.key < y.key : x.record->request_index < y.record->request_index;
  });
  const auto last = std::unique(found.begin(), found.end(),
                                [](const First& x, const First& y) { return x.key == y.key; });
  out.rows.reserve(static_cast<std::size_t>(last - found.begin()));
  for (auto it = found.begin(); it != last; ++it) {
    const RequestRecord& r = *it->record;
    LegAnswers::Row row;
    row.key = it->key;
    row.text_bytes = static_cast<std::uint32_t>(r.text.size());
    if (!r.text.empty()) row.text = HashText(r.text);
    row.has_output = !r.output_sha256.empty();
    if (row.has_output) row.output = HashText(r.output_sha256);
    if (r.usage) row.completion_tokens = r.usage->completion_tokens;
    row.prompt_id = static_cast<std::uint32_t>(out.prompt_ids.size());
    out.prompt_ids += r.planned.prompt_id;
    out.prompt_ids += '\0';
    out.rows.push_back(row);
  }
  out.prompt_ids.shrink_to_fit();
  return out;
}

}  // namespace kvtier
