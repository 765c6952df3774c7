#include <cstddef>
#include <cstdint>
#include <string_view>

#include <nlohmann/json.hpp>

#include "harness/core/error.hpp"
#include "harness/judge/preflight_record.hpp"
#include "harness/judge/runbook_phase70.hpp"
#include "harness/report/legacy_phase70.hpp"
#include "harness/report/legacy_record.hpp"
#include "harness/report/runbook_files.hpp"

namespace {

using nlohmann::json;

// Artifacts of another program: whatever they hold, reading them ends in evidence or in a typed
// error, and the runbook rules in an answer.
template <class F>
void Read(F&& read) {
  try {
    read();
  } catch (const kvtier::DataError&) {
  }
}

const json& Part(const json& j, const char* key) {
  static const json none;
  return j.is_object() && j.contains(key) ? j[key] : none;
}

void ByKvtier(const json& j) {
  Read([&] { kvtier::LegacyManifestFrom(j); });
  Read([&] { kvtier::LegacyPreflightFrom(j); });
  Read([&] { kvtier::LegacyRecordFrom({&j, "row"}); });
  Read([&] {
    kvtier::LegacyRun run;
    run.summary = j;
    if (Part(j, "requests").is_array()) {
      for (const json& row : j["requests"]) run.requests.push_back(row);
    }
    run.metrics_seen["replay"] = {"kvbm_matched_tokens"};
    kvtier::Phase70Input input;
    input.legacy = true;
    kvtier::Phase70Leg leg;
    leg.pair_id = 1;
    leg.evidence = kvtier::LegacyLegFrom(run);
    input.legs.push_back(leg);
    kvtier::JudgeEarlyGate(leg.evidence);
    json(kvtier::AnalyzePhase70(input, "t").verdict);
  });
  for (const auto ruleset : {kvtier::Ruleset::kKvtier, kvtier::Ruleset::kRunbook})
    Read([&] { kvtier::JudgePreflightRecord(j, ruleset, true); });
}

void ByRunbook(const json& j) {
  namespace runbook = kvtier::runbook;
  runbook::JudgeGate(j, {});
  runbook::RunFiles files;
  files.run = Part(j, "run");
  files.summary = j;
  files.io_verdict = Part(j, "io_verdict");
  const auto analysis = runbook::Analyze(j, {files, files}, "B1", "B2");
  runbook::SummaryCsv(analysis.rows);
  runbook::DeltasCsv(analysis.pair_deltas);
  runbook::VerdictInput in;
  in.manifest = in.summary = in.order_check = j;
  in.run_summaries = {j};
  runbook::JudgeVerdict(in);
  in.summary = runbook::SummaryJson(j, analysis, "B1", "B2", {});
  in.order_check = analysis.order_check;
  runbook::JudgeVerdict(in);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const json j = json::parse(text, nullptr, false);
  if (j.is_discarded()) return 0;
  ByKvtier(j);
  ByRunbook(j);
  return 0;
}
