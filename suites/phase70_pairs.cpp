// Phase70: does the SSD tier (B2) change what a user waits for, against the host tier alone (B1)?
// Or any other two of B0, B1 and B2, all three in blocks, or one against itself
// (BENCH_PHASE70_MODES). One case owns the counterbalanced pairs and their order; the gates after
// it read the finished run from disk. Every gate is a case of its own, so that JUnit says which one
// failed.
#include "fixtures/phase70.hpp"
#include "harness/judge/io_attribution.hpp"
#include "suites/stack_profile.hpp"

namespace kvtier {
namespace {

class Phase70 : public ::testing::TestWithParam<StackProfile> {
 protected:
  void SetUp() override {
    profile_ = LoadFor(GetParam());
    const std::string why_not = WhyNotHere(GetParam(), profile_);
    KVTIER_REQUIRE_OR_SKIP(GetParam().stack, why_not.empty(), why_not);
  }
  FinishedPhase70 Finished() {
    FinishedPhase70 run = LoadFinishedPhase70(profile_.results_root);
    RecordVerdict(run.verdict, run.paths.Verdict().string());
    return run;
  }
  /// Empty when some arm runs one of the tiers, else why their gate has nothing to look at.
  static std::string WhyNoArm(const FinishedPhase70& run, std::initializer_list<TierMode> tiers) {
    for (const TierMode mode : run.manifest.setup.Modes()) {
      if (std::find(tiers.begin(), tiers.end(), mode) != tiers.end()) return "";
    }
    return "no arm of this experiment runs a tier that the gate is about";
  }
  /// A gate over every leg of the given tiers; the message of a failure ends with their logs.
  template <class Rule>
  void ExpectOverLegs(const FinishedPhase70& run, std::initializer_list<TierMode> tiers,
                      Rule rule) {
    Findings all;
    int legs = 0;
    for (const auto& leg : run.legs) {
      if (std::find(tiers.begin(), tiers.end(), leg.evidence.tier) == tiers.end()) continue;
      ++legs;
      for (auto& finding : rule(leg.evidence)) all.push_back(std::move(finding));
    }
    EXPECT_GT(legs, 0) << "no leg was measured";
    RecordFindings(all);
    EXPECT_TRUE(HoldsAgainst(all)) << LogTails(run.legs, all);
  }
  static constexpr std::initializer_list<TierMode> kEveryTier{TierMode::kB0, TierMode::kB1,
                                                              TierMode::kB2};
  Profile profile_;
};

TEST_P(Phase70, Preflight) {
  const PreflightOutcome preflight = StartPhase70(profile_);
  EXPECT_NE(preflight.state, PreflightOutcome::State::kFailed) << preflight.detail;
}

TEST_P(Phase70, PairedExperiment) {
  const Verdict verdict = RunPhase70(profile_);
  const FinishedPhase70 run = Finished();
  EXPECT_FALSE(run.legs.empty()) << "no leg left a bundle";
  EXPECT_EQ(verdict.summary_rows, static_cast<int>(run.legs.size()));
}

TEST_P(Phase70, GateRunValid) {
  const auto run = Finished();
  if (GetParam().quick) KVTIER_SKIP_IF_TOO_BUSY(run.verdict.findings);
  ExpectOverLegs(run, kEveryTier, [&](const LegEvidence& leg) {
    return CheckRunValid(leg, run.manifest.setup.gates);
  });
  EXPECT_TRUE(run.verdict.run_valid) << FindingsText(run.verdict.findings);
}

TEST_P(Phase70, GateMechanism) {
  const auto run = Finished();
  if (const auto why = WhyNoArm(run, {TierMode::kB2}); !why.empty()) GTEST_SKIP() << why;
  ExpectOverLegs(run, {TierMode::kB2}, [&](const LegEvidence& leg) {
    return CheckMechanism(leg, run.manifest.setup.gates);
  });
}

// Which mode the verdict speaks of: mechanism (disk-offload filter off) or production (filter on,
// three visits), as declared before the run and proven by what each visit wrote and read.
TEST_P(Phase70, GateFilterProtocol) {
  const auto run = Finished();
  const auto& declared = run.manifest.setup.gates.filter_protocol;
  if (!declared) GTEST_SKIP() << "this run declared no filter protocol";
  RecordProperty("filter_protocol", std::string(FilterProtocolName(*declared)));
  ExpectOverLegs(run, kEveryTier,
                 [&](const LegEvidence& leg) { return CheckFilterProtocol(leg, *declared); });
  if (const auto why = WhyNoArm(run, {TierMode::kB2}); !why.empty()) GTEST_SKIP() << why;
  EXPECT_TRUE(run.verdict.filter.proven) << run.verdict.filter.Sentence();
}

TEST_P(Phase70, GateB1Off) {
  const auto run = Finished();
  if (const auto why = WhyNoArm(run, {TierMode::kB1}); !why.empty()) GTEST_SKIP() << why;
  ExpectOverLegs(run, {TierMode::kB1},
                 [&](const LegEvidence& leg) { return CheckB1Off(leg, run.manifest.setup.gates); });
}

TEST_P(Phase70, GateAnswersEqual) {
  const auto run = Finished();
  ExpectOverLegs(run, kEveryTier, CheckAnswers);
  EXPECT_EQ(run.verdict.answers_mismatched, 0U);
  EXPECT_TRUE(run.verdict.answers_equal);
}

TEST_P(Phase70, GateWitnessesAgree) {
  const auto run = Finished();
  ExpectOverLegs(run, kEveryTier, CheckWitnesses);
}

// Whose I/O it was. A contradiction fails whether attribution was asked for or not; a missing
// report only where BENCH_PHASE70_IO_ATTRIB asks for it.
TEST_P(Phase70, GateAttribution) {
  const auto run = Finished();
  if (const auto why = WhyNoArm(run, {TierMode::kB1, TierMode::kB2}); !why.empty())
    GTEST_SKIP() << why;
  ExpectOverLegs(run, {TierMode::kB1, TierMode::kB2}, [&](const LegEvidence& leg) {
    return CheckIoAttribution(leg, run.manifest.setup.io_attrib_expected);
  });
}

// What one leg leaves for the next is carry-over, which no statistic takes out again.
TEST_P(Phase70, GateWashout) {
  const auto run = Finished();
  Findings all;
  for (const auto& leg : run.legs) {
    for (auto& finding : CheckWashout(leg.evidence, leg.washout)) all.push_back(std::move(finding));
    if (!leg.washout || !leg.washout->fresh_worker.available()) continue;
    EXPECT_TRUE(*leg.washout->fresh_worker)
        << leg.evidence.run_id << " ran on a worker of " << leg.washout->after_run_id;
  }
  RecordFindings(all);
  EXPECT_TRUE(HoldsAgainst(all));
}

TEST_P(Phase70, GateDeclaration) {
  const auto run = Finished();
  EXPECT_TRUE(run.verdict.declaration_unchanged)
      << "the run is judged by something else than it declared; see " << run.paths.Manifest();
}

TEST_P(Phase70, GateOrder) {
  const auto run = Finished();
  EXPECT_FALSE(run.verdict.order_effect_suspect)
      << "the second place in a pair differs from the first; see " << run.paths.OrderCheck();
}

// Any word is a result. The gate fails only where no effect could be computed, or where
// KVTIER_EXPECT names other words.
TEST_P(Phase70, GateEffect) {
  const auto run = Finished();
  ASSERT_TRUE(run.verdict.effect.Computed()) << FindingsText(run.verdict.findings);
  const std::string word(EffectWordName(run.verdict.effect.word));
  EXPECT_TRUE(WordIsExpected(word)) << "KVTIER_EXPECT does not list " << word;
}

INSTANTIATE_TEST_SUITE_P(Phase70_B1B2_reference, Phase70, ::testing::Values(kReference),
                         ProfileName);
INSTANTIATE_TEST_SUITE_P(Phase70_B1B2_spark, Phase70, ::testing::Values(kSpark), ProfileName);
INSTANTIATE_TEST_SUITE_P(QuickPhase70_B1B2_reference, Phase70, ::testing::Values(kQuick),
                         ProfileName);

}  // namespace
}  // namespace kvtier
