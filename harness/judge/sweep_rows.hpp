#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "harness/core/reading.hpp"
#include "harness/core/tier.hpp"
#include "harness/judge/ruleset.hpp"

/// The concurrency sweep as the knee table and the recommendation see it: rows of the summary JSON
/// (spec: artifacts D1), ours or the predecessor's. What a summary lacks is unavailable, never
/// zero; a value of the wrong type is a DataError that names its key.
namespace kvtier {

/// Percentiles of one latency, in milliseconds, and the requests behind them.
struct SweepStats {
  Reading<double> p50, p95, p99;
  Reading<std::uint64_t> n;  // the predecessor does not say it
};

/// KVBM counters of a replay, as the exporter counts them: blocks and tokens.
struct SweepCounters {
  Reading<double> matched_tokens;
  Reading<double> onboard_blocks_d2d;   // disk to device
  Reading<double> onboard_blocks;       // host and disk together: proves nothing about the SSD
  Reading<double> offload_blocks_h2d;   // host to disk
  Reading<double> offload_blocks_d2d;   // device to disk; the predecessor does not say it
  Reading<double> offload_blocks;       // all directions
  Reading<double> disk_cache_hit_rate;  // a sliding window over all phases, 0..1
};

/// What the run's own summary.json says, for rows that lack it.
struct SweepRun {
  SweepStats replay_ttfc, replay_ttft, overall_ttfc, overall_ttft;
  SweepCounters replay;
  Reading<double> replay_ok_per_s;  // ok requests a second
};
/// From the text of a run's summary.json (spec: artifacts A9).
SweepRun SweepRunFrom(const nlohmann::json& summary);

/// One measured point.
struct SweepRow {
  TierMode mode = TierMode::kB1;
  int concurrency = 0;    // of the replay
  std::string point_key;  // "B2_c4"
  std::string status;     // "ok", "partial", "invalid_full", "baseline_preflight", ...
  std::string phase;      // "sweep_point", "baseline_preflight", ...; empty: not said
  std::string run_path;
  bool marked_invalid = false;  // valid or run_valid is false, or invalid is true
  Reading<double> error_rate;   // 0..1
  SweepStats replay_ttfc, replay_ttft, replay_latency, overall_ttfc, overall_ttft;
  Reading<bool> b1_disk_tier_verified;  // of B1 rows
  SweepCounters counters;
  bool io_attribution_available = false;
  Reading<double> block_read_bytes, block_write_bytes;      // of the whole device
  Reading<double> process_read_bytes, process_write_bytes;  // of the worker
  Reading<double> attributed_read_bytes;                    // the same by the I/O attribution
  std::optional<SweepRun> run;
  bool legacy = false;  // of a summary without schema_version

  /// What the worker read from disk. The predecessor wrote 0 both for "nothing" and for "could not
  /// look": its 0 is unavailable here, unless its attribution knows better.
  Reading<double> WorkerReads() const;
  Reading<double> WorkerWrites() const;
  /// The predecessor's consumers looked for this rate under a key that nobody wrote: its 0 says
  /// nothing.
  Reading<double> DiskHitRate() const;
  /// The run that the SLO rests on, and nothing speaks against it: errors, invalid.
  bool IsSoundBaseline() const;
};

/// The whole summary.
struct Sweep {
  bool legacy = false;
  std::string status;
  std::vector<int> declared_concurrencies;
  Reading<double> slo_replay_p95_ms;  // of the END-TO-END latency: 1.10 x that of B2 at 1
  /// Of the first text, and which metric that is: "replay_ttfc_p95_ms" or "replay_ttft_p95_ms". The
  /// predecessor has none.
  Reading<double> slo_first_text_p95_ms;
  std::string slo_first_text_metric;
  std::vector<SweepRow> rows;

  /// Declared or found with B1 or B2, ascending.
  std::vector<int> Concurrencies() const;
};

/// Throws DataError naming the key: "rows[3].error_rate". Rows of unknown modes are refused too.
Sweep SweepFrom(const nlohmann::json& summary);

/// Evidence that the replay came back from the SSD. By kvtier: every witness that can be read
/// (blocks from disk to device, bytes the worker read) is above zero, and there is one; device
/// counters and the hit rate are no witnesses. Unavailable when nobody could look.
Reading<bool> RehydrateSignal(const SweepRow& row);
/// Blocks or bytes that went to the disk, any direction.
Reading<bool> WriteSignal(const SweepRow& row);

/// SLO of the replay's "ttfc_p95_ms" or "ttft_p95_ms", like compared with like: the one that the
/// summary states for this metric; else by the documented factor 1.10 x the metric of the baseline
/// run of B2, or of the first ok row of B2 at 1.
Reading<double> SloOf(const Sweep& sweep, const std::string& metric);
inline constexpr double kSloFactor = 1.10;  // spec: rules 7.11

}  // namespace kvtier
