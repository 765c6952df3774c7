#include "harness/report/figures/pairs.hpp"

#include <map>

#include <fmt/format.h>

namespace kvtier {

std::vector<PairedRows> PairRowsUp(const Phase70Analysis& analysis) {
  const Phase70Setup& setup = analysis.verdict.setup;
  const std::string ab = OrderLabel(LegOrder::kAB, setup.mode_a, setup.mode_b);
  std::map<int, PairedRows> pairs;
  for (const PairRow& row : analysis.rows) {
    PairedRows& pair = pairs[row.pair_id];
    pair.pair_id = row.pair_id;
    bool is_a = row.mode == setup.mode_a, is_b = row.mode == setup.mode_b;
    if (setup.SameMode()) {
      is_a = (row.pair_order == ab) == (row.pair_leg == 1);
      is_b = !is_a;
    }
    if (is_a) pair.a = &row;
    if (is_b) pair.b = &row;
  }
  std::vector<PairedRows> out;
  for (auto& [id, pair] : pairs) {
    const auto counts = [](const PairRow* row) {
      return row != nullptr && row->status == "ok" && row->replay_ttfc_p95_ms.has_value();
    };
    const PairRow* either = pair.a != nullptr ? pair.a : pair.b;
    if (pair.a != nullptr && pair.b != nullptr) {
      pair.a_first = pair.a->pair_leg < pair.b->pair_leg;
    } else if (either != nullptr) {
      pair.a_first = (either->pair_leg == 1) == (either == pair.a);
    }
    pair.complete = counts(pair.a) && counts(pair.b);
    out.push_back(pair);
  }
  return out;
}

std::string LegLabel(int pair_id, int pair_leg) {
  return fmt::format("pair {}, leg {}", pair_id, pair_leg);
}

}  // namespace kvtier
