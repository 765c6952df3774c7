#include "harness/judge/reason.hpp"

#include <array>

#include <fmt/format.h>

namespace kvtier {
namespace {

using enum Severity;

constexpr std::array kTable{
    ReasonInfo{Reason::kPreflightFrontendUnhealthy, "PREFLIGHT_FRONTEND_UNHEALTHY", kInvalidatesRun,
               "GET /health of the frontend failed or did not report a serving state.",
               "Look at the frontend's log; start the stack by hand with `kvtier stack up` and ask "
               "/health."},
    ReasonInfo{Reason::kPreflightNoModels, "PREFLIGHT_NO_MODELS", kInvalidatesRun,
               "GET /v1/models failed or listed no model: no worker has registered.",
               "Look at the worker's log; it may still be loading, or have died while starting."},
    ReasonInfo{Reason::kPreflightParseError, "PREFLIGHT_PARSE_ERROR", kInvalidatesRun,
               "A preflight endpoint answered with something that is not the documented JSON.",
               "Check that the base URL points at the serving frontend and at nothing in between."},
    ReasonInfo{Reason::kPreflightMetricsUnavailable, "PREFLIGHT_METRICS_UNAVAILABLE",
               kBlocksDecision, "The KVBM metrics endpoint could not be read.",
               "Set DYN_KVBM_METRICS=1 for the worker and check DYN_KVBM_METRICS_PORT."},
    ReasonInfo{Reason::kPreflightMetricsMissingCounters, "PREFLIGHT_METRICS_MISSING_COUNTERS",
               kBlocksDecision, "The KVBM metrics endpoint lacks counters that the rules need.",
               "Use a KVBM version that exports matched tokens, onboard and offload counters and "
               "the hit rates."},
    ReasonInfo{Reason::kPreflightStackUpFailed, "PREFLIGHT_STACK_UP_FAILED", kInvalidatesRun,
               "The serving stack did not come up.",
               "Read the component and exit status in the detail, then that component's log."},
    ReasonInfo{
        Reason::kPreflightProbeFailed, "PREFLIGHT_PROBE_FAILED", kInvalidatesRun,
        "A one-token completion failed although the stack reported itself ready.",
        "Send the request of the detail by hand; a listed model is no proof that it can serve."},
    ReasonInfo{Reason::kPreflightKvbmNotOff, "PREFLIGHT_KVBM_NOT_OFF", kInvalidatesRun,
               "B0 was asked for, but a KVBM metrics endpoint answers.",
               "Stop the old worker; start B0 without the KVBM connector."},
    ReasonInfo{Reason::kPreflightDiskSpace, "PREFLIGHT_DISK_SPACE", kInvalidatesRun,
               "The cache directory has less free space than twice the SSD tier.",
               "Free space, choose another cache directory, or make the SSD tier smaller."},
    ReasonInfo{Reason::kPreflightCacheDir, "PREFLIGHT_CACHE_DIR", kInvalidatesRun,
               "The cache directory cannot be used: not writable, or a file system that keeps its "
               "files in memory.",
               "Set DYN_KVBM_DISK_CACHE_DIR (or the profile's cache directory) to a directory on "
               "the SSD."},
    ReasonInfo{Reason::kPreflightPortTaken, "PREFLIGHT_PORT_TAKEN", kInvalidatesRun,
               "A port that was asked for by number belongs to another process.",
               "Stop the owner named in the detail, or let the suite choose free ports."},
    ReasonInfo{Reason::kPreflightSkipped, "PREFLIGHT_SKIPPED", kBlocksDecision,
               "The preflight was switched off, so nobody checked the stack before the legs.",
               "Unset BENCH_PHASE70_SKIP_PREFLIGHT."},
    ReasonInfo{
        Reason::kPressureInsufficient, "PRESSURE_INSUFFICIENT", kInvalidatesRun,
        "By the block hashes and the tier sizes the replay would not have to come from the SSD.",
        "Turn the knob that the detail names: more thrash sessions, or smaller device and host "
        "tiers."},
    ReasonInfo{Reason::kPromptPreflightFailed, "PROMPT_PREFLIGHT_FAILED", kInvalidatesRun,
               "A planned prompt is longer than the worker takes, so nothing was sent to it.",
               "Shorten the prompts of the scenario, or raise stack.max_num_tokens with the "
               "worker's own limit."},
    ReasonInfo{Reason::kRunErrorsPresent, "RUN_ERRORS_PRESENT", kInvalidatesRun,
               "A leg ended in an error, or too many of its requests failed.",
               "Read the detail and the leg's report, remove the cause, and rerun with the same "
               "timestamp."},
    ReasonInfo{Reason::kRunIncomplete, "RUN_INCOMPLETE", kInvalidatesRun,
               "Something that was planned has no result: a leg, a phase, requests, or the end of "
               "the run.",
               "Rerun with the same BENCH_PHASE70_TS; finished legs are kept."},
    ReasonInfo{Reason::kRequestErrors, "REQUEST_ERRORS", kBlocksDecision,
               "Some requests failed, so the latencies describe only those that survived.",
               "Look at the outcomes by kind in the leg's summary and remove the cause."},
    ReasonInfo{
        Reason::kWorkerLost, "WORKER_LOST", kInvalidatesRun,
        "The worker died or its model vanished from /v1/models during the leg.",
        "Read the tail of the worker's log; a prompt over max_num_tokens ends a worker, too."},
    ReasonInfo{Reason::kOutcomeContradicted, "OUTCOME_CONTRADICTED", kInvalidatesRun,
               "A request that is called ok has an error, no text, no end, a bad status, or stamps "
               "that run backwards.",
               "Do not trust the error rate of this leg; find out who wrote its rows."},
    ReasonInfo{Reason::kArtifactUnreadable, "ARTIFACT_UNREADABLE", kInvalidatesRun,
               "A file of a finished leg is missing, cut short or changed, so the leg cannot be "
               "judged.",
               "Restore the file that the detail names from a copy, or measure the leg again."},
    ReasonInfo{
        Reason::kTtfcMissingStreamCapture, "TTFC_MISSING_STREAM_CAPTURE", kInvalidatesRun,
        "The replay has no time to first content: streaming was off, or no text was ever stamped.",
        "Run with streaming on."},
    ReasonInfo{Reason::kTtfcSanityFailed, "TTFC_SANITY_FAILED", kNote,
               "The first text of a stream comes later the longer its answer is, or the check of "
               "that by short and long answers saw errors or no difference in length.",
               "Look for a proxy or a server that holds streams back until they are done; where "
               "only the whole answers do not grow, let the scenario ignore the end of text."},
    ReasonInfo{
        Reason::kClientSaturated, "CLIENT_SATURATED", kInvalidatesRun,
        "The load generator itself was the bottleneck, so its latencies are not the server's.",
        "Give the client a core of its own, or lower the concurrency."},
    ReasonInfo{Reason::kLittlesLawBroken, "LITTLES_LAW_BROKEN", kSoft,
               "Concurrency, throughput and latency of a phase do not fit together by more than "
               "5 %: fewer or more requests were in flight than it declares, or its clock "
               "contradicts its rows.",
               "Look for what held the client up between two requests; if nothing did, do not "
               "trust the stamps of these rows."},
    ReasonInfo{Reason::kDrainTimeout, "DRAIN_TIMEOUT", kSoft,
               "Offloads or worker I/O did not come to rest after a phase, so its counters may run "
               "into the next.",
               "Give the disk time: lower the load, or look for other users of the device."},
    ReasonInfo{Reason::kColdStartNotProven, "COLD_START_NOT_PROVEN", kBlocksDecision,
               "The leg did not show that its tiers were empty before traffic.",
               "Restart the stack for every leg and make the cache directory its own."},
    ReasonInfo{
        Reason::kWashoutNotProven, "WASHOUT_NOT_PROVEN", kSoft,
        "Nothing shows that the leg before this one had left no trace: a fresh worker, empty "
        "tiers, an idle and cool disk.",
        "Lengthen BENCH_PHASE70_PAIR_WASHOUT_S, and keep telemetry on, so that it is seen."},
    ReasonInfo{Reason::kMetricsUnavailable, "METRICS_UNAVAILABLE", kBlocksDecision,
               "The engine's counters could not be read for a phase, so no gate can see it.",
               "Check the KVBM metrics endpoint; unavailable is never counted as zero."},
    ReasonInfo{Reason::kCounterReset, "COUNTER_RESET", kBlocksDecision,
               "A counter went backwards inside a phase: the process behind it was replaced.",
               "Find out why the worker restarted during the leg."},
    ReasonInfo{Reason::kGateNoSsdMechanismSignal, "GATE_NO_SSD_MECHANISM_SIGNAL", kBlocksDecision,
               "A B2 leg showed no block coming from the SSD in replay, and none written either.",
               "Check the disk tier's size and the disk-offload filter, and that the pressure "
               "evicts what is replayed."},
    ReasonInfo{Reason::kRehydrateSignalAbsentWriteOnly, "REHYDRATE_SIGNAL_ABSENT_WRITE_ONLY",
               kBlocksDecision,
               "A B2 leg wrote to the SSD but read nothing back from it in replay.",
               "Raise the pressure so that replayed prefixes have left the device and host tiers."},
    ReasonInfo{Reason::kGateDisabled, "GATE_DISABLED", kBlocksDecision,
               "The mechanism gate was switched off.",
               "Unset BENCH_PHASE70_DISABLE_MECHANISM_GATE."},
    ReasonInfo{
        Reason::kB1DiskTierNotDisabled, "B1_DISK_TIER_NOT_DISABLED", kBlocksDecision,
        "A B1 leg did not prove that its SSD tier was off, so B1 and B2 may be the same thing.",
        "Check what the worker received as DYN_KVBM_DISK_CACHE_GB and who else reads through it."},
    ReasonInfo{
        Reason::kCounterWithoutIo, "COUNTER_WITHOUT_IO", kInvalidatesRun,
        "The engine counted blocks that the operating system never moved.",
        "Treat the engine's counters as wrong; transfers may fail and still be counted as hits."},
    ReasonInfo{Reason::kIoWithoutCounter, "IO_WITHOUT_COUNTER", kBlocksDecision,
               "The worker moved far more bytes than the engine accounts for.",
               "Find the other I/O of the worker: logs, swapping, a second cache, model loading."},
    ReasonInfo{Reason::kPageCacheReads, "PAGE_CACHE_READS", kBlocksDecision,
               "Blocks counted as read from the SSD were served from the page cache.",
               "Use a file system with O_DIRECT, or drop caches between the legs."},
    ReasonInfo{
        Reason::kWitnessDisagreement, "WITNESS_DISAGREEMENT", kBlocksDecision,
        "Engine bytes and operating-system bytes differ by more than the tolerance.",
        "Compare both figures in the detail; a wrong block size in the profile looks like this."},
    ReasonInfo{Reason::kWitnessUnavailable, "WITNESS_UNAVAILABLE", kBlocksDecision,
               "The operating system's view of the worker's I/O could not be read.",
               "Run as the user of the worker (or as root), so that /proc/<pid>/io or its cgroup "
               "can be read."},
    ReasonInfo{
        Reason::kExpectedHitsMismatch, "EXPECTED_HITS_MISMATCH", kNote,
        "The engine's hits lie outside what the hit model computed for this request stream.",
        "Compare tier sizes, filter and block size of the profile with what the worker reports."},
    ReasonInfo{Reason::kReuseAbsent, "REUSE_ABSENT", kBlocksDecision,
               "Repeating a prompt was answered from no tier at all.",
               "Check that the prompt is longer than one block and that prefix reuse is on."},
    ReasonInfo{Reason::kReuseContaminated, "REUSE_CONTAMINATED", kBlocksDecision,
               "The first request already hit a tier: the stack was not cold.",
               "Restart the stack before the run and use a prompt that nobody sent before."},
    ReasonInfo{
        Reason::kIoAttribMissing, "IO_ATTRIB_MISSING", kBlocksDecision,
        "I/O attribution was asked for, and a leg has none or nothing in it shows the worker "
        "reading.",
        "Read the failed checks in io/io_attrib_verdict.json of the leg in the detail."},
    ReasonInfo{
        Reason::kFilterDisabled, "FILTER_DISABLED", kNote,
        "Mechanism mode: the disk-offload filter was off, so every host block went to the SSD.",
        "Nothing; production keeps the filter on, so expect fewer SSD hits and fewer writes "
        "there."},
    ReasonInfo{
        Reason::kFilterStateContradicted, "FILTER_STATE_CONTRADICTED", kBlocksDecision,
        "The worker's disk-offload filter was not in the state that the declared protocol needs.",
        "Set BENCH_PHASE70_FILTER_PROTOCOL alone: it switches the filter, too; then ask the worker "
        "what it got."},
    ReasonInfo{Reason::kFilterStateUnknown, "FILTER_STATE_UNKNOWN", kNote,
               "The stack does not tell the state of its disk-offload filter, so the counters "
               "alone decide which mode ran.",
               "Nothing; a stack that reports DYN_KVBM_DISABLE_DISK_OFFLOAD_FILTER is a witness "
               "more."},
    ReasonInfo{Reason::kFilterCountersContradict, "FILTER_COUNTERS_CONTRADICT", kBlocksDecision,
               "What was written to the SSD at the first visit does not fit the declared filter "
               "protocol.",
               "Find out how the worker's filter was really set: with it on a block computed once "
               "is not written, with it off every one is."},
    ReasonInfo{Reason::kFilterVisitsIncomplete, "FILTER_VISITS_INCOMPLETE", kBlocksDecision,
               "Production mode needs three visits: computed, computed again and written, read "
               "back from the SSD; one of them did not happen.",
               "Raise the pressure between the visits, so that the second one computes every "
               "prompt again, and look at the counters of each visit."},
    ReasonInfo{Reason::kFilterWindowMissed, "FILTER_WINDOW_MISSED", kBlocksDecision,
               "The two visits that the filter must count lie further apart than it remembers, "
               "600 s.",
               "Fewer sessions, shorter prompts or more concurrency in populate and thrash bring "
               "them together."},
    ReasonInfo{Reason::kStorageEvidenceMissing, "STORAGE_EVIDENCE_MISSING", kNote,
               "The disk of the KV cache, or its health log, could not be read around a leg.",
               "Install nvme-cli or smartmontools and run with the right to read the disk's log."},
    ReasonInfo{
        Reason::kStorageChanged, "STORAGE_CHANGED", kSoft,
        "The disk that was described is not the one that was measured, or another than before.",
        "Pin the cache directory to one disk for the whole experiment."},
    ReasonInfo{Reason::kStorageUnhealthy, "STORAGE_UNHEALTHY", kSoft,
               "The disk reports a critical warning or new media errors.",
               "Look at its health log before trusting its latencies; it may have to be replaced."},
    ReasonInfo{Reason::kTelemetryOff, "TELEMETRY_OFF", kSoft,
               "Nobody watched the machine during a leg, so no noise guard could look.",
               "Run with the recorder on; bundles of earlier versions have no such evidence."},
    ReasonInfo{Reason::kTelemetryMissedTicks, "TELEMETRY_MISSED_TICKS", kNote,
               "The recorder came too late for 1 % of its readings or more, so short bursts may be "
               "unseen.",
               "Give the machine a core to spare, or lower the cadence of the recorder."},
    ReasonInfo{
        Reason::kNoiseGuardBlind, "NOISE_GUARD_BLIND", kSoft,
        "A noise guard lacked its readings and saw nothing; a note where only a sensor is "
        "missing.",
        "The detail names the reading and its reason; absence of evidence is no quiet machine."},
    ReasonInfo{Reason::kNoiseBackgroundIo, "NOISE_BACKGROUND_IO", kSoft,
               "Somebody else used the KV device before or during a phase.",
               "Stop backups, indexing, builds and other jobs on that disk."},
    ReasonInfo{Reason::kNoiseBackgroundCpu, "NOISE_BACKGROUND_CPU", kSoft,
               "Processes that are no part of the run took CPU time during a phase.",
               "Stop what else computes on the machine."},
    ReasonInfo{Reason::kNoiseCpuSteal, "NOISE_CPU_STEAL", kSoft,
               "The hypervisor took CPU time from this virtual machine during a phase.",
               "Use a host with cores of its own, or run when its other guests are idle."},
    ReasonInfo{Reason::kNoiseThrottled, "NOISE_THROTTLED", kSoft,
               "Heat or power held back the CPU, the GPU or the disk.",
               "Improve the cooling, or pause between the legs until temperatures are back."},
    ReasonInfo{Reason::kNoiseSwap, "NOISE_SWAP", kSoft,
               "Pages were swapped in or out during a phase.",
               "Free memory or make the host tier smaller; swapping also adds I/O that is no KV."},
    ReasonInfo{Reason::kNoiseMemoryPressure, "NOISE_MEMORY_PRESSURE", kSoft,
               "Memory ran short during a phase; on a unified-memory machine it is the GPU's, too.",
               "Make the device or host tier smaller, or stop other users of memory."},
    ReasonInfo{Reason::kNoiseClockStep, "NOISE_CLOCK_STEP", kBlocksDecision,
               "The wall clock jumped during a phase: it was set, or the machine was suspended.",
               "Let the clock slew only, and keep the machine from sleeping."},
    ReasonInfo{
        Reason::kNoiseOtherWorker, "NOISE_OTHER_WORKER", kSoft,
        "Another process holds KV cache files open, or another serving worker uses the device.",
        "Stop the process named in the detail."},
    ReasonInfo{Reason::kAnswerMismatch, "ANSWER_MISMATCH", kInvalidatesRun,
               "A request gave another text than before although the stack is deterministic: its "
               "KV was wrong.",
               "Do not trust any latency of this leg; look for failed or skipped transfers that "
               "count as hits."},
    ReasonInfo{
        Reason::kAnswersNotCompared, "ANSWERS_NOT_COMPARED", kBlocksDecision,
        "No replayed request could be compared with an earlier answer to the same prompt.",
        "Check that populate finished and that replay sends the same prompts and parameters."},
    ReasonInfo{Reason::kAnswersDiffer, "ANSWERS_DIFFER", kNote,
               "Some repeated requests gave another text, on a stack or temperature that does not "
               "promise equal texts.",
               "Run at temperature 0 on a deterministic stack if the answers are to be a gate."},
    ReasonInfo{Reason::kOutputLengthMismatch, "OUTPUT_LENGTH_MISMATCH", kBlocksDecision,
               "Generated lengths are unknown or differ from what was fixed, or between the arms.",
               "Use ignore_eos and usage reporting, so that both arms do the same work."},
    ReasonInfo{Reason::kReplayPromptsChanged, "REPLAY_PROMPTS_CHANGED", kInvalidatesRun,
               "What was sent is not what was planned, the replay repeats nothing that was sent "
               "before, or the arms were sent different requests.",
               "Compare requests.jsonl with request_manifest.jsonl; only the tier may differ "
               "between the arms."},
    ReasonInfo{Reason::kWrongModel, "WRONG_MODEL", kInvalidatesRun,
               "The model that answered is not the one that was asked, or the arms asked different "
               "ones.",
               "Serve one model under one name in every leg."},
    ReasonInfo{Reason::kTooFewPairs, "TOO_FEW_PAIRS", kBlocksDecision,
               "Fewer than 6 complete pairs: no exact 95 % interval exists.",
               "Run 8 pairs or more."},
    ReasonInfo{
        Reason::kOddPairCount, "ODD_PAIR_COUNT", kLowersGrade,
        "An odd number of pairs cannot be balanced over both orders; the grade is at most C.",
        "Choose an even BENCH_PHASE70_PAIRS."},
    ReasonInfo{Reason::kOrderEffectInsufficientPairs, "ORDER_EFFECT_INSUFFICIENT_PAIRS", kNote,
               "Too few complete pairs to look for an order effect.",
               "Run 8 pairs or more, in both orders."},
    ReasonInfo{Reason::kOrderEffectSuspect, "ORDER_EFFECT_SUSPECT", kLowersGrade,
               "Being the second leg of a pair changes the result (Hills-Armitage p < 0.05); the "
               "grade sinks one step.",
               "Lengthen the washout between legs, and look for heat, SSD state or memory that "
               "builds up."},
    ReasonInfo{Reason::kQuantileNotResolvable, "QUANTILE_NOT_RESOLVABLE", kRefusesWord,
               "A leg has too few requests for the quantile of the primary metric (p95 needs 59, "
               "p99 needs 299).",
               "Replay more prompts in each leg."},
    ReasonInfo{Reason::kMethodsDisagree, "METHODS_DISAGREE", kRefusesWord,
               "The exact and the t analysis do not give the same word.",
               "Look at the per-pair table for one wild pair, and run more pairs."},
    ReasonInfo{Reason::kNoEffectComputed, "NO_EFFECT_COMPUTED", kRefusesWord,
               "No pair has a valid figure of the primary metric on both sides.",
               "Look at the findings of the single legs first."},
    ReasonInfo{Reason::kDeclarationChanged, "DECLARATION_CHANGED", kBlocksDecision,
               "What was declared before the run is not what the run is judged by: the hash in its "
               "manifest does not fit.",
               "Judge by the margin and metric that were declared, or run again under the new "
               "ones."},
    ReasonInfo{Reason::kHolmNotSignificant, "HOLM_NOT_SIGNIFICANT", kRefusesWord,
               "With as many comparisons as this experiment makes the effect may be chance: Holm's "
               "p is above alpha.",
               "Run more blocks; 12 give every comparison of three modes room."},
    ReasonInfo{Reason::kSameModeTwice, "SAME_MODE_TWICE", kNote,
               "Both arms ran the same mode: the result is the noise floor of this machine, not an "
               "effect of a tier.",
               "Compare its interval with the margin; name two modes for a decision."},
    ReasonInfo{Reason::kNoisyLegs, "NOISY_LEGS", kLowersGrade,
               "More than a quarter of the legs carry a soft finding; the grade is at most C.",
               "Quieten the machine: the soft findings say what moved."},
    ReasonInfo{Reason::kLegacySchema, "LEGACY_SCHEMA", kLowersGrade,
               "The artifacts come from an earlier harness and lack witnesses and answers; the "
               "grade is at most C.",
               "Rerun with this suite for a better grade."},
    ReasonInfo{Reason::kBaselineManifestHashAccepted, "BASELINE_MANIFEST_HASH_ACCEPTED", kNote,
               "A changed baseline configuration was accepted on request.",
               "Nothing; the change is recorded."},
    ReasonInfo{Reason::kBaselineManifestHashMismatchWarning,
               "BASELINE_MANIFEST_HASH_MISMATCH_WARNING", kBlocksDecision,
               "The configuration differs from the known-good baseline.",
               "Read the differing fields; accept the new baseline only if they were meant."},
};

constexpr bool InEnumOrder() {
  for (std::size_t i = 0; i < kTable.size(); ++i) {
    if (static_cast<std::size_t>(kTable[i].reason) != i) return false;
  }
  return static_cast<std::size_t>(Reason::kBaselineManifestHashMismatchWarning) + 1 ==
         kTable.size();
}
static_assert(InEnumOrder(), "one row a reason, in the order of the enumeration");

}  // namespace

std::string_view SeverityText(Severity severity) {
  switch (severity) {
    case kInvalidatesRun:
      return "invalidates the run (grade X)";
    case kBlocksDecision:
      return "blocks decision grade (grade C)";
    case kRefusesWord:
      return "the effect stays INCONCLUSIVE";
    case kLowersGrade:
      return "lowers the grade";
    case kSoft:
      return "tolerated in a quarter of the legs";
    case kNote:
      return "note";
  }
  return "";
}

std::span<const ReasonInfo> AllReasons() {
  return kTable;
}

const ReasonInfo& Describe(Reason reason) {
  return kTable.at(static_cast<std::size_t>(reason));
}

std::string_view Code(Reason reason) {
  return Describe(reason).code;
}

std::optional<Reason> FindReason(std::string_view code) {
  for (const ReasonInfo& info : kTable) {
    if (info.code == code) return info.reason;
  }
  return std::nullopt;
}

std::string ReasonTableMarkdown() {
  std::string out =
      "# Reason codes\n\n"
      "Every code that a verdict may carry. This page is rendered from the table in "
      "`harness/judge/reason.cpp`; a test\n"
      "holds the two together. A finding can be milder or harder than its usual effect, then it "
      "says so itself.\n\n"
      "| Code | Usual effect | What it means | What to do |\n|---|---|---|---|\n";
  for (const ReasonInfo& info : kTable) {
    out += fmt::format("| `{}` | {} | {} | {} |\n", info.code, SeverityText(info.severity),
                       info.meaning, info.remedy);
  }
  return out;
}

}  // namespace kvtier
