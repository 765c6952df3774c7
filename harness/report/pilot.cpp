#include "harness/report/pilot.hpp"

#include <algorithm>
#include <cmath>
#include <map>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "harness/core/error.hpp"
#include "harness/core/files.hpp"
#include "harness/report/bundle.hpp"
#include "harness/report/legacy_phase70.hpp"
#include "harness/report/legacy_record.hpp"
#include "harness/report/stored_phase70.hpp"
#include "harness/stats/paired.hpp"
#include "harness/stats/summary.hpp"

namespace kvtier {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kMetric = "replay_ttfc_p95_ms";

/// The same experiment's file of another kind: its name with the first of these words replaced.
/// Empty when it is not there.
fs::path Beside(const fs::path& file, const char* kind) {
  const std::string name = file.filename().string();
  for (const char* word : {"manifest", "summary", "verdict", "deltas", "order_check"}) {
    const std::size_t at = name.rfind(word);
    if (at == std::string::npos) continue;
    std::string other = name;
    other.replace(at, std::string(word).size(), kind);
    const fs::path path = (file.parent_path() / other).replace_extension(".json");
    return fs::is_regular_file(path) ? path : fs::path();
  }
  return {};
}

/// Every kind of file is read loosely, as the predecessor's: what decides is checked, key by key.
template <class F>
auto FromFile(const fs::path& file, F&& read) {
  const json j = ReadJson(file);
  try {
    return read(LegacyPlace{&j, ""});
  } catch (const DataError& e) {
    throw DataError(fmt::format("{}: {}", file.string(), e.what()));
  }
}

/// Of the valid legs, by pair.
std::vector<double> LogRatiosFrom(const LegacyPlace& summary) {
  std::vector<double> out;
  for (const LegacyPlace& d : summary["pair_deltas"].Elements()) {
    const auto ratio = d["log_ratio_replay_ttfc_p95"].Number();
    if (ratio.available()) out.push_back(*ratio);
  }
  if (!out.empty()) return out;
  const std::string mode_a = summary["mode_a"].Text(), mode_b = summary["mode_b"].Text();
  if (mode_a == mode_b) return out;
  std::map<int, std::pair<std::optional<double>, std::optional<double>>> pairs;
  for (const LegacyPlace& row : summary["rows"].Elements()) {
    const auto id = row["pair_id"].Whole(0, 1'000'000);
    const auto value = row[kMetric].Number();
    if (!id || !value.available() || !(*value > 0) || row["status"].Text() != "ok") continue;
    auto& [a, b] = pairs[*id];
    (row["mode"].Text() == mode_b ? b : a) = *value;
  }
  for (const auto& [id, values] : pairs) {
    if (values.first && values.second) out.push_back(std::log(*values.second / *values.first));
  }
  return out;
}

void SpreadFrom(std::vector<double> log_ratios, Pilot& pilot) {
  pilot.pairs = log_ratios.size();
  const auto mean = EstimateMean(log_ratios);
  if (mean && mean->sd) pilot.sd = *mean->sd;
  pilot.log_ratios = std::move(log_ratios);
}

/// The detectable effect of a verdict is proportional to the spread.
void SpreadFromVerdict(const LegacyPlace& verdict, Pilot& pilot) {
  const auto mde = verdict["effect_details"]["mde"].Number();
  const auto pairs = verdict["effect"]["pairs_used"].Whole(0, 1'000'000);
  const auto alpha = verdict["effect"]["alpha"].Number();
  if (!mde.available() || !pairs || *pairs < 2) return;
  if (alpha.available() && (*alpha <= 0 || *alpha >= 1))
    verdict["effect"]["alpha"].Refuse("between 0 and 1");
  pilot.pairs = static_cast<std::size_t>(*pairs);
  pilot.sd = *mde / MinDetectableEffect(1, pilot.pairs, alpha.available() ? *alpha : 0.05);
}

std::optional<double> SecondsPerPair(const LegacyPlace& manifest) {
  std::optional<std::int64_t> first, last;
  std::map<int, int> legs;
  for (const LegacyPlace& run : manifest["runs"].Elements()) {
    const auto start = ParseUtcNs(run["started_utc"].Text());
    const auto end = ParseUtcNs(run["completed_utc"].Text());
    const auto id = run["pair_id"].Whole(0, 1'000'000);
    if (!start || !end || !id) continue;
    first = std::min(first.value_or(*start), *start);
    last = std::max(last.value_or(*end), *end);
    ++legs[*id];
  }
  const auto whole =
      std::count_if(legs.begin(), legs.end(), [](const auto& pair) { return pair.second >= 2; });
  if (!first || !last || *last <= *first || whole == 0) return std::nullopt;
  return static_cast<double>(*last - *first) / 1e9 / static_cast<double>(whole);
}

/// What a leg's worker wrote over all phases; empty where a phase has no witness.
std::optional<double> WrittenBy(const LegEvidence& leg) {
  double sum = 0;
  for (const PhaseEvidence& phase : leg.phases) {
    const auto bytes = phase.io.WitnessWrite();
    if (!bytes.available()) return std::nullopt;
    sum += static_cast<double>(bytes->value);
  }
  return leg.phases.empty() ? std::nullopt : std::optional<double>(sum);
}

/// Medians of both modes' legs, those that can still be read.
std::optional<double> BytesPerPair(const fs::path& manifest_file) {
  StoredPhase70 stored;
  try {
    stored = LoadStoredPhase70(manifest_file);
  } catch (const Error&) {
    return std::nullopt;  // the bundles are not needed for the plan, only for this estimate
  }
  std::map<TierMode, std::vector<double>> written;
  for (const Phase70Leg& leg : stored.input.legs) {
    if (const auto bytes = WrittenBy(leg.evidence)) written[leg.evidence.tier].push_back(*bytes);
  }
  double sum = 0;
  for (const TierMode mode : stored.input.setup.Modes()) {
    auto& of_mode = written[mode];
    if (of_mode.empty()) return std::nullopt;
    std::sort(of_mode.begin(), of_mode.end());
    sum += SortedQuantile(of_mode, 0.5);
  }
  return sum;
}

bool SameMode(const LegacyPlace& modes) {
  const std::string a = modes["mode_a"].Text();
  return !a.empty() && a == modes["mode_b"].Text();
}

}  // namespace

