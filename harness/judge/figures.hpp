#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "harness/core/reading.hpp"
#include "harness/core/units.hpp"
#include "harness/judge/evidence.hpp"
#include "harness/stats/quantile.hpp"

namespace kvtier {

/// What a leg's headline phase measured, derived from raw records. Latencies in milliseconds, ok
/// requests only.
struct LegFigures {
  int planned = 0, ok = 0, failed = 0;  // of the headline phase; never recorded counts as failed
  double error_rate = 0;                // of all phases, failed / planned
  std::optional<QuantileEstimate> ttfc_p50, ttfc_p95, ttfc_p99, e2e_p50, e2e_p95;
  /// usage.prompt_tokens of ok requests over the phase duration; empty without usage.
  std::optional<double> prompt_tokens_per_s;
  Reading<double> matched_tokens;
  Reading<double> onboard_disk_blocks, onboard_host_blocks, offload_disk_blocks;
  Reading<Bytes> disk_read, disk_written;  // what the engine says (agreement.hpp)
  Reading<Bytes> os_read, os_written;      // the OS witness
  std::string os_source;                   // "proc_pid_io", "cgroup_io" or "none"
};
LegFigures MeasureLeg(const LegEvidence& leg);

/// Medians over the valid legs of one arm, for the closing table.
struct ArmFigures {
  int legs = 0;
  std::optional<double> ttfc_p50_ms, ttfc_p95_ms, e2e_p95_ms, prompt_tokens_per_s;
  std::optional<double> matched_tokens, onboard_disk_blocks, onboard_host_blocks;
  std::optional<double> disk_read_bytes, disk_written_bytes, os_read_bytes, os_written_bytes;
};
ArmFigures SummarizeArm(std::span<const LegFigures> legs);
void to_json(nlohmann::json& j, const ArmFigures& a);
void from_json(const nlohmann::json& j, ArmFigures& a);

}  // namespace kvtier
