#include "harness/report/pack/results_pack.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "harness/core/clock.hpp"
#include "harness/core/error.hpp"
#include "harness/core/files.hpp"
#include "harness/report/bundle.hpp"
#include "harness/report/figures/figure_set.hpp"
#include "harness/report/pack/pack_documents.hpp"
#include "harness/report/pack/pack_tables.hpp"
#include "harness/report/pack/report_html.hpp"

namespace kvtier {
namespace fs = std::filesystem;

namespace {

constexpr const char* kPackManifest = "pack_manifest.json";

/// Goes away with whatever was written unless it was renamed.
class StagingFolder {
 public:
  explicit StagingFolder(fs::path path) : path_(std::move(path)) {
    std::error_code error;
    fs::create_directories(path_, error);
    if (error) throw IoError::FromErrno("create", path_.string(), error.value());
  }
  ~StagingFolder() {
    std::error_code ignored;
    if (!path_.empty()) fs::remove_all(path_, ignored);
  }
  StagingFolder(const StagingFolder&) = delete;
  StagingFolder& operator=(const StagingFolder&) = delete;
  const fs::path& path() const { return path_; }
  void RenameTo(const fs::path& target) {
    std::error_code error;
    fs::rename(path_, target, error);
    if (error)
      throw IoError::FromErrno("rename " + path_.string() + " to", target.string(), error.value());
    path_.clear();
  }

 private:
  fs::path path_;
};

void Write(const fs::path& folder, const PackFile& file) {
  const fs::path path = folder / file.name;
  fs::create_directories(path.parent_path());
  WriteFileAtomic(path, file.bytes);
}

HashedFile Hashed(const fs::path& file, const std::string& name) {
  const std::string bytes = ReadFile(file);
  return {.path = name, .sha256 = Sha256Hex(bytes), .bytes = bytes.size()};
}

struct Source {
  const char* key;
  fs::path file;
  const char* copy;  // its name in the pack; null: not copied
};

std::vector<Source> SourcesOf(const Phase70Paths& paths) {
  return {{"manifest", paths.Manifest(), "manifest.json"},
          {"summary_json", paths.Summary(), "summary.json"},
          {"summary_csv", paths.SummaryCsv(), "summary.csv"},
          {"deltas_csv", paths.DeltasCsv(), "deltas.csv"},
          {"order_check_json", paths.OrderCheck(), "order_check.json"},
          {"verdict_json", paths.Verdict(), "verdict.json"},
          {"preflight_json", paths.Preflight(), nullptr},
          {"gate_json", paths.Gate(), nullptr}};
}

std::string Relative(const fs::path& file, const fs::path& root) {
  return file.lexically_normal().lexically_relative(root.lexically_normal()).string();
}

/// The artifacts of the experiment, and of each leg the summary, which its records are behind.
std::map<std::string, HashedFile> HashSources(const Phase70Paths& paths, const PackInput& in) {
  std::map<std::string, HashedFile> out;
  for (const auto& s : SourcesOf(paths)) {
    if (fs::exists(s.file)) out[s.key] = Hashed(s.file, Relative(s.file, paths.root));
  }
  for (const auto& run : in.manifest.runs) {
    fs::path dir = paths.root / run.run_dir;
    if (!fs::exists(dir)) dir = paths.RunDir(run.mode, run.pair_id, run.pair_leg);
    for (const char* name : {bundle_files::kSummary, bundle_files::kRequests}) {
      if (fs::exists(dir / name))
        out[run.run_id + "/" + name] = Hashed(dir / name, Relative(dir / name, paths.root));
    }
  }
  return out;
}

/// Copies with their time of change.
void CopySources(const Phase70Paths& paths, const fs::path& folder) {
  for (const auto& s : SourcesOf(paths)) {
    if (s.copy == nullptr || !fs::exists(s.file)) continue;
    std::error_code error;
    fs::copy_file(s.file, folder / s.copy, error);
    if (!error) fs::last_write_time(folder / s.copy, fs::last_write_time(s.file), error);
    if (error) throw IoError::FromErrno("copy", s.file.string(), error.value());
  }
}

std::vector<std::string> SourceLines(const std::map<std::string, HashedFile>& sources) {
  std::vector<std::string> lines;
  std::size_t legs = 0;
  for (const auto& [key, file] : sources) {
    if (key.find('/') == std::string::npos) {
      lines.push_back(fmt::format("{}, {} bytes, SHA-256 {}", file.path, file.bytes, file.sha256));
    } else {
      ++legs;
    }
  }
  if (legs > 0)
    lines.push_back(fmt::format("{} files of the legs' bundles, see pack_manifest.json", legs));
  return lines;
}

struct Drawn {
  std::vector<Figure> figures;
  std::vector<std::string> notes;
};

Drawn DrawFigures(const PackInput& in, const Phase70Paths& paths, const fs::path& folder,
                  bool skip) {
  if (skip) {
    Write(folder,
          {"FIGURES/README.md", "The figures were left out on request (--skip-figures).\n"});
    return {.figures = {}, .notes = {"figures_skipped_cli=true"}};
  }
  Drawn drawn;
  drawn.figures = Phase70Figures(in.analysis, in.legs, ContextOf(in.manifest, paths));
  fs::create_directories(folder / "FIGURES");
  drawn.notes = WriteFigures(folder / "FIGURES", drawn.figures).notes;
  drawn.notes.insert(drawn.notes.begin(), "figures_generated=true");
  return drawn;
}

std::vector<HashedFile> HashFolder(const fs::path& folder) {
  std::vector<HashedFile> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file())
      files.push_back(Hashed(entry.path(), Relative(entry.path(), folder)));
  }
  std::sort(files.begin(), files.end(),
            [](const auto& a, const auto& b) { return a.path < b.path; });
  return files;
}

