#pragma once
#include <filesystem>
#include <functional>
#include <string>

#include "harness/judge/phase70.hpp"
#include "harness/report/phase70_files.hpp"

/// A paired experiment as it lies on disk, ours or the predecessor's, for whoever judges it again.
namespace kvtier {

struct StoredPhase70 {
  bool legacy = false;
  Phase70Paths paths;  // root: the folder of the manifest
  Phase70Manifest manifest;
  Phase70Input input;
};
/// Manifest, preflight and every leg that the manifest names. `change` lays what the caller judges
/// by over what was declared, before the first leg is read: ours are judged as they are read and
/// their rows released (LegRows::kRelease), so another setup afterwards comes too late. Legs of the
/// predecessor keep their rows, and those that cannot be read are findings. Throws IoError without
/// a manifest and DataError, naming the file, for a manifest or a preflight that is not what it
/// should be.
StoredPhase70 LoadStoredPhase70(const std::filesystem::path& manifest,
                                const std::function<void(Phase70Setup&)>& change = {});

/// The five artifacts of an experiment that a verdict names, wherever the caller put them.
struct Phase70ArtifactFiles {
  std::filesystem::path manifest, summary_json, summary_csv, pair_delta_csv, order_check_json;
};

/// Summary JSON and CSV, deltas CSV and order check: the bytes that the live run wrote. A file
/// beside the summary is named by its file name alone. An order check that is there already and
/// differs in nothing but its time keeps its time.
void WritePhase70AnalysisTo(const Phase70ArtifactFiles& files, const Phase70Manifest& manifest,
                            const Phase70Analysis& analysis);
/// The verdict with its list of artifacts: names relative to its own folder where they lie there.
void WritePhase70VerdictTo(const std::filesystem::path& out, const Phase70ArtifactFiles& files,
                           Verdict verdict);

}  // namespace kvtier
