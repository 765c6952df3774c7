#include <algorithm>
#include <charconv>
#include <functional>
#include <map>
#include <string>

#include "harness/report/deltas.hpp"
#include "harness/report/summary.hpp"
#include "harness/stats/quantile.hpp"
#include "harness/stats/summary.hpp"

// What a summary says about the load itself: requests by how they failed, latencies from the moment
// when they were due, and goodput.
namespace kvtier {
namespace {

using nlohmann::json;

/// "http_error 503", "timeout": the outcome, and the status where that is the difference.
std::string ErrorKind(const RequestRecord& r) {
  std::string kind(OutcomeName(r.outcome));
  if (r.outcome == Outcome::kHttpError) kind += " " + std::to_string(r.http_status);
  return kind;
}

std::optional<double> LimitOf(std::string_view text) {
  double value = 0;
  const char* const last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, value);
  return error == std::errc() && end == last && value > 0 ? std::optional(value) : std::nullopt;
}

json LimitOrNull(const std::optional<double>& limit) {
  return limit ? json(*limit) : json();
}

json ErrorsByKind(std::span<const RequestRecord* const> rows) {
  std::map<std::string, int> kinds;
  for (const RequestRecord* r : rows) {
    if (r->outcome != Outcome::kOk) ++kinds[ErrorKind(*r)];
  }
  return kinds;
}

bool HasDueMoment(const RequestRecord* r) {
  return r->planned.arrival_offset_ns || r->planned.after;
}

using DueFigure = std::optional<double> (RequestRecord::*)() const;

/// n, and the type-7 quantiles with their intervals; empty for an empty sample.
json FromDueMoment(std::span<const RequestRecord* const> rows, DueFigure figure) {
  std::vector<double> sample;
  for (const RequestRecord* r : rows) {
    if (const auto ms = (r->*figure)()) sample.push_back(*ms);
  }
  const auto summary = Summarize(sample);
  if (!summary) return json::object();
  json out{
      {"n", summary->n}, {"mean", RoundTo(summary->mean, 3)}, {"max", RoundTo(summary->max, 3)}};
  for (const auto& [name, q] :
       {std::pair{"p50", 0.50}, std::pair{"p95", 0.95}, std::pair{"p99", 0.99}})
    out[name] = *EstimateQuantile(sample, q);
  return out;
}

/// Null without limits.
json GoodputBlock(std::span<const RequestRecord* const> rows, const ServiceLevels& levels,
                  double duration_s) {
  if (!levels.any()) return {};
  const Goodput g = MeasureGoodput(rows, levels);
  const auto attainment = g.Attainment();
  return {{"limits",
           {{"ttft_ms", LimitOrNull(levels.ttft_ms)},
            {"tpot_ms", LimitOrNull(levels.tpot_ms)},
            {"e2e_ms", LimitOrNull(levels.e2e_ms)}}},
          {"attempted", g.attempted},
          {"failed", g.failed},
          {"good", g.good},
          {"missed_ttft", g.missed_ttft},
          {"missed_tpot", g.missed_tpot},
          {"missed_e2e", g.missed_e2e},
          {"tpot_undefined", g.tpot_undefined},
          {"attainment", attainment ? json(RoundTo(*attainment, 6)) : json()},
          {"goodput_rps",
           duration_s > 0 ? json(RoundTo(static_cast<double>(g.good) / duration_s, 4)) : json()}};
}

}  // namespace

ServiceLevels ServiceLevelsOf(std::span<const SettingValue> settings) {
  ServiceLevels levels;
  const auto text_of = [&](std::string_view key) -> std::string_view {
    for (const SettingValue& s : settings) {
      if (s.key == key) return s.value;
    }
    return "";
  };
  if (const auto preset = FindServiceLevels(text_of("slo.preset"))) levels = *preset;
  for (const auto& [key, limit] :
       {std::pair{"slo.ttft_ms", &levels.ttft_ms}, std::pair{"slo.tpot_ms", &levels.tpot_ms},
        std::pair{"slo.e2e_ms", &levels.e2e_ms}}) {
    if (const auto own = LimitOf(text_of(key))) *limit = own;
  }
  return levels;
}

json LoadBlock(std::span<const RequestRecord* const> rows, const ServiceLevels& levels,
               double duration_s) {
  json block{{"errors_by_kind", ErrorsByKind(rows)},
             {"goodput", GoodputBlock(rows, levels, duration_s)}};
  if (std::any_of(rows.begin(), rows.end(), HasDueMoment)) {
    block["ttfc_co_ms"] = FromDueMoment(rows, &RequestRecord::TtfcCoMs);
    block["e2e_co_ms"] = FromDueMoment(rows, &RequestRecord::E2eCoMs);
  }
  return block;
}

}  // namespace kvtier
