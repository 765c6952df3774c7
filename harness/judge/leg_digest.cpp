#include "harness/judge/leg_digest.hpp"

#include <vector>

namespace kvtier {
namespace {

std::optional<QuantileEstimate> TpotP50(const LegEvidence& leg) {
  const PhaseEvidence* headline = HeadlinePhase(leg);
  if (headline == nullptr) return std::nullopt;
  std::vector<double> values;
  for (const RequestRecord* r : OkRecords(leg, headline->name)) {
    if (const auto v = r->TpotMs()) values.push_back(*v);
  }
  return EstimateQuantile(values, 0.5);
}

}  // namespace

LegDigest DigestLeg(const LegEvidence& leg, const GateOptions& gates) {
  LegDigest d;
  d.gates = gates;
  d.figures = MeasureLeg(leg);
  d.tpot_p50 = TpotP50(leg);
  d.findings = JudgeLeg(leg, gates);
  d.repeats = CompareAnswers(leg);
  d.answers = AnswersOf(leg);
  d.break_even = SampleBreakEven(leg);
  if (gates.filter_protocol && HasDiskTier(leg.tier))
    d.filter = CountVisits(leg, *gates.filter_protocol);
  return d;
}

}  // namespace kvtier
