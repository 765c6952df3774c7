#pragma once
#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <vector>

#include "harness/report/pack/evidence_list.hpp"

/// How the items of ListEvidence are put together: each looks at every leg that owes it.
namespace kvtier {

/// What one leg shows of one item.
struct Observation {
  EvidenceState state = EvidenceState::kNotObservable;
  std::string text;              // for a leg without it
  std::optional<double> figure;  // joins the range over all legs
};
inline Observation Blind(std::string why) {
  return {EvidenceState::kNotObservable, std::move(why), std::nullopt};
}
inline Observation Found(bool seen, std::string text, std::optional<double> figure = std::nullopt) {
  return {seen ? EvidenceState::kSeen : EvidenceState::kNotSeen, std::move(text), figure};
}

using OfLeg = std::function<Observation(const LegEvidence&)>;
using FigureText = std::function<std::string(double)>;

/// Which legs owe an item.
using Owes = bool (*)(const LegEvidence& leg);
inline bool AnyMode(const LegEvidence&) {
  return true;
}
inline bool IsB1(const LegEvidence& leg) {
  return leg.tier == TierMode::kB1;
}
inline bool IsB2(const LegEvidence& leg) {
  return leg.tier == TierMode::kB2;
}

std::string BytesText(double bytes);

class EvidenceBuilder {
 public:
  explicit EvidenceBuilder(const PackInput& input) : input_(input) {}

  /// One observation a leg; the item is seen when every leg shows it and none is missing.
  void OverLegs(std::string id, std::string expected, std::string witness, Owes wanted,
                const OfLeg& look, const FigureText& say, std::vector<std::string> causes);
  /// Of the experiment as a whole.
  void Whole(std::string id, std::string expected, std::string witness, EvidenceState state,
             std::string figures, std::vector<std::string> causes);

  /// Does the verdict hold one of these against the leg?
  bool FoundIn(const std::string& run_id, std::initializer_list<Reason> reasons) const;
  /// The first of them in words; empty when there is none.
  std::string DetailIn(const std::string& run_id, std::initializer_list<Reason> reasons) const;
  std::vector<ExpectedEvidence> Take() { return std::move(list_); }
  const PackInput& input() const { return input_; }

 private:
  void Add(ExpectedEvidence e, std::vector<std::string> causes);
  int MissingBundles(Owes wanted) const;

  const PackInput& input_;
  std::vector<ExpectedEvidence> list_;
};

/// The items about the tiers: what the engine counted, and what the operating system saw of it.
void AddEngineEvidence(EvidenceBuilder& list);
void AddSystemEvidence(EvidenceBuilder& list);

}  // namespace kvtier
