#include <algorithm>

#include <nlohmann/json.hpp>

#include "harness/judge/json_fields.hpp"
#include "harness/judge/recommend.hpp"

namespace kvtier {
namespace {

using nlohmann::json;

template <class T>
json OrNull(const Reading<T>& r) {
  return r.available() ? json(*r) : json();
}

json RepeatsJson(const std::optional<RepeatFigure>& f) {
  if (!f) return nullptr;
  return {{"n", f->n},
          {"mean_ms", f->mean},
          {"min_ms", f->min},
          {"max_ms", f->max},
          {"low_ms", OptionalJson(f->low)},
          {"high_ms", OptionalJson(f->high)},
          {"method", f->method}};
}

json B1Json(const PointSide& s) {
  json j{{"metric_p95_ms", OrNull(s.metric_p95_ms)},
         {"metric_used", s.metric_used},
         {"error_rate", OrNull(s.error_rate)},
         {"rehydrate_signal", OrNull(s.rehydrate_signal)},
         {"b1_disk_tier_verified", OrNull(s.b1_disk_tier_verified)},
         {"fewest_requests", OptionalJson(s.fewest_requests)},
         {"repeats", RepeatsJson(s.repeats)}};
  if (s.metric_used != "missing") j[s.metric_used] = OrNull(s.metric_p95_ms);
  return j;
}

json B2Json(const PointSide& s) {
  json j{{"metric_p95_ms", OrNull(s.metric_p95_ms)},
         {"metric_used", s.metric_used},
         {"error_rate", OrNull(s.error_rate)},
         {"rehydrate_signal", OrNull(s.rehydrate_signal)},
         {"kvbm_matched_tokens_delta", OrNull(s.matched_tokens)},
         {"kvbm_onboard_blocks_d2d_delta", OrNull(s.onboard_blocks_d2d)},
         {"kvbm_offload_blocks_h2d_delta", OrNull(s.offload_blocks_h2d)},
         {"kvbm_disk_cache_hit_rate", OrNull(s.disk_cache_hit_rate)},
         {"replay_block_read_bytes", OrNull(s.block_read_bytes)},
         {"replay_process_read_bytes", OrNull(s.process_read_bytes)},
         {"fewest_requests", OptionalJson(s.fewest_requests)},
         {"repeats", RepeatsJson(s.repeats)}};
  if (s.metric_used != "missing") j[s.metric_used] = OrNull(s.metric_p95_ms);
  return j;
}

json CandidateJson(const SweepPoint& p) {
  return {{"replay_concurrency", p.concurrency},
          {"score", p.score},
          {"reasons", p.reasons},
          {"evidence",
           {{"b1", B1Json(*p.b1)},
            {"b2", B2Json(*p.b2)},
            {"slo_p95_ms", OrNull(p.slo_p95_ms)},
            {"tail_gap_ratio", p.tail_gap_ratio},
            {"tail_gap_low_ratio", OptionalJson(p.tail_gap_low)},
            {"tail_gap_high_ratio", OptionalJson(p.tail_gap_high)},
            {"b1_above_slo", p.b1_above_slo},
            {"b2_within_slo", p.b2_within_slo},
            {"sharp_b1_degrade", p.sharp_b1_degrade},
            {"score_components",
             {{"slo_advantage", p.parts.slo_advantage},
              {"tail_gap", p.parts.tail_gap},
              {"b2_rehydrate", p.parts.b2_rehydrate},
              {"headroom_safety", p.parts.headroom_safety}}}}}};
}

json PointJson(const SweepPoint& p) {
  json j{{"replay_concurrency", p.concurrency}, {"accepted", p.accepted()}};
  if (p.accepted()) {
    j["score"] = p.score;
    j["reasons"] = p.reasons;
    return j;
  }
  j["rejected_reasons"] = p.rejected;
  if (p.b1 && p.b2) {
    j["evidence"] = {{"b1_metric_p95_ms", OrNull(p.b1->metric_p95_ms)},
                     {"b2_metric_p95_ms", OrNull(p.b2->metric_p95_ms)},
                     {"b1_error_rate", OrNull(p.b1->error_rate)},
                     {"b2_error_rate", OrNull(p.b2->error_rate)},
                     {"b2_rehydrate_signal", OrNull(p.b2->rehydrate_signal)},
                     {"b1_disk_tier_verified", OrNull(p.b1->b1_disk_tier_verified)}};
  }
  return j;
}

json MetaJson(const Recommendation& r) {
  const RecommendOptions& o = r.options;
  return {{"slo_p95_ms", OrNull(r.slo_p95_ms)},
          {"slo_unavailable", r.slo_p95_ms.available() ? json() : json(r.slo_p95_ms.reason())},
          {"metric", o.metric},
          {"ruleset", RulesetName(o.ruleset)},
          {"min_rehydrate_required", o.require_b2_rehydrate},
          {"top_k", o.top_k},
          {"weights",
           {{"slo_advantage", std::max(0.0, o.weight_slo_advantage)},
            {"tail_gap", std::max(0.0, o.weight_tail_gap)},
            {"b2_rehydrate", std::max(0.0, o.weight_b2_rehydrate)},
            {"headroom_safety", std::max(0.0, o.weight_headroom_safety)}}},
          {"min_b1_degrade_ratio", o.min_b1_degrade_ratio},
          {"min_tail_gap_ratio", o.min_tail_gap_ratio}};
}

}  // namespace

json RecommendationJson(const Recommendation& r, const RecommendContext& context) {
  json candidates = json::array(), recommended = json::array(), points = json::array();
  for (const SweepPoint* p : r.Candidates()) {
    candidates.push_back(CandidateJson(*p));
    if (recommended.size() < static_cast<std::size_t>(r.options.top_k))
      recommended.push_back(candidates.back());
  }
  for (const SweepPoint& p : r.points) points.push_back(PointJson(p));
  const auto& sources = context.source_summaries;
  return {{"schema_version", 1},
          {"created_utc", context.created_utc},
          {"phase60_ts", context.phase60_ts},
          {"source_summary_json", sources.empty() ? "" : sources.front()},
          {"source_summaries", sources},
          {"recommended", std::move(recommended)},
          {"candidates", std::move(candidates)},
          {"rejection_summary", r.RejectionSummary()},
          {"meta", MetaJson(r)},
          {"warnings", r.warnings},
          {"all_points", std::move(points)}};
}

}  // namespace kvtier
