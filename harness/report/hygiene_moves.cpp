#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sys/file.h>
#include <sys/stat.h>

#include "harness/core/clock.hpp"
#include "harness/core/error.hpp"
#include "harness/core/files.hpp"
#include "harness/report/hygiene.hpp"

namespace kvtier {
namespace fs = std::filesystem;
using nlohmann::json;
namespace {

constexpr int kJournalVersion = 1;
constexpr std::string_view kJournalPrefix = "hygiene_journal_";

/// A folder held open: what is done through it cannot be led elsewhere by a link that appears.
class Folder {
 public:
  /// Throws IoError; ConfigError when it is a link.
  Folder(int parent, const std::string& name, const fs::path& shown) : path_(shown) {
    fd_ = ::openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd_ < 0 && (errno == ELOOP || errno == ENOTDIR))
      throw ConfigError(shown.string() +
                        " is a link or no folder; hygiene moves only into folders of the root");
    if (fd_ < 0) throw IoError::FromErrno("open", shown.string(), errno);
  }
  Folder(Folder&& other) noexcept
      : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)) {}
  Folder& operator=(Folder&&) = delete;
  ~Folder() {
    if (fd_ >= 0) ::close(fd_);
  }

  Folder Make(const std::string& name) const {
    const fs::path shown = path_ / name;
    if (::mkdirat(fd_, name.c_str(), 0755) != 0 && errno != EEXIST)
      throw IoError::FromErrno("make", shown.string(), errno);
    return {fd_, name, shown};
  }
  dev_t Device() const {
    struct stat s {};
    if (::fstat(fd_, &s) != 0) throw IoError::FromErrno("look at", path_.string(), errno);
    return s.st_dev;
  }
  bool Has(const std::string& name) const {
    struct stat s {};
    return ::fstatat(fd_, name.c_str(), &s, AT_SYMLINK_NOFOLLOW) == 0;
  }
  void Sync() const { ::fsync(fd_); }
  int fd() const { return fd_; }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
  int fd_ = -1;
};

/// True when moved, false when the destination exists.
bool RenameWithoutReplacing(const Folder& from, const std::string& name, const Folder& to,
                            const std::string& as) {
  if (::renameat2(from.fd(), name.c_str(), to.fd(), as.c_str(), RENAME_NOREPLACE) == 0) return true;
  if (errno == EINVAL || errno == ENOSYS) {  // a file system that knows no flags, such as NFS
    if (to.Has(as)) return false;
    if (::renameat(from.fd(), name.c_str(), to.fd(), as.c_str()) == 0) return true;
  }
  if (errno == EEXIST) return false;
  throw IoError::FromErrno(
      "move", fmt::format("{} to {}", (from.path() / name).string(), (to.path() / as).string()),
      errno);
}

bool Exists(const fs::path& path) {
  return fs::symlink_status(path).type() != fs::file_type::not_found;
}

/// Moves of the earlier runs under this tag that have really happened.
std::vector<HygieneMove> DoneBefore(const fs::path& root, const std::string& tag) {
  const fs::path file = HygieneJournalFile(root, tag);
  if (!Exists(file)) return {};
  std::vector<HygieneMove> done;
  for (HygieneMove& m : ReadJson(file).get<HygieneJournal>().moves) {
    // A source that is there again is a new one; the destination tells.
    if (Exists(root / m.to)) done.push_back(std::move(m));
  }
  return done;
}

class Mover {
 public:
  explicit Mover(const HygienePlan& plan)
      : plan_(plan), root_(AT_FDCWD, plan.root.string(), plan.root) {
    if (::flock(root_.fd(), LOCK_EX | LOCK_NB) != 0)
      throw ConfigError("another kvtier hygiene works in " + plan.root.string() +
                        "; wait until it has ended");
  }

  HygieneResult Run(const std::function<void(const HygieneMove&)>& on_move) {
    const bool any = std::any_of(plan_.entries.begin(), plan_.entries.end(), IsMove);
    const std::optional<std::string> interrupted = InterruptedHygieneTag(plan_.root);
    if (!any && !interrupted) return {};
    const Folder archive = root_.Make("archive").Make(plan_.tag);
    RefuseAnotherDevice(archive);
    std::optional<Folder> trials;
    if (plan_.Count(HygieneAction::kTrial) > 0) {
      trials.emplace(root_.Make("trials").Make(plan_.tag));
      RefuseAnotherDevice(*trials);
    }
    if (interrupted && *interrupted != plan_.tag) Finish(*interrupted);
    Begin(interrupted == plan_.tag);
    for (const HygieneEntry& e : plan_.entries) {
      if (!IsMove(e)) continue;
      if (!StillMoves(e)) {
        result_.left.push_back(e.name);
        continue;
      }
      Move(e, e.action == HygieneAction::kTrial ? *trials : archive);
      if (on_move) on_move(result_.moved.back());
    }
    archive.Sync();
    if (trials) trials->Sync();
    root_.Sync();
    Finish(plan_.tag);
    return std::move(result_);
  }

 private:
  static bool IsMove(const HygieneEntry& e) { return e.action != HygieneAction::kKeep; }

