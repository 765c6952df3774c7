#pragma once
#include <string>
#include <vector>

#include "harness/judge/phase70.hpp"
#include "harness/report/figures/context.hpp"

namespace kvtier {

/// TTFC of the ok requests of the headline phase, in ms, by pair.
struct TtfcShapeData {
  struct Pair {
    int pair_id = 0;
    bool a_first = true;
    std::vector<double> a = {}, b = {};  // unordered
    bool complete = false;               // both legs valid
  };
  FigureContext context = {};
  std::string metric = "replay TTFC", unit = "ms";
  std::string arm_a = "B1", arm_b = "B2";
  std::vector<Pair> pairs = {};
};

/// Empirical distribution functions of both arms, one small panel a pair on one log axis. Declared
/// before the run as a description: the unit of inference stays the pair.
std::string TtfcEcdf(const TtfcShapeData& data);

/// Shift function: by decile of the requests, how far mode B's TTFC lies from mode A's, in %; a
/// thin line a complete pair, the median over pairs thick.
std::string TtfcShift(const TtfcShapeData& data);

TtfcShapeData TtfcShapeOf(const std::vector<Phase70Leg>& legs, const Phase70Analysis& analysis,
                          const FigureContext& context);

}  // namespace kvtier
