#pragma once
#include <optional>
#include <string>
#include <vector>

#include "harness/judge/phase70.hpp"
#include "harness/report/figures/context.hpp"

namespace kvtier {

struct SlopegraphData {
  struct Pair {
    int pair_id = 0;
    bool a_first = true;         // order AB
    std::optional<double> a, b;  // > 0, in `unit`; empty: not measured
    bool complete = false;       // both legs valid: only then the pair is a line
  };
  FigureContext context = {};
  std::string metric = "replay TTFC p95", unit = "ms";
  std::string arm_a = "B1", arm_b = "B2";
  std::vector<Pair> pairs = {};
};

/// One line a pair from mode A on the left to mode B on the right, log axis; order AB solid, BA
/// dashed, the medians of the complete pairs thick. A pair that does not count is its open markers,
/// not joined.
std::string PairedSlopegraph(const SlopegraphData& data);

/// The primary metric of every pair of mode_a and mode_b.
SlopegraphData SlopegraphOf(const Phase70Analysis& analysis, const FigureContext& context);

}  // namespace kvtier
