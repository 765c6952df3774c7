#include "harness/report/stored_phase70.hpp"

#include <array>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "harness/core/error.hpp"
#include "harness/core/files.hpp"
#include "harness/report/evidence_json.hpp"
#include "harness/report/legacy_phase70.hpp"

namespace kvtier {
namespace fs = std::filesystem;
using nlohmann::json;

namespace {

using Named = std::pair<const char*, const fs::path*>;

std::array<Named, 5> NamesOf(const Phase70ArtifactFiles& f) {
  return {{{"manifest", &f.manifest},
           {"summary_json", &f.summary_json},
           {"summary_csv", &f.summary_csv},
           {"pair_delta_csv", &f.pair_delta_csv},
           {"order_check_json", &f.order_check_json}}};
}

/// As `beside` should name it.
std::string NameFrom(const fs::path& beside, const fs::path& file) {
  const bool same = fs::weakly_canonical(fs::absolute(beside)).parent_path() ==
                    fs::weakly_canonical(fs::absolute(file)).parent_path();
  return same ? file.filename().string() : file.string();
}

/// What is wrong inside names the file.
template <class F>
auto FromFile(const fs::path& file, F&& read) {
  const json j = ReadJson(file);
  try {
    return read(j);
  } catch (const DataError& e) {
    throw DataError(fmt::format("{}: {}", file.string(), e.what()));
  } catch (const json::exception& e) {
    throw DataError(fmt::format("{}: {}", file.string(), e.what()));
  }
}

json Versioned(json j) {
  j["schema_version"] = kBundleSchemaVersion;
  return j;
}

/// The time of an order check that says the same already.
std::string TimeOf(const fs::path& file, const OrderCheck& check) {
  if (!fs::exists(file)) return check.created_utc;
  try {
    json before = ReadJson(file);
    if (!before.is_object()) return check.created_utc;
    const auto at = before.find("created_utc");
    if (at == before.end() || !at->is_string()) return check.created_utc;
    const std::string time = *at;
    before["created_utc"] = check.created_utc;
    return before == Versioned(check) ? time : check.created_utc;
  } catch (const Error&) {
    return check.created_utc;  // it is no order check, and about to become one
  }
}

}  // namespace

StoredPhase70 LoadStoredPhase70(const fs::path& manifest,
                                const std::function<void(Phase70Setup&)>& change) {
  StoredPhase70 stored;
  stored.manifest = FromFile(manifest, [&](const json& j) {
    if (!j.is_object()) throw DataError("it is no object");
    stored.legacy = IsLegacyArtifact(j);
    if (stored.legacy) return LegacyManifestFrom(j);
    if (j.at("schema_version") != kBundleSchemaVersion)
      throw DataError("schema_version is " + j.at("schema_version").dump() +
                      ", this version reads 1");
    return j.get<Phase70Manifest>();
  });
  stored.paths = {.root = fs::absolute(manifest).parent_path(), .ts = stored.manifest.setup.ts};
  Phase70Input& in = stored.input;
  in.setup = stored.manifest.setup;
  if (change) change(in.setup);
  in.legacy = stored.legacy;
  in.runner_findings = stored.manifest.runner_findings;
  if (!stored.legacy) {
    in.preflight = LoadPhase70Preflight(stored.paths);
    Phase70Manifest judged_by = stored.manifest;
    judged_by.setup = in.setup;
    in.legs = LoadPhase70Legs(stored.paths, judged_by, LegRows::kRelease);
    return stored;
  }
  if (stored.manifest.skip_preflight) in.preflight.state = PreflightOutcome::State::kSkipped;
  if (fs::exists(stored.paths.Preflight()))
    in.preflight = FromFile(stored.paths.Preflight(), LegacyPreflightFrom);
  in.legs = LoadLegacyLegs(stored.paths.root, stored.manifest, in.runner_findings);
  return stored;
}

void WritePhase70AnalysisTo(const Phase70ArtifactFiles& files, const Phase70Manifest& manifest,
                            const Phase70Analysis& analysis) {
  std::map<std::string, std::string> names;
  for (const auto& [name, path] : NamesOf(files)) {
    if (path != &files.summary_json) names[name] = NameFrom(files.summary_json, *path);
  }
  WriteJsonAtomic(files.summary_json, Versioned(SummaryJson(analysis, manifest.setup,
                                                            json(manifest).at("meta"), names)));
  WriteFileAtomic(files.summary_csv, Phase70SummaryCsv(analysis.rows));
  WriteFileAtomic(files.pair_delta_csv, Phase70DeltasCsv(analysis.deltas));
  OrderCheck check = analysis.order_check;
  check.created_utc = TimeOf(files.order_check_json, check);
  WriteJsonAtomic(files.order_check_json, Versioned(check));
}

void WritePhase70VerdictTo(const fs::path& out, const Phase70ArtifactFiles& files,
                           Verdict verdict) {
  for (const auto& [name, path] : NamesOf(files))
    verdict.artifacts[name] = {.path = NameFrom(out, *path), .exists = fs::exists(*path)};
  WriteJsonAtomic(out, Versioned(verdict));
}

}  // namespace kvtier
