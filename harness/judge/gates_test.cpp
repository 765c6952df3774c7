#include "harness/judge/gates.hpp"

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "harness/core/error.hpp"
#include "harness/core/files.hpp"
#include "harness/judge/evidence_maker.hpp"
#include "harness/judge/figures.hpp"
#include "harness/judge/signals.hpp"

namespace kvtier {
namespace {

using test::kBlockBytes;
using test::kReplayBlocks;
using test::MakeLeg;
using test::Replay;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// One planted lie and the codes that must come of it.
struct Lie {
  std::string name;
  TierMode tier;
  std::function<void(LegEvidence&)> plant;
  std::vector<std::string> codes;
};

template <class T>
Reading<T> Gone() {
  return Reading<T>::Unavailable("planted");
}

void ExpectCodes(const std::vector<Lie>& lies,
                 const std::function<Findings(const LegEvidence&)>& rule) {
  for (const Lie& lie : lies) {
    LegEvidence leg = MakeLeg(lie.tier, 50);
    lie.plant(leg);
    const Findings findings = rule(leg);
    EXPECT_EQ(Codes(findings), lie.codes) << lie.name << "\n" << FindingsText(findings);
  }
}

TEST(ReasonTable, CodesAreUniqueAndFoundAgain) {
  std::set<std::string_view> seen;
  for (const ReasonInfo& info : AllReasons()) {
    EXPECT_TRUE(seen.insert(info.code).second) << info.code;
    EXPECT_EQ(FindReason(info.code), info.reason);
    EXPECT_EQ(Code(info.reason), info.code);
    for (const std::string_view sentence : {info.meaning, info.remedy}) {
      EXPECT_TRUE(sentence.ends_with('.')) << info.code;
      EXPECT_EQ(sentence.find('|'), std::string_view::npos) << info.code;
    }
  }
  EXPECT_FALSE(FindReason("NO_SUCH_CODE").has_value());
}

TEST(ReasonTable, PageInDocsIsTheTable) {
  EXPECT_EQ(ReadFile(std::string(KVTIER_SOURCE_DIR) + "/docs/reason_codes.md"),
            ReasonTableMarkdown())
      << "write what ReasonTableMarkdown() returns to docs/reason_codes.md";
}

TEST(ReasonTable, FindingsSurviveJson) {
  const Finding f = MakeFinding(Reason::kAnswerMismatch, "run_1", "replay", "3 of 60");
  const auto back = nlohmann::json(f).get<Finding>();
  EXPECT_EQ(FindingText(back), "ANSWER_MISMATCH [run_1 replay]: 3 of 60");
  EXPECT_EQ(back.severity, Severity::kInvalidatesRun);
  nlohmann::json planted = f;
  planted["code"] = "NO_SUCH_CODE";
  EXPECT_THROW(planted.get<Finding>(), DataError);
}

TEST(Leg, HealthyLegsPassEveryGate) {
  for (const TierMode tier : kAllTierModes) {
    const Findings findings = JudgeLeg(MakeLeg(tier, 50));
    EXPECT_TRUE(Passes(findings)) << FindingsText(findings);
  }
  EXPECT_THAT(Codes(JudgeLeg(MakeLeg(TierMode::kB2, 50))), ElementsAre("FILTER_DISABLED"));
  EXPECT_THAT(JudgeLeg(MakeLeg(TierMode::kB1, 50)), IsEmpty());
}

TEST(Leg, HeadlineIsReplayAndNeverReplay2) {
  LegEvidence leg = MakeLeg(TierMode::kB2, 50);
  leg.phases.push_back(test::MakePhase("replay_2", 0));
  EXPECT_EQ(HeadlinePhase(leg)->name, "replay");
  leg.phases[2].name = "replay_A";
  leg.phases.insert(leg.phases.begin(), test::MakePhase("replay_0", 0));
  EXPECT_EQ(HeadlinePhase(leg)->name, "replay_A");
  leg.phases = {test::MakePhase("populate", 0)};
  EXPECT_EQ(HeadlinePhase(leg), nullptr);
}

TEST(RunValid, PlantedFailures) {
  const auto fail = [](LegEvidence& leg, std::size_t from, std::size_t n, Outcome how) {
    for (std::size_t i = from; i < from + n; ++i) leg.records[i].outcome = how;
  };
  ExpectCodes(
      {
          {"half of all requests",
           TierMode::kB2,
           [&](auto& l) {
             for (std::size_t i = 0; i < l.records.size(); i += 2)
               fail(l, i, 1, Outcome::kHttpError);
           },
           {"REQUEST_ERRORS", "RUN_ERRORS_PRESENT"}},
          {"one of 144, in populate",
           TierMode::kB1,
           [&](auto& l) { fail(l, 3, 1, Outcome::kTimeout); },
           {"REQUEST_ERRORS"}},
          {"one of 60 in replay",
           TierMode::kB1,
           [&](auto& l) { fail(l, 100, 1, Outcome::kIncomplete); },
           {"REQUEST_ERRORS", "RUN_ERRORS_PRESENT"}},
          {"cut streams are no answers",
           TierMode::kB2,
           [&](auto& l) { fail(l, 84, 60, Outcome::kStreamError); },
           {"REQUEST_ERRORS", "RUN_ERRORS_PRESENT"}},
          {"a killed run",
           TierMode::kB2,
           [](auto& l) { l.closed = l.run_valid = false; },
           {"RUN_INCOMPLETE"}},
          {"records lost",
           TierMode::kB2,
           [](auto& l) { l.records.resize(120); },
           {"REQUEST_ERRORS", "RUN_ERRORS_PRESENT", "RUN_INCOMPLETE"}},
          {"no replay", TierMode::kB2, [](auto& l) { l.phases.pop_back(); }, {"RUN_INCOMPLETE"}},
          {"worker gone at the end",
           TierMode::kB2,
           [](auto& l) { l.models_at_end = std::uint64_t{0}; },
           {"WORKER_LOST"}},
          {"worker killed",
           TierMode::kB2,
           [](auto& l) {
             l.run_valid = false;
             l.invalid_reason = "worker_lost";
           },
           {"WORKER_LOST"}},
          {"model dropped",
           TierMode::kB2,
           [](auto& l) {
             l.run_valid = false;
             l.invalid_reason = "model_dropped";
           },
           {"WORKER_LOST"}},
          {"unknown reason",
           TierMode::kB2,
           [](auto& l) {
             l.run_valid = false;
             l.invalid_reason = "runtime_exception";
           },
           {"RUN_ERRORS_PRESENT"}},
          {"no text was stamped",
           TierMode::kB1,
           [](auto& l) {
             for (auto& r : l.records) r.stamps.first_text.reset();
           },
           {"TTFC_MISSING_STREAM_CAPTURE"}},
      },
      [](const LegEvidence& leg) { return CheckRunValid(leg); });
}

TEST(RunValid, SeveritiesSeparateInvalidFromNotDecisionGrade) {
  LegEvidence leg = MakeLeg(TierMode::kB2, 50);
  leg.records[3].outcome = Outcome::kTimeout;
  const Findings one = CheckRunValid(leg);
  EXPECT_FALSE(Passes(one));
  EXPECT_FALSE(one[0].Invalidates());
  EXPECT_EQ(one[0].detail, "1 of 60 requests failed (1 timeout)");
  leg.run_valid = false;
  leg.invalid_reason = "kvbm_metrics_unavailable";
  EXPECT_TRUE(CheckRunValid(leg)[0].Invalidates());
}

TEST(Mechanism, OnlyDiskToDeviceBlocksInReplayCount) {
  ExpectCodes(
      {
          {"host onboarding alone",
           TierMode::kB2,
           [](auto& l) {
             Replay(l).tiers.onboard_g3_to_g1_blocks = std::uint64_t{0};
             Replay(l).tiers.onboard_g2_to_g1_blocks = std::uint64_t{18};
           },
           {"REHYDRATE_SIGNAL_ABSENT_WRITE_ONLY"}},
          {"nothing read, nothing written",
           TierMode::kB2,
           [](auto& l) {
             Replay(l).tiers.onboard_g3_to_g1_blocks = l.phases[0].tiers.offload_g2_to_g3_blocks =
                 std::uint64_t{0};
           },
           {"GATE_NO_SSD_MECHANISM_SIGNAL"}},
          {"a good hit-rate gauge proves nothing",
           TierMode::kB2,
           [](auto& l) {
             Replay(l).tiers.onboard_g3_to_g1_blocks = l.phases[0].tiers.offload_g2_to_g3_blocks =
                 std::uint64_t{0};
             Replay(l).tiers.disk_hit_rate_after = 0.9;
           },
           {"GATE_NO_SSD_MECHANISM_SIGNAL"}},
          {"metrics gone in replay",
           TierMode::kB2,
           [](auto& l) { Replay(l).tiers.onboard_g3_to_g1_blocks = Gone<std::uint64_t>(); },
           {"METRICS_UNAVAILABLE"}},
          {"disk reads before replay",
           TierMode::kB2,
           [](auto& l) {
             Replay(l).tiers.onboard_g3_to_g1_blocks = std::uint64_t{0};
             l.phases[1].tiers.onboard_g3_to_g1_blocks = std::uint64_t{500};
           },
           {"REHYDRATE_SIGNAL_ABSENT_WRITE_ONLY"}},
          {"no replay, so nothing is known",
           TierMode::kB2,
           [](auto& l) { l.phases.pop_back(); },
           {"RUN_INCOMPLETE"}},
          {"B1 has no such gate", TierMode::kB1, [](auto&) {}, {}},
      },
      [](const LegEvidence& leg) { return CheckMechanism(leg); });
}

// KVBM v2 stages disk blocks through host memory, TensorRT-LLM and vLLM state no blocks at all.
TEST(Mechanism, EachExportersOwnWordForAReadFromTheSsdCounts) {
  const auto none = Reading<std::uint64_t>::Unavailable("not exported");
  LegEvidence staged = MakeLeg(TierMode::kB2, 40);
  TierTraffic& t = staged.phases.back().tiers;
  t.onboard_g3_to_g1_blocks = 0;
  t.onboard_g3_to_g2_blocks = 12;
  EXPECT_TRUE(CheckMechanism(staged).empty());
  t.onboard_g3_to_g2_blocks = 0;
  EXPECT_FALSE(Passes(CheckMechanism(staged))) << "zero in every word is zero";

  LegEvidence bytes = MakeLeg(TierMode::kB2, 40);
  TierTraffic& b = bytes.phases.back().tiers;
  b.onboard_g3_to_g1_blocks = none;
  b.onboard_from_g3_bytes = 1_MiB;
  EXPECT_TRUE(CheckMechanism(bytes).empty());
  b.onboard_from_g3_bytes = Reading<Bytes>::Unavailable("not exported");
  EXPECT_TRUE(Has(CheckMechanism(bytes), Reason::kMetricsUnavailable)) << "unknown is not zero";
}

TEST(Mechanism, KnobsAreHonoured) {
  LegEvidence leg = MakeLeg(TierMode::kB2, 50);
  GateOptions matched;
  matched.require_matched = true;
  EXPECT_TRUE(Passes(CheckMechanism(leg, matched)));
  matched.min_matched_tokens = kReplayBlocks * 32;  // strictly more is asked
  EXPECT_THAT(Codes(CheckMechanism(leg, matched)), ElementsAre("GATE_NO_SSD_MECHANISM_SIGNAL"));

  Replay(leg).tiers.onboard_g3_to_g1_blocks = std::uint64_t{0};
  leg.worker.disk_offload_filter = true;
  GateOptions lenient;
  lenient.require_rehydrate = false;
  const Findings noted = CheckMechanism(leg, lenient);
  EXPECT_TRUE(Passes(noted));
  EXPECT_TRUE(Has(noted, Reason::kRehydrateSignalAbsentWriteOnly));
  EXPECT_THAT(noted[0].detail, HasSubstr("filter was on"));
  EXPECT_FALSE(Passes(CheckMechanism(leg)));
}

TEST(B1Off, EachConditionIsNeeded) {
  const std::vector<std::string> on{"B1_DISK_TIER_NOT_DISABLED"};
  ExpectCodes(
      {
          {"size was configured", TierMode::kB1, [](auto& l) { l.worker.disk_cache_gb = 32.0; },
           on},
          {"size unknown", TierMode::kB1, [](auto& l) { l.worker.disk_cache_gb = Gone<double>(); },
           on},
          {"smuggled blocks", TierMode::kB1,
           [](auto& l) { l.worker.disk_blocks = std::uint64_t{1536}; }, on},
          {"an open file", TierMode::kB1,
           [](auto& l) { l.worker.open_files_under_cache_dir = std::uint64_t{1}; }, on},
          {"open files unknown", TierMode::kB1,
           [](auto& l) { l.worker.open_files_under_cache_dir = Gone<std::uint64_t>(); }, on},
          {"blocks written in thrash", TierMode::kB1,
           [](auto& l) { l.phases[1].tiers.offload_g2_to_g3_blocks = std::uint64_t{1}; }, on},
          {"device to disk", TierMode::kB1,
           [](auto& l) { l.phases[0].tiers.offload_g1_to_g3_blocks = std::uint64_t{1}; }, on},
          {"blocks read in replay", TierMode::kB1,
           [](auto& l) { Replay(l).tiers.onboard_g3_to_g1_blocks = std::uint64_t{1}; }, on},
          {"counters gone", TierMode::kB1,
           [](auto& l) { Replay(l).tiers.onboard_g3_to_g1_blocks = Gone<std::uint64_t>(); }, on},
          {"reads in replay", TierMode::kB1,
           [](auto& l) { Replay(l).io.process_read = Bytes{1'048'577}; }, on},
          {"writes in replay", TierMode::kB1,
           [](auto& l) { Replay(l).io.process_write = Bytes{1'048'577}; }, on},
          {"nobody watched the worker", TierMode::kB1,
           [](auto& l) { Replay(l).io.process_read = Gone<Bytes>(); }, on},
          {"exactly 1 MiB is allowed",
           TierMode::kB1,
           [](auto& l) { Replay(l).io.process_read = Bytes{1'048'576}; },
           {}},
          {"the cgroup may be the witness",
           TierMode::kB1,
           [](auto& l) {
             Replay(l).io.process_read = Gone<Bytes>();
             Replay(l).io.cgroup_read = Bytes{0};
           },
           {}},
          {"the device is context only",
           TierMode::kB1,
           [](auto& l) { Replay(l).io.device_read = Bytes{1} + 500_MiB; },
           {}},
          {"a killed leg proves nothing", TierMode::kB1, [](auto& l) { l.phases.clear(); }, on},
          {"B2 is not meant", TierMode::kB2, [](auto&) {}, {}},
      },
      [](const LegEvidence& leg) { return CheckB1Off(leg); });
}

TEST(Witnesses, Agreement) {
  constexpr std::uint64_t kEngine =
      kReplayBlocks * kBlockBytes;  // 334,233,600 B; 5 % are 16.7 MB, 20 % are 66.8 MB
  const auto os = [](std::uint64_t bytes, std::uint64_t rchar = 0,
                     std::string backend = "reference") {
    return [=](LegEvidence& l) {
      l.backend = backend;
      Replay(l).io.process_read = Bytes{bytes};
      Replay(l).io.process_rchar = Bytes{rchar};
    };
  };
  ExpectCodes(
      {
          {"equal", TierMode::kB2, os(kEngine), {}},
          {"4 % short", TierMode::kB2, os(kEngine * 96 / 100), {}},
          {"6 % short", TierMode::kB2, os(kEngine * 94 / 100), {"WITNESS_DISAGREEMENT"}},
          {"6 % over", TierMode::kB2, os(kEngine * 106 / 100), {"WITNESS_DISAGREEMENT"}},
          {"15 % short elsewhere", TierMode::kB2, os(kEngine * 85 / 100, 0, "command"), {}},
          {"counted, not copied", TierMode::kB2, os(0), {"COUNTER_WITHOUT_IO"}},
          {"counted, a third copied",
           TierMode::kB2,
           os(kEngine / 3, kEngine / 3, "command"),
           {"COUNTER_WITHOUT_IO"}},
          {"from the page cache", TierMode::kB2, os(0, kEngine), {"PAGE_CACHE_READS"}},
          {"half is a disagreement", TierMode::kB2, os(kEngine / 2), {"WITNESS_DISAGREEMENT"}},
          {"30 % more than counted",
           TierMode::kB2,
           os(kEngine * 130 / 100),
           {"IO_WITHOUT_COUNTER"}},
          {"little engine traffic needs none",
           TierMode::kB2,
           [](auto& l) {
             Replay(l).tiers.onboard_g3_to_g1_blocks = std::uint64_t{20};
             Replay(l).io.process_read = Bytes{0};
           },
           {}},
          {"background reads in B1",
           TierMode::kB1,
           [](auto& l) { Replay(l).io.process_read = 9_MiB; },
           {"IO_WITHOUT_COUNTER"}},
          {"background writes in populate",
           TierMode::kB1,
           [](auto& l) { l.phases[0].io.process_write = 100_MiB; },
           {"IO_WITHOUT_COUNTER"}},
          {"writes that were only counted",
           TierMode::kB2,
           [](auto& l) { l.phases[0].io.process_write = Bytes{0}; },
           {"COUNTER_WITHOUT_IO"}},
          {"no witness",
           TierMode::kB2,
           [](auto& l) { Replay(l).io.process_read = Gone<Bytes>(); },
           {"WITNESS_UNAVAILABLE"}},
          {"cgroup instead",
           TierMode::kB2,
           [](auto& l) {
             Replay(l).io.process_read = Gone<Bytes>();
             Replay(l).io.cgroup_read = Bytes{kReplayBlocks * kBlockBytes};
           },
           {}},
          {"block size unknown",
           TierMode::kB2,
           [](auto& l) { l.block_bytes = 0; },
           {"WITNESS_UNAVAILABLE"}},
          {"block size unknown, but the reads are stated in bytes",
           TierMode::kB2,
           [](auto& l) {
             l.block_bytes = 0;
             Replay(l).tiers.onboard_from_g3_bytes =
                 Bytes{kEngine / 3};  // three times that was read
           },
           {"IO_WITHOUT_COUNTER", "WITNESS_UNAVAILABLE"}},
          {"B0 has nothing to agree on",
           TierMode::kB0,
           [](auto& l) { Replay(l).io.process_read = 100_MiB; },
           {}},
      },
      CheckWitnesses);
}

TEST(Witnesses, NoSecondFindingWhereTheEngineIsBlind) {
  LegEvidence leg = MakeLeg(TierMode::kB2, 50);
  for (auto& phase : leg.phases) phase.tiers = TierTraffic();
  EXPECT_THAT(CheckWitnesses(leg), IsEmpty());
  const Findings metrics = CheckMetrics(leg);
  EXPECT_THAT(Codes(metrics), ElementsAre("METRICS_UNAVAILABLE"));
  EXPECT_EQ(metrics.size(), 3u);
  EXPECT_FALSE(Passes(metrics));
}

TEST(Metrics, ResetAndAbsence) {
  ExpectCodes(
      {
          {"one counter is enough",
           TierMode::kB1,
           [](auto& l) { l.phases[1].tiers.matched_tokens = Gone<std::uint64_t>(); },
           {"METRICS_UNAVAILABLE"}},
          {"backwards",
           TierMode::kB2,
           [](auto& l) { l.phases[1].tiers.counter_reset = true; },
           {"COUNTER_RESET"}},
          {"process replaced",
           TierMode::kB2,
           [](auto& l) { l.phases[1].io.counter_reset = true; },
           {"COUNTER_RESET"}},
          {"B0 has none", TierMode::kB0, [](auto& l) { l.phases[1].tiers = TierTraffic(); }, {}},
      },
      CheckMetrics);
}

TEST(Answers, StaleKvIsCaught) {
  LegEvidence leg = MakeLeg(TierMode::kB2, 50);
  EXPECT_EQ(CompareAnswers(leg).compared, 60u);
  leg.records[100].text = "answer of another prompt";
  const Findings findings = CheckAnswers(leg);
  ASSERT_THAT(Codes(findings), ElementsAre("ANSWER_MISMATCH"));
  EXPECT_TRUE(findings[0].Invalidates());
  EXPECT_THAT(findings[0].detail, HasSubstr("1 of 60"));
  EXPECT_THAT(findings[0].detail, HasSubstr("p016 in replay after populate"));
  EXPECT_THAT(findings[0].detail, HasSubstr("from byte 8 on"));
}

TEST(Answers, AreGatedOnlyWhereTheStackPromisesThem) {
  LegEvidence leg = MakeLeg(TierMode::kB2, 50);
  leg.records[100].text = "other";
  leg.deterministic = false;
  EXPECT_THAT(Codes(CheckAnswers(leg)), ElementsAre("ANSWERS_DIFFER"));
  EXPECT_TRUE(Passes(CheckAnswers(leg)));
  leg.deterministic = true;
  leg.records[5].planned.params.temperature = 0.2;
  EXPECT_THAT(Codes(CheckAnswers(leg)), ElementsAre("ANSWERS_DIFFER"));
}

TEST(Answers, NothingComparedIsNoPass) {
  LegEvidence leg = MakeLeg(TierMode::kB2, 50);
  for (std::size_t i = 0; i < 60; ++i) leg.records[i].outcome = Outcome::kHttpError;
  EXPECT_THAT(Codes(CheckAnswers(leg)), ElementsAre("ANSWERS_NOT_COMPARED"));
  EXPECT_FALSE(Passes(CheckAnswers(leg)));
}

TEST(Answers, HashesServeWhereTextsAreMissing) {
  LegEvidence leg = MakeLeg(TierMode::kB2, 50);
  for (auto& r : leg.records) {
    r.output_sha256 = "hash of " + r.text;
    r.text.clear();
  }
  EXPECT_TRUE(Passes(CheckAnswers(leg)));
  leg.records[100].output_sha256 = "other";
  EXPECT_FALSE(Passes(CheckAnswers(leg)));
}

TEST(Answers, OtherParametersAreOtherRequests) {
  LegEvidence leg = MakeLeg(TierMode::kB2, 50);
  leg.records[100].text = "other";
  leg.records[100].planned.identity.generation_params_sha256 = "other";
  EXPECT_TRUE(Passes(CheckAnswers(leg)));
}

TEST(Answers, BothLegsOfAPairMustAgree) {
  const LegEvidence a = MakeLeg(TierMode::kB1, 50, "run_a");
  LegEvidence b = MakeLeg(TierMode::kB2, 50, "run_b");
  EXPECT_THAT(CheckAnswersAcross(a, b), IsEmpty());
  b.records[70].text = "thrash said something else";
  EXPECT_THAT(Codes(CheckAnswersAcross(a, b)), ElementsAre("ANSWER_MISMATCH"));
  for (auto& r : b.records) r.planned.identity.prompt_sha256 += "x";
  EXPECT_THAT(Codes(CheckAnswersAcross(a, b)), ElementsAre("ANSWERS_NOT_COMPARED"));
}

TEST(Lengths, FixedKnownAndEqual) {
  LegEvidence a = MakeLeg(TierMode::kB1, 50);
  LegEvidence b = a;
  EXPECT_THAT(CheckLengths(a), IsEmpty());
  EXPECT_THAT(CheckLengthsAcross(a, b), IsEmpty());
  b.records[10].usage->completion_tokens = 7;
  EXPECT_THAT(Codes(CheckLengths(b)), ElementsAre("OUTPUT_LENGTH_MISMATCH"));
  EXPECT_THAT(Codes(CheckLengthsAcross(a, b)), ElementsAre("OUTPUT_LENGTH_MISMATCH"));
  a.records[10].usage.reset();
  EXPECT_THAT(Codes(CheckLengths(a)), ElementsAre("OUTPUT_LENGTH_MISMATCH"));
  EXPECT_FALSE(Passes(CheckLengths(a)));
}

TEST(Client, SaturationInvalidatesOnlyTheHeadline) {
  LegEvidence leg = MakeLeg(TierMode::kB1, 50);
  leg.phases[0].client.saturated = true;
  EXPECT_EQ(CheckClient(leg).at(0).severity, Severity::kSoft);
  Replay(leg).client.saturated = true;
  EXPECT_TRUE(CheckClient(leg).at(1).Invalidates());
}

TEST(Leg, DrainAndColdStart) {
  LegEvidence leg = MakeLeg(TierMode::kB2, 50);
  leg.phases[0].drain = {false, 30, "offloads were still moving"};
  EXPECT_EQ(CheckDrain(leg).at(0).severity, Severity::kSoft);
  leg.worker.cold_at_start = false;
  EXPECT_THAT(Codes(CheckColdStart(leg)), ElementsAre("COLD_START_NOT_PROVEN"));
  leg.worker.cold_at_start = Gone<bool>();
  EXPECT_FALSE(Passes(CheckColdStart(leg)));
  leg.tier = TierMode::kB0;
  EXPECT_TRUE(Passes(CheckColdStart(leg)));
}

TEST(ExpectedHits, EngineMustLieInTheRange) {
  LegEvidence leg = MakeLeg(TierMode::kB2, 50);
  Replay(leg).expected = ExpectedHits{true, {0, 0}, {0, 0}, {1020, 1020}, {60, 60}, {0, 0}};
  EXPECT_THAT(CheckExpectedHits(leg), IsEmpty());
  Replay(leg).expected->g3_blocks = {1021, 1030};
  const Findings off = CheckExpectedHits(leg);
  ASSERT_EQ(off.size(), 1u);
  EXPECT_TRUE(Passes(off));  // said, not gated
  EXPECT_THAT(off[0].detail, HasSubstr("blocks from disk 1020 instead of 1021 to 1030"));
  EXPECT_THAT(off[0].detail, HasSubstr("matched tokens 32640 instead of 32672 to 32960"));
}

class Reuse : public ::testing::Test {
 protected:
  LegEvidence Leg(TierMode tier) {
    LegEvidence leg = MakeLeg(tier, 50);
    leg.scenario = "reuse_verify";
    leg.phases = {test::MakePhase("reuse_1", 1), test::MakePhase("reuse_2", 1),
                  test::MakePhase("reuse_3", 1)};
    leg.records = {test::MakeRecord(1, "reuse_1", 1, 50), test::MakeRecord(2, "reuse_2", 1, 50),
                   test::MakeRecord(3, "reuse_3", 1, 50)};
    if (tier == TierMode::kB0) {
      for (auto& phase : leg.phases) phase.tiers = TierTraffic();
    }
    return leg;
  }
};

TEST_F(Reuse, AnyTierMayAnswer) {
  LegEvidence host = Leg(TierMode::kB1);
  EXPECT_THAT(Codes(CheckReuse(host)), ElementsAre("REUSE_ABSENT"));
  host.phases[2].tiers.matched_tokens = std::uint64_t{512};
  host.phases[2].tiers.onboard_g2_to_g1_blocks = std::uint64_t{16};
  EXPECT_THAT(CheckReuse(host), IsEmpty());
  EXPECT_EQ(AnsweringTier(host, host.phases[2]), "host");
  EXPECT_EQ(ReuseSignalKvbm(host).at("signal"), "prefix_reuse_detected");
  EXPECT_EQ(ReuseSignalKvbm(host).at("reuse_3_matched_tokens"), 512);
  EXPECT_EQ(ReuseSignalKvbm(host).at("answering_tier").at("reuse_3"), "host");
}

TEST_F(Reuse, InB0TheDeviceDecides) {
  LegEvidence leg = Leg(TierMode::kB0);
  EXPECT_THAT(Codes(CheckReuse(leg)), ElementsAre("REUSE_ABSENT"));
  leg.records[1].usage->cached_tokens = 512;
  EXPECT_THAT(CheckReuse(leg), IsEmpty());
  EXPECT_EQ(AnsweringTier(leg, leg.phases[1]), "device");
  EXPECT_EQ(ReuseSignalKvbm(leg).at("signal"), "skipped");
  EXPECT_EQ(ReuseSignalKvbm(leg).at("device_cached_tokens").at("reuse_2"), 512);
  EXPECT_TRUE(Passes(JudgeLeg(leg))) << FindingsText(JudgeLeg(leg));
}

TEST_F(Reuse, AWarmStartIsContamination) {
  LegEvidence leg = Leg(TierMode::kB2);
  for (auto& phase : leg.phases) phase.tiers.matched_tokens = std::uint64_t{512};
  EXPECT_THAT(Codes(CheckReuse(leg)), ElementsAre("REUSE_CONTAMINATED"));
  leg.phases[0].tiers.matched_tokens = std::uint64_t{0};
  leg.records[0].usage->cached_tokens = 32;
  EXPECT_THAT(Codes(CheckReuse(leg)), ElementsAre("REUSE_CONTAMINATED"));
}

TEST_F(Reuse, TheTextsMustBeEqual) {
  LegEvidence leg = Leg(TierMode::kB1);
  leg.phases[1].tiers.matched_tokens = std::uint64_t{512};
  leg.records[2].text = "wrong";
  EXPECT_THAT(Codes(CheckReuse(leg)), ElementsAre("ANSWER_MISMATCH"));
}

// A scenario that asks nothing again says nothing about the SSD, and its warm-up is not measured.
TEST(ScenarioWithoutReplay, IsJudgedByItsMeasuredPhases) {
  LegEvidence leg = MakeLeg(TierMode::kB2, 50);
  leg.phases.pop_back();
  std::erase_if(leg.records, [](const RequestRecord& r) { return r.phase == "replay"; });
  leg.phases[0].include_in_overall = false;
  EXPECT_TRUE(Has(JudgeLeg(leg), Reason::kRunIncomplete));
  leg.scenario = "standard";
  EXPECT_FALSE(Has(JudgeLeg(leg), Reason::kRunIncomplete));
  const auto severity = [&](std::size_t saturated) {
    LegEvidence busy = leg;
    busy.phases[saturated].client.saturated = true;
    busy.phases[saturated].client.saturated_why = "slow";
    return CheckClient(busy).at(0).severity;
  };
  EXPECT_EQ(severity(0), Severity::kSoft);
  EXPECT_EQ(severity(1), Severity::kInvalidatesRun);
}

/// The same leg under the names of eviction_replay.
LegEvidence MakeEvictionLeg(TierMode tier) {
  LegEvidence leg = MakeLeg(tier, 50);
  leg.scenario = "eviction_replay";
  const std::map<std::string, std::string> names{
      {"populate", "warm_A"}, {"thrash", "pressure_B"}, {"replay", "replay_A"}};
  for (PhaseEvidence& phase : leg.phases) phase.name = names.at(phase.name);
  for (RequestRecord& record : leg.records) record.phase = names.at(record.phase);
  return leg;
}

TEST(EvictionReplay, ReplayAIsTheHeadlineThatTheRulesLookAt) {
  LegEvidence leg = MakeEvictionLeg(TierMode::kB2);
  EXPECT_TRUE(Passes(JudgeLeg(leg))) << FindingsText(JudgeLeg(leg));
  EXPECT_EQ(CompareAnswers(leg).compared, 60U);
  leg.phases[2].tiers.onboard_g3_to_g1_blocks = std::uint64_t{0};
  EXPECT_THAT(Codes(CheckMechanism(leg)), ElementsAre("REHYDRATE_SIGNAL_ABSENT_WRITE_ONLY"));
  EXPECT_EQ(CheckMechanism(leg).front().phase, "replay_A");
  leg.phases.pop_back();
  EXPECT_TRUE(Has(CheckRunValid(leg), Reason::kRunIncomplete));

  LegEvidence off = MakeEvictionLeg(TierMode::kB1);
  EXPECT_TRUE(Passes(CheckB1Off(off)));
  off.phases[2].io.process_read = 2_MiB;
  EXPECT_THAT(Codes(CheckB1Off(off)), ElementsAre("B1_DISK_TIER_NOT_DISABLED"));
}

TEST(Signals, OfEvictionReplaySpeakOfItsOwnPhases) {
  const LegEvidence leg = MakeEvictionLeg(TierMode::kB2);
  const auto kvbm = RehydrateSignalKvbm(leg);
  EXPECT_EQ(kvbm.at("signal"), "disk_rehydrate_detected");
  EXPECT_EQ(kvbm.at("baseline_phase"), "warm_A");
  EXPECT_EQ(kvbm.at("pressure_phase"), "pressure_B");
  EXPECT_EQ(kvbm.at("replay_phase"), "replay_A");
  const auto io = EvictionSignalIo(leg);
  EXPECT_EQ(io.at("replay_phase"), "replay_A");
  EXPECT_EQ(io.at("warm_read_mib"), io.at("baseline_read_mib"));
  LegEvidence blind = leg;
  blind.phases[2].io.device_read = Gone<Bytes>();
  EXPECT_EQ(EvictionSignalIo(blind).at("signal"), "skipped");
  EXPECT_FALSE(EvictionSignalIo(blind).contains("warm_read_mib"));
}

TEST(Signals, DocumentedWords) {
  LegEvidence leg = MakeLeg(TierMode::kB2, 50);
  EXPECT_EQ(RehydrateSignalKvbm(leg).at("signal"), "disk_rehydrate_detected");
  EXPECT_EQ(RehydrateSignalKvbm(leg).at("replay_onboard_blocks_d2d"), 1020);
  EXPECT_EQ(RehydrateSignalIo(leg).at("signal"), "possible_readback");
  Replay(leg).tiers.onboard_g3_to_g1_blocks = std::uint64_t{0};
  EXPECT_EQ(RehydrateSignalKvbm(leg).at("signal"), "no_onboard_signal");
  leg.phases[1].tiers.onboard_g2_to_g1_blocks = std::uint64_t{3};
  EXPECT_EQ(RehydrateSignalKvbm(leg).at("signal"), "onboard_outside_replay");
  Replay(leg).tiers.onboard_g2_to_g1_blocks = std::uint64_t{18};
  EXPECT_EQ(RehydrateSignalKvbm(leg).at("signal"),
            "host_onboard_only");  // never called a disk rehydrate
  Replay(leg).tiers.onboard_g2_to_g1_blocks = Replay(leg).tiers.matched_tokens = std::uint64_t{0};
  EXPECT_EQ(RehydrateSignalKvbm(leg).at("signal"), "no_onboard_no_reuse_signal");
  EXPECT_EQ(RehydrateSignalKvbm(leg).at("reuse_gate"), "reuse_absent");
  Replay(leg).tiers.matched_tokens = Gone<std::uint64_t>();
  EXPECT_EQ(RehydrateSignalKvbm(leg).at("reason"), "kvbm_metrics_unavailable");
  EXPECT_EQ(RehydrateSignalKvbm(MakeLeg(TierMode::kB0, 50)).at("reason"), "kvbm_disabled");
  Replay(leg).io.device_read = 1_MiB;
  EXPECT_EQ(RehydrateSignalIo(leg).at("signal"), "weak_read_signal");
  Replay(leg).io.device_read = Gone<Bytes>();
  EXPECT_EQ(RehydrateSignalIo(leg).at("signal"), "skipped");
}

TEST(Figures, OnlyOkRequestsOfTheHeadline) {
  LegEvidence leg = MakeLeg(TierMode::kB2, 50);
  Replay(leg).duration_s = 10;
  leg.records[143].stamps.first_text = *leg.records[143].stamps.sent_first + 9'000'000'000;
  leg.records[143].outcome = Outcome::kStreamError;  // its 9 s must not be a latency
  leg.phases.push_back(test::MakePhase("replay_2", 1));
  leg.records.push_back(test::MakeRecord(145, "replay_2", 0, 1));
  const LegFigures f = MeasureLeg(leg);
  EXPECT_EQ(f.ok, 59);
  EXPECT_EQ(f.failed, 1);
  EXPECT_EQ(f.ttfc_p95->n, 59u);
  EXPECT_LT(f.ttfc_p95->value, 53);
  EXPECT_NEAR(f.ttfc_p50->value, 50, 0.1);
  EXPECT_NEAR(f.error_rate, 1.0 / 145, 1e-12);
  EXPECT_DOUBLE_EQ(*f.prompt_tokens_per_s, 59 * 550 / 10.0);
  EXPECT_EQ(f.disk_read->value, kReplayBlocks * kBlockBytes);
  EXPECT_EQ(f.os_source, "proc_pid_io");
}

}  // namespace
}  // namespace kvtier
