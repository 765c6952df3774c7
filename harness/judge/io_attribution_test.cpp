#include "harness/judge/io_attribution.hpp"

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "harness/core/error.hpp"
#include "harness/judge/agreement.hpp"
#include "harness/judge/evidence_maker.hpp"
#include "harness/judge/gates.hpp"

namespace kvtier {
namespace {

using test::kBlockBytes;
using test::kReplayBlocks;
using test::MakeAttribution;
using test::MakeLeg;
using test::Replay;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// 334,233,600 bytes; 5 % are 16,711,680.
constexpr std::uint64_t kEngine = kReplayBlocks * kBlockBytes;

LegEvidence Attributed(TierMode tier) {
  LegEvidence leg = MakeLeg(tier, 50);
  leg.io_attribution = MakeAttribution(leg);
  return leg;
}

PhaseAttribution& ReplayOf(LegEvidence& leg) {
  return leg.io_attribution->phases[2];
}

/// The KV file lies in the page cache, whole.
void MakeResident(PhaseAttribution& a, bool direct_io) {
  std::vector<FileObservation> files = *a.files;
  files.at(0).direct_io = direct_io;
  files.at(0).resident_after = Bytes{kEngine};
  a.files = files;
}

/// "FAIL replay_reads_magnitude" and so on, of all that do not pass.
std::vector<std::string> NotPassed(const IoAttributionVerdict& v) {
  std::vector<std::string> out;
  for (const AttributionCheck& c : v.checks) {
    if (c.status != CheckStatus::kPass)
      out.push_back(std::string(CheckStatusName(c.status)) + " " + c.name);
  }
  return out;
}

const std::vector<std::string> kNobodyRead{
    "FAIL replay_process_reads_positive", "FAIL replay_process_pid_readers_present",
    "FAIL replay_reads_magnitude", "FAIL replay_engine_agreement"};

/// One planted lie, what does not pass, and the codes when attribution was expected.
struct AttributionLie {
  std::string name;
  TierMode tier;
  std::function<void(LegEvidence&)> plant;
  std::vector<std::string> not_passed;
  std::vector<std::string> codes;
};

void ExpectVerdicts(const std::vector<AttributionLie>& lies) {
  for (const AttributionLie& lie : lies) {
    LegEvidence leg = Attributed(lie.tier);
    lie.plant(leg);
    const IoAttributionVerdict v = JudgeIoAttribution(leg, true);
    EXPECT_THAT(NotPassed(v), ::testing::UnorderedElementsAreArray(lie.not_passed)) << lie.name;
    const bool fails = std::any_of(lie.not_passed.begin(), lie.not_passed.end(),
                                   [](const auto& c) { return c.rfind("FAIL", 0) == 0; });
    EXPECT_EQ(v.pass, !fails) << lie.name;
    const Findings findings = CheckIoAttribution(leg, true);
    EXPECT_EQ(Codes(findings), lie.codes) << lie.name << "\n" << FindingsText(findings);
  }
}

TEST(IoAttribution, HonestLegsPassEveryCheck) {
  for (const TierMode tier : kAllTierModes) {
    const LegEvidence leg = Attributed(tier);
    const IoAttributionVerdict v = JudgeIoAttribution(leg, true);
    EXPECT_TRUE(v.pass);
    EXPECT_THAT(NotPassed(v), IsEmpty());
    EXPECT_EQ(v.strict, tier == TierMode::kB2);
    EXPECT_EQ(v.mode, TierName(tier));
    EXPECT_EQ(v.replay_phase, "replay");
    EXPECT_THAT(CheckIoAttribution(leg, true), IsEmpty());
    // The documented names are there where the documented checker writes them.
    for (const char* name :
         {"summary_present", "io_report_present", "replay_kvbm_file_observation"})
      EXPECT_NE(v.Find(name), nullptr) << name;
    for (const char* name : {"replay_phase_window", "replay_block_reads_positive",
                             "replay_process_reads_positive", "replay_process_pid_readers_present"})
      EXPECT_EQ(v.Find(name) != nullptr, v.strict) << name;
    EXPECT_EQ(v.Find("strict_replay_gate") != nullptr, !v.strict);
  }
  EXPECT_EQ(JudgeIoAttribution(Attributed(TierMode::kB2), true).evidence_method, "pid");
}

TEST(IoAttribution, MagnitudeIsHeldAgainstTheEngine) {
  const auto read = [](std::uint64_t bytes) {
    return [=](LegEvidence& l) {
      ReplayOf(l).process_read = ReplayOf(l).process_rchar = ReplayOf(l).block_read = Bytes{bytes};
      ReplayOf(l).pids[0].read = Bytes{bytes};
    };
  };
  ExpectVerdicts({
      {"one byte passed the predecessor",
       TierMode::kB2,
       read(1),
       {"FAIL replay_reads_magnitude", "FAIL replay_engine_agreement"},
       {"COUNTER_WITHOUT_IO"}},
      {"within 5 %", TierMode::kB2, read(kEngine - 16'711'680), {}, {}},
      {"one byte less",
       TierMode::kB2,
       read(kEngine - 16'711'681),
       {"FAIL replay_reads_magnitude", "FAIL replay_engine_agreement"},
       {"WITNESS_DISAGREEMENT"}},
      {"a third more than counted",
       TierMode::kB2,
       read(kEngine * 4 / 3),
       {"FAIL replay_engine_agreement"},
       {"IO_WITHOUT_COUNTER"}},
      {"two blocks and an engine that agrees are few, but real",
       TierMode::kB2,
       [&](auto& l) {
         Replay(l).tiers.onboard_g3_to_g1_blocks = std::uint64_t{2};
         read(2 * kBlockBytes)(l);
       },
       {},
       {}},
      {"less than one block is none",
       TierMode::kB2,
       [&](auto& l) {
         Replay(l).tiers.onboard_g3_to_g1_blocks = std::uint64_t{2};
         read(kBlockBytes - 1)(l);
       },
       {"FAIL replay_reads_magnitude"},
       {"IO_ATTRIB_MISSING"}},
      {"what the worker reads beside an engine that read nothing is no KV",
       TierMode::kB2,
       [&](auto& l) {
         Replay(l).tiers.onboard_g3_to_g1_blocks = std::uint64_t{0};
         read(4 * kBlockBytes)(l);
       },
       {"FAIL replay_reads_magnitude"},
       {"IO_ATTRIB_MISSING"}},
      {"a silent engine needs 8 MiB and cannot agree",
       TierMode::kB2,
       [&](auto& l) {
         Replay(l).tiers.onboard_g3_to_g1_blocks = Reading<std::uint64_t>::Unavailable("planted");
         read(8'388'607)(l);
       },
       {"FAIL replay_reads_magnitude", "FAIL replay_engine_agreement"},
       {"IO_ATTRIB_MISSING"}},
      {"an engine that counts bytes instead of blocks",
       TierMode::kB2,
       [](auto& l) {
         Replay(l).tiers.onboard_g3_to_g1_blocks = Reading<std::uint64_t>::Unavailable("planted");
         Replay(l).tiers.onboard_from_g3_bytes = Bytes{kEngine};
       },
       {},
       {}},
  });
}

TEST(IoAttribution, FakeCountersAndThePageCacheAreToldApart) {
  ExpectVerdicts({
      {"counters without I/O",
       TierMode::kB2,
       [](auto& l) {
         ReplayOf(l).process_read = ReplayOf(l).process_rchar = Bytes{0};
         ReplayOf(l).block_read = ReplayOf(l).pids[0].read = Bytes{0};
       },
       {"FAIL replay_block_reads_positive", kNobodyRead[0], kNobodyRead[1], kNobodyRead[2],
        kNobodyRead[3]},
       {"COUNTER_WITHOUT_IO"}},
      {"all from the page cache",
       TierMode::kB2,
       [](auto& l) {
         PhaseAttribution& a = ReplayOf(l);
         a.process_read = a.block_read = a.pids[0].read = Bytes{0};
         a.process_rchar = Bytes{kEngine};
         MakeResident(a, false);
       },
       {"FAIL replay_block_reads_positive", kNobodyRead[0], kNobodyRead[1], kNobodyRead[2],
        kNobodyRead[3], "WARN replay_page_cache"},
       {"PAGE_CACHE_READS"}},
      {"a cached file that is read around the cache",
       TierMode::kB2,
       [](auto& l) { MakeResident(ReplayOf(l), true); },
       {},
       {}},
      {"a buffered file that fills the cache while it is read",
       TierMode::kB2,
       [](auto& l) { MakeResident(ReplayOf(l), false); },
       {"WARN replay_page_cache"},
       {}},
  });
  LegEvidence leg = Attributed(TierMode::kB2);
  ReplayOf(leg).process_read = Bytes{0};
  MakeResident(ReplayOf(leg), true);
  EXPECT_THAT(
      CheckIoAttribution(leg, true).at(0).detail,
      HasSubstr("318.75 MiB, the worker 0 B from the device; system calls asked for 318.75 MiB; "
                "318.75 MiB of 318.75 MiB of the KV files lie in the page cache"));
}

TEST(IoAttribution, StrangersAreNamedAndProveNothing) {
  ExpectVerdicts({
      {"fio beside an honest worker",
       TierMode::kB2,
       [](auto& l) { ReplayOf(l).block_read = Bytes{3 * kEngine}; },
       {"WARN replay_reads_by_strangers"},
       {}},
      {"fio instead of the worker",
       TierMode::kB2,
       [](auto& l) {
         PhaseAttribution& a = ReplayOf(l);
         a.process_read = a.process_rchar = a.pids[0].read = Bytes{0};
       },
       {kNobodyRead[0], kNobodyRead[1], kNobodyRead[2], kNobodyRead[3],
        "WARN replay_reads_by_strangers"},
       {"COUNTER_WITHOUT_IO"}},
      {"fio in B1",
       TierMode::kB1,
       [](auto& l) { ReplayOf(l).block_read = 500_MiB; },
       {"WARN replay_reads_by_strangers"},
       {}},
      {"the worker read another device",
       TierMode::kB2,
       [](auto& l) { ReplayOf(l).block_read = 1_MiB; },
       {"FAIL replay_device_covers_reads"},
       {"IO_ATTRIB_MISSING"}},
      {"a device that cannot be seen condemns nobody",
       TierMode::kB2,
       [](auto& l) { ReplayOf(l).block_read = Reading<Bytes>::Unavailable("planted"); },
       {"WARN replay_block_reads_positive"},
       {}},
      {"a shared control group does not stand in for a worker that read nothing",
       TierMode::kB2,
       [](auto& l) {
         PhaseAttribution& a = ReplayOf(l);
         a.process_read = a.process_rchar = a.pids[0].read = Bytes{0};
         a.cgroup_read = Bytes{kEngine};
       },
       {kNobodyRead[0], kNobodyRead[1], kNobodyRead[2], kNobodyRead[3],
        "WARN replay_reads_by_strangers"},
       {"COUNTER_WITHOUT_IO"}},
  });
}

TEST(IoAttribution, TheControlGroupStandsInForUnreadableProcesses) {
  LegEvidence leg = Attributed(TierMode::kB2);
  PhaseAttribution& a = ReplayOf(leg);
  a.process_read = a.process_rchar = Reading<Bytes>::Unavailable("not permitted");
  a.pids.clear();
  a.cgroup_read = Bytes{kEngine};
  const IoAttributionVerdict v = JudgeIoAttribution(leg, true);
  EXPECT_TRUE(v.pass);
  EXPECT_EQ(v.evidence_method, "cgroup");
  EXPECT_THAT(NotPassed(v), ElementsAre("WARN replay_process_pid_readers_present"));
  a.cgroup_read = Reading<Bytes>::Unavailable("no cgroup v2");
  EXPECT_FALSE(JudgeIoAttribution(leg, true).pass);
  const Findings findings = CheckIoAttribution(leg, true);
  EXPECT_THAT(Codes(findings), ElementsAre("IO_ATTRIB_MISSING"));
  EXPECT_THAT(findings[0].detail, HasSubstr("unavailable (not permitted)"));
}

TEST(IoAttribution, ReportsThatAreMissingStaleOrPartial) {
  ExpectVerdicts({
      {"failed to write",
       TierMode::kB1,
       [](auto& l) {
         l.io_attribution->available = false;
         l.io_attribution->error = "io_attribution_report.json is not JSON";
       },
       {"FAIL io_report_present", "WARN b1_replay_reads", "WARN replay_kvbm_file_observation"},
       {"IO_ATTRIB_MISSING"}},
      {"the replay was left out",
       TierMode::kB2,
       [](auto& l) { l.io_attribution->phases.pop_back(); },
       {"FAIL replay_phase_window", "FAIL replay_block_reads_positive", kNobodyRead[0],
        kNobodyRead[1], kNobodyRead[2], kNobodyRead[3], "WARN replay_kvbm_file_observation"},
       {"IO_ATTRIB_MISSING"}},
      {"no time in the window",
       TierMode::kB2,
       [](auto& l) { ReplayOf(l).end_utc = "a while later"; },
       {"FAIL replay_phase_window"},
       {"IO_ATTRIB_MISSING"}},
      {"a window that ends before it begins",
       TierMode::kB2,
       [](auto& l) { ReplayOf(l).end_utc = "2025-12-31T23:59:59.999Z"; },
       {"FAIL replay_phase_window"},
       {"IO_ATTRIB_MISSING"}},
      {"the report of yesterday",
       TierMode::kB2,
       [](auto& l) {
         Replay(l).start_utc = "2026-01-02T00:00:00.000+00:00";
         Replay(l).end_utc = "2026-01-02T00:00:10.000+00:00";
       },
       {"FAIL replay_window_matches_run"},
       {"IO_ATTRIB_MISSING"}},
      {"nobody saw the files",
       TierMode::kB2,
       [](auto& l) {
         ReplayOf(l).files = Reading<std::vector<FileObservation>>::Unavailable("planted");
       },
       {"WARN replay_kvbm_file_observation"},
       {}},
      {"the files lie on another disk",
       TierMode::kB2,
       [](auto& l) { l.io_attribution->device = "sda"; },
       {"WARN replay_files_on_device"},
       {}},
      {"captures that failed are told",
       TierMode::kB2,
       [](auto& l) { l.io_attribution->capture_errors = {"no smaps"}; },
       {"WARN io_report_capture_errors"},
       {}},
      {"B1 reads that the SSD tier would not explain",
       TierMode::kB1,
       [](auto& l) {
         ReplayOf(l).process_read = ReplayOf(l).block_read = Bytes{1'048'577};
         ReplayOf(l).pids[0].read = Bytes{1'048'577};
       },
       {"WARN b1_replay_reads"},
       {}},
  });
  LegEvidence leg = MakeLeg(TierMode::kB1, 50);
  EXPECT_TRUE(JudgeIoAttribution(leg, false).pass);
  EXPECT_FALSE(JudgeIoAttribution(leg, true).pass);
  EXPECT_THAT(Codes(CheckIoAttribution(leg, true)), ElementsAre("IO_ATTRIB_MISSING"));
  EXPECT_THAT(CheckIoAttribution(leg, false), IsEmpty());
  leg.tier = TierMode::kB0;
  EXPECT_THAT(CheckIoAttribution(leg, true), IsEmpty());
  // A strict gate without a report is not passed, whoever asked.
  EXPECT_FALSE(JudgeIoAttribution(MakeLeg(TierMode::kB2, 50), false).pass);
}

TEST(IoAttribution, EveryReplayPhaseIsExamined) {
  LegEvidence leg = MakeLeg(TierMode::kB2, 50);
  leg.phases.push_back(Replay(leg));
  leg.phases[3].name = "replay_2";
  leg.io_attribution = MakeAttribution(leg);
  EXPECT_TRUE(JudgeIoAttribution(leg, true).pass);

  leg.io_attribution->phases[3].process_read = leg.io_attribution->phases[3].process_rchar =
      Bytes{0};
  leg.io_attribution->phases[3].pids[0].read = Bytes{0};
  IoAttributionVerdict v = JudgeIoAttribution(leg, true);
  EXPECT_FALSE(v.pass);
  EXPECT_EQ(v.Find("replay_engine_agreement")->status, CheckStatus::kPass);
  EXPECT_EQ(v.Find("replay_engine_agreement (replay_2)")->status, CheckStatus::kFail);
  EXPECT_EQ(v.replay_process_read->value, kEngine);  // the headline's
  const Findings findings = CheckIoAttribution(leg, true);
  ASSERT_THAT(Codes(findings), ElementsAre("COUNTER_WITHOUT_IO"));
  EXPECT_EQ(findings[0].phase, "replay_2");

  // Two blocks are too few for a contradiction, but somebody must have read them.
  leg.phases[3].tiers.onboard_g3_to_g1_blocks = std::uint64_t{2};
  EXPECT_EQ(JudgeIoAttribution(leg, true).Find("replay_process_reads_positive (replay_2)")->status,
            CheckStatus::kFail);
  EXPECT_THAT(Codes(CheckIoAttribution(leg, true)), ElementsAre("IO_ATTRIB_MISSING"));

  // A later replay that hit warmer tiers has nothing to show.
  leg.phases[3].tiers.onboard_g3_to_g1_blocks = std::uint64_t{0};
  leg.io_attribution->phases[3].block_read = Bytes{0};
  EXPECT_TRUE(JudgeIoAttribution(leg, true).pass);
  // But it may not be left out of the report.
  leg.io_attribution->phases.pop_back();
  EXPECT_EQ(JudgeIoAttribution(leg, true).Find("replay_phase_window (replay_2)")->status,
            CheckStatus::kFail);
}

TEST(IoAttribution, TheLegSaysAContradictionOnce) {
  LegEvidence leg = MakeLeg(TierMode::kB2, 50);
  Replay(leg).io.process_read = Replay(leg).io.process_rchar = Bytes{0};
  leg.io_attribution = MakeAttribution(leg);
  const Findings findings = JudgeLeg(leg);
  EXPECT_EQ(std::count_if(findings.begin(), findings.end(),
                          [](const Finding& f) { return f.reason == Reason::kCounterWithoutIo; }),
            1);
}

TEST(IoAttribution, TheLineIsTheDocumentedOne) {
  LegEvidence leg = Attributed(TierMode::kB2);
  EXPECT_EQ(IoAttributionLine(JudgeIoAttribution(leg, true), "v.json"),
            "PASS io-attrib replay: block=318.75MiB proc(pid)=318.75MiB pid=318.75MiB (method=pid) "
            "mode=B2 strict=true replay_block_read=334233600 replay_process_read=334233600 "
            "replay_cgroup_read=unavailable warns=0 fails=0 verdict=v.json");
  PhaseAttribution& a = ReplayOf(leg);
  a.cgroup_read = a.process_read;
  a.process_read = Reading<Bytes>::Unavailable("not permitted");
  a.pids.clear();
  a.block_read = 320_MiB;
  const IoAttributionVerdict v = JudgeIoAttribution(leg, true);
  EXPECT_EQ(IoAttributionExitCode(v), 0);
  EXPECT_EQ(IoAttributionLine(v, "v.json"),
            "PASS io-attrib replay: block=320.00MiB proc(cgroup)=318.75MiB pid=0B (method=cgroup) "
            "WARN pid_attrib_zero mode=B2 strict=true replay_block_read=335544320 "
            "replay_process_read=unavailable replay_cgroup_read=334233600 warns=1 fails=0 "
            "note=cgroup_expected_in_containerized_runs verdict=v.json");
  IoAttributionVerdict failed;
  failed.replay_block_read = Bytes{17};
  failed.replay_process_read = Bytes{1536};
  failed.replay_cgroup_read = Bytes{0};
  failed.evidence_method = "none";
  failed.mode = "B1";
  EXPECT_EQ(IoAttributionExitCode(failed), 2);
  EXPECT_THAT(IoAttributionLine(failed, "x"),
              HasSubstr("FAIL io-attrib replay: block=17B proc(none)=1.50KiB"));
}

TEST(IoAttribution, VerdictReadsBackAsItWasWritten) {
  LegEvidence leg = Attributed(TierMode::kB2);
  for (int i = 0; i < 20; ++i) ReplayOf(leg).pids.push_back({100 + i, "reader", {9_KiB}, {}});
  const nlohmann::json j = JudgeIoAttribution(leg, true);
  for (const char* key :
       {"pass", "mode", "strict_replay_gate_required", "checks", "replay_phase",
        "replay_read_bytes_block", "replay_read_bytes_process_total",
        "replay_read_bytes_cgroup_total", "process_evidence_method", "per_pid_readers_available",
        "per_pid_readers_nonzero", "top_pids_replay"}) {
    EXPECT_TRUE(j.contains(key)) << key;
  }
  EXPECT_EQ(j.at("top_pids_replay").size(), 10u);
  EXPECT_EQ(j.at("top_pids_replay").at(0).at("read_bytes_delta"), kEngine);
  EXPECT_EQ(j.at("replay_read_bytes_cgroup_total").at("unavailable"), "no cgroup v2");
  EXPECT_EQ(nlohmann::json(j.get<IoAttributionVerdict>()), j);
  nlohmann::json broken = j;
  broken["checks"][0]["status"] = "MAYBE";
  EXPECT_THROW(broken.get<IoAttributionVerdict>(), DataError);
  broken = j;
  broken.erase("pass");
  EXPECT_THROW(broken.get<IoAttributionVerdict>(), DataError);
}

TEST(Agreement, EveryEdgeOfTheRule) {
  const auto unknown = Reading<Bytes>::Unavailable("planted");
  const auto compare = [&](std::uint64_t engine, std::uint64_t os, bool reference) {
    return CompareWitnesses(Bytes{engine}, Bytes{os}, unknown, reference);
  };
  // 100 MiB: 5 % are less than 8 MiB; 20 % are 20 MiB, less than 64.
  constexpr std::uint64_t kMiB = 1 << 20;
  EXPECT_EQ(compare(100 * kMiB, 92 * kMiB, true), std::nullopt);
  EXPECT_EQ(compare(100 * kMiB, 92 * kMiB - 1, true), Reason::kWitnessDisagreement);
  EXPECT_EQ(compare(100 * kMiB, 50 * kMiB, true), Reason::kWitnessDisagreement);
  EXPECT_EQ(compare(100 * kMiB, 50 * kMiB - 1, true), Reason::kCounterWithoutIo);
  EXPECT_EQ(compare(100 * kMiB, 50 * kMiB, false), std::nullopt);
  EXPECT_EQ(compare(100 * kMiB, 120 * kMiB, true), Reason::kWitnessDisagreement);
  EXPECT_EQ(compare(100 * kMiB, 120 * kMiB + 1, true), Reason::kIoWithoutCounter);
  EXPECT_EQ(compare(100 * kMiB, 120 * kMiB, false), std::nullopt);
  EXPECT_EQ(compare(8 * kMiB, 0, true), Reason::kCounterWithoutIo);
  EXPECT_EQ(compare(8 * kMiB - 1, 0, true), std::nullopt);
  EXPECT_EQ(compare(0, 8 * kMiB, true), std::nullopt);
  EXPECT_EQ(compare(0, 8 * kMiB + 1, true), Reason::kIoWithoutCounter);
  EXPECT_EQ(CompareWitnesses(100_MiB, 1_MiB, Reading<Bytes>(92_MiB), true),
            Reason::kPageCacheReads);
  EXPECT_EQ(CompareWitnesses(100_MiB, 1_MiB, Reading<Bytes>(91_MiB), true),
            Reason::kCounterWithoutIo);
}

TEST(Agreement, BytesOfTheEngine) {
  LegEvidence leg = MakeLeg(TierMode::kB2, 50);
  PhaseEvidence& replay = Replay(leg);
  replay.tiers.onboard_g3_to_g1_blocks = std::uint64_t{3};
  EXPECT_EQ(EngineRead(leg, replay)->value, 3 * kBlockBytes);
  replay.tiers.onboard_g3_to_g2_blocks = std::uint64_t{2};  // staged: read from the disk, too
  EXPECT_EQ(EngineRead(leg, replay)->value, 5 * kBlockBytes);
  leg.block_bytes = 0;
  EXPECT_EQ(EngineRead(leg, replay).reason(), "the bytes of a block are not known");
  replay.tiers.onboard_from_g3_bytes = 7_MiB;
  EXPECT_EQ(EngineRead(leg, replay)->value, 7u << 20);
  replay.tiers.offload_g1_to_g3_blocks = Reading<std::uint64_t>::Unavailable("gone");
  EXPECT_EQ(EngineWritten(leg, replay).reason(), "gone");
}

}  // namespace
}  // namespace kvtier
