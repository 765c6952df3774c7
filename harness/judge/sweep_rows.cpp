#include "harness/judge/sweep_rows.hpp"

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <set>
#include <string_view>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "harness/core/error.hpp"

namespace kvtier {
namespace {

using nlohmann::json;

/// A place in the summary that knows its name, for the errors.
struct Node {
  const json* value = nullptr;  // nullptr: absent
  std::string name;
  std::string why = {};  // it is null, in the words of `unavailable` beside it

  bool Missing() const { return value == nullptr || value->is_null(); }
  [[noreturn]] void Refuse(const char* wanted) const {
    throw DataError(
        fmt::format("the key {} is {}, expected {}", name, value->dump().substr(0, 60), wanted));
  }
  /// A member; absent where this node is. What is there and no object is refused.
  Node operator[](std::string_view key) const {
    const std::string full = name.empty() ? std::string(key) : fmt::format("{}.{}", name, key);
    if (Missing()) return {nullptr, full};
    if (!value->is_object()) Refuse("an object");
    const auto found = value->find(std::string(key));
    if (found == value->end()) return {nullptr, full};
    return {&*found, full, found->is_null() ? Why(std::string(key)) : ""};
  }
  std::string Why(const std::string& key) const {
    const auto reasons = value->find("unavailable");
    if (reasons == value->end() || !reasons->is_object()) return "";
    const auto reason = reasons->find(key);
    return reason == reasons->end() || !reason->is_string() ? "" : reason->get<std::string>();
  }
  /// A member of a member: "mechanism.block_read_bytes".
  Node At(std::string_view path) const {
    const std::size_t dot = path.find('.');
    if (dot == std::string_view::npos) return (*this)[path];
    return (*this)[path.substr(0, dot)].At(path.substr(dot + 1));
  }
};

bool IsUnavailable(const Node& n) {
  return n.value->is_object() && n.value->size() == 1 && n.value->contains("unavailable") &&
         n.value->at("unavailable").is_string();
}

template <class T>
Reading<T> Absent(const Node& n) {
  return Reading<T>::Unavailable(n.why.empty() ? "the summary does not say " + n.name : n.why);
}

Reading<double> Number(const Node& n) {
  if (n.Missing()) return Absent<double>(n);
  if (IsUnavailable(n)) return Reading<double>::Unavailable(n.value->at("unavailable"));
  if (!n.value->is_number()) n.Refuse("a number or null");
  return n.value->get<double>();
}

/// The first of these keys that holds a number.
Reading<double> FirstNumber(const Node& from, std::initializer_list<std::string_view> paths) {
  Reading<double> found = Absent<double>(from.At(*paths.begin()));
  for (const std::string_view path : paths) {
    const Reading<double> next = Number(from.At(path));
    if (!found.available() && next.available()) found = next;
  }
  return found;
}

Reading<bool> Flag(const Node& n) {
  if (n.Missing()) return Absent<bool>(n);
  if (IsUnavailable(n)) return Reading<bool>::Unavailable(n.value->at("unavailable"));
  if (!n.value->is_boolean()) n.Refuse("true, false or null");
  return n.value->get<bool>();
}

std::string Text(const Node& n) {
  if (n.Missing()) return "";
  if (!n.value->is_string()) n.Refuse("a text");
  return *n.value;
}

/// Lowest is `least`; empty when absent.
std::optional<int> Whole(const Node& n, int least) {
  if (n.Missing()) return std::nullopt;
  if (!n.value->is_number_integer() || *n.value < least || *n.value > 1'000'000)
    n.Refuse("a whole number of requests");
  return n.value->get<int>();
}

/// Elements with their index as name; absent is empty.
std::vector<Node> Elements(const Node& n) {
  if (n.Missing()) return {};
  if (!n.value->is_array()) n.Refuse("an array");
  std::vector<Node> out;
  for (std::size_t i = 0; i < n.value->size(); ++i)
    out.push_back({&(*n.value)[i], fmt::format("{}[{}]", n.name, i)});
  return out;
}

Reading<std::uint64_t> Count(const Node& n) {
  const auto value = Whole(n, 0);
  return value ? Reading<std::uint64_t>(static_cast<std::uint64_t>(*value))
               : Absent<std::uint64_t>(n);
}

/// The flat spelling first, then the nested: replay_ttfc_p95_ms, ttfc_p95_ms, replay_ttfc_ms.p95,
/// ttfc_ms.p95; `short_too` where the short ones mean the replay.
SweepStats Stats(const Node& row, const std::string& scope, const std::string& what,
                 bool short_too) {
  const auto one = [&](const char* stat) {
    const std::string flat = fmt::format("{}_{}_{}_ms", scope, what, stat);
    const std::string nested = fmt::format("{}_{}_ms.{}", scope, what, stat);
    if (!short_too) return FirstNumber(row, {flat, nested});
    const std::string flat_short = fmt::format("{}_{}_ms", what, stat);
    const std::string nested_short = fmt::format("{}_ms.{}", what, stat);
    return FirstNumber(row, {flat, flat_short, nested, nested_short});
  };
  return {.p50 = one("p50"),
          .p95 = one("p95"),
          .p99 = one("p99"),
          .n = Count(row.At(fmt::format("{}_{}_ms.n", scope, what)))};
}

SweepStats RunStats(const Node& block, const char* key) {
  const Node stats = block[key];
  return {.p50 = Number(stats["p50"]),
          .p95 = Number(stats["p95"]),
          .p99 = Number(stats["p99"]),
          .n = Count(stats["n"])};
}

SweepCounters RowCounters(const Node& row) {
  return {.matched_tokens = FirstNumber(
              row, {"mechanism.kvbm_matched_tokens_delta_replay_plus_replay2",
                    "kvbm_matched_tokens_delta_replay_plus_replay2", "kvbm_matched_tokens_delta"}),
          .onboard_blocks_d2d =
              FirstNumber(row, {"mechanism.kvbm_onboard_blocks_d2d_delta_replay_plus_replay2",
                                "kvbm_onboard_blocks_d2d_delta_replay_plus_replay2",
                                "kvbm_onboard_blocks_d2d_delta"}),
          .onboard_blocks = FirstNumber(row, {"kvbm_onboard_blocks_delta"}),
          .offload_blocks_h2d =
              FirstNumber(row, {"mechanism.kvbm_offload_blocks_h2d_delta_replay_plus_replay2",
                                "kvbm_offload_blocks_h2d_delta_replay_plus_replay2",
                                "kvbm_offload_blocks_h2d_delta"}),
          .offload_blocks_d2d =
              FirstNumber(row, {"mechanism.kvbm_offload_blocks_d2d_delta_replay_plus_replay2",
                                "kvbm_offload_blocks_d2d_delta_replay_plus_replay2",
                                "kvbm_offload_blocks_d2d_delta"}),
          .offload_blocks = FirstNumber(row, {"kvbm_offload_blocks_delta"}),
          .disk_cache_hit_rate =
              FirstNumber(row, {"mechanism.kvbm_disk_cache_hit_rate", "kvbm_disk_cache_hit_rate"})};
}

SweepRow RowFrom(const Node& n, bool legacy) {
  if (n.Missing() || !n.value->is_object()) n.Refuse("an object");
  SweepRow row;
  row.legacy = legacy;
  const auto tier = FindTier(Text(n["mode"]));
  if (!tier)
    throw DataError(fmt::format("the key {}.mode is {}, allowed are B0, B1, B2", n.name,
                                n["mode"].Missing() ? "absent" : n["mode"].value->dump()));
  row.mode = *tier;
  const auto replay = Whole(n["replay_concurrency"], 1);
  const auto concurrency = replay ? replay : Whole(n["concurrency"], 1);
  if (!concurrency)
    throw DataError(
        fmt::format("the row {} says neither replay_concurrency nor concurrency", n.name));
  row.concurrency = *concurrency;
  row.point_key = Text(n["point_key"]);
  row.status = Text(n["status"]);
  row.phase = Text(n["phase"]);
  row.run_path = Text(n["run_path"]);
  const auto is = [&](const char* key, bool what) {
    const Reading<bool> flag = Flag(n[key]);
    return flag.available() && *flag == what;
  };
  row.marked_invalid = is("valid", false) || is("run_valid", false) || is("invalid", true);
  row.error_rate = Number(n["error_rate"]);
  row.replay_ttfc = Stats(n, "replay", "ttfc", true);
  row.replay_ttft = Stats(n, "replay", "ttft", true);
  row.replay_latency = Stats(n, "replay", "latency", false);
  row.overall_ttfc = Stats(n, "overall", "ttfc", false);
  row.overall_ttft = Stats(n, "overall", "ttft", false);
  row.b1_disk_tier_verified = Flag(n["b1_disk_tier_verified"]);
  row.counters = RowCounters(n);
  const Reading<bool> attribution = Flag(n.At("io_attribution.available"));
  row.io_attribution_available = attribution.available() && *attribution;
  row.block_read_bytes = FirstNumber(n, {"mechanism.block_read_bytes_delta_replay_plus_replay2",
                                         "io_attribution.replay_block_read_bytes",
                                         "io_attribution_verdict.replay_read_bytes_block"});
  row.block_write_bytes = FirstNumber(n, {"mechanism.block_write_bytes_delta_replay_plus_replay2"});
  row.process_read_bytes =
      FirstNumber(n, {"mechanism.process_read_bytes_delta_replay_plus_replay2",
                      "mechanism.cgroup_read_bytes_delta_replay_plus_replay2",
                      "io_attribution.replay_process_read_bytes",
                      "io_attribution_verdict.replay_read_bytes_process_total"});
  row.attributed_read_bytes =
      FirstNumber(n, {"io_attribution.replay_process_read_bytes",
                      "io_attribution_verdict.replay_read_bytes_process_total"});
  row.process_write_bytes =
      FirstNumber(n, {"mechanism.process_write_bytes_delta_replay_plus_replay2",
                      "mechanism.cgroup_write_bytes_delta_replay_plus_replay2"});
  return row;
}

Reading<double> ZeroIsUnknown(const Reading<double>& r, bool legacy, const char* why) {
  return legacy && r.available() && *r == 0 ? Reading<double>::Unavailable(why) : r;
}

/// Any above zero: true. All known and none above: false. Else unavailable.
Reading<bool> AnyPositive(std::initializer_list<Reading<double>> readings) {
  Reading<bool> out = false;
  for (const auto& r : readings) {
    if (r.available() && *r > 0) return true;
    if (!r.available()) out = Reading<bool>::Unavailable(r.reason());
  }
  return out;
}

constexpr const char* kLegacyZero =
    "the predecessor wrote 0 bytes for nothing and for could not look alike";

}  // namespace

Reading<double> SweepRow::WorkerReads() const {
  const Reading<double> own = ZeroIsUnknown(process_read_bytes, legacy, kLegacyZero);
  if (own.available() || !attributed_read_bytes.available()) return own;
  return ZeroIsUnknown(attributed_read_bytes, legacy, kLegacyZero);
}
Reading<double> SweepRow::WorkerWrites() const {
  return ZeroIsUnknown(process_write_bytes, legacy, kLegacyZero);
}
bool SweepRow::IsSoundBaseline() const {
  const bool baseline =
      status == "baseline_preflight" || (phase == "baseline_preflight" && status == "ok");
  return baseline && !marked_invalid && !(error_rate.available() && *error_rate > 0);
}
Reading<double> SweepRow::DiskHitRate() const {
  return ZeroIsUnknown(counters.disk_cache_hit_rate, legacy,
                       "the predecessor never recorded a disk hit rate under this key");
}

SweepRun SweepRunFrom(const json& summary) {
  const Node top{&summary, ""};
  SweepRun run;
  const Node overall = top["overall_summary"];
  run.overall_ttfc = RunStats(overall, "ttfc_ms");
  run.overall_ttft = RunStats(overall, "ttft_ms");
  // spec: rules 1. Exactly "replay", else exactly "replay_A", else the first that starts so.
  const auto phases = Elements(top["phase_summaries"]);
  const auto named = [&](auto&& matches) {
    return std::find_if(phases.begin(), phases.end(),
                        [&](const Node& p) { return matches(Text(p["phase"])); });
  };
  auto found = named([](const std::string& name) { return name == "replay"; });
  if (found == phases.end())
    found = named([](const std::string& name) { return name == "replay_A"; });
  if (found == phases.end())
    found = named([](const std::string& name) { return name.starts_with("replay"); });
  const Node replay = found == phases.end() ? Node{nullptr, "phase replay"} : *found;
  run.replay_ttfc = RunStats(replay, "ttfc_ms");
  run.replay_ttft = RunStats(replay, "ttft_ms");
  run.replay_ok_per_s = Number(replay["ok_req_per_s"]);
  const Node kvbm = replay["kvbm_metrics_delta"];
  run.replay = {.matched_tokens =
                    FirstNumber(kvbm, {"kvbm_matched_tokens_delta", "matched_tokens_total_delta"}),
                .onboard_blocks_d2d = Number(kvbm["kvbm_onboard_blocks_d2d_delta"]),
                .onboard_blocks = Number(kvbm["onboard_blocks_total_delta"]),
                .offload_blocks_h2d = Number(kvbm["kvbm_offload_blocks_h2d_delta"]),
                .offload_blocks_d2d = Number(kvbm["kvbm_offload_blocks_d2d_delta"]),
                .offload_blocks = Number(kvbm["offload_blocks_total_delta"]),
                .disk_cache_hit_rate = Number(kvbm["kvbm_disk_cache_hit_rate_after"])};
  return run;
}

std::vector<int> Sweep::Concurrencies() const {
  std::set<int> all(declared_concurrencies.begin(), declared_concurrencies.end());
  for (const SweepRow& row : rows) {
    if (row.mode != TierMode::kB0) all.insert(row.concurrency);
  }
  return {all.begin(), all.end()};
}

Sweep SweepFrom(const json& summary) {
  const Node top{&summary, ""};
  if (!summary.is_object()) throw DataError("the summary is no JSON object");
  Sweep sweep;
  const Node version = top["schema_version"];
  sweep.legacy = version.Missing();
  if (!sweep.legacy && *version.value != 1) version.Refuse("1, the version this program reads");
  sweep.status = Text(top["status"]);
  for (const Node& c : Elements(top.At("meta.sweep_replay_concurrencies"))) {
    const auto value = Whole(c, 1);
    if (!value) throw DataError(fmt::format("the key {} is null", c.name));
    sweep.declared_concurrencies.push_back(*value);
  }
  sweep.slo_replay_p95_ms = Number(top["slo_replay_p95_ms"]);
  sweep.slo_first_text_p95_ms = Number(top["slo_replay_ttfc_p95_ms"]);
  sweep.slo_first_text_metric = Text(top["slo_ttfc_metric"]);
  if (top["rows"].Missing()) throw DataError("the summary lacks the key rows");
  for (const Node& row : Elements(top["rows"])) sweep.rows.push_back(RowFrom(row, sweep.legacy));
  return sweep;
}

Reading<bool> RehydrateSignal(const SweepRow& row) {
  const Reading<double>& blocks = row.counters.onboard_blocks_d2d;
  const Reading<double> bytes = row.WorkerReads();
  if (!blocks.available() && !bytes.available())
    return Reading<bool>::Unavailable(
        fmt::format("neither witness could be read: {}; {}", blocks.reason(), bytes.reason()));
  return (!blocks.available() || *blocks > 0) && (!bytes.available() || *bytes > 0);
}

Reading<bool> WriteSignal(const SweepRow& row) {
  const SweepCounters& c = row.counters;
  // The predecessor knows no device-to-disk offload: its silence is not an unread counter.
  if (row.legacy && !c.offload_blocks_d2d.available())
    return AnyPositive({c.offload_blocks_h2d, row.WorkerWrites()});
  return AnyPositive({c.offload_blocks_h2d, c.offload_blocks_d2d, row.WorkerWrites()});
}

Reading<double> SloOf(const Sweep& sweep, const std::string& metric) {
  if (sweep.slo_first_text_p95_ms.available() && sweep.slo_first_text_metric == "replay_" + metric)
    return sweep.slo_first_text_p95_ms;
  const SweepRow* baseline = nullptr;
  for (const SweepRow& row : sweep.rows) {
    if (row.mode == TierMode::kB2 && row.IsSoundBaseline()) baseline = &row;
  }
  for (const SweepRow& row : sweep.rows) {
    if (baseline == nullptr && row.mode == TierMode::kB2 && row.concurrency == 1 &&
        row.status == "ok")
      baseline = &row;
  }
  if (baseline == nullptr)
    return Reading<double>::Unavailable(
        "the sweep has neither a baseline run without errors nor an ok row of B2 at concurrency 1");
  const SweepStats& stats = metric == "ttft_p95_ms" ? baseline->replay_ttft : baseline->replay_ttfc;
  return stats.p95.Map([](double ms) { return kSloFactor * ms; });
}

}  // namespace kvtier
