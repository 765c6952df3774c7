#include "telemetry/engine/exposition.hpp"

#include <charconv>
#include <cmath>
#include <limits>
#include <map>

#include <fmt/format.h>

#include "harness/core/error.hpp"
#include "telemetry/text.hpp"

namespace kvtier {
namespace {

bool IsNameStart(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':';
}
bool IsNameChar(char c) {
  return IsNameStart(c) || (c >= '0' && c <= '9');
}

// One line, read from left to right.
class LineParser {
 public:
  LineParser(std::string_view line, int number) : rest_(line), number_(number) {}

  [[noreturn]] void Fail(const std::string& what) const {
    throw ProtocolError(
        fmt::format("line {} of the metrics is not Prometheus text: {}", number_, what));
  }
  void SkipBlanks() {
    while (!rest_.empty() && (rest_.front() == ' ' || rest_.front() == '\t'))
      rest_.remove_prefix(1);
  }
  bool Take(char c) {
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool AtEnd() const { return rest_.empty(); }
  std::string_view rest() const { return rest_; }

  std::string Name(const char* of_what) {
    std::size_t n = 0;
    while (n < rest_.size() && (n == 0 ? IsNameStart(rest_[n]) : IsNameChar(rest_[n]))) ++n;
    if (n == 0) Fail(fmt::format("a {} name is expected", of_what));
    return std::string(Cut(n));
  }
  std::string_view Word() {
    SkipBlanks();
    return Cut(std::min(rest_.find_first_of(" \t"), rest_.size()));
  }
  std::string QuotedValue() {
    if (!Take('"')) Fail("a label value must be in quotes");
    std::string value;
    while (!Take('"')) {
      if (rest_.empty()) Fail("a label value has no closing quote");
      char c = rest_.front();
      rest_.remove_prefix(1);
      if (c == '\\') {
        if (rest_.empty()) Fail("a label value ends in a backslash");
        c = rest_.front();
        rest_.remove_prefix(1);
        if (c == 'n')
          c = '\n';
        else if (c != '\\' && c != '"')
          Fail(fmt::format("unknown escape \\{} in a label value", c));
      }
      value += c;
    }
    return value;
  }
  std::vector<std::pair<std::string, std::string>> Labels() {
    std::vector<std::pair<std::string, std::string>> labels;
    if (!Take('{')) return labels;
    for (SkipBlanks(); !Take('}'); SkipBlanks()) {
      std::string name = Name("label");
      SkipBlanks();
      if (!Take('=')) Fail("a label has no =");
      SkipBlanks();
      labels.emplace_back(std::move(name), QuotedValue());
      SkipBlanks();
      if (!Take(',') && (rest_.empty() || rest_.front() != '}')) Fail("labels are not closed");
    }
    return labels;
  }

 private:
  std::string_view Cut(std::size_t n) {
    const std::string_view head = rest_.substr(0, n);
    rest_.remove_prefix(n);
    return head;
  }
  std::string_view rest_;
  int number_;
};

std::optional<double> ParseValue(std::string_view word) {
  if (word == "NaN") return std::numeric_limits<double>::quiet_NaN();
  if (word == "+Inf" || word == "Inf") return std::numeric_limits<double>::infinity();
  if (word == "-Inf") return -std::numeric_limits<double>::infinity();
  if (!word.empty() && word.front() == '+') word.remove_prefix(1);
  // from_chars would take "inf" and "nan(...)" too; the format spells them as above only.
  if (word.find_first_not_of("0123456789.eE+-") != std::string_view::npos) return std::nullopt;
  return ParseNumber<double>(word);
}

std::string UnescapeHelp(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size() && (text[i + 1] == 'n' || text[i + 1] == '\\')) {
      out += text[++i] == 'n' ? '\n' : '\\';
    } else {
      out += text[i];
    }
  }
  return out;
}

std::optional<MetricType> FindType(std::string_view word) {
  if (word == "counter") return MetricType::kCounter;
  if (word == "gauge") return MetricType::kGauge;
  if (word == "histogram") return MetricType::kHistogram;
  if (word == "summary") return MetricType::kSummary;
  if (word == "untyped" || word == "unknown") return MetricType::kUntyped;
  return std::nullopt;
}

class Builder {
 public:
  void Line(std::string_view line, int number) {
    LineParser parser(line, number);
    parser.SkipBlanks();
    if (parser.AtEnd()) return;
    if (parser.Take('#')) return Comment(parser);
    Sample(parser);
  }
  Exposition Finish() { return std::move(exposition_); }

