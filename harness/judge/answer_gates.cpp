#include <algorithm>
#include <map>
#include <tuple>

#include <fmt/format.h>

#include "harness/judge/gates.hpp"

namespace kvtier {
namespace {

/// Requests with the same key must be answered alike: prompt, sampling, extras.
using RequestKey = std::tuple<std::string, std::string, std::string>;

RequestKey KeyOf(const RequestRecord& r) {
  const RequestIdentity& id = r.planned.identity;
  return {id.prompt_sha256, id.generation_params_sha256, id.request_extras_sha256};
}

std::vector<const RequestRecord*> OkInIssueOrder(const LegEvidence& leg) {
  std::vector<const RequestRecord*> out;
  for (const RequestRecord& r : leg.records) {
    if (r.outcome == Outcome::kOk && !r.planned.identity.prompt_sha256.empty()) out.push_back(&r);
  }
  std::stable_sort(out.begin(), out.end(), [](const auto* a, const auto* b) {
    return a->request_index < b->request_index;
  });
  return out;
}

std::map<RequestKey, const RequestRecord*> FirstAnswers(const LegEvidence& leg) {
  std::map<RequestKey, const RequestRecord*> first;
  for (const RequestRecord* r : OkInIssueOrder(leg)) first.emplace(KeyOf(*r), r);
  return first;
}

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

void Compare(const RequestRecord& before, const RequestRecord& after, const std::string& where,
             AnswerAgreement& agreement) {
  if (!Comparable(before, after)) return;
  ++agreement.compared;
  if (SameAnswer(before, after)) return;
  if (agreement.mismatched++ == 0) {
    agreement.first_mismatch =
        fmt::format("{} {}: {}", before.planned.prompt_id, where, DifferenceText(before, after));
  }
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

}  // namespace

AnswerAgreement CompareAnswers(const LegEvidence& leg) {
  AnswerAgreement agreement;
  agreement.gated = leg.deterministic && TemperatureZero(leg);
  const auto first = FirstAnswers(leg);
  for (const RequestRecord* r : OkInIssueOrder(leg)) {
    const RequestRecord& reference = *first.at(KeyOf(*r));
    if (&reference == r) continue;
    Compare(reference, *r, fmt::format("in {} after {}", r->phase, reference.phase), agreement);
  }
  return agreement;
}

AnswerAgreement CompareAnswersAcross(const LegEvidence& a, const LegEvidence& b) {
  AnswerAgreement agreement;
  agreement.gated = a.deterministic && b.deterministic && TemperatureZero(a) && TemperatureZero(b);
  const auto in_b = FirstAnswers(b);
  for (const auto& [key, record] : FirstAnswers(a)) {
    const auto found = in_b.find(key);
    if (found == in_b.end()) continue;
    Compare(*record, *found->second, fmt::format("in {} and {}", a.run_id, b.run_id), agreement);
  }
  return agreement;
}

Findings CheckAnswers(const LegEvidence& leg) {
  const bool must_compare = HeadlinePhase(leg) != nullptr || leg.scenario == "reuse_verify";
  return FindingsOf(CompareAnswers(leg), leg.run_id, must_compare);
}

Findings CheckAnswersAcross(const LegEvidence& a, const LegEvidence& b) {
  Findings out = FindingsOf(CompareAnswersAcross(a, b), b.run_id, true);
  for (Finding& f : out) {
    if (f.reason == Reason::kAnswersNotCompared) {
      f.detail = fmt::format("{} and {} have no answered request in common", a.run_id, b.run_id);
    }
  }
  return out;
}

Findings CheckLengthsAcross(const LegEvidence& a, const LegEvidence& b) {
  const auto in_b = FirstAnswers(b);
  std::size_t compared = 0, different = 0;
  std::string example;
  for (const auto& [key, record] : FirstAnswers(a)) {
    const auto found = in_b.find(key);
    if (found == in_b.end() || !record->usage || !found->second->usage) continue;
    ++compared;
    const auto left = record->usage->completion_tokens;
    const auto right = found->second->usage->completion_tokens;
    if (left == right) continue;
    if (different++ == 0) {
      example = fmt::format("{}: {} tokens in {}, {} in {}", record->planned.prompt_id, left,
                            a.run_id, right, b.run_id);
    }
  }
  if (different == 0) return {};
  return {MakeFinding(
      Reason::kOutputLengthMismatch, b.run_id, "",
      fmt::format("{} of {} requests generated different lengths in both arms, first {}", different,
                  compared, example))};
}

}  // namespace kvtier
