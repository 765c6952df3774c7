#include "harness/report/figures/svg.hpp"

#include <array>
#include <cmath>
#include <cstdint>
#include <stdexcept>

#include <fmt/format.h>

namespace kvtier {
namespace {

constexpr const char* kReplacement = "\xEF\xBF\xBD";  // U+FFFD
constexpr const char* kEllipsis = "\xE2\x80\xA6";     // U+2026

struct Glyph {
  std::uint32_t code = 0xFFFD;
  std::size_t length = 1;  // bytes of the text that it took
  bool valid = false;
};

/// The character at the start of a non-empty text; broken UTF-8 is one invalid byte.
Glyph NextGlyph(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return {first, 1, true};
  const std::size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < length) return {};
  std::uint32_t code = first & (0xFFU >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0U) != 0x80U) return {};
    code = (code << 6) | (byte(i) & 0x3FU);
  }
  constexpr std::array<std::uint32_t, 5> kLeast{0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
  if (code < kLeast[length] || code > 0x10FFFF || surrogate) return {};
  return {code, length, true};
}

/// Advances of DejaVu Sans in thousandths of the size, for blank to tilde.
constexpr std::array<int, 95> kAdvance{
    318, 401, 460, 838, 636, 950, 780, 275, 390, 390, 500, 838, 318, 361,  318, 337, 636, 636, 636,
    636, 636, 636, 636, 636, 636, 636, 337, 337, 838, 838, 838, 531, 1000, 684, 686, 698, 770, 632,
    575, 775, 752, 295, 295, 656, 557, 863, 748, 787, 603, 787, 695, 635,  611, 732, 684, 989, 685,
    611, 685, 390, 337, 390, 838, 500, 500, 613, 635, 550, 635, 615, 352,  635, 634, 278, 278, 579,
    278, 974, 634, 612, 635, 635, 411, 521, 392, 634, 592, 818, 592, 592,  525, 636, 337, 636, 838};

double Advance(std::uint32_t code) {
  if (code >= 32 && code < 127) return kAdvance[code - 32] / 1000.0;
  return code < 0x1100 ? 0.8 : 1.0;
}

std::string PaintText(const Paint& p) {
  std::string text = fmt::format(" fill=\"{}\"", p.fill);
  if (std::string_view(p.stroke) != "none") {
    text += fmt::format(" stroke=\"{}\" stroke-width=\"{}\"", p.stroke, SvgNumber(p.width));
    if (*p.dash != '\0') text += fmt::format(" stroke-dasharray=\"{}\"", p.dash);
  }
  if (p.opacity < 1) text += fmt::format(" opacity=\"{}\"", SvgNumber(p.opacity));
  return text;
}

}  // namespace

std::string SvgNumber(double x) {
  if (!std::isfinite(x)) throw std::invalid_argument("a coordinate of a figure is not finite");
  std::string text = fmt::format("{:.2f}", x);
  while (text.back() == '0') text.pop_back();
  if (text.back() == '.') text.pop_back();
  return text == "-0" ? "0" : text;
}

std::string EscapeXml(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const Glyph g = NextGlyph(text);
    const std::string_view bytes = text.substr(0, g.length);
    text.remove_prefix(g.length);
    if (g.code == '\n' || g.code == '\r' || g.code == '\t') {
      out += ' ';
    } else if (!g.valid || g.code < 32 || g.code == 127 || g.code == 0xFFFE || g.code == 0xFFFF) {
      out += kReplacement;
    } else if (g.code == '&') {
      out += "&amp;";
    } else if (g.code == '<') {
      out += "&lt;";
    } else if (g.code == '>') {
      out += "&gt;";
    } else if (g.code == '"') {
      out += "&quot;";
    } else if (g.code == '\'') {
      out += "&#39;";
    } else {
      out += bytes;
    }
  }
  return out;
}

double TextWidth(std::string_view text, double size, bool bold) {
  double width = 0;
  while (!text.empty()) {
    const Glyph g = NextGlyph(text);
    text.remove_prefix(g.length);
    width += Advance(g.code);
  }
  return width * size * (bold ? 1.12 : 1);
}

