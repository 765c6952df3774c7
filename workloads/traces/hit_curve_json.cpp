#include <fmt/format.h>

#include "harness/core/error.hpp"
#include "workloads/traces/hit_curve.hpp"

namespace kvtier {
namespace {

using nlohmann::json;

constexpr int kCurveSchemaVersion = 1;

std::uint64_t CurveCount(const json& in, const char* key) {
  if (!in.is_object() || !in.contains(key) || !in.at(key).is_number_unsigned())
    throw DataError(fmt::format("key {} of a hit curve is not a count", key));
  return in.at(key).get<std::uint64_t>();
}

const json& CurvePart(const json& in, const char* key) {
  if (!in.is_object() || !in.contains(key))
    throw DataError(fmt::format("key {} of a hit curve is missing", key));
  return in.at(key);
}

json TiersJson(const LruTierHits& t) {
  return {{"g1_blocks", t.g1},
          {"g2_blocks", t.g2},
          {"g3_blocks", t.g3},
          {"computed_blocks", t.computed},
          {"written_to_g3_blocks", t.written}};
}

LruTierHits TiersFrom(const json& in) {
  return {.g1 = CurveCount(in, "g1_blocks"),
          .g2 = CurveCount(in, "g2_blocks"),
          .g3 = CurveCount(in, "g3_blocks"),
          .computed = CurveCount(in, "computed_blocks"),
          .written = CurveCount(in, "written_to_g3_blocks")};
}

}  // namespace

void to_json(json& j, const HitCurve& c) {
  json points = json::array();
  for (const auto& p : c.points) {
    points.push_back({{"capacity_blocks", p.capacity},
                      {"hit_blocks", p.hits},
                      {"hit_share", c.Share(p.hits)},
                      {"filtered_hit_blocks", p.filtered_hits ? json(*p.filtered_hits) : json()}});
  }
  j = {{"schema_version", kCurveSchemaVersion},
       {"stack",
        {{"g1_blocks", c.stack.device_blocks},
         {"g2_blocks", c.stack.host_blocks},
         {"g3_blocks", c.stack.disk_blocks},
         {"block_tokens", c.stack.block_tokens},
         {"disk_offload_filter", c.stack.disk_offload_filter}}},
       {"requests", c.requests},
       {"block_references", c.references},
       {"distinct_blocks", c.distinct},
       {"ideal_hit_share", c.IdealShare()},
       {"points", std::move(points)},
       {"filter_off", TiersJson(c.filter_off)},
       {"filter_on", TiersJson(c.filter_on)}};
}

void from_json(const json& j, HitCurve& c) {
  if (CurveCount(j, "schema_version") != kCurveSchemaVersion)
    throw DataError("key schema_version of a hit curve: expected 1");
  const json& stack = CurvePart(j, "stack");
  c = {};
  c.stack.device_blocks = CurveCount(stack, "g1_blocks");
  c.stack.host_blocks = CurveCount(stack, "g2_blocks");
  c.stack.disk_blocks = CurveCount(stack, "g3_blocks");
  c.stack.block_tokens = static_cast<int>(CurveCount(stack, "block_tokens"));
  const json& filter = CurvePart(stack, "disk_offload_filter");
  if (!filter.is_boolean())
    throw DataError("key disk_offload_filter of a hit curve is neither true nor false");
  c.stack.disk_offload_filter = filter.get<bool>();
  c.requests = CurveCount(j, "requests");
  c.references = CurveCount(j, "block_references");
  c.distinct = CurveCount(j, "distinct_blocks");
  const json& points = CurvePart(j, "points");
  if (!points.is_array()) throw DataError("key points of a hit curve is not a list");
  for (const json& p : points) {
    HitCurve::Point point{CurveCount(p, "capacity_blocks"), CurveCount(p, "hit_blocks")};
    if (!CurvePart(p, "filtered_hit_blocks").is_null())
      point.filtered_hits = CurveCount(p, "filtered_hit_blocks");
    c.points.push_back(point);
  }
  c.filter_off = TiersFrom(CurvePart(j, "filter_off"));
  c.filter_on = TiersFrom(CurvePart(j, "filter_on"));
}

}  // namespace kvtier
