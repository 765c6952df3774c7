#include "telemetry/engine/service_metrics.hpp"

#include <cmath>
#include <initializer_list>

#include <fmt/format.h>

namespace kvtier {
namespace {

/// The first of several spellings (newest first) that is there; else the reason of the newest.
template <class Read>
auto FirstOf(std::initializer_list<std::string> names, Read&& read) {
  auto first = read(*names.begin());
  if (first) return first;
  for (const auto& name : names) {
    if (auto value = read(name)) return value;
  }
  return first;
}

/// A counter's values by one label, summed over the others; empty when it is absent or has not that
/// label.
std::map<std::string, double> CountBy(const Exposition& exposition, const std::string& name,
                                      std::string_view label) {
  std::map<std::string, double> by;
  const MetricFamily* family = exposition.Find(name);
  if (family == nullptr || !exposition.Counter(name)) return by;
  for (const auto& sample : family->samples) {
    const std::string* value = sample.Label(label);
    if (value != nullptr && !value->empty() && !sample.name.ends_with("_created"))
      by[*value] += sample.value;
  }
  return by;
}

/// A gauge of one model. Several series of one model (two routers) cannot be added up.
void ReadModelGauge(const Exposition& exposition, const std::string& name,
                    Reading<double> ServedModel::*field,
                    std::map<std::string, ServedModel>& models) {
  const MetricFamily* family = exposition.Find(name);
  if (family == nullptr) return;
  std::map<std::string, int> seen;
  for (const auto& sample : family->samples) {
    const std::string* model = sample.Label("model");
    if (model == nullptr) continue;
    Reading<double>& reading = models[*model].*field;
    if (++seen[*model] > 1) {
      reading = Reading<double>::Unavailable(fmt::format(
          "{} has several label sets of {}, and gauges cannot be added up", name, *model));
    } else if (std::isfinite(sample.value)) {
      reading = sample.value;
    } else {
      reading = Reading<double>::Unavailable(fmt::format("{} is not finite", name));
    }
  }
}

std::map<std::string, ServedModel> ReadModels(const Exposition& exposition,
                                              const std::string& prefix) {
  std::map<std::string, ServedModel> models;
  const auto read = [&](const char* name, Reading<double> ServedModel::*field) {
    ReadModelGauge(exposition, prefix + name, field, models);
  };
  read("model_total_kv_blocks", &ServedModel::total_kv_blocks);
  read("model_max_num_seqs", &ServedModel::max_num_seqs);
  read("model_max_num_batched_tokens", &ServedModel::max_num_batched_tokens);
  read("model_context_length", &ServedModel::context_length);
  read("model_kv_cache_block_size", &ServedModel::kv_cache_block_size);
  // Oldest spelling first: a newer one overwrites it.
  for (const char* name : {"inflight_requests_total", "inflight_requests", "active_requests"})
    read(name, &ServedModel::inflight);
  for (const char* name : {"queued_requests_total", "queued_requests"})
    read(name, &ServedModel::queued);
  return models;
}

Reading<double> Difference(const Reading<double>& before, const Reading<double>& after,
                           const char* what, bool& reset) {
  if (!before) return before;
  if (!after) return after;
  if (*after < *before) {
    reset = true;
    return Reading<double>::Unavailable(
        fmt::format("counter_reset: {} went from {} to {}", what, *before, *after));
  }
  return *after - *before;
}

Reading<Histogram> Difference(const Reading<Histogram>& before, const Reading<Histogram>& after,
                              bool& reset) {
  auto between = HistogramBetween(before, after);
  if (!between && between.reason().starts_with("counter_reset")) reset = true;
  return between;
}

std::map<std::string, double> Difference(const std::map<std::string, double>& before,
                                         std::map<std::string, double> after, bool& reset) {
  for (const auto& [key, was] : before) {
    const auto at = after.find(key);
    if (at == after.end() || at->second < was) {
      reset = true;
      return {};
    }
    at->second -= was;
  }
  return after;
}

}  // namespace

FrontendMetrics ReadFrontend(const Exposition& exposition, std::string_view prefix) {
  const std::string p = std::string(prefix) + "_";
  const auto counter = [&](const std::string& name) { return exposition.Counter(name); };
  const auto gauge = [&](const std::string& name) { return exposition.Gauge(name); };
  const auto histogram = [&](const char* name) { return HistogramOf(exposition, p + name); };
  FrontendMetrics m;
  m.requests = counter(p + "requests_total");
  m.requests_by_status = CountBy(exposition, p + "requests_total", "status");
  m.requests_by_error_type = CountBy(exposition, p + "requests_total", "error_type");
  m.started = counter(p + "requests_started_total");
  m.output_tokens = counter(p + "output_tokens_total");
  m.cancellations = counter(p + "model_cancellation_total");
  m.disconnected_clients = gauge(p + "disconnected_clients");
  m.inflight = FirstOf(
      {p + "active_requests", p + "inflight_requests", p + "inflight_requests_total"}, gauge);
  m.queued = FirstOf({p + "queued_requests", p + "queued_requests_total"}, gauge);
  m.ttft_s = histogram("time_to_first_token_seconds");
  m.itl_s = histogram("inter_token_latency_seconds");
  m.duration_s = histogram("request_duration_seconds");
  m.input_tokens = histogram("input_sequence_tokens");
  m.output_tokens_each = histogram("output_sequence_tokens");
  m.cached_tokens = histogram("cached_tokens");
  m.models = ReadModels(exposition, p);
  return m;
}

FrontendTraffic FrontendBetween(const FrontendMetrics& before, const FrontendMetrics& after) {
  FrontendTraffic t;
  bool& reset = t.counter_reset;
  t.requests = Difference(before.requests, after.requests, "the requests", reset);
  t.started = Difference(before.started, after.started, "the requests started", reset);
  t.output_tokens =
      Difference(before.output_tokens, after.output_tokens, "the output tokens", reset);
  t.cancellations =
      Difference(before.cancellations, after.cancellations, "the cancellations", reset);
  t.requests_by_status = Difference(before.requests_by_status, after.requests_by_status, reset);
  t.requests_by_error_type =
      Difference(before.requests_by_error_type, after.requests_by_error_type, reset);
  t.ttft_s = Difference(before.ttft_s, after.ttft_s, reset);
  t.itl_s = Difference(before.itl_s, after.itl_s, reset);
  t.duration_s = Difference(before.duration_s, after.duration_s, reset);
  t.input_tokens = Difference(before.input_tokens, after.input_tokens, reset);
  t.output_tokens_each = Difference(before.output_tokens_each, after.output_tokens_each, reset);
  t.cached_tokens = Difference(before.cached_tokens, after.cached_tokens, reset);
  return t;
}

SystemMetrics ReadSystem(const Exposition& exposition) {
  SystemMetrics m;
  for (const auto& family : exposition.families) {
    if (family.samples.empty()) continue;
    if (family.name.starts_with("trtllm_") || family.name.starts_with("tensorrt_llm_"))
      ++m.trtllm_families;
    if (family.name.starts_with("dynamo_component_")) ++m.dynamo_component_families;
  }
  const std::string p = "dynamo_component_";
  m.requests = exposition.Counter(p + "requests_total");
  m.errors = exposition.Counter(p + "errors_total");
  m.errors_by_type = CountBy(exposition, p + "errors_total", "error_type");
  m.cancellations = exposition.Counter(p + "cancellation_total");
  m.inflight = exposition.Gauge(p + "inflight_requests");
  m.uptime_s = FirstOf({p + "uptime_seconds", "dynamo_uptime_seconds"},
                       [&](const std::string& name) { return exposition.Gauge(name); });
  m.duration_s = HistogramOf(exposition, p + "request_duration_seconds");
  return m;
}

}  // namespace kvtier
