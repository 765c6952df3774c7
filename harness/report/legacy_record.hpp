#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "harness/core/reading.hpp"
#include "harness/load/record.hpp"

namespace kvtier {

/// A place in an artifact of the predecessor that knows its name for the errors. Absent and null
/// are the same there; a value of the wrong type is a DataError.
struct LegacyPlace {
  const nlohmann::json* value = nullptr;
  std::string name = {};

  bool Missing() const { return value == nullptr || value->is_null(); }
  [[noreturn]] void Refuse(const char* wanted) const;
  LegacyPlace operator[](std::string_view key) const;
  /// Finite; unavailable where the place is absent.
  Reading<double> Number() const;
  /// Empty where the place is absent. 0 and 1 are accepted too.
  std::optional<bool> Flag() const;
  /// "" where the place is absent.
  std::string Text() const;
  /// Empty where the place is absent; also from a float without a fraction.
  std::optional<int> Whole(int least, int most) const;
  std::vector<LegacyPlace> Elements() const;
};

/// One row of the predecessor's requests.jsonl (spec: artifacts A5) as a record of ours: its
/// durations become stamps on the wall clock of the row. It counts timeouts, empty answers and
/// error frames as successes where their error text is empty; here they are what they were.
RequestRecord LegacyRecordFrom(const LegacyPlace& row);

/// 2026-11-22T01:45:10.159+00:00 (or ...Z) to nanoseconds since 1970; empty when it is no such
/// text.
std::optional<std::int64_t> ParseUtcNs(std::string_view text);

}  // namespace kvtier
