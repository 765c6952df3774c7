#include "harness/report/report_md.hpp"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "harness/core/units.hpp"
#include "harness/judge/reason.hpp"
#include "harness/report/markdown.hpp"
#include "harness/report/report_machine.hpp"

namespace kvtier {
namespace {

using nlohmann::json;

// Looks a path of keys up; a null value for anything that is missing on the way.
json At(const json& j, std::initializer_list<const char*> keys) {
  const json* at = &j;
  for (const char* key : keys) {
    if (!at->is_object() || !at->contains(key)) return nullptr;
    at = &at->at(key);
  }
  return *at;
}

std::string Num(const json& v, int places = 3) {
  if (v.is_number_integer()) return v.dump();
  return v.is_number() ? fmt::format("{:.{}f}", v.get<double>(), places) : "NA";
}
std::string Count(const json& v) {
  return v.is_number() ? fmt::format("{:.0f}", v.get<double>()) : "NA";
}

std::string Triple(const json& block, const char* metric) {
  const json s = At(block, {metric});
  return fmt::format("{} / {} / {}", Num(At(s, {"p50"})), Num(At(s, {"p95"})), Num(At(s, {"p99"})));
}

// "no interval" is said where the sample is too small to have one.
std::string IntervalText(const json& q) {
  if (!q.is_object()) return "NA";
  if (!q.at("low").is_number())
    return fmt::format("{} ms (n={}, too few for an interval)", Num(q.at("value")),
                       Count(q.at("n")));
  return fmt::format("{} ms [{}, {}] (n={})", Num(q.at("value")), Num(q.at("low")),
                     Num(q.at("high")), Count(q.at("n")));
}

template <class T>
std::string Text(const Reading<T>& r) {
  return r.available() ? fmt::format("{}", r.value()) : "unavailable (" + r.reason() + ")";
}

std::string RangeText(const ExpectedHits::Range& r) {
  return r.low == r.high ? fmt::format("{}", r.low) : fmt::format("{} to {}", r.low, r.high);
}

std::string Status(const json& summary, const LegEvidence& leg, const RunConfig& config) {
  std::string out = "## Run Status\n\n";
  out += fmt::format("- Valid: {}\n", leg.run_valid ? "yes" : "no");
  if (!leg.run_valid) {
    out += fmt::format("- Reason: `{}`\n",
                       leg.invalid_reason.empty() ? "not stated" : leg.invalid_reason);
    for (const auto& d : leg.invalid_details) out += fmt::format("  - {}\n", d);
  }
  out += fmt::format("- Scenario: {}, tier {} ({})\n", leg.scenario, TierName(leg.tier),
                     KvModeName(leg.tier));
  out += fmt::format("- Stack: {}{}\n", config.stack_label,
                     leg.backend == "reference"
                         ? ", the embedded reference stack: figures say nothing about a GPU machine"
                         : "");
  if (config.kv_mode.disable_disk_offload_filter && HasDiskTier(leg.tier)) {
    out +=
        "- Mechanism mode (disk-offload filter off): every block that reaches the host tier is "
        "written to the SSD\n";
  }
  for (const auto& f : config.faults) out += fmt::format("- Fault injected on purpose: `{}`\n", f);
  out += fmt::format("- Models listed at the end: {}\n", Text(leg.models_at_end));
  out += fmt::format("- Created: {}\n\n", At(summary, {"created_utc"}).get<std::string>());
  return out;
}

std::string Platform(const RunConfig& config) {
  std::string out = "## Platform + Software Fingerprint\n\n";
  std::vector<std::vector<std::string>> rows;
  for (const auto& [k, v] : config.host) rows.push_back({k, v});
  for (const auto& [k, v] : config.versions) rows.push_back({k, v});
  if (!config.block_device.empty())
    rows.push_back({"block device of the cache", config.block_device});
  return out + MarkdownTable({"what", "value"}, rows) + "\n";
}

// A tier that exists may have been asked for by its number of blocks instead.
std::string AskedGb(bool tier_exists, double gb) {
  return tier_exists && gb == 0 ? "sized in blocks" : fmt::format("{}", gb);
}

std::string KvConfiguration(const LegEvidence& leg, const RunConfig& config) {
  const auto& w = leg.worker;
  std::string out = "## KV Configuration\n\n";
  out += MarkdownTable(
      {"what", "asked for", "read back from the worker"},
      {{"host tier (GB)", AskedGb(KvbmEnabled(leg.tier), config.kv_mode.cpu_cache_gb),
        Text(w.cpu_cache_gb)},
       {"disk tier (GB)", AskedGb(HasDiskTier(leg.tier), config.kv_mode.disk_cache_gb),
        Text(w.disk_cache_gb)},
       {"device blocks", "", Text(w.device_blocks)},
       {"host blocks", "", Text(w.host_blocks)},
       {"disk blocks", "", Text(w.disk_blocks)},
       {"disk-offload filter", config.kv_mode.disable_disk_offload_filter ? "off" : "on",
        w.disk_offload_filter.available() ? (*w.disk_offload_filter ? "on" : "off")
                                          : Text(w.disk_offload_filter)},
       {"direct I/O", "", Text(w.direct_io)},
       {"open files under the cache directory", HasDiskTier(leg.tier) ? "" : "0",
        Text(w.open_files_under_cache_dir)},
       {"cold at start", "true", Text(w.cold_at_start)}});
  out += fmt::format("\nBlock: {} tokens, {}.", leg.block_tokens, FormatBytes({leg.block_bytes}));
  if (!w.kernel_note.empty()) out += " Kernel: " + w.kernel_note + ".";
  return out + "\n\n";
}

std::string OverallSection(const json& summary) {
  const json overall = summary.at("overall_summary");
  std::string out = "## Overall Results\n\n";
  if (overall.contains("excluded")) {
    return out +
           "Excluded: the run is not valid, so it has no overall figures. Phase figures stay "
           "below.\n\n";
  }
  out += fmt::format("- Requests: {} ({} ok, {} failed), error rate {}\n",
                     Count(overall.at("total_requests")), Count(overall.at("ok_requests")),
                     Count(overall.at("error_requests")), Num(overall.at("error_rate"), 6));
  std::string outcomes;
  for (const auto& [kind, n] : overall.at("outcomes").items())
    outcomes += fmt::format("{}{} {}", outcomes.empty() ? "" : ", ", n.dump(), kind);
  out += fmt::format("- Outcomes: {}\n", outcomes.empty() ? "none" : outcomes);
  out += fmt::format("- Duration: {} s of traffic, {} requests/s\n", Num(overall.at("duration_s")),
                     Num(overall.at("req_per_s"), 4));
  out += fmt::format("- TTFC p50/p95/p99: {} ms\n", Triple(overall, "ttfc_ms"));
  out += fmt::format("- Latency p50/p95/p99: {} ms\n", Triple(overall, "latency_ms"));
  out += fmt::format("- Tokens/s: {} in, {} out\n\n", Num(overall.at("input_tokens_per_s_est")),
                     Num(overall.at("output_tokens_per_s_est")));
  return out;
}

std::string PhaseSection(const json& summary, const LegEvidence& leg) {
  std::string out = "## Phase Results\n\n";
  std::vector<std::vector<std::string>> rows, tiers;
  for (const auto& p : summary.at("phase_summaries")) {
    const json d = At(p, {"kvbm_metrics_delta"});
    rows.push_back(
        {p.at("phase").get<std::string>(), Count(p.at("error_requests")), Num(p.at("req_per_s")),
         Num(At(p, {"io_delta", "write_mib_delta"})), Num(At(p, {"io_delta", "read_mib_delta"})),
         Num(At(p, {"worker_process_io_delta", "write_mib_delta"})),
         Num(At(p, {"worker_process_io_delta", "read_mib_delta"})), Num(At(p, {"ttft_ms", "p95"})),
         Num(At(p, {"ttfc_ms", "p95"})), Count(At(d, {"offload_blocks_total_delta"})),
         Count(At(d, {"onboard_blocks_total_delta"})),
         Count(At(d, {"kvbm_matched_tokens_delta"}))});
  }
  out += MarkdownTable({"phase", "err", "req/s", "nvme_write_mib", "nvme_read_mib",
                        "proc_write_mib", "proc_read_mib", "ttft_p95_ms", "ttfc_p95_ms",
                        "offload_blocks_delta", "onboard_blocks_delta", "matched_tokens_delta"},
                       rows);
  out += "\nTTFC with its interval (order statistics, 95 %):\n\n";
  for (const auto& p : summary.at("phase_summaries")) {
    out += fmt::format("- {}: p50 {}; p95 {}\n", p.at("phase").get<std::string>(),
                       IntervalText(At(p, {"quantiles", "ttfc_ms", "p50"})),
                       IntervalText(At(p, {"quantiles", "ttfc_ms", "p95"})));
  }
  for (const auto& p : leg.phases) {
    const auto expected = [&](auto member) {
      return p.expected ? RangeText((*p.expected).*member) : std::string("NA");
    };
    const auto actual = [](const Reading<std::uint64_t>& r) {
      return r.available() ? fmt::format("{}", *r) : std::string("NA");
    };
    tiers.push_back({p.name, expected(&ExpectedHits::g1_blocks), expected(&ExpectedHits::g2_blocks),
                     actual(p.tiers.onboard_g2_to_g1_blocks), expected(&ExpectedHits::g3_blocks),
                     actual(p.tiers.onboard_g3_to_g1_blocks),
                     expected(&ExpectedHits::offload_g2_to_g3_blocks),
                     actual(p.tiers.offload_g2_to_g3_blocks)});
  }
  out += "\nBlocks by tier, expected before the run and reported by the engine:\n\n";
  out += MarkdownTable({"phase", "device expected", "host expected", "host", "SSD expected", "SSD",
                        "written to SSD expected", "written to SSD"},
                       tiers);
  return out + "\n";
}

std::string Signal(const json& summary) {
  std::string out = "## KVBM Metrics Signal\n\n";
  out += fmt::format("- Status: {}\n",
                     At(summary, {"kvbm_metrics_status", "status"}).get<std::string>());
  bool any = false;
  for (const auto& [name, s] : summary.at("overall_summary").items()) {
    if (!s.is_object() || !s.contains("signal")) continue;
    any = true;
    out += fmt::format("- {}: `{}`", name, s.at("signal").get<std::string>());
    if (s.contains("interpretation")) out += ": " + s.at("interpretation").get<std::string>();
    out += "\n";
  }
  if (!any) out += "- The scenario has no signal of its own\n";
  return out + "\n";
}

std::string Identity(const json& summary) {
  const json i = summary.at("request_identity");
  std::string out = "## Request Identity\n\n";
  if (!i.at("available").get<bool>()) return out + "No request was finished.\n\n";
  out += fmt::format(
      "{} requests, {} distinct prompts, {} parameter sets, {} identities, {} sessions.\n",
      Count(i.at("total_requests")), Count(i.at("unique_prompt_sha256_count")),
      Count(i.at("unique_generation_params_sha256_count")),
      Count(i.at("unique_request_identity_sha256_count")), Count(i.at("unique_session_id_count")));
  if (i.contains("reuse_verify_identity"))
    out += fmt::format("Reuse: `{}`.\n",
                       i.at("reuse_verify_identity").at("verdict").get<std::string>());
  return out + "\n";
}

std::string Anomalies(const json& summary, const LegEvidence& leg) {
  std::string out = "## Anomalies + Limitations\n\n";
  for (const auto& f : summary.at("findings")) {
    out +=
        fmt::format("- `{}`{}: {}\n", f.at("code").get<std::string>(),
                    f.at("phase").is_string() ? " (" + f.at("phase").get<std::string>() + ")" : "",
                    f.at("detail").get<std::string>());
  }
  for (const auto& p : leg.phases) {
    if (!p.drain.settled)
      out += fmt::format("- {}: did not come to rest within {:.1f} s ({})\n", p.name,
                         p.drain.waited_s, p.drain.why);
    if (p.client.saturated)
      out += fmt::format("- {}: the measuring client was the bottleneck ({})\n", p.name,
                         p.client.saturated_why);
    if (p.tiers.counter_reset || p.io.counter_reset)
      out += fmt::format("- {}: a counter went backwards\n", p.name);
  }
  for (const auto& n : summary.at("notes")) out += fmt::format("- {}\n", n.get<std::string>());
  for (const char* part : {"nvme", "storage"}) {
    const json why = At(summary, {part, "unavailable"});
    if (why.is_string()) out += fmt::format("- {}: {}\n", part, why.get<std::string>());
  }
  return out;
}

}  // namespace

std::string RenderRunReport(const json& summary, const LegEvidence& leg, const RunConfig& config) {
  return fmt::format("# Benchmark Report: {}\n\n", leg.run_id) + Status(summary, leg, config) +
         Platform(config) + KvConfiguration(leg, config) + OverallSection(summary) +
         PhaseSection(summary, leg) + MachineSection(leg) + StorageSection(leg) +
         IoAttributionSection(leg) + Signal(summary) + Identity(summary) + Anomalies(summary, leg);
}

}  // namespace kvtier
