#include <memory>

#include "harness/core/error.hpp"
#include "harness/core/files.hpp"
#include "harness/report/bundle.hpp"
#include "harness/report/evidence_json.hpp"
#include "harness/report/phase70_files.hpp"
#include "harness/report/phase70_labels.hpp"

// The legs of a paired experiment, from their bundles.
namespace kvtier {
namespace fs = std::filesystem;
using nlohmann::json;

namespace {

constexpr const char* kWashoutFile = "washout.json";

/// Stands for a leg that was finished and whose files are now missing, cut short or changed.
LegEvidence UnreadableLeg(const Phase70Run& run, const fs::path& dir, const std::string& scenario,
                          const std::string& why) {
  LegEvidence leg;
  leg.run_id = run.run_id;
  leg.run_dir = dir.string();
  leg.tier = run.mode;
  leg.scenario = scenario;
  leg.closed = true;
  leg.run_valid = false;
  leg.invalid_reason = "artifact_unreadable";
  leg.invalid_details = {why};
  return leg;
}

}  // namespace

void WriteWashout(const fs::path& run_dir, const WashoutEvidence& washout) {
  WriteJsonAtomic(run_dir / kWashoutFile, washout);
}
std::optional<WashoutEvidence> LoadWashout(const fs::path& run_dir) {
  if (!fs::exists(run_dir / kWashoutFile)) return std::nullopt;
  const fs::path file = run_dir / kWashoutFile;
  const json j = ReadVersioned(file);
  WashoutEvidence washout;
  ReadingFrom(file, [&] { j.get_to(washout); });
  return washout;
}

std::vector<Phase70Leg> LoadPhase70Legs(const Phase70Paths& paths, const Phase70Manifest& manifest,
                                        LegRows rows) {
  const GateOptions gates = GatesOf(manifest.setup);
  std::vector<Phase70Leg> legs;
  for (const auto& r : manifest.runs) {
    fs::path dir = paths.root / r.run_dir;
    if (!fs::exists(dir)) dir = paths.RunDir(r.mode, r.pair_id, r.pair_leg);
    Phase70Leg leg;
    leg.pair_id = r.pair_id;
    leg.pair_leg = r.pair_leg;
    leg.bundle_id = r.bundle_id;
    leg.timestamp_utc = r.completed_utc;
    try {
      if (manifest.setup.mode_c) {
        leg.sequence = ParsePairSequence(r.pair_order, manifest.setup);
        leg.order = OrderWithin(leg.sequence, 0, 1);
      } else {
        leg.order = ParsePairOrder(r.pair_order, manifest.setup);
      }
    } catch (const Error& e) {
      throw DataError(
          fmt::format("{}: run {}: {}", paths.Manifest().string(), r.bundle_id, e.what()));
    }
    try {
      leg.evidence = LoadLeg(dir, rows == LegRows::kKeep ? RowDetail::kAll : RowDetail::kForRules);
      leg.washout = LoadWashout(dir);
    } catch (const Error& e) {
      leg.evidence = UnreadableLeg(r, dir, manifest.setup.scenario, e.what());
    }
    if (leg.washout) leg.washout = CompleteWashout(*leg.washout, leg.evidence);
    if (rows == LegRows::kRelease) {
      leg.digest = std::make_shared<const LegDigest>(DigestLeg(leg.evidence, gates));
      std::vector<RequestRecord>().swap(leg.evidence.records);  // its capacity, too
    }
    legs.push_back(std::move(leg));
  }
  return legs;
}

}  // namespace kvtier
