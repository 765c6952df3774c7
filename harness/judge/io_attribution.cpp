#include "harness/judge/io_attribution.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "harness/judge/agreement.hpp"
#include "harness/judge/evidence.hpp"
#include "harness/judge/gates.hpp"

namespace kvtier {
namespace {

constexpr std::size_t kTopPids = 10;  // spec: artifacts A12
/// Without an engine to compare with, the least that a strict replay must have read; chosen: the
/// floor under which the agreement rule judges nothing either. The predecessor passed 1 byte.
constexpr Bytes kMinimumRead = kWitnessFloor;
/// What a worker without an SSD tier may read in replay (design: "B1 is off").
constexpr Bytes kB1Reads = 1_MiB;

std::string Text(const Reading<Bytes>& r) {
  return r.available() ? FormatBytes(*r) : "unavailable (" + r.reason() + ")";
}

bool Positive(const Reading<Bytes>& r) {
  return r.available() && r->value > 0;
}

/// Seconds since 1970 of an ISO-8601 stamp in UTC; empty when it is none.
std::optional<double> ParseStamp(const std::string& text) {
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, used = 0;
  double second = 0;
  if (std::sscanf(text.c_str(), "%4d-%2d-%2dT%2d:%2d:%lf%n", &year, &month, &day, &hour, &minute,
                  &second, &used) != 6) {
    return std::nullopt;
  }
  const std::string zone = text.substr(static_cast<std::size_t>(used));
  if (zone != "Z" && zone != "+00:00") return std::nullopt;
  if (month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || second >= 61) {
    return std::nullopt;
  }
  const std::chrono::sys_days date{std::chrono::year{year} / month / day};
  return static_cast<double>(date.time_since_epoch().count()) * 86400.0 + hour * 3600.0 +
         minute * 60.0 + second;
}

/// What the operating system says the worker read: its process tree where that can be read, else
/// its control group (design: OS witness). A process tree that read nothing is not overruled by a
/// control group that others share.
struct Witness {
  std::string method = "none";  // spec: "pid", "cgroup", "none"
  Reading<Bytes> read;
};

Witness WitnessOf(const PhaseAttribution& a) {
  Witness w;
  w.read = a.process_read.available() ? a.process_read : a.cgroup_read;
  if (Positive(w.read)) w.method = a.process_read.available() ? "pid" : "cgroup";
  return w;
}

struct Judgement {
  std::vector<AttributionCheck> checks;
  Findings contradictions;
  std::set<std::string> explained;  // checks whose failure a contradiction already names
};

/// The checks of one replay phase, added in the order of the specification.
class PhaseJudge {
 public:
  PhaseJudge(const LegEvidence& leg, const PhaseEvidence& phase, bool headline, Judgement& out)
      : leg_(leg),
        phase_(phase),
        suffix_(headline ? "" : " (" + phase.name + ")"),
        strict_(leg.tier == TierMode::kB2),
        headline_(headline),
        engine_(EngineRead(leg, phase)),
        out_(out) {}

  void Run(const PhaseAttribution* found) {
    const PhaseAttribution absent;
    const PhaseAttribution& a = found != nullptr ? *found : absent;
    const Witness w = WitnessOf(a);
    if (strict_) {
      Window(found);
      if (headline_ || (engine_.available() && engine_->value > 0)) Positivity(a, w);
      Agreement(a, w);
    }
    Strangers(a, w);
    PageCache(a);
    if (leg_.tier == TierMode::kB1) B1Reads(w);
    Files(a);
  }

 private:
  void Add(const char* name, CheckStatus status, std::string detail) {
    out_.checks.push_back({name + suffix_, status, std::move(detail)});
  }

