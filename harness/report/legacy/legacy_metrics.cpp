#include <cmath>
#include <map>
#include <set>

#include <fmt/format.h>

#include "harness/core/clock.hpp"
#include "harness/core/files.hpp"
#include "harness/report/bundle.hpp"
#include "harness/report/evidence_json.hpp"
#include "harness/report/legacy/legacy_parts.hpp"
#include "harness/report/legacy_record.hpp"
#include "harness/report/timeline_table_parts.hpp"

// metrics.jsonl and config.yaml: the flat layout of the older runners.
namespace kvtier {
namespace fs = std::filesystem;
using nlohmann::json;
using nlohmann::ordered_json;
namespace {

constexpr const char* kMetrics = "metrics.jsonl";
constexpr const char* kConfigYaml = "config.yaml";

json LegacyTextOrNull(const std::string& text) {
  return text.empty() ? json() : json(text);
}

json EpochOrNull(const std::string& utc) {
  const auto ns = ParseUtcNs(utc);
  return ns ? json(static_cast<double>(*ns / 1'000'000) / 1e3) : json();
}

ordered_json MetricsRow(const LegacyJob& job, const RequestRecord& r,
                        const std::map<std::string, int>& concurrency) {
  ordered_json row;
  row["run_id"] = job.config.run_id;
  row["stack"] = ordered_json(LegacyTextOrNull(job.stack));
  row["model"] = job.config.model_id;
  row["workload"] = job.config.scenario;
  row["ts"] = ordered_json(EpochOrNull(r.end_utc));
  row["context_tokens"] = r.planned.target_tokens;
  const auto phase = concurrency.find(r.phase);
  row["concurrency"] = phase == concurrency.end() ? ordered_json() : ordered_json(phase->second);
  row["lat_ttft_ms"] = ordered_json(MsOrNull3(FirstEventMs(r)));
  row["lat_e2e_ms"] = ordered_json(MsOrNull3(r.LatencyMs()));
  row["rc"] = r.outcome == Outcome::kOk ? 0 : 1;
  if (r.planned.session_id) row["session_id"] = *r.planned.session_id;
  if (r.planned.metadata.session_turn_index)
    row["turn_idx"] = *r.planned.metadata.session_turn_index;
  row["phase"] = r.phase;
  row["start_ts"] = ordered_json(EpochOrNull(r.start_utc));
  row["ttfc_ms"] = ordered_json(MsOrNull3(r.TtfcMs()));
  row["ttfb_ms"] = ordered_json(MsOrNull3(r.TtfbMs()));
  row["http_status"] = r.http_status;
  row["error"] = ordered_json(LegacyTextOrNull(r.outcome == Outcome::kOk || !r.error.empty()
                                                   ? r.error
                                                   : std::string(OutcomeName(r.outcome))));
  row["prompt_sha256"] = r.planned.identity.prompt_sha256;
  row["prompt_tokens_est"] = r.planned.prompt_tokens_est;
  row["output_tokens"] = r.usage ? ordered_json(r.usage->completion_tokens) : ordered_json();
  row["user_id"] = r.worker_idx;
  return row;
}

/// A JSON scalar is a YAML scalar.
std::string YamlOf(const std::vector<LegacyField>& fields) {
  std::string text;
  for (const LegacyField& f : fields)
    text += fmt::format("{}: {}\n", f.key,
                        f.value.dump(-1, ' ', false, json::error_handler_t::replace));
  return text;
}

/// Every prompt's nominal length where they agree.
LegacyField ContextTokens(const LegacyJob& job) {
  std::set<std::int64_t> lengths;
  if (const fs::path file = job.run_dir / bundle_files::kPrompts; fs::exists(file)) {
    ForEachLine(file, [&](std::string_view line, bool whole) {
      const json row = json::parse(line, nullptr, false);
      if (row.is_discarded() && !whole) return;
      ReadingFrom(file, [&] {
        if (lengths.size() < 2) lengths.insert(row.at("target_tokens").get<std::int64_t>());
      });
    });
  }
  if (lengths.size() == 1) return {"context_tokens", *lengths.begin()};
  return {"context_tokens", nullptr,
          lengths.empty() ? "the bundle has no plan of its prompts"
                          : "the prompts have different lengths; each row of metrics.jsonl has its "
                            "own"};
}

/// What the worker says that it has, in bytes.
LegacyField TierBytes(const LegacyJob& job, const char* key, const char* blocks) {
  const fs::path file = job.run_dir / bundle_files::kReadback;
  if (!fs::exists(file)) return {key, nullptr, "the bundle has no worker_readback.json"};
  if (job.config.block_bytes == 0) return {key, nullptr, "the size of a KV block is unknown"};
  const json readback = ReadVersioned(file);
  const auto found = readback.find(blocks);
  if (found != readback.end() && found->is_number_unsigned())
    return {key, found->get<std::uint64_t>() * job.config.block_bytes};
  return {key, nullptr, fmt::format("the worker did not say its {}", blocks)};
}

}  // namespace

json MsOrNull3(const std::optional<double>& ms) {
  if (!ms || !std::isfinite(*ms)) return nullptr;
  return std::round(*ms * 1e3) / 1e3;
}

std::optional<double> FirstEventMs(const RequestRecord& r) {
  if (!r.stamps.sent_first || !r.stamps.first_event) return std::nullopt;
  return NsToMs(*r.stamps.first_event - *r.stamps.sent_first);
}

std::optional<int> CommonConcurrency(const RunConfig& config) {
  std::set<int> seen;
  for (const PhaseSketch& p : config.phases) seen.insert(p.concurrency);
  return seen.size() == 1 ? std::optional(*seen.begin()) : std::nullopt;
}

void ExportMetrics(LegacyJob& job) {
  const fs::path source = job.run_dir / bundle_files::kRequests;
  if (!fs::exists(source)) {
    job.NotWritten(kMetrics, "the bundle has no requests.jsonl");
    return;
  }
  std::map<std::string, int> concurrency;
  for (const PhaseSketch& p : job.config.phases) concurrency[p.name] = p.concurrency;
  TableFile file(job.out, kMetrics);
  std::uint64_t without_event = 0;
  ReadRequestRows(source, RowDetail::kAll, [&](RequestRecord&& r) {
    if (!FirstEventMs(r)) ++without_event;
    file.Append(MetricsRow(job, r, concurrency)
                    .dump(-1, ' ', false, ordered_json::error_handler_t::replace) +
                "\n");
  });
  file.Close();
  if (file.rows() == 0) {
    job.NotWritten(kMetrics, "no request ended");
    return;
  }
  job.Written(kMetrics, file.rows());
  if (job.stack.empty())
    job.Gap(kMetrics, "stack", "a bundle does not say which of the stacks A and B it would be");
  if (without_event > 0)
    job.Gap(kMetrics, "lat_ttft_ms",
            fmt::format("{} requests ended before the first event; the older runners put the whole "
                        "latency there",
                        without_event));
}

void ExportConfigYaml(LegacyJob& job) {
  const RunConfig& c = job.config;
  const auto concurrency = CommonConcurrency(c);
  const auto seed = c.seeds.find("run");
  std::string profile;
  for (const SettingValue& s : c.settings) {
    if (s.key == "model_profile") profile = s.value;
  }
  std::vector<LegacyField> fields{
      {"stack", LegacyTextOrNull(job.stack),
       "a bundle does not say which of the stacks A and B it would be"},
      {"profile", LegacyTextOrNull(profile), "the run names no model profile"},
      {"model", c.model_id},
      {"workload", c.scenario},
      ContextTokens(job),
      {"concurrency", concurrency ? json(*concurrency) : json(),
       "the phases have different ones; each row of metrics.jsonl has its own"},
      {"duration_s", nullptr, "a run ends with its list of requests, not by the clock"},
      {"endpoint", c.base_url},
      {"nonce_per_user", nullptr, "prompts are unique by their plan, not by a nonce"},
      {"seed", seed == c.seeds.end() ? json() : json(seed->second), "the run has no seed"},
      {"tokenizer", LegacyTextOrNull(c.tokenizer), "the run names no tokenizer"},
      TierBytes(job, "tier0_bytes", "device_blocks"),
      TierBytes(job, "tier1_bytes", "host_blocks")};
  for (const LegacyField& f : fields) {
    if (f.value.is_null()) job.Gap(kConfigYaml, f.key, f.reason);
  }
  WriteFileAtomic(job.out / kConfigYaml, YamlOf(fields));
  job.Written(kConfigYaml, fields.size());
}

}  // namespace kvtier
