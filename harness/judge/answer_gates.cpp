#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "harness/judge/answers.hpp"
#include "harness/judge/gates.hpp"

namespace kvtier {
namespace {

bool TemperatureZero(const LegEvidence& leg) {
  return std::all_of(leg.records.begin(), leg.records.end(),
                     [](const RequestRecord& r) { return r.planned.params.temperature == 0.0; });
}

/// Neither side kept its text or a hash of it: nothing to compare.
bool Comparable(const RequestRecord& a, const RequestRecord& b) {
  return (!a.text.empty() && !b.text.empty()) ||
         (!a.output_sha256.empty() && !b.output_sha256.empty());
}

bool SameAnswer(const RequestRecord& a, const RequestRecord& b) {
  if (!a.text.empty() && !b.text.empty()) return a.text == b.text;
  return a.output_sha256 == b.output_sha256;
}

/// The texts themselves stay out: they may be cut inside a character.
std::string DifferenceText(const RequestRecord& before, const RequestRecord& after) {
  if (before.text.empty() || after.text.empty()) return "the hashes of the answers differ";
  const auto [at, unused] =
      std::mismatch(before.text.begin(), before.text.end(), after.text.begin(), after.text.end());
  return fmt::format("{} against {} bytes, different from byte {} on", after.text.size(),
                     before.text.size(), at - before.text.begin() + 1);
}

Findings FindingsOf(const AnswerAgreement& a, const std::string& run_id, bool must_compare) {
  if (a.mismatched > 0) {
    return {MakeFinding(a.gated ? Reason::kAnswerMismatch : Reason::kAnswersDiffer, run_id, "",
                        fmt::format("{} of {} repeated requests gave another text, first {}",
                                    a.mismatched, a.compared, a.first_mismatch))};
  }
  if (a.gated && must_compare && a.compared == 0) {
    return {MakeFinding(Reason::kAnswersNotCompared, run_id, "",
                        "no request has an earlier answer to the same prompt")};
  }
  return {};
}

/// Calls `both` for each request that both legs answered.
template <class Both>
void ForEachCommon(const LegAnswers& a, const LegAnswers& b, Both both) {
  auto in_b = b.rows.begin();
  for (const LegAnswers::Row& row : a.rows) {
    while (in_b != b.rows.end() && in_b->key < row.key) ++in_b;
    if (in_b == b.rows.end()) return;
    if (in_b->key == row.key) both(row, *in_b);
  }
}

}  // namespace

AnswerAgreement CompareAnswers(const LegEvidence& leg) {
  AnswerAgreement agreement;
  agreement.gated = leg.deterministic && TemperatureZero(leg);
  std::vector<std::pair<Hash128, const RequestRecord*>> answers;
  for (const RequestRecord& r : leg.records) {
    if (r.outcome == Outcome::kOk && !r.planned.identity.prompt_sha256.empty())
      answers.emplace_back(RequestKeyOf(r), &r);
  }
  std::stable_sort(answers.begin(), answers.end(), [](const auto& x, const auto& y) {
    return x.first != y.first ? x.first < y.first
                              : x.second->request_index < y.second->request_index;
  });
  const RequestRecord *first = nullptr, *wrong = nullptr, *right = nullptr;
  for (std::size_t i = 0; i < answers.size(); ++i) {
    const RequestRecord& r = *answers[i].second;
    if (i == 0 || answers[i].first != answers[i - 1].first) {
      first = &r;
      continue;
    }
    if (!Comparable(*first, r)) continue;
    ++agreement.compared;
    if (SameAnswer(*first, r)) continue;
    ++agreement.mismatched;
    if (wrong != nullptr && wrong->request_index <= r.request_index) continue;
    wrong = &r;
    right = first;
  }
  if (wrong != nullptr) {
    agreement.first_mismatch =
        fmt::format("{} in {} after {}: {}", right->planned.prompt_id, wrong->phase, right->phase,
                    DifferenceText(*right, *wrong));
  }
  return agreement;
}

AnswerAgreement CompareAnswersAcross(const LegAnswers& a, const LegAnswers& b) {
  AnswerAgreement agreement;
  agreement.gated = a.gated && b.gated;
  ForEachCommon(a, b, [&](const LegAnswers::Row& left, const LegAnswers::Row& right) {
    const bool texts = left.text_bytes > 0 && right.text_bytes > 0;
    if (!texts && !(left.has_output && right.has_output)) return;
    ++agreement.compared;
    if (texts ? left.text == right.text && left.text_bytes == right.text_bytes
              : left.output == right.output)
      return;
    if (agreement.mismatched++ > 0) return;
    agreement.first_mismatch = fmt::format(
        "{} in {} and {}: {}", a.PromptId(left), a.run_id, b.run_id,
        texts ? fmt::format("texts of {} and {} bytes differ", left.text_bytes, right.text_bytes)
              : "the hashes of the answers differ");
  });
  return agreement;
}

Findings CheckAnswers(const LegEvidence& leg) {
  const bool must_compare = HeadlinePhase(leg) != nullptr || leg.scenario == "reuse_verify";
  return FindingsOf(CompareAnswers(leg), leg.run_id, must_compare);
}

Findings CheckAnswersAcross(const LegAnswers& a, const LegAnswers& b) {
  Findings out = FindingsOf(CompareAnswersAcross(a, b), b.run_id, true);
  for (Finding& f : out) {
    if (f.reason == Reason::kAnswersNotCompared) {
      f.detail = fmt::format("{} and {} have no answered request in common", a.run_id, b.run_id);
    }
  }
  return out;
}

Findings CheckLengthsAcross(const LegAnswers& a, const LegAnswers& b) {
  std::size_t compared = 0, different = 0;
  std::string example;
  ForEachCommon(a, b, [&](const LegAnswers::Row& left, const LegAnswers::Row& right) {
    if (left.completion_tokens < 0 || right.completion_tokens < 0) return;
    ++compared;
    if (left.completion_tokens == right.completion_tokens || different++ > 0) return;
    example = fmt::format("{}: {} tokens in {}, {} in {}", a.PromptId(left), left.completion_tokens,
                          a.run_id, right.completion_tokens, b.run_id);
  });
  if (different == 0) return {};
  return {MakeFinding(
      Reason::kOutputLengthMismatch, b.run_id, "",
      fmt::format("{} of {} requests generated different lengths in both arms, first {}", different,
                  compared, example))};
}

Findings CheckSameWork(const LegAnswers& a, const LegAnswers& b) {
  Findings out;
  if (a.model_id != b.model_id) {
    out.push_back(MakeFinding(
        Reason::kWrongModel, b.run_id, "",
        fmt::format("{} asked {}, {} asked {}", a.run_id,
                    a.model_id.empty() ? "a model that was not recorded" : a.model_id, b.run_id,
                    b.model_id.empty() ? "a model that was not recorded" : b.model_id)));
  }
  for (const auto& [phase, sent] : a.sent) {
    const auto other = b.sent.find(phase);
    if (other == b.sent.end() || other->second == sent) continue;
    out.push_back(
        MakeFinding(Reason::kReplayPromptsChanged, b.run_id, phase,
                    fmt::format("{} sent {} requests and {} sent {}, and they are not the same",
                                a.run_id, sent.count, b.run_id, other->second.count)));
  }
  return out;
}

}  // namespace kvtier
