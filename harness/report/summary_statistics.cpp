#include <functional>
#include <optional>
#include <span>

#include "harness/report/deltas.hpp"
#include "harness/report/summary.hpp"
#include "harness/stats/quantile.hpp"
#include "harness/stats/summary.hpp"

namespace kvtier {
namespace {

using nlohmann::json;
using Metric = std::function<std::optional<double>(const RequestRecord&)>;

std::vector<double> Sample(std::span<const RequestRecord* const> rows, const Metric& metric) {
  std::vector<double> sample;
  for (const auto* r : rows) {
    if (const auto v = metric(*r)) sample.push_back(*v);
  }
  return sample;
}

json SummaryOf(const std::vector<double>& sample) {
  const auto s = Summarize(sample);
  if (!s) return json::object();
  return {{"n", s->n},
          {"min", RoundTo(s->min, 3)},
          {"p50", RoundTo(s->p50, 3)},
          {"p90", RoundTo(s->p90, 3)},
          {"p95", RoundTo(s->p95, 3)},
          {"p99", RoundTo(s->p99, 3)},
          {"max", RoundTo(s->max, 3)},
          {"mean", RoundTo(s->mean, 3)}};
}

json QuantilesOf(const std::vector<double>& sample) {
  json out = json::object();
  for (const auto& [name, q] :
       {std::pair{"p50", 0.50}, std::pair{"p95", 0.95}, std::pair{"p99", 0.99}}) {
    const auto e = EstimateQuantile(sample, q);
    if (e) out[name] = *e;
  }
  return out;
}

json OutcomesOf(std::span<const RequestRecord* const> rows) {
  json out = json::object();
  for (const auto* r : rows) {
    json& n = out[std::string(OutcomeName(r->outcome))];
    n = n.is_null() ? 1 : n.get<int>() + 1;
  }
  return out;
}

}  // namespace

json StatisticsBlock(std::span<const RequestRecord* const> rows, double duration_s) {
  std::vector<const RequestRecord*> ok;
  double input_tokens = 0, output_tokens = 0;
  bool usage = false;
  for (const auto* r : rows) {
    if (r->outcome != Outcome::kOk) continue;
    ok.push_back(r);
    input_tokens +=
        static_cast<double>(r->usage ? r->usage->prompt_tokens : r->planned.prompt_tokens_est);
    if (r->usage) {
      usage = true;
      output_tokens += static_cast<double>(r->usage->completion_tokens);
    }
  }
  const auto per_second = [duration_s](double n, int places) {
    return duration_s > 0 ? json(RoundTo(n / duration_s, places)) : json();
  };
  const auto ttfc = Sample(ok, [](const RequestRecord& r) { return r.TtfcMs(); });
  const auto latency = Sample(ok, [](const RequestRecord& r) { return r.LatencyMs(); });
  const auto e2e = Sample(ok, [](const RequestRecord& r) { return r.E2eMs(); });
  const std::size_t errors = rows.size() - ok.size();
  json j = {
      {"duration_s", RoundTo(duration_s, 3)},
      {"total_requests", rows.size()},
      {"ok_requests", ok.size()},
      {"error_requests", errors},
      {"error_rate",
       rows.empty()
           ? json()
           : json(RoundTo(static_cast<double>(errors) / static_cast<double>(rows.size()), 6))},
      {"outcomes", OutcomesOf(rows)},
      {"req_per_s", per_second(static_cast<double>(rows.size()), 4)},
      {"ok_req_per_s", per_second(static_cast<double>(ok.size()), 4)},
      {"input_tokens_per_s_est", per_second(input_tokens, 3)},
      {"output_tokens_per_s_est", usage ? per_second(output_tokens, 3) : json()},
      {"latency_ms", SummaryOf(latency)},
      // Of streams the TTFC: a chunk with text is the first token that a client can see.
      {"ttft_ms", SummaryOf(Sample(ok, [](const RequestRecord& r) { return r.TtftMs(); }))},
      {"ttfc_ms", SummaryOf(ttfc)},
      {"ttfb_ms", SummaryOf(Sample(ok, [](const RequestRecord& r) { return r.TtfbMs(); }))},
      {"e2e_ms", SummaryOf(e2e)},
      {"tpot_ms", SummaryOf(Sample(ok, [](const RequestRecord& r) { return r.TpotMs(); }))},
      {"send_delay_ms",
       SummaryOf(Sample(ok, [](const RequestRecord& r) { return r.SendDelayMs(); }))}};
  j["quantiles"] = {{"ttfc_ms", QuantilesOf(ttfc)},
                    {"latency_ms", QuantilesOf(latency)},
                    {"e2e_ms", QuantilesOf(e2e)}};
  return j;
}

}  // namespace kvtier
