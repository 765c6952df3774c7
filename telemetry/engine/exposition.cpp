#include "telemetry/engine/exposition.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_map>
#include <unordered_set>

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

  std::string_view Name(const char* of_what) {
    std::size_t n = 0;
    while (n < rest_.size() && (n == 0 ? IsNameStart(rest_[n]) : IsNameChar(rest_[n]))) ++n;
    if (n == 0) Fail(fmt::format("a {} name is expected", of_what));
    return Cut(n);
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
      const std::string_view name = Name("label");
      SkipBlanks();
      if (!Take('=')) Fail("a label has no =");
      SkipBlanks();
      labels.emplace_back(std::string(name), QuotedValue());
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

bool EqualsIgnoringCase(std::string_view a, std::string_view lower) {
  return std::equal(a.begin(), a.end(), lower.begin(), lower.end(), [](char x, char y) {
    return (x >= 'A' && x <= 'Z' ? static_cast<char>(x - 'A' + 'a') : x) == y;
  });
}

/// The format says NaN, +Inf and -Inf; the Rust exporters (KVBM, Dynamo) print inf.
std::optional<double> ParseValue(std::string_view word) {
  const bool negative = word.starts_with('-');
  if (negative || word.starts_with('+')) word.remove_prefix(1);
  if (EqualsIgnoringCase(word, "nan")) return std::numeric_limits<double>::quiet_NaN();
  if (EqualsIgnoringCase(word, "inf")) {
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    return negative ? -kInfinity : kInfinity;
  }
  // from_chars would take a second sign and "nan(...)" too.
  if (word.empty() || word.front() == '-') return std::nullopt;
  if (word.find_first_not_of("0123456789.eE+-") != std::string_view::npos) return std::nullopt;
  const auto value = ParseNumber<double>(word);
  return value && negative ? -*value : value;
}

/// Milliseconds; a stamp with a decimal point is one of OpenMetrics, in seconds.
std::optional<std::int64_t> ParseStamp(std::string_view word) {
  if (word.find('.') == std::string_view::npos) return ParseNumber<std::int64_t>(word);
  const auto seconds = ParseNumber<double>(word);
  if (!seconds || !(std::abs(*seconds) < 1e15)) return std::nullopt;
  return std::llround(*seconds * 1e3);
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
  for (const std::string_view other :
       {"untyped", "unknown", "info", "stateset", "gaugehistogram"}) {
    if (word == other) return MetricType::kUntyped;
  }
  return std::nullopt;
}

class Builder {
 public:
  void Line(std::string_view line, int number) {
    LineParser parser(line, number);
    parser.SkipBlanks();
    if (parser.AtEnd()) return;
    if (ended_) parser.Fail("something follows # EOF");
    if (parser.Take('#')) return Comment(parser);
    Sample(parser);
  }
  Exposition Finish() { return std::move(exposition_); }

 private:
  void Comment(LineParser& parser) {
    const std::string_view keyword = parser.Word();
    ended_ = keyword == "EOF" && parser.AtEnd();
    if (keyword != "TYPE" && keyword != "HELP") return;
    parser.SkipBlanks();
    const std::size_t at = IndexOf(parser.Name("metric"));
    MetricFamily& family = exposition_.families[at];
    if (keyword == "HELP") {
      parser.SkipBlanks();
      family.help = UnescapeHelp(parser.rest());
      return;
    }
    const std::string_view word = parser.Word();
    const auto type = FindType(word);
    if (!type) parser.Fail(fmt::format("unknown type '{}'", word));
    // Two processes behind one endpoint declare a family twice; the same words twice harm nobody.
    if (typed_[at] && family.type != *type)
      parser.Fail(fmt::format("{} is declared as two types", family.name));
    if (!typed_[at] && !family.samples.empty())
      parser.Fail(fmt::format("the type of {} comes after its samples", family.name));
    family.type = *type;
    typed_[at] = true;
  }

  void Sample(LineParser& parser) {
    MetricSample sample;
    const std::string_view series = parser.rest();
    const std::string_view name = parser.Name("metric");
    parser.SkipBlanks();
    sample.labels = parser.Labels();
    const std::string_view key = series.substr(0, series.size() - parser.rest().size());
    if (!series_.insert(key.substr(0, key.find_last_not_of(" \t") + 1)).second)
      parser.Fail(fmt::format("{} is given twice with the same labels", name));
    const std::string_view value = parser.Word();
    const auto number = ParseValue(value);
    if (!number) parser.Fail(fmt::format("'{}' is not a value", value));
    sample.value = *number;
    parser.SkipBlanks();
    if (!parser.rest().starts_with('#')) sample.timestamp_ms = Stamp(parser);
    parser.SkipBlanks();
    if (parser.Take('#')) Exemplar(parser);
    if (!parser.AtEnd()) parser.Fail("something follows the value");
    sample.name = name;
    FamilyOfSample(name).samples.push_back(std::move(sample));
  }

  static std::optional<std::int64_t> Stamp(LineParser& parser) {
    const std::string_view word = parser.Word();
    if (word.empty()) return std::nullopt;
    const auto stamp = ParseStamp(word);
    if (!stamp) parser.Fail(fmt::format("'{}' is not a timestamp", word));
    return stamp;
  }

  /// "{trace_id="x"} 0.9 1.6" after the #: read, so that damage is noticed, and dropped.
  static void Exemplar(LineParser& parser) {
    parser.SkipBlanks();
    if (!parser.rest().starts_with('{')) parser.Fail("an exemplar has no labels");
    parser.Labels();
    if (!ParseValue(parser.Word())) parser.Fail("an exemplar has no value");
    Stamp(parser);
    parser.SkipBlanks();
  }

  std::size_t IndexOf(std::string_view name) {
    const auto at = index_.find(name);
    if (at != index_.end()) return at->second;
    exposition_.families.push_back({std::string(name), MetricType::kUntyped, "", {}});
    typed_.push_back(false);
    // The text outlives the builder, so that its words may be keys.
    return index_.emplace(name, exposition_.families.size() - 1).first->second;
  }
  MetricFamily& FamilyOfSample(std::string_view name) {
    const auto own = index_.find(name);
    if (own != index_.end() && typed_[own->second]) return exposition_.families[own->second];
    for (const std::string_view suffix : {"_bucket", "_sum", "_count", "_created", "_total"}) {
      if (!name.ends_with(suffix)) continue;
      const auto at = index_.find(name.substr(0, name.size() - suffix.size()));
      if (at == index_.end()) continue;
      MetricFamily& family = exposition_.families[at->second];
      const bool counter = family.type == MetricType::kCounter;
      const bool spread =
          family.type == MetricType::kHistogram || family.type == MetricType::kSummary;
      if (suffix == "_created" ? counter || spread : suffix == "_total" ? counter : spread)
        return family;
    }
    return exposition_.families[IndexOf(name)];
  }

  Exposition exposition_;
  std::vector<bool> typed_;  // by a # TYPE line, one a family
  std::unordered_map<std::string_view, std::size_t> index_;
  std::unordered_set<std::string_view> series_;  // names with their labels, as written
  bool ended_ = false;
};

}  // namespace

