#include "harness/report/pack/document.hpp"

#include <utility>

#include "harness/report/markdown.hpp"

namespace kvtier {
namespace {

std::string Replaced(std::string text, std::string_view what, std::string_view by) {
  for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += by.size())
    text.replace(at, what.size(), by);
  return text;
}

std::vector<std::string> Cells(const std::vector<std::string>& row) {
  std::vector<std::string> out;
  out.reserve(row.size());
  for (const auto& cell : row) out.push_back(MarkdownText(cell));
  return out;
}

/// Rows that begin with a state of the evidence list are set apart.
std::string RowTag(const std::vector<std::string>& row) {
  if (!row.empty() && row.front() == "seen") return "<tr class=\"seen\">";
  if (!row.empty() && row.front() == "not seen") return "<tr class=\"not-seen\">";
  if (!row.empty() && row.front() == "not observable") return "<tr class=\"not-observable\">";
  return "<tr>";
}

std::string BlockMarkdown(const Block& block) {
  switch (block.kind) {
    case Block::Kind::kText:
      return MarkdownText(block.text) + "\n\n";
    case Block::Kind::kStrong:
      return "**" + MarkdownText(block.text) + "**\n\n";
    case Block::Kind::kTable: {
      std::vector<std::vector<std::string>> rows;
      for (const auto& row : block.rows) rows.push_back(Cells(row));
      return MarkdownTable(Cells(block.header), rows) + "\n";
    }
    case Block::Kind::kList: {
      std::string out;
      for (const auto& line : block.lines) out += "- " + MarkdownText(line) + "\n";
      return out.empty() ? out : out + "\n";
    }
    case Block::Kind::kTerms: {
      std::string out;
      for (const auto& row : block.rows)
        out += "- **" + MarkdownText(row.at(0)) + "**: " + MarkdownText(row.at(1)) + "\n";
      return out.empty() ? out : out + "\n";
    }
    case Block::Kind::kCode:
      // Indented: no fence that the text could close.
      return "    " + Replaced(block.text, "\n", "\n    ") + "\n\n";
    case Block::Kind::kChart:
      break;
  }
  return "";
}

}  // namespace

Block Text(std::string text) {
  return {.kind = Block::Kind::kText, .text = std::move(text)};
}
Block Strong(std::string text) {
  return {.kind = Block::Kind::kStrong, .text = std::move(text)};
}
Block Code(std::string text) {
  return {.kind = Block::Kind::kCode, .text = std::move(text)};
}
Block Chart(std::string id, std::string title) {
  return {.kind = Block::Kind::kChart, .text = std::move(id), .title = std::move(title)};
}
Block List(std::vector<std::string> lines) {
  return {.kind = Block::Kind::kList, .lines = std::move(lines)};
}
Block Table(std::vector<std::string> header, std::vector<std::vector<std::string>> rows) {
  return {.kind = Block::Kind::kTable, .header = std::move(header), .rows = std::move(rows)};
}
Block Terms(std::vector<std::vector<std::string>> rows) {
  return {.kind = Block::Kind::kTerms, .rows = std::move(rows)};
}

std::string MarkdownText(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (c == '<') {
      out += "&lt;";
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      out += ' ';
    } else {
      out += c;
    }
  }
  return out;
}

std::string BlocksMarkdown(const std::vector<Block>& blocks) {
  std::string out;
  for (const auto& block : blocks) out += BlockMarkdown(block);
  return out;
}

std::string SectionMarkdown(const Section& section) {
  return "## " + MarkdownText(section.title) + "\n\n" + BlocksMarkdown(section.blocks);
}

std::string EscapeHtml(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += (static_cast<unsigned char>(c) < 0x20 && c != '\n') || c == 0x7F ? ' ' : c;
    }
  }
  return out;
}

std::string ScriptSafeJson(std::string json) {
  json = Replaced(std::move(json), "<", "\\u003c");
  json = Replaced(std::move(json), "\xE2\x80\xA8", "\\u2028");
  return Replaced(std::move(json), "\xE2\x80\xA9", "\\u2029");
}

std::string TableHtml(const std::vector<std::string>& header,
                      const std::vector<std::vector<std::string>>& rows) {
  std::string out = "<div class=\"scroll\"><table>\n<thead><tr>";
  for (const auto& cell : header) out += "<th scope=\"col\">" + EscapeHtml(cell) + "</th>";
  out += "</tr></thead>\n<tbody>\n";
  for (const auto& row : rows) {
    out += RowTag(row);
    for (const auto& cell : row) out += "<td>" + EscapeHtml(cell) + "</td>";
    out += "</tr>\n";
  }
  return out + "</tbody>\n</table></div>\n";
}

}  // namespace kvtier
