#pragma once
#include <string>
#include <vector>

namespace kvtier {

/// A Markdown table. A bar in a cell is escaped, a newline becomes a blank.
std::string MarkdownTable(const std::vector<std::string>& header,
                          const std::vector<std::vector<std::string>>& rows);

/// The same content for a terminal: columns padded, no borders, two blanks between; the first
/// column left, others right.
std::string TextTable(const std::vector<std::string>& header,
                      const std::vector<std::vector<std::string>>& rows);

}  // namespace kvtier
