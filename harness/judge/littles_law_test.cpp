#include "harness/judge/littles_law.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/judge/evidence_maker.hpp"
#include "harness/judge/gates.hpp"

// The vectors are computed by hand: requests of whole seconds, sent by two slots.
namespace kvtier {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

struct Sent {
  double from = 0, to = 0;
};

LegEvidence LegOf(const std::vector<Sent>& requests, int slots, double duration_s) {
  LegEvidence leg;
  leg.run_id = "run";
  PhaseEvidence phase = test::MakePhase("replay", static_cast<int>(requests.size()));
  phase.concurrency = slots;
  phase.duration_s = duration_s;
  leg.phases = {phase};
  int index = 0;
  for (const Sent& s : requests) {
    ++index;
    RequestRecord r = test::MakeRecord(index, "replay", index, 1);
    r.stamps.sent_first = static_cast<MonoNs>(s.from * 1e9);
    r.stamps.closed = static_cast<MonoNs>(s.to * 1e9);
    leg.records.push_back(r);
  }
  return leg;
}

/// Two slots, three requests of a second on each; `pause` seconds lie between them.
std::vector<Sent> ThreeOnEach(double pause) {
  std::vector<Sent> sent;
  for (const double from : {0.0, 1 + pause, 2 + 2 * pause})
    sent.insert(sent.end(), 2, {from, from + 1});
  return sent;
}

TEST(LittlesLaw, HoldsWhereEverySlotIsAlwaysBusy) {
  const LegEvidence leg = LegOf(ThreeOnEach(0), 2, 3);
  const auto flow = MeasureFlow(leg, leg.phases[0]);
  ASSERT_TRUE(flow.available()) << flow.reason();
  EXPECT_EQ(flow->requests, 6U);
  EXPECT_EQ(flow->slots, 2);
  EXPECT_DOUBLE_EQ(flow->steady_s, 2) << "from the second request sent to the last one sent";
  EXPECT_DOUBLE_EQ(flow->steady_in_flight, 2);
  EXPECT_DOUBLE_EQ(flow->Throughput(), 2);
  EXPECT_DOUBLE_EQ(flow->mean_latency_s, 1);
  EXPECT_DOUBLE_EQ(flow->ByLaw(), 2);
  EXPECT_DOUBLE_EQ(flow->ByRows(), 2);
  EXPECT_THAT(CheckLittlesLaw(leg), IsEmpty());
}

// 4 s of requests in a window of 2.5 s: 1.6 in flight where 2 were to be.
TEST(LittlesLaw, AClientThatPausesBetweenRequestsBreaksIt) {
  const LegEvidence leg = LegOf(ThreeOnEach(0.25), 2, 3.5);
  const auto flow = MeasureFlow(leg, leg.phases[0]);
  EXPECT_DOUBLE_EQ(flow->steady_s, 2.5);
  EXPECT_DOUBLE_EQ(flow->steady_in_flight, 1.6);
  EXPECT_DOUBLE_EQ(flow->ByLaw(), flow->ByRows()) << "6 requests of 1 s in 3.5 s, both ways";
  const Findings findings = CheckLittlesLaw(leg);
  ASSERT_THAT(Codes(findings), ElementsAre("LITTLES_LAW_BROKEN"));
  EXPECT_EQ(findings[0].severity, Severity::kSoft);
  EXPECT_EQ(findings[0].phase, "replay");
  EXPECT_THAT(findings[0].detail, AllOf(HasSubstr("1.60 requests were in flight"),
                                        HasSubstr("2.50 s"), HasSubstr("2 slots")));
}

// 2 / 1.04 = 1.923 and 2 / 1.06 = 1.887; the bound is 1.9.
TEST(LittlesLaw, TheToleranceIsFivePercent) {
  EXPECT_THAT(CheckLittlesLaw(LegOf(ThreeOnEach(0.04), 2, 3.08)), IsEmpty());
  EXPECT_THAT(Codes(CheckLittlesLaw(LegOf(ThreeOnEach(0.06), 2, 3.12))),
              ElementsAre("LITTLES_LAW_BROKEN"));
}

// The same shape a hundred times as fast: 6 % are then 1.2 ms a slot, which a scheduler may take.
TEST(LittlesLaw, OneTurnOfTheSchedulerIsNoPause) {
  std::vector<Sent> fast = ThreeOnEach(0.06);
  for (Sent& s : fast) s = {s.from / 100, s.to / 100};
  EXPECT_THAT(CheckLittlesLaw(LegOf(fast, 2, 0.0312)), IsEmpty());
}

TEST(LittlesLaw, MoreInFlightThanDeclaredBreaksIt) {
  EXPECT_THAT(Codes(CheckLittlesLaw(LegOf(ThreeOnEach(0), 1, 3))),
              ElementsAre("LITTLES_LAW_BROKEN"));
}

// The last requests of a phase have nobody behind them: an empty slot is then no pause.
TEST(LittlesLaw, TheEndOfAPhaseIsNotHeldAgainstIt) {
  std::vector<Sent> sent = ThreeOnEach(0);
  sent.back().to = 12;
  const LegEvidence leg = LegOf(sent, 2, 12);
  EXPECT_DOUBLE_EQ(MeasureFlow(leg, leg.phases[0])->steady_in_flight, 2);
  EXPECT_THAT(CheckLittlesLaw(leg), IsEmpty());
}

// 6 requests of 1 s: in 6 s by the clock of the phase that is 1 in flight, the rows say 2.
TEST(LittlesLaw, AClockThatContradictsTheRowsBreaksIt) {
  const Findings findings = CheckLittlesLaw(LegOf(ThreeOnEach(0), 2, 6));
  ASSERT_THAT(Codes(findings), ElementsAre("LITTLES_LAW_BROKEN"));
  EXPECT_THAT(findings[0].detail,
              AllOf(HasSubstr("1.00 requests/s x 1000.0 ms = 1.00 in flight"), HasSubstr("2.00")));
  EXPECT_THAT(CheckLittlesLaw(LegOf(ThreeOnEach(0), 2, 3.12)), IsEmpty()) << "4 %";
}

// Latencies cut to half, sent as before: what is missing is seen as pauses.
TEST(LittlesLaw, LatenciesThatWereShortenedBreakIt) {
  std::vector<Sent> sent = ThreeOnEach(0);
  for (Sent& s : sent) s.to = s.from + 0.5;
  EXPECT_THAT(Codes(CheckLittlesLaw(LegOf(sent, 2, 3))), ElementsAre("LITTLES_LAW_BROKEN"));
}

TEST(LittlesLaw, SaysNothingWhereTheFlowCannotBeMeasured) {
  const std::vector<Sent> pauses = ThreeOnEach(0.5);
  LegEvidence leg = LegOf(pauses, 2, 4);
  ASSERT_FALSE(CheckLittlesLaw(leg).empty());

  LegEvidence missing = leg;
  missing.records.pop_back();
  EXPECT_THAT(MeasureFlow(missing, missing.phases[0]).reason(), HasSubstr("5 of 6"));
  LegEvidence endless = leg;
  endless.records[3].stamps.closed = endless.records[3].stamps.done = std::nullopt;
  EXPECT_THAT(MeasureFlow(endless, endless.phases[0]).reason(), HasSubstr("no end"));
  LegEvidence few = LegOf({{0, 1}, {0, 2}}, 4, 2);
  EXPECT_EQ(MeasureFlow(few, few.phases[0])->steady_s, 0) << "no request ever waited for a slot";
  LegEvidence predecessor = leg;
  predecessor.backend = "predecessor";
  LegEvidence open_loop = leg;
  for (RequestRecord& r : open_loop.records) r.planned.arrival_offset_ns = 0;
  EXPECT_EQ(MeasureFlow(open_loop, open_loop.phases[0])->slots, 0);
  for (const LegEvidence& silent : {missing, endless, few, predecessor, open_loop})
    EXPECT_THAT(CheckLittlesLaw(silent), IsEmpty());
}

TEST(LittlesLaw, IsPartOfTheJudgementOfALeg) {
  LegEvidence leg = test::MakeLeg(TierMode::kB2, 60);
  EXPECT_FALSE(Has(JudgeLeg(leg), Reason::kLittlesLawBroken)) << "one request after the other";
  test::Replay(leg).concurrency = 4;
  EXPECT_TRUE(Has(JudgeLeg(leg), Reason::kLittlesLawBroken));
}

}  // namespace
}  // namespace kvtier