std::string Shorten(std::string_view text, double width, double size, bool bold) {
  if (TextWidth(text, size, bold) <= width) return std::string(text);
  std::string kept;
  double used = TextWidth(kEllipsis, size, bold);
  if (used > width) return {};
  while (!text.empty()) {
    const Glyph g = NextGlyph(text);
    const std::string_view glyph = text.substr(0, g.length);
    used += TextWidth(glyph, size, bold);
    if (used > width) break;
    kept += glyph;
    text.remove_prefix(g.length);
  }
  while (!kept.empty() && kept.back() == ' ') kept.pop_back();
  return kept + kEllipsis;
}

std::vector<std::string> WrapText(std::string_view text, double width, double size,
                                  std::size_t max_lines) {
  std::vector<std::string> lines;
  std::string line;
  while (!text.empty()) {
    const std::size_t end = text.find_first_of(" \n\r\t");
    const std::string_view word = text.substr(0, end);
    const std::string longer = line.empty() ? std::string(word) : line + " " + std::string(word);
    if (!word.empty()) {
      if (TextWidth(longer, size) <= width) {
        line = longer;
      } else if (lines.size() + 1 >= max_lines) {
        // The rest ends in the last line.
        lines.push_back(Shorten(longer + kEllipsis, width, size));
        return lines;
      } else {
        if (!line.empty()) lines.push_back(line);
        line = Shorten(word, width, size);
      }
    }
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  if (!line.empty()) lines.push_back(line);
  return lines;
}

Svg::Svg(double width, double height, std::string_view title, std::string_view description) {
  const std::string w = SvgNumber(width), h = SvgNumber(height);
  out_ = fmt::format(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" "
      "height=\"{1}\" role=\"img\" aria-label=\"{2}\" font-family=\"sans-serif\">\n"
      "<title>{2}</title>\n<desc>{3}</desc>\n",
      w, h, EscapeXml(title), EscapeXml(description));
  Rect({0, 0, width, height}, {.fill = "#ffffff"});
}

void Svg::Rect(const Box& b, const Paint& paint) {
  out_ += fmt::format("<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"{}/>\n", SvgNumber(b.x),
                      SvgNumber(b.y), SvgNumber(b.w), SvgNumber(b.h), PaintText(paint));
}

void Svg::Line(Point from, Point to, const Paint& paint) {
  out_ += fmt::format("<line x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\"{}/>\n", SvgNumber(from.x),
                      SvgNumber(from.y), SvgNumber(to.x), SvgNumber(to.y), PaintText(paint));
}

void Svg::Points(const char* element, const std::vector<Point>& points, const Paint& paint) {
  if (points.size() < 2) return;
  std::string text;
  for (const Point& p : points) {
    if (!text.empty()) text += ' ';
    text += SvgNumber(p.x) + ',' + SvgNumber(p.y);
  }
  out_ += fmt::format("<{} points=\"{}\"{}/>\n", element, text, PaintText(paint));
}

void Svg::Polyline(const std::vector<Point>& points, const Paint& paint) {
  Points("polyline", points, paint);
}

void Svg::Polygon(const std::vector<Point>& points, const Paint& paint) {
  Points("polygon", points, paint);
}

void Svg::Circle(Point centre, double radius, const Paint& paint) {
  out_ += fmt::format("<circle cx=\"{}\" cy=\"{}\" r=\"{}\"{}/>\n", SvgNumber(centre.x),
                      SvgNumber(centre.y), SvgNumber(radius), PaintText(paint));
}

void Svg::Text(Point at, std::string_view text, const TextStyle& style) {
  if (text.empty()) return;
  const std::string x = SvgNumber(at.x), y = SvgNumber(at.y);
  std::string more;
  if (style.anchor == Anchor::kMiddle) more += " text-anchor=\"middle\"";
  if (style.anchor == Anchor::kEnd) more += " text-anchor=\"end\"";
  if (style.bold) more += " font-weight=\"bold\"";
  if (style.upright) more += fmt::format(" transform=\"rotate(-90 {} {})\"", x, y);
  out_ += fmt::format("<text x=\"{}\" y=\"{}\" font-size=\"{}\" fill=\"{}\"{}>{}</text>\n", x, y,
                      SvgNumber(style.size), style.fill, more, EscapeXml(text));
}

std::string Svg::Finish() const {
  return out_ + "</svg>\n";
}

}  // namespace kvtier
