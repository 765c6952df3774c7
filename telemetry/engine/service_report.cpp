#include "telemetry/engine/service_report.hpp"

#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "harness/core/error.hpp"
#include "telemetry/engine/metrics_endpoint.hpp"

namespace kvtier {
namespace {

using nlohmann::json;

template <class T, class F>
Reading<T> ReadFrom(const std::optional<std::string>& url, const char* unnamed,
                    std::chrono::milliseconds timeout, F&& read) {
  if (!url) return Reading<T>::Unavailable(unnamed);
  const auto text = FetchMetrics(*url, timeout);
  if (!text) return Reading<T>::Unavailable(text.reason());
  try {
    return read(ParseExposition(*text));
  } catch (const ProtocolError& e) {
    return Reading<T>::Unavailable(fmt::format("{}: {}", *url, e.what()));
  }
}

json Quantile(const Reading<Histogram>& histogram, double q) {
  return histogram ? json(HistogramQuantile(*histogram, q))
                   : json(Reading<double>::Unavailable(histogram.reason()));
}

json FrontendJson(const Reading<FrontendMetrics>& before, const Reading<FrontendMetrics>& after) {
  for (const auto* side : {&before, &after}) {
    if (!*side) return {{"unavailable", side->reason()}};
  }
  const FrontendTraffic t = FrontendBetween(*before, *after);
  return {{"requests", t.requests},
          {"started", t.started},
          {"output_tokens", t.output_tokens},
          {"cancellations", t.cancellations},
          {"requests_by_status", t.requests_by_status},
          {"requests_by_error_type", t.requests_by_error_type},
          {"ttft_p50_s", Quantile(t.ttft_s, 0.5)},
          {"ttft_p95_s", Quantile(t.ttft_s, 0.95)},
          {"itl_p50_s", Quantile(t.itl_s, 0.5)},
          {"duration_p50_s", Quantile(t.duration_s, 0.5)},
          {"counter_reset", t.counter_reset}};
}

json SystemJson(const Reading<SystemMetrics>& now) {
  if (!now) return {{"unavailable", now.reason()}};
  return {{"trtllm_families", now->trtllm_families},
          {"dynamo_component_families", now->dynamo_component_families},
          {"requests_total", now->requests},
          {"errors_total", now->errors},
          {"errors_by_type", now->errors_by_type},
          {"inflight", now->inflight},
          {"uptime_s", now->uptime_s}};
}

}  // namespace

ServiceSnapshot ReadServices(const std::optional<std::string>& frontend_metrics_url,
                             const std::optional<std::string>& system_metrics_url,
                             std::chrono::milliseconds timeout) {
  return {ReadFrom<FrontendMetrics>(frontend_metrics_url,
                                    "the stack does not say where its frontend's metrics are",
                                    timeout, [](const Exposition& e) { return ReadFrontend(e); }),
          ReadFrom<SystemMetrics>(system_metrics_url,
                                  "the stack does not say where its worker's system metrics are",
                                  timeout, [](const Exposition& e) { return ReadSystem(e); })};
}

json ServicesJson(const std::string& phase, const ServiceSnapshot& before,
                  const ServiceSnapshot& after) {
  return {{"phase", phase},
          {"frontend", FrontendJson(before.frontend, after.frontend)},
          {"system", SystemJson(after.system)}};
}

}  // namespace kvtier
