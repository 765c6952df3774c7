#include "harness/judge/knee_table.hpp"

#include <cmath>
#include <cstdint>
#include <tuple>
#include <utility>

#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

namespace kvtier {
namespace {

using nlohmann::json;

int Rank(const std::string& status, Ruleset ruleset) {
  if (status == "ok") return 6;
  // As written the preflight of the baseline hides an invalid point of the sweep.
  if (status == "baseline_preflight") return ruleset == Ruleset::kRunbook ? 5 : 2;
  if (status.starts_with("invalid")) return 4;
  if (status == "partial") return 3;
  if (status == "debug_only") return ruleset == Ruleset::kRunbook ? 2 : 1;
  return ruleset == Ruleset::kRunbook ? 1 : 0;
}

const SweepRow* BestRow(const Sweep& sweep, TierMode mode, int concurrency, Ruleset ruleset) {
  const SweepRow* best = nullptr;
  for (const SweepRow& row : sweep.rows) {
    if (row.mode != mode || row.concurrency != concurrency) continue;
    if (best == nullptr || Rank(row.status, ruleset) >= Rank(best->status, ruleset)) best = &row;
  }
  return best;
}

/// The row's own figure, else that of its run's summary.
Reading<double> Replay(const SweepRow& row, SweepStats SweepRow::*of_row,
                       SweepStats SweepRun::*of_run, Reading<double> SweepStats::*stat) {
  const Reading<double>& own = (row.*of_row).*stat;
  return own.available() || !row.run ? own : ((*row.run).*of_run).*stat;
}

/// {value, source} of the TTFC, else of the TTFT under its own label.
std::pair<Reading<double>, std::string> KneeMetric(const SweepRow& row,
                                                   Reading<double> SweepStats::*stat) {
  const auto ttfc = Replay(row, &SweepRow::replay_ttfc, &SweepRun::replay_ttfc, stat);
  if (ttfc.available()) return {ttfc, "ttfc"};
  const auto ttft = Replay(row, &SweepRow::replay_ttft, &SweepRun::replay_ttft, stat);
  if (ttft.available()) return {ttft, "ttft_fallback"};
  return {ttfc, "missing"};
}

/// As the runbook has it: nobody looked is nothing seen.
Reading<double> OrZero(const Reading<double>& a, const Reading<double>& b = {}) {
  if (a.available()) return a;
  return b.available() ? b : Reading<double>(0.0);
}

void FillByRunbook(const SweepRow& row, KneeRow& out) {
  const SweepCounters& c = row.counters;
  out.matched_tokens = OrZero(c.matched_tokens);
  out.onboard_blocks_d2d = OrZero(c.onboard_blocks_d2d, c.onboard_blocks);
  out.offload_blocks_h2d = OrZero(c.offload_blocks_h2d, c.offload_blocks);
  out.disk_cache_hit_rate = OrZero(c.disk_cache_hit_rate);
  out.block_read_bytes = OrZero(row.block_read_bytes);
  out.process_read_bytes = OrZero(row.process_read_bytes);
  out.ssd_write_signal_present = *out.offload_blocks_h2d > 0 ||
                                 *OrZero(row.block_write_bytes) > 0 ||
                                 *OrZero(row.process_write_bytes) > 0;
  out.ssd_rehydrate_signal_present = *out.onboard_blocks_d2d > 0 || *out.disk_cache_hit_rate > 0 ||
                                     *out.block_read_bytes > 0 || *out.process_read_bytes > 0;
}

void FillByKvtier(const SweepRow& row, KneeRow& out) {
  const SweepCounters& c = row.counters;
  out.matched_tokens = c.matched_tokens;
  out.onboard_blocks_d2d = c.onboard_blocks_d2d;
  out.offload_blocks_h2d = c.offload_blocks_h2d;
  out.disk_cache_hit_rate = row.DiskHitRate();
  out.block_read_bytes = row.block_read_bytes;
  out.process_read_bytes = row.WorkerReads();
  out.ssd_write_signal_present = WriteSignal(row);
  out.ssd_rehydrate_signal_present = RehydrateSignal(row);
}

void AddNotes(KneeRow& row) {
  const auto add = [&row](std::string note) { row.notes.push_back(std::move(note)); };
  if (row.status != "ok") add("status:" + row.status);
  if (row.metric_source_p95 == "ttft_fallback") add("ttfc_missing_fallback_ttft");
  if (row.metric_source_p95 == "missing") add("missing_p95");
  if (row.metric_source_p99 == "missing") add("missing_p99");
  if (!row.error_rate.available()) add("missing_error_rate");
  if (row.mode != TierMode::kB1) return;
  if (!row.b1_disk_tier_verified.available()) {
    add("b1_disk_tier_verification_missing");
  } else if (!*row.b1_disk_tier_verified) {
    add("b1_disk_tier_not_verified");
  }
}

KneeRow RowOf(const SweepRow& row, Ruleset ruleset) {
  KneeRow out;
  out.concurrency = row.concurrency;
  out.mode = row.mode;
  out.status = row.status;
  out.point_key = row.point_key;
  std::tie(out.ttfc_p95_ms, out.metric_source_p95) = KneeMetric(row, &SweepStats::p95);
  std::tie(out.ttfc_p99_ms, out.metric_source_p99) = KneeMetric(row, &SweepStats::p99);
  const auto ttft = [&row](Reading<double> SweepStats::*stat) {
    return Replay(row, &SweepRow::replay_ttft, &SweepRun::replay_ttft, stat);
  };
  out.ttft_p95_ms = ttft(&SweepStats::p95);
  out.ttft_p99_ms = ttft(&SweepStats::p99);
  out.error_rate = row.error_rate;
  out.b1_disk_tier_verified = row.b1_disk_tier_verified;
  if (ruleset == Ruleset::kRunbook) {
    FillByRunbook(row, out);
  } else {
    FillByKvtier(row, out);
  }
  out.run_path = row.run_path;
  AddNotes(out);
  return out;
}

template <class T>
json KneeOrNull(const Reading<T>& r) {
  return r.available() ? json(*r) : json();
}

/// Bytes are whole numbers in the table, counters keep the exporter's floats.
json BytesOrNull(const Reading<double>& r) {
  if (!r.available()) return nullptr;
  return std::floor(*r) == *r && std::fabs(*r) < 9e15 ? json(static_cast<std::int64_t>(*r))
                                                      : json(*r);
}

}  // namespace

void to_json(json& j, const KneeRow& r) {
  j = {{"concurrency", r.concurrency},
       {"mode", TierName(r.mode)},
       {"status", r.status},
       {"point_key", r.point_key},
       {"ttfc_p95_ms", KneeOrNull(r.ttfc_p95_ms)},
       {"ttfc_p99_ms", KneeOrNull(r.ttfc_p99_ms)},
       {"ttft_p95_ms", KneeOrNull(r.ttft_p95_ms)},
       {"ttft_p99_ms", KneeOrNull(r.ttft_p99_ms)},
       {"metric_source_p95", r.metric_source_p95},
       {"metric_source_p99", r.metric_source_p99},
       {"error_rate", KneeOrNull(r.error_rate)},
       {"ssd_write_signal_present", KneeOrNull(r.ssd_write_signal_present)},
       {"ssd_rehydrate_signal_present", KneeOrNull(r.ssd_rehydrate_signal_present)},
       {"b1_disk_tier_verified", KneeOrNull(r.b1_disk_tier_verified)},
       {"kvbm_matched_tokens_delta", KneeOrNull(r.matched_tokens)},
       {"kvbm_onboard_blocks_d2d_delta", KneeOrNull(r.onboard_blocks_d2d)},
       {"kvbm_offload_blocks_h2d_delta", KneeOrNull(r.offload_blocks_h2d)},
       {"kvbm_disk_cache_hit_rate", KneeOrNull(r.disk_cache_hit_rate)},
       {"replay_block_read_bytes", BytesOrNull(r.block_read_bytes)},
       {"replay_process_read_bytes", BytesOrNull(r.process_read_bytes)},
       {"run_path", r.run_path},
       {"notes", fmt::format("{}", fmt::join(r.notes, ";"))}};
}

std::vector<KneeRow> KneeTable(const Sweep& sweep, Ruleset ruleset) {
  std::vector<KneeRow> table;
  for (const int concurrency : sweep.Concurrencies()) {
    for (const TierMode mode : {TierMode::kB1, TierMode::kB2}) {
      if (const SweepRow* row = BestRow(sweep, mode, concurrency, ruleset)) {
        table.push_back(RowOf(*row, ruleset));
        continue;
      }
      KneeRow missing;
      missing.concurrency = concurrency;
      missing.mode = mode;
      missing.status = "missing";
      missing.notes = {"missing_mode_row"};
      table.push_back(std::move(missing));
    }
  }
  return table;
}

}  // namespace kvtier
