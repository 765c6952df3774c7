#pragma once
#include <string>
#include <string_view>
#include <vector>

/// A small SVG writer. Numbers have at most two decimals and a point in every locale, attributes a
/// fixed order: equal calls give equal bytes. Presentation attributes only: no ids, no style sheet,
/// no script.
namespace kvtier {

struct Point {
  double x = 0, y = 0;
};

struct Box {
  double x = 0, y = 0, w = 0, h = 0;
  double right() const { return x + w; }
  double bottom() const { return y + h; }
};

/// How a shape is drawn. Colours are literals of this code, never data.
struct Paint {
  const char* fill = "none";
  const char* stroke = "none";
  double width = 1;       // of the stroke, px
  const char* dash = "";  // "6 3"; empty: solid
  double opacity = 1;
};

enum class Anchor { kStart, kMiddle, kEnd };

struct TextStyle {
  double size = 11;  // px
  Anchor anchor = Anchor::kStart;
  bool bold = false;
  const char* fill = "#1a1a1a";
  bool upright = false;  // turned to read from bottom to top about (x, y)
};

class Svg {
 public:
  /// `title` and `description` become the title and desc elements, for screen readers.
  Svg(double width, double height, std::string_view title, std::string_view description);

  /// Coordinates must be finite: std::invalid_argument otherwise, a mistake of the figure.
  void Rect(const Box& box, const Paint& paint);
  void Line(Point from, Point to, const Paint& paint);
  /// Nothing for fewer than two points.
  void Polyline(const std::vector<Point>& points, const Paint& paint);
  void Polygon(const std::vector<Point>& points, const Paint& paint);
  void Circle(Point centre, double radius, const Paint& paint);
  /// `at` is the base line's start, middle or end. Nothing for an empty text.
  void Text(Point at, std::string_view text, const TextStyle& style = {});

  /// The whole document, with its XML declaration and a newline at the end.
  std::string Finish() const;

 private:
  void Points(const char* element, const std::vector<Point>& points, const Paint& paint);
  std::string out_;
};

/// For an attribute or a text: & < > " ' as entities; control characters, broken UTF-8 and what
/// XML 1.0 forbids as U+FFFD, line ends as blanks.
std::string EscapeXml(std::string_view text);

/// At most two decimals, without trailing zeros; never "-0". Throws std::invalid_argument when `x`
/// is not finite.
std::string SvgNumber(double x);

/// An upper estimate of the width of a line in px, by the wide advances of DejaVu Sans.
double TextWidth(std::string_view text, double size, bool bold = false);
/// The text, or as much of it as fits with an ellipsis.
std::string Shorten(std::string_view text, double width, double size, bool bold = false);
/// Lines that fit, broken at blanks (a longer word is cut); what exceeds `max_lines` ends in an
/// ellipsis.
std::vector<std::string> WrapText(std::string_view text, double width, double size,
                                  std::size_t max_lines);

}  // namespace kvtier
