#include "harness/report/hygiene.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <map>
#include <regex>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "harness/core/error.hpp"
#include "harness/core/files.hpp"
#include "harness/report/bundle.hpp"
#include "harness/report/process_identity.hpp"

namespace kvtier {
namespace fs = std::filesystem;
using nlohmann::json;
namespace {

constexpr std::array kTrialKeywords{
    "trial",          "smoke",         "debug",    "dry",       "retry",  "probe",
    "validation",     "verify",        "diag",     "diagnosis", "watch",  "selftest",
    "runtime_compat", "control_plane", "compare_", "live_pair", "handoff"};

/// Names of an experiment that move with it; the group is its <ts>.
const std::vector<std::regex>& ModernNames() {
  static const std::vector<std::regex> names = [] {
    std::vector<std::regex> all;
    for (const char* pattern : {
             "phase60_rehydrate_minimal_(?:preflight|debug)_B2_c\\d+_(\\w+)",
             "phase60_rehydrate_minimal_sweep_B[0-2]_c\\d+_(\\w+)",
             "phase60_minimal_sweep_logs_(\\w+)",
             "phase60_rehydrate_concurrency_sweep_(?:summary_minimal|junit)_(\\w+)\\.(?:json|csv|"
             "xml)",
             "phase60_sweep_b2c1_failure_diagnosis_(\\w+)\\.json",
             "phase60_stream_smoke_B2_c1_(\\w+)",
             "phase70_rehydrate_pair_B[0-2]_p\\d+_l\\d_(\\w+)",
             "phase70_pair_logs_(\\w+)",
             "phase70_(?:publishability_watch|mechanism_gate)_(\\w+)\\.log",
             "phase70_rehydrate_pair_repeats_(?:manifest|summary|deltas|order_check|preflight|gate|"
             "junit)_(\\w+)\\.(?:json|csv|xml)",
         }) {
      all.emplace_back(pattern);
    }
    return all;
  }();
  return names;
}

std::optional<std::string> ModernTs(const std::string& name) {
  for (const std::regex& pattern : ModernNames()) {
    std::smatch match;
    if (std::regex_match(name, match, pattern)) return match[1].str();
  }
  return std::nullopt;
}

/// Stays for ever: small, and what is left to say of an experiment after its data has gone.
std::string ReasonToStay(const std::string& name) {
  static const std::regex kVerdict(
      "phase\\d\\d_.*(?:verdict|knee|crossover_recommendation|pair_repeats_report).*");
  static const std::regex kBaseline("phase\\d\\d_.*(?:known_good|baseline_manifest_audit).*");
  if (name == "publish" || name == "current" || name == "archives" || name.starts_with("campaign_"))
    return "protected";
  if (std::regex_match(name, kBaseline)) return "baseline";
  if (std::regex_match(name, kVerdict)) return "verdict";
  return "";
}

bool IsStamp(const std::string& ts) {
  static const std::regex kStamp("\\d{8}T\\d{6}Z");
  return std::regex_match(ts, kStamp);
}

/// Of the entry itself, not of what a link leads to; `none` where it cannot be looked at.
fs::file_type TypeOf(const fs::path& path) {
  std::error_code refused;
  return fs::symlink_status(path, refused).type();
}

bool IsRealFolder(const fs::path& path) {
  return TypeOf(path) == fs::file_type::directory;
}

/// Ours by its marks, not by its name: both manifests of a run state its id.
bool IsRunFolder(const fs::path& folder) {
  for (const char* file : {bundle_files::kConfig, bundle_files::kManifest}) {
    if (TypeOf(folder / file) != fs::file_type::regular) continue;
    try {
      const json j = ReadJson(folder / file);
      if (j.is_object() && j.contains("run_id") && j["run_id"].is_string()) return true;
    } catch (const Error&) {
      // Torn or somebody else's: no mark.
    }
  }
  return false;
}

bool IsRunOrBundle(const fs::path& folder) {
  if (!IsRealFolder(folder)) return false;
  if (IsRunFolder(folder)) return true;
  std::error_code gone;
  for (const auto& child : fs::directory_iterator(folder, gone)) {
    if (IsRealFolder(child.path()) && IsRunFolder(child.path())) return true;
  }
  return false;
}

bool HasTrialKeyword(std::string name) {
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return std::any_of(kTrialKeywords.begin(), kTrialKeywords.end(),
                     [&](const char* word) { return name.find(word) != std::string::npos; });
}

/// The names among `known` that a file mentions as a whole word, whatever its format.
std::set<std::string> NamesIn(const fs::path& file, const std::set<std::string>& known) {
  const std::string text = ReadFile(file);
  std::set<std::string> found;
  const auto is_part = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '_' || c == '-';
  };
  for (auto at = text.begin(); at != text.end();) {
    const auto end = std::find_if_not(at, text.end(), is_part);
    if (const std::string word(at, end); known.contains(word)) found.insert(word);
    at = std::find_if(end, text.end(), is_part);
  }
  return found;
}

class Planner {
 public:
  explicit Planner(const HygieneOptions& options) : options_(options) {
    CheckOptions();
    plan_.root = fs::canonical(options.results_root);
    plan_.tag = options.archive_tag;
  }

