#pragma once
#include <string>
#include <vector>

#include "harness/core/reading.hpp"
#include "harness/core/units.hpp"
#include "harness/judge/phase70.hpp"
#include "harness/report/figures/context.hpp"

namespace kvtier {

struct PhaseBytesData {
  /// One leg in one phase.
  struct Cell {
    Reading<Bytes> engine_read = {}, engine_written = {};  // what the engine's counters say
    Reading<Bytes> os_read = {}, os_written = {};          // the OS witness of the worker
  };
  struct Leg {
    std::string label = {};        // "p03 l1"
    std::string mode = {};         // "B2"
    std::vector<Cell> cells = {};  // one a phase, as `phases`
  };
  FigureContext context = {};
  std::vector<std::string> phases = {};  // populate, thrash, replay, ...
  std::vector<Leg> legs = {};            // in the order in which they ran
};

/// Bytes from and to the SSD by leg and phase, a row of panels a phase: the engine's count as a
/// bar, the operating system's as a ring. Where both agree the ring sits on the bar's end.
std::string PhaseBytes(const PhaseBytesData& data);

PhaseBytesData PhaseBytesOf(const std::vector<Phase70Leg>& legs, const FigureContext& context);

}  // namespace kvtier