  void RefuseAnotherDevice(const Folder& folder) const {
    if (folder.Device() != root_.Device())
      throw ConfigError(fmt::format(
          "{} is on another file system than {}: a move would be a copy; nothing was moved. Move "
          "it by hand, or let kvtier archive pack it",
          folder.path().string(), plan_.root.string()));
  }

  void Begin(bool resumes) {
    journal_ = {plan_.tag, UtcMillisNow(), "running", DoneBefore(plan_.root, plan_.tag)};
    if (resumes) result_.resumed = journal_.moves.size();
    for (const HygieneEntry& e : plan_.entries) {
      if (IsMove(e)) journal_.moves.push_back({e.name, e.destination, e.reason});
    }
    WriteJsonAtomic(HygieneJournalFile(plan_.root, plan_.tag), journal_);
  }

  /// What became of the plan since it was made: an experiment may have begun or been resumed.
  bool StillMoves(const HygieneEntry& e) const {
    if (!root_.Has(e.name) || fs::is_symlink(fs::symlink_status(plan_.root / e.name))) return false;
    if (HoldsLiveRun(plan_.root / e.name)) return false;
    const auto current = CurrentTimestamps(plan_.root);
    return std::none_of(current.begin(), current.end(), [&](const std::string& ts) {
      return !ts.empty() && e.name.find(ts) != std::string::npos;
    });
  }

  void Move(const HygieneEntry& e, const Folder& to) {
    std::string as = fs::path(e.destination).filename().string();
    for (int k = 2; !RenameWithoutReplacing(root_, e.name, to, as); ++k)
      as = fmt::format("{}__dup{}", e.name, k);
    const std::string where = (fs::path(e.destination).parent_path() / as).string();
    result_.moved.push_back({e.name, where, e.reason});
    if (where == e.destination) return;
    for (HygieneMove& m : journal_.moves) {
      if (m.from == e.name && m.to == e.destination) m.to = where;
    }
    WriteJsonAtomic(HygieneJournalFile(plan_.root, plan_.tag), journal_);
  }

  void Finish(const std::string& tag) const {
    const fs::path file = HygieneJournalFile(plan_.root, tag);
    HygieneJournal journal = ReadJson(file).get<HygieneJournal>();
    journal.moves = DoneBefore(plan_.root, tag);
    journal.state = "finished";
    WriteJsonAtomic(file, journal);
  }

  const HygienePlan& plan_;
  Folder root_;
  HygieneJournal journal_;
  HygieneResult result_;
};

/// "archive/<tag>/<name>" or "trials/<tag>/<name>" of plain names.
bool StaysInRoot(const std::string& to) {
  std::vector<std::string> parts;
  for (const fs::path& part : fs::path(to)) parts.push_back(part.string());
  return parts.size() == 3 && (parts[0] == "archive" || parts[0] == "trials") &&
         IsPlainName(parts[1]) && IsPlainName(parts[2]);
}

}  // namespace

void to_json(json& j, const HygieneJournal& journal) {
  json moves = json::array();
  for (const HygieneMove& m : journal.moves)
    moves.push_back({{"from", m.from}, {"to", m.to}, {"reason", m.reason}});
  j = {{"schema_version", kJournalVersion},
       {"tag", journal.tag},
       {"started_utc", journal.started_utc},
       {"state", journal.state},
       {"moves", std::move(moves)}};
}

void from_json(const json& j, HygieneJournal& journal) {
  try {
    if (j.at("schema_version") != kJournalVersion)
      throw DataError("key schema_version of a hygiene journal: expected 1");
    j.at("tag").get_to(journal.tag);
    j.at("started_utc").get_to(journal.started_utc);
    j.at("state").get_to(journal.state);
    journal.moves.clear();
    for (const json& m : j.at("moves")) {
      journal.moves.push_back({m.at("from").get<std::string>(), m.at("to").get<std::string>(),
                               m.at("reason").get<std::string>()});
    }
  } catch (const json::exception& e) {
    throw DataError(fmt::format("a hygiene journal is not what it should be: {}", e.what()));
  }
  if (!IsPlainName(journal.tag)) throw DataError("key tag of a hygiene journal is no plain name");
  for (const HygieneMove& m : journal.moves) {
    if (!IsPlainName(m.from) || !StaysInRoot(m.to))
      throw DataError("key moves of a hygiene journal names a place outside the results root");
  }
}

fs::path HygieneJournalFile(const fs::path& root, const std::string& tag) {
  return root / "archive" / fmt::format("{}{}.json", kJournalPrefix, tag);
}

std::optional<std::string> InterruptedHygieneTag(const fs::path& root) {
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(root / "archive", none)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(kJournalPrefix) || entry.path().extension() != ".json") continue;
    try {
      const auto journal = ReadJson(entry.path()).get<HygieneJournal>();
      if (HygieneJournalFile(root, journal.tag).filename() != name)
        throw DataError("key tag is not the one in the file's name");
      if (journal.state == "running") return journal.tag;
    } catch (const DataError& e) {
      throw DataError(fmt::format("{}: {}", entry.path().string(), e.what()));
    }
  }
  return std::nullopt;
}

HygieneResult ApplyHygiene(const HygienePlan& plan,
                           const std::function<void(const HygieneMove&)>& on_move) {
  return Mover(plan).Run(on_move);
}

}  // namespace kvtier
