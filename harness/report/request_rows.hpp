#pragma once
#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "harness/load/record.hpp"

/// requests.jsonl, row by row: a campaign has millions of them, so the file is never in memory as a
/// whole, and a row is read without a tree of JSON values where it looks as this program writes it.
namespace kvtier {

enum class RowDetail {
  kAll,
  /// Without what no rule looks at: chunks, header hints, ids, end_ts, payload and identity hashes,
  /// set, session and metadata of the prompt.
  kForRules,
};

/// Reads single rows. Not thread-safe.
class RequestRowParser {
 public:
  explicit RequestRowParser(RowDetail detail = RowDetail::kAll);
  ~RequestRowParser();

  /// The same record as RecordFromJson makes of the row, in the detail asked for; empty for a row
  /// that it might refuse or read in another way: ask RecordFromJson then.
  std::optional<RequestRecord> ParseFast(std::string_view line);
  /// Throws DataError naming the key.
  RequestRecord Parse(std::string_view line);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Calls `take` with each line of a file that holds something else than blanks, in order; at most
/// one line is in memory. Returns how many there were. `whole` is false for a last line without its
/// newline: a writer was killed in it. Throws IoError.
std::size_t ForEachLine(const std::filesystem::path& file,
                        const std::function<void(std::string_view line, bool whole)>& take);

/// Rows of requests.jsonl in order. A torn last row is left out. Throws DataError naming file and
/// row, IoError when the file cannot be read.
void ReadRequestRows(const std::filesystem::path& file, RowDetail detail,
                     const std::function<void(RequestRecord&&)>& take);

}  // namespace kvtier
