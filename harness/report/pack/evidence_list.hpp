#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "harness/report/pack/pack_input.hpp"

/// What a believable run of this experiment must have left behind, item by item: seen, not seen or
/// not observable, with the figures, and with the likely causes where it was not seen.
namespace kvtier {

enum class EvidenceState {
  kSeen,           // in every leg that owes it
  kNotSeen,        // somebody looked, and in one leg at least it was not there
  kNotObservable,  // in one leg at least nobody could look: absence of evidence
};
/// "seen", "not seen", "not observable"
std::string_view EvidenceStateName(EvidenceState state);

struct ExpectedEvidence {
  std::string id = {};        // "b2_read_from_ssd", stable
  std::string expected = {};  // what should be seen, one sentence
  std::string witness = {};   // who would have seen it
  EvidenceState state = EvidenceState::kNotObservable;
  int legs_seen = 0, legs_expected = 0;         // 0 of 0: about the experiment as a whole
  std::string figures = {};                     // with their units
  std::vector<std::string> first_absent = {};   // "run_id: figure" of some legs without it
  std::vector<std::string> likely_causes = {};  // empty when seen
};

/// In the order of the argument: engine, operating system, answers, design, machine. Items of a
/// mode that the experiment does not run are left out.
std::vector<ExpectedEvidence> ListEvidence(const PackInput& input);

}  // namespace kvtier
