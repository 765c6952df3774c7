#pragma once
#include <string>

#include "harness/judge/phase60.hpp"
#include "harness/report/phase60_files.hpp"

namespace kvtier {

/// For the end of a sweep on a terminal: a line a point, what the points are held against and who
/// meets it, why it stopped, and where the files lie.
std::string RenderPhase60(const Phase60Summary& summary, const Phase60Paths& paths);

}  // namespace kvtier
