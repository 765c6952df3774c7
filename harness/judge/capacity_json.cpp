#include <nlohmann/json.hpp>

#include "harness/judge/capacity.hpp"
#include "harness/judge/json_fields.hpp"

namespace kvtier {
namespace {

using nlohmann::json;

constexpr int kCapacityVersion = 1;

json CapacityPointJson(const CapacityPoint& p, const CapacityQuestion& question) {
  const Goodput& g = p.goodput;
  return {{"load", p.load},
          {"run_id", p.run_id},
          {"duration_s", p.duration_s},
          {"attempted", g.attempted},
          {"failed", g.failed},
          {"good", g.good},
          {"missed_ttft", g.missed_ttft},
          {"missed_tpot", g.missed_tpot},
          {"missed_e2e", g.missed_e2e},
          {"tpot_undefined", g.tpot_undefined},
          {"attainment", OptionalJson(g.Attainment())},
          {"keeps_promise", OptionalJson(KeepsPromise(p, question))},
          {"invalid_why", p.invalid_why.empty() ? json() : json(p.invalid_why)}};
}

CapacityPoint CapacityPointFrom(const json& j) {
  CapacityPoint p;
  p.load = At<int>(j, "load");
  p.run_id = At<std::string>(j, "run_id");
  p.duration_s = At<double>(j, "duration_s");
  p.goodput.attempted = At<std::size_t>(j, "attempted");
  p.goodput.failed = At<std::size_t>(j, "failed");
  p.goodput.good = At<std::size_t>(j, "good");
  p.goodput.missed_ttft = At<std::size_t>(j, "missed_ttft");
  p.goodput.missed_tpot = At<std::size_t>(j, "missed_tpot");
  p.goodput.missed_e2e = At<std::size_t>(j, "missed_e2e");
  p.goodput.tpot_undefined = At<std::size_t>(j, "tpot_undefined");
  p.invalid_why = OptionalAt<std::string>(j, "invalid_why").value_or("");
  return p;
}

}  // namespace

json ToJson(const CapacityReport& r) {
  json points = json::array();
  for (const CapacityPoint& p : r.points) points.push_back(CapacityPointJson(p, r.question));
  return {{"schema_version", kCapacityVersion},
          {"created_utc", r.created_utc},
          {"scenario", r.scenario},
          {"tier_mode", TierName(r.tier)},
          {"unit", r.unit},
          {"rate_rps", r.rate_rps},
          {"limits",
           {{"ttft_ms", OptionalJson(r.levels.ttft_ms)},
            {"tpot_ms", OptionalJson(r.levels.tpot_ms)},
            {"e2e_ms", OptionalJson(r.levels.e2e_ms)}}},
          {"min_attainment", r.question.min_attainment},
          {"low", r.question.low},
          {"high", r.question.high},
          {"max_points", r.question.max_points},
          {"points", std::move(points)},
          {"capacity", OptionalJson(r.verdict.capacity)},
          {"failed_at", OptionalJson(r.verdict.failed_at)},
          {"decided", r.verdict.decided},
          {"sentence", r.verdict.sentence}};
}

CapacityReport CapacityReportFromJson(const json& j) {
  if (const int version = At<int>(j, "schema_version"); version != kCapacityVersion)
    throw DataError("capacity.json has schema_version " + std::to_string(version) +
                    "; this program reads " + std::to_string(kCapacityVersion));
  CapacityReport r;
  r.created_utc = At<std::string>(j, "created_utc");
  r.scenario = At<std::string>(j, "scenario");
  r.tier = TierAt(j, "tier_mode");
  r.unit = At<std::string>(j, "unit");
  r.rate_rps = At<double>(j, "rate_rps");
  const json& limits = At(j, "limits");
  r.levels = {.ttft_ms = OptionalAt<double>(limits, "ttft_ms"),
              .tpot_ms = OptionalAt<double>(limits, "tpot_ms"),
              .e2e_ms = OptionalAt<double>(limits, "e2e_ms")};
  r.question = {.low = At<int>(j, "low"),
                .high = At<int>(j, "high"),
                .max_points = At<int>(j, "max_points"),
                .min_attainment = At<double>(j, "min_attainment")};
  for (const json& p : At(j, "points")) r.points.push_back(CapacityPointFrom(p));
  r.verdict = {.capacity = OptionalAt<int>(j, "capacity"),
               .failed_at = OptionalAt<int>(j, "failed_at"),
               .decided = At<bool>(j, "decided"),
               .sentence = At<std::string>(j, "sentence")};
  return r;
}

}  // namespace kvtier
