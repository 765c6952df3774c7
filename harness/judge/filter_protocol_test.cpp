#include "harness/judge/filter_protocol.hpp"

#include <functional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "harness/core/error.hpp"
#include "harness/judge/evidence_maker.hpp"

namespace kvtier {
namespace {

using test::MakeLeg;
using test::MakePhase;
using test::MakeRecord;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr auto kMechanism = FilterProtocol::kMechanism;
constexpr auto kProduction = FilterProtocol::kProduction;
constexpr MonoNs kSecond = 1'000'000'000;

PhaseEvidence& PhaseOf(LegEvidence& leg, const std::string& name) {
  for (auto& phase : leg.phases) {
    if (phase.name == name) return phase;
  }
  throw DataError("the leg has no phase " + name);
}

void Write(LegEvidence& leg, const std::string& phase, std::uint64_t blocks) {
  PhaseOf(leg, phase).tiers.offload_g2_to_g3_blocks = blocks;
}

/// Filter off: the first visits write, the replay reads.
LegEvidence Mechanism(TierMode tier = TierMode::kB2) {
  LegEvidence leg = MakeLeg(tier, 50);
  if (tier == TierMode::kB2) Write(leg, "thrash", 408);
  return leg;
}

/// Filter on: populate and both thrashes write nothing, populate_2 all of it. The visits of a
/// prompt lie 300 s apart.
LegEvidence Production(TierMode tier = TierMode::kB2) {
  LegEvidence leg = MakeLeg(tier, 50);
  leg.worker.disk_offload_filter = true;
  leg.phases.insert(leg.phases.begin() + 2,
                    {MakePhase("populate_2", 60), MakePhase("thrash_2", 24)});
  for (auto& phase : leg.phases) phase.concurrency = 2;
  for (int i = 0; i < 60; ++i) {
    RequestRecord r = MakeRecord(200 + i, "populate_2", i, 100);
    r.stamps.issued = *r.stamps.issued + 300 * kSecond;
    r.stamps.done = *r.stamps.done + 300 * kSecond;
    leg.records.push_back(std::move(r));
  }
  if (tier == TierMode::kB2) {
    Write(leg, "populate", 0);
    Write(leg, "populate_2", test::kReplayBlocks);
  }
  return leg;
}

/// What the hit model said of one phase.
void Expect(LegEvidence& leg, const std::string& phase, std::uint64_t low, std::uint64_t high) {
  ExpectedHits hits;
  hits.offload_g2_to_g3_blocks = {low, high};
  PhaseOf(leg, phase).expected = hits;
}

struct FilterLie {
  std::string name;
  std::function<void(LegEvidence&)> plant;
  std::vector<std::string> codes;
};

void ExpectFilterCodes(const std::vector<FilterLie>& lies, const LegEvidence& honest,
                       FilterProtocol declared) {
  for (const FilterLie& lie : lies) {
    LegEvidence leg = honest;
    lie.plant(leg);
    const Findings findings = CheckFilterProtocol(leg, declared);
    EXPECT_EQ(Codes(findings), lie.codes) << lie.name << "\n" << FindingsText(findings);
  }
}

TEST(FilterProtocol, NamesAreReadBack) {
  for (const auto p : {kMechanism, kProduction})
    EXPECT_EQ(FindFilterProtocol(FilterProtocolName(p)), p);
  EXPECT_FALSE(FindFilterProtocol("off"));
}

TEST(FilterProtocol, HonestLegsOfEveryTierPass) {
  for (const TierMode tier : kAllTierModes) {
    EXPECT_THAT(CheckFilterProtocol(Mechanism(tier), kMechanism), IsEmpty()) << TierName(tier);
    EXPECT_THAT(CheckFilterProtocol(Production(tier), kProduction), IsEmpty()) << TierName(tier);
  }
}

TEST(FilterProtocol, MechanismModeWritesAtTheFirstVisit) {
  ExpectFilterCodes(
      {
          {"claimed off, but nothing was written",
           [](auto& l) {
             Write(l, "populate", 0);
             Write(l, "thrash", 0);
           },
           {"FILTER_COUNTERS_CONTRADICT"}},
          {"requests in flight together got some past the filter, those sent once did not",
           [](auto& l) {
             Write(l, "populate", 30);
             Write(l, "thrash", 0);
           },
           {"FILTER_COUNTERS_CONTRADICT"}},
          {"the worker says that it is on",
           [](auto& l) { l.worker.disk_offload_filter = true; },
           {"FILTER_STATE_CONTRADICTED"}},
          {"the filter was on, whoever says what",
           [](auto& l) {
             l.worker.disk_offload_filter = true;
             Write(l, "populate", 0);
             Write(l, "thrash", 0);
           },
           {"FILTER_COUNTERS_CONTRADICT", "FILTER_STATE_CONTRADICTED"}},
          {"the worker does not say, the counters do",
           [](auto& l) { l.worker.disk_offload_filter = Reading<bool>::Unavailable("planted"); },
           {"FILTER_STATE_UNKNOWN"}},
          {"nobody can see what was written",
           [](auto& l) {
             PhaseOf(l, "populate").tiers.offload_g2_to_g3_blocks =
                 Reading<std::uint64_t>::Unavailable("planted");
           },
           {"METRICS_UNAVAILABLE"}},
          {"no thrash was planned, so it writes nothing",
           [](auto& l) {
             PhaseOf(l, "thrash").planned_requests = 0;
             Write(l, "thrash", 0);
           },
           {}},
          {"a leg that never began has its own code", [](auto& l) { l.phases.clear(); }, {}},
      },
      Mechanism(), kMechanism);
}

TEST(FilterProtocol, ProductionModeWritesAtTheSecondVisitAndReadsAtTheThird) {
  const std::vector<std::string> counters{"FILTER_COUNTERS_CONTRADICT"};
  const std::vector<std::string> visits{"FILTER_VISITS_INCOMPLETE"};
  ExpectFilterCodes(
      {
          {"claimed on, but blocks were written at the first visit",
           [](auto& l) { Write(l, "populate", 1020); }, counters},
          {"prompts that are sent once were written", [](auto& l) { Write(l, "thrash_2", 408); },
           counters},
          {"one block at the first visit is one too many", [](auto& l) { Write(l, "populate", 1); },
           counters},
          {"the model allows what requests in flight together register twice",
           [](auto& l) {
             Write(l, "populate", 40);
             Expect(l, "populate", 0, 60);
           },
           {}},
          {"more than the model allows",
           [](auto& l) {
             Write(l, "populate", 61);
             Expect(l, "populate", 0, 60);
           },
           counters},
          {"a prediction for a filter that is off allows nothing",
           [](auto& l) {
             l.worker.disk_offload_filter = false;
             Write(l, "populate", 1020);
             Expect(l, "populate", 1020, 1020);
           },
           {"FILTER_COUNTERS_CONTRADICT", "FILTER_STATE_CONTRADICTED"}},
          {"without a model shared prefixes have no bound, thrash still has",
           [](auto& l) {
             for (auto& r : l.records)
               r.planned.prefix_hash = r.phase == "populate" ? "one" : "own";
             Write(l, "populate", 40);
           },
           {}},
          {"the worker says that it is off",
           [](auto& l) { l.worker.disk_offload_filter = false; },
           {"FILTER_STATE_CONTRADICTED"}},
          {"the worker does not say, the counters do",
           [](auto& l) { l.worker.disk_offload_filter = Reading<bool>::Unavailable("planted"); },
           {"FILTER_STATE_UNKNOWN"}},
          {"the second visit wrote nothing", [](auto& l) { Write(l, "populate_2", 0); }, visits},
          {"the third visit read nothing",
           [](auto& l) { PhaseOf(l, "replay").tiers.onboard_g3_to_g1_blocks = std::uint64_t{0}; },
           visits},
          {"staged through host memory is read, too",
           [](auto& l) {
             PhaseOf(l, "replay").tiers.onboard_g3_to_g1_blocks = std::uint64_t{0};
             PhaseOf(l, "replay").tiers.onboard_g3_to_g2_blocks = std::uint64_t{1020};
           },
           {}},
          {"there was no second visit",
           [](auto& l) { l.phases.erase(l.phases.begin() + 2, l.phases.begin() + 4); }, visits},
          {"the second visit was of fewer prompts",
           [](auto& l) { PhaseOf(l, "populate_2").planned_requests = 30; }, visits},
          {"the second visit came too late",
           [](auto& l) {
             for (auto& r : l.records) {
               if (r.phase == "populate_2") r.stamps.done = *r.stamps.done + 301 * kSecond;
             }
           },
           {"FILTER_WINDOW_MISSED"}},
          {"an exporter that counts bytes alone",
           [](auto& l) {
             auto& t = PhaseOf(l, "populate_2").tiers;
             t.offload_g2_to_g3_blocks = Reading<std::uint64_t>::Unavailable("not exported");
             t.offload_to_g3_bytes = Bytes{test::kReplayBlocks * test::kBlockBytes};
           },
           {}},
          {"nobody can see what was written",
           [](auto& l) {
             PhaseOf(l, "populate_2").tiers.offload_g2_to_g3_blocks =
                 Reading<std::uint64_t>::Unavailable("planted");
           },
           {"METRICS_UNAVAILABLE"}},
      },
      Production(), kProduction);
}

TEST(FilterProtocol, AnArmWithoutAnSsdMakesTheSameVisits) {
  LegEvidence b1 = Production(TierMode::kB1);
  b1.phases.erase(b1.phases.begin() + 2);
  EXPECT_THAT(Codes(CheckFilterProtocol(b1, kProduction)), ElementsAre("FILTER_VISITS_INCOMPLETE"));
}

TEST(FilterProtocol, ALateSecondVisitThatWroteNothingNamesTheTick) {
  LegEvidence leg = Production();
  Write(leg, "populate_2", 0);
  EXPECT_THAT(FindingsText(CheckFilterProtocol(leg, kProduction)), HasSubstr("up to 300 s apart"));
}

TEST(FilterProtocol, EveryLegWithAnSsdHasToProveIt) {
  const LegEvidence good = Production(), b1 = Production(TierMode::kB1);
  LegEvidence bad = Production();
  Write(bad, "populate", 1020);
  const FilterVerdict proven = JudgeFilterProtocol({&good, &b1}, kProduction);
  EXPECT_TRUE(proven.proven);
  ASSERT_EQ(proven.legs.size(), 1U) << "B1 has nothing to prove";
  EXPECT_EQ(*proven.legs[0].written_first, 0U);
  EXPECT_EQ(*proven.legs[0].written_second, test::kReplayBlocks);
  EXPECT_EQ(*proven.legs[0].read_last, test::kReplayBlocks);
  EXPECT_GT(*proven.legs[0].visit_gap_s, 299);
  EXPECT_EQ(proven.Sentence(), "production mode (filter on, three visits)");
  const FilterVerdict lied = JudgeFilterProtocol({&good, &bad}, kProduction);
  EXPECT_FALSE(lied.proven);
  EXPECT_THAT(lied.Sentence(), HasSubstr("NOT PROVEN"));
  EXPECT_EQ(JudgeFilterProtocol({&b1}, kMechanism).Sentence(),
            "mechanism mode (disk-offload filter off)");
  EXPECT_EQ(JudgeFilterProtocol({&good}, std::nullopt).Sentence(), "");
}

TEST(FilterProtocol, TheVerdictSurvivesJson) {
  const LegEvidence good = Production(), mechanism = Mechanism();
  for (const auto& v :
       {JudgeFilterProtocol({&good}, kProduction), JudgeFilterProtocol({&mechanism}, kMechanism)}) {
    const nlohmann::json j = v;
    EXPECT_EQ(nlohmann::json(j.get<FilterVerdict>()), j);
  }
  nlohmann::json planted = JudgeFilterProtocol({&good}, kProduction);
  planted["mode"] = "off";
  EXPECT_THROW(planted.get<FilterVerdict>(), DataError);
}

TEST(FilterWindow, SaysBeforeTrafficWhetherBothVisitsFit) {
  using Fit = FilterWindow::Fit;
  struct Row {
    double age, between, until_end;
    Fit fit;
  };
  for (const Row& row : {Row{5, 20, 40, Fit::kFits}, Row{0, 300, 600, Fit::kFits},
                         Row{1, 300, 600, Fit::kMayMiss}, Row{550, 20, 60, Fit::kMayMiss},
                         Row{0, 600, 900, Fit::kMayMiss}, Row{0, 601, 900, Fit::kMisses}}) {
    const FilterWindow w = EstimateFilterWindow(row.age, row.between, row.until_end);
    EXPECT_EQ(w.fit, row.fit) << row.age << " " << row.between << " " << row.until_end;
    EXPECT_EQ(w.sentence.empty(), row.fit == Fit::kFits);
  }
  EXPECT_THAT(EstimateFilterWindow(0, 840, 900).sentence,
              HasSubstr("about 840 s would lie between"));
}

}  // namespace
}  // namespace kvtier
