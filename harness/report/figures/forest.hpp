#pragma once
#include <optional>
#include <string>
#include <vector>

#include "harness/judge/phase70.hpp"
#include "harness/report/figures/context.hpp"

namespace kvtier {

/// Effects are log-ratios ln(mode_b / mode_a).
struct ForestData {
  struct Row {
    std::string label = {};
    std::optional<double> estimate = std::nullopt;  // empty: the row says `note` instead
    std::optional<Interval> interval = std::nullopt;
    std::string note = {};        // why there is no estimate
    bool decides = false;         // its interval is the one behind the word
    bool lower_is_better = true;  // of the metric
  };
  FigureContext context = {};
  std::string metric = "replay TTFC p95";
  std::string arm_a = "B1", arm_b = "B2";
  double margin_pct = 5;
  std::string word = {}, grade = {};  // "BETTER", "B"; empty: none
  std::vector<Row> pairs = {};        // one a pair, an estimate alone
  std::vector<Row> pooled = {};       // Hodges-Lehmann and t, 95 % and 90 %
  std::vector<Row> secondary = {};    // further metrics: they decide nothing
};

/// Effects of the pairs, pooled and of the secondary metrics on a log-ratio axis that is labelled
/// in %, with the zero line and the equivalence margin as a band; the sides say in words which is
/// better. Every row states its figures in text too.
std::string EffectForest(const ForestData& data);

ForestData ForestOf(const Phase70Analysis& analysis, const FigureContext& context);

}  // namespace kvtier