Exposition ParseExposition(std::string_view text) {
  if (!text.empty() && text.back() != '\n' && !text.ends_with("\n# EOF")) {
    throw ProtocolError("the metrics were cut off: their last line has no newline");
  }
  Builder builder;
  int number = 0;
  ForEachLine(text, [&](std::string_view line) { builder.Line(line, ++number); });
  return builder.Finish();
}

const std::string* MetricSample::Label(std::string_view label) const {
  for (const auto& [key, text] : labels) {
    if (key == label) return &text;
  }
  return nullptr;
}

const MetricFamily* Exposition::Find(std::string_view family) const {
  const auto find = [&](std::string_view name) -> const MetricFamily* {
    const auto at = std::find_if(families.begin(), families.end(),
                                 [&](const MetricFamily& f) { return f.name == name; });
    return at == families.end() ? nullptr : &*at;
  };
  if (const MetricFamily* exact = find(family)) return exact;
  if (!family.ends_with("_total")) return nullptr;
  const MetricFamily* counter = find(family.substr(0, family.size() - 6));
  return counter != nullptr && counter->type == MetricType::kCounter ? counter : nullptr;
}

Reading<double> Exposition::Counter(std::string_view name) const {
  const MetricFamily* family = Find(name);
  if (family == nullptr || family->samples.empty()) {
    return Reading<double>::Unavailable(fmt::format("{} is not among the metrics", name));
  }
  if (family->type != MetricType::kCounter && family->type != MetricType::kUntyped) {
    return Reading<double>::Unavailable(fmt::format("{} is no counter", name));
  }
  // Of OpenMetrics' counter `x` the samples x_total count, and x_created does not.
  const auto named = [&](std::string_view wanted) {
    return std::any_of(family->samples.begin(), family->samples.end(),
                       [&](const MetricSample& s) { return s.name == wanted; });
  };
  const std::string counted = named(name) ? std::string(name) : fmt::format("{}_total", name);
  if (!named(counted)) {
    return Reading<double>::Unavailable(fmt::format("{} is not among the metrics", name));
  }
  double sum = 0;
  for (const auto& sample : family->samples) {
    if (sample.name == counted) sum += sample.value;
  }
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
