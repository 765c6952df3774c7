#include "harness/report/figures/figure_set.hpp"

#include <fmt/format.h>

#include "harness/core/error.hpp"
#include "harness/core/files.hpp"
#include "harness/report/figures/forest.hpp"
#include "harness/report/figures/io_timeline.hpp"
#include "harness/report/figures/phase_bytes.hpp"
#include "harness/report/figures/png.hpp"
#include "harness/report/figures/slopegraph.hpp"
#include "harness/report/figures/sweep_curves.hpp"
#include "harness/report/figures/tier_hits.hpp"
#include "harness/report/figures/ttfc_shape.hpp"
#include "harness/report/phase60_files.hpp"
#include "harness/report/sweep_reader.hpp"

namespace kvtier {
namespace {

bool IsReference(const std::string& stack_label) {
  return stack_label.starts_with("reference stack");
}

}  // namespace

FigureContext ContextOf(const Phase70Manifest& manifest, const Phase70Paths& paths) {
  return {.run = fmt::format("Phase70 {}", manifest.setup.ts),
          .source = paths.Verdict().filename().string() + " and the bundles of its legs",
          .reference_stack = IsReference(manifest.stack_label)};
}

std::vector<Figure> Phase70Figures(const Phase70Analysis& analysis,
                                   const std::vector<Phase70Leg>& legs,
                                   const FigureContext& context) {
  const TtfcShapeData shape = TtfcShapeOf(legs, analysis, context);
  return {{"paired_slopegraph", "Replay TTFC p95 by pair",
           PairedSlopegraph(SlopegraphOf(analysis, context))},
          {"effect_forest", "Effect with its intervals and the equivalence margin",
           EffectForest(ForestOf(analysis, context))},
          {"tier_hits", "Block hits by tier, expected and counted",
           TierHits(TierHitsOf(analysis, context))},
          {"phase_bytes", "SSD bytes by leg and phase", PhaseBytes(PhaseBytesOf(legs, context))},
          {"io_timeline", "SSD traffic over time, one pair",
           IoTimeline(ReadIoTimelinePair(legs, analysis, context))},
          {"ttfc_ecdf", "Distribution of TTFC by pair", TtfcEcdf(shape)},
          {"ttfc_shift", "Shift of TTFC by decile", TtfcShift(shape)}};
}

std::vector<Figure> Phase60Figures(const std::filesystem::path& summary_json) {
  const Sweep sweep = LoadSweep(summary_json);
  FigureContext context{.run = fmt::format("Phase60 {}", SweepTs(summary_json)),
                        .source = summary_json.filename().string()};
  std::vector<SweepServed> served;
  if (!sweep.legacy) {
    const Phase60Summary summary = LoadPhase60Summary(summary_json);
    context.reference_stack = IsReference(summary.setup.stack_label);
    served = ReadSweepServed(summary_json.parent_path(), summary, SloOf(sweep, "ttfc_p95_ms"));
  }
  return {{"sweep_curves", "TTFC p95 and throughput against concurrency",
           SweepCurves(SweepCurvesOf(sweep, served, context))}};
}

FigureFiles WriteFigures(const std::filesystem::path& folder, const std::vector<Figure>& figures) {
  FigureFiles files;
  const Reading<std::filesystem::path> converter = FindSvgConverter();
  if (!converter.available() && !figures.empty()) files.notes.push_back(converter.reason());
  for (const Figure& figure : figures) {
    const std::string svg = figure.name + ".svg", png = figure.name + ".png";
    WriteFileAtomic(folder / svg, figure.svg);
    files.written.push_back(svg);
    if (!converter.available()) continue;
    const auto made = RenderPng(*converter, folder / svg, folder / png);
    if (made.available()) {
      files.written.push_back(png);
    } else {
      files.notes.push_back(made.reason());
    }
  }
  return files;
}

}  // namespace kvtier
