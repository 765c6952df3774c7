// The designs of the paired experiment: what was declared, any two modes, a mode against itself,
// blocks of three, and the proof that one leg left nothing for the next.
#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "harness/judge/evidence_maker.hpp"
#include "harness/judge/phase70.hpp"

namespace kvtier {
namespace {

using test::CleanWashout;
using test::MakeExperiment;
using test::MakeLeg;
using test::Replay;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr const char* kDesignNow = "2026-01-01T00:00:00.000+00:00";

Verdict JudgeDesign(const Phase70Input& input) {
  return AnalyzePhase70(input, kDesignNow).verdict;
}

/// `blocks` blocks of the given modes, whose replay medians are `ttfc_ms`, with the spread `sd` of
/// the log.
Phase70Input MakeArms(int blocks, const std::vector<TierMode>& modes,
                      const std::vector<double>& ttfc_ms, double sd = 0.01) {
  Phase70Input input;
  Phase70Setup& setup = input.setup;
  setup.planned_pairs = blocks;
  setup.mode_a = modes[0];
  setup.mode_b = modes[1];
  if (modes.size() == 3) setup.mode_c = modes[2];
  setup.order_seed = "20260212";
  setup.declared_sha256 = DeclarationSha256(setup);
  input.preflight.state = PreflightOutcome::State::kPassed;
  Rng rng(3);
  const auto pairs = PlanOrder(blocks, OrderStrategy::kRandom, setup.order_seed);
  const auto sequences = PlanBlocks(blocks, OrderStrategy::kRandom, setup.order_seed);
  std::string before;
  for (int block = 1; block <= blocks; ++block) {
    const auto at = static_cast<std::size_t>(block - 1);
    const ArmSequence two = pairs[at] == LegOrder::kAB ? ArmSequence{0, 1} : ArmSequence{1, 0};
    const ArmSequence sequence = modes.size() == 3 ? sequences[at] : two;
    for (std::size_t place = 0; place < sequence.size(); ++place) {
      const auto arm = static_cast<std::size_t>(sequence[place]);
      Phase70Leg leg;
      leg.pair_id = block;
      leg.order = OrderWithin(sequence, 0, 1);
      leg.pair_leg = static_cast<int>(place) + 1;
      if (modes.size() == 3) leg.sequence = sequence;
      leg.evidence = MakeLeg(modes[arm], ttfc_ms[arm] * std::exp(sd * rng.Normal()),
                             fmt::format("run_p{:02}_l{}", block, place + 1));
      leg.washout = CleanWashout(leg.evidence, before);
      before = leg.evidence.run_id;
      input.legs.push_back(std::move(leg));
    }
  }
  return input;
}

// ---- what was declared

TEST(Declaration, AMarginThatIsChosenAfterwardsIsFlaggedAndRefusesTheWord) {
  Phase70Input input = MakeExperiment(8);
  EXPECT_TRUE(JudgeDesign(input).declaration_unchanged);
  input.setup.effect.margin_pct = 80;
  const Verdict v = JudgeDesign(input);
  EXPECT_THAT(v.reason_codes, Contains("DECLARATION_CHANGED"));
  EXPECT_EQ(v.effect.word, EffectWord::kInconclusive);
  EXPECT_FALSE(v.declaration_unchanged || v.decision_grade);
  EXPECT_TRUE(v.run_valid);
  EXPECT_TRUE(v.effect.hl.has_value()) << "the figures are still shown";
}

TEST(Declaration, ThePreflightKeepsASecondCopy) {
  Phase70Input input = MakeExperiment(8);
  input.preflight.declared_sha256 = input.setup.declared_sha256;
  EXPECT_TRUE(JudgeDesign(input).declaration_unchanged);
  input.setup.effect.alpha = 0.2;
  input.setup.declared_sha256 = DeclarationSha256(input.setup);  // whoever changes one hash
  EXPECT_THAT(FindingsText(JudgeDesign(input).findings), HasSubstr("the preflight recorded"));
}

TEST(Declaration, NoHashIsNoDeclaration) {
  Phase70Input input = MakeExperiment(8);
  input.setup.declared_sha256.clear();
  EXPECT_THAT(JudgeDesign(input).reason_codes, Contains("DECLARATION_CHANGED"));
  input.legacy = true;
  EXPECT_THAT(JudgeDesign(input).reason_codes, Not(Contains("DECLARATION_CHANGED")));
}

TEST(Declaration, CoversEverythingThatDecides) {
  const Phase70Setup setup = MakeExperiment(2).setup;
  const std::string hash = DeclarationSha256(setup);
  EXPECT_EQ(hash.size(), 64u);
  Phase70Setup other = setup;
  other.ts = "another run of the same declaration";
  EXPECT_EQ(DeclarationSha256(other), hash);
  const std::vector<void (*)(Phase70Setup&)> changes{
      [](Phase70Setup& s) { s.effect.margin_pct = 6; },
      [](Phase70Setup& s) { s.effect.alpha = 0.1; },
      [](Phase70Setup& s) { s.planned_pairs = 4; },
      [](Phase70Setup& s) { s.mode_a = TierMode::kB0; },
      [](Phase70Setup& s) { s.mode_c = TierMode::kB0; },
      [](Phase70Setup& s) { s.order_seed = "1"; },
      [](Phase70Setup& s) { s.gates.max_error_rate = 0.5; },
      [](Phase70Setup& s) { s.gates.require_rehydrate = false; },
      [](Phase70Setup& s) { s.disable_mechanism_gate = true; }};
  for (std::size_t i = 0; i < changes.size(); ++i) {
    other = setup;
    changes[i](other);
    EXPECT_NE(DeclarationSha256(other), hash) << i;
  }
}

// ---- any two modes

TEST(Modes, B0AgainstB1NeedsNoSsd) {
  const Verdict v = JudgeDesign(MakeArms(8, {TierMode::kB0, TierMode::kB1}, {100, 60}));
  EXPECT_TRUE(v.run_valid && v.decision_grade) << FindingsText(v.findings);
  EXPECT_EQ(v.grade, Grade::kB);
  EXPECT_EQ(v.effect.word, EffectWord::kBetter);
  EXPECT_TRUE(v.b1_off);
  EXPECT_THAT(v.mechanism_details, IsEmpty());
  EXPECT_FALSE(v.ssd_slower_than_recompute);
  EXPECT_EQ(v.break_even.outcome, BreakEven::Outcome::kUnknown);
  EXPECT_THAT(v.break_even.sentence, HasSubstr("no valid leg ran with the SSD tier"));
}

TEST(Modes, B0AgainstB2) {
  const Verdict v = JudgeDesign(MakeArms(8, {TierMode::kB0, TierMode::kB2}, {100, 60}));
  EXPECT_TRUE(v.decision_grade) << FindingsText(v.findings);
  EXPECT_EQ(v.effect.word, EffectWord::kBetter);
  EXPECT_EQ(v.mechanism_details.size(), 8u);
  EXPECT_TRUE(v.b1_off) << "no B1 leg was asked for";
}

TEST(Modes, AnSsdThatIsSlowerThanRecomputingIsAResult) {
  const Verdict v = JudgeDesign(MakeArms(8, {TierMode::kB1, TierMode::kB2}, {100, 150}));
  EXPECT_TRUE(v.decision_grade) << FindingsText(v.findings);
  EXPECT_EQ(v.effect.word, EffectWord::kWorse);
  EXPECT_TRUE(v.ssd_slower_than_recompute);
  EXPECT_EQ(v.ExitCode(), 0);
  // The other way round it is a better mode without an SSD.
  EXPECT_FALSE(JudgeDesign(MakeArms(8, {TierMode::kB2, TierMode::kB1}, {100, 150}))
                   .ssd_slower_than_recompute);
}

TEST(Modes, AModeAgainstItselfIsANoiseFloor) {
  const Phase70Analysis a =
      AnalyzePhase70(MakeArms(8, {TierMode::kB2, TierMode::kB2}, {100, 100}), kDesignNow);
  const Verdict& v = a.verdict;
  EXPECT_TRUE(v.run_valid) << FindingsText(v.findings);
  EXPECT_EQ(v.pairs_complete, 8);
  EXPECT_EQ(v.effect.word, EffectWord::kEquivalent);
  EXPECT_THAT(v.reason_codes, Contains("SAME_MODE_TWICE"));
  EXPECT_EQ(v.arm_a.legs, 8);
  EXPECT_EQ(v.arm_b.legs, 8);
  for (const PairDelta& d : a.deltas) {
    EXPECT_TRUE(d.pair_order == "A_A'" || d.pair_order == "A'_A") << d.pair_order;
    EXPECT_NE(d.mode_a_run_id, d.mode_b_run_id);
  }
  EXPECT_TRUE(a.order_check.hills_armitage.has_value());
}

// ---- expected hits

TEST(Hits, ExpectedStandBesideActual) {
  Phase70Input input = MakeExperiment(8);
  for (Phase70Leg& leg : input.legs) {
    ExpectedHits e;
    const std::uint64_t ssd = leg.evidence.tier == TierMode::kB2 ? test::kReplayBlocks : 0;
    e.g3_blocks = {ssd, ssd};
    Replay(leg.evidence).expected = e;
  }
  Verdict v = JudgeDesign(input);
  ASSERT_EQ(v.hits.size(), 8u + 2 * 8u);  // host of every leg, SSD of the B2 legs
  for (const HitComparison& h : v.hits) EXPECT_TRUE(h.Holds()) << h.run_id << " " << h.tier;
  for (Phase70Leg& leg : input.legs) {
    if (leg.evidence.tier == TierMode::kB2) Replay(leg.evidence).expected->g3_blocks = {1021, 1100};
  }
  v = JudgeDesign(input);
  EXPECT_EQ(std::count_if(v.hits.begin(), v.hits.end(),
                          [](const HitComparison& h) { return !h.Holds(); }),
            8);
  const nlohmann::json j = v;
  EXPECT_EQ(nlohmann::json(j.get<Verdict>()), j);
  EXPECT_FALSE((HitComparison{"r", "ssd", 0, 9, Reading<std::uint64_t>::Unavailable("x")}.Holds()));
  EXPECT_THAT(CompareHits(MakeLeg(TierMode::kB2, 100)), IsEmpty()) << "nothing was predicted";
}

// ---- blocks of three

TEST(Blocks, SixHoldWilliamssDesign) {
  for (const auto strategy : {OrderStrategy::kRandom, OrderStrategy::kAlternating}) {
    for (const char* seed : {"20260212", "1", ""}) {
      const auto plan = PlanBlocks(12, strategy, seed);
      ASSERT_EQ(plan.size(), 12u);
      EXPECT_EQ(plan, PlanBlocks(12, strategy, seed));
      for (std::size_t round = 0; round < 12; round += 6) {
        int at[3][3] = {}, after[3][3] = {};
        for (std::size_t i = round; i < round + 6; ++i) {
          for (std::size_t place = 0; place < 3; ++place) {
            ++at[plan[i][place]][place];
            if (place > 0) ++after[plan[i][place - 1]][plan[i][place]];
          }
        }
        for (int arm = 0; arm < 3; ++arm) {
          for (int other = 0; other < 3; ++other) {
            EXPECT_EQ(at[arm][other], 2) << seed;
            EXPECT_EQ(after[arm][other], arm == other ? 0 : 2) << seed;
          }
        }
      }
      for (int arm = 0; arm < 3; ++arm) {  // three blocks already hold each arm at each place
        for (std::size_t place = 0; place < 3; ++place) {
          EXPECT_TRUE((plan[0][place] == arm) + (plan[1][place] == arm) + (plan[2][place] == arm) ==
                      1)
              << seed;
        }
      }
    }
  }
  EXPECT_THAT(PlanBlocks(0, OrderStrategy::kRandom, "x"), IsEmpty());
}

TEST(Blocks, NamesAndOrderWithin) {
  const ArmSequence s{2, 1, 0};
  EXPECT_EQ(SequenceLabel(s, {TierMode::kB1, TierMode::kB2, TierMode::kB0}), "B0_B2_B1");
  EXPECT_EQ(OrderWithin(s, 0, 1), LegOrder::kBA);
  EXPECT_EQ(OrderWithin(s, 2, 0), LegOrder::kAB);
}

TEST(Blocks, ThreeModesGiveThreeComparisonsWithHolm) {
  const Phase70Analysis a = AnalyzePhase70(
      MakeArms(12, {TierMode::kB1, TierMode::kB2, TierMode::kB0}, {80, 50, 100}), kDesignNow);
  const Verdict& v = a.verdict;
  EXPECT_TRUE(v.decision_grade) << FindingsText(v.findings);
  EXPECT_EQ(a.rows.size(), 36u);
  EXPECT_EQ(a.deltas.size(), 12u);
  ASSERT_EQ(v.contrasts.size(), 3u);
  const auto check = [&](std::size_t i, TierMode from, TierMode to, double ratio) {
    const Contrast& c = v.contrasts[i];
    EXPECT_EQ(c.mode_a, from);
    EXPECT_EQ(c.mode_b, to);
    EXPECT_EQ(c.pairs_complete, 12);
    EXPECT_NEAR(c.effect.hl->estimate, std::log(ratio), 0.02);
    EXPECT_EQ(c.effect.word, EffectWord::kBetter);
    EXPECT_DOUBLE_EQ(c.holm_p, 3 * 2.0 / 4096);  // every one as small as 12 pairs can make it
  };
  check(0, TierMode::kB1, TierMode::kB2, 50.0 / 80);
  check(1, TierMode::kB0, TierMode::kB1, 80.0 / 100);
  check(2, TierMode::kB0, TierMode::kB2, 50.0 / 100);
  EXPECT_EQ(v.effect.word, v.contrasts[0].effect.word);
  EXPECT_EQ(v.arm_c->legs, 12);
  EXPECT_NEAR(*v.arm_c->ttfc_p50_ms, 100, 3);
  const nlohmann::json j = v;
  EXPECT_EQ(nlohmann::json(j.get<Verdict>()), j);
}

TEST(Blocks, SixBlocksCannotPassHolm) {
  // 2/64 is the least p of six pairs; three comparisons make 0.094 of it.
  const Verdict v =
      JudgeDesign(MakeArms(6, {TierMode::kB1, TierMode::kB2, TierMode::kB0}, {80, 50, 100}));
  EXPECT_EQ(v.effect.word, EffectWord::kInconclusive);
  EXPECT_NEAR(v.contrasts[0].holm_p, 3 * 2.0 / 64, 1e-12);
  EXPECT_THAT(v.reason_codes, Contains("HOLM_NOT_SIGNIFICANT"));
}

TEST(Blocks, AMissingThirdLegIsIncomplete) {
  Phase70Input input = MakeArms(12, {TierMode::kB1, TierMode::kB2, TierMode::kB0}, {80, 50, 100});
  input.legs.pop_back();
  EXPECT_THAT(FindingsText(JudgeDesign(input).findings), HasSubstr("35 of 36 planned legs"));
}

// ---- washout

Findings Washed(const std::function<void(WashoutEvidence&)>& plant, TierMode tier = TierMode::kB2) {
  const LegEvidence leg = MakeLeg(tier, 100, "run");
  WashoutEvidence w = CleanWashout(leg, "before");
  plant(w);
  return CheckWashout(leg, w);
}

TEST(Washout, IsProvenByANewWorkerEmptyTiersAndAnIdleDisk) {
  EXPECT_THAT(Washed([](auto&) {}), IsEmpty());
  struct Case {
    const char* name;
    std::function<void(WashoutEvidence&)> plant;
    const char* says;
  };
  const std::vector<Case> cases{
      {"the old worker", [](auto& w) { w.fresh_worker = false; }, "a worker of before still"},
      {"no pid", [](auto& w) { w.fresh_worker = IsFreshWorker({"1@1"}, {}); },
       "names no worker process"},
      {"warm", [](auto& w) { w.cold_at_start = false; }, "tiers were not empty"},
      {"unknown", [](auto& w) { w.cold_at_start = Reading<bool>::Unavailable("no metrics"); },
       "no metrics"},
      {"others",
       [](auto& w) {
         w.quiet_s = 2;
         w.other_read = 6_MiB;
         w.other_write = 6_MiB;
       },
       "others moved 12"},
      {"blind", [](auto& w) { w.other_read = Reading<Bytes>::Unavailable("telemetry is off"); },
       "telemetry is off"},
      {"refused", [](auto& w) { w.caches_dropped = false; }, "page cache was to be dropped"},
      {"in flight", [](auto& w) { w.device_in_flight = 1.5; }, "1.50 I/Os were in flight"},
      {"hot", [](auto& w) { w.celsius = 82.0; }, "82 degrees"}};
  for (const Case& c : cases) {
    const Findings found = Washed(c.plant);
    ASSERT_EQ(found.size(), 1u) << c.name;
    EXPECT_EQ(found[0].reason, Reason::kWashoutNotProven);
    EXPECT_EQ(found[0].severity, Severity::kSoft);
    EXPECT_THAT(found[0].detail, HasSubstr(c.says)) << c.name;
  }
}

TEST(Washout, AbsentSensorsAndTheTiersOfB0AreNotHeldAgainstIt) {
  EXPECT_THAT(Washed([](auto& w) {
                w.celsius = Reading<double>::Unavailable("no sensor");
                w.device_in_flight = Reading<double>::Unavailable("no /sys");
              }),
              IsEmpty());
  const auto unknown = [](auto& w) { w.cold_at_start = Reading<bool>::Unavailable("B0"); };
  EXPECT_THAT(Washed(unknown, TierMode::kB0), IsEmpty());
  EXPECT_THAT(Washed([](auto& w) {  // a burst below the floor is a log line, not a neighbour
                w.quiet_s = 0.5;
                w.other_write = 7_MiB;
              }),
              IsEmpty());
}

TEST(Washout, AWorkerIsItsPidAndItsStart) {
  EXPECT_TRUE(*IsFreshWorker({}, {"7@100"}));
  EXPECT_TRUE(*IsFreshWorker({"7@100"}, {"7@200"})) << "a pid may come again";
  EXPECT_FALSE(*IsFreshWorker({"6@1", "7@100"}, {"8@1", "7@100"}));
}

TEST(Washout, TheLegItselfCompletesTheRecord) {
  LegEvidence leg = MakeLeg(TierMode::kB2, 100);
  HostWindow w = test::QuietWindow();
  w.duration_s = 1.2;
  w.other_write = 3_MiB;
  w.queue_depth = 0.25;
  leg.phases.front().host.before = w;
  const WashoutEvidence got = CompleteWashout({}, leg);
  EXPECT_DOUBLE_EQ(got.quiet_s, 1.2);
  EXPECT_EQ(*got.other_write, 3_MiB);
  EXPECT_DOUBLE_EQ(*got.device_in_flight, 0.25);
  EXPECT_DOUBLE_EQ(*got.celsius, 45);
  EXPECT_TRUE(*got.cold_at_start);
  leg.phases.front().host.before = Reading<HostWindow>::Unavailable("telemetry is off");
  EXPECT_EQ(CompleteWashout({}, leg).other_read.reason(), "telemetry is off");
}

TEST(Washout, ReadsBackAsItWasWritten) {
  WashoutEvidence w = CleanWashout(MakeLeg(TierMode::kB2, 100), "before");
  w.asked_s = 5;
  w.waited_s = 5.25;
  w.synced = true;
  const nlohmann::json j = w;
  EXPECT_EQ(nlohmann::json(j.get<WashoutEvidence>()), j);
  EXPECT_EQ(j.at("after_run_id"), "before");
}

TEST(Washout, UnprovenInMoreThanAQuarterOfTheLegsCapsTheGrade) {
  Phase70Input input = MakeExperiment(8);
  for (std::size_t i = 0; i < 4; ++i) input.legs[i].washout.reset();
  EXPECT_EQ(JudgeDesign(input).grade, Grade::kB);
  input.legs[4].washout->fresh_worker = false;
  const Verdict v = JudgeDesign(input);
  EXPECT_EQ(v.grade, Grade::kC);
  EXPECT_TRUE(v.decision_grade);
  EXPECT_THAT(v.reason_codes, ElementsAre("FILTER_DISABLED", "NOISY_LEGS", "WASHOUT_NOT_PROVEN"));
}

}  // namespace
}  // namespace kvtier
