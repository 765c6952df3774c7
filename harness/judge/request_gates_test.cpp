#include <functional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "harness/core/clock.hpp"
#include "harness/core/files.hpp"
#include "harness/judge/evidence_maker.hpp"
#include "harness/judge/leg_digest.hpp"

namespace kvtier {
namespace {

using test::kModel;
using test::MakeLeg;
using test::Replay;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// One planted lie, the codes that must come of it, and what the finding must name.
struct RequestLie {
  std::string name;
  std::function<void(LegEvidence&)> plant;
  std::vector<std::string> codes;
  std::string names = {};
};

void Expect(const std::vector<RequestLie>& lies,
            const std::function<Findings(const LegEvidence&)>& rule) {
  for (const RequestLie& lie : lies) {
    LegEvidence leg = MakeLeg(TierMode::kB2, 50);
    leg.planned_prompts = SentPrompts(leg);
    lie.plant(leg);
    const Findings findings = rule(leg);
    EXPECT_EQ(Codes(findings), lie.codes) << lie.name << "\n" << FindingsText(findings);
    EXPECT_THAT(FindingsText(findings), HasSubstr(lie.names)) << lie.name;
  }
}

TEST(RequestGates, OutcomesThatTheirOwnRowContradicts) {
  const std::vector<std::string> caught{"OUTCOME_CONTRADICTED"};
  Expect(
      {
          {"nothing", [](auto&) {}, {}},
          {"status", [](auto& l) { l.records[143].http_status = 500; }, caught, "status 500"},
          {"no status", [](auto& l) { l.records[0].http_status = 0; }, caught, "[run populate]"},
          {"error", [](auto& l) { l.records[90].error = "timed out"; }, caught, "timed out"},
          {"stream", [](auto& l) { l.records[90].stream_error = "lost"; }, caught, "error lost"},
          {"no text", [](auto& l) { l.records[90].text.clear(); }, caught, "no text"},
          {"text of nothing",
           [](auto& l) {
             l.records[90].text.clear();
             l.records[90].output_sha256 = Sha256Hex("");
           },
           caught, "no text"},
          {"only its hash was kept",
           [](auto& l) {
             l.records[90].text.clear();
             l.records[90].output_sha256 = Sha256Hex("a");
           },
           {}},
          {"no end", [](auto& l) { l.records[90].stamps.done.reset(); }, caught, "never seen"},
          {"text before it was asked for",
           [](auto& l) { l.records[90].stamps.first_text = 999'999'999; }, caught, "backwards"},
          {"an error that is called one",
           [](auto& l) {
             l.records[90].outcome = Outcome::kTimeout;
             l.records[90].stamps.done.reset();
           },
           {}},
      },
      CheckOutcomes);
}

TEST(RequestGates, RequestsAreThePlannedOnesAndRepeat) {
  const std::vector<std::string> caught{"REPLAY_PROMPTS_CHANGED"};
  Expect(
      {
          {"nothing", [](auto&) {}, {}},
          {"one replayed prompt is a new one",
           [](auto& l) { l.records[143].planned.identity.prompt_sha256 = "new"; }, caught,
           "1 of 60 requests repeat no prompt"},
          {"and so it was planned",
           [](auto& l) {
             l.records[143].planned.identity.prompt_sha256 = "new";
             l.planned_prompts = SentPrompts(l);
           },
           caught, "first p059"},
          {"two replayed prompts changed places",
           [](auto& l) { std::swap(l.records[100].planned, l.records[101].planned); }, caught,
           "not those of the plan"},
          {"a thrash prompt", [](auto& l) { l.records[70].planned.identity.prompt_sha256 = "new"; },
           caught, "[run thrash]"},
          {"issued in another order than planned",
           [](auto& l) { std::swap(l.records[100], l.records[101]); },
           {}},
          {"rows are missing: another rule's", [](auto& l) { l.records.pop_back(); }, {}},
          {"more than planned", [](auto& l) { l.records.push_back(l.records.back()); }, caught,
           "(61 and 60)"},
          {"no plan was written", [](auto& l) { l.planned_prompts.clear(); }, {}},
          {"a phase that was not planned", [](auto& l) { l.planned_prompts.erase("thrash"); },
           caught, "not in the plan"},
          {"a trace repeats as it likes",
           [](auto& l) {
             l.scenario = "trace_replay";
             l.records[143].planned.identity.prompt_sha256 = "new";
             l.planned_prompts = SentPrompts(l);
           },
           {}},
      },
      CheckRequests);
}

TEST(RequestGates, TheModelThatAnswersIsTheOneThatWasAsked) {
  Expect(
      {
          {"nothing", [](auto&) {}, {}},
          {"one answer of another",
           [](auto& l) { l.records[143].response_model = "other"; },
           {"WRONG_MODEL"},
           "1 of 144 answers"},
          {"a server that does not say",
           [](auto& l) {
             for (auto& r : l.records) r.response_model.clear();
           },
           {}},
          {"an error names nothing",
           [](auto& l) {
             l.records[143].response_model = "other";
             l.records[143].outcome = Outcome::kStreamError;
           },
           {}},
      },
      CheckModel);
}

/// Requests a second apart, stamped by both clocks.
void Stamp(LegEvidence& leg) {
  const ClockAnchor anchor{0, std::chrono::system_clock::time_point(std::chrono::hours(500'000))};
  MonoNs at = 0;
  for (RequestRecord& r : leg.records) {
    at += 1'000'000'000;
    r.stamps.sent_first = at;
    r.start_utc = UtcMillis(anchor.ToWall(at));
  }
  for (PhaseEvidence& p : leg.phases) {
    p.duration_s = 10;
    p.start_utc = UtcMillis(anchor.wall);
    p.end_utc = UtcMillis(anchor.wall + std::chrono::seconds(10));
  }
}

/// The wall clock of every request from `first` on.
void Shift(LegEvidence& leg, std::size_t first, std::chrono::milliseconds by) {
  for (std::size_t i = first; i < leg.records.size(); ++i) {
    const auto at = std::chrono::system_clock::time_point(std::chrono::hours(500'000)) +
                    std::chrono::seconds(i + 1) + by;
    leg.records[i].start_utc = UtcMillis(at);
  }
}

TEST(RequestGates, TheClocksAgree) {
  using std::chrono::milliseconds;
  const std::vector<std::string> caught{"NOISE_CLOCK_STEP"};
  Expect(
      {
          {"nothing", [](auto& l) { Stamp(l); }, {}},
          {"no times", [](auto&) {}, {}},
          {"a step back of an hour in the middle",
           [](auto& l) {
             Stamp(l);
             Shift(l, 84, milliseconds(-3'600'000));
           },
           caught, "-3600000 ms"},
          {"a step before the last request",
           [](auto& l) {
             Stamp(l);
             Shift(l, 143, milliseconds(250));
           },
           caught, "[run replay]"},
          {"within what slewing does",
           [](auto& l) {
             Stamp(l);
             Shift(l, 100, milliseconds(100));
           },
           {}},
          {"a phase that ends before it begins",
           [](auto& l) {
             Stamp(l);
             std::swap(Replay(l).start_utc, Replay(l).end_utc);
           },
           caught, "-10.0 s"},
          {"no stamps that this program writes",
           [](auto& l) {
             Stamp(l);
             l.records[3].start_utc = "yesterday";
             Replay(l).end_utc = "2026-01-01 00:00:00";
           },
           {}},
      },
      CheckClocks);
  EXPECT_FALSE(Passes({MakeFinding(Reason::kNoiseClockStep, "", "", "")}));
}

TEST(RequestGates, BothArmsDoTheSameWork) {
  const LegEvidence a = MakeLeg(TierMode::kB1, 50, "run_a");
  LegEvidence b = MakeLeg(TierMode::kB2, 50, "run_b");
  const auto codes = [&] { return Codes(CheckSameWork(AnswersOf(a), AnswersOf(b))); };
  EXPECT_THAT(codes(), IsEmpty());
  b.model_id = "other";
  EXPECT_THAT(codes(), ElementsAre("WRONG_MODEL"));
  b.model_id = kModel;
  std::swap(b.records[84].planned, b.records[85].planned);
  EXPECT_THAT(codes(), ElementsAre("REPLAY_PROMPTS_CHANGED"));
  b = MakeLeg(TierMode::kB2, 50, "run_b");
  b.records[84].planned.identity.generation_params_sha256 = "longer answers";
  EXPECT_THAT(codes(), ElementsAre("REPLAY_PROMPTS_CHANGED"));
}

TEST(RequestGates, ASaturatedClientThatCallsItselfFastEnoughIsCaught) {
  LegEvidence leg = MakeLeg(TierMode::kB2, 50);
  Replay(leg).client.cpu_fraction = 0.97;
  const Findings findings = CheckClient(leg);
  ASSERT_THAT(Codes(findings), ElementsAre("CLIENT_SATURATED"));
  EXPECT_THAT(findings[0].detail, HasSubstr("97 % of a core"));
  EXPECT_TRUE(findings[0].Invalidates());
  Replay(leg).client = {};
  Replay(leg).client.send_delay_p99_ms = 4.9;
  EXPECT_THAT(CheckClient(leg), IsEmpty());
}

TEST(RequestGates, OthersThatMoveMoreThanTheStackBlockADecision) {
  const auto severity = [](TierMode tier, std::size_t phase, Bytes other) {
    LegEvidence leg = MakeLeg(tier, 50);
    HostWindow w = *leg.phases[phase].host.during;
    w.other_read = other;
    w.device_read = *w.device_read + other;
    leg.phases[phase].host.during = w;
    for (const Finding& f : JudgeLeg(leg)) {
      if (f.reason == Reason::kNoiseBackgroundIo) return f.severity;
    }
    return Severity::kNote;
  };
  EXPECT_EQ(severity(TierMode::kB2, 2, 1024_MiB), Severity::kBlocksDecision);
  EXPECT_EQ(severity(TierMode::kB2, 2, 150_MiB), Severity::kSoft) << "the stack moved 200 MiB";
  EXPECT_EQ(severity(TierMode::kB2, 0, 1024_MiB), Severity::kSoft) << "populate is not judged";
  EXPECT_EQ(severity(TierMode::kB1, 2, 1024_MiB), Severity::kSoft) << "nothing reloads from it";
}

// A digest must not know less than the leg it was made of.
TEST(RequestGates, ADigestJudgesAsTheRowsDo) {
  Phase70Input rows = test::MakeExperiment(8);
  rows.legs[5].evidence.records[100].text = "stale";
  rows.legs[9].evidence.records[100].usage->completion_tokens = 7;
  rows.legs[12].evidence.records[100].outcome = Outcome::kTimeout;
  Phase70Input digests = rows;
  for (Phase70Leg& leg : digests.legs) {
    leg.digest = std::make_shared<const LegDigest>(DigestLeg(leg.evidence, GatesOf(digests.setup)));
    leg.evidence.records.clear();
  }
  const auto json_of = [](const Phase70Input& input) {
    return nlohmann::json(AnalyzePhase70(input, "now").verdict);
  };
  EXPECT_EQ(json_of(digests), json_of(rows));
  // By other gates the rows would be needed; without them nothing passes.
  digests.setup.gates.max_error_rate = 0.5;
  digests.setup.declared_sha256 = DeclarationSha256(digests.setup);
  EXPECT_FALSE(AnalyzePhase70(digests, "now").verdict.run_valid);
}

}  // namespace
}  // namespace kvtier
