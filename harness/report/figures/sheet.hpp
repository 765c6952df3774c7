#pragma once
#include <map>
#include <string>
#include <vector>

#include "harness/report/figures/context.hpp"
#include "harness/report/figures/svg.hpp"

/// What all figures have in common: title, legend, notes and caption around the panels.
namespace kvtier {

inline constexpr const char* kInk = "#1a1a1a";
inline constexpr const char* kMuted = "#555555";
inline constexpr const char* kGrid = "#e2e2e2";
inline constexpr const char* kBand = "#ececec";
/// Of both arms; they differ in lightness too, and everywhere in shape or dash as well.
inline constexpr const char* kArmA = "#0f4c81";
inline constexpr const char* kArmB = "#d1661a";
inline constexpr const char* kThird = "#7a7a7a";

inline constexpr double kSheetWidth = 760;

enum class Mark { kCircle, kSquare, kDiamond, kTriangle, kCross };
/// Filled, or open with a white inside.
void DrawMark(Svg& svg, Mark mark, Point at, double radius, const char* colour, bool filled = true);

/// A sample of what is drawn, with its name.
struct LegendItem {
  std::string label = {};
  enum class Kind { kLine, kMark, kBox } kind = Kind::kLine;
  Paint paint = {};  // of a line or box; a mark takes paint.stroke as its colour
  Mark mark = Mark::kCircle;
  bool filled = true;
};

struct SheetText {
  std::string title = {};
  std::string subtitle = {};
  std::string description = {};         // for screen readers: what the figure says
  std::string caption = {};             // n, unit, how to read it; the source is added
  std::vector<std::string> notes = {};  // what is missing and why, a paragraph each
  std::vector<LegendItem> legend = {};
  FigureContext context = {};
};

/// A figure of fixed width whose height follows from its parts. Panels are drawn into `body`.
class Sheet {
 public:
  Sheet(SheetText text, double body_height);
  Svg& svg() { return svg_; }
  const Box& body() const { return body_; }
  std::string Finish();

 private:
  struct Layout {
    std::vector<std::vector<LegendItem>> legend_rows;
    std::vector<std::string> title, subtitle, below;
    double body_y = 0, below_y = 0, height = 0;
  };
  static Layout Plan(const SheetText& text, double body_height);
  Layout layout_;
  SheetText text_;
  Box body_;
  Svg svg_;
};

/// A figure with nothing to draw: `why` in the middle of an empty panel.
std::string EmptyFigure(SheetText text, const std::string& why);

/// Reasons with how many of them there were, most frequent first: "no counter (8 legs: p01 l1,
/// p01 l2, ...)".
class ReasonList {
 public:
  void Add(const std::string& reason, const std::string& where);
  bool empty() const { return where_.empty(); }
  /// One line a reason, `prefix` before each; at most `max` and how many more there are.
  std::vector<std::string> Lines(const std::string& prefix, std::size_t max = 3) const;

 private:
  std::map<std::string, std::vector<std::string>> where_;
};

/// With a capital in front, for titles.
std::string Capital(std::string text);
/// "8 pairs", "1 pair".
std::string Plural(std::size_t n, const std::string& noun);

}  // namespace kvtier
