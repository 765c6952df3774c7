#pragma once
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace kvtier {

/// Everything that a verdict can hold against a run, or remark on it. The code texts are stable:
/// scripts match on them. The table in reason.cpp is the only place that spells them;
/// docs/reason_codes.md is rendered from it.
enum class Reason {
  // before traffic
  kPreflightFrontendUnhealthy,
  kPreflightNoModels,
  kPreflightParseError,
  kPreflightMetricsUnavailable,
  kPreflightMetricsMissingCounters,
  kPreflightStackUpFailed,
  kPreflightProbeFailed,
  kPreflightKvbmNotOff,
  kPreflightDiskSpace,
  kPreflightCacheDir,
  kPreflightPortTaken,
  kPreflightSkipped,
  kPressureInsufficient,
  kPromptPreflightFailed,
  // the run itself
  kRunErrorsPresent,
  kRunIncomplete,
  kRequestErrors,
  kWorkerLost,
  kOutcomeContradicted,
  kArtifactUnreadable,
  kTtfcMissingStreamCapture,
  kTtfcSanityFailed,
  kClientSaturated,
  kLittlesLawBroken,
  kDrainTimeout,
  kColdStartNotProven,
  kWashoutNotProven,
  kMetricsUnavailable,
  kCounterReset,
  // the mechanism and its witnesses
  kGateNoSsdMechanismSignal,
  kRehydrateSignalAbsentWriteOnly,
  kGateDisabled,
  kB1DiskTierNotDisabled,
  kCounterWithoutIo,
  kIoWithoutCounter,
  kPageCacheReads,
  kWitnessDisagreement,
  kWitnessUnavailable,
  kExpectedHitsMismatch,
  kReuseAbsent,
  kReuseContaminated,
  kIoAttribMissing,
  kFilterDisabled,
  kFilterStateContradicted,
  kFilterStateUnknown,
  kFilterCountersContradict,
  kFilterVisitsIncomplete,
  kFilterWindowMissed,
  // the machine around the run
  kStorageEvidenceMissing,
  kStorageChanged,
  kStorageUnhealthy,
  kTelemetryOff,
  kTelemetryMissedTicks,
  kNoiseGuardBlind,
  kNoiseBackgroundIo,
  kNoiseBackgroundCpu,
  kNoiseCpuSteal,
  kNoiseThrottled,
  kNoiseSwap,
  kNoiseMemoryPressure,
  kNoiseClockStep,
  kNoiseOtherWorker,
  // the answers
  kAnswerMismatch,
  kAnswersNotCompared,
  kAnswersDiffer,
  kOutputLengthMismatch,
  kReplayPromptsChanged,
  kWrongModel,
  // the experiment
  kTooFewPairs,
  kOddPairCount,
  kOrderEffectInsufficientPairs,
  kOrderEffectSuspect,
  kQuantileNotResolvable,
  kMethodsDisagree,
  kNoEffectComputed,
  kDeclarationChanged,
  kHolmNotSignificant,
  kSameModeTwice,
  kNoisyLegs,
  kLegacySchema,
  // spelled by the sweep of the predecessor
  kBaselineManifestHashAccepted,
  kBaselineManifestHashMismatchWarning,
};

/// What a finding does to the verdict, worst first.
enum class Severity {
  kInvalidatesRun,  // run_valid false, grade X
  kBlocksDecision,  // decision_grade false, grade at most C
  kRefusesWord,     // the effect is shown, its word is INCONCLUSIVE
  kLowersGrade,     // grade at most C, or one step lower: the sentence says which
  kSoft,            // tolerated in up to a quarter of the legs, beyond that grade at most C
  kNote,            // said, nothing more
};
/// "invalidates the run", "blocks decision grade", ...
std::string_view SeverityText(Severity severity);
/// "invalid", "blocks", "refuses_word", "lowers_grade", "soft", "note": the key in artifacts.
std::string_view SeverityName(Severity severity);

struct ReasonInfo {
  Reason reason;
  std::string_view code;
  Severity severity;         // unless the finding says otherwise
  std::string_view meaning;  // one sentence
  std::string_view remedy;   // what to do, one sentence
};

/// The table, in the order of the enumeration.
std::span<const ReasonInfo> AllReasons();
const ReasonInfo& Describe(Reason reason);
std::string_view Code(Reason reason);
std::optional<Reason> FindReason(std::string_view code);
/// The whole of docs/reason_codes.md.
std::string ReasonTableMarkdown();

/// One thing found, with its numbers.
struct Finding {
  Reason reason = Reason::kRunErrorsPresent;
  Severity severity = Severity::kNote;
  std::string run_id;  // empty: about the experiment
  std::string phase;   // empty: about the leg
  std::string detail;  // one sentence with the numbers

  bool Invalidates() const { return severity == Severity::kInvalidatesRun; }
  bool BlocksDecision() const { return Invalidates() || severity == Severity::kBlocksDecision; }
};
/// With the severity of the table.
Finding MakeFinding(Reason reason, std::string run_id, std::string phase, std::string detail);

using Findings = std::vector<Finding>;
bool Has(const Findings& findings, Reason reason);
/// No finding blocks a decision: what a gate case asserts.
bool Passes(const Findings& findings);
/// Sorted, each once.
std::vector<std::string> Codes(const Findings& findings);
/// "CODE [run_id phase]: detail"
std::string FindingText(const Finding& finding);
/// One a line.
std::string FindingsText(const Findings& findings);

/// {"code","severity","run_id","phase","detail"}; run_id and phase are null when empty.
void to_json(nlohmann::json& j, const Finding& f);
/// Throws DataError for a code that is not in the table.
void from_json(const nlohmann::json& j, Finding& f);

}  // namespace kvtier