  void Window(const PhaseAttribution* a) {
    if (a == nullptr) {
      Add("replay_phase_window", CheckStatus::kFail,
          "the report has no phase " + phase_.name + ", which the leg ran");
      return;
    }
    const auto start = ParseStamp(a->start_utc);
    const auto end = ParseStamp(a->end_utc);
    const bool good = start && end && *start <= *end;
    Add("replay_phase_window", good ? CheckStatus::kPass : CheckStatus::kFail,
        fmt::format("{} from \"{}\" to \"{}\"", a->phase, a->start_utc, a->end_utc));
    const auto ran_from = ParseStamp(phase_.start_utc);
    const auto ran_to = ParseStamp(phase_.end_utc);
    if (!good || !ran_from || !ran_to) return;
    // A report of another run has plausible windows, but not these.
    const bool overlaps = *start <= *ran_to && *ran_from <= *end;
    Add("replay_window_matches_run", overlaps ? CheckStatus::kPass : CheckStatus::kFail,
        fmt::format("the phase ran from {} to {}", phase_.start_utc, phase_.end_utc));
  }

  void Positivity(const PhaseAttribution& a, const Witness& w) {
    const bool none = w.method == "none";
    // The device is context: it condemns nobody whom another witness saw reading.
    Add("replay_block_reads_positive",
        Positive(a.block_read) ? CheckStatus::kPass
        : none                 ? CheckStatus::kFail
                               : CheckStatus::kWarn,
        "the whole device read " + Text(a.block_read));
    Add("replay_process_reads_positive", none ? CheckStatus::kFail : CheckStatus::kPass,
        fmt::format("the worker's processes read {}, its control group {}", Text(a.process_read),
                    Text(a.cgroup_read)));
    const auto readers =
        std::count_if(a.pids.begin(), a.pids.end(), [](const auto& p) { return p.read.value > 0; });
    Add("replay_process_pid_readers_present",
        readers > 0 ? CheckStatus::kPass
        : none      ? CheckStatus::kFail
                    : CheckStatus::kWarn,
        fmt::format("{} of {} processes read from a device", readers, a.pids.size()));
    const Bytes least = LeastRead();
    const bool enough = w.read.available() && *w.read >= least;
    Add("replay_reads_magnitude", enough ? CheckStatus::kPass : CheckStatus::kFail,
        fmt::format("the worker read {}, at least {} are required ({})", Text(w.read),
                    FormatBytes(least),
                    engine_.available() ? "the engine read " + FormatBytes(*engine_)
                                        : "the engine's bytes are unknown"));
    if (Positive(w.read) && a.block_read.available() && *w.read >= kWitnessFloor) {
      // The device is the upper bound of what anybody read from it: a worker that read more did so
      // elsewhere, and that is no read of the KV cache.
      const bool covered = a.block_read->value >= w.read->value / 2;
      Add("replay_device_covers_reads", covered ? CheckStatus::kPass : CheckStatus::kFail,
          fmt::format("the worker read {}, the KV device {}{}", FormatBytes(*w.read),
                      FormatBytes(*a.block_read),
                      covered ? "" : ": most of it came from another device"));
    }
  }

  /// Engine bytes minus what the agreement tolerates, but one block; 8 MiB where the engine is
  /// silent, or says that it read nothing: what the worker read then was no KV.
  Bytes LeastRead() const {
    const Bytes block{std::max<std::uint64_t>(1, leg_.block_bytes)};
    if (!engine_.available() || engine_->value == 0) return std::max(kMinimumRead, block);
    const Bytes tolerance = WitnessTolerance(*engine_, leg_.backend == "reference");
    return std::max(block, *engine_ > tolerance ? Bytes{engine_->value - tolerance.value} : block);
  }

  void Agreement(const PhaseAttribution& a, const Witness& w) {
    if (!engine_.available() || !w.read.available()) {
      Add("replay_engine_agreement", CheckStatus::kFail,
          engine_.available() ? "the worker's reads are unknown: " + w.read.reason()
                              : "the engine's reads are unknown: " + engine_.reason());
      return;
    }
    const auto reason =
        CompareWitnesses(*engine_, *w.read, a.process_rchar, leg_.backend == "reference");
    std::string detail =
        fmt::format("the engine read {}, the worker {} from the device; system calls asked for {}",
                    FormatBytes(*engine_), FormatBytes(*w.read), Text(a.process_rchar));
    if (!reason) {
      Add("replay_engine_agreement", CheckStatus::kPass, std::move(detail));
      return;
    }
    if (*reason == Reason::kPageCacheReads) detail += Residency(a);
    Add("replay_engine_agreement", CheckStatus::kFail,
        fmt::format("{}: {}", Code(*reason), detail));
    out_.contradictions.push_back(
        MakeFinding(*reason, leg_.run_id, phase_.name, "I/O attribution: " + detail));
    for (const char* name : {"replay_block_reads_positive", "replay_process_reads_positive",
                             "replay_process_pid_readers_present", "replay_reads_magnitude",
                             "replay_engine_agreement"}) {
      out_.explained.insert(name + suffix_);
    }
  }

