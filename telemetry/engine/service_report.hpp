#pragma once
#include <chrono>
#include <optional>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "harness/core/reading.hpp"
#include "telemetry/engine/service_metrics.hpp"

namespace kvtier {

/// What the frontend and the worker's system server say of themselves at one moment.
struct ServiceSnapshot {
  Reading<FrontendMetrics> frontend;
  Reading<SystemMetrics> system;
};
/// Never throws. An endpoint that nobody named is unavailable with that reason.
ServiceSnapshot ReadServices(const std::optional<std::string>& frontend_metrics_url,
                             const std::optional<std::string>& system_metrics_url,
                             std::chrono::milliseconds timeout);

/// A phase in `services` of telemetry_report.json: what the frontend counted in it (latencies in
/// seconds, as quantiles of its buckets), and the system server at its end. Context: no rule reads
/// it.
nlohmann::json ServicesJson(const std::string& phase, const ServiceSnapshot& before,
                            const ServiceSnapshot& after);

}  // namespace kvtier
