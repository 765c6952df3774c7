#pragma once
#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "harness/load/record.hpp"

/// Goodput: how many requests were served as promised. A pure rule over records.
namespace kvtier {

/// What one request is promised, in ms; an empty limit promises nothing.
struct ServiceLevels {
  std::optional<double> ttft_ms = std::nullopt;
  std::optional<double> tpot_ms = std::nullopt;
  std::optional<double> e2e_ms = std::nullopt;

  bool any() const { return ttft_ms || tpot_ms || e2e_ms; }
  /// "TTFT <= 450 ms, TPOT <= 40 ms"; "none".
  std::string Text() const;
  bool operator==(const ServiceLevels&) const = default;
};

/// Limits that others publish, so that a figure can be compared: MLPerf Inference, server and
/// interactive scenarios (mlperf.conf, there for the 99th percentile).
struct ServiceLevelPreset {
  std::string_view name;
  double ttft_ms, tpot_ms;
};
inline constexpr std::array kServiceLevelPresets{
    ServiceLevelPreset{"llama2-70b", 2000, 200},
    ServiceLevelPreset{"llama2-70b-interactive", 450, 40},
    ServiceLevelPreset{"llama3.1-8b", 2000, 100},
    ServiceLevelPreset{"llama3.1-8b-interactive", 500, 30},
    ServiceLevelPreset{"llama3.1-405b", 6000, 175},
    ServiceLevelPreset{"llama3.1-405b-interactive", 4500, 80},
    ServiceLevelPreset{"deepseek-r1", 2000, 80},
    ServiceLevelPreset{"deepseek-r1-interactive", 1500, 15},
    ServiceLevelPreset{"gpt-oss-120b", 3000, 80},
    ServiceLevelPreset{"gpt-oss-120b-interactive", 2000, 15},
};
std::optional<ServiceLevels> FindServiceLevels(std::string_view preset);

/// What became of the requests of one window. A request counts once as good, or once in each limit
/// it missed.
struct Goodput {
  std::size_t attempted = 0;                                     // with failures of every kind
  std::size_t failed = 0;                                        // did not end ok
  std::size_t good = 0;                                          // ended ok within all limits
  std::size_t missed_ttft = 0, missed_tpot = 0, missed_e2e = 0;  // of those that ended ok
  /// Good without a TPOT, which one token has not: the limit holds of nothing.
  std::size_t tpot_undefined = 0;

  /// Share of what was attempted; empty when nothing was.
  std::optional<double> Attainment() const;
};

/// Latencies count from the moment when a request was due (its `scheduled` stamp), so that a slow
/// server does not look better for being asked later; rows without that stamp count from t0. A
/// limit whose figure an ok request does not show (no usage, no stamp of text) is missed.
Goodput MeasureGoodput(std::span<const RequestRecord* const> rows, const ServiceLevels& levels);

}  // namespace kvtier