  static std::string Residency(const PhaseAttribution& a) {
    if (!a.files.available()) return "";
    Bytes resident, size;
    for (const FileObservation& f : *a.files) {
      if (!f.resident_after.available() || !f.size.available()) continue;
      resident += *f.resident_after;
      size += *f.size;
    }
    return size.value == 0 ? ""
                           : fmt::format("; {} of {} of the KV files lie in the page cache",
                                         FormatBytes(resident), FormatBytes(size));
  }

  /// The margin is the one by which the worker's own reads may exceed the engine's.
  void Strangers(const PhaseAttribution& a, const Witness& w) {
    if (!a.block_read.available() || !w.read.available()) return;
    const bool stranger = *a.block_read > *w.read + WitnessExcess(*w.read);
    Add("replay_reads_by_strangers", stranger ? CheckStatus::kWarn : CheckStatus::kPass,
        fmt::format("the device read {}, the worker {} of it", FormatBytes(*a.block_read),
                    FormatBytes(*w.read)));
  }

  void PageCache(const PhaseAttribution& a) {
    if (!a.files.available() || a.files->empty()) return;
    const auto buffered = std::count_if(a.files->begin(), a.files->end(), [](const auto& f) {
      // Half of the file: less is what a look at its head leaves behind.
      return !f.direct_io && f.resident_after.available() && f.size.available() &&
             f.resident_after->value * 2 > f.size->value;
    });
    Add("replay_page_cache", buffered == 0 ? CheckStatus::kPass : CheckStatus::kWarn,
        fmt::format("{} of {} KV files are read through the page cache and lie in it{}", buffered,
                    a.files->size(), Residency(a)));
  }

  void B1Reads(const Witness& w) {
    const bool small = w.read.available() && *w.read <= kB1Reads;
    Add("b1_replay_reads", small ? CheckStatus::kPass : CheckStatus::kWarn,
        fmt::format("the worker read {}, {} are allowed without an SSD tier", Text(w.read),
                    FormatBytes(kB1Reads)));
  }

  void Files(const PhaseAttribution& a) {
    const bool seen = a.files.available() && !a.files->empty();
    std::string detail = a.files.available() ? fmt::format("{} KV files were open", a.files->size())
                                             : "the open files are unknown: " + a.files.reason();
    Add("replay_kvbm_file_observation", seen ? CheckStatus::kPass : CheckStatus::kWarn,
        std::move(detail));
    if (seen) FilesOnDevice(*a.files);
  }

  /// Device and control group are counted on the report's disk; files elsewhere are not in them.
  void FilesOnDevice(const std::vector<FileObservation>& files) {
    const std::string& device = leg_.io_attribution->device;
    if (device.empty()) return;
    const auto elsewhere = std::find_if(files.begin(), files.end(), [&](const auto& f) {
      return !f.device.empty() && f.device != device;
    });
    Add("replay_files_on_device",
        elsewhere == files.end() ? CheckStatus::kPass : CheckStatus::kWarn,
        elsewhere == files.end() ? "the KV files lie on " + device
                                 : fmt::format("{} lies on {}, the report is about {}",
                                               elsewhere->path, elsewhere->device, device));
  }

