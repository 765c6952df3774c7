#pragma once
#include <string>

/// The figures of the results pack: pure functions from typed data to the text of an SVG 1.1
/// document. Equal data give equal bytes in every locale. No function throws on data, however bad:
/// without anything to draw the figure says why it is empty. All text is escaped, nothing is told
/// by colour alone, and no document holds an id or a style sheet, so that several can stand in one
/// HTML page.
namespace kvtier {

/// What the caption of a figure says of its data, whatever the figure.
struct FigureContext {
  std::string run = {};     // "Phase70 20261125T122126Z"
  std::string source = {};  // the file or files that hold the data, as a reader finds them
  /// The data are of the stack that ships here: the caption says that its latencies say nothing
  /// about a GPU machine.
  bool reference_stack = false;
};

/// "reference stack: latencies say nothing about a GPU machine"
inline constexpr const char* kReferenceStackNote =
    "reference stack: latencies say nothing about a GPU machine";

}  // namespace kvtier
