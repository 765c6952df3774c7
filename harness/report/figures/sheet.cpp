#include "harness/report/figures/sheet.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace kvtier {
namespace {

constexpr double kMargin = 20;
constexpr double kTitleSize = 16, kSubtitleSize = 12, kLegendSize = 11, kBelowSize = 10.5;
constexpr double kSample = 26;  // width of a legend's sample
constexpr double kInner = kSheetWidth - 2 * kMargin;

double LegendWidth(const LegendItem& item) {
  return kSample + 6 + TextWidth(item.label, kLegendSize) + 18;
}

/// Where the data come from, and of which stack they are.
std::string SourceLine(const FigureContext& context) {
  std::string line = context.run.empty() ? std::string() : context.run + "; ";
  line += "source: " + (context.source.empty() ? std::string("not stated") : context.source);
  if (context.reference_stack) line.append("; ").append(kReferenceStackNote);
  line += '.';
  if (line.front() == 's') line.front() = 'S';
  return line;
}

}  // namespace

std::string Capital(std::string text) {
  if (!text.empty() && text.front() >= 'a' && text.front() <= 'z')
    text.front() = static_cast<char>(text.front() - 'a' + 'A');
  return text;
}

std::string Plural(std::size_t n, const std::string& noun) {
  return fmt::format("{} {}{}", n, noun, n == 1 ? "" : "s");
}

void DrawMark(Svg& svg, Mark mark, Point at, double radius, const char* colour, bool filled) {
  const double thin = radius < 2.5 ? 0.8 : 1.4;
  const Paint paint{.fill = filled ? colour : "#ffffff", .stroke = colour, .width = thin};
  const double r = radius;
  switch (mark) {
    case Mark::kCircle:
      svg.Circle(at, r, paint);
      break;
    case Mark::kSquare:
      svg.Rect({at.x - r * 0.9, at.y - r * 0.9, r * 1.8, r * 1.8}, paint);
      break;
    case Mark::kDiamond:
      svg.Polygon({{at.x - r * 1.25, at.y},
                   {at.x, at.y - r * 1.25},
                   {at.x + r * 1.25, at.y},
                   {at.x, at.y + r * 1.25}},
                  paint);
      break;
    case Mark::kTriangle:
      svg.Polygon({{at.x - r * 1.1, at.y + r * 0.9},
                   {at.x, at.y - r * 1.2},
                   {at.x + r * 1.1, at.y + r * 0.9}},
                  paint);
      break;
    case Mark::kCross: {
      const Paint line{.stroke = colour, .width = 1.6};
      svg.Line({at.x - r, at.y - r}, {at.x + r, at.y + r}, line);
      svg.Line({at.x - r, at.y + r}, {at.x + r, at.y - r}, line);
      break;
    }
  }
}

Sheet::Layout Sheet::Plan(const SheetText& text, double body_height) {
  Layout l;
  l.title = WrapText(text.title, kInner / 1.12, kTitleSize, 2);
  l.subtitle = WrapText(text.subtitle, kInner, kSubtitleSize, 3);
  double used = 0;
  for (LegendItem item : text.legend) {
    item.label = Shorten(item.label, kInner - kSample - 30, kLegendSize);
    if (l.legend_rows.empty() || used + LegendWidth(item) > kInner) {
      l.legend_rows.emplace_back();
      used = 0;
    }
    used += LegendWidth(item);
    l.legend_rows.back().push_back(item);
  }
  for (const std::string& note : text.notes) {
    for (const std::string& line : WrapText(note, kInner, kBelowSize, 3)) l.below.push_back(line);
  }
  for (const std::string& part : {text.caption, SourceLine(text.context)}) {
    for (const std::string& line : WrapText(part, kInner, kBelowSize, 8)) l.below.push_back(line);
  }
  l.body_y = 14 + 20 * static_cast<double>(l.title.size()) +
             16 * static_cast<double>(l.subtitle.size()) +
             18 * static_cast<double>(l.legend_rows.size()) + 10;
  l.below_y = l.body_y + body_height + 16;
  l.height = l.below_y + 14 * static_cast<double>(l.below.size()) + 6;
  return l;
}

Sheet::Sheet(SheetText text, double body_height)
    : layout_(Plan(text, body_height)),
      text_(std::move(text)),
      body_{kMargin, layout_.body_y, kInner, body_height},
      svg_(kSheetWidth, layout_.height, text_.title,
           text_.description.empty() ? text_.subtitle : text_.description) {
  double y = 14;
  for (const std::string& line : layout_.title) {
    y += 20;
    svg_.Text({kMargin, y - 4}, line, {.size = kTitleSize, .bold = true});
  }
  for (const std::string& line : layout_.subtitle) {
    y += 16;
    svg_.Text({kMargin, y - 3}, line, {.size = kSubtitleSize, .fill = kMuted});
  }
  for (const auto& row : layout_.legend_rows) {
    y += 18;
    double x = kMargin;
    for (const LegendItem& item : row) {
      const double middle = y - 4;
      if (item.kind == LegendItem::Kind::kLine) {
        svg_.Line({x, middle}, {x + kSample, middle}, item.paint);
      } else if (item.kind == LegendItem::Kind::kBox) {
        svg_.Rect({x, middle - 5, kSample, 10}, item.paint);
      } else {
        DrawMark(svg_, item.mark, {x + kSample / 2, middle}, 4, item.paint.stroke, item.filled);
      }
      svg_.Text({x + kSample + 6, middle + 4}, item.label, {.size = kLegendSize});
      x += LegendWidth(item);
    }
  }
  double below = layout_.below_y;
  for (const std::string& line : layout_.below) {
    svg_.Text({kMargin, below + 10}, line, {.size = kBelowSize, .fill = kMuted});
    below += 14;
  }
}

std::string Sheet::Finish() {
  return svg_.Finish();
}

std::string EmptyFigure(SheetText text, const std::string& why) {
  text.legend.clear();
  text.description = why;
  Sheet sheet(std::move(text), 110);
  const Box& b = sheet.body();
  sheet.svg().Rect(b, {.fill = "#f7f7f7", .stroke = kGrid});
  const auto lines = WrapText(why, b.w - 60, 12, 4);
  double y = b.y + b.h / 2 - 8 * (static_cast<double>(lines.size()) - 1) + 4;
  for (const std::string& line : lines) {
    sheet.svg().Text({b.x + b.w / 2, y}, line, {.size = 12, .anchor = Anchor::kMiddle});
    y += 16;
  }
  return sheet.Finish();
}

void ReasonList::Add(const std::string& reason, const std::string& where) {
  where_[reason].push_back(where);
}

std::vector<std::string> ReasonList::Lines(const std::string& prefix, std::size_t max) const {
  std::vector<std::pair<std::string, std::vector<std::string>>> sorted(where_.begin(),
                                                                       where_.end());
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto& a, const auto& b) { return a.second.size() > b.second.size(); });
  std::vector<std::string> lines;
  for (const auto& [reason, where] : sorted) {
    if (lines.size() == max) {
      lines.push_back(fmt::format("{}: {} more", prefix, Plural(sorted.size() - max, "reason")));
      break;
    }
    std::vector<std::string> shown(
        where.begin(),
        where.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(where.size(), 4)));
    const std::size_t more = where.size() - shown.size();
    lines.push_back(fmt::format("{} ({}{}): {}", prefix, fmt::join(shown, "; "),
                                more > 0 ? fmt::format("; {} more", more) : std::string(), reason));
  }
  return lines;
}

}  // namespace kvtier