PackManifest ManifestOf(const PackInput& in, std::map<std::string, HashedFile> sources,
                        const fs::path& folder, std::vector<std::string> notes) {
  const Verdict& v = in.verdict();
  const Phase70Setup& s = in.manifest.setup;
  return {.created_utc = in.created_utc,
          .source_ts = s.ts,
          .pair_count = s.planned_pairs,
          .replay_concurrency = s.replay_concurrency,
          .mode_a = std::string(TierName(s.mode_a)),
          .mode_b = std::string(TierName(s.mode_b)),
          .ssd_write_signal_present = v.ssd_write_signal_present,
          .ssd_rehydrate_signal_present = v.ssd_rehydrate_signal_present,
          .ssd_reuse_signal_present = v.ssd_reuse_signal_present,
          .decision_grade = v.decision_grade,
          .word = std::string(EffectWordName(v.effect.word)),
          .grade = std::string(GradeName(v.grade)),
          .reason_codes = v.reason_codes,
          .sources = std::move(sources),
          .files = HashFolder(folder),
          .notes = std::move(notes)};
}

fs::path TargetOf(const Phase70Paths& paths, const PackInput& in, const PackOptions& options) {
  const std::string name =
      options.name.empty() ? fmt::format("phase70_pairs{}_c{}_{}", in.manifest.setup.planned_pairs,
                                         in.manifest.setup.replay_concurrency, in.manifest.setup.ts)
                           : options.name;
  if (name.find('/') != std::string::npos || name == "." || name == "..")
    throw ConfigError(fmt::format(
        "--pack-name {} must be the name of a folder, not a path: use --out-root for the place",
        name));
  return (options.out_root.empty() ? paths.root / "publish" : options.out_root) / name;
}

/// Empty when nothing stands there.
fs::path SetAside(const fs::path& target, bool replace) {
  if (!fs::exists(target)) return {};
  if (!replace)
    throw ConfigError(fmt::format(
        "{} is there already: --force keeps it as {}.replaced<k> and writes a new one, --pack-name "
        "writes beside it",
        target.string(), target.filename().string()));
  int k = 1;
  while (fs::exists(fmt::format("{}.replaced{}", target.string(), k))) ++k;
  const fs::path aside = fmt::format("{}.replaced{}", target.string(), k);
  std::error_code error;
  fs::rename(target, aside, error);
  if (error) throw IoError::FromErrno("rename", target.string(), error.value());
  return aside;
}

}  // namespace

PackResult WriteResultsPack(const Phase70Paths& paths, const PackOptions& options) {
  const PackInput in =
      LoadPackInput(paths, options.created_utc.empty() ? UtcMillisNow() : options.created_utc);
  const fs::path target = TargetOf(paths, in, options);
  if (!options.replace) SetAside(target, false);  // refuse before the work
  StagingFolder staging(target.parent_path() /
                        fmt::format(".{}.tmp{}", target.filename().string(), ::getpid()));
  const fs::path& folder = staging.path();
  auto sources = HashSources(paths, in);
  const auto source_lines = SourceLines(sources);
  const auto evidence = ListEvidence(in);
  const Drawn drawn = DrawFigures(in, paths, folder, options.skip_figures);
  CopySources(paths, folder);
  Write(folder, {"report.html", RenderReportHtml(in, evidence, drawn.figures, source_lines)});
  Write(folder, {"TECHBRIEF_EVIDENCE.md", TechbriefEvidenceMd(in, evidence)});
  Write(folder, {"METHOD.md", MethodMd(in, source_lines)});
  Write(folder, {"methodology.md", MethodologyMd(in)});
  Write(folder, {"RESULTS/summary.md", ResultsMd(in, evidence)});
  Write(folder,
        {"README.md", PackReadmeMd(in, fmt::format("Figures: {}.", fmt::join(drawn.notes, "; ")))});
  for (const auto& table : DocumentedTables(in)) Write(folder, table);
  for (const auto& table : ResultTables(in, evidence)) Write(folder, table);
  PackResult result{.folder = target,
                    .manifest = ManifestOf(in, std::move(sources), folder, drawn.notes),
                    .replaced = {}};
  WriteJsonAtomic(folder / kPackManifest, result.manifest);
  result.replaced = SetAside(target, options.replace);
  staging.RenameTo(target);
  return result;
}

}  // namespace kvtier