 private:
  void Comment(LineParser& parser) {
    const std::string_view keyword = parser.Word();
    if (keyword != "TYPE" && keyword != "HELP") return;
    parser.SkipBlanks();
    MetricFamily& family = FamilyOf(parser.Name("metric"));
    if (keyword == "HELP") {
      parser.SkipBlanks();
      family.help = UnescapeHelp(parser.rest());
      return;
    }
    const std::string_view word = parser.Word();
    const auto type = FindType(word);
    if (!type) parser.Fail(fmt::format("unknown type '{}'", word));
    if (!family.samples.empty())
      parser.Fail(fmt::format("the type of {} comes after its samples", family.name));
    family.type = *type;
  }

  void Sample(LineParser& parser) {
    MetricSample sample;
    sample.name = parser.Name("metric");
    parser.SkipBlanks();
    sample.labels = parser.Labels();
    const std::string_view value = parser.Word();
    const auto number = ParseValue(value);
    if (!number) parser.Fail(fmt::format("'{}' is not a value", value));
    sample.value = *number;
    const std::string_view stamp = parser.Word();
    if (!stamp.empty()) {
      sample.timestamp_ms = ParseNumber<std::int64_t>(stamp);
      if (!sample.timestamp_ms) parser.Fail(fmt::format("'{}' is not a timestamp", stamp));
    }
    parser.SkipBlanks();
    if (!parser.AtEnd()) parser.Fail("something follows the value");
    FamilyOfSample(sample.name).samples.push_back(std::move(sample));
  }

  MetricFamily& FamilyOf(const std::string& name) {
    const auto [at, fresh] = index_.try_emplace(name, exposition_.families.size());
    if (fresh) exposition_.families.push_back({name, MetricType::kUntyped, "", {}});
    return exposition_.families[at->second];
  }
  MetricFamily& FamilyOfSample(const std::string& name) {
    for (const std::string_view suffix : {"_bucket", "_sum", "_count"}) {
      if (!name.ends_with(suffix)) continue;
      const auto at = index_.find(name.substr(0, name.size() - suffix.size()));
      if (at == index_.end()) continue;
      MetricFamily& family = exposition_.families[at->second];
      if (family.type == MetricType::kHistogram || family.type == MetricType::kSummary)
        return family;
    }
    return FamilyOf(name);
  }

  Exposition exposition_;
  std::map<std::string, std::size_t, std::less<>> index_;
};

}  // namespace

Exposition ParseExposition(std::string_view text) {
  if (!text.empty() && text.back() != '\n') {
    throw ProtocolError("the metrics were cut off: their last line has no newline");
  }
  Builder builder;
  int number = 0;
  ForEachLine(text, [&](std::string_view line) { builder.Line(line, ++number); });
  return builder.Finish();
}

const MetricFamily* Exposition::Find(std::string_view family) const {
  for (const auto& f : families) {
    if (f.name == family) return &f;
  }
  return nullptr;
}

Reading<double> Exposition::Counter(std::string_view name) const {
  const MetricFamily* family = Find(name);
  if (family == nullptr || family->samples.empty()) {
    return Reading<double>::Unavailable(fmt::format("{} is not among the metrics", name));
  }
  if (family->type != MetricType::kCounter && family->type != MetricType::kUntyped) {
    return Reading<double>::Unavailable(fmt::format("{} is no counter", name));
  }
  double sum = 0;
  for (const auto& sample : family->samples) sum += sample.value;
  if (!std::isfinite(sum))
    return Reading<double>::Unavailable(fmt::format("{} is not finite", name));
  return sum;
}

Reading<double> Exposition::Gauge(std::string_view name) const {
  const MetricFamily* family = Find(name);
  if (family == nullptr || family->samples.empty()) {
    return Reading<double>::Unavailable(fmt::format("{} is not among the metrics", name));
  }
  if (family->type != MetricType::kGauge && family->type != MetricType::kUntyped) {
    return Reading<double>::Unavailable(fmt::format("{} is no gauge", name));
  }
  if (family->samples.size() > 1) {
    return Reading<double>::Unavailable(fmt::format(
        "{} has {} label sets, and gauges cannot be added up", name, family->samples.size()));
  }
  if (!std::isfinite(family->samples[0].value)) {
    return Reading<double>::Unavailable(fmt::format("{} is not finite", name));
  }
  return family->samples[0].value;
}

}  // namespace kvtier
