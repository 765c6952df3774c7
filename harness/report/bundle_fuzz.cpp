#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <string_view>
#include <utility>

#include <nlohmann/json.hpp>

#include "harness/core/error.hpp"
#include "harness/judge/gates.hpp"
#include "harness/judge/io_attribution.hpp"
#include "harness/judge/noise.hpp"
#include "harness/report/bundle.hpp"
#include "harness/report/evidence_json.hpp"
#include "harness/report/index/index_rows.hpp"
#include "harness/report/io_attribution_json.hpp"
#include "harness/report/phase70_files.hpp"

namespace {

using nlohmann::json;

// A bundle may come from another machine: whatever its files hold, reading them ends in a value or
// a typed error.
void Read(const std::function<void()>& read) {
  try {
    read();
  } catch (const json::exception&) {
  } catch (const kvtier::DataError&) {
  }
}

kvtier::LegEvidence ReplayLeg(kvtier::PhaseEvidence replay) {
  kvtier::LegEvidence leg;
  leg.tier = kvtier::TierMode::kB2;
  leg.block_bytes = 65536;
  replay.name = "replay";
  leg.phases.push_back(std::move(replay));
  return leg;
}

// The rules say something of any evidence, and a report that fails is no report that passes.
void JudgeReport(const kvtier::IoAttributionReport& report) {
  kvtier::PhaseEvidence replay;
  replay.tiers.onboard_g3_to_g1_blocks = 1024;
  kvtier::LegEvidence leg = ReplayLeg(std::move(replay));
  leg.io_attribution = report;
  const auto verdict = kvtier::JudgeIoAttribution(leg, true);
  (void)kvtier::IoAttributionLine(verdict, "verdict.json");
  if (verdict.pass != kvtier::CheckIoAttribution(leg, true).empty()) std::abort();
}

void JudgePhase(kvtier::PhaseEvidence phase) {
  const kvtier::LegEvidence leg = ReplayLeg(std::move(phase));
  (void)kvtier::CheckNoise(leg);
  (void)kvtier::CheckWitnesses(leg);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const json j = json::parse(text, nullptr, false);
  if (j.is_discarded()) return 0;
  Read([&] { JudgePhase(j.get<kvtier::PhaseEvidence>()); });
  Read([&] { j.get<kvtier::WorkerReadback>(); });
  Read([&] { j.get<kvtier::RunConfig>(); });
  Read([&] { j.get<kvtier::RunState>(); });
  Read([&] { j.get<kvtier::Phase70Manifest>(); });
  Read([&] { j.get<kvtier::Phase70Current>(); });
  Read([&] { j.get<kvtier::KvFile>(); });
  Read([&] { JudgeReport(kvtier::IoAttributionFromJson(j)); });
  Read([&] { j.get<kvtier::IoAttributionVerdict>(); });
  Read([&] { kvtier::RecordFromJson(j); });
  (void)kvtier::RowsOfSummary("run", j, true);
  Read([&] {
    kvtier::LegEvidence leg;
    kvtier::ReadLegHead(j, leg);
  });
  return 0;
}