  const LegEvidence& leg_;
  const PhaseEvidence& phase_;
  const std::string suffix_;
  const bool strict_, headline_;
  const Reading<Bytes> engine_;
  Judgement& out_;
};

void AddReport(const LegEvidence& leg, bool expect_report, std::vector<AttributionCheck>& checks) {
  checks.push_back({"summary_present", leg.closed ? CheckStatus::kPass : CheckStatus::kWarn,
                    leg.closed ? "the run wrote its summary" : "the run wrote no summary"});
  const auto& report = leg.io_attribution;
  if (report && report->available) {
    checks.push_back({"io_report_present", CheckStatus::kPass, "device " + report->device});
    if (!report->capture_errors.empty()) {
      checks.push_back({"io_report_capture_errors", CheckStatus::kWarn,
                        fmt::format("{}, first: {}", report->capture_errors.size(),
                                    report->capture_errors.front())});
    }
    return;
  }
  checks.push_back({"io_report_present", expect_report ? CheckStatus::kFail : CheckStatus::kWarn,
                    !report                 ? "the leg has no attribution report"
                    : report->error.empty() ? "the report is not available and does not say why"
                                            : report->error});
}

Judgement JudgeAll(const LegEvidence& leg, bool expect_report) {
  Judgement out;
  AddReport(leg, expect_report, out.checks);
  const bool usable = leg.io_attribution && leg.io_attribution->available;
  const PhaseEvidence* headline = HeadlinePhase(leg);
  if (leg.tier != TierMode::kB2) {
    out.checks.push_back({"strict_replay_gate", CheckStatus::kPass,
                          fmt::format("not required in {}", TierName(leg.tier))});
  } else if (headline == nullptr) {
    out.checks.push_back(
        {"replay_phase_window", CheckStatus::kFail, "the leg has no replay phase"});
  }
  if (headline == nullptr) return out;
  // The headline first, then every later replay; a report that leaves one out fails its window.
  std::vector<const PhaseEvidence*> replays{headline};
  for (const PhaseEvidence& phase : leg.phases) {
    if (&phase != headline && phase.name.rfind("replay", 0) == 0) replays.push_back(&phase);
  }
  for (const PhaseEvidence* phase : replays) {
    PhaseJudge(leg, *phase, phase == headline, out)
        .Run(usable ? leg.io_attribution->Find(phase->name) : nullptr);
  }
  return out;
}

bool Fails(const AttributionCheck& check) {
  return check.status == CheckStatus::kFail;
}

}  // namespace

IoAttributionVerdict JudgeIoAttribution(const LegEvidence& leg, bool expect_report) {
  IoAttributionVerdict v;
  v.mode = TierName(leg.tier);
  v.strict = leg.tier == TierMode::kB2;
  v.checks = JudgeAll(leg, expect_report).checks;
  v.pass = std::none_of(v.checks.begin(), v.checks.end(), Fails);
  v.evidence_method = "none";
  const auto missing = Reading<Bytes>::Unavailable("the leg has no attribution of its replay");
  v.replay_block_read = v.replay_process_read = v.replay_cgroup_read = missing;
  const PhaseEvidence* headline = HeadlinePhase(leg);
  if (headline == nullptr) return v;
  v.replay_phase = headline->name;
  const bool usable = leg.io_attribution && leg.io_attribution->available;
  const PhaseAttribution* a = usable ? leg.io_attribution->Find(headline->name) : nullptr;
  if (a == nullptr) return v;
  v.replay_block_read = a->block_read;
  v.replay_process_read = a->process_read;
  v.replay_cgroup_read = a->cgroup_read;
  v.evidence_method = WitnessOf(*a).method;
  v.top_pids = a->pids;
  std::stable_sort(v.top_pids.begin(), v.top_pids.end(),
                   [](const PidBytes& x, const PidBytes& y) { return x.read > y.read; });
  if (v.top_pids.size() > kTopPids) v.top_pids.resize(kTopPids);
  return v;
}

Findings CheckIoAttribution(const LegEvidence& leg, bool expected) {
  if (leg.tier == TierMode::kB0 || (!expected && !leg.io_attribution)) return {};
  Judgement judged = JudgeAll(leg, expected);
  Findings out = std::move(judged.contradictions);
  if (!expected) return out;
  std::string failed;
  for (const AttributionCheck& check : judged.checks) {
    if (!Fails(check) || judged.explained.count(check.name) > 0) continue;
    failed += fmt::format("{}{}: {}", failed.empty() ? "" : "; ", check.name, check.detail);
  }
  if (!failed.empty()) {
    const PhaseEvidence* headline = HeadlinePhase(leg);
    out.push_back(MakeFinding(Reason::kIoAttribMissing, leg.run_id,
                              headline != nullptr ? headline->name : "", failed));
  }
  return out;
}

}  // namespace kvtier
