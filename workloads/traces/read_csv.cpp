// Azure LLM inference traces and BurstGPT: lengths and times, but nothing of what prompts share.
#include <charconv>
#include <chrono>
#include <cmath>
#include <optional>

#include <fmt/format.h>

#include "workloads/traces/trace_reader.hpp"

namespace kvtier {
namespace {

std::vector<std::string_view> Fields(std::string_view line, const TracePlace& place) {
  if (line.find('"') != std::string_view::npos) place.Fail("quoted fields are not of this format");
  std::vector<std::string_view> out;
  for (;;) {
    const std::size_t comma = line.find(',');
    out.push_back(line.substr(0, comma));
    if (comma == std::string_view::npos) return out;
    line.remove_prefix(comma + 1);
  }
}

template <class T>
std::optional<T> Number(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// Rows under a header that names its columns.
class CsvReader : public TraceReader {
 public:
  CsvReader(std::vector<std::string_view> required, std::vector<std::string_view> optional,
            int block_tokens)
      : block_tokens_(block_tokens),
        required_(std::move(required)),
        optional_(std::move(optional)) {}

  void Line(std::string_view line, const TracePlace& place) override {
    const auto fields = Fields(line, place);
    if (columns_.empty()) {
      Header(fields, place);
      return;
    }
    if (fields.size() != columns_.size())
      place.Fail(fmt::format("{} fields, the header has {}", fields.size(), columns_.size()));
    TraceRequest r;
    r.block_tokens = block_tokens_;
    Row(fields, r, place);
    requests_.push_back(std::move(r));
  }

  void End() override {
    SortByTime(true);
    if (!requests_.empty()) {
      const double begin = requests_.front().timestamp_ms;
      for (TraceRequest& r : requests_) r.timestamp_ms -= begin;
    }
    notes_.emplace_back("the source does not say which prompts share a prefix");
  }

 protected:
  virtual void Row(const std::vector<std::string_view>& fields, TraceRequest& r,
                   const TracePlace& place) const = 0;
  /// Empty where the file has no such column.
  std::string_view At(const std::vector<std::string_view>& fields, std::string_view column) const {
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      if (columns_[i] == column) return fields[i];
    }
    return {};
  }
  std::int64_t Tokens(const std::vector<std::string_view>& fields, std::string_view column,
                      std::int64_t least, const TracePlace& place) const {
    const auto value = Number<std::int64_t>(At(fields, column));
    if (!value || *value < least || *value > kLongestTraceInput)
      place.Fail(fmt::format("{} must be a whole number from {} to {}", column, least,
                             kLongestTraceInput));
    return *value;
  }

 private:
  void Header(const std::vector<std::string_view>& fields, const TracePlace& place) {
    const auto known = [](const std::vector<std::string_view>& in, std::string_view name) {
      for (const auto column : in)
        if (column == name) return true;
      return false;
    };
    for (const auto field : fields) {
      if (!known(required_, field) && !known(optional_, field))
        place.Fail("a column of the header is not of this format: known are " +
                   fmt::format("{}, {}", fmt::join(required_, ", "), fmt::join(optional_, ", ")));
      columns_.emplace_back(field);
    }
    for (const auto column : required_) {
      if (!known(fields, column)) place.Fail(fmt::format("column {} is missing", column));
    }
  }
  int block_tokens_;
  std::vector<std::string_view> required_, optional_;
  std::vector<std::string> columns_;
};

/// "2023-11-16 18:17:03.9799600", also with +00:00 behind it, in ms since 1970.
std::optional<double> UtcMs(std::string_view text) {
  if (text.ends_with("+00:00")) text.remove_suffix(6);
  if (text.size() < 19 || text[4] != '-' || text[7] != '-' ||
      (text[10] != ' ' && text[10] != 'T') || text[13] != ':' || text[16] != ':')
    return std::nullopt;
  const auto part = [&text](std::size_t at, std::size_t n) {
    const std::string_view digits = text.substr(at, n);
    return digits.find_first_not_of("0123456789") == std::string_view::npos ? Number<int>(digits)
                                                                            : std::nullopt;
  };
  const auto year = part(0, 4), month = part(5, 2), day = part(8, 2), hour = part(11, 2),
             minute = part(14, 2), second = part(17, 2);
  if (!year || !month || !day || !hour || !minute || !second) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year{*year},
                                         std::chrono::month{static_cast<unsigned>(*month)},
                                         std::chrono::day{static_cast<unsigned>(*day)}};
  if (!date.ok() || *hour > 23 || *minute > 59 || *second > 60) return std::nullopt;
  double fraction = 0;
  if (text.size() > 19) {
    const std::string_view digits = text.substr(20);
    if (text[19] != '.' || digits.empty() || digits.size() > 9 ||
        digits.find_first_not_of("0123456789") != std::string_view::npos)
      return std::nullopt;
    fraction = static_cast<double>(*Number<int>(digits)) /
               std::pow(10.0, static_cast<double>(digits.size()));
  }
  const auto days = std::chrono::sys_days(date).time_since_epoch().count();
  return 1000 * (86'400.0 * static_cast<double>(days) + 3600.0 * *hour + 60.0 * *minute + *second +
                 fraction);
}

class AzureReader : public CsvReader {
 public:
  explicit AzureReader(int block_tokens)
      : CsvReader({"TIMESTAMP", "ContextTokens", "GeneratedTokens"}, {"NumImages"}, block_tokens) {}

 private:
  void Row(const std::vector<std::string_view>& fields, TraceRequest& r,
           const TracePlace& place) const override {
    const auto time = UtcMs(At(fields, "TIMESTAMP"));
    if (!time) place.Fail("TIMESTAMP must be like 2023-11-16 18:17:03.9799600");
    r.timestamp_ms = *time;
    r.input_length = Tokens(fields, "ContextTokens", 1, place);
    r.output_length = Tokens(fields, "GeneratedTokens", 0, place);
  }
};

class BurstGptReader : public CsvReader {
 public:
  explicit BurstGptReader(int block_tokens)
      : CsvReader(
            {"Timestamp", "Model", "Request tokens", "Response tokens", "Total tokens", "Log Type"},
            {"Session ID", "Elapsed time"}, block_tokens) {}

 private:
  void Row(const std::vector<std::string_view>& fields, TraceRequest& r,
           const TracePlace& place) const override {
    const auto seconds = Number<double>(At(fields, "Timestamp"));
    if (!seconds || !(*seconds >= 0) || *seconds > 1e9)
      place.Fail("Timestamp must be seconds from 0 to 1e9");
    r.timestamp_ms = 1000 * *seconds;
    r.input_length = Tokens(fields, "Request tokens", 1, place);
    r.output_length = Tokens(fields, "Response tokens", 0, place);
    r.tenant = At(fields, "Model");
    r.session_id = At(fields, "Session ID");
  }
};

}  // namespace

std::unique_ptr<TraceReader> MakeAzureReader(const TraceFileOptions& options) {
  return std::make_unique<AzureReader>(options.block_tokens);
}
std::unique_ptr<TraceReader> MakeBurstGptReader(const TraceFileOptions& options) {
  return std::make_unique<BurstGptReader>(options.block_tokens);
}

}  // namespace kvtier