  HygienePlan Make() {
    for (const auto& entry : fs::directory_iterator(plan_.root)) {
      const std::string name = entry.path().filename().string();
      if (name != "archive" && name != "trials") names_.insert(name);
    }
    ChooseTimestamps();
    for (const std::string& name : names_) plan_.entries.push_back(Decide(name));
    KeepWhatIsNamed();
    std::set<std::string> taken;
    for (HygieneEntry& e : plan_.entries) {
      if (e.action != HygieneAction::kKeep) e.destination = FreeDestination(e, taken);
    }
    return std::move(plan_);
  }

 private:
  void CheckOptions() const {
    if (!fs::is_directory(options_.results_root))
      throw ConfigError(options_.results_root.string() +
                        ": no such folder; name the results root with --results-root");
    if (options_.keep_latest_ts < 0)
      throw ConfigError(
          fmt::format("--keep-latest-ts {}: allowed are 0 and more", options_.keep_latest_ts));
    if (!IsPlainName(options_.archive_tag))
      throw ConfigError("--archive-tag '" + options_.archive_tag +
                        "': allowed are letters, digits, '.', '_' and '-', none of the last two "
                        "dots or dashes first");
    for (const std::string& ts : options_.keep_ts) {
      if (!IsPlainName(ts))
        throw ConfigError("--keep-modern-ts '" + ts +
                          "': expected a <ts> such as 20260219T211627Z");
    }
  }

  void ChooseTimestamps() {
    std::set<std::string, std::greater<>> stamps;
    for (const std::string& name : names_) {
      if (const auto ts = ModernTs(name); ts && IsStamp(*ts)) stamps.insert(*ts);
    }
    std::set<std::string, std::greater<>> keep(options_.keep_ts.begin(), options_.keep_ts.end());
    for (const std::string& ts : CurrentTimestamps(plan_.root)) keep.insert(ts);
    int latest = 0;
    for (const std::string& ts : stamps) {
      if (latest++ == options_.keep_latest_ts) break;
      keep.insert(ts);
    }
    plan_.keep_timestamps.assign(keep.begin(), keep.end());
  }

  bool IsKept(const std::string& ts) const {
    return std::find(plan_.keep_timestamps.begin(), plan_.keep_timestamps.end(), ts) !=
           plan_.keep_timestamps.end();
  }

  HygieneEntry Decide(const std::string& name) const {
    const fs::path path = plan_.root / name;
    if (TypeOf(path) == fs::file_type::symlink) return {name, HygieneAction::kKeep, "symlink"};
    if (!IsPlainName(name)) return {name, HygieneAction::kKeep, "not_recognised"};
    const auto ts = ModernTs(name);
    if (ts && IsKept(*ts)) return {name, HygieneAction::kKeep, "modern_ts=" + *ts};
    if (const std::string stay = ReasonToStay(name); !stay.empty())
      return {name, HygieneAction::kKeep, stay};
    if (ts && !IsStamp(*ts)) return {name, HygieneAction::kKeep, "unordered_ts=" + *ts};
    if (!ts && !IsRunOrBundle(path)) return {name, HygieneAction::kKeep, "not_recognised"};
    if (HoldsLiveRun(path)) return {name, HygieneAction::kKeep, "may_be_running"};
    if (ts) return {name, HygieneAction::kArchive, "modern_old_ts=" + *ts};
    for (const std::string& kept : plan_.keep_timestamps) {
      if (name.find(kept) != std::string::npos)
        return {name, HygieneAction::kKeep, "modern_ts=" + kept};
    }
    if (HasTrialKeyword(name)) return {name, HygieneAction::kTrial, "trial_keyword"};
    return {name, HygieneAction::kArchive, "non_modern"};
  }

  /// Whether what this file names must stay with it: files of a kept experiment, its verdict among
  /// them, and baselines. Old verdicts keep nothing back.
  bool HoldsBack(const HygieneEntry& e) const {
    if (e.action != HygieneAction::kKeep || TypeOf(plan_.root / e.name) != fs::file_type::regular)
      return false;
    if (e.reason == "baseline" || e.reason.starts_with("modern_ts=")) return true;
    return e.reason == "verdict" &&
           std::any_of(plan_.keep_timestamps.begin(), plan_.keep_timestamps.end(),
                       [&](const std::string& ts) { return e.name.find(ts) != std::string::npos; });
  }

