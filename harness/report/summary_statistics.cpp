#include <algorithm>
#include <array>
#include <functional>
#include <optional>
#include <span>

#include <fmt/format.h>

#include "harness/core/clock.hpp"
#include "harness/report/deltas.hpp"
#include "harness/report/summary.hpp"
#include "harness/stats/adjusted.hpp"
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

constexpr std::array<std::pair<const char*, double>, 4> kQuantiles{
    {{"p50", 0.50}, {"p90", 0.90}, {"p95", 0.95}, {"p99", 0.99}}};

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
  for (const auto& [name, q] : kQuantiles) {
    const auto e = EstimateQuantile(sample, q);
    if (e) out[name] = *e;
  }
  return out;
}

/// With `failed` requests as endless ones beside the sample; null where the quantile is one of
/// them, or lies between one and the rest.
json AdjustedOf(const std::vector<double>& sample, std::size_t failed) {
  json out = {{"n", sample.size() + failed}, {"failed", failed}};
  std::string endless;
  for (const auto& [name, q] : kQuantiles) {
    const auto value = QuantileWithFailures(sample, failed, q);
    out[name] = value ? json(RoundTo(*value, 3)) : json();
    if (!value) endless += (endless.empty() ? "" : ", ") + std::string(name);
  }
  if (sample.empty() && failed == 0)
    out["unavailable"] = "no request has it";
  else if (!endless.empty())
    out["unavailable"] = fmt::format("{}: without bound, for {} of {} requests failed", endless,
                                     failed, sample.size() + failed);
  return out;
}

std::optional<double> TtfeMs(const RequestRecord& r) {
  if (r.outcome != Outcome::kOk || !r.stamps.sent_first || !r.stamps.first_event)
    return std::nullopt;
  return NsToMs(*r.stamps.first_event - *r.stamps.sent_first);
}

/// Times between a stream's reads with text, and the same shared among the tokens that came with
/// each.
struct TokenGaps {
  std::vector<double> icl_ms;
  std::vector<double> itl_ms;
  std::size_t itl_requests = 0;  // whose chunks' tokens are known
};

/// A read with k tokens after a gap of g stands for k tokens that took g/k each. How many came with
/// a read is known where every event with text was one token: then usage has as many.
TokenGaps GapsOf(std::span<const RequestRecord* const> ok) {
  TokenGaps gaps;
  for (const RequestRecord* r : ok) {
    std::int64_t events = 0;
    for (const ChunkStamp& c : r->chunks) events += c.text_events;
    const bool known = r->usage && events == r->usage->completion_tokens;
    for (std::size_t i = 1; i < r->chunks.size(); ++i) {
      const double gap = NsToMs(r->chunks[i].at - r->chunks[i - 1].at);
      const std::uint16_t tokens = r->chunks[i].text_events;
      gaps.icl_ms.push_back(gap);
      if (known) gaps.itl_ms.insert(gaps.itl_ms.end(), tokens, gap / tokens);
    }
    if (known && r->chunks.size() > 1) ++gaps.itl_requests;
  }
  return gaps;
}

/// One kind of latency over the answered requests, and why there is none where there is none.
struct LatencySample {
  const char* name;
  std::vector<double> sample;
  const char* missing;
};

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
  const auto of = [&ok](std::optional<double> (RequestRecord::*metric)() const) {
    return Sample(ok, [metric](const RequestRecord& r) { return (r.*metric)(); });
  };
  const TokenGaps gaps = GapsOf(ok);
  // Of completions every generated text is output that the user sees, so TTFO is the TTFC; of
  // streams so is the TTFT: a chunk with text is the first token that a client can see.
  const std::array<LatencySample, 10> latencies{
      {{"latency_ms", of(&RequestRecord::LatencyMs), "no answer was received whole"},
       {"ttfb_ms", of(&RequestRecord::TtfbMs), "no answer had a header"},
       {"ttfe_ms", Sample(ok, TtfeMs), "no answer had an event"},
       {"ttft_ms", of(&RequestRecord::TtftMs), "no answer had a first token"},
       {"ttfc_ms", of(&RequestRecord::TtfcMs), "no stream had a text; unary answers have no TTFC"},
       {"ttfo_ms", of(&RequestRecord::TtfcMs), "no stream had a text; unary answers have no TTFO"},
       {"e2e_ms", of(&RequestRecord::E2eMs), "no stream had a text"},
       {"tpot_ms", of(&RequestRecord::TpotMs),
        "no stream had two tokens, or none told its tokens in usage"},
       {"icl_ms", gaps.icl_ms, "no stream had two chunks"},
       {"itl_ms", gaps.itl_ms,
        gaps.icl_ms.empty() ? "no stream had two chunks"
                            : "no stream told as many tokens in usage as it had events with text, "
                              "so a chunk's tokens are unknown"}}};
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
      {"send_delay_ms",
       SummaryOf(Sample(ok, [](const RequestRecord& r) { return r.SendDelayMs(); }))}};
  json& unavailable = j["unavailable"] = json::object();
  j["quantiles"] = j["error_adjusted"] = json::object();
  for (const LatencySample& l : latencies) {
    j[l.name] = SummaryOf(l.sample);
    j["quantiles"][l.name] = QuantilesOf(l.sample);
    if (l.sample.empty()) unavailable[l.name] = ok.empty() ? "no request was answered" : l.missing;
  }
  j["itl_requests"] = gaps.itl_requests;
  // A request that we gave up ourselves says nothing of the server.
  const auto failed =
      static_cast<std::size_t>(std::count_if(rows.begin(), rows.end(), [](const RequestRecord* r) {
        return r->outcome != Outcome::kOk && r->outcome != Outcome::kCancelled;
      }));
  for (const LatencySample& l : latencies) {
    if (std::string_view(l.name) == "ttfc_ms" || std::string_view(l.name) == "e2e_ms" ||
        std::string_view(l.name) == "latency_ms")
      j["error_adjusted"][l.name] = AdjustedOf(l.sample, failed);
  }
  return j;
}

}  // namespace kvtier
