#pragma once
#include <cstddef>
#include <map>
#include <string>
#include <string_view>

#include "harness/core/reading.hpp"
#include "telemetry/engine/exposition.hpp"
#include "telemetry/engine/histogram.hpp"

namespace kvtier {

/// The prefix of the frontend's metrics unless DYN_METRICS_PREFIX or --metrics-prefix says another.
inline constexpr std::string_view kFrontendPrefix = "dynamo_frontend";

/// What the frontend says of one model it serves (gauges; from Dynamo v0.5 on).
struct ServedModel {
  Reading<double> total_kv_blocks, max_num_seqs, max_num_batched_tokens;
  Reading<double> context_length, kv_cache_block_size;  // tokens
  Reading<double> inflight, queued;                     // requests of this model now
};

/// Dynamo's frontend at one moment. Counters are cumulative and summed over models; latencies as
/// the server counts them, in buckets a factor of two wide: context, not a verdict.
struct FrontendMetrics {
  Reading<double> requests;
  std::map<std::string, double> requests_by_status;      // "success", "error"
  std::map<std::string, double> requests_by_error_type;  // of the failed ones; v1.0 on
  Reading<double> started, output_tokens, cancellations, disconnected_clients;
  Reading<double> inflight, queued;  // of the only model; with several see `models`
  Reading<Histogram> ttft_s, itl_s, duration_s;
  Reading<Histogram> input_tokens, output_tokens_each, cached_tokens;
  std::map<std::string, ServedModel> models;
};
FrontendMetrics ReadFrontend(const Exposition& exposition,
                             std::string_view prefix = kFrontendPrefix);

/// after - before of what is counted. Requests of a status that was new count whole. Each reading
/// is unavailable, with the reason, when a side is or when it went backwards; `counter_reset` says
/// that one did.
struct FrontendTraffic {
  Reading<double> requests, started, output_tokens, cancellations;
  std::map<std::string, double> requests_by_status, requests_by_error_type;
  Reading<Histogram> ttft_s, itl_s, duration_s, input_tokens, output_tokens_each, cached_tokens;
  bool counter_reset = false;
};
FrontendTraffic FrontendBetween(const FrontendMetrics& before, const FrontendMetrics& after);

/// The worker's system server (DYN_SYSTEM_PORT) at one moment.
struct SystemMetrics {
  /// Metrics whose name begins with trtllm_ or tensorrt_llm_; 0 is the observability gap of
  /// spec/telemetry.md section 3.
  std::size_t trtllm_families = 0;
  std::size_t dynamo_component_families = 0;
  Reading<double> requests, errors, cancellations;  // over all endpoints of the worker
  std::map<std::string, double> errors_by_type;
  Reading<double> inflight, uptime_s;
  Reading<Histogram> duration_s;
};
SystemMetrics ReadSystem(const Exposition& exposition);

}  // namespace kvtier