Pilot ReadPilot(const fs::path& file) {
  if (!fs::is_regular_file(file))
    throw ConfigError("--pilot " + file.string() + ": there is no such file");
  Pilot pilot;
  const bool csv = file.extension() == ".csv";
  const fs::path summary = Beside(file, "summary");
  const fs::path manifest = Beside(file, "manifest");
  if (!summary.empty()) {
    pilot.source = summary;
    FromFile(summary, [&](const LegacyPlace& j) {
      pilot.same_mode = SameMode(j);
      SpreadFrom(LogRatiosFrom(j), pilot);
      return 0;
    });
  }
  if (pilot.pairs < 2 && !csv) {
    pilot.source = file;
    FromFile(file, [&](const LegacyPlace& j) {
      if (!j["effect"].Missing()) {
        pilot.same_mode = SameMode(j["meta"]["modes"]);
        SpreadFromVerdict(j, pilot);
      } else if (!j["runs"].Missing()) {
        const StoredPhase70 stored = LoadStoredPhase70(file);
        pilot.same_mode = stored.input.setup.SameMode();
        std::vector<double> ratios;
        for (const PairDelta& d : AnalyzePhase70(stored.input, "").deltas) {
          if (d.log_ratio_replay_ttfc_p95) ratios.push_back(*d.log_ratio_replay_ttfc_p95);
        }
        SpreadFrom(std::move(ratios), pilot);
      } else {
        pilot.same_mode = SameMode(j);
        SpreadFrom(LogRatiosFrom(j), pilot);
      }
      return 0;
    });
  }
  if (pilot.pairs < 2) {
    throw ConfigError(fmt::format(
        "--pilot {}: no two complete pairs with {} in it{}", file.string(), kMetric,
        csv ? ": deltas are in ms, so name the summary or manifest of the experiment, or keep its "
              "summary JSON beside the CSV"
            : ""));
  }
  if (!manifest.empty()) {
    pilot.seconds_per_pair = FromFile(manifest, SecondsPerPair);
    pilot.ssd_bytes_per_pair = BytesPerPair(manifest);
  }
  return pilot;
}

}  // namespace kvtier
