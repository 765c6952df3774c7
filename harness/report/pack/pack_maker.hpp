#pragma once
#include <string>

#include <fmt/format.h>

#include "harness/judge/evidence_maker.hpp"
#include "harness/report/pack/pack_input.hpp"

/// Inputs of a pack for the tests of this folder.
namespace kvtier::test {

inline constexpr const char* kPackTime = "2026-01-02T00:00:00.000+00:00";

/// As if `experiment` had been measured and every bundle read back.
inline PackInput PackOf(const Phase70Input& experiment) {
  PackInput in;
  in.created_utc = kPackTime;
  in.manifest.created_utc = "2026-01-01T00:00:00.000+00:00";
  in.manifest.setup = experiment.setup;
  in.manifest.model_profile = "reference";
  in.manifest.stack_label = "reference stack (preset small)";
  in.manifest.mechanism_mode = true;
  in.manifest.block_bytes = kBlockBytes;
  in.manifest.block_tokens = 32;
  in.manifest.settings = {{"phase70.pairs", "8", "BENCH_PHASE70_PAIRS"},
                          {"stack.preset", "small", "default"}};
  in.preflight = experiment.preflight;
  in.legs = experiment.legs;
  in.analysis = AnalyzePhase70(experiment, in.manifest.created_utc);
  for (const auto& leg : experiment.legs)
    in.manifest.runs.push_back(
        {.pair_id = leg.pair_id,
         .pair_order = OrderLabel(leg.order, experiment.setup.mode_a, experiment.setup.mode_b),
         .pair_leg = leg.pair_leg,
         .mode = leg.evidence.tier,
         .bundle_id = leg.bundle_id,
         .run_id = leg.evidence.run_id,
         .run_dir = leg.evidence.run_dir,
         .log_path = "",
         .started_utc = "s",
         .completed_utc = "c"});
  return in;
}
inline PackInput PackOf(int pairs) {
  return PackOf(MakeExperiment(pairs));
}

}  // namespace kvtier::test
