#pragma once
#include <optional>

#include "harness/judge/answers.hpp"
#include "harness/judge/evidence.hpp"
#include "harness/judge/figures.hpp"
#include "harness/judge/filter_protocol.hpp"
#include "harness/judge/gates.hpp"
#include "harness/judge/phase70_break_even.hpp"
#include "harness/judge/reason.hpp"

namespace kvtier {

/// Everything that a paired analysis takes from the requests of one leg, so that their rows can be
/// released before those of the next leg are read.
struct LegDigest {
  GateOptions gates;  // by which the leg was judged
  LegFigures figures;
  std::optional<QuantileEstimate> tpot_p50;  // of the headline phase, ms
  Findings findings;                         // of JudgeLeg
  AnswerAgreement repeats;                   // answers within the leg
  LegAnswers answers;
  BreakEvenSample break_even;
  std::optional<FilterVisits> filter;  // of a leg with the SSD tier, where a protocol was declared
};
LegDigest DigestLeg(const LegEvidence& leg, const GateOptions& gates);

}  // namespace kvtier