  void KeepWhatIsNamed() {
    std::map<std::string, std::string> named_by;
    for (const HygieneEntry& e : plan_.entries) {
      if (!HoldsBack(e)) continue;
      for (const std::string& name : NamesIn(plan_.root / e.name, names_))
        named_by.emplace(name, e.name);
    }
    for (HygieneEntry& e : plan_.entries) {
      const auto by = named_by.find(e.name);
      if (e.action == HygieneAction::kKeep || by == named_by.end()) continue;
      e.action = HygieneAction::kKeep;
      e.reason = "referenced_by=" + by->second;
    }
  }

  std::string FreeDestination(const HygieneEntry& e, std::set<std::string>& taken) const {
    const std::string wanted = fmt::format(
        "{}/{}/{}", e.action == HygieneAction::kTrial ? "trials" : "archive", plan_.tag, e.name);
    std::string free = wanted;
    for (int k = 2; taken.contains(free) || TypeOf(plan_.root / free) != fs::file_type::not_found;
         ++k) {
      free = fmt::format("{}__dup{}", wanted, k);
    }
    taken.insert(free);
    return free;
  }

  const HygieneOptions& options_;
  HygienePlan plan_;
  std::set<std::string> names_;
};

std::string Shown(const std::string& name) {
  std::string out;
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    out += byte < 0x20 || byte == 0x7f ? fmt::format("\\x{:02x}", byte) : std::string(1, c);
  }
  return out;
}

}  // namespace

bool IsPlainName(const std::string& name) {
  static const std::regex kPlain("[A-Za-z0-9_][A-Za-z0-9._-]*");
  return name.size() <= 255 && std::regex_match(name, kPlain);
}

bool HoldsLiveRun(const fs::path& folder) {
  const auto lives_here = [](const fs::path& dir) {
    const fs::path file = dir / bundle_files::kState;
    const fs::file_type type = TypeOf(file);
    if (type == fs::file_type::none) return true;  // unreadable: nobody knows that it does not run
    if (type != fs::file_type::regular) return false;
    try {
      const json j = ReadJson(file);
      return j.at("state") == "running" &&
             ProcessIdentity{j.at("pid").get<std::int64_t>(),
                             j.value("pid_start_ticks", std::uint64_t{0})}
                 .Alive();
    } catch (const std::exception&) {
      return true;  // being written, or broken: the same
    }
  };
  if (!IsRealFolder(folder)) return false;
  if (lives_here(folder)) return true;
  std::error_code gone;
  for (fs::recursive_directory_iterator at(folder, gone), end; at != end; at.increment(gone)) {
    if (!IsRealFolder(at->path())) continue;
    if (lives_here(at->path())) return true;
    if (at.depth() == 1) at.disable_recursion_pending();
  }
  return false;
}

std::set<std::string> CurrentTimestamps(const fs::path& root) {
  std::set<std::string> all;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(root / "current", none)) {
    if (entry.path().extension() != ".json") continue;
    const json j = ReadJson(entry.path());
    if (j.is_object() && j.contains("ts") && j["ts"].is_string())
      all.insert(j["ts"].get<std::string>());
  }
  return all;
}

int HygienePlan::Count(HygieneAction action) const {
  return static_cast<int>(std::count_if(entries.begin(), entries.end(),
                                        [&](const HygieneEntry& e) { return e.action == action; }));
}

HygienePlan PlanHygiene(const HygieneOptions& options) {
  return Planner(options).Make();
}

std::string RenderHygienePlan(const HygienePlan& plan) {
  std::string out = fmt::format("results_root={}\narchive_tag={}\n", plan.root.string(), plan.tag);
  std::vector<std::string> quoted;
  for (const std::string& ts : plan.keep_timestamps) quoted.push_back("'" + ts + "'");
  out += fmt::format("keep_timestamps=[{}]\n", fmt::join(quoted, ", "));
  out += fmt::format("plan_counts keep={} trial_moves={} legacy_moves={}\n",
                     plan.Count(HygieneAction::kKeep), plan.Count(HygieneAction::kTrial),
                     plan.Count(HygieneAction::kArchive));
  for (const HygieneEntry& e : plan.entries) {
    out += e.action == HygieneAction::kKeep
               ? fmt::format("KEEP {} ({})\n", Shown(e.name), e.reason)
               : fmt::format("MOVE {} -> {} ({})\n", Shown(e.name), e.destination, e.reason);
  }
  return out;
}

}  // namespace kvtier
