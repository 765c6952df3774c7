#pragma once
#include <filesystem>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

/// Tidies a results root: experiments that are no longer the newest go to archive/<tag>/, trials to
/// trials/<tag>/. Nothing is ever deleted or copied; a move is one rename. What is not recognised
/// as kvtier's or its predecessor's stays where it is.
namespace kvtier {

struct HygieneOptions {
  std::filesystem::path results_root;
  int keep_latest_ts = 1;            // the newest experiments, Phase60 and Phase70 alike
  std::vector<std::string> keep_ts;  // pinned, besides those
  std::string archive_tag;           // name of the folder in archive/ and trials/
};

enum class HygieneAction { kKeep, kTrial, kArchive };

/// One entry of the results root.
struct HygieneEntry {
  std::string name;
  HygieneAction action = HygieneAction::kKeep;
  /// Of a move: "modern_old_ts=<ts>", "trial_keyword", "non_modern". Of what stays:
  /// "modern_ts=<ts>", "verdict", "protected", "baseline", "may_be_running",
  /// "referenced_by=<file>", "unordered_ts=<ts>", "symlink", "not_recognised".
  std::string reason;
  std::string destination = {};  // relative to the root; empty of what stays
};

struct HygienePlan {
  std::filesystem::path root;  // canonical
  std::string tag;
  std::vector<std::string> keep_timestamps;  // newest first
  std::vector<HygieneEntry> entries;         // by name

  int Count(HygieneAction action) const;
};

/// Reads the root and decides; writes nothing. What stays, whatever its age: verdicts and reports,
/// knee tables and recommendations, baselines and the run they came from, publish/, current/ and
/// the experiments that current/ names, whatever a live process writes to, what the files of a kept
/// experiment name, links, and names that are not plain. Throws ConfigError on a tag or a <ts> that
/// is not a plain name, or when the root is none; DataError when a file of current/ cannot be read,
/// since then nobody knows what is running.
HygienePlan PlanHygiene(const HygieneOptions& options);

/// The documented lines up to the last KEEP or MOVE. Characters that a terminal would act on are
/// shown as \xNN.
std::string RenderHygienePlan(const HygienePlan& plan);

/// One move of a journal, both sides relative to the root.
struct HygieneMove {
  std::string from, to, reason;
};

/// archive/hygiene_journal_<tag>.json: written before the first move and after the last one. A move
/// is done when `to` is there and `from` is not, so a killed run needs no other note.
struct HygieneJournal {
  std::string tag, started_utc, state;  // running, finished
  std::vector<HygieneMove> moves;
};
void to_json(nlohmann::json& j, const HygieneJournal& journal);
/// Throws DataError on another schema version or a path that leaves the root.
void from_json(const nlohmann::json& j, HygieneJournal& journal);
std::filesystem::path HygieneJournalFile(const std::filesystem::path& root, const std::string& tag);
/// The tag of a run that was killed between its first and its last move; empty when there is none.
/// Throws DataError naming the journal that cannot be read.
std::optional<std::string> InterruptedHygieneTag(const std::filesystem::path& root);

struct HygieneResult {
  std::vector<HygieneMove> moved;
  /// Names that the plan moves but that meanwhile run, are named by current/ or are gone.
  std::vector<std::string> left;
  std::size_t resumed = 0;  // moves of the interrupted run under this tag that were done already
};

/// Does the moves of the plan; `on_move` is told of each right after it. Destinations that exist
/// are never replaced: a name taken meanwhile gets the next __dup<k>. Throws ConfigError when
/// another hygiene runs in this root or when archive/ or trials/ is a link or on another file
/// system (nothing is moved then); IoError when the system refuses a move, which a later call goes
/// on from.
HygieneResult ApplyHygiene(const HygienePlan& plan,
                           const std::function<void(const HygieneMove&)>& on_move = {});

/// [A-Za-z0-9._-]+ that does not begin with a dot or a dash.
bool IsPlainName(const std::string& name);
/// Whether a process that lives writes to a run in `folder` or up to two levels below it; also true
/// where a run's state cannot be read.
bool HoldsLiveRun(const std::filesystem::path& folder);
/// The <ts> that files of <root>/current name. Throws DataError naming a file that cannot be read.
std::set<std::string> CurrentTimestamps(const std::filesystem::path& root);

}  // namespace kvtier
