#pragma once
#include <string>
#include <vector>

#include "harness/judge/phase70.hpp"

/// The rows of the summary by pair, for the adapters of this folder.
namespace kvtier {

/// Pointers into the analysis; null: no such row.
struct PairedRows {
  int pair_id = 0;
  bool a_first = true;
  const PairRow* a = nullptr;
  const PairRow* b = nullptr;
  bool complete = false;  // both valid, with the primary metric
};

/// Of mode_a and mode_b, by pair; equal modes are told apart by their place, a third arm is left
/// out.
std::vector<PairedRows> PairRowsUp(const Phase70Analysis& analysis);

/// "pair 3, leg 1"
std::string LegLabel(int pair_id, int pair_leg);

}  // namespace kvtier
