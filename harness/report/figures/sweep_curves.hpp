#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "harness/core/reading.hpp"
#include "harness/judge/phase60.hpp"
#include "harness/judge/sweep_rows.hpp"
#include "harness/report/figures/context.hpp"
#include "harness/stats/knee.hpp"
#include "harness/stats/usl.hpp"

namespace kvtier {

/// What one point of the sweep served in its headline phase.
struct SweepServed {
  TierMode mode = TierMode::kB1;
  int concurrency = 1;
  double requests_per_s = 0;                 // ok requests over the phase
  Reading<double> good_requests_per_s = {};  // those of them whose TTFC meets the objective
};

struct SweepCurvesData {
  struct Point {
    double concurrency = 0;
    double value = 0;   // of the metric
    bool sound = true;  // status ok; others are drawn open and are in no fit
    std::string status = "ok";
  };
  struct Mode {
    std::string name = {};  // "B1"
    std::vector<Point> latency = {};
    Reading<SloCrossing> crossing = {};  // with the isotonic fit
    Reading<Knee> knee = {};
    std::vector<SweepServed> served = {};
    Reading<UslFit> usl = {};
  };
  FigureContext context = {};
  std::string metric = "replay TTFC p95", unit = "ms";
  Reading<double> slo = {};  // in `unit`
  std::vector<Mode> modes = {};
};

/// Two panels: the metric against concurrency by mode with the objective's line, the isotonic fit,
/// its crossing and the Kneedle label; throughput and goodput with the USL fit.
std::string SweepCurves(const SweepCurvesData& data);

/// `served` may be empty: then the second panel says so.
SweepCurvesData SweepCurvesOf(const Sweep& sweep, const std::vector<SweepServed>& served,
                              const FigureContext& context);
/// From the bundles of the sweep's ok rows, where they still are below the results root.
/// `slo_ttfc_ms` is the objective for goodput.
std::vector<SweepServed> ReadSweepServed(const std::filesystem::path& root,
                                         const Phase60Summary& summary,
                                         const Reading<double>& slo_ttfc_ms);

}  // namespace kvtier
