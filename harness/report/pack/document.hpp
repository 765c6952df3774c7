#pragma once
#include <string>
#include <string_view>
#include <vector>

/// Sections that read the same in Markdown and in HTML, so that no document of a pack can say
/// something else than the others.
namespace kvtier {

struct Block {
  enum class Kind {
    kText,    // a paragraph
    kStrong,  // a paragraph that matters most
    kTable,
    kList,   // `lines`
    kTerms,  // `rows` of {term, meaning}
    kCode,   // `text`, taken as it is
    kChart,  // `text` is its id, `title` its heading; HTML alone
  };
  Kind kind = Kind::kText;
  std::string text = {};
  std::string title = {};
  std::vector<std::string> header = {};
  std::vector<std::vector<std::string>> rows = {};
  std::vector<std::string> lines = {};
};
Block Text(std::string text);
Block Strong(std::string text);
Block Code(std::string text);
Block Chart(std::string id, std::string title);
Block List(std::vector<std::string> lines);
Block Table(std::vector<std::string> header, std::vector<std::vector<std::string>> rows);
Block Terms(std::vector<std::vector<std::string>> rows);

struct Section {
  std::string id = {};     // anchor: [a-z0-9-]
  std::string title = {};  // heading
  std::vector<Block> blocks = {};
};

/// A text from outside on one line of Markdown: line ends become blanks, no HTML gets through.
std::string MarkdownText(std::string_view text);
/// "## Title" and its blocks; ends with an empty line.
std::string SectionMarkdown(const Section& section);
/// The blocks of a section without its heading.
std::string BlocksMarkdown(const std::vector<Block>& blocks);

/// & < > " ' as entities: safe as text and as a quoted attribute. Control characters become blanks.
std::string EscapeHtml(std::string_view text);
/// JSON text that may stand inside <script>: no "<", no U+2028 or U+2029.
std::string ScriptSafeJson(std::string json);
std::string TableHtml(const std::vector<std::string>& header,
                      const std::vector<std::vector<std::string>>& rows);

}  // namespace kvtier
