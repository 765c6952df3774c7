#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "harness/judge/phase60.hpp"
#include "harness/judge/phase70.hpp"
#include "harness/report/figures/context.hpp"
#include "harness/report/phase70_files.hpp"

namespace kvtier {

/// A finished figure.
struct Figure {
  std::string name;   // "paired_slopegraph": the file name without its ending
  std::string title;  // for a heading
  std::string svg;
};

/// Whose data the figures of this experiment are.
FigureContext ContextOf(const Phase70Manifest& manifest, const Phase70Paths& paths);

/// paired_slopegraph, effect_forest, tier_hits, phase_bytes, io_timeline, ttfc_ecdf, ttfc_shift, in
/// this order, whatever is missing. `legs` as LoadPhase70Legs gives them; io_timeline reads the
/// timelines below their run_dir.
std::vector<Figure> Phase70Figures(const Phase70Analysis& analysis,
                                   const std::vector<Phase70Leg>& legs,
                                   const FigureContext& context);

/// sweep_curves of a finished sweep; `summary_json` as Phase60Paths names it, the bundles are
/// looked for below its folder. Throws IoError or DataError when the summary cannot be read.
std::vector<Figure> Phase60Figures(const std::filesystem::path& summary_json);

/// What became of the files.
struct FigureFiles {
  std::vector<std::string> written;  // names relative to the folder: SVG, and PNG where possible
  std::vector<std::string> notes;    // one sentence each: why there is no PNG; empty: all is there
};
/// <name>.svg and, where rsvg-convert is installed, <name>.png. Throws IoError when the disk
/// refuses.
FigureFiles WriteFigures(const std::filesystem::path& folder, const std::vector<Figure>& figures);

}  // namespace kvtier
