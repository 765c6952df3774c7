#include "harness/report/pack/evidence_builder.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "harness/core/units.hpp"

namespace kvtier {

std::string BytesText(double bytes) {
  return FormatBytes({static_cast<std::uint64_t>(std::max(0.0, bytes))});
}

void EvidenceBuilder::OverLegs(std::string id, std::string expected, std::string witness,
                               Owes wanted, const OfLeg& look, const FigureText& say,
                               std::vector<std::string> causes) {
  ExpectedEvidence e{
      .id = std::move(id), .expected = std::move(expected), .witness = std::move(witness)};
  double low = std::numeric_limits<double>::max();
  double high = std::numeric_limits<double>::lowest();
  bool blind = false;
  bool absent = false;
  for (const auto& leg : input_.legs) {
    if (!wanted(leg.evidence)) continue;
    const Observation o = look(leg.evidence);
    ++e.legs_expected;
    if (o.figure) {
      low = std::min(low, *o.figure);
      high = std::max(high, *o.figure);
    }
    if (o.state == EvidenceState::kSeen) {
      ++e.legs_seen;
      continue;
    }
    (o.state == EvidenceState::kNotSeen ? absent : blind) = true;
    constexpr std::size_t kShown = 3;
    if (e.first_absent.size() < kShown)
      e.first_absent.push_back(leg.evidence.run_id + ": " + o.text);
  }
  const int gone = MissingBundles(wanted);
  e.legs_expected += gone;
  if (gone > 0)
    e.first_absent.push_back(fmt::format("{} bundles are not here, so nobody can look", gone));
  e.state = absent                                      ? EvidenceState::kNotSeen
            : blind || gone > 0 || e.legs_expected == 0 ? EvidenceState::kNotObservable
                                                        : EvidenceState::kSeen;
  if (say && low <= high)
    e.figures = low == high ? say(low) : say(low) + " to " + say(high) + ", by leg";
  if (e.legs_expected == 0) e.first_absent.emplace_back("no such leg was measured");
  Add(std::move(e), std::move(causes));
}

void EvidenceBuilder::Whole(std::string id, std::string expected, std::string witness,
                            EvidenceState state, std::string figures,
                            std::vector<std::string> causes) {
  Add({.id = std::move(id),
       .expected = std::move(expected),
       .witness = std::move(witness),
       .state = state,
       .figures = std::move(figures)},
      std::move(causes));
}

bool EvidenceBuilder::FoundIn(const std::string& run_id,
                              std::initializer_list<Reason> reasons) const {
  return std::any_of(input_.verdict().findings.begin(), input_.verdict().findings.end(),
                     [&](const Finding& f) {
                       return f.run_id == run_id &&
                              std::find(reasons.begin(), reasons.end(), f.reason) != reasons.end();
                     });
}

std::string EvidenceBuilder::DetailIn(const std::string& run_id,
                                      std::initializer_list<Reason> reasons) const {
  for (const Finding& f : input_.verdict().findings) {
    if (f.run_id == run_id && std::find(reasons.begin(), reasons.end(), f.reason) != reasons.end())
      return std::string(Code(f.reason)) + (f.phase.empty() ? "" : " in " + f.phase) + ": " +
             f.detail;
  }
  return "";
}

void EvidenceBuilder::Add(ExpectedEvidence e, std::vector<std::string> causes) {
  if (e.state != EvidenceState::kSeen) e.likely_causes = std::move(causes);
  list_.push_back(std::move(e));
}

int EvidenceBuilder::MissingBundles(Owes wanted) const {
  int gone = 0;
  for (const auto& run : input_.manifest.runs) {
    LegEvidence shape;
    shape.tier = run.mode;
    if (!wanted(shape)) continue;
    gone += std::none_of(input_.legs.begin(), input_.legs.end(),
                         [&](const Phase70Leg& leg) { return leg.evidence.run_id == run.run_id; });
  }
  return gone;
}

}  // namespace kvtier
