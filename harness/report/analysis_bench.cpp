// How long the analysis of a stored campaign takes, and how much memory: 16 legs of 62,500 requests
// each, from the bundles on disk to the files of the verdict. Writing the bundles and each analysis
// are processes of their own, so that one's memory is not the other's. One JSON row a line:
// docs/benchmarks.md.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>
#include <sys/resource.h>
#include <sys/wait.h>

#include "harness/core/clock.hpp"
#include "harness/report/stored_experiment.hpp"

namespace kvtier {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr int kPairs = 8;
constexpr int kRows = 62'500;
constexpr double kSecondsALeg = 2;     // the issue
constexpr double kMemoryGrowth = 1.5;  // of 16 legs against 4
constexpr int kParseRounds = 7;

double Seconds(MonoNs from) {
  return static_cast<double>(NowMono() - from) / 1e9;
}

struct Cost {
  double seconds = 0, cpu_seconds = 0, peak_mib = 0;
};

/// Runs `work` in a child of its own.
Cost InChild(const std::function<void()>& work) {
  int pipe[2];
  if (::pipe(pipe) != 0) throw std::runtime_error("pipe");
  std::fflush(stdout);
  const pid_t child = ::fork();
  if (child < 0) throw std::runtime_error("fork");
  if (child == 0) {
    Cost cost;
    try {
      const MonoNs begin = NowMono();
      work();
      cost.seconds = Seconds(begin);
    } catch (const std::exception& e) {
      std::fprintf(stderr, "analysis_bench: %s\n", e.what());
      ::_exit(2);
    }
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    for (const timeval& t : {usage.ru_utime, usage.ru_stime})
      cost.cpu_seconds += static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
    cost.peak_mib = static_cast<double>(usage.ru_maxrss) / 1024;
    ::_exit(::write(pipe[1], &cost, sizeof cost) == sizeof cost ? 0 : 2);
  }
  ::close(pipe[1]);
  Cost cost;
  const bool told = ::read(pipe[0], &cost, sizeof cost) == sizeof cost;
  ::close(pipe[0]);
  ::waitpid(child, nullptr, 0);
  if (!told) throw std::runtime_error("a child ended without its figures");
  return cost;
}

/// Writes the campaign leg by leg. Rows of requests.jsonl do not name their leg, so every second
/// leg of an arm shares its file with another by a hard link.
void WriteCampaign(const Phase70Paths& paths) {
  Phase70Input input = test::MakeExperiment(kPairs);
  const Phase70Setup setup = input.setup;
  for (Phase70Leg& leg : input.legs) leg.evidence.records = {};
  Phase70Manifest m;
  m.created_utc = paths.ts;
  m.setup = setup;
  m.setup.ts = paths.ts;
  m.setup.declared_sha256 = DeclarationSha256(m.setup);
  m.schedule = PlanOrder(kPairs, setup.order_strategy, setup.order_seed);
  std::vector<fs::path> files[2][2];
  int number = 0;
  for (const Phase70Leg& leg : input.legs) {
    const TierMode mode = leg.evidence.tier;
    const bool b2 = mode == TierMode::kB2;
    const fs::path dir = paths.RunDir(mode, leg.pair_id, leg.pair_leg);
    LegEvidence e = sample::BigLeg(mode, (b2 ? 60 : 100) + leg.pair_id % 2, kRows,
                                   paths.RunId(mode, leg.pair_id, leg.pair_leg));
    sample::Timed(e, ++number);
    auto& same = files[b2 ? 1 : 0][leg.pair_id % 2];
    if (same.empty()) {
      sample::WriteLeg(dir, e);
      same.push_back(dir / bundle_files::kRequests);
    } else {
      const std::vector<RequestRecord> records = std::move(e.records);
      e.records = {};
      RunBundleWriter writer(dir);
      RunConfig config = sample::Config(e);
      config.model_id = e.model_id;
      writer.WriteConfig(config);
      for (const PhaseEvidence& phase : e.phases) writer.WritePhase(phase, {});
      writer.Close(e);
      for (const char* name : {bundle_files::kRequests, bundle_files::kRequestPlan}) {
        fs::remove(dir / name);
        fs::create_hard_link(same.front().parent_path() / name, dir / name);
      }
    }
    WriteWashout(dir, test::CleanWashout(e, ""));
    m.runs.push_back({.pair_id = leg.pair_id,
                      .pair_order = OrderLabel(leg.order, setup.mode_a, setup.mode_b),
                      .pair_leg = leg.pair_leg,
                      .mode = mode,
                      .bundle_id = paths.BundleId(mode, leg.pair_id, leg.pair_leg),
                      .run_id = e.run_id,
                      .run_dir = fs::relative(dir, paths.root).string(),
                      .log_path = "",
                      .started_utc = "",
                      .completed_utc = ""});
  }
  WritePhase70Manifest(paths, m);
}

/// From the manifest on disk to the files of the verdict, over its first `legs` legs.
void Analyze(const Phase70Paths& paths, std::size_t legs) {
  Phase70Manifest manifest = LoadPhase70Manifest(paths);
  manifest.runs.resize(legs);
  Phase70Input input;
  input.setup = manifest.setup;
  input.preflight.state = PreflightOutcome::State::kPassed;
  input.legs = LoadPhase70Legs(paths, manifest, LegRows::kRelease);
  Phase70Analysis analysis = AnalyzePhase70(input, UtcMillisNow());
  WritePhase70Analysis(paths, manifest, analysis);
  const Verdict& v = analysis.verdict;
  if (legs == 2 * kPairs && (!v.decision_grade || v.answers_mismatched > 0))
    throw std::runtime_error("the campaign is not the good one that it should be:\n" +
                             FindingsText(v.findings));
}

void Print(json row) {
  std::puts(row.dump().c_str());
  std::fflush(stdout);
}

void PrintAtMost(const char* name, const std::string& what, double ours, double reference,
                 double limit, const char* unit, int rounds) {
  Print({{"row", name},
         {"what", what},
         {"ours", ours},
         {"reference", reference},
         {"ratio", ours / reference},
         {"limit", limit},
         {"direction", "at_most"},
         {"pass", ours / reference <= limit},
         {"unit", unit},
         {"rounds", rounds}});
}

/// Rows a second of the two ways to read them, on the same rows in alternation.
void CompareParsers() {
  const LegEvidence leg = sample::BigLeg(TierMode::kB2, 60, 2000, "run");
  std::vector<std::string> lines;
  for (const RequestRecord& r : leg.records) lines.push_back(ToJson(r).dump());
  RequestRowParser parser(RowDetail::kForRules);
  std::vector<double> fast, typed;
  std::size_t read = 0;
  for (int round = 0; round < kParseRounds; ++round) {
    MonoNs begin = NowMono();
    for (const std::string& line : lines) read += parser.ParseFast(line).has_value() ? 1U : 0U;
    fast.push_back(static_cast<double>(lines.size()) / Seconds(begin));
    begin = NowMono();
    for (const std::string& line : lines) RecordFromJson(json::parse(line));
    typed.push_back(static_cast<double>(lines.size()) / Seconds(begin));
  }
  if (read != lines.size() * kParseRounds) throw std::runtime_error("a row was not read");
  std::nth_element(fast.begin(), fast.begin() + kParseRounds / 2, fast.end());
  std::nth_element(typed.begin(), typed.begin() + kParseRounds / 2, typed.end());
  const double ours = fast[kParseRounds / 2], reference = typed[kParseRounds / 2];
  Print({{"row", "request_rows"},
         {"what", "rows of requests.jsonl a second for the rules, against the typed JSON reader"},
         {"ours", ours},
         {"reference", reference},
         {"ratio", ours / reference},
         {"limit", 3.0},
         {"direction", "at_least"},
         {"pass", ours / reference >= 3.0},
         {"unit", "rows/s"},
         {"rounds", kParseRounds}});
}

int Main() {
  const fs::path dir = fs::read_symlink("/proc/self/exe").parent_path() / "analysis_bench.tmp";
  fs::remove_all(dir);
  struct Cleanup {
    fs::path dir;
    ~Cleanup() {
      std::error_code ignored;
      fs::remove_all(dir, ignored);
    }
  } cleanup{dir};
  const Phase70Paths paths{dir, "20260101T000000Z"};
  InChild([&] { WriteCampaign(paths); });
  constexpr int kLegs = 2 * kPairs;
  const Cost quarter = InChild([&] { Analyze(paths, kLegs / 4); });
  const Cost whole = InChild([&] { Analyze(paths, kLegs); });
  PrintAtMost("analysis_leg",
              fmt::format("seconds a leg to analyse 16 legs of 62,500 requests from disk to "
                          "verdict, against the limit; {:.2f} s of it CPU",
                          whole.cpu_seconds / kLegs),
              whole.seconds / kLegs, kSecondsALeg, 1, "s", kLegs);
  PrintAtMost("analysis_memory", "peak memory of the analysis of 16 legs against that of 4",
              whole.peak_mib, quarter.peak_mib, kMemoryGrowth, "MiB", 1);
  CompareParsers();
  return 0;
}

}  // namespace
}  // namespace kvtier

int main() try { return kvtier::Main(); } catch (const std::exception& e) {
  std::fprintf(stderr, "analysis_bench: %s\n", e.what());
  return 2;
}
