#pragma once
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "harness/core/units.hpp"
#include "harness/judge/answers.hpp"
#include "harness/judge/evidence.hpp"
#include "harness/judge/filter_protocol.hpp"
#include "harness/judge/reason.hpp"

/// The rules over one leg or one pair: pure functions from evidence to findings. A rule that cannot
/// see says so with a finding that blocks; it never passes blind. A gate holds where
/// Passes(findings).
namespace kvtier {

struct GateOptions {
  /// Failed requests of a leg, or of its headline phase, above which the leg is invalid; any
  /// failure blocks decision grade (method: errors select the requests that survive).
  double max_error_rate = 0.01;
  /// BENCH_PHASE70_DECISION_GRADE_REQUIRE_REHYDRATE: off, a leg that only wrote to the SSD is noted
  /// instead of blocked.
  bool require_rehydrate = true;
  /// BENCH_PHASE70_GATE_REQUIRE_MATCHED and _GATE_MIN_MATCHED_TOKENS: matched tokens in replay must
  /// exceed the figure.
  bool require_matched = false;
  double min_matched_tokens = 0;
  /// Worker bytes in replay that a B1 leg may read, and may write, with the disk tier off.
  Bytes b1_io_threshold = 1_MiB;
  /// BENCH_PHASE70_IO_ATTRIB: a leg with KVBM needs an attribution report that shows its reads.
  bool io_attrib_expected = false;
  /// BENCH_PHASE70_FILTER_PROTOCOL: how the disk-offload filter is dealt with; empty: nothing was
  /// declared about it.
  std::optional<FilterProtocol> filter_protocol = std::nullopt;

  bool operator==(const GateOptions&) const = default;
};

/// The phase whose latencies are the headline: `replay`, else `replay_A`, else the first that
/// starts with "replay"; null when there is none. replay_2 and later never join it.
const PhaseEvidence* HeadlinePhase(const LegEvidence& leg);
/// Records of one phase that ended ok.
std::vector<const RequestRecord*> OkRecords(const LegEvidence& leg, const std::string& phase);

/// Closed, finished as planned, errors under the limits, the model still served, TTFC present.
Findings CheckRunValid(const LegEvidence& leg, const GateOptions& options = {});
/// B2: blocks went from disk to device in the headline phase. Host onboarding and writes are not
/// rehydration.
Findings CheckMechanism(const LegEvidence& leg, const GateOptions& options = {});
/// B1: configured size read back 0, disk counters 0 in every phase, no open file under the cache
/// directory, worker I/O in replay under the threshold. Whatever is unavailable counts as not off.
Findings CheckB1Off(const LegEvidence& leg, const GateOptions& options = {});
/// Engine counters against the operating system, phase by phase and direction by direction (design:
/// "agreement").
Findings CheckWitnesses(const LegEvidence& leg);
/// Every phase of a KVBM leg has its deltas, and none went backwards.
Findings CheckMetrics(const LegEvidence& leg);
/// Engine hits per tier inside what the hit model said before the run. A note: the model is set
/// beside the engine.
Findings CheckExpectedHits(const LegEvidence& leg);
/// In the headline phase a saturated client invalidates the leg; elsewhere it is a soft finding.
/// Its own figures decide, whatever it concluded from them itself.
Findings CheckClient(const LegEvidence& leg);
Findings CheckDrain(const LegEvidence& leg);
Findings CheckColdStart(const LegEvidence& leg);
/// Requests that fixed their length (ignore_eos) generated exactly max_tokens, and every ok answer
/// states its usage.
Findings CheckLengths(const LegEvidence& leg);
/// A request that is called ok has a status of 2xx, no error, some text, an end, and stamps that go
/// forward.
Findings CheckOutcomes(const LegEvidence& leg);
/// What was sent is what was planned, and every replay repeats what was sent before it.
Findings CheckRequests(const LegEvidence& leg);
/// Every answer that names its model names the one that was asked.
Findings CheckModel(const LegEvidence& leg);
/// Phases and requests have the same times by the wall clock and by the monotonic one.
Findings CheckClocks(const LegEvidence& leg);
/// Both arms generated the same number of tokens for the same request.
Findings CheckLengthsAcross(const LegAnswers& a, const LegAnswers& b);
inline Findings CheckLengthsAcross(const LegEvidence& a, const LegEvidence& b) {
  return CheckLengthsAcross(AnswersOf(a), AnswersOf(b));
}
/// Both arms asked the same model for the same requests, phase by phase.
Findings CheckSameWork(const LegAnswers& a, const LegAnswers& b);
/// The first-token clock against short and long answers, where that was asked for: a note, or an
/// invalid run where BENCH_*_TTFC_SANITY_FAIL_ON_ERROR says so.
Findings CheckTtfcSanity(const LegEvidence& leg);
/// reuse_verify: some tier answered reuse_2 or reuse_3, the texts are equal, reuse_1 found nothing.
Findings CheckReuse(const LegEvidence& leg);

/// How many repeated requests gave the text of their first answer.
struct AnswerAgreement {
  std::size_t compared = 0;
  std::size_t mismatched = 0;
  bool gated = false;          // deterministic stack and temperature 0: one mismatch is a finding
  std::string first_mismatch;  // one sentence; empty when all agree
};
/// Within a leg: every later ok answer against the first ok answer to the same prompt, sampling and
/// extras.
AnswerAgreement CompareAnswers(const LegEvidence& leg);
/// Across the legs of a pair: the first ok answers of both to the same request in the headline
/// phase.
AnswerAgreement CompareAnswersAcross(const LegAnswers& a, const LegAnswers& b);
/// ANSWER_MISMATCH where gated; ANSWERS_DIFFER as a note elsewhere; ANSWERS_NOT_COMPARED when a
/// gated leg with a headline phase had nothing to compare.
Findings CheckAnswers(const LegEvidence& leg);
Findings CheckAnswersAcross(const LegAnswers& a, const LegAnswers& b);
inline Findings CheckAnswersAcross(const LegEvidence& a, const LegEvidence& b) {
  return CheckAnswersAcross(AnswersOf(a), AnswersOf(b));
}

/// The disk of the KV cache: described before and after the leg, healthy, and the one whose
/// counters were read. A missing log is a note, and none where the disk has no such log.
Findings CheckStorageEvidence(const LegEvidence& leg);
/// `leg` ran on the same disk with the same firmware as the first leg of the experiment.
Findings CheckStorageAcross(const LegEvidence& first, const LegEvidence& leg);

/// All of the above that concern a leg of its tier and scenario, the attribution rules and the
/// noise guards; the same contradiction is said once.
Findings JudgeLeg(const LegEvidence& leg, const GateOptions& options = {});

}  // namespace kvtier
